//! One disk of the source: which blocks must be sent, which are on their way, and which chunks are proved.
//!
//! Every chunk that the domain touches is in at least one of: *dirty* (blocks to be read and sent), *busy* (one job at
//! most, so that no two copies of a block are ever on their way), *unverified* (a rescan has to compare it),
//! *unproved* (sent, its hash not known), or it has a valid hash. Never here: lanes, links, windows.

mod kept;

use super::job::{Job, JobPlace, Work};
use crate::ages::Ages;
use crate::block_set::BlockSet;
use crate::digest::{ChunkHash, DeviceRoot, device_root, zero_hash};
use crate::geometry::{BLOCK_BYTES, BLOCKS_PER_CHUNK, BlockIndex, ChunkIndex, ChunkMask, DeviceSize, GrainMask};
use crate::progress::{Counters, Meter};
use crate::subtree::{SubtreeCache, Subtrees};
use std::collections::BTreeMap;
use std::ops::Range;

/// The job that a chunk is busy with.
#[derive(Debug)]
struct Busy {
    ticket: u64,
    /// Grains that changed since the job was handed out; all of them where the tracker was doubted.
    tainted: GrainMask,
    state: BusyState,
}

#[derive(Debug)]
enum BusyState {
    /// Finished when both the worker has reported and the receiver has acknowledged.
    Copy {
        reported: Option<Subtrees>,
        acked: bool,
    },
    /// Finished when both hashes are known.
    Compare {
        own: Option<Subtrees>,
        target: Option<ChunkHash>,
    },
    Prove,
}

/// Where a disk stands towards the receiver.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Opening {
    /// Never opened: what the volume holds is not known.
    Never,
    /// Opened by the process before this one; its first copies may have gone on after its checkpoint.
    Restored,
    /// Opened, on the link of this epoch.
    On(u32),
    /// Opened once, but the receiver has lost its ledger since: compare everything when it is open again.
    Forgotten,
}

#[derive(Debug)]
pub(super) struct Disk {
    pub(super) size: DeviceSize,
    opening: Opening,
    dirty: BlockSet,
    pending: BlockSet,
    domain: BlockSet,
    /// Chunks that were never copied.
    first: BlockSet,
    unverified: BlockSet,
    unproved: Ages,
    hashes: BTreeMap<u64, ChunkHash>,
    /// Values of grains as they were read after their last change.
    subtrees: SubtreeCache,
    busy: BTreeMap<u64, Busy>,
    /// First change that is not durable, by chunk.
    changed: Ages,
    /// Where each lane goes on looking.
    cursors: BTreeMap<u16, u64>,
    pub(super) doubt: String,
    pub(super) counters: Counters,
    pub(super) send_rate: Meter,
    pub(super) change_rate: Meter,
    pub(super) best_send_rate: u64,
}

impl Disk {
    pub(super) fn new(size: DeviceSize, used: &BlockSet) -> Self {
        let mut domain = used.clone();
        domain.remove(size.blocks()..u64::MAX);
        Self {
            size,
            opening: Opening::Never,
            dirty: BlockSet::new(),
            pending: BlockSet::new(),
            domain,
            first: BlockSet::new(),
            unverified: BlockSet::new(),
            unproved: Ages::default(),
            hashes: BTreeMap::new(),
            subtrees: SubtreeCache::new(0),
            busy: BTreeMap::new(),
            changed: Ages::default(),
            cursors: BTreeMap::new(),
            doubt: String::new(),
            counters: Counters::default(),
            send_rate: Meter::default(),
            change_rate: Meter::default(),
            best_send_rate: 0,
        }
    }

    /// How many chunks' subtrees are kept.
    pub(super) fn keep_subtrees(&mut self, chunks: usize) {
        self.subtrees.set_room(chunks);
    }

    pub(super) fn dirty(&self) -> &BlockSet {
        &self.dirty
    }

    pub(super) fn pending(&self) -> &BlockSet {
        &self.pending
    }

    pub(super) fn domain(&self) -> &BlockSet {
        &self.domain
    }

    pub(super) fn unverified_chunks(&self) -> u64 {
        self.unverified.count()
    }

    pub(super) fn unproved_chunks(&self) -> u64 {
        self.unproved.len()
    }

    pub(super) fn is_first_copy(&self) -> bool {
        !self.first.is_empty() || self.opening == Opening::Never
    }

    pub(super) fn is_open(&self, epoch: u32) -> bool {
        self.opening == Opening::On(epoch)
    }

    pub(super) fn is_doubted(&self) -> bool {
        !self.doubt.is_empty()
    }

    pub(super) fn oldest_change_ms(&self) -> Option<u64> {
        self.changed.oldest_ms()
    }

    pub(super) fn remaining_bytes(&self) -> u64 {
        (self.dirty.count() + self.pending.count()) * BLOCK_BYTES
    }

    /// Nothing is left to send, to compare or to prove, and no job is out.
    pub(super) fn is_drained(&self) -> bool {
        self.dirty.is_empty() && self.busy.is_empty() && self.unverified.is_empty() && self.unproved.is_empty()
    }

    /// The receiver lost its ledger: what it holds is not known any more.
    pub(super) fn forgotten(&mut self) {
        if self.opening != Opening::Never {
            self.opening = Opening::Forgotten;
        }
    }

    /// The volume is open on link `epoch`, and only the chunks in `written` may hold anything but zeros.
    pub(super) fn opened(&mut self, epoch: u32, written: &[Range<u64>]) {
        match self.opening {
            Opening::On(_) => {}
            Opening::Never => self.begin(written),
            Opening::Restored => self.compare_first_copies(written),
            Opening::Forgotten => {
                let written = self.blocks_of(written);
                self.suspect(&written, "the receiver has lost its ledger");
            }
        }
        self.opening = Opening::On(epoch);
    }

    /// First sight of the volume. What was never written there is sent without asking; the rest, which an earlier
    /// process of ours sent, is in the domain whatever the filesystems say now, and is compared.
    fn begin(&mut self, written: &[Range<u64>]) {
        let there = self.blocks_of(written);
        let mut missing = self.domain.clone();
        missing.subtract(&there);
        for run in missing.runs() {
            self.first.insert(chunks_of(&run));
        }
        self.dirty.union(&missing);
        self.domain.union(&there);
        for run in there.runs() {
            self.unverified.insert(chunks_of(&run));
        }
    }

    fn blocks_of(&self, chunks: &[Range<u64>]) -> BlockSet {
        let blocks = |run: &Range<u64>| {
            let (start, end) = (run.start.min(self.size.chunks()), run.end.min(self.size.chunks()));
            start * BLOCKS_PER_CHUNK..(end * BLOCKS_PER_CHUNK).min(self.size.blocks())
        };
        chunks.iter().map(blocks).collect()
    }

    /// The blocks changed on the disk. They may have been anything before, also free.
    pub(super) fn mark(&mut self, blocks: Range<u64>, now_ms: u64) {
        let blocks = blocks.start..blocks.end.min(self.size.blocks());
        if blocks.is_empty() {
            return;
        }
        for chunk in chunks_of(&blocks) {
            self.changed.set_if_absent(chunk, now_ms);
        }
        let fresh = self.dirty_again(blocks);
        self.change_rate.add(fresh * BLOCK_BYTES, now_ms);
    }

    /// The blocks must be read and sent, again or for the first time; returns how many were not dirty before.
    fn dirty_again(&mut self, blocks: Range<u64>) -> u64 {
        for chunk in chunks_of(&blocks) {
            self.hashes.remove(&chunk);
            self.unproved.remove(chunk);
            let grains = GrainMask::of_blocks(ChunkIndex(chunk), &blocks);
            self.subtrees.forget(chunk, grains);
            if let Some(busy) = self.busy.get_mut(&chunk) {
                busy.tainted = busy.tainted.with(grains);
            }
        }
        self.dirty.insert(blocks)
    }

    /// Blocks that a filesystem uses and that are not in the domain yet: they are sent.
    pub(super) fn join_used(&mut self, used: &BlockSet) -> u64 {
        let mut fresh = used.clone();
        fresh.remove(self.size.blocks()..u64::MAX);
        fresh.subtract(&self.domain);
        for run in fresh.runs() {
            self.dirty_again(run);
        }
        fresh.count()
    }

    /// The tracker may have missed something: no hash and no comparison from before is believed, and every chunk of the
    /// domain, and of `used`, is compared. What is known to be dirty or on its way stays so.
    pub(super) fn suspect(&mut self, used: &BlockSet, reason: &str) {
        self.domain.union(used);
        self.domain.remove(self.size.blocks()..u64::MAX);
        self.doubt = reason.to_owned();
        self.hashes.clear();
        self.subtrees.clear();
        self.unproved.clear();
        self.busy.retain(|_, busy| match busy.state {
            BusyState::Copy { .. } => {
                busy.tainted = GrainMask::ALL;
                true
            }
            BusyState::Compare { .. } | BusyState::Prove => false,
        });
        for run in self.domain.runs() {
            self.unverified.insert(chunks_of(&run));
        }
        self.doubt_may_end();
    }

    /// All lanes are gone: what was on its way is dirty again, what was being compared is unverified again.
    pub(super) fn link_down(&mut self) {
        self.cursors.clear();
        for (chunk, busy) in std::mem::take(&mut self.busy) {
            self.give_back(chunk, &busy);
        }
    }

    fn give_back(&mut self, chunk: u64, busy: &Busy) {
        match busy.state {
            BusyState::Copy { acked, .. } => {
                let lost: Vec<Range<u64>> = self.pending.runs_in(ChunkIndex(chunk).blocks()).collect();
                self.pending.remove(ChunkIndex(chunk).blocks());
                let _tainted = lost.into_iter().map(|run| self.dirty_again(run)).sum::<u64>();
                if acked {
                    self.settle(chunk, None, 0);
                }
            }
            BusyState::Compare { .. } => {
                self.unverified.insert(chunk..chunk + 1);
            }
            BusyState::Prove => self.settle(chunk, None, 0),
        }
    }

    /// A chunk with blocks to send that is not busy and that belongs to `lane`.
    pub(super) fn take_copy(&mut self, place: &JobPlace) -> Option<Job> {
        let chunk = self.find(place, |disk, from| disk.dirty.next_from(from * BLOCKS_PER_CHUNK).map(chunk_of))?;
        let range = self.size.blocks_of_chunk(ChunkIndex(chunk));
        let runs: Vec<Range<u64>> = self.dirty.runs_in(range.clone()).collect();
        let mut blocks = ChunkMask::default();
        for run in runs {
            self.domain.insert(run.clone());
            self.pending.insert(run.clone());
            run.for_each(|block| blocks.insert(block % BLOCKS_PER_CHUNK));
        }
        self.dirty.remove(range);
        if blocks == self.domain_of(chunk) {
            // All that a comparison could find different is sent.
            self.unverified.remove(chunk..chunk + 1);
        }
        self.set_busy(chunk, place.ticket, BusyState::Copy { reported: None, acked: false });
        Some(self.job(place, chunk, Work::Copy { blocks }))
    }

    /// A chunk to compare that has nothing to send before.
    pub(super) fn take_compare(&mut self, place: &JobPlace) -> Option<Job> {
        let clean = |disk: &Self, chunk: &u64| !disk.dirty.intersects(ChunkIndex(*chunk).blocks());
        let chunk = self.find(place, |disk, from| {
            let mut at = disk.unverified.next_from(from)?;
            while !clean(disk, &at) {
                at = disk.unverified.next_from(at + 1)?;
            }
            Some(at)
        })?;
        self.unverified.remove(chunk..chunk + 1);
        self.set_busy(chunk, place.ticket, BusyState::Compare { own: None, target: None });
        Some(self.job(place, chunk, Work::Compare))
    }

    /// A chunk whose hash is not known and that has been quiet since `until_ms`.
    pub(super) fn take_prove(&mut self, place: &JobPlace, until_ms: u64) -> Option<Job> {
        let chunk = self.unproved.until(until_ms).next()?;
        self.unproved.remove(chunk);
        self.set_busy(chunk, place.ticket, BusyState::Prove);
        Some(self.job(place, chunk, Work::Prove))
    }

    fn set_busy(&mut self, chunk: u64, ticket: u64, state: BusyState) {
        self.busy.insert(chunk, Busy { ticket, tainted: GrainMask::default(), state });
    }

    fn job(&self, place: &JobPlace, chunk: u64, work: Work) -> Job {
        let len = self.size.chunk_len(ChunkIndex(chunk));
        let known = (self.domain_of(chunk), self.subtrees.get(chunk, len));
        Job::new(place, ChunkIndex(chunk), known, len, work)
    }

    fn domain_of(&self, chunk: u64) -> ChunkMask {
        let mut mask = ChunkMask::default();
        let blocks = self.domain.runs_in(self.size.blocks_of_chunk(ChunkIndex(chunk)));
        blocks.flatten().for_each(|block| mask.insert(block % BLOCKS_PER_CHUNK));
        mask
    }

    /// The next chunk from the lane's cursor on, around the end of the disk, that is the lane's and not busy. `next`
    /// names the first candidate at or after a chunk.
    fn find(&mut self, place: &JobPlace, next: impl Fn(&Self, u64) -> Option<u64>) -> Option<u64> {
        let start = self.cursors.get(&place.lane).copied().unwrap_or(0);
        for (from, to) in [(start, u64::MAX), (0, start)] {
            let mut at = from;
            while let Some(chunk) = next(self, at).filter(|chunk| *chunk < to) {
                if let Some(own) = place.not_before(chunk) {
                    at = own;
                } else if self.busy.contains_key(&chunk) {
                    at = chunk + 1;
                } else {
                    self.cursors.insert(place.lane, chunk);
                    return Some(chunk);
                }
            }
        }
        None
    }

    /// The worker has sent everything of a copy, and digested what it read.
    pub(super) fn copied(&mut self, chunk: u64, ticket: u64, subtrees: Subtrees, now_ms: u64) {
        if let Some(BusyState::Copy { reported, .. }) = self.busy_state(chunk, ticket) {
            *reported = Some(subtrees);
            self.finish_copy(chunk, now_ms);
        }
    }

    /// The receiver has made the copy durable.
    pub(super) fn acked(&mut self, chunk: u64, ticket: u64, now_ms: u64) {
        if let Some(BusyState::Copy { acked, .. }) = self.busy_state(chunk, ticket) {
            *acked = true;
            self.pending.remove(ChunkIndex(chunk).blocks());
            self.first.remove(chunk..chunk + 1);
            self.finish_copy(chunk, now_ms);
        }
    }

    /// The job did not come to its end, or came too late at the receiver: its blocks must be sent again.
    pub(super) fn failed(&mut self, chunk: u64, ticket: u64) {
        if self.busy_state(chunk, ticket).is_some()
            && let Some(busy) = self.busy.remove(&chunk)
        {
            self.give_back(chunk, &busy);
        }
    }

    fn finish_copy(&mut self, chunk: u64, now_ms: u64) {
        let Some(Busy { tainted, state: BusyState::Copy { reported: Some(subtrees), acked: true }, .. }) =
            self.busy.get(&chunk)
        else {
            return;
        };
        let (subtrees, tainted) = (subtrees.clone(), *tainted);
        self.busy.remove(&chunk);
        let hash = self.learn(chunk, subtrees, tainted);
        self.settle(chunk, hash, now_ms);
    }

    /// Keeps what a job found of the chunk's hash, but for the grains that changed meanwhile; the hash, if that is all.
    fn learn(&mut self, chunk: u64, mut subtrees: Subtrees, tainted: GrainMask) -> Option<ChunkHash> {
        subtrees.forget(tainted);
        let hash = subtrees.hash();
        self.subtrees.put(chunk, subtrees);
        hash
    }

    /// The chunk is not busy any more: its hash is known, or it must be proved later, or something else is due first.
    fn settle(&mut self, chunk: u64, hash: Option<ChunkHash>, now_ms: u64) {
        self.doubt_may_end();
        if self.dirty.intersects(ChunkIndex(chunk).blocks()) {
            return;
        }
        self.changed.remove(chunk);
        match hash {
            Some(hash) => {
                self.hashes.insert(chunk, hash);
            }
            None if self.unverified.contains(chunk) => {}
            None => self.unproved.set(chunk, now_ms),
        }
    }

    fn doubt_may_end(&mut self) {
        let comparing = self.busy.values().any(|busy| matches!(busy.state, BusyState::Compare { .. }));
        if self.unverified.is_empty() && !comparing {
            self.doubt.clear();
        }
    }

    /// Our hash of a chunk that is being compared.
    pub(super) fn compared(&mut self, chunk: u64, ticket: u64, subtrees: Subtrees, now_ms: u64) {
        if let Some(BusyState::Compare { own, .. }) = self.busy_state(chunk, ticket) {
            *own = Some(subtrees);
            self.finish_compare(chunk, now_ms);
        }
    }

    /// The receiver's hash of a chunk that is being compared.
    pub(super) fn target_hash(&mut self, chunk: u64, ticket: u64, hash: ChunkHash, now_ms: u64) {
        if let Some(BusyState::Compare { target, .. }) = self.busy_state(chunk, ticket) {
            *target = Some(hash);
            self.finish_compare(chunk, now_ms);
        }
    }

    fn finish_compare(&mut self, chunk: u64, now_ms: u64) {
        let Some(Busy { tainted, state: BusyState::Compare { own: Some(own), target: Some(target) }, .. }) =
            self.busy.get(&chunk)
        else {
            return;
        };
        let (same, tainted, own) = (own.hash() == Some(*target), *tainted, own.clone());
        self.busy.remove(&chunk);
        if !same {
            let range = self.size.blocks_of_chunk(ChunkIndex(chunk));
            let differ: Vec<Range<u64>> = self.domain.runs_in(range).collect();
            let _count = differ.into_iter().map(|run| self.dirty_again(run)).sum::<u64>();
        } else {
            let hash = self.learn(chunk, own, tainted);
            self.settle(chunk, hash, now_ms);
        }
        self.doubt_may_end();
    }

    /// The hash of a chunk that had not been known.
    pub(super) fn proved(&mut self, chunk: u64, ticket: u64, subtrees: Subtrees, now_ms: u64) {
        if let Some(BusyState::Prove) = self.busy_state(chunk, ticket)
            && let Some(busy) = self.busy.remove(&chunk)
        {
            let hash = self.learn(chunk, subtrees, busy.tainted);
            self.settle(chunk, hash, now_ms);
        }
    }

    fn busy_state(&mut self, chunk: u64, ticket: u64) -> Option<&mut BusyState> {
        self.busy.get_mut(&chunk).filter(|busy| busy.ticket == ticket).map(|busy| &mut busy.state)
    }

    /// The root; `None` while anything is left to do.
    pub(super) fn root(&self) -> Option<DeviceRoot> {
        if !self.is_drained() {
            return None;
        }
        device_root(self.size, |chunk| self.hash(chunk))
    }

    /// The hash of a chunk; `None` if it is not known.
    pub(super) fn hash(&self, chunk: ChunkIndex) -> Option<ChunkHash> {
        let in_domain = self.domain.intersects(chunk.blocks());
        if in_domain { self.hashes.get(&chunk.0).copied() } else { Some(zero_hash(self.size.chunk_len(chunk))) }
    }

    /// Whether the block is held to be the same, durably, at the target.
    pub(super) fn is_clean(&self, block: BlockIndex) -> bool {
        let chunk = block.chunk().0;
        let comparing = self.busy.get(&chunk).is_some_and(|busy| matches!(busy.state, BusyState::Compare { .. }));
        let on_its_way = self.dirty.contains(block.0) || self.pending.contains(block.0);
        let doubted = comparing || self.unverified.contains(chunk) || !matches!(self.opening, Opening::On(_));
        self.domain.contains(block.0) && !on_its_way && !doubted
    }

    /// Whether every chunk of the domain is in one of the places that the module's description names.
    pub(super) fn is_accounted_for(&self) -> bool {
        let begun = self.opening != Opening::Never;
        !begun
            || self.domain.runs().flat_map(|run| chunks_of(&run)).all(|chunk| {
                self.hashes.contains_key(&chunk)
                    || self.unproved.contains(chunk)
                    || self.unverified.contains(chunk)
                    || self.busy.contains_key(&chunk)
                    || self.dirty.intersects(ChunkIndex(chunk).blocks())
            })
    }
}

fn chunk_of(block: u64) -> u64 {
    block / BLOCKS_PER_CHUNK
}

fn chunks_of(blocks: &Range<u64>) -> Range<u64> {
    blocks.start / BLOCKS_PER_CHUNK..blocks.end.div_ceil(BLOCKS_PER_CHUNK)
}
