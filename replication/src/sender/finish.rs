//! The end of a copy: frozen, drained, durable, proved. A mismatch is an error and a rescan, never a success.
//!
//! Order of calls, all between freeze and thaw: [`Sender::begin_final`]; mark what the tracker still had and
//! [`Sender::join_used`]; wait for [`Sender::is_drained`]; drain the tracker again and start over if it had anything;
//! [`Sender::begin_barrier`] and wait for [`Sender::barrier_passed`]; then [`Sender::prove`] for each disk with the root
//! that the receiver gave. [`Sender::end_final`] goes back to following, whatever happened.

use super::{Phase, Sender};
use crate::block_set::BlockSet;
use crate::digest::DeviceRoot;
use crate::geometry::{BLOCK_BYTES, DeviceId};

/// The tracker's two counts for one disk since it was armed: equal, or it missed something.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Audit {
    /// Sectors that the tracker saw written or discarded.
    pub traced_sectors: u64,
    /// Sectors that the kernel counted.
    pub counted_sectors: u64,
}

/// A disk that is the same at both ends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DiskProof {
    /// Which disk.
    pub device: DeviceId,
    /// The root that both ends computed apart.
    pub source_root: DeviceRoot,
    /// The receiver's, equal to it.
    pub target_root: DeviceRoot,
    /// Bytes in the domain.
    pub domain_bytes: u64,
    /// The tracker's counts.
    pub audit: Audit,
}

/// Why a disk is not proved.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum FinalError {
    /// There is no such disk.
    #[error("device {found} is not replicated")]
    NoSuchDisk {
        /// Its number.
        found: u32,
    },
    /// Called out of order, or the link went down meanwhile.
    #[error("device {device} cannot be proved yet: {what}")]
    NotReady {
        /// Its number.
        device: u32,
        /// What is missing.
        what: &'static str,
    },
    /// The tracker missed something.
    #[error(
        "device {device}: the tracker saw {traced} sectors change, the kernel counted {counted}; a rescan has begun"
    )]
    Audit {
        /// Its number.
        device: u32,
        /// What the tracker saw.
        traced: u64,
        /// What the kernel counted.
        counted: u64,
    },
    /// The two ends differ.
    #[error("device {device}: root at the source {source_root}, at the target {target_root}; a rescan has begun")]
    RootMismatch {
        /// Its number.
        device: u32,
        /// Ours.
        source_root: DeviceRoot,
        /// The receiver's.
        target_root: DeviceRoot,
    },
}

impl Sender {
    /// The filesystems are frozen: from now on chunks are proved without waiting for quiet.
    pub fn begin_final(&mut self) {
        self.phase = Phase::Final;
    }

    /// The attempt is over without a record, or was aborted after it: back to following.
    pub fn end_final(&mut self) {
        self.phase = Phase::Following;
    }

    /// Both ends have signed the record.
    pub fn committed(&mut self) {
        self.phase = Phase::Committed;
    }

    /// Blocks that the frozen filesystems use and that were never sent; returns how many there were.
    pub fn join_used(&mut self, device: DeviceId, used: &BlockSet) -> u64 {
        self.disks.get_mut(&device).map_or(0, |disk| disk.join_used(used))
    }

    /// Whether every volume is open on the present link, and nothing is left to send, to compare or to prove. A receiver
    /// that has not opened a volume again may have forgotten it.
    pub fn is_drained(&self) -> bool {
        let Some(link) = &self.link else { return false };
        self.disks.values().all(|disk| disk.is_open(link.epoch) && disk.is_drained())
    }

    /// Bytes that are left to send on all disks: what a drain is waiting for.
    pub fn remaining_bytes(&self) -> u64 {
        self.disks.values().map(|disk| disk.remaining_bytes()).sum()
    }

    /// The number of a new barrier, to be sent on every lane; `None` without a link.
    pub fn begin_barrier(&mut self) -> Option<u64> {
        self.link.as_mut().map(|link| link.begin_barrier())
    }

    /// The receiver has made everything before barrier `seq` of `lane` durable.
    pub fn barrier_reached(&mut self, lane: u16, seq: u64) {
        if let Some(link) = self.link.as_mut() {
            link.barrier_reached(lane, seq);
        }
    }

    /// Whether every lane has reached the newest barrier of this link.
    pub fn barrier_passed(&self) -> bool {
        self.link.as_ref().is_some_and(|link| link.barrier_passed())
    }

    /// Our root of `device`; `None` while anything is left to do on it.
    pub fn root(&self, device: DeviceId) -> Option<DeviceRoot> {
        self.disks.get(&device).and_then(|disk| disk.root())
    }

    /// Whether `device` is the same at both ends. Anything else puts the disk in doubt, so that the next attempt begins
    /// with a rescan.
    pub fn prove(&mut self, device: DeviceId, target_root: DeviceRoot, audit: Audit) -> Result<DiskProof, FinalError> {
        let id = device.0;
        let not_ready = |what| Err(FinalError::NotReady { device: id, what });
        if self.phase != Phase::Final {
            return not_ready("the filesystems are not frozen");
        }
        if !self.barrier_passed() {
            return not_ready("the barrier has not been passed on every lane");
        }
        if !self.is_drained() {
            return not_ready("blocks are left to send or chunks to prove");
        }
        let Some(disk) = self.disks.get_mut(&device) else { return Err(FinalError::NoSuchDisk { found: id }) };
        let Some(source_root) = disk.root() else { return not_ready("its root is not known") };
        let Audit { traced_sectors: traced, counted_sectors: counted } = audit;
        let failed = if traced != counted {
            FinalError::Audit { device: id, traced, counted }
        } else if source_root != target_root {
            FinalError::RootMismatch { device: id, source_root, target_root }
        } else {
            let domain_bytes = disk.domain().count() * BLOCK_BYTES;
            return Ok(DiskProof { device, source_root, target_root, domain_bytes, audit });
        };
        disk.suspect(&BlockSet::new(), &failed.to_string());
        Err(failed)
    }
}
