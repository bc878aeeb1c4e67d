//! One volume of the target: what may be written to it now, and which of its chunks are proved.
//!
//! A chunk that nothing was ever written to is zeros, which the medium vouches for. Every other chunk is either proved
//! by a hash that was read back after the last write became durable, or *unproved*. Never here: connections, links.

use super::{ConnectionId, Incoming, Refusal, VolumeSpec};
use crate::ages::Ages;
use crate::block_set::BlockSet;
use crate::digest::{ChunkHash, DeviceRoot, device_root, zero_hash};
use crate::geometry::{BLOCKS_PER_CHUNK, BlockIndex, CHUNK_BYTES, ChunkIndex, DeviceId, GeometryError, GrainMask};
use crate::message::MAX_OPENED_RUNS;
use crate::subtree::{SubtreeCache, Subtrees};
use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

/// Who waits for the hash of a chunk.
type Waiter = (ConnectionId, DeviceId, u64);

/// What to do with an extent.
pub(super) enum Verdict {
    Write(u64),
    Nothing,
}

#[derive(Debug)]
struct Reading {
    ticket: u64,
    /// Grains that were written to meanwhile.
    tainted: GrainMask,
}

#[derive(Debug)]
pub(super) struct Volume {
    pub(super) spec: VolumeSpec,
    /// Blocks that may hold something else than zeros.
    written: BlockSet,
    /// Hashes of proved chunks.
    hashes: BTreeMap<u64, ChunkHash>,
    /// Values of grains that were read back after their last write.
    subtrees: SubtreeCache,
    /// Written chunks without a valid hash, by the time of the last write.
    unproved: Ages,
    /// Writes on their way, by chunk.
    writing: BTreeMap<u64, u64>,
    /// Chunks with writes that the next sync, and the sync under way, will make durable.
    unsynced: BTreeSet<u64>,
    syncing: BTreeSet<u64>,
    reading: BTreeMap<u64, Reading>,
    waiters: BTreeMap<u64, Vec<Waiter>>,
}

impl Volume {
    /// Keeps the subtrees of at most `subtree_chunks` chunks.
    pub(super) fn new(spec: VolumeSpec, subtree_chunks: usize) -> Self {
        let mut written = BlockSet::new();
        let mut unproved = Ages::default();
        for run in &spec.maybe_written {
            let run = run.start..run.end.min(spec.size.chunks());
            written.insert(run.start * BLOCKS_PER_CHUNK..(run.end * BLOCKS_PER_CHUNK).min(spec.size.blocks()));
            run.for_each(|chunk| unproved.set(chunk, 0));
        }
        Self {
            spec,
            written,
            hashes: BTreeMap::new(),
            subtrees: SubtreeCache::new(subtree_chunks),
            unproved,
            writing: BTreeMap::new(),
            unsynced: BTreeSet::new(),
            syncing: BTreeSet::new(),
            reading: BTreeMap::new(),
            waiters: BTreeMap::new(),
        }
    }

    /// Runs of chunks that may not be zeros; near runs are joined until there are few enough for one message.
    pub(super) fn written_chunks(&self) -> Vec<Range<u64>> {
        let chunks = self.written.runs().map(|r| r.start / BLOCKS_PER_CHUNK..r.end.div_ceil(BLOCKS_PER_CHUNK));
        let mut gap = 0;
        let mut runs: Vec<Range<u64>> = chunks.collect();
        loop {
            runs = joined(&runs, gap);
            if runs.len() <= MAX_OPENED_RUNS {
                return runs;
            }
            gap = gap * 2 + 1;
        }
    }

    pub(super) fn admit(&mut self, blocks: Range<u64>, incoming: &Incoming, now_ms: u64) -> Verdict {
        let chunk = BlockIndex(blocks.start).chunk().0;
        if incoming.zero && !self.written.intersects(blocks.clone()) {
            return Verdict::Nothing;
        }
        let grains = GrainMask::of_blocks(ChunkIndex(chunk), &blocks);
        self.written.insert(blocks);
        self.hashes.remove(&chunk);
        self.subtrees.forget(chunk, grains);
        self.unproved.set(chunk, now_ms);
        if let Some(reading) = self.reading.get_mut(&chunk) {
            reading.tainted = reading.tainted.with(grains);
        }
        *self.writing.entry(chunk).or_default() += 1;
        Verdict::Write(chunk)
    }

    pub(super) fn wrote(&mut self, chunk: u64) {
        self.unsynced.insert(chunk);
        if let Some(count) = self.writing.get_mut(&chunk) {
            *count -= 1;
            if *count == 0 {
                self.writing.remove(&chunk);
            }
        }
    }

    pub(super) fn wants_sync(&self) -> bool {
        !self.unsynced.is_empty()
    }

    pub(super) fn begin_sync(&mut self) {
        self.syncing.append(&mut self.unsynced);
    }

    pub(super) fn synced(&mut self) {
        self.syncing.clear();
    }

    /// The chunk's hash if it is valid; else the waiter is kept until it is.
    pub(super) fn hash_or_wait(&mut self, chunk: ChunkIndex, waiter: Waiter) -> Result<Option<ChunkHash>, Refusal> {
        if chunk.0 >= self.spec.size.chunks() {
            let (offset, size) = (chunk.0.saturating_mul(CHUNK_BYTES), self.spec.size.bytes());
            return Err(Refusal::Extent(GeometryError::Extent { offset, len: CHUNK_BYTES, size }));
        }
        let known = self.hash(chunk);
        if known.is_none() {
            self.waiters.entry(chunk.0).or_default().push(waiter);
        }
        Ok(known)
    }

    /// The hash of a chunk that is proved, or that nothing was ever written to.
    fn hash(&self, chunk: ChunkIndex) -> Option<ChunkHash> {
        match self.hashes.get(&chunk.0) {
            Some(hash) => Some(*hash),
            None if self.unproved.contains(chunk.0) => None,
            None => Some(zero_hash(self.spec.size.chunk_len(chunk))),
        }
    }

    pub(super) fn root(&self) -> Option<DeviceRoot> {
        if !self.unproved.is_empty() {
            return None;
        }
        device_root(self.spec.size, |chunk| self.hash(chunk))
    }

    pub(super) fn unproved_chunks(&self) -> u64 {
        self.unproved.len()
    }

    pub(super) fn forget_waiters(&mut self) {
        self.waiters.clear();
    }

    /// A chunk whose last write is durable, that is waited for or was last written at `until_ms` or before.
    pub(super) fn next_read_back(&mut self, until_ms: Option<u64>, ticket: u64) -> Option<(ChunkIndex, Subtrees)> {
        let settled = |chunk: &u64| {
            let busy = self.writing.contains_key(chunk) || self.reading.contains_key(chunk);
            !busy && !self.unsynced.contains(chunk) && !self.syncing.contains(chunk)
        };
        let awaited = self.waiters.keys().copied().find(|chunk| settled(chunk));
        let quiet = || until_ms.and_then(|until| self.unproved.until(until).find(|chunk| settled(chunk)));
        let chunk = awaited.or_else(quiet)?;
        self.reading.insert(chunk, Reading { ticket, tainted: GrainMask::default() });
        let chunk = ChunkIndex(chunk);
        Some((chunk, self.subtrees.get(chunk.0, self.spec.size.chunk_len(chunk))))
    }

    /// Keeps what was read back, but for the grains that were written to meanwhile. If that is all of the chunk: its hash,
    /// and who waited for it.
    pub(super) fn read_back(
        &mut self,
        chunk: ChunkIndex,
        ticket: u64,
        mut subtrees: Subtrees,
    ) -> Option<(ChunkHash, Vec<Waiter>)> {
        let reading = self.reading.get(&chunk.0).filter(|reading| reading.ticket == ticket)?;
        subtrees.forget(reading.tainted);
        self.reading.remove(&chunk.0);
        let hash = subtrees.hash();
        self.subtrees.put(chunk.0, subtrees);
        let hash = hash?;
        self.hashes.insert(chunk.0, hash);
        self.unproved.remove(chunk.0);
        Some((hash, self.waiters.remove(&chunk.0).unwrap_or_default()))
    }
}

/// Runs joined where at most `gap` numbers lie between them; runs that touch or overlap always are.
fn joined(runs: &[Range<u64>], gap: u64) -> Vec<Range<u64>> {
    let mut out: Vec<Range<u64>> = Vec::new();
    for run in runs {
        match out.last_mut() {
            Some(last) if run.start <= last.end + gap => last.end = last.end.max(run.end),
            Some(_) | None => out.push(run.clone()),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn touching_runs_are_joined_and_near_ones_when_asked() {
        let runs = [0..2, 2..3, 5..6, 5..7];
        assert_eq!(joined(&runs, 0), vec![0..3, 5..7]);
        assert_eq!(joined(&runs, 2).len(), 1);
    }
}
