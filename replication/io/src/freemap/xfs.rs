//! What is free in an xfs, read from the trees of free space of its allocation groups.
//!
//! For kernels that do not tell. The disk must have the filesystem's state of after the tracker was armed. A group that
//! does not hold together is used, all of it. Never reads a file, and never repairs.
//!
//! Version 5 has a checksum, a name and a place in every block. Version 4 has none, so each group's two trees are compared
//! record by record, and their sum with the group's count: damage to one of them is seen. The blocks of a group's free
//! list, which the trees themselves grow from, are in neither tree, and count as used; those of trees, headers and log must
//! not be called free. A log or a realtime section on another device is not of this one.

mod superblock;
mod tree;

use super::checksum::crc32c;
use super::metadata::{Found, Metadata, MetadataError, big, ensure_equal, ensure_sum, ensure_within, word};
use superblock::Superblock;
use tree::{Content, Extent, Order, Tree};

const GROUP_MAGIC: u64 = 0x5841_4746;

/// The free bytes of the filesystem that `source` reads.
pub(super) fn read(source: &mut Metadata<'_>) -> Result<Found, MetadataError> {
    let first = source.read("the superblock", 0, superblock::SMALLEST_SECTOR)?;
    let bytes = source.read("the superblock", 0, superblock::sector_len(&first)?)?;
    let superblock = Superblock::parse(&bytes, source.size())?;
    let mut found = Found::default();
    for group in 0..superblock.groups {
        match free_extents(source, &superblock, group) {
            Ok(extents) => {
                let bytes = |block| superblock.offset(group, block);
                extents.iter().for_each(|(start, len)| found.push(bytes(*start)..bytes(start + len)));
            }
            Err(reason) => found.doubt(reason),
        }
    }
    Ok(found)
}

/// What the header of a group's free space says.
struct Header {
    roots: [u64; 2],
    levels: [u64; 2],
    free_blocks: u64,
    longest: u64,
}

impl Header {
    fn read(source: &mut Metadata<'_>, superblock: &Superblock, group: u64) -> Result<Self, MetadataError> {
        // The second sector of the group.
        let offset = superblock.offset(group, 0) + superblock.sector_bytes;
        let len = usize::try_from(superblock.sector_bytes).expect("32 KiB at most");
        let bytes = source.read("the header of a group", offset, len)?;
        ensure_equal("magic number of a group", offset, big(&bytes, 0, 4), GROUP_MAGIC)?;
        ensure_equal("version of a group", offset, big(&bytes, 4, 4), 1)?;
        ensure_equal("number of a group", offset, big(&bytes, 8, 4), group)?;
        ensure_equal("blocks of a group", offset, big(&bytes, 12, 4), superblock.len_of(group))?;
        if superblock.has_sums {
            let summed = [&bytes[..216], &[0; 4], &bytes[220..]].concat();
            ensure_sum("checksum of a group", offset, word(&bytes, 216), crc32c(&summed))?;
            ensure_equal("name that a group bears", offset, u64::from(bytes[64..80] == superblock.uuid), 1)?;
        }
        let pair = |at| [big(&bytes, at, 4), big(&bytes, at + 4, 4)];
        Ok(Self { roots: pair(16), levels: pair(28), free_blocks: big(&bytes, 52, 4), longest: big(&bytes, 56, 4) })
    }
}

/// The free extents of one group, or why it does not hold together.
fn free_extents(source: &mut Metadata<'_>, superblock: &Superblock, group: u64) -> Result<Vec<Extent>, MetadataError> {
    let header = Header::read(source, superblock, group)?;
    let tree = |order: Order, index: usize| {
        let (root, levels) = (header.roots[index], header.levels[index]);
        Tree { superblock, group, order, root, levels }
    };
    let by_place = tree(Order::Place, 0).read(source)?;
    let mut by_length = tree(Order::Length, 1).read(source)?;
    by_length.extents.sort_unstable();
    let offset = superblock.offset(group, 0);
    ensure_equal("agreement of both trees", offset, u64::from(by_place.extents == by_length.extents), 1)?;
    let free = by_place.extents.iter().map(|(_, len)| len).sum();
    ensure_equal("number of free blocks in a group", offset, free, header.free_blocks)?;
    let longest = by_place.extents.iter().map(|(_, len)| *len).max().unwrap_or(0);
    ensure_equal("longest free extent of a group", offset, longest, header.longest)?;
    ensure_apart(superblock, group, &by_place, &by_length)?;
    Ok(by_place.extents)
}

/// Makes sure that extents lie behind each other in the group, and on nothing that is in use by its nature.
fn ensure_apart(superblock: &Superblock, group: u64, trees: &Content, others: &Content) -> Result<(), MetadataError> {
    let offset = superblock.offset(group, 0);
    let mut taken: Vec<_> = trees.blocks.iter().chain(&others.blocks).map(|block| *block..block + 1).collect();
    let log = superblock.log.iter().filter(|(home, _)| *home == group).map(|(_, blocks)| blocks.clone());
    taken.extend(log);
    taken.sort_unstable_by_key(|blocks| blocks.start);
    let mut behind = superblock.header_blocks();
    for (start, len) in &trees.extents {
        ensure_within("start of a free extent", offset, *start, behind..=superblock.len_of(group))?;
        behind = start + len;
        ensure_within("end of a free extent", offset, behind, start + 1..=superblock.len_of(group))?;
        let next = taken.partition_point(|blocks| blocks.end <= *start);
        let is_free = taken.get(next).is_none_or(|blocks| blocks.start >= behind);
        ensure_equal("use of a free extent by metadata", offset, u64::from(is_free), 1)?;
    }
    Ok(())
}

#[cfg(test)]
pub(super) mod fixtures;
#[cfg(test)]
mod tests;
