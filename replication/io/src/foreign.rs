//! The parsers of foreign bytes, for the fuzz targets: this file is there only in a build for fuzzing.
//!
//! Nothing is parsed here, and nothing else may use it.

use crate::device::DeviceError;
use crate::freemap;
use crate::mounts;
use crate::tracker;
use std::ops::Range;

/// The partitions of a disk in memory, with sectors of `block` bytes.
pub fn partitions(disk: &[u8], block: u64) -> Option<Vec<Range<u64>>> {
    let size = disk.len() as u64;
    let mut read = |offset: u64, len: usize| {
        let start = usize::try_from(offset).ok();
        let bytes = start.and_then(|start| disk.get(start..start.checked_add(len)?));
        let out_of_bounds = || DeviceError::Bounds { path: "memory".into(), offset, len: len as u64, size };
        bytes.map(<[u8]>::to_vec).ok_or_else(out_of_bounds)
    };
    freemap::layout::partitions_of(&mut read, size, block).ok()
}

/// The events of a ring whose format file says `format`; how many can be read.
pub fn events(format: &str, ring: &[u8]) -> usize {
    tracker::readable_events(format, ring)
}

/// Whether a kernel that describes its types so can be asked by a program at its trace point.
pub fn kernel_types(btf: &[u8]) -> bool {
    tracker::knows_places(btf)
}

/// The mounts in the text of a `mountinfo` file; how many.
pub fn mounts(text: &[u8]) -> usize {
    mounts::parse(text).map_or(0, |mounts| mounts.len())
}

/// What the tracker's process and its client say to each other, about disks of so many blocks.
pub fn trackd(body: &[u8], ends: &[u64]) {
    crate::trackd::read_both(body, ends);
}

/// The swap partitions in the text of `/proc/swaps`; how many.
pub fn swaps(text: &str) -> usize {
    freemap::swap_partitions(text)
}

/// A sparse filesystem has this many bytes.
pub const SPARSE_BYTES: u64 = 64 << 20;
/// A sector of one: its number, in four little-endian bytes, and its content.
const SPARSE_SECTOR: usize = 4 + 512;

/// Reads a filesystem of which most is zero: `sectors` come each after its number. A small input is then a large filesystem.
fn sparse(sectors: &[u8]) -> impl FnMut(u64, usize) -> Result<Vec<u8>, DeviceError> {
    move |offset, len| {
        let mut bytes = vec![0; len];
        for record in sectors.chunks_exact(SPARSE_SECTOR) {
            let (number, content) = record.split_at(4);
            let start = u64::from(u32::from_le_bytes([number[0], number[1], number[2], number[3]])) * 512;
            for (at, byte) in (start..).zip(content) {
                let place = at.checked_sub(offset).and_then(|at| bytes.get_mut(usize::try_from(at).ok()?));
                if let Some(place) = place {
                    *place = *byte;
                }
            }
        }
        Ok(bytes)
    }
}

/// What is free in a sparse ext2, ext3 or ext4.
pub fn ext(sectors: &[u8]) -> Option<Vec<Range<u64>>> {
    freemap::ext_free(&mut sparse(sectors), SPARSE_BYTES)
}

/// What is free in a sparse xfs.
pub fn xfs(sectors: &[u8]) -> Option<Vec<Range<u64>>> {
    freemap::xfs_free(&mut sparse(sectors), SPARSE_BYTES)
}

/// Whether these are the bytes of the superblock of a btrfs.
pub fn btrfs_member(superblock: &[u8]) -> bool {
    freemap::is_btrfs_member(superblock)
}

/// The extents of device 1 among `count` items of a btrfs.
pub fn btrfs_extents(items: &[u8], count: u32) -> Option<Vec<Range<u64>>> {
    freemap::btrfs_extents(items, count)
}

/// The segments of a mapped device, above and below, whose table the device mapper wrote as `table`.
pub fn mapped(table: &[u8], targets: u32) -> Vec<(Range<u64>, Range<u64>)> {
    freemap::mapped(table, targets)
}
