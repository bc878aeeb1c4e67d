//! The source's side: what must be read and sent next, what is durable at the target, and what is proved.
//!
//! ```text
//!          change seen at its completion                durable acknowledgement
//!   clean ───────────────────────────────► dirty ──job──► pending ───────────────► clean
//!     ▲                                      ▲  ▲            │ link lost, stale
//!     │ equal            rescan: differs     │  └────────────┘
//!   unverified ──────────────────────────────┘
//!     ▲ any doubt about the tracker, or about the receiver's memory
//! ```
//!
//! A block is clean only if its bytes were read after its last completed change and are durable at the target. At most
//! one job is out for a chunk, so that no two versions of a block are on their way on one link; what a dead link may
//! still deliver is refused by its epoch. Called under one mutex from workers, tracker and connections. Never here:
//! reading, sending, waiting.

mod disk;
mod finish;
mod job;
mod link;

use crate::block_set::BlockSet;
use crate::checkpoint::{Checkpoint, ReadUpTo};
use crate::digest::ChunkHash;
use crate::geometry::{BLOCK_BYTES, BlockIndex, CHUNK_BYTES, DeviceId, DeviceSize};
use crate::pass::{PassInput, forecast};
use crate::progress::{Progress, ReplicationState};
use crate::subtree::{KEPT_CHUNKS, Subtrees};
use disk::Disk;
pub use finish::{Audit, DiskProof, FinalError};
use job::JobPlace;
pub use job::{Copied, Job, Work};
use link::{InFlight, Link};
use std::collections::BTreeMap;
use std::ops::Range;

/// How the sender behaves.
#[derive(Debug, Clone, Copy)]
pub struct SenderConfig {
    /// Consecutive chunks that go the same lane. 64 (64 MiB) keeps each lane's reads sequential for a while and spreads
    /// the smallest disks in scope over all lanes.
    pub stripe_chunks: u64,
    /// A chunk is hashed again in the background once it was quiet for this long.
    pub quiet_ms: u64,
    /// The longest freeze that counts as short: `InSync` means that one would take no longer.
    pub freeze_budget_ms: u64,
    /// Chunks, on all disks together, of which the values of their grains are kept.
    pub subtree_chunks: usize,
}

impl Default for SenderConfig {
    /// A chunk that rested for 5 s is likely to rest; 10 s are a third of the default freeze limit of 30 s.
    fn default() -> Self {
        Self { stripe_chunks: 64, quiet_ms: 5_000, freeze_budget_ms: 10_000, subtree_chunks: KEPT_CHUNKS }
    }
}

/// Following, or frozen and finishing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    Following,
    Final,
    Committed,
}

/// See the module's description.
#[derive(Debug)]
pub struct Sender {
    config: SenderConfig,
    phase: Phase,
    link: Option<Link>,
    /// The highest epoch that a receiver gave.
    highest_epoch: u32,
    /// It goes on from a checkpoint, and has had no link since.
    restored: bool,
    disks: BTreeMap<DeviceId, Disk>,
    next_ticket: u64,
}

impl Sender {
    /// A sender without disks and without a link.
    pub fn new(config: SenderConfig) -> Self {
        Self {
            config,
            phase: Phase::Following,
            link: None,
            highest_epoch: 0,
            restored: false,
            disks: BTreeMap::new(),
            next_ticket: 0,
        }
    }

    /// A sender that goes on where another process was. The changes that the tracker saw after `checkpoint` must be told
    /// next, before any link is up.
    pub fn restored(config: SenderConfig, checkpoint: &Checkpoint) -> Self {
        let disks = checkpoint.disks.iter().map(|kept| (kept.device, Disk::restored(kept))).collect();
        let mut sender = Self { highest_epoch: checkpoint.highest_epoch, restored: true, disks, ..Self::new(config) };
        sender.share_subtrees();
        sender
    }

    /// What is known now, to go on from. Everything up to `read` must have been told.
    pub fn checkpoint(&self, read: ReadUpTo) -> Checkpoint {
        let disks = self.disks.iter().map(|(device, disk)| disk.kept(*device)).collect();
        Checkpoint { read, highest_epoch: self.highest_epoch, disks }
    }

    /// A disk to copy. `used` is what its filesystems do not call free, read after the tracker was armed.
    pub fn add_disk(&mut self, device: DeviceId, size: DeviceSize, used: &BlockSet) {
        self.disks.insert(device, Disk::new(size, used));
        self.share_subtrees();
    }

    fn share_subtrees(&mut self) {
        let share = self.config.subtree_chunks / self.disks.len().max(1);
        self.disks.values_mut().for_each(|disk| disk.keep_subtrees(share));
    }

    /// The highest epoch that a receiver gave: a new link is asked for above it.
    pub fn highest_epoch(&self) -> u32 {
        self.highest_epoch
    }

    /// All lanes are connected and welcomed. A receiver whose `previous` epoch is lower than one seen before has lost its
    /// memory, and with it every acknowledgement. After a checkpoint nobody knows what was seen since, so that any link
    /// between hides whether it has: then only the very next one is believed.
    pub fn link_up(&mut self, (epoch, previous): (u32, u32), window_bytes: u64, lanes: u16) {
        self.link_down();
        let unseen_link = std::mem::take(&mut self.restored) && previous != self.highest_epoch;
        if previous < self.highest_epoch || epoch <= self.highest_epoch || unseen_link {
            self.disks.values_mut().for_each(Disk::forgotten);
        }
        self.highest_epoch = self.highest_epoch.max(epoch);
        self.link = Some(Link::new(epoch, window_bytes, lanes));
    }

    /// The receiver has opened the volume of `device`; `written` are the chunks of it that may not be zeros.
    pub fn opened(&mut self, device: DeviceId, written: &[Range<u64>]) {
        if let (Some(link), Some(disk)) = (&self.link, self.disks.get_mut(&device)) {
            disk.opened(link.epoch, written);
        }
    }

    /// The link is gone, with all its lanes: what was on its way is given back.
    pub fn link_down(&mut self) {
        if self.link.take().is_some() {
            self.disks.values_mut().for_each(Disk::link_down);
        }
    }

    /// Blocks whose change the tracker saw completed.
    pub fn changed(&mut self, device: DeviceId, blocks: Range<u64>, now_ms: u64) {
        if let Some(disk) = self.disks.get_mut(&device) {
            disk.mark(blocks, now_ms);
        }
    }

    /// The tracker may have missed changes. `used` was read after a tracker without doubt was armed.
    pub fn suspect(&mut self, device: DeviceId, used: &BlockSet, reason: &str) {
        if let Some(disk) = self.disks.get_mut(&device) {
            disk.suspect(used, reason);
        }
    }

    /// The next thing that the worker of `lane` should do: sending goes before comparing, comparing before proving.
    pub fn next_job(&mut self, lane: u16, now_ms: u64) -> Option<Job> {
        let link = self.link.as_mut()?;
        let seq = link.next_seq(lane)?;
        let (epoch, lanes, ticket) = (link.epoch, link.lanes(), self.next_ticket);
        self.next_ticket += 1;
        let stripe_chunks = self.config.stripe_chunks;
        let place = |device: DeviceId| JobPlace { device, lane, lanes, epoch, seq, ticket, stripe_chunks };
        let mut open: Vec<(DeviceId, &mut Disk)> =
            self.disks.iter_mut().filter(|(_, disk)| disk.is_open(epoch)).map(|(id, disk)| (*id, disk)).collect();
        if link.may_copy(lane)
            && let Some(job) = open.iter_mut().find_map(|(id, disk)| disk.take_copy(&place(*id)))
        {
            link.copy_sent(lane, in_flight(&job));
            return Some(job);
        }
        if link.may_compare(lane)
            && let Some(job) = open.iter_mut().find_map(|(id, disk)| disk.take_compare(&place(*id)))
        {
            link.compare_sent(lane, in_flight(&job));
            return Some(job);
        }
        let until_ms = match self.phase {
            Phase::Following => now_ms.checked_sub(self.config.quiet_ms)?,
            Phase::Final | Phase::Committed => u64::MAX,
        };
        open.iter_mut().find_map(|(id, disk)| disk.take_prove(&place(*id), until_ms))
    }

    /// The worker has sent all frames of a copy.
    pub fn copied(&mut self, job: &Job, copied: Copied, now_ms: u64) {
        if let Some(disk) = self.disks.get_mut(&job.device) {
            disk.counters.add(&copied.counters);
            disk.send_rate.add(copied.counters.sent_bytes + copied.counters.zero_bytes, now_ms);
            disk.copied(job.chunk.0, job.ticket, copied.subtrees, now_ms);
        }
    }

    /// The worker has digested a chunk that is being compared.
    pub fn compared(&mut self, job: &Job, subtrees: Subtrees, now_ms: u64) {
        if let Some(disk) = self.disks.get_mut(&job.device) {
            disk.counters.read_bytes += job.reads().count() * BLOCK_BYTES;
            disk.compared(job.chunk.0, job.ticket, subtrees, now_ms);
        }
    }

    /// The worker has digested a chunk whose hash was not known.
    pub fn proved(&mut self, job: &Job, subtrees: Subtrees, now_ms: u64) {
        if let Some(disk) = self.disks.get_mut(&job.device) {
            disk.counters.read_bytes += job.reads().count() * BLOCK_BYTES;
            disk.proved(job.chunk.0, job.ticket, subtrees, now_ms);
        }
    }

    /// The worker could not do the job.
    pub fn failed(&mut self, job: &Job) {
        if let Some(link) = self.link.as_mut().filter(|link| link.epoch == job.epoch) {
            match job.work {
                Work::Copy { .. } => drop(link.take_copy(job.lane, job.seq)),
                Work::Compare => drop(link.take_compare(job.lane, job.seq)),
                Work::Prove => {}
            }
        }
        if let Some(disk) = self.disks.get_mut(&job.device) {
            disk.failed(job.chunk.0, job.ticket);
        }
    }

    /// Everything up to `seq` of the lane is durable at the target.
    pub fn acked(&mut self, lane: u16, seq: u64, target_unproved_chunks: u64, now_ms: u64) {
        let Some(link) = self.link.as_mut() else { return };
        link.target_unproved_chunks = target_unproved_chunks;
        for InFlight { device, chunk, ticket, bytes: _ } in link.acked(lane, seq) {
            if let Some(disk) = self.disks.get_mut(&device) {
                disk.acked(chunk, ticket, now_ms);
            }
        }
    }

    /// Job `seq` came too late at the receiver and was not applied.
    pub fn stale(&mut self, lane: u16, seq: u64) {
        let Some(InFlight { device, chunk, ticket, bytes: _ }) =
            self.link.as_mut().and_then(|l| l.take_copy(lane, seq))
        else {
            return;
        };
        if let Some(disk) = self.disks.get_mut(&device) {
            disk.failed(chunk, ticket);
        }
    }

    /// The receiver's answer to comparison `seq`.
    pub fn target_hash(&mut self, lane: u16, seq: u64, hash: ChunkHash, now_ms: u64) {
        let Some(InFlight { device, chunk, ticket, bytes: _ }) =
            self.link.as_mut().and_then(|l| l.take_compare(lane, seq))
        else {
            return;
        };
        if let Some(disk) = self.disks.get_mut(&device) {
            disk.target_hash(chunk, ticket, hash, now_ms);
        }
    }

    /// How many jobs of this link the target has answered; `None` if there is none for it to answer.
    pub fn awaited_after(&self) -> Option<u64> {
        self.link.as_ref().and_then(Link::awaited_after)
    }

    /// The epoch of the link, if there is one.
    pub fn epoch(&self) -> Option<u32> {
        self.link.as_ref().map(|link| link.epoch)
    }

    /// The epoch of the link, if every volume is open on it, and whether all first copies and rescans are over: when this
    /// changes, a checkpoint is worth much more than the one before.
    pub fn landmark(&self) -> Option<(u32, bool)> {
        let epoch = self.epoch().filter(|epoch| self.disks.values().all(|disk| disk.is_open(*epoch)))?;
        let over = |disk: &Disk| !disk.is_first_copy() && !disk.is_doubted() && disk.unverified_chunks() == 0;
        Some((epoch, self.disks.values().all(over)))
    }

    /// How far `device` has come.
    pub fn progress(&mut self, device: DeviceId, now_ms: u64) -> Option<Progress> {
        let linked = self.link.is_some();
        let target_unproved = self.link.as_ref().map_or(0, |link| link.target_unproved_chunks);
        let (phase, budget) = (self.phase, self.config.freeze_budget_ms);
        let disk = self.disks.get_mut(&device)?;
        let (send_rate, change_rate) = (disk.send_rate.per_second(now_ms), disk.change_rate.per_second(now_ms));
        disk.best_send_rate = disk.best_send_rate.max(send_rate);
        let unverified_bytes = disk.unverified_chunks() * CHUNK_BYTES;
        let forecast = forecast(&PassInput {
            remaining_bytes: disk.remaining_bytes(),
            unverified_bytes,
            unproved_bytes: disk.unproved_chunks() * CHUNK_BYTES,
            // A number from outside.
            target_unproved_bytes: target_unproved.saturating_mul(CHUNK_BYTES),
            change_rate,
            send_rate,
            best_send_rate: disk.best_send_rate,
            first_copy: disk.is_first_copy(),
            doubted: disk.is_doubted(),
            freeze_budget_ms: budget,
        });
        let state = match phase {
            Phase::Committed => ReplicationState::Committed,
            Phase::Final if disk.remaining_bytes() == 0 => ReplicationState::Verifying,
            Phase::Final => ReplicationState::Final,
            Phase::Following if !linked && disk.is_first_copy() => ReplicationState::Idle,
            // Without a link nothing is in sync, however little there is to send.
            Phase::Following if !linked && forecast.state == ReplicationState::InSync => ReplicationState::CatchingUp,
            Phase::Following => forecast.state,
        };
        let mut counters = disk.counters;
        counters.skipped_bytes = (disk.size.blocks() - disk.domain().count()) * BLOCK_BYTES;
        Some(Progress {
            state,
            size_bytes: disk.size.bytes(),
            counters,
            remaining_bytes: disk.remaining_bytes(),
            unverified_bytes,
            send_bytes_per_second: send_rate,
            change_bytes_per_second: change_rate,
            lag_ms: disk.oldest_change_ms().map_or(0, |since| now_ms.saturating_sub(since)),
            eta_seconds: forecast.eta_seconds,
            freeze_forecast_ms: forecast.freeze_ms,
            doubt: disk.doubt.clone(),
        })
    }

    /// The blocks of `device` that are to be sent; `None` if there is no such disk.
    pub fn dirty(&self, device: DeviceId) -> Option<&BlockSet> {
        self.disks.get(&device).map(Disk::dirty)
    }

    /// The blocks of `device` that are on their way.
    pub fn pending(&self, device: DeviceId) -> Option<&BlockSet> {
        self.disks.get(&device).map(Disk::pending)
    }

    /// The blocks of `device` that were ever sent, or are to be.
    pub fn domain(&self, device: DeviceId) -> Option<&BlockSet> {
        self.disks.get(&device).map(Disk::domain)
    }

    /// Whether the sender holds `block` of `device` to be the same, durably, at the target.
    pub fn is_clean(&self, device: DeviceId, block: BlockIndex) -> bool {
        self.disks.get(&device).is_some_and(|disk| disk.is_clean(block))
    }

    /// Whether a rescan of `device` is under way, or due.
    pub fn is_doubted(&self, device: DeviceId) -> bool {
        self.disks.get(&device).is_some_and(|disk| disk.is_doubted() || disk.unverified_chunks() > 0)
    }

    /// Whether every chunk of every domain is dirty, busy, unverified, unproved, or proved: checked by the simulation.
    pub fn is_accounted_for(&self) -> bool {
        self.disks.values().all(Disk::is_accounted_for)
    }
}

fn in_flight(job: &Job) -> InFlight {
    let bytes = match job.work {
        Work::Copy { blocks } => blocks.count() * BLOCK_BYTES,
        Work::Compare | Work::Prove => 0,
    };
    InFlight { device: job.device, chunk: job.chunk.0, ticket: job.ticket, bytes }
}

#[cfg(test)]
mod tests;
