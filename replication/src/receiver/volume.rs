//! One volume of the target: what may be written to it now, and which of its chunks are proved.
//!
//! A chunk that nothing was ever written to is zeros, which the medium vouches for. Every other chunk is proved by a hash
//! that was read back after the last write became durable, or *chained* (see [`crate::chain`]), with each extent read back,
//! or *unproved*. Never here: connections, links.

use super::{ConnectionId, Incoming, Refusal, VolumeSpec};
use crate::ages::Ages;
use crate::block_set::BlockSet;
use crate::chain::{self, Chaining};
use crate::digest::{ChunkHash, DeviceRoot, device_root, zero_hash};
use crate::geometry::{BLOCKS_PER_CHUNK, BlockIndex, CHUNK_BYTES, ChunkIndex, DeviceId, GeometryError};
use crate::message::MAX_RUNS;
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
    tainted: bool,
}

/// A chunk's chain, and the extents in it that were not read back yet: disjoint, by their first block.
#[derive(Debug)]
struct Chain {
    value: ChunkHash,
    unread: BTreeMap<u64, (u64, ChunkHash)>,
}

impl Chain {
    /// Goes on by an extent. False if the chain cannot be kept: what remains of an older extent could not be told from
    /// what the medium made of it.
    fn extend(&mut self, incoming: &Incoming, blocks: &Range<u64>) -> bool {
        self.value = chain::link(self.value, incoming.offset, u64::from(incoming.raw_len), incoming.hash);
        let older: Vec<Range<u64>> = self.unread.iter().map(|(start, (end, _))| *start..*end).collect();
        for extent in older.iter().filter(|extent| extent.start < blocks.end && blocks.start < extent.end) {
            if extent.start < blocks.start || blocks.end < extent.end {
                return false;
            }
            self.unread.remove(&extent.start);
        }
        self.unread.insert(blocks.start, (blocks.end, incoming.hash));
        true
    }
}

/// What is to be read back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Back {
    pub(super) chunk: ChunkIndex,
    /// Blocks of the device; none for the whole chunk.
    pub(super) extent: Option<Range<u64>>,
}

#[derive(Debug)]
pub(super) struct Volume {
    pub(super) spec: VolumeSpec,
    /// Blocks that may hold something else than zeros.
    written: BlockSet,
    /// Hashes of proved chunks.
    hashes: BTreeMap<u64, ChunkHash>,
    /// Written chunks that are neither proved by a hash nor chained, by the time of the last write.
    unproved: Ages,
    chains: BTreeMap<u64, Chain>,
    /// Chunks whose chains have extents to read back, and those of them whose last write is durable.
    unread: BTreeSet<u64>,
    readable: BTreeSet<u64>,
    /// Chunks that the source has said to know by their chains, for the next root.
    announced: BlockSet,
    /// Writes on their way, by chunk.
    writing: BTreeMap<u64, u64>,
    /// Chunks with writes that the next sync, and the sync under way, will make durable.
    unsynced: BTreeSet<u64>,
    syncing: BTreeSet<u64>,
    reading: BTreeMap<u64, Reading>,
    waiters: BTreeMap<u64, Vec<Waiter>>,
}

impl Volume {
    pub(super) fn new(spec: VolumeSpec) -> Self {
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
            unproved,
            chains: BTreeMap::new(),
            unread: BTreeSet::new(),
            readable: BTreeSet::new(),
            announced: BlockSet::new(),
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
        few(&chunks.collect::<Vec<_>>())
    }

    pub(super) fn admit(&mut self, blocks: Range<u64>, incoming: &Incoming, now_ms: u64) -> Verdict {
        let chunk = BlockIndex(blocks.start).chunk().0;
        self.chain(chunk, &blocks, incoming, now_ms);
        if incoming.zero && !self.written.intersects(blocks.clone()) {
            // Nothing is written, so nothing has to become durable before it is read back.
            self.readable.extend(self.unread.get(&chunk));
            return Verdict::Nothing;
        }
        self.written.insert(blocks);
        self.readable.remove(&chunk);
        self.hashes.remove(&chunk);
        if !self.chains.contains_key(&chunk) {
            self.unproved.set(chunk, now_ms);
        }
        if let Some(reading) = self.reading.get_mut(&chunk) {
            reading.tainted = true;
        }
        *self.writing.entry(chunk).or_default() += 1;
        Verdict::Write(chunk)
    }

    /// What the extent means for the chunk's chain; before its content counts as changed.
    fn chain(&mut self, chunk: u64, blocks: &Range<u64>, incoming: &Incoming, now_ms: u64) {
        match incoming.chaining {
            Chaining::No => self.unchain(chunk, now_ms),
            Chaining::Anew => {
                self.unchain(chunk, now_ms);
                if let Some(value) = self.hash(ChunkIndex(chunk)) {
                    self.chains.insert(chunk, Chain { value, unread: BTreeMap::new() });
                    self.hashes.remove(&chunk);
                }
            }
            Chaining::On => {}
        }
        let Some(chain) = self.chains.get_mut(&chunk) else { return };
        if chain.extend(incoming, blocks) {
            self.unread.insert(chunk);
        } else {
            self.unchain(chunk, now_ms);
        }
    }

    /// The chunk is proved by reading it, if at all.
    fn unchain(&mut self, chunk: u64, now_ms: u64) {
        if self.chains.remove(&chunk).is_some() {
            self.unread.remove(&chunk);
            self.readable.remove(&chunk);
            self.unproved.set(chunk, now_ms);
        }
    }

    /// The source knows these chunks by their chains.
    pub(super) fn announce(&mut self, runs: &[Range<u64>]) {
        for run in runs {
            self.announced.insert(run.start..run.end.min(self.spec.size.chunks()));
        }
    }

    /// Brings what both ends know chunks by together, for a root: chunks that were announced and have no chain here; all
    /// others are proved by their content. An announcement is for one root.
    pub(super) fn agree(&mut self) -> Vec<Range<u64>> {
        let announced = std::mem::take(&mut self.announced);
        let missing: Vec<Range<u64>> = announced
            .runs()
            .flatten()
            .filter(|chunk| !self.chains.contains_key(chunk))
            .map(|chunk| chunk..chunk + 1)
            .collect();
        let stray: Vec<u64> = self.chains.keys().copied().filter(|chunk| !announced.contains(*chunk)).collect();
        stray.into_iter().for_each(|chunk| self.unchain(chunk, 0));
        few(&missing)
    }

    pub(super) fn forget_announced(&mut self) {
        self.announced = BlockSet::new();
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
        let durable = std::mem::take(&mut self.syncing);
        self.readable.extend(durable.into_iter().filter(|chunk| self.unread.contains(chunk)));
    }

    /// The chunk's hash if it is valid; else the waiter is kept until it is.
    pub(super) fn hash_or_wait(&mut self, chunk: ChunkIndex, waiter: Waiter) -> Result<Option<ChunkHash>, Refusal> {
        if chunk.0 >= self.spec.size.chunks() {
            let (offset, size) = (chunk.0.saturating_mul(CHUNK_BYTES), self.spec.size.bytes());
            return Err(Refusal::Extent(GeometryError::Extent { offset, len: CHUNK_BYTES, size }));
        }
        // Content is asked for, so the chain ends.
        self.unchain(chunk.0, 0);
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
            None if self.unproved.contains(chunk.0) || self.chains.contains_key(&chunk.0) => None,
            None => Some(zero_hash(self.spec.size.chunk_len(chunk))),
        }
    }

    pub(super) fn root(&self) -> Option<DeviceRoot> {
        if !self.unproved.is_empty() || !self.unread.is_empty() {
            return None;
        }
        device_root(self.spec.size, |chunk| match self.chains.get(&chunk.0) {
            Some(chain) => Some(chain.value),
            None => self.hash(chunk),
        })
    }

    pub(super) fn unproved_chunks(&self) -> u64 {
        self.unproved.len()
    }

    pub(super) fn forget_waiters(&mut self) {
        self.waiters.clear();
    }

    /// What to read back: a chunk that is waited for, an extent of a chain, or a chunk that was last written at `until_ms` or
    /// before; each only when the chunk's last write is durable.
    pub(super) fn next_read_back(&mut self, until_ms: Option<u64>, ticket: u64) -> Option<Back> {
        let settled = |chunk: &u64| {
            let busy = self.writing.contains_key(chunk) || self.reading.contains_key(chunk);
            !busy && !self.unsynced.contains(chunk) && !self.syncing.contains(chunk)
        };
        let awaited = || self.waiters.keys().copied().find(&settled).map(|chunk| (chunk, None));
        let extent = || {
            let chunk = self.readable.iter().copied().find(&settled)?;
            let (start, (end, _)) = self.chains.get(&chunk)?.unread.first_key_value()?;
            Some((chunk, Some(*start..*end)))
        };
        let quiet = || until_ms.and_then(|until| self.unproved.until(until).find(&settled)).map(|chunk| (chunk, None));
        let (chunk, extent) = awaited().or_else(extent).or_else(quiet)?;
        self.reading.insert(chunk, Reading { ticket, tainted: false });
        Some(Back { chunk: ChunkIndex(chunk), extent })
    }

    /// Takes the hash of what was read in, unless the chunk was written to meanwhile; returns who waited for it.
    pub(super) fn read_back(&mut self, back: &Back, ticket: u64, hash: ChunkHash) -> Vec<Waiter> {
        let chunk = back.chunk.0;
        let current = self.reading.get(&chunk).is_some_and(|reading| reading.ticket == ticket);
        if !current {
            return Vec::new();
        }
        let clean = self.reading.remove(&chunk).is_some_and(|reading| !reading.tainted);
        if !clean {
            return Vec::new();
        }
        if let Some(extent) = &back.extent {
            self.extent_read(chunk, extent, hash);
            return Vec::new();
        }
        self.unchain(chunk, 0);
        self.hashes.insert(chunk, hash);
        self.unproved.remove(chunk);
        self.waiters.remove(&chunk).unwrap_or_default()
    }

    /// An extent that is not on the medium as it came ends the chain: reading the whole chunk will show the difference.
    fn extent_read(&mut self, chunk: u64, extent: &Range<u64>, hash: ChunkHash) {
        let Some(chain) = self.chains.get_mut(&chunk) else { return };
        match chain.unread.remove(&extent.start) {
            Some((end, wanted)) if end == extent.end && wanted == hash => {
                if chain.unread.is_empty() {
                    self.unread.remove(&chunk);
                    self.readable.remove(&chunk);
                }
            }
            Some(_) | None => self.unchain(chunk, 0),
        }
    }
}

/// Runs joined until there are few enough for one message.
fn few(runs: &[Range<u64>]) -> Vec<Range<u64>> {
    let (mut gap, mut few) = (0, joined(runs, 0));
    while few.len() > MAX_RUNS {
        gap = gap * 2 + 1;
        few = joined(&few, gap);
    }
    few
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
