//! A disk across the death of the source's process: what is kept of it, and how it goes on from that.
//!
//! Kept is what is known for certain: what was on its way is owed, what was being compared is to be compared, and a chunk
//! without a hash is proved again. Never here: the changes since, which the tracker tells afterwards as any others.

use super::{BusyState, Disk, Opening, chunks_of};
use crate::checkpoint::{DiskCheckpoint, KeptOpening};
use crate::geometry::{ChunkIndex, DeviceId};
use std::ops::Range;

impl Disk {
    pub(in crate::sender) fn kept(&self, device: DeviceId) -> DiskCheckpoint {
        let mut owed = self.dirty.clone();
        owed.union(&self.pending);
        let mut unverified = self.unverified.clone();
        for (chunk, busy) in &self.busy {
            if matches!(busy.state, BusyState::Compare { .. }) {
                unverified.insert(*chunk..chunk + 1);
            }
        }
        let opening = match self.opening {
            Opening::Never => KeptOpening::Never,
            Opening::On(_) | Opening::Restored => KeptOpening::Opened,
            Opening::Forgotten => KeptOpening::Forgotten,
        };
        DiskCheckpoint {
            device,
            size: self.size,
            opening,
            best_send_rate: self.best_send_rate,
            doubt: self.doubt.clone(),
            domain: self.domain.clone(),
            owed,
            first: self.first.clone(),
            unverified,
            hashes: self.hashes.clone(),
        }
    }

    /// Goes on where another process was.
    pub(in crate::sender) fn restored(kept: &DiskCheckpoint) -> Self {
        let DiskCheckpoint { device: _, size, opening, best_send_rate, doubt, domain, owed, first, unverified, hashes } =
            kept;
        let mut disk = Self::new(*size, domain);
        disk.opening = match opening {
            KeptOpening::Never => Opening::Never,
            KeptOpening::Opened => Opening::Restored,
            KeptOpening::Forgotten => Opening::Forgotten,
        };
        disk.best_send_rate = *best_send_rate;
        disk.first = first.clone();
        disk.unverified = unverified.clone();
        disk.hashes = hashes.clone();
        doubt.clone_into(&mut disk.doubt);
        for run in owed.runs() {
            // Since when is not known any more: the time of a process begins with it.
            chunks_of(&run).for_each(|chunk| disk.changed.set_if_absent(chunk, 0));
            disk.dirty_again(run);
        }
        disk.prove_the_rest();
        disk.doubt_may_end();
        disk
    }

    /// Chunks that were never copied at the checkpoint, and of which the volume holds something now: they may have arrived
    /// since, whole, and cost less to compare than to send. `written` are the chunks that may not be zeros.
    pub(super) fn compare_first_copies(&mut self, written: &[Range<u64>]) {
        let there = |run: &Range<u64>| self.first.runs_in(run.clone()).collect::<Vec<_>>();
        let arrived: Vec<u64> = written.iter().flat_map(there).flatten().collect();
        for chunk in arrived {
            let blocks = self.size.blocks_of_chunk(ChunkIndex(chunk));
            let owed: Vec<_> = self.dirty.runs_in(blocks.clone()).collect();
            // Also those that were free before and changed: they count for the hash now.
            owed.into_iter().for_each(|run| {
                self.domain.insert(run);
            });
            self.dirty.remove(blocks);
            self.first.remove(chunk..chunk + 1);
            self.unverified.insert(chunk..chunk + 1);
        }
    }

    /// A chunk that is neither to be sent, nor to be compared, nor proved: only its hash is missing.
    fn prove_the_rest(&mut self) {
        if self.opening == Opening::Never {
            return;
        }
        let chunks: Vec<u64> = self.domain.runs().flat_map(|run| chunks_of(&run)).collect();
        for chunk in chunks {
            let known = self.hashes.contains_key(&chunk) || self.unverified.contains(chunk);
            if !known && !self.dirty.intersects(ChunkIndex(chunk).blocks()) {
                self.unproved.set_if_absent(chunk, 0);
            }
        }
    }
}
