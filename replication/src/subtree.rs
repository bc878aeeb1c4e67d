//! What is known of a chunk's hash: the values of its grains, from which the hash is merged once all are there.
//!
//! BLAKE3 is a tree, and a *grain* of a chunk is a whole subtree of it. Whoever keeps the values of the grains of a chunk
//! that changes reads only those that changed, not the chunk, and comes to the hash that hashing its bytes in one go
//! gives. Never here: reading; whether a value still holds, which is the engine's to know.

use crate::ages::Ages;
use crate::digest::ChunkHash;
use crate::geometry::{CHUNK_BYTES, GRAIN_BYTES, GRAINS_PER_CHUNK, GrainMask};
use blake3::hazmat::{ChainingValue, HasherExt, Mode, left_subtree_len, merge_subtrees_non_root, merge_subtrees_root};
use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::{Arc, LazyLock};

/// Chunks, of all disks together, of which an end keeps the subtrees: 16 GiB of what changed lately, in 36 MiB.
pub const KEPT_CHUNKS: usize = 16_384;

const GRAINS: usize = 64;
const _: () = assert!(GRAINS as u64 == GRAINS_PER_CHUNK);

/// The values of a chunk's grains, as far as they are known. Cheap to clone.
#[derive(Clone, PartialEq, Eq)]
pub struct Subtrees {
    len: u64,
    known: GrainMask,
    values: Arc<[ChainingValue; GRAINS]>,
}

impl std::fmt::Debug for Subtrees {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Subtrees").field("len", &self.len).field("known", &self.known).finish_non_exhaustive()
    }
}

impl Subtrees {
    /// Nothing known, of a chunk of `len` bytes.
    pub fn new(len: u64) -> Self {
        static NONE: LazyLock<Arc<[ChainingValue; GRAINS]>> = LazyLock::new(|| Arc::new([[0; 32]; GRAINS]));
        assert!(0 < len && len <= CHUNK_BYTES, "a chunk has between one byte and a MiB");
        Self { len, known: GrainMask::default(), values: Arc::clone(&NONE) }
    }

    /// The grains whose values are not known.
    pub fn missing(&self) -> GrainMask {
        GrainMask::of_chunk(self.len).without(self.known)
    }

    /// Where the bytes of `grain` lie in the chunk.
    pub fn bytes_of(&self, grain: u64) -> Range<usize> {
        let start = grain * GRAIN_BYTES;
        place(start)..place(start + self.grain_len(grain))
    }

    /// Takes in what `grain` holds: its bytes, short only at the end of the device.
    pub fn put(&mut self, grain: u64, bytes: &[u8]) {
        assert_eq!(bytes.len() as u64, self.grain_len(grain), "a grain is taken in whole");
        self.put_value(grain, value_of(grain, bytes, self.len <= GRAIN_BYTES));
    }

    /// Takes in that `grain` is zeros.
    pub fn put_zeros(&mut self, grain: u64) {
        static FULL: LazyLock<Vec<ChainingValue>> = LazyLock::new(|| {
            let zeros = vec![0; place(GRAIN_BYTES)];
            (0..GRAINS_PER_CHUNK).map(|grain| value_of(grain, &zeros, false)).collect()
        });
        let len = self.grain_len(grain);
        if len == GRAIN_BYTES && self.len > GRAIN_BYTES {
            self.put_value(grain, FULL[place(grain)]);
        } else {
            self.put(grain, &vec![0; place(len)]);
        }
    }

    /// Takes in the value of `grain`.
    pub fn put_value(&mut self, grain: u64, value: [u8; 32]) {
        Arc::make_mut(&mut self.values)[place(grain)] = value;
        self.known.insert(grain);
    }

    /// The grains have changed.
    pub fn forget(&mut self, grains: GrainMask) {
        self.known = self.known.without(grains);
    }

    /// Whether nothing is known.
    pub fn is_empty(&self) -> bool {
        self.known.is_empty()
    }

    /// The chunk's hash, if every grain is known.
    pub fn hash(&self) -> Option<ChunkHash> {
        if !self.missing().is_empty() {
            return None;
        }
        if self.len <= GRAIN_BYTES {
            return Some(ChunkHash(self.values[0]));
        }
        let middle = left_subtree_len(self.len);
        let (left, right) = (self.merged(0, middle), self.merged(middle, self.len));
        Some(ChunkHash(*merge_subtrees_root(&left, &right, Mode::Hash).as_bytes()))
    }

    /// The value of the subtree over these bytes of the chunk.
    fn merged(&self, start: u64, end: u64) -> ChainingValue {
        if end - start <= GRAIN_BYTES {
            return self.values[place(start / GRAIN_BYTES)];
        }
        let middle = start + left_subtree_len(end - start);
        merge_subtrees_non_root(&self.merged(start, middle), &self.merged(middle, end), Mode::Hash)
    }

    fn grain_len(&self, grain: u64) -> u64 {
        self.len.saturating_sub(grain * GRAIN_BYTES).min(GRAIN_BYTES)
    }
}

/// The value of a grain; of the `only` one of its chunk it is the hash itself.
fn value_of(grain: u64, bytes: &[u8], only: bool) -> ChainingValue {
    if only {
        return *blake3::hash(bytes).as_bytes();
    }
    blake3::Hasher::new().set_input_offset(grain * GRAIN_BYTES).update(bytes).finalize_non_root()
}

fn place(number: u64) -> usize {
    usize::try_from(number).expect("a place in a chunk is below a MiB")
}

/// The subtrees of chunks that were read or changed lately. What does not fit is forgotten, the longest unused first, and
/// costs a reading of the whole chunk when it changes again.
#[derive(Debug)]
pub(crate) struct SubtreeCache {
    room: usize,
    kept: BTreeMap<u64, Subtrees>,
    used: Ages,
    uses: u64,
}

impl SubtreeCache {
    /// For the subtrees of at most `room` chunks.
    pub(crate) fn new(room: usize) -> Self {
        Self { room, kept: BTreeMap::new(), used: Ages::default(), uses: 0 }
    }

    pub(crate) fn set_room(&mut self, room: usize) {
        self.room = room;
        self.make_room();
    }

    /// What is known of `chunk`, which has `len` bytes.
    pub(crate) fn get(&self, chunk: u64, len: u64) -> Subtrees {
        self.kept.get(&chunk).cloned().unwrap_or_else(|| Subtrees::new(len))
    }

    /// Replaces what was known of `chunk`.
    pub(crate) fn put(&mut self, chunk: u64, subtrees: Subtrees) {
        self.uses += 1;
        self.used.set(chunk, self.uses);
        self.kept.insert(chunk, subtrees);
        self.make_room();
    }

    /// The grains of `chunk` have changed.
    pub(crate) fn forget(&mut self, chunk: u64, grains: GrainMask) {
        if let Some(subtrees) = self.kept.get_mut(&chunk) {
            subtrees.forget(grains);
        }
    }

    pub(crate) fn clear(&mut self) {
        *self = Self::new(self.room);
    }

    fn make_room(&mut self) {
        while self.kept.len() > self.room {
            let Some(oldest) = self.used.until(u64::MAX).next() else { return };
            self.used.remove(oldest);
            self.kept.remove(&oldest);
        }
    }
}

/// The job of an end done in its tests: every grain of `grains` holds `content`.
#[cfg(test)]
pub(crate) fn filled(mut subtrees: Subtrees, grains: GrainMask, content: &[u8]) -> Subtrees {
    grains.iter().for_each(|grain| subtrees.put_value(grain, *blake3::hash(content).as_bytes()));
    subtrees
}

/// The hash of a full chunk whose every grain holds `content`, as [`filled`] has it.
#[cfg(test)]
pub(crate) fn hash_of(content: &[u8]) -> ChunkHash {
    filled(Subtrees::new(CHUNK_BYTES), GrainMask::ALL, content).hash().expect("every grain is known")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::digest::{hash_bytes, zero_hash};
    use proptest::prelude::*;

    fn known(bytes: &[u8]) -> Subtrees {
        let mut subtrees = Subtrees::new(bytes.len() as u64);
        for (grain, piece) in (0..).zip(bytes.chunks(place(GRAIN_BYTES))) {
            subtrees.put(grain, piece);
        }
        subtrees
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn merged_values_are_the_hash_of_the_bytes(sectors in 1u64..=CHUNK_BYTES / 512, seed in any::<u64>()) {
            let bytes: Vec<u8> = (0..sectors * 512).map(|n| (n.wrapping_mul(seed | 1) >> 7).to_le_bytes()[0]).collect();
            prop_assert_eq!(known(&bytes).hash(), Some(hash_bytes(&bytes)));
        }

        #[test]
        fn a_changed_grain_is_all_that_must_be_read_again(len in 1u64..=CHUNK_BYTES, at in any::<prop::sample::Index>()) {
            let mut bytes = vec![7; place(len)];
            let mut subtrees = known(&bytes);
            let changed = at.index(bytes.len());
            bytes[changed] = 8;
            let grain = changed as u64 / GRAIN_BYTES;
            let mut mask = GrainMask::default();
            mask.insert(grain);
            subtrees.forget(mask);
            prop_assert_eq!((subtrees.hash(), subtrees.missing()), (None, mask));
            let piece = bytes.chunks(place(GRAIN_BYTES)).nth(place(grain)).unwrap();
            subtrees.put(grain, piece);
            prop_assert_eq!(subtrees.hash(), Some(hash_bytes(&bytes)));
        }
    }

    #[test]
    fn zeros_need_not_be_read() {
        for len in [512, GRAIN_BYTES, GRAIN_BYTES + 512, 3 * GRAIN_BYTES, CHUNK_BYTES - 512, CHUNK_BYTES] {
            let mut subtrees = Subtrees::new(len);
            subtrees.missing().iter().for_each(|grain| subtrees.put_zeros(grain));
            assert_eq!(subtrees.hash(), Some(zero_hash(len)), "{len}");
        }
    }

    #[test]
    fn a_clone_does_not_see_what_comes_later() {
        let before = known(&[1; 20_000]);
        let mut after = before.clone();
        after.put(1, &[2; 20_000 - 16_384]);
        assert_eq!(before.hash(), Some(hash_bytes(&[1; 20_000])));
        assert_ne!(after.hash(), before.hash());
    }

    #[test]
    fn the_longest_unused_are_forgotten_when_there_is_no_room() {
        let mut cache = SubtreeCache::new(2);
        for chunk in [5, 6, 5, 7] {
            cache.put(chunk, known(&[1; 4096]));
        }
        let held = |cache: &SubtreeCache, chunk| !cache.get(chunk, 4096).is_empty();
        assert_eq!([5, 6, 7].map(|chunk| held(&cache, chunk)), [true, false, true]);
        cache.forget(7, GrainMask::of_chunk(4096));
        assert!(!held(&cache, 7));
        cache.set_room(0);
        assert!(!held(&cache, 5));
    }
}
