//! What to do next: one pure function from what is known to one action. The whole journey on the host is on this page.
//!
//! It has no memory: after a kill at any instant the same facts, read again, give the same action. It never acts.
//!
//! ```text
//!  Idle ─► PrepareBoot ─► StartReplication ─► (follow) ─► Arm ─► Quiesce ─► Freeze ─► FinalPass ─► Vote
//!                                               ▲          │        │         │          │          │
//!                                               │          └────────┴── give up ─────────┘          │ the controller
//!                                               │                       │                           │ decides
//!                                               └── EndAttempt ◄─ StartServices ◄─ Thaw ◄── Resume ──┤
//!                                                                                                   └─ Fence ─►
//!                                                                                  AcknowledgeFence ─► PowerOff
//! ```
//!
//! The admin's hooks run before Quiesce, before Freeze and before EndAttempt, where the scheme names any.

use qianyun_agent_api::desired::{CutoverIntent, FenceIntent, HookMoment, Intent, ReplicateIntent};
use qianyun_agent_api::report::{Role, Step};

/// What is known. Everything here is read from the ledger, the state of this boot, the machine and the engine.
#[derive(Debug, Clone)]
pub(crate) struct Facts<'a> {
    /// Enrolled hardware, or other.
    pub(crate) role: Role,
    /// What the gateway asks for; nothing before the first answer to this process.
    pub(crate) intent: Option<&'a Intent>,
    /// What the admin's file says against it.
    pub(crate) forbidden: Option<&'a str>,
    /// The attempt in the ledger.
    pub(crate) armed: Option<ArmedFacts<'a>>,
    /// Highest attempt ever begun.
    pub(crate) last_attempt: u32,
    /// Whether the filesystems are frozen now.
    pub(crate) frozen: bool,
    /// Boot entry and initramfs are in place.
    pub(crate) boot_prepared: bool,
    /// The engine.
    pub(crate) replication: Replication,
    /// The gateway has answered the report that says `Fencing`.
    pub(crate) fence_acknowledged: bool,
    /// On the arrival: names of interfaces are right; units asked for are up.
    pub(crate) network_adapted: bool,
    pub(crate) units_up: bool,
}

/// What is known of the attempt in the ledger.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct ArmedFacts<'a> {
    /// Which attempt.
    pub(crate) attempt: u32,
    /// It was armed in this boot. In another one, whether it voted cannot be known here.
    pub(crate) same_boot: bool,
    /// It was begun by this process, which still holds the freeze and the session.
    pub(crate) same_process: bool,
    /// Digest of the record it voted with.
    pub(crate) voted: Option<&'a str>,
    /// Moments of which hooks are still to be run.
    pub(crate) hooks_left: HooksLeft,
    /// The declared services are down.
    pub(crate) quiesced: bool,
    /// The services that ran before run again.
    pub(crate) services_run: bool,
    /// It was frozen, and is or was since thawed.
    pub(crate) was_frozen: bool,
    /// The record, signed by both ends, is at hand.
    pub(crate) signed: bool,
    /// Why it must be given up.
    pub(crate) failed: Option<&'a str>,
}

/// Of each moment, whether a hook is still to be run.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct HooksLeft {
    pub(crate) before_stop: bool,
    pub(crate) before_freeze: bool,
    pub(crate) after_resume: bool,
}

/// Where the engine stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Replication {
    /// Not running.
    Stopped,
    /// Running in a session.
    Running {
        /// Which.
        session: u64,
        /// Following, without doubt, and a freeze now would be short.
        in_sync: bool,
    },
}

/// One thing to do. Each can be repeated: what is already so is left alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Action {
    PrepareBoot,
    StartReplication,
    StopReplication,
    /// Write the attempt to the ledger.
    Arm,
    /// Run the admin's hooks of a moment.
    RunHooks(HookMoment),
    Quiesce,
    Freeze,
    /// Drain, send, wait for the durable barrier, compare roots, sign at both ends.
    FinalPass,
    /// Keep the record where it survives this process. From then on only the controller decides.
    Vote,
    Thaw,
    StartServices,
    /// Forget the attempt, and keep how it ended.
    EndAttempt {
        resumed: bool,
    },
    /// Note that an attempt was aborted before it began here.
    PassOver {
        attempt: u32,
    },
    AcknowledgeFence,
    PowerOff,
    AdaptNetwork,
    ServeUnits,
    /// Wait for the reason named.
    Wait(Waiting),
}

/// What is waited for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Waiting {
    /// The gateway has not said anything yet.
    Gateway,
    /// All that was asked for is so.
    Nothing,
    /// The admin's own file.
    LocalFile,
    /// The copy is not in sync.
    Sync,
    /// The services are down; other servers of the system stop theirs.
    OtherServers,
    /// Voted: the controller decides.
    Decision,
    /// What is asked for does not fit what this host knows.
    Refused,
}

impl Action {
    /// The step that a report shows for it.
    pub(crate) fn step(self) -> Option<Step> {
        match self {
            Self::PrepareBoot => Some(Step::PrepareBoot),
            Self::StartReplication => Some(Step::Replicate),
            Self::RunHooks(HookMoment::BeforeStop) => Some(Step::HooksBeforeStop),
            Self::RunHooks(HookMoment::BeforeFreeze) => Some(Step::HooksBeforeFreeze),
            Self::RunHooks(HookMoment::AfterResume) => Some(Step::HooksAfterResume),
            Self::Quiesce => Some(Step::Quiesce),
            Self::Freeze => Some(Step::Freeze),
            Self::FinalPass => Some(Step::FinalPass),
            Self::Vote => Some(Step::Verify),
            Self::Thaw => Some(Step::Thaw),
            Self::StartServices => Some(Step::StartServices),
            Self::AcknowledgeFence | Self::PowerOff => Some(Step::Fence),
            Self::AdaptNetwork => Some(Step::AdaptNetwork),
            Self::ServeUnits => Some(Step::ServeUnits),
            Self::StopReplication | Self::Arm | Self::EndAttempt { .. } | Self::PassOver { .. } | Self::Wait(_) => None,
        }
    }

    /// What follows from its failure.
    pub(crate) fn failure(self) -> Failure {
        match self {
            Self::RunHooks(HookMoment::BeforeStop | HookMoment::BeforeFreeze)
            | Self::Quiesce
            | Self::Freeze
            | Self::FinalPass
            | Self::Vote => Failure::EndsAttempt,
            Self::RunHooks(HookMoment::AfterResume) => Failure::IsShown,
            // An attempt that is not armed is none yet.
            Self::Arm
            | Self::PrepareBoot
            | Self::StartReplication
            | Self::StopReplication
            | Self::Thaw
            | Self::StartServices
            | Self::EndAttempt { .. }
            | Self::PassOver { .. }
            | Self::AcknowledgeFence
            | Self::PowerOff
            | Self::AdaptNetwork
            | Self::ServeUnits
            | Self::Wait(_) => Failure::IsTriedAgain,
        }
    }
}

/// What follows from the failure of an action.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Failure {
    /// The attempt is given up.
    EndsAttempt,
    /// It is tried again.
    IsTriedAgain,
    /// Nothing but that its step says so.
    IsShown,
}

/// The next action.
pub(crate) fn next(facts: &Facts<'_>) -> Action {
    match (facts.role, facts.armed) {
        (Role::Arrival, _) => arrival(facts),
        (Role::Source, Some(armed)) => attempt(facts, armed),
        (Role::Source, None) => follow(facts),
    }
}

/// On the other machine. The plan in the ledger is carried out first: without its names there may be no network.
fn arrival(facts: &Facts<'_>) -> Action {
    match facts.intent {
        _ if facts.armed.is_some() && !facts.network_adapted => Action::AdaptNetwork,
        None => Action::Wait(Waiting::Gateway),
        Some(Intent::Serve(_)) if !facts.units_up => Action::ServeUnits,
        Some(Intent::Serve(_)) => Action::Wait(Waiting::Nothing),
        Some(Intent::Idle {}) => Action::Wait(Waiting::Nothing),
        Some(Intent::Replicate(_) | Intent::Stop(_) | Intent::Cutover(_) | Intent::Resume(_) | Intent::Fence(_)) => {
            Action::Wait(Waiting::Refused)
        }
    }
}

/// No attempt is under way.
fn follow(facts: &Facts<'_>) -> Action {
    match facts.intent {
        None => Action::Wait(Waiting::Gateway),
        Some(Intent::Idle {}) => stopped(facts, Waiting::Nothing),
        Some(Intent::Fence(_) | Intent::Serve(_)) => Action::Wait(Waiting::Refused),
        Some(Intent::Replicate(replicate)) => replicating(facts, replicate).unwrap_or(Action::Wait(Waiting::Nothing)),
        // It never began here, and never will: other servers of the system were first, and gave it up.
        Some(Intent::Resume(resume)) if resume.attempt > facts.last_attempt => {
            Action::PassOver { attempt: resume.attempt }
        }
        Some(Intent::Resume(resume)) => replicating(facts, &resume.replicate).unwrap_or(Action::Wait(Waiting::Nothing)),
        Some(Intent::Stop(cutover) | Intent::Cutover(cutover)) => {
            replicating(facts, &cutover.replicate).unwrap_or_else(|| begin(facts, cutover))
        }
    }
}

/// What is missing until the disks are followed in the session asked for.
fn replicating(facts: &Facts<'_>, intent: &ReplicateIntent) -> Option<Action> {
    if facts.forbidden.is_some() {
        return Some(stopped(facts, Waiting::LocalFile));
    }
    match facts.replication {
        _ if !facts.boot_prepared => Some(Action::PrepareBoot),
        Replication::Stopped => Some(Action::StartReplication),
        Replication::Running { session, .. } if session != intent.session => Some(Action::StopReplication),
        Replication::Running { .. } => None,
    }
}

fn stopped(facts: &Facts<'_>, otherwise: Waiting) -> Action {
    match facts.replication {
        Replication::Running { .. } => Action::StopReplication,
        Replication::Stopped => Action::Wait(otherwise),
    }
}

fn begin(facts: &Facts<'_>, cutover: &CutoverIntent) -> Action {
    match facts.replication {
        // It was begun before and has ended: the report says how, and the controller decides what comes next.
        _ if cutover.attempt <= facts.last_attempt => Action::Wait(Waiting::Nothing),
        Replication::Running { in_sync: true, .. } => Action::Arm,
        Replication::Running { in_sync: false, .. } | Replication::Stopped => Action::Wait(Waiting::Sync),
    }
}

/// An attempt is in the ledger: services may be down and filesystems frozen.
fn attempt(facts: &Facts<'_>, armed: ArmedFacts<'_>) -> Action {
    // After the vote, or where a vote cannot be ruled out, nobody but the controller may end it.
    let bound = armed.voted.is_some() || !armed.same_boot;
    match facts.intent {
        Some(Intent::Resume(resume)) if resume.attempt == armed.attempt => unwind(facts, armed, true),
        Some(Intent::Fence(fence)) if bound && may_fence(fence, armed) => match facts.fence_acknowledged {
            false => Action::AcknowledgeFence,
            true => Action::PowerOff,
        },
        Some(Intent::Fence(_)) if bound => Action::Wait(Waiting::Refused),
        Some(_) | None if bound => Action::Wait(Waiting::Decision),
        Some(Intent::Stop(cutover) | Intent::Cutover(cutover))
            if cutover.attempt == armed.attempt && may_go_on(facts, armed) =>
        {
            forward(facts, armed)
        }
        Some(_) | None => unwind(facts, armed, false),
    }
}

/// A record of another boot is gone with its memory; then the attempt's number must do.
fn may_fence(fence: &FenceIntent, armed: ArmedFacts<'_>) -> bool {
    fence.attempt == armed.attempt && armed.voted.is_none_or(|digest| digest == fence.record_digest)
}

/// Another process held the freeze and the session; and what was thawed before the vote proves nothing any more.
fn may_go_on(facts: &Facts<'_>, armed: ArmedFacts<'_>) -> bool {
    armed.same_process && armed.failed.is_none() && (facts.frozen || !armed.was_frozen)
}

fn forward(facts: &Facts<'_>, armed: ArmedFacts<'_>) -> Action {
    match (armed.quiesced, facts.frozen, armed.signed) {
        (false, _, _) if armed.hooks_left.before_stop => Action::RunHooks(HookMoment::BeforeStop),
        (false, _, _) => Action::Quiesce,
        (true, false, _) if armed.hooks_left.before_freeze => Action::RunHooks(HookMoment::BeforeFreeze),
        // A freeze lasts a minute at most, and another server may take half an hour to stop.
        (true, false, _) if matches!(facts.intent, Some(Intent::Stop(_))) => Action::Wait(Waiting::OtherServers),
        (true, false, _) => Action::Freeze,
        (true, true, false) => Action::FinalPass,
        (true, true, true) => Action::Vote,
    }
}

fn unwind(facts: &Facts<'_>, armed: ArmedFacts<'_>, resumed: bool) -> Action {
    match (facts.frozen, armed.services_run) {
        (true, _) => Action::Thaw,
        (false, false) => Action::StartServices,
        (false, true) if armed.hooks_left.after_resume => Action::RunHooks(HookMoment::AfterResume),
        (false, true) => Action::EndAttempt { resumed },
    }
}

#[cfg(test)]
mod tests;
