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

/// The mounts in the text of a `mountinfo` file; how many.
pub fn mounts(text: &str) -> usize {
    mounts::parse(text).map_or(0, |mounts| mounts.len())
}

/// The swap partitions in the text of `/proc/swaps`; how many.
pub fn swaps(text: &str) -> usize {
    freemap::swap_partitions(text)
}
