//! The group descriptors of ext2, ext3 and ext4: where the bitmaps and the inode table of each group lie, and how much of
//! it is free. A descriptor that does not hold together leaves its group used; never repairs one from a copy.

use super::super::checksum::{crc16_from, crc32c_from};
use super::super::layout::number;
use super::super::metadata::{Metadata, MetadataError, ensure_equal, ensure_sum, ensure_within};
use super::superblock::{Sums, Superblock};
use crate::ranges::merged;
use std::ops::Range;

/// The bitmap was never written: nothing but metadata is used. Means this only where descriptors have checksums.
const BLOCK_UNINIT: u64 = 2;
/// Where a descriptor's checksum is.
const SUM_AT: usize = 0x1E;

/// What a group says of itself.
#[derive(Debug)]
pub(super) struct Descriptor {
    pub(super) bitmap: u64,
    inode_bitmap: u64,
    inode_table: u64,
    pub(super) free_clusters: u64,
    pub(super) is_uninit: bool,
    /// Checksum of the bitmap, and which of its bits are kept.
    pub(super) bitmap_sum: (u32, u32),
}

impl Descriptor {
    fn parse(superblock: &Superblock, group: u64, bytes: &[u8], offset: u64) -> Result<Self, MetadataError> {
        check_sum(superblock, group, bytes, offset)?;
        let is_wide = bytes.len() >= 64;
        let field = |at, len: usize, high| {
            number(bytes, at, len) | if is_wide { number(bytes, high, len) << (len * 8) } else { 0 }
        };
        let low = |value: u64| u32::try_from(value & 0xFFFF_FFFF).expect("masked to 32 bits");
        let found = Self {
            bitmap: field(0, 4, 0x20),
            inode_bitmap: field(4, 4, 0x24),
            inode_table: field(8, 4, 0x28),
            free_clusters: field(0xC, 2, 0x2C),
            is_uninit: superblock.sums != Sums::None && number(bytes, 0x12, 2) & BLOCK_UNINIT != 0,
            bitmap_sum: (low(field(0x18, 2, 0x38)), if is_wide { u32::MAX } else { 0xFFFF }),
        };
        let home = superblock.group(group);
        // Only flexible groups keep their metadata elsewhere.
        let home = if superblock.is_flexible { superblock.first_block..superblock.blocks } else { home };
        let places = [(found.bitmap, 1), (found.inode_bitmap, 1), (found.inode_table, superblock.inode_table_blocks)];
        for (start, len) in places {
            ensure_within("place of a group's metadata", offset, start, home.start..=home.end)?;
            ensure_within("end of a group's metadata", offset, start + len, home.start..=home.end)?;
        }
        Ok(found)
    }

    fn places(&self, superblock: &Superblock) -> [Range<u64>; 3] {
        let table = self.inode_table..self.inode_table + superblock.inode_table_blocks;
        [self.bitmap..self.bitmap + 1, self.inode_bitmap..self.inode_bitmap + 1, table]
    }
}

/// Without a checksum, the places of a group's metadata have to be those that the first copy of the descriptor tells.
/// They change when the filesystem grows, and then in all copies; the counts beside them change in the first alone.
fn check_copy(bytes: &[u8], copy: &[u8], offset: u64) -> Result<(), MetadataError> {
    let places = |bytes: &[u8]| [bytes.get(..12), bytes.get(0x20..0x2C)].map(|part| part.map(<[u8]>::to_vec));
    ensure_equal("agreement of a descriptor with its copy", offset, (places(bytes) == places(copy)).into(), 1)
}

fn check_sum(superblock: &Superblock, group: u64, bytes: &[u8], offset: u64) -> Result<(), MetadataError> {
    // Both sums take the lower half of the number, as the field of the format has it.
    let number = u32::try_from(group & 0xFFFF_FFFF).expect("masked to 32 bits").to_le_bytes();
    let (head, rest) = (&bytes[..SUM_AT], &bytes[SUM_AT + 2..]);
    let expected = match superblock.sums {
        Sums::None => return Ok(()),
        Sums::Crc16 { uuid } => [&uuid[..], &number[..], head, rest].into_iter().fold(0xFFFF, crc16_from),
        Sums::Crc32c { seed } => [&number[..], head, &[0, 0], rest].into_iter().fold(seed, crc32c_from),
    };
    let found = u32::from(u16::from_le_bytes([bytes[SUM_AT], bytes[SUM_AT + 1]]));
    ensure_sum("checksum of a descriptor", offset, found, expected & 0xFFFF)
}

/// All groups of a filesystem.
#[derive(Debug)]
pub(super) struct Groups {
    pub(super) descriptors: Vec<Result<Descriptor, MetadataError>>,
    /// The blocks of all metadata that is known, in order, merged.
    metadata: Vec<Range<u64>>,
    /// Whether a descriptor is broken, so that not all metadata is known.
    pub(super) is_incomplete: bool,
}

impl Groups {
    /// Reads every descriptor. Metadata that lies where other metadata lies is an error of the whole filesystem.
    pub(super) fn read(source: &mut Metadata<'_>, superblock: &Superblock) -> Result<Self, MetadataError> {
        let descriptors = read_all(source, superblock)?;
        let mut places: Vec<_> = (0..superblock.groups).map(|group| superblock.head(group)).collect();
        places.extend(descriptors.iter().flatten().flat_map(|descriptor| descriptor.places(superblock)));
        let all: u64 = places.iter().map(|place| place.end - place.start).sum();
        let metadata = merged(places);
        let together: u64 = metadata.iter().map(|place| place.end - place.start).sum();
        ensure_equal("number of blocks of metadata", 0, together, all)?;
        let is_incomplete = descriptors.iter().any(Result::is_err);
        Ok(Self { descriptors, metadata, is_incomplete })
    }

    /// The metadata that lies in `blocks`, cut to them.
    pub(super) fn metadata_in(&self, blocks: Range<u64>) -> impl Iterator<Item = Range<u64>> {
        let first = self.metadata.partition_point(|place| place.end <= blocks.start);
        let inside = self.metadata[first..].iter().take_while(move |place| place.start < blocks.end);
        inside.map(move |place| place.start.max(blocks.start)..place.end.min(blocks.end))
    }
}

fn read_all(
    source: &mut Metadata<'_>,
    superblock: &Superblock,
) -> Result<Vec<Result<Descriptor, MetadataError>>, MetadataError> {
    let per_block = superblock.descriptors_per_block();
    let block_len = usize::try_from(superblock.block_bytes).expect("64 KiB at most");
    let mut found = Vec::new();
    for index in 0..superblock.groups.div_ceil(per_block) {
        let offset = superblock.descriptor_block(index).saturating_mul(superblock.block_bytes);
        let bytes = source.read("a block of descriptors", offset, block_len)?;
        let place = if superblock.sums == Sums::None { superblock.descriptor_copy(index) } else { None };
        let copies = match place {
            Some(place) => {
                let offset = place.saturating_mul(superblock.block_bytes);
                source.read("a copy of a block of descriptors", offset, block_len)?
            }
            None => bytes.clone(),
        };
        let first = index * per_block;
        let groups = first..(first + per_block).min(superblock.groups);
        let [bytes, copies] = [&bytes, &copies].map(|bytes| bytes.chunks_exact(superblock.descriptor_bytes));
        let checked = |group, bytes: &[u8], copy: &[u8]| {
            check_copy(bytes, copy, offset)?;
            Descriptor::parse(superblock, group, bytes, offset)
        };
        found.extend(groups.zip(bytes.zip(copies)).map(|(group, (bytes, copy))| checked(group, bytes, copy)));
    }
    Ok(found)
}
