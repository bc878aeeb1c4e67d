//! What of a disk need not be read: space that mounted filesystems call free, and the content of swap.
//!
//! Everything else is used: partition tables, gaps, boot loaders, unknown partitions, filesystems that do not tell, and
//! whatever is not plain (a partition that the table on the disk does not have, or one that overlaps another). Filesystems
//! and swap may lie on LVM, LUKS or a mirror.
//!
//! A kernel before 4.12 does not tell what is free: then we read it ourselves, from the structures of ext2, ext3, ext4 and
//! xfs on the disk. For those the disk must not be older than the tracker, so the filesystem is frozen for a moment.
//!
//! Safe only in this order: arm the tracker, then [`FreeMap::prepare`] (which brings the filesystems' own state to the
//! disk), then [`FreeMap::read`], then copy. What was free at the read and is written later is then tracked. The map may be
//! read again under a freeze; nothing is opened then.

mod btrfs;
mod checksum;
mod ext;
mod fsmap;
mod gpt;
pub mod layout;
mod mbr;
mod metadata;
mod placement;
mod region;
mod stack;
mod swap;
mod volumes;
mod xfs;

pub use metadata::MetadataError;

use crate::device::{self, DeviceError, DeviceNumber, LeafDisk, io_error};
use crate::freezer::FreezeError;
use crate::mounts;
use crate::ranges::{merged, whole_blocks};
use region::Region;
use std::ops::Range;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use volumes::Volumes;

/// Free space is told in whole blocks of this size, the engine's.
const BLOCK_BYTES: u64 = 4096;
const SWAPS: &str = "/proc/swaps";

/// Why a region's free space is not known; all of it then counts as used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Unmapped {
    /// The filesystem does not tell: an old kernel, or a kind that cannot.
    #[error("{} does not tell what is free", path.display())]
    Filesystem {
        /// Where it is mounted.
        path: PathBuf,
        /// The kernel's answer.
        #[source]
        source: std::io::Error,
    },
    /// It was swap, and is not any more.
    #[error("partition at byte {start} is not swapped to any more")]
    NotSwap {
        /// Where on the disk.
        start: u64,
    },
    /// A volume was moved while its filesystem was asked.
    #[error("volume {device} lies elsewhere than before")]
    Moved {
        /// The volume.
        device: DeviceNumber,
    },
    /// It is read-only: what its journal holds may not be on the disk, whoever tells.
    #[error("{} is read-only, so that its disk may be older than what is told of it", path.display())]
    ReadOnly {
        /// Where it is mounted.
        path: PathBuf,
    },
    /// The kernel does not tell, and the filesystem could not be frozen for the moment that brings its state to the disk.
    #[error("{} could not be brought to its disk", path.display())]
    NotAtRest {
        /// Where it is mounted.
        path: PathBuf,
        /// Why not; kept, for the map may be read more than once.
        #[source]
        source: Arc<FreezeError>,
    },
    /// The kernel does not tell, and the filesystem's own structures cannot be relied on.
    #[error("the structures of {} do not say what is free", path.display())]
    Structures {
        /// Where it is mounted.
        path: PathBuf,
        /// Which of them.
        #[source]
        source: MetadataError,
    },
    /// The kernel does not tell, and some groups do not hold together. All others are mapped.
    #[error("{parts} groups of {} do not say what is free", path.display())]
    Parts {
        /// Where it is mounted.
        path: PathBuf,
        /// How many.
        parts: u64,
        /// What is wrong with the first of them.
        #[source]
        source: MetadataError,
    },
}

/// When a map is read, which decides how an own reader comes to a disk that is up to date.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reading {
    /// While the filesystems are in use: each that needs an own reader is frozen for a moment when the map is prepared.
    InUse,
    /// Under a freeze of all of them, which the caller begins after the map was prepared.
    Frozen,
}

/// Whose word is taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ways {
    /// The kernel's, and our own readers' only where it has none: always the best that there is.
    All,
    /// Our own readers', though the kernel may tell: for tests on a kernel that does.
    OwnReaders,
}

/// What is free on a disk.
#[derive(Debug)]
pub struct Free {
    /// Bytes from the start of the disk, in order, merged, whole blocks of 4 KiB.
    pub ranges: Vec<Range<u64>>,
    /// Regions that could have been mapped and were not.
    pub unmapped: Vec<Unmapped>,
}

/// The regions of a disk whose free space can be asked for. Keeps their filesystems busy (they cannot be unmounted), so
/// not to be kept for longer than a copy's start or a freeze.
#[derive(Debug)]
pub struct FreeMap {
    disk: LeafDisk,
    regions: Vec<Region>,
    volumes: Volumes,
}

/// The disk itself and its partitions, as far as kernel and disk agree on them.
fn plain_regions(disk: &LeafDisk) -> Result<Vec<(DeviceNumber, Range<u64>)>, DeviceError> {
    let layout = match layout::read(disk) {
        Ok(layout) => layout,
        Err(layout::LayoutError::Read(error)) => return Err(error),
        Err(layout::LayoutError::Malformed { .. }) => return Ok(Vec::new()),
    };
    let bytes = |place: &device::Place| place.start_bytes..place.start_bytes.saturating_add(place.len_bytes);
    let seen: Vec<_> = device::partitions(disk.name())?.iter().map(|(number, place)| (*number, bytes(place))).collect();
    if seen.is_empty() && layout.partitions.is_empty() {
        return Ok(vec![(disk.number(), 0..disk.size_bytes())]);
    }
    Ok(agreed(&seen, &layout.partitions, disk.size_bytes()))
}

/// The partitions that are in both lists and touch no other.
fn agreed(seen: &[(DeviceNumber, Range<u64>)], on_disk: &[Range<u64>], size: u64) -> Vec<(DeviceNumber, Range<u64>)> {
    let overlap = |a: &Range<u64>, b: &Range<u64>| a.start < b.end && b.start < a.end;
    let alone = |range: &Range<u64>| {
        seen.iter().filter(|(_, other)| overlap(range, other)).count() == 1
            && on_disk.iter().filter(|other| overlap(range, other)).count() == 1
    };
    let plain = |(_, range): &&(DeviceNumber, Range<u64>)| range.end <= size && on_disk.contains(range) && alone(range);
    seen.iter().filter(plain).cloned().collect()
}

fn active_swaps() -> Result<Vec<swap::Active>, DeviceError> {
    let text = match std::fs::read_to_string(SWAPS) {
        Ok(text) => text,
        // A kernel without swap.
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => String::new(),
        Err(error) => return Err(io_error("read", Path::new(SWAPS))(error)),
    };
    // A name without a node cannot be told apart from others: its partition then counts as used.
    let active = |(path, bytes): (String, u64)| {
        Some(swap::Active { device: DeviceNumber::from_dev(std::fs::metadata(path).ok()?.rdev()), bytes })
    };
    Ok(swap::partitions(&text).into_iter().filter_map(active).collect())
}

impl FreeMap {
    /// Finds the regions of `disk`, opens their filesystems, and has each bring its state to the disk. Not under a freeze,
    /// nor while one is being made ready in this process.
    pub fn prepare(disk: &LeafDisk, reading: Reading) -> Result<Self, DeviceError> {
        Self::prepare_by(disk, reading, Ways::All)
    }

    /// As [`Self::prepare`], but asking those in `ways` alone.
    pub fn prepare_by(disk: &LeafDisk, reading: Reading, ways: Ways) -> Result<Self, DeviceError> {
        let (mounts, swaps) = (mounts::mounted()?, active_swaps()?);
        let find = |disk: &LeafDisk, place: (DeviceNumber, Range<u64>)| {
            Ok(match Region::filesystem(&mounts, place.clone(), reading, ways)? {
                Some(region) => Some(region),
                None if swaps.iter().any(|swap| swap.device == place.0) => Some(Region::swap(place)),
                None => Region::btrfs(disk, &mounts, place)?,
            })
        };
        let plain = plain_regions(disk)?;
        let volumes = Volumes::prepare(&plain, find)?;
        let mut regions = Vec::new();
        for place in plain {
            regions.extend(find(disk, place)?);
        }
        Ok(Self { disk: disk.clone(), regions, volumes })
    }

    /// What is free now. Opens nothing on a disk, so it may be asked under a freeze.
    pub fn read(&self) -> Result<Free, DeviceError> {
        let (mut ranges, mut unmapped) = (Vec::new(), Vec::new());
        let swaps = active_swaps()?;
        for region in &self.regions {
            ranges.extend(region.free(&self.disk, &swaps, &mut unmapped));
        }
        ranges.extend(self.volumes.free(&swaps, &mut unmapped));
        let size = self.disk.size_bytes();
        ranges.iter_mut().for_each(|range: &mut Range<u64>| range.end = range.end.min(size));
        Ok(Free { ranges: whole_blocks(merged(ranges), BLOCK_BYTES), unmapped })
    }
}

#[cfg(fuzzing)]
pub(crate) use fuzzed::*;

/// Doors to the parsers for the fuzz targets.
#[cfg(fuzzing)]
mod fuzzed {
    use super::metadata::Metadata;
    use super::{btrfs, ext, stack, swap, xfs};
    use crate::device::DeviceError;
    use std::ops::Range;

    type Read<'a> = &'a mut dyn FnMut(u64, usize) -> Result<Vec<u8>, DeviceError>;

    /// How many swap partitions the text of `/proc/swaps` names.
    pub(crate) fn swap_partitions(proc_swaps: &str) -> usize {
        swap::partitions(proc_swaps).len()
    }

    /// What is free in the ext of `size` bytes that `read` reads.
    pub(crate) fn ext_free(read: Read<'_>, size: u64) -> Option<Vec<Range<u64>>> {
        ext::read(&mut Metadata::new(read, size)).ok().map(|found| found.free)
    }

    /// What is free in the xfs of `size` bytes that `read` reads.
    pub(crate) fn xfs_free(read: Read<'_>, size: u64) -> Option<Vec<Range<u64>>> {
        xfs::read(&mut Metadata::new(read, size)).ok().map(|found| found.free)
    }

    /// Whether a btrfs has such a superblock.
    pub(crate) fn is_btrfs_member(superblock: &[u8]) -> bool {
        btrfs::Member::parse(superblock).is_ok()
    }

    /// The byte ranges of the segments of a mapped device's table, above and below.
    pub(crate) fn mapped(table: &[u8], targets: u32) -> Vec<(Range<u64>, Range<u64>)> {
        let segments = stack::mapper::parse(table, targets).unwrap_or_default();
        segments.into_iter().map(|segment| (segment.upper, segment.lower)).collect()
    }

    /// The extents of device 1 among `count` items.
    pub(crate) fn btrfs_extents(items: &[u8], count: u32) -> Option<Vec<Range<u64>>> {
        btrfs::parse_extents(items, count, 1).ok()
    }
}

#[cfg(test)]
mod images;
#[cfg(test)]
mod lies;
#[cfg(test)]
mod seeds;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_partitions_that_kernel_and_disk_agree_on_and_that_touch_no_other_are_plain() {
        let number = |minor| DeviceNumber { major: 8, minor };
        let seen =
            [(number(1), 10..20), (number(2), 20..30), (number(3), 40..60), (number(4), 50..70), (number(5), 80..120)];
        let on_disk = [10..20, 20..31, 40..60, 50..70, 80..120];
        assert_eq!(agreed(&seen, &on_disk, 100), [(number(1), 10..20)]);
    }
}
