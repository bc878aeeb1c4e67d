//! The superblock of ext2, ext3 and ext4: where groups, their descriptors and the copies of both lie. Pure; refuses what it
//! does not know, and what contradicts itself.

use super::super::checksum::crc32c_from;
use super::super::layout::number;
use super::super::metadata::{MetadataError, ensure_equal, ensure_known, ensure_sum, ensure_within, word};
use std::ops::Range;

/// Where the superblock lies, and its length, whatever the size of a block.
pub(super) const OFFSET: u64 = 1024;
pub(super) const BYTES: usize = 1024;
const MAGIC: u64 = 0xEF53;
/// 256 TiB of blocks of 4 KiB, whose groups have 128 MiB: far beyond what ext is made for.
const MAX_GROUPS: u64 = 1 << 21;
/// The kernel saw that the filesystem contradicts itself, and nobody has repaired it since.
const STATE_ERRORS: u64 = 2;

/// compat: the superblock has two copies, in the groups that it names.
const SPARSE_SUPER2: u64 = 0x200;
/// incompat: of each meta-group, only its own groups hold the descriptors.
const META_BG: u64 = 0x10;
const WIDE: u64 = 0x80;
/// incompat: bitmaps and inode tables may lie in another group than theirs.
const FLEX_BG: u64 = 0x200;
const CSUM_SEED: u64 = 0x2000;
/// All that the kernel knows, but for compression and the journal as a device of its own.
const KNOWN_INCOMPAT: u64 = 0x2 | 0x4 | META_BG | 0x40 | WIDE | 0x100 | FLEX_BG | 0x400 | CSUM_SEED | 0x3_C000;
const SPARSE_SUPER: u64 = 0x1;
const GDT_CSUM: u64 = 0x10;
/// ro_compat: a bit of a bitmap is a cluster of several blocks.
const BIGALLOC: u64 = 0x200;
const METADATA_CSUM: u64 = 0x400;
/// All that the kernel knows, but for snapshots and copies, which it never had, and blocks that files share.
const KNOWN_RO_COMPAT: u64 = 0x7F | GDT_CSUM | 0x100 | BIGALLOC | METADATA_CSUM | 0x1000 | 0x2000 | 0x1_8000;

/// How groups are protected.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Sums {
    /// Not at all: ext2, ext3.
    None,
    /// The descriptors, by a CRC-16 that begins with the filesystem's name.
    Crc16 { uuid: [u8; 16] },
    /// The superblock, the descriptors and the bitmaps, by a CRC-32C that begins so.
    Crc32c { seed: u32 },
}

/// Which groups have a copy of the superblock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Copies {
    All,
    Powers,
    Two([u64; 2]),
}

/// What of the superblock matters for finding free blocks. Places and lengths are in blocks.
#[derive(Debug)]
pub(super) struct Superblock {
    pub(super) block_bytes: u64,
    pub(super) cluster_blocks: u64,
    pub(super) first_block: u64,
    pub(super) blocks: u64,
    pub(super) free_blocks: u64,
    pub(super) blocks_per_group: u64,
    pub(super) groups: u64,
    pub(super) inode_table_blocks: u64,
    pub(super) descriptor_bytes: usize,
    pub(super) is_flexible: bool,
    pub(super) sums: Sums,
    copies: Copies,
    /// The first meta-group whose groups hold its descriptors; before it they follow the superblock.
    first_meta: u64,
    reserved_blocks: u64,
}

struct Features {
    compat: u64,
    incompat: u64,
    ro_compat: u64,
}

impl Features {
    fn parse(bytes: &[u8]) -> Result<Self, MetadataError> {
        // Revision 0 has no features, nor the fields that say so.
        let field = |at| if number(bytes, 0x4C, 4) == 0 { 0 } else { number(bytes, at, 4) };
        let features = Self { compat: field(0x5C), incompat: field(0x60), ro_compat: field(0x64) };
        ensure_known("incompatible features", features.incompat, KNOWN_INCOMPAT)?;
        ensure_known("read-only compatible features", features.ro_compat, KNOWN_RO_COMPAT)?;
        Ok(features)
    }

    fn sums(&self, bytes: &[u8]) -> Result<Sums, MetadataError> {
        let uuid: [u8; 16] = std::array::from_fn(|index| bytes[0x68 + index]);
        if self.ro_compat & METADATA_CSUM == 0 {
            // Damage to one bit must not take the checksums away.
            ensure_equal("type of checksum", OFFSET, bytes[0x175].into(), 0)?;
            return Ok(if self.ro_compat & GDT_CSUM == 0 { Sums::None } else { Sums::Crc16 { uuid } });
        }
        ensure_equal("type of checksum", OFFSET, bytes[0x175].into(), 1)?;
        ensure_sum("checksum of the superblock", OFFSET, word(bytes, 0x3FC), crc32c_from(u32::MAX, &bytes[..0x3FC]))?;
        let has_seed = self.incompat & CSUM_SEED != 0;
        Ok(Sums::Crc32c { seed: if has_seed { word(bytes, 0x270) } else { crc32c_from(u32::MAX, &uuid) } })
    }

    fn copies(&self, bytes: &[u8]) -> Copies {
        if self.compat & SPARSE_SUPER2 != 0 {
            Copies::Two([number(bytes, 0x24C, 4), number(bytes, 0x250, 4)])
        } else if self.ro_compat & SPARSE_SUPER != 0 {
            Copies::Powers
        } else {
            Copies::All
        }
    }

    fn descriptor_bytes(&self, bytes: &[u8], block_bytes: u64) -> Result<usize, MetadataError> {
        if self.incompat & WIDE == 0 {
            return Ok(32);
        }
        let found = number(bytes, 0xFE, 2);
        ensure_within("size of a descriptor", OFFSET, found, 64..=block_bytes.min(1024))?;
        ensure_equal("size of a descriptor", OFFSET, found, found.next_power_of_two())?;
        Ok(usize::try_from(found).expect("1024 at most"))
    }
}

/// Sizes of blocks, clusters and groups, each told twice by the superblock.
struct Units {
    block_bytes: u64,
    cluster_blocks: u64,
    blocks_per_group: u64,
}

impl Units {
    fn parse(bytes: &[u8], features: &Features) -> Result<Self, MetadataError> {
        let field = |at| number(bytes, at, 4);
        // 1 KiB to 64 KiB.
        ensure_within("size of a block", OFFSET, field(0x18), 0..=6)?;
        let block_bytes = 1024 << field(0x18);
        // Without clusters the second field of each pair is that of fragments, which are blocks.
        let most = if features.ro_compat & BIGALLOC == 0 { field(0x18) } else { field(0x18) + 16 };
        ensure_within("size of a cluster", OFFSET, field(0x1C), field(0x18)..=most)?;
        let cluster_blocks = 1 << (field(0x1C) - field(0x18));
        // A bitmap is one block.
        ensure_within("clusters of a group", OFFSET, field(0x24), 8..=block_bytes * 8)?;
        ensure_equal("clusters of a group modulo 8", OFFSET, field(0x24) % 8, 0)?;
        ensure_equal("blocks of a group", OFFSET, field(0x20), field(0x24) * cluster_blocks)?;
        Ok(Self { block_bytes, cluster_blocks, blocks_per_group: field(0x20) })
    }
}

impl Superblock {
    /// Reads the superblock of a filesystem on `size` bytes.
    pub(super) fn parse(bytes: &[u8], size: u64) -> Result<Self, MetadataError> {
        ensure_equal("length of the superblock", OFFSET, bytes.len() as u64, BYTES as u64)?;
        ensure_equal("magic number of ext", OFFSET, number(bytes, 0x38, 2), MAGIC)?;
        let features = Features::parse(bytes)?;
        let sums = features.sums(bytes)?;
        ensure_equal("mark of errors", OFFSET, number(bytes, 0x3A, 2) & STATE_ERRORS, 0)?;
        let Units { block_bytes, cluster_blocks, blocks_per_group } = Units::parse(bytes, &features)?;
        let wide = |at: usize, high: usize| {
            let high = if features.incompat & WIDE == 0 { 0 } else { number(bytes, high, 4) };
            number(bytes, at, 4) | (high << 32)
        };
        let (blocks, free_blocks, first_block) = (wide(4, 0x150), wide(0xC, 0x158), number(bytes, 0x14, 4));
        // The superblock of the smallest blocks is in block 1, and groups begin there; clusters begin at 0.
        let first = u64::from(block_bytes == 1024 && features.ro_compat & BIGALLOC == 0);
        ensure_equal("first block", OFFSET, first_block, first)?;
        ensure_within("number of blocks", OFFSET, blocks, 16..=size / block_bytes)?;
        let groups = (blocks - first_block).div_ceil(blocks_per_group);
        ensure_within("number of groups", OFFSET, groups, 1..=MAX_GROUPS)?;
        let inodes_per_group = number(bytes, 0x28, 4);
        let inode_bytes = if number(bytes, 0x4C, 4) == 0 { 128 } else { number(bytes, 0x58, 2) };
        ensure_within("inodes of a group", OFFSET, inodes_per_group, 8..=block_bytes * 8)?;
        ensure_within("size of an inode", OFFSET, inode_bytes, 128..=block_bytes)?;
        ensure_equal("number of inodes", OFFSET, number(bytes, 0, 4), inodes_per_group * groups)?;
        let has_meta = features.incompat & META_BG != 0;
        Ok(Self {
            block_bytes,
            cluster_blocks,
            first_block,
            blocks,
            free_blocks,
            blocks_per_group,
            groups,
            inode_table_blocks: (inodes_per_group * inode_bytes).div_ceil(block_bytes),
            descriptor_bytes: features.descriptor_bytes(bytes, block_bytes)?,
            is_flexible: features.incompat & FLEX_BG != 0,
            sums,
            copies: features.copies(bytes),
            first_meta: if has_meta { number(bytes, 0x104, 4) } else { u64::MAX },
            reserved_blocks: number(bytes, 0xCE, 2),
        })
    }

    /// Descriptors in a block.
    pub(super) fn descriptors_per_block(&self) -> u64 {
        self.block_bytes / self.descriptor_bytes as u64
    }

    /// The blocks of a group.
    pub(super) fn group(&self, group: u64) -> Range<u64> {
        let start = self.first_block + group * self.blocks_per_group;
        start..(start + self.blocks_per_group).min(self.blocks)
    }

    fn has_copy(&self, group: u64) -> bool {
        let is_power = |base: u64| {
            let mut power = base;
            while power < group {
                power *= base;
            }
            power == group
        };
        match self.copies {
            _ if group == 0 => true,
            Copies::All => true,
            Copies::Two(groups) => groups.contains(&group),
            Copies::Powers => group == 1 || [3, 5, 7].into_iter().any(is_power),
        }
    }

    /// Blocks before the superblock in group 0, which is in block 1 though the group may begin with block 0.
    fn boot_blocks(&self, group: u64) -> u64 {
        u64::from(group == 0 && self.block_bytes == 1024 && self.first_block == 0)
    }

    /// The start of a group that holds superblock and descriptors, and the room for more of them. May be empty.
    pub(super) fn head(&self, group: u64) -> Range<u64> {
        let per_block = self.descriptors_per_block();
        let (has_copy, meta) = (self.has_copy(group), group / per_block);
        let descriptors = if meta >= self.first_meta {
            u64::from([0, 1, per_block - 1].contains(&(group % per_block)))
        } else if has_copy {
            self.groups.div_ceil(per_block).min(self.first_meta) + self.reserved_blocks
        } else {
            0
        };
        let start = self.group(group).start;
        start..start + self.boot_blocks(group) + u64::from(has_copy) + descriptors
    }

    /// Where a block of descriptors lies.
    pub(super) fn descriptor_block(&self, index: u64) -> u64 {
        if index < self.first_meta {
            return OFFSET / self.block_bytes + 1 + index;
        }
        let group = index * self.descriptors_per_block();
        self.group(group).start + self.boot_blocks(group) + u64::from(self.has_copy(group))
    }

    /// Where the first copy of a block of descriptors lies, if there is one.
    pub(super) fn descriptor_copy(&self, index: u64) -> Option<u64> {
        let per_block = self.descriptors_per_block();
        let group = if index < self.first_meta {
            // The groups that are before the first meta-group, or all.
            let end = self.groups.min(self.first_meta.saturating_mul(per_block));
            (1..end).find(|group| self.has_copy(*group))?
        } else {
            Some(index * per_block + 1).filter(|group| *group < self.groups)?
        };
        let skip = if index < self.first_meta { index } else { 0 };
        Some(self.group(group).start + u64::from(self.has_copy(group)) + skip)
    }
}
