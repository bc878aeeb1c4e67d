//! What is free in an ext2, ext3 or ext4, read from its superblock, group descriptors and block bitmaps.
//!
//! For kernels that do not tell. The disk must have the filesystem's state of after the tracker was armed. A group that
//! does not hold together is used, all of it; so is the filesystem if its superblock does not, or if metadata lies over
//! metadata. Never reads a file, and never repairs.
//!
//! With `metadata_csum` every structure has a checksum. Without it (ext2, ext3, `uninit_bg`) each number has to agree with
//! another: the free blocks of a bitmap with its descriptor, those of all descriptors with the superblock, the
//! sizes of blocks and groups with those of fragments, the group's own metadata with the bits that stand for it, its places
//! with those in a copy of its descriptor. So damage to one field is seen. What nothing can show is damage that sets one bit of a bitmap and clears another of
//! the same group: then the filesystem itself, and each of its tools, calls that block free too, and may give it away at
//! the next write.

mod descriptor;
mod superblock;

use super::checksum::crc32c_from;
use super::metadata::{Found, Metadata, MetadataError, ensure_equal, ensure_sum};
use crate::ranges::gaps;
use descriptor::{Descriptor, Groups};
use std::ops::Range;
use superblock::{Sums, Superblock};

/// The free bytes of the filesystem that `source` reads.
pub(super) fn read(source: &mut Metadata<'_>) -> Result<Found, MetadataError> {
    let bytes = source.read("the superblock", superblock::OFFSET, superblock::BYTES)?;
    let superblock = Superblock::parse(&bytes, source.size())?;
    let mut groups = Groups::read(source, &superblock)?;
    check_total(&superblock, &groups)?;
    let mut found = Found::default();
    for (index, descriptor) in (0..superblock.groups).zip(std::mem::take(&mut groups.descriptors)) {
        let clusters = descriptor
            .and_then(|descriptor| Group::new(&superblock, &groups, index, &descriptor).free_clusters(source));
        match clusters {
            Ok(clusters) => clusters.into_iter().for_each(|run| found.push(bytes_of(&superblock, index, &run))),
            Err(reason) => found.doubt(reason),
        }
    }
    Ok(found)
}

/// Where the bitmaps have no checksum of their own, one more number has to agree.
fn check_total(superblock: &Superblock, groups: &Groups) -> Result<(), MetadataError> {
    if matches!(superblock.sums, Sums::Crc32c { .. }) || groups.is_incomplete {
        return Ok(());
    }
    let clusters: u64 = groups.descriptors.iter().flatten().map(|descriptor| descriptor.free_clusters).sum();
    let free = clusters.saturating_mul(superblock.cluster_blocks);
    ensure_equal("number of free blocks", superblock::OFFSET, free, superblock.free_blocks)
}

/// A run of a group's clusters, in bytes of the filesystem.
fn bytes_of(superblock: &Superblock, group: u64, run: &Range<u64>) -> Range<u64> {
    let blocks = superblock.group(group);
    let block = |cluster: u64| (blocks.start + cluster * superblock.cluster_blocks).min(blocks.end);
    block(run.start) * superblock.block_bytes..block(run.end) * superblock.block_bytes
}

/// One group, with what all of them say lies in it.
struct Group<'a> {
    superblock: &'a Superblock,
    descriptor: &'a Descriptor,
    clusters: u64,
    /// The clusters that metadata touches, in order.
    metadata: Vec<Range<u64>>,
    /// Other metadata may lie here, of which nothing is known.
    is_incomplete: bool,
}

impl<'a> Group<'a> {
    fn new(superblock: &'a Superblock, groups: &Groups, index: u64, descriptor: &'a Descriptor) -> Self {
        let (blocks, unit) = (superblock.group(index), superblock.cluster_blocks);
        let cluster =
            |place: Range<u64>| (place.start - blocks.start) / unit..(place.end - blocks.start).div_ceil(unit);
        let metadata = groups.metadata_in(blocks.clone()).map(cluster).collect();
        let clusters = (blocks.end - blocks.start).div_ceil(unit);
        Self { superblock, descriptor, clusters, metadata, is_incomplete: groups.is_incomplete }
    }

    /// Runs of free clusters, or why the group does not hold together.
    fn free_clusters(&self, source: &mut Metadata<'_>) -> Result<Vec<Range<u64>>, MetadataError> {
        let offset = self.descriptor.bitmap * self.superblock.block_bytes;
        let runs = if self.descriptor.is_uninit { self.around_metadata()? } else { self.in_bitmap(source, offset)? };
        let free = runs.iter().map(|run| run.end - run.start).sum();
        ensure_equal("number of free clusters in a group", offset, free, self.descriptor.free_clusters)?;
        Ok(runs)
    }

    /// Of a group without a bitmap, all but metadata is free.
    fn around_metadata(&self) -> Result<Vec<Range<u64>>, MetadataError> {
        ensure_equal("number of broken descriptors", 0, self.is_incomplete.into(), 0)?;
        Ok(gaps(self.metadata.iter().cloned(), self.clusters))
    }

    fn in_bitmap(&self, source: &mut Metadata<'_>, offset: u64) -> Result<Vec<Range<u64>>, MetadataError> {
        let len = usize::try_from(self.superblock.block_bytes).expect("64 KiB at most");
        let bitmap = source.read("a block bitmap", offset, len)?;
        if let Sums::Crc32c { seed } = self.superblock.sums {
            let bits = self.superblock.blocks_per_group / self.superblock.cluster_blocks;
            let bytes = usize::try_from(bits / 8).expect("a block at most");
            let (found, kept) = self.descriptor.bitmap_sum;
            ensure_sum("checksum of a block bitmap", offset, found, crc32c_from(seed, &bitmap[..bytes]) & kept)?;
        }
        for cluster in self.metadata.iter().cloned().flatten() {
            ensure_equal("bit of a block of metadata", offset, u64::from(is_used(&bitmap, cluster)), 1)?;
        }
        Ok(zero_runs(&bitmap, self.clusters))
    }
}

/// The bit of a cluster; behind the bitmap everything is used.
fn is_used(bitmap: &[u8], cluster: u64) -> bool {
    let byte = usize::try_from(cluster / 8).ok().and_then(|at| bitmap.get(at));
    byte.is_none_or(|byte| byte & (1 << (cluster % 8)) != 0)
}

/// Runs of zeros among the first `bits` of a bitmap.
fn zero_runs(bitmap: &[u8], bits: u64) -> Vec<Range<u64>> {
    let mut runs: Vec<Range<u64>> = Vec::new();
    for bit in (0..bits).filter(|bit| !is_used(bitmap, *bit)) {
        match runs.last_mut() {
            Some(last) if last.end == bit => last.end += 1,
            _ => runs.push(bit..bit + 1),
        }
    }
    runs
}

#[cfg(test)]
mod tests;
