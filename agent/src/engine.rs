//! What the agent needs of the replication engine and of the kernel's freeze.
//!
//! The real one is [`replication`]; the trait exists so that the agent's own loop can be driven through every failure
//! without a disk.

#[cfg(test)]
pub(crate) mod fake;
pub(crate) mod replication;

use crate::inventory::Machine;
use qianyun_agent_api::desired::ReplicateIntent;
use qianyun_agent_api::inventory::DiskIdentity;
use qianyun_agent_api::record::SignedRecord;
use qianyun_agent_api::report::DiskProgress;
use qianyun_replication_io::source::OwnLoad;
use std::time::Duration;

/// A disk that was found as it was approved.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct SourceDisk {
    /// Volume at the receiver.
    pub(crate) volume: String,
    /// Kernel name, as `sda`.
    pub(crate) name: String,
    /// As approved, and as found.
    pub(crate) identity: DiskIdentity,
}

/// What the record says beside the disks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct RecordContext {
    /// `<namespace>/<name>`.
    pub(crate) host: String,
    pub(crate) scheme_digest: String,
    pub(crate) session: u64,
    pub(crate) epoch: u64,
    pub(crate) attempt: u32,
    pub(crate) frozen_unix_ms: i64,
}

/// What a session may take of the server while that works for its users.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Bounds {
    /// Reading and sending, bytes per second; 0 is unbounded.
    pub(crate) max_bytes_per_second: u64,
    /// Whether it holds itself back where a disk gets slow for its users.
    pub(crate) yields: bool,
}

/// Where a session stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Following {
    /// Which session.
    pub(crate) session: u64,
    /// All disks are followed without doubt, and a freeze now would be short.
    pub(crate) in_sync: bool,
    /// One entry for each disk.
    pub(crate) disks: Vec<DiskProgress>,
    /// What this process takes of the server.
    pub(crate) load: OwnLoad,
}

/// A freeze that holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Frozen {
    /// For how long, milliseconds.
    pub(crate) elapsed_ms: u64,
    /// Until the watchdog thaws, milliseconds.
    pub(crate) remaining_ms: u64,
}

/// Why the engine did not do what it was asked, in one sentence.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub(crate) struct EngineError(pub(crate) String);

/// The engine. Its calls may block; they are made from a thread of their own, except for those that only look or set a bound.
pub(crate) trait Engine: Send + Sync {
    /// Begins to copy and follow.
    fn start(&self, intent: &ReplicateIntent, disks: &[SourceDisk], bounds: Bounds) -> Result<(), EngineError>;
    /// Other bounds for the session that runs.
    fn limit(&self, bounds: Bounds);
    /// Ends a session. What the receiver has stays.
    fn stop(&self) -> Result<(), EngineError>;
    /// Where it stands; `None` when no session runs.
    fn following(&self) -> Option<Following>;
    /// Why an attempt could not come to its end, whatever is done for it; `None` if nothing is known against it.
    fn unfit(&self) -> Option<String>;
    /// Starts the independent watchdog and freezes all filesystems; says which ones on the disks could only be flushed, if any.
    fn freeze(&self, limit: Duration) -> Result<String, EngineError>;
    /// The freeze, if it holds.
    fn frozen(&self) -> Option<Frozen>;
    /// Drains the tracker to a fixpoint, sends, waits for the durable barrier, compares roots, has both ends sign.
    fn finalise(&self, context: &RecordContext) -> Result<SignedRecord, EngineError>;
    /// Thaws what this process froze; without a freeze there is nothing to do.
    fn thaw(&self) -> Result<(), EngineError>;
    /// Thaws what an earlier process froze, if its watchdog was killed with it. For the start of a process alone: at any other
    /// time a filesystem that we did not freeze is frozen by someone who needs it so.
    fn thaw_left_frozen(&self) -> Result<(), EngineError>;
    /// Goes on following after a thaw.
    fn resume(&self) -> Result<(), EngineError>;
    /// Cuts the power at once, without writing anything.
    fn power_off(&self) -> Result<(), EngineError>;
}

/// Finds each assigned disk by what names it for good.
pub(crate) fn find_disks(intent: &ReplicateIntent, machine: &Machine) -> Result<Vec<SourceDisk>, EngineError> {
    let found = &machine.inventory.disks;
    let find = |identity: &DiskIdentity| found.iter().find(|disk| disk.identity == *identity);
    let disks = intent.disks.iter().map(|assigned| match find(&assigned.identity) {
        Some(disk) => Ok(SourceDisk {
            volume: assigned.volume.clone(),
            name: disk.name.clone(),
            identity: assigned.identity.clone(),
        }),
        None => {
            let seen: Vec<String> = found.iter().map(|disk| describe(&disk.identity)).collect();
            let expected = describe(&assigned.identity);
            Err(EngineError(format!("expected the approved disk {expected}, found {}", seen.join("; "))))
        }
    });
    let disks: Result<Vec<_>, _> = disks.collect();
    match disks {
        Ok(disks) if disks.is_empty() => Err(EngineError("expected at least one disk to copy, found none".into())),
        other => other,
    }
}

fn describe(identity: &DiskIdentity) -> String {
    let DiskIdentity { serial, wwn, size_bytes, logical_block_bytes, table_id } = identity;
    format!("serial {serial:?}, wwn {wwn:?}, {size_bytes} bytes, sectors of {logical_block_bytes}, table {table_id:?}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::inventory::{collect, tests::office_server};
    use qianyun_agent_api::desired::DiskAssignment;

    fn intent(disks: Vec<DiskIdentity>) -> ReplicateIntent {
        let disks = disks.into_iter().map(|identity| DiskAssignment { volume: "sda".into(), identity }).collect();
        ReplicateIntent {
            session: 1,
            scheme_digest: String::new(),
            receiver_address: String::new(),
            receiver_name: String::new(),
            disks,
            max_bytes_per_second: 0,
        }
    }

    #[test]
    fn a_disk_is_taken_only_if_every_part_of_its_identity_is_as_approved() {
        let machine = collect(&office_server(), None);
        let right = machine.inventory.disks[0].identity.clone();
        assert_eq!(find_disks(&intent(vec![right.clone()]), &machine).unwrap()[0].name, "sda");
        for wrong in [
            DiskIdentity { serial: "other".into(), ..right.clone() },
            DiskIdentity { size_bytes: 1, ..right.clone() },
            DiskIdentity { table_id: String::new(), ..right.clone() },
        ] {
            let error = find_disks(&intent(vec![right.clone(), wrong]), &machine).unwrap_err().to_string();
            assert!(error.contains("expected the approved disk") && error.contains("WD-1234"), "{error}");
        }
        assert!(find_disks(&intent(Vec::new()), &machine).is_err());
    }
}
