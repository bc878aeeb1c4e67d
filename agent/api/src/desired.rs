//! What the gateway asks of an agent: one desired state, with a generation and a controller epoch.
//!
//! There are no commands in a queue and no shell: the agent compares the state with what it is and does what is missing.

use crate::inventory::DiskIdentity;
use serde::{Deserialize, Serialize};

/// The desired state of one host.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Desired {
    /// The controller's leadership epoch. An agent that has seen a higher one ignores this whole message.
    pub epoch: u64,
    /// Grows with every change of `intent` within an epoch.
    pub generation: u64,
    /// What the host is to be.
    pub intent: Intent,
}

/// What the host is to be. Ordered by how far the journey has come.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Intent {
    /// Inventory and checks. Nothing on the host is touched, and a running replication is stopped.
    Idle {},
    /// Boot prepared, disks copied and followed.
    Replicate(ReplicateIntent),
    /// As `Cutover` up to the stop of the services, and no further before `Cutover` of the same attempt follows: other servers of the
    /// system stop theirs. An agent that does not know it goes on as it was told before.
    Stop(CutoverIntent),
    /// As `Replicate`, then: quiesce, freeze, final pass, verify, sign, vote.
    Cutover(CutoverIntent),
    /// The decision was to abort attempt `attempt`: thaw, start the services, go on as `Replicate`.
    Resume(ResumeIntent),
    /// The decision was to commit: acknowledge, then power off without sync.
    Fence(FenceIntent),
    /// The host is the target machine: be in service and say how it is.
    Serve(ServeIntent),
}

/// See [`Intent::Replicate`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ReplicateIntent {
    /// Replication session; a receiver drops connections of older ones.
    pub session: u64,
    /// Digest of the approved scheme that permits this, for the host's own log.
    pub scheme_digest: String,
    /// Where the receiver listens, `address:port`.
    pub receiver_address: String,
    /// Name in the receiver's certificate.
    pub receiver_name: String,
    /// The disks to copy. Each must be found as described or nothing is started.
    pub disks: Vec<DiskAssignment>,
    /// Upper bound for reading and sending, bytes per second; 0 is unbounded. The host's own file may set less.
    pub max_bytes_per_second: u64,
}

/// A disk and the volume it goes to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct DiskAssignment {
    /// Name of the volume at the receiver.
    pub volume: String,
    /// The disk, as approved.
    pub identity: DiskIdentity,
}

/// See [`Intent::Stop`] and [`Intent::Cutover`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct CutoverIntent {
    /// Counts from 1; an attempt is never run twice.
    pub attempt: u32,
    /// How to replicate.
    pub replicate: ReplicateIntent,
    /// Services to stop, in this order; started again in reverse order by `Resume`.
    pub quiesce: Vec<QuiesceUnit>,
    /// Hooks of the admin to run, by name; those of one moment in this order. An agent that does not know them allows none, so
    /// no approved scheme names any for it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub hooks: Vec<Hook>,
    /// Filesystems are thawed this long after the freeze at the latest, whatever happens; milliseconds, at most 60,000.
    pub freeze_limit_ms: u64,
    /// What the machine will find when it wakes up on the other side; written to disk before the freeze.
    pub arrival: ArrivalPlan,
}

/// A service to stop.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct QuiesceUnit {
    /// systemd unit.
    pub unit: String,
    /// It must be down within this time, milliseconds; else the attempt is given up.
    pub deadline_ms: u64,
}

/// A hook to run: a name in the admin's own file, never a command.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Hook {
    /// Name in the section `[hooks]` of the admin's file.
    pub name: String,
    /// When.
    pub at: HookMoment,
    /// It is killed after this time and counts as failed, milliseconds.
    pub deadline_ms: u64,
}

/// When a hook is run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum HookMoment {
    /// While the services run.
    BeforeStop,
    /// After they were stopped, before the freeze.
    BeforeFreeze,
    /// After an attempt came to nothing and they run again.
    AfterResume,
}

/// The NICs of the target machine.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ArrivalPlan {
    /// One entry for each NIC.
    pub nics: Vec<ArrivalNic>,
}

/// Which recorded interface a target NIC takes the place of.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ArrivalNic {
    /// MAC address of the target's NIC, lower case.
    pub mac: String,
    /// Interface name on the source, as `eno1`.
    pub takes_name: String,
}

/// See [`Intent::Resume`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ResumeIntent {
    /// The attempt that was aborted.
    pub attempt: u32,
    /// How to go on.
    pub replicate: ReplicateIntent,
}

/// See [`Intent::Fence`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct FenceIntent {
    /// The attempt that was committed.
    pub attempt: u32,
    /// Digest of the record that was committed; the agent refuses any other.
    pub record_digest: String,
}

/// See [`Intent::Serve`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ServeIntent {
    /// Units that must be active.
    pub units: Vec<String>,
}
