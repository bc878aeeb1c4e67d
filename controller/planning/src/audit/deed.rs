//! An action of the planner as the audit record keeps it, and whether its effect is seen. The record keeps what identifies it;
//! its time is the entry's own.

use super::entry::clip;
use crate::action::Action;
use crate::facts::{Facts, HostFacts, Known, Machine, Receiver};
use qianyun_crds::{DecisionKind, HostIntent};
use serde::{Deserialize, Serialize};

/// An action. Names and fields are never changed: entries are read for ever.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "action", rename_all_fields = "camelCase")]
pub enum Deed {
    /// Make the host's journey.
    CreateJourney { host: String, digest: String },
    /// Write what the host is to be.
    SetIntent { host: String, intent: HostIntent, attempt: i32, digest: String },
    /// Make the volumes.
    EnsureVolumes { host: String },
    /// Start the receiver.
    EnsureReceiver { host: String },
    /// Stop the receiver.
    StopReceiver { host: String },
    /// Write the decision on an attempt.
    Decide {
        host: String,
        decision: DecisionKind,
        attempt: i32,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        record_digest: Option<String>,
        reason: String,
    },
    /// Launch the machine on the cloud.
    EnsureTarget { host: String },
}

impl Deed {
    /// What the record keeps of an action; nothing of one that only looks, whose results are recorded instead.
    pub fn of(action: &Action) -> Option<Self> {
        let host = action.host().to_owned();
        Some(match action {
            Action::CreateJourney { digest, .. } => Deed::CreateJourney { host, digest: digest.clone() },
            Action::SetIntent { intent, attempt, digest, .. } => {
                Deed::SetIntent { host, intent: *intent, attempt: *attempt, digest: digest.clone() }
            }
            Action::EnsureVolumes { .. } => Deed::EnsureVolumes { host },
            Action::EnsureReceiver { .. } => Deed::EnsureReceiver { host },
            Action::StopReceiver { .. } => Deed::StopReceiver { host },
            Action::Decide { decision, .. } => Deed::Decide {
                host,
                decision: decision.kind,
                attempt: decision.attempt,
                record_digest: decision.record_digest.clone(),
                reason: clip(&decision.reason),
            },
            Action::EnsureTarget { .. } => Deed::EnsureTarget { host },
            Action::RunProbes { .. } => return None,
        })
    }

    /// The host that it is about.
    pub fn host(&self) -> &str {
        match self {
            Deed::CreateJourney { host, .. }
            | Deed::SetIntent { host, .. }
            | Deed::EnsureVolumes { host }
            | Deed::EnsureReceiver { host }
            | Deed::StopReceiver { host }
            | Deed::Decide { host, .. }
            | Deed::EnsureTarget { host } => host,
        }
    }

    /// What the facts show of its effect.
    pub fn effect(&self, facts: &Facts) -> Effect {
        let Some(host) = facts.host(self.host()) else { return Effect::Unknown };
        match self {
            Deed::CreateJourney { .. } => of_known(&host.journey, |_| true),
            Deed::SetIntent { intent, attempt, .. } => {
                of_known(&host.journey, |j| j.spec.intent == *intent && j.spec.attempt == *attempt)
            }
            Deed::EnsureVolumes { .. } => of_known(&host.hosting.volumes, |()| true),
            Deed::EnsureReceiver { .. } => match host.hosting.receiver {
                Receiver::Ready { .. } => Effect::Seen,
                Receiver::Absent | Receiver::Failed(_) => Effect::NotSeen,
                Receiver::Starting | Receiver::Unknown => Effect::Unknown,
            },
            Deed::StopReceiver { .. } => match host.hosting.receiver {
                Receiver::Absent => Effect::Seen,
                Receiver::Ready { .. } | Receiver::Starting | Receiver::Failed(_) => Effect::NotSeen,
                Receiver::Unknown => Effect::Unknown,
            },
            Deed::Decide { decision, attempt, record_digest, .. } => {
                of_known(&host.journey, |_| decided(host, *decision, *attempt, record_digest))
            }
            Deed::EnsureTarget { .. } => match host.hosting.machine {
                Machine::Running => Effect::Seen,
                Machine::Stopped | Machine::Absent => Effect::NotSeen,
                Machine::Unknown => Effect::Unknown,
            },
        }
    }
}

/// What is seen of a deed's effect.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Effect {
    /// It is as it should be.
    Seen,
    /// It is not.
    NotSeen,
    /// It is under way, or could not be asked.
    Unknown,
}

fn of_known<T>(known: &Known<T>, holds: impl FnOnce(&T) -> bool) -> Effect {
    match known {
        Known::Is(value) if holds(value) => Effect::Seen,
        Known::Is(_) | Known::Absent => Effect::NotSeen,
        Known::Unknown => Effect::Unknown,
    }
}

fn decided(host: &HostFacts, kind: DecisionKind, attempt: i32, record_digest: &Option<String>) -> bool {
    host.decision().is_some_and(|d| d.kind == kind && d.attempt == attempt && d.record_digest == *record_digest)
}
