//! One host's journey: what to do next, given everything that is known about its system.
//!
//! ```text
//!            approved, volumes and receiver there              in sync, in window, all gates
//!   Idle ───────────────────────────────────────► Replicate ─────────────────────────────────► Cutover{n}
//!    ▲         edited, returned, permission lost      ▲  ▲                                       │    │
//!    └────────────────────────────────────────────────┘  │ source at work        Abort written   │    │ Commit written
//!                                                        └───────────────────── Resume{n} ◄──────┘    ▼
//!                        Serve ◄── acknowledged, silent, receiver stopped ─────────────────────── Fence{n}
//! ```
//!
//! A decision, once written, is carried out; there is no arrow back from `Fence`.

mod cutover;
mod stage;
mod status;
mod takeover;

pub use cutover::AbortReason;
pub use stage::{Stage, stage};
pub use status::{status, vote_started};

use crate::action::{Action, Plan};
use crate::facts::{AgentFacts, Facts, HostFacts, Known, Receiver};
use crate::gate::{REPORT_FRESH_MS, first_obstacle, judge};
use crate::reason::{Obstacle, Reason, Verdict};
use crate::sequence::{Step, needs};
use crate::waiting::WaitingOn;
use jiff::Timestamp;
use qianyun_crds::{DiskPhase, GateName, HostIntent, HostMigration};

/// Plans one host.
pub fn plan(facts: &Facts, name: &str, now: Timestamp) -> Plan {
    let Some(host) = facts.host(name) else { return Plan::default() };
    let Known::Is(journey) = &host.journey else {
        return Plan::wait(WaitingOn::Journey { host: name.to_string() });
    };
    let this = Host { facts, host, journey, now };
    match journey.spec.intent {
        HostIntent::Idle => this.idle(),
        HostIntent::Replicate => this.replicate(),
        HostIntent::Cutover => this.cutover(),
        HostIntent::Resume => this.resume(),
        HostIntent::Fence => this.fence(),
        HostIntent::Serve => this.serve(),
    }
}

/// What has to be open from the beginning of an attempt to its decision, whatever a server says.
fn commit_gates() -> Vec<GateName> {
    needs(Step::Commit).iter().copied().filter(|g| *g != GateName::RecordVerified).collect()
}

/// One host in its system.
struct Host<'a> {
    facts: &'a Facts,
    host: &'a HostFacts,
    journey: &'a HostMigration,
    now: Timestamp,
}

impl Host<'_> {
    fn name(&self) -> String {
        self.host.name.clone()
    }

    fn set(&self, intent: HostIntent) -> Action {
        let spec = &self.journey.spec;
        let digest = if intent == HostIntent::Replicate { &self.facts.digest } else { &spec.scheme_digest };
        Action::SetIntent { host: self.name(), intent, attempt: spec.attempt, digest: digest.clone() }
    }

    /// Why nothing may be done to this host any more: its scheme was edited, or the approvals do not hold now. What is
    /// only not known holds the journey where it is, and does not stop it.
    fn must_stop(&self) -> Option<Obstacle> {
        let edited = self.journey.spec.scheme_digest != self.facts.digest;
        if edited || self.facts.scheme_host(&self.host.name).is_none() {
            let reason = Reason::SchemeEdited { host: self.name() };
            return Some(Obstacle { gate: GateName::DualApproved, known: true, reason });
        }
        match judge(GateName::DualApproved, self.facts, self.now) {
            Verdict::Closed(reason) => Some(Obstacle { gate: GateName::DualApproved, known: true, reason }),
            Verdict::Open | Verdict::Off | Verdict::Unknown(_) => None,
        }
    }

    fn obstacle(&self, step: Step) -> Option<Obstacle> {
        first_obstacle(needs(step), self.facts, self.now)
    }

    fn suspended(&self) -> bool {
        self.facts.migration.spec.suspend
    }

    fn fresh_agent(&self) -> Option<&AgentFacts> {
        self.host.agent.as_ref().filter(|a| a.age_ms <= REPORT_FRESH_MS)
    }

    fn idle(&self) -> Plan {
        let host = self.name();
        if self.facts.scheme_host(&self.host.name).is_none() {
            let reason = Reason::SchemeEdited { host };
            return Plan::wait(WaitingOn::Gate(Obstacle { gate: GateName::SchemeValid, known: true, reason }));
        }
        if let Some(obstacle) = self.obstacle(Step::Replicate) {
            return Plan::wait(WaitingOn::Gate(obstacle));
        }
        if self.suspended() {
            return Plan::wait(WaitingOn::Resumption);
        }
        match self.host.hosting.volumes {
            Known::Is(()) => {}
            Known::Absent => {
                let trouble = self.host.hosting.trouble.clone();
                return Plan::act(Action::EnsureVolumes { host: host.clone() }, WaitingOn::Volumes { host, trouble });
            }
            Known::Unknown => return Plan::wait(WaitingOn::Volumes { host, trouble: String::new() }),
        }
        if let Some(plan) = self.without_receiver() {
            return plan;
        }
        Plan::act(self.set(HostIntent::Replicate), WaitingOn::Copy { host, phase: DiskPhase::Idle })
    }

    /// What to do where no receiver listens; `None` where one does.
    fn without_receiver(&self) -> Option<Plan> {
        let host = self.name();
        let quiet = WaitingOn::Receiver { host: host.clone(), trouble: String::new() };
        match &self.host.hosting.receiver {
            Receiver::Ready { .. } => None,
            Receiver::Absent => Some(Plan::act(Action::EnsureReceiver { host }, quiet)),
            Receiver::Failed(trouble) => {
                let on = WaitingOn::Receiver { host: host.clone(), trouble: trouble.clone() };
                Some(Plan::act(Action::EnsureReceiver { host }, on))
            }
            Receiver::Starting | Receiver::Unknown => Some(Plan::wait(quiet)),
        }
    }

    fn replicate(&self) -> Plan {
        if let Some(obstacle) = self.must_stop() {
            return Plan::act(self.set(HostIntent::Idle), WaitingOn::Gate(obstacle));
        }
        // Not known: what runs goes on, nothing is started anew.
        if let Some(obstacle) = first_obstacle(&[GateName::DualApproved], self.facts, self.now) {
            return Plan::wait(WaitingOn::Gate(obstacle));
        }
        if let Some(plan) = self.without_receiver() {
            return plan;
        }
        let host = self.name();
        match self.fresh_agent() {
            None => return Plan::wait(WaitingOn::AgentReport { host }),
            Some(AgentFacts { local_refusal: Some(refusal), .. }) => {
                return Plan::wait(WaitingOn::LocalPermission { host, refusal: refusal.clone() });
            }
            Some(_) => {}
        }
        if self.suspended() {
            return Plan::wait(WaitingOn::Resumption);
        }
        if let Some(obstacle) = self.obstacle(Step::Cutover) {
            if let Reason::NotInSync { host, phase } = obstacle.reason {
                return Plan::wait(WaitingOn::Copy { host, phase });
            }
            return Plan::wait(WaitingOn::Gate(obstacle));
        }
        self.begin_attempt()
    }
}
