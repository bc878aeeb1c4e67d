//! Blocks, chunks and device sizes: the only place where bytes, sectors, blocks and chunks are turned into each other.
//!
//! Changes are tracked and sent in blocks of 4 KiB, hashed and proved in chunks of 1 MiB. A device may end within a
//! block and within a chunk: the last of each is then short. Never here: which blocks are dirty, free or sent.

use std::ops::Range;

/// Bytes of a block: the page size, which every filesystem in scope writes in and every tracker can name exactly.
pub const BLOCK_BYTES: u64 = 4096;
/// Bytes of a chunk: 32 bytes of hash per MiB are 32 MiB of manifest per TiB.
pub const CHUNK_BYTES: u64 = 1024 * 1024;
/// Blocks of a chunk.
pub const BLOCKS_PER_CHUNK: u64 = CHUNK_BYTES / BLOCK_BYTES;
/// Bytes of a grain, the part of a chunk that is read and hashed again when a block of it changes: 16 leaves of BLAKE3, as
/// many as the widest registers hash at once, and no slower to read than a block. 64 values are 2 KiB a chunk.
pub const GRAIN_BYTES: u64 = 16 * 1024;
/// Grains of a chunk.
pub const GRAINS_PER_CHUNK: u64 = CHUNK_BYTES / GRAIN_BYTES;
const BLOCKS_PER_GRAIN: u64 = GRAIN_BYTES / BLOCK_BYTES;
/// Bytes of a sector, the unit of the kernel's block events and counters, whatever the disk's own sector size.
pub const SECTOR_BYTES: u64 = 512;
/// The longest piece of data in one frame. 256 KiB was best or close to it on every machine that nbdkit's authors
/// measured: it stays in the cache between read, hash, compression and encryption.
pub const MAX_EXTENT_BYTES: u64 = 256 * 1024;
/// The largest device: 8 EiB is what a signed 64-bit file offset reaches, 2^56 keeps every sum of two far from overflow.
pub const MAX_DEVICE_BYTES: u64 = 1 << 56;

/// Why a size or a place is not one of a device.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum GeometryError {
    /// Empty, too large, or not whole sectors.
    #[error("device size {found} bytes, expected a positive multiple of 512 below 2^56")]
    DeviceSize {
        /// Bytes.
        found: u64,
    },
    /// An extent that is empty, not aligned to blocks, too long, or beyond the end of the device.
    #[error("extent at {offset} of {len} bytes, expected whole blocks of a device of {size} bytes, within one chunk")]
    Extent {
        /// Bytes from the start of the device.
        offset: u64,
        /// Bytes.
        len: u64,
        /// Bytes of the device.
        size: u64,
    },
}

/// Number of a block on its device.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct BlockIndex(pub u64);

/// Number of a chunk on its device.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ChunkIndex(pub u64);

impl BlockIndex {
    /// The chunk that this block lies in.
    pub fn chunk(self) -> ChunkIndex {
        ChunkIndex(self.0 / BLOCKS_PER_CHUNK)
    }
}

impl ChunkIndex {
    /// The blocks of a full chunk at this place; the device may end before them.
    pub fn blocks(self) -> Range<u64> {
        let first = self.0 * BLOCKS_PER_CHUNK;
        first..first + BLOCKS_PER_CHUNK
    }

    /// Where the chunk begins on the device.
    pub fn offset_bytes(self) -> u64 {
        self.0 * CHUNK_BYTES
    }
}

/// Number of a device within a session; the receiver's volumes are numbered in the order the controller gave them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DeviceId(pub u32);

/// Size of a device, checked: positive, whole sectors, below [`MAX_DEVICE_BYTES`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DeviceSize(u64);

impl DeviceSize {
    /// Checks `bytes`.
    pub fn from_bytes(bytes: u64) -> Result<Self, GeometryError> {
        if bytes == 0 || bytes >= MAX_DEVICE_BYTES || !bytes.is_multiple_of(SECTOR_BYTES) {
            return Err(GeometryError::DeviceSize { found: bytes });
        }
        Ok(Self(bytes))
    }

    /// Size in bytes.
    pub fn bytes(self) -> u64 {
        self.0
    }

    /// Number of blocks, the last of which may be short.
    pub fn blocks(self) -> u64 {
        self.0.div_ceil(BLOCK_BYTES)
    }

    /// Number of chunks, the last of which may be short.
    pub fn chunks(self) -> u64 {
        self.0.div_ceil(CHUNK_BYTES)
    }

    /// Bytes of `chunk` that the device has; 0 beyond its end.
    pub fn chunk_len(self, chunk: ChunkIndex) -> u64 {
        self.0.saturating_sub(chunk.0.saturating_mul(CHUNK_BYTES)).min(CHUNK_BYTES)
    }

    /// The blocks of `chunk` that the device has.
    pub fn blocks_of_chunk(self, chunk: ChunkIndex) -> Range<u64> {
        let blocks = chunk.blocks();
        blocks.start.min(self.blocks())..blocks.end.min(self.blocks())
    }

    /// The bytes of a run of blocks, clipped to the device: `(offset, length)`.
    pub fn bytes_of_blocks(self, blocks: &Range<u64>) -> (u64, u64) {
        let start = blocks.start.saturating_mul(BLOCK_BYTES).min(self.0);
        let end = blocks.end.saturating_mul(BLOCK_BYTES).min(self.0);
        (start, end.saturating_sub(start))
    }

    /// The blocks that `count` sectors from `first` touch, clipped to the device.
    pub fn blocks_of_sectors(self, first: u64, count: u64) -> Range<u64> {
        const SECTORS_PER_BLOCK: u64 = BLOCK_BYTES / SECTOR_BYTES;
        let start = (first / SECTORS_PER_BLOCK).min(self.blocks());
        let end = first.saturating_add(count).div_ceil(SECTORS_PER_BLOCK).min(self.blocks());
        start..end.max(start)
    }

    /// The blocks of an extent that came over the wire: aligned, not empty, within the device and within one chunk.
    pub fn blocks_of_extent(self, offset: u64, len: u64) -> Result<Range<u64>, GeometryError> {
        let refuse = Err(GeometryError::Extent { offset, len, size: self.0 });
        let Some(end) = offset.checked_add(len) else { return refuse };
        let whole = end == self.0 || len.is_multiple_of(BLOCK_BYTES);
        if len == 0 || !offset.is_multiple_of(BLOCK_BYTES) || !whole || end > self.0 {
            return refuse;
        }
        if offset / CHUNK_BYTES != (end - 1) / CHUNK_BYTES {
            return refuse;
        }
        Ok(offset / BLOCK_BYTES..end.div_ceil(BLOCK_BYTES))
    }
}

/// A set of blocks within one chunk, one bit each.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ChunkMask([u64; 4]);

impl ChunkMask {
    /// Adds a block by its place in the chunk, 0 to 255.
    pub fn insert(&mut self, place: u64) {
        assert!(place < BLOCKS_PER_CHUNK, "a chunk has 256 blocks");
        self.0[word(place)] |= 1 << (place % 64);
    }

    /// Whether the block at `place` is in the set.
    pub fn contains(&self, place: u64) -> bool {
        place < BLOCKS_PER_CHUNK && self.0[word(place)] & (1 << (place % 64)) != 0
    }

    /// Number of blocks.
    pub fn count(&self) -> u64 {
        self.0.iter().map(|w| u64::from(w.count_ones())).sum()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0 == [0; 4]
    }

    /// Whether every block of `other` is here too.
    pub fn covers(&self, other: &ChunkMask) -> bool {
        self.0.iter().zip(other.0).all(|(mine, theirs)| theirs & !mine == 0)
    }

    /// The blocks that lie in `grains`.
    pub fn within(&self, grains: GrainMask) -> ChunkMask {
        let mut within = ChunkMask::default();
        grains
            .iter()
            .flat_map(blocks_of_grain)
            .filter(|place| self.contains(*place))
            .for_each(|place| within.insert(place));
        within
    }

    /// The grains that the blocks lie in.
    pub fn grains(&self) -> GrainMask {
        let mut grains = GrainMask::default();
        (0..BLOCKS_PER_CHUNK).filter(|place| self.contains(*place)).for_each(|place| {
            grains.insert(place / BLOCKS_PER_GRAIN);
        });
        grains
    }

    /// The runs of consecutive blocks, by place in the chunk, in order.
    pub fn runs(&self) -> Vec<Range<u64>> {
        runs((0..BLOCKS_PER_CHUNK).filter(|place| self.contains(*place)))
    }
}

/// A set of grains within one chunk, one bit each.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct GrainMask(u64);

impl GrainMask {
    /// All grains that a chunk can have.
    pub const ALL: Self = Self(u64::MAX);

    /// The grains of a chunk of `len` bytes.
    pub fn of_chunk(len: u64) -> Self {
        let grains = len.div_ceil(GRAIN_BYTES);
        Self(if grains >= GRAINS_PER_CHUNK { u64::MAX } else { (1 << grains) - 1 })
    }

    /// The grains of `chunk` that the blocks, numbered on the device, touch.
    pub fn of_blocks(chunk: ChunkIndex, blocks: &Range<u64>) -> Self {
        let all = chunk.blocks();
        let (start, end) = (blocks.start.max(all.start), blocks.end.min(all.end));
        if start >= end {
            return Self::default();
        }
        let first = (start - all.start) / BLOCKS_PER_GRAIN;
        let last = (end - 1 - all.start) / BLOCKS_PER_GRAIN;
        Self((u64::MAX >> (GRAINS_PER_CHUNK - 1 - last)) & (u64::MAX << first))
    }

    /// Adds a grain by its place in the chunk, 0 to 63.
    pub fn insert(&mut self, grain: u64) {
        assert!(grain < GRAINS_PER_CHUNK, "a chunk has 64 grains");
        self.0 |= 1 << grain;
    }

    /// Whether `grain` is in the set.
    pub fn contains(self, grain: u64) -> bool {
        grain < GRAINS_PER_CHUNK && self.0 & (1 << grain) != 0
    }

    /// Whether there are none.
    pub fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// These and those of `other`.
    pub fn with(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// These without those of `other`.
    pub fn without(self, other: Self) -> Self {
        Self(self.0 & !other.0)
    }

    /// The grains by place, in order.
    pub fn iter(self) -> impl Iterator<Item = u64> {
        (0..GRAINS_PER_CHUNK).filter(move |grain| self.contains(*grain))
    }

    /// The runs of consecutive grains, in order.
    pub fn runs(self) -> Vec<Range<u64>> {
        runs(self.iter())
    }
}

/// The blocks of a grain, both by their place in the chunk.
pub(crate) fn blocks_of_grain(grain: u64) -> Range<u64> {
    grain * BLOCKS_PER_GRAIN..(grain + 1) * BLOCKS_PER_GRAIN
}

/// Runs of consecutive numbers among `places`, which grow.
fn runs(places: impl Iterator<Item = u64>) -> Vec<Range<u64>> {
    let mut runs: Vec<Range<u64>> = Vec::new();
    for place in places {
        match runs.last_mut() {
            Some(run) if run.end == place => run.end += 1,
            Some(_) | None => runs.push(place..place + 1),
        }
    }
    runs
}

fn word(place: u64) -> usize {
    usize::try_from(place / 64).expect("a place in a chunk is below 256")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn size(bytes: u64) -> DeviceSize {
        DeviceSize::from_bytes(bytes).unwrap()
    }

    #[test]
    fn sizes_that_no_disk_has_are_refused() {
        for bytes in [0, 1, 511, 513, MAX_DEVICE_BYTES] {
            assert_eq!(DeviceSize::from_bytes(bytes), Err(GeometryError::DeviceSize { found: bytes }));
        }
        assert!(DeviceSize::from_bytes(512).is_ok());
    }

    #[test]
    fn a_device_may_end_within_a_block_and_within_a_chunk() {
        let device = size(CHUNK_BYTES + BLOCK_BYTES + 512);
        assert_eq!((device.blocks(), device.chunks()), (258, 2));
        assert_eq!(device.chunk_len(ChunkIndex(0)), CHUNK_BYTES);
        assert_eq!(device.chunk_len(ChunkIndex(1)), BLOCK_BYTES + 512);
        assert_eq!(device.chunk_len(ChunkIndex(2)), 0);
        assert_eq!(device.blocks_of_chunk(ChunkIndex(1)), 256..258);
        assert_eq!(device.bytes_of_blocks(&(257..300)), (CHUNK_BYTES + BLOCK_BYTES, 512));
    }

    #[test]
    fn sectors_touch_every_block_that_they_overlap() {
        let device = size(64 * BLOCK_BYTES);
        assert_eq!(device.blocks_of_sectors(7, 2), 0..2);
        assert_eq!(device.blocks_of_sectors(8, 8), 1..2);
        assert_eq!(device.blocks_of_sectors(8 * 63, 1000), 63..64);
        assert!(device.blocks_of_sectors(u64::MAX, 8).is_empty());
    }

    #[test]
    fn extents_off_the_grid_or_off_the_device_are_refused() {
        let device = size(2 * CHUNK_BYTES + 512);
        assert_eq!(device.blocks_of_extent(0, MAX_EXTENT_BYTES), Ok(0..64));
        assert_eq!(device.blocks_of_extent(2 * CHUNK_BYTES, 512), Ok(512..513));
        for (offset, len) in [
            (0, 0),
            (512, BLOCK_BYTES),
            (0, 512),
            (CHUNK_BYTES - BLOCK_BYTES, 2 * BLOCK_BYTES),
            (2 * CHUNK_BYTES, BLOCK_BYTES),
            (u64::MAX - 4095, 4096),
        ] {
            assert!(device.blocks_of_extent(offset, len).is_err(), "{offset}+{len}");
        }
    }

    #[test]
    fn blocks_touch_grains_of_their_own_chunk_only() {
        let grains = |blocks: Range<u64>| GrainMask::of_blocks(ChunkIndex(1), &blocks).iter().collect::<Vec<_>>();
        assert_eq!(grains(256..257), vec![0]);
        assert_eq!(grains(259..261), vec![0, 1]);
        assert_eq!(grains(511..600), vec![63]);
        assert_eq!(GrainMask::of_blocks(ChunkIndex(1), &(0..9999)), GrainMask::ALL);
        assert!(grains(0..256).is_empty() && grains(512..513).is_empty() && grains(300..300).is_empty());
        assert_eq!(GrainMask::of_chunk(GRAIN_BYTES + 512).iter().collect::<Vec<_>>(), vec![0, 1]);
        assert_eq!(GrainMask::of_chunk(CHUNK_BYTES), GrainMask::ALL);
    }

    #[test]
    fn a_mask_of_blocks_and_its_grains_say_the_same() {
        let mut mask = ChunkMask::default();
        [0, 5, 6, 255].into_iter().for_each(|place| mask.insert(place));
        assert_eq!(mask.grains().iter().collect::<Vec<_>>(), vec![0, 1, 63]);
        assert_eq!(mask.within(GrainMask::of_blocks(ChunkIndex(0), &(4..8))).runs(), vec![5..7]);
        assert_eq!(mask.within(mask.grains()), mask);
    }

    #[test]
    fn a_mask_gives_back_its_runs() {
        let mut mask = ChunkMask::default();
        assert!(mask.is_empty() && mask.runs().is_empty());
        for place in [0, 1, 63, 64, 255] {
            mask.insert(place);
        }
        assert_eq!(mask.count(), 5);
        assert_eq!(mask.runs(), vec![0..2, 63..65, 255..256]);
        let mut part = ChunkMask::default();
        part.insert(64);
        assert!(mask.covers(&part) && !part.covers(&mask));
        assert!(!mask.contains(256));
    }
}
