//! What a plan can ask for. Each action is a level, not an edge: carrying it out twice is carrying it out once.

use crate::waiting::WaitingOn;
use jiff::Timestamp;
use qianyun_crds::{CutoverDecision, DecisionKind, HostIntent};

/// What to do, and what is waited for.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Plan {
    /// What to do now, in this order.
    pub actions: Vec<Action>,
    /// What is waited for; `None` only where nothing is left to do.
    pub waiting: Option<WaitingOn>,
}

impl Plan {
    /// Nothing to do but to wait.
    pub(crate) fn wait(on: WaitingOn) -> Self {
        Plan { actions: Vec::new(), waiting: Some(on) }
    }

    /// One action, and what is waited for until it shows.
    pub(crate) fn act(action: Action, then: WaitingOn) -> Self {
        Plan { actions: vec![action], waiting: Some(then) }
    }
}

/// One thing to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// Make the host's journey, idle.
    CreateJourney { host: String, digest: String },
    /// Write what the host is to be into its journey.
    SetIntent { host: String, intent: HostIntent, attempt: i32, digest: String },
    /// Make the volumes of the scheme where they are missing.
    EnsureVolumes { host: String },
    /// Start the receiver where there is none.
    EnsureReceiver { host: String },
    /// Stop the receiver, so that nothing writes to the replica any more.
    StopReceiver { host: String },
    /// Write the decision on an attempt, once. A commit is not written after `not_after`.
    Decide { host: String, decision: CutoverDecision, not_after: Option<Timestamp> },
    /// Launch the machine on an overlay of the replica.
    EnsureTarget { host: String },
    /// Try the probes of the scheme.
    RunProbes { host: String },
}

impl Action {
    /// The host that it is about.
    pub fn host(&self) -> &str {
        match self {
            Action::CreateJourney { host, .. }
            | Action::SetIntent { host, .. }
            | Action::EnsureVolumes { host }
            | Action::EnsureReceiver { host }
            | Action::StopReceiver { host }
            | Action::Decide { host, .. }
            | Action::EnsureTarget { host }
            | Action::RunProbes { host } => host,
        }
    }

    /// Whether an attempt of a cutover begins with it.
    pub fn begins_attempt(&self) -> bool {
        matches!(self, Action::SetIntent { intent: HostIntent::Cutover, .. })
    }

    /// Whether every approver's permission is asked again, and the plan made again, right before it is carried out.
    pub fn is_irreversible(&self) -> bool {
        match self {
            Action::SetIntent { intent, .. } => match intent {
                HostIntent::Replicate | HostIntent::Cutover | HostIntent::Serve => true,
                // A way back, or the carrying out of a decision that is written.
                HostIntent::Idle | HostIntent::Resume | HostIntent::Fence => false,
            },
            Action::Decide { decision, .. } => decision.kind == DecisionKind::Commit,
            Action::EnsureTarget { .. } => true,
            Action::CreateJourney { .. }
            | Action::EnsureVolumes { .. }
            | Action::EnsureReceiver { .. }
            | Action::StopReceiver { .. }
            | Action::RunProbes { .. } => false,
        }
    }
}
