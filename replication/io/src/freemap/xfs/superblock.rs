//! The superblock of xfs, versions 4 and 5: how the filesystem is divided. Pure; refuses what it does not know, and what
//! contradicts itself.

use super::super::checksum::crc32c;
use super::super::metadata::{MetadataError, big, ensure_equal, ensure_known, ensure_sum, ensure_within, word};
use std::ops::{Range, RangeInclusive};

/// The smallest sector, in which all fields lie; the superblock is at the start of the filesystem.
pub(super) const SMALLEST_SECTOR: usize = 512;
const MAGIC: u64 = 0x5846_5342;
/// Of version 4: attributes, wide link counts, quota, alignment, stripes, log version 2, sector sizes, unwritten extents,
/// directories version 2, ASCII without case, more bits. None changes what is free.
const KNOWN_VERSION_BITS: u64 = 0xFDF0;
/// Of version 4: lazy counts, attributes version 2, parents, wide project numbers, file types.
const KNOWN_FEATURES2: u64 = 0x2 | 0x8 | 0x10 | 0x80 | 0x200;
/// Of version 5: free inode tree, reverse map, shared blocks, counts of inode trees. Free space is kept as ever beside them.
const KNOWN_RO_COMPAT: u64 = 0xF;
/// Of version 5: file types, sparse inodes, a name of its own for metadata, big times, 64-bit extent counts, exchange of
/// ranges, parents. Not: needs repair.
const KNOWN_INCOMPAT: u64 = 0xEF;
const META_UUID: u64 = 0x4;

/// What of the superblock matters for finding free blocks.
#[derive(Debug)]
pub(super) struct Superblock {
    /// Version 5 has checksums.
    pub(super) has_sums: bool,
    pub(super) block_bytes: u64,
    pub(super) sector_bytes: u64,
    pub(super) blocks: u64,
    pub(super) group_blocks: u64,
    pub(super) groups: u64,
    /// What all metadata of version 5 is marked with.
    pub(super) uuid: [u8; 16],
    /// The group that the log lies in, and its blocks in it.
    pub(super) log: Option<(u64, Range<u64>)>,
}

/// The size of a sector that the first bytes of a superblock tell: so long is the structure that the checksum covers.
pub(super) fn sector_len(bytes: &[u8]) -> Result<usize, MetadataError> {
    ensure_equal("magic number of xfs", 0, big(bytes, 0, 4), MAGIC)?;
    Ok(1 << power("size of a sector", big(bytes, 102, 2), bytes[121], 9..=15)?)
}

/// The exponent of a power of two that the superblock tells as both.
fn power(what: &'static str, value: u64, exponent: u8, allowed: RangeInclusive<u64>) -> Result<u8, MetadataError> {
    ensure_within(what, 0, exponent.into(), allowed)?;
    ensure_equal(what, 0, value, 1 << exponent)?;
    Ok(exponent)
}

/// Whether the filesystem has checksums; an error if it has a feature that is not known.
fn ensure_features(bytes: &[u8]) -> Result<bool, MetadataError> {
    let version = big(bytes, 100, 2);
    ensure_within("version of xfs", 0, version & 0xF, 4..=5)?;
    ensure_known("features", version & !0xF, KNOWN_VERSION_BITS)?;
    if version & 0xF == 4 {
        ensure_known("second features", big(bytes, 200, 4), KNOWN_FEATURES2)?;
        return Ok(false);
    }
    let summed = [&bytes[..224], &[0; 4], &bytes[228..]].concat();
    ensure_sum("checksum of the superblock", 0, word(bytes, 224), crc32c(&summed))?;
    ensure_known("read-only compatible features", big(bytes, 212, 4), KNOWN_RO_COMPAT)?;
    ensure_known("incompatible features", big(bytes, 216, 4), KNOWN_INCOMPAT)?;
    Ok(true)
}

impl Superblock {
    /// Reads the superblock, a whole sector, of a filesystem on `size` bytes.
    pub(super) fn parse(bytes: &[u8], size: u64) -> Result<Self, MetadataError> {
        let has_sums = ensure_features(bytes)?;
        ensure_equal("mark of an unfinished mkfs", 0, bytes[126].into(), 0)?;
        let block_log = power("size of a block", big(bytes, 4, 4), bytes[120], 9..=16)?;
        let (block_bytes, sector_bytes) = (1 << block_log, bytes.len() as u64);
        let (blocks, group_blocks, groups) = (big(bytes, 8, 8), big(bytes, 84, 4), big(bytes, 88, 4));
        ensure_within("number of blocks", 0, blocks, 1..=size >> block_log)?;
        // Room for the four headers and one block more, which every group has.
        ensure_within("blocks of a group", 0, group_blocks, (4 * sector_bytes).div_ceil(block_bytes) + 1..=blocks)?;
        ensure_equal("number of groups", 0, groups, blocks.div_ceil(group_blocks))?;
        let group_log = u64::from(group_blocks.next_power_of_two().trailing_zeros());
        ensure_equal("logarithm of the blocks of a group", 0, bytes[124].into(), group_log)?;
        let uuid_at = if has_sums && big(bytes, 216, 4) & META_UUID != 0 { 248 } else { 32 };
        let uuid = std::array::from_fn(|index| bytes[uuid_at + index]);
        let mut superblock =
            Self { has_sums, block_bytes, sector_bytes, blocks, group_blocks, groups, uuid, log: None };
        superblock.log = superblock.log(big(bytes, 48, 8), big(bytes, 96, 4), group_log)?;
        Ok(superblock)
    }

    /// Where the log lies, from its place as inodes have places: the group's number above its block. Block 0 stands for a
    /// log on another device.
    fn log(&self, start: u64, len: u64, group_log: u64) -> Result<Option<(u64, Range<u64>)>, MetadataError> {
        if start == 0 {
            return Ok(None);
        }
        let (group, start) = (start >> group_log, start & ((1 << group_log) - 1));
        ensure_within("group of the log", 0, group, 0..=self.groups - 1)?;
        ensure_within("start of the log", 0, start, self.header_blocks()..=self.len_of(group))?;
        ensure_within("end of the log", 0, start + len, start..=self.len_of(group))?;
        Ok(Some((group, start..start + len)))
    }

    /// Blocks of a group: the last may be shorter.
    pub(super) fn len_of(&self, group: u64) -> u64 {
        self.group_blocks.min(self.blocks - group * self.group_blocks)
    }

    /// Blocks that the headers of each group touch: superblock, free space, inodes, free list.
    pub(super) fn header_blocks(&self) -> u64 {
        (4 * self.sector_bytes).div_ceil(self.block_bytes)
    }

    /// Where a block of a group lies.
    pub(super) fn offset(&self, group: u64, block: u64) -> u64 {
        (group * self.group_blocks + block) * self.block_bytes
    }
}
