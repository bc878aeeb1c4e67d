//! What a journey waits for, as data. The words for it are in `report/waiting.rs`; only why an attempt was aborted comes along in
//! words, as it was written then.

use crate::reason::Obstacle;
use crate::report::Words;
use jiff::Timestamp;
use qianyun_crds::{DiskPhase, Party};

/// What is waited for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum WaitingOn {
    /// A gate.
    Gate(Obstacle),
    /// The suspension to be lifted.
    Resumption,
    /// The agent to report.
    AgentReport { host: String },
    /// The admin of the host to allow what the host's own file forbids.
    LocalPermission { host: String, refusal: String },
    /// The host's journey to be made.
    Journey { host: String },
    /// The volumes to be made.
    Volumes { host: String, trouble: String },
    /// The receiver to listen.
    Receiver { host: String, trouble: String },
    /// The copy to come into sync.
    Copy { host: String, phase: DiskPhase },
    /// The source's vote.
    Vote { host: String },
    /// The services of another server of the system to stop: part of waiting for the vote, which is not waited for longer because
    /// of it.
    OtherStop { host: String, other: String },
    /// The votes of the other hosts of the system.
    OtherVotes { host: String, others: String },
    /// The time after an aborted attempt.
    NextAttempt { host: String, at: Timestamp, why: Words },
    /// A new window: all attempts of this one are used up.
    NewWindow { host: String, attempts: u32, why: Words },
    /// The source to go back to work after an abort.
    SourceResumption { host: String },
    /// The source to acknowledge the fence.
    FenceAcknowledgement { host: String },
    /// The receiver to let go of the replica.
    ReceiverStop { host: String },
    /// The hosts that are launched before this one to serve.
    EarlierHosts { host: String, earlier: String },
    /// The machine on the cloud to start.
    Launch { host: String, trouble: String },
    /// The agent on the machine on the cloud to report.
    Arrival { host: String },
    /// The probes.
    Probes { host: String },
}

impl WaitingOn {
    /// The name in the API; a gate goes by its own.
    pub fn name(&self) -> String {
        match self {
            WaitingOn::Gate(obstacle) => format!("{:?}", obstacle.gate),
            WaitingOn::Resumption => "Resumption".into(),
            WaitingOn::AgentReport { .. } => "AgentReport".into(),
            WaitingOn::LocalPermission { .. } => "LocalPermission".into(),
            WaitingOn::Journey { .. } => "Journey".into(),
            WaitingOn::Volumes { .. } => "Volumes".into(),
            WaitingOn::Receiver { .. } => "Receiver".into(),
            WaitingOn::Copy { .. } => "Copy".into(),
            WaitingOn::Vote { .. } | WaitingOn::OtherStop { .. } => "Vote".into(),
            WaitingOn::OtherVotes { .. } => "OtherVotes".into(),
            WaitingOn::NextAttempt { .. } => "NextAttempt".into(),
            WaitingOn::NewWindow { .. } => "NewWindow".into(),
            WaitingOn::SourceResumption { .. } => "SourceResumption".into(),
            WaitingOn::FenceAcknowledgement { .. } => "FenceAcknowledgement".into(),
            WaitingOn::ReceiverStop { .. } => "ReceiverStop".into(),
            WaitingOn::EarlierHosts { .. } => "EarlierHosts".into(),
            WaitingOn::Launch { .. } => "Launch".into(),
            WaitingOn::Arrival { .. } => "Arrival".into(),
            WaitingOn::Probes { .. } => "Probes".into(),
        }
    }

    /// Who can end it.
    pub fn party(&self) -> Party {
        match self {
            WaitingOn::Gate(obstacle) => obstacle.party(),
            WaitingOn::Resumption | WaitingOn::NewWindow { .. } => Party::Operator,
            WaitingOn::Volumes { trouble, .. }
            | WaitingOn::Receiver { trouble, .. }
            | WaitingOn::Launch { trouble, .. }
                if !trouble.is_empty() =>
            {
                Party::Operator
            }
            WaitingOn::AgentReport { .. }
            | WaitingOn::LocalPermission { .. }
            | WaitingOn::FenceAcknowledgement { .. }
            | WaitingOn::SourceResumption { .. } => Party::Department,
            WaitingOn::Journey { .. }
            | WaitingOn::Volumes { .. }
            | WaitingOn::Receiver { .. }
            | WaitingOn::Copy { .. }
            | WaitingOn::Vote { .. }
            | WaitingOn::OtherStop { .. }
            | WaitingOn::OtherVotes { .. }
            | WaitingOn::NextAttempt { .. }
            | WaitingOn::ReceiverStop { .. }
            | WaitingOn::EarlierHosts { .. }
            | WaitingOn::Launch { .. }
            | WaitingOn::Arrival { .. }
            | WaitingOn::Probes { .. } => Party::Nobody,
        }
    }

    /// When the passing of time alone may end it.
    pub fn ends_at(&self) -> Option<Timestamp> {
        match self {
            WaitingOn::Gate(obstacle) => obstacle.reason.ends_at(),
            WaitingOn::NextAttempt { at, .. } => Some(*at),
            WaitingOn::Resumption
            | WaitingOn::AgentReport { .. }
            | WaitingOn::LocalPermission { .. }
            | WaitingOn::Journey { .. }
            | WaitingOn::Volumes { .. }
            | WaitingOn::Receiver { .. }
            | WaitingOn::Copy { .. }
            | WaitingOn::Vote { .. }
            | WaitingOn::OtherStop { .. }
            | WaitingOn::OtherVotes { .. }
            | WaitingOn::NewWindow { .. }
            | WaitingOn::SourceResumption { .. }
            | WaitingOn::FenceAcknowledgement { .. }
            | WaitingOn::ReceiverStop { .. }
            | WaitingOn::EarlierHosts { .. }
            | WaitingOn::Launch { .. }
            | WaitingOn::Arrival { .. }
            | WaitingOn::Probes { .. } => None,
        }
    }
}
