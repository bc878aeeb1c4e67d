//! What of a disk need not be read: space that mounted filesystems call free, and the content of swap.
//!
//! Everything else is used: partition tables, gaps, boot loaders, unknown partitions, filesystems that do not tell, and
//! whatever is not plain (a partition that the table on the disk does not have, or one that overlaps another).
//!
//! Safe only in this order: arm the tracker, then [`FreeMap::prepare`] (which brings the filesystems' own state to the
//! disk), then [`FreeMap::read`], then copy. What was free at the read and is written later is then tracked. The map may be
//! read again under a freeze; nothing is opened then.

#[cfg(test)]
mod btrfs;
mod checksum;
#[cfg(test)]
mod ext;
mod fsmap;
mod gpt;
pub mod layout;
mod mbr;
#[cfg(test)]
mod metadata;
mod swap;
#[cfg(test)]
mod xfs;

#[cfg(test)]
pub use metadata::MetadataError;

use crate::device::{self, DeviceError, DeviceNumber, LeafDisk, io_error};
use crate::mounts::{self, Mount};
use crate::ranges::{merged, whole_blocks};
use rustix::io::Errno;
use std::fs::File;
use std::ops::Range;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

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
}

/// What is free on a disk.
#[derive(Debug)]
pub struct Free {
    /// Bytes from the start of the disk, in order, merged, whole blocks of 4 KiB.
    pub ranges: Vec<Range<u64>>,
    /// Regions that could have been mapped and were not.
    pub unmapped: Vec<Unmapped>,
}

#[derive(Debug)]
enum Content {
    Filesystem { path: PathBuf, file: File },
    Swap,
}

#[derive(Debug)]
struct Region {
    device: DeviceNumber,
    bytes: Range<u64>,
    content: Content,
}

/// The regions of a disk whose free space can be asked for. Keeps their filesystems busy (they cannot be unmounted), so
/// not to be kept for longer than a copy's start or a freeze.
#[derive(Debug)]
pub struct FreeMap {
    size: u64,
    regions: Vec<Region>,
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

/// Opens a mount of the filesystem on `device`, if one can be reached; others may be covered.
fn open_filesystem(mounts: &[Mount], device: DeviceNumber) -> Option<Content> {
    mounts.iter().filter(|mount| mount.device == device).find_map(|mount| {
        let file = File::open(&mount.path).ok()?;
        let found = DeviceNumber::from_dev(file.metadata().ok()?.dev());
        (found == device).then(|| Content::Filesystem { path: mount.path.clone(), file })
    })
}

fn active_swaps() -> Result<Vec<DeviceNumber>, DeviceError> {
    let text = match std::fs::read_to_string(SWAPS) {
        Ok(text) => text,
        // A kernel without swap.
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => String::new(),
        Err(error) => return Err(io_error("read", Path::new(SWAPS))(error)),
    };
    // A name without a node cannot be told apart from others: its partition then counts as used.
    let number = |path: String| Some(DeviceNumber::from_dev(std::fs::metadata(path).ok()?.rdev()));
    Ok(swap::partitions(&text).into_iter().filter_map(number).collect())
}

impl FreeMap {
    /// Finds the regions of `disk`, opens their filesystems, and has each bring its state to the disk. Not under a freeze.
    pub fn prepare(disk: &LeafDisk) -> Result<Self, DeviceError> {
        let (mounts, swaps) = (mounts::mounted()?, active_swaps()?);
        let mut regions = Vec::new();
        for (device, bytes) in plain_regions(disk)? {
            let content = match open_filesystem(&mounts, device) {
                Some(content) => content,
                None if swaps.contains(&device) => Content::Swap,
                None => continue,
            };
            if let Content::Filesystem { path, file } = &content {
                rustix::fs::syncfs(file).map_err(|errno| io_error("flush", path)(errno.into()))?;
            }
            regions.push(Region { device, bytes, content });
        }
        Ok(Self { size: disk.size_bytes(), regions })
    }

    /// What is free now. Opens nothing on a disk, so it may be asked under a freeze.
    pub fn read(&self) -> Result<Free, DeviceError> {
        let (mut ranges, mut unmapped) = (Vec::new(), Vec::new());
        let swaps = active_swaps()?;
        for region in &self.regions {
            match region.free(&swaps) {
                Ok(free) => ranges.extend(free),
                Err(reason) => unmapped.push(reason),
            }
        }
        ranges.iter_mut().for_each(|range: &mut Range<u64>| range.end = range.end.min(self.size));
        Ok(Free { ranges: whole_blocks(merged(ranges), BLOCK_BYTES), unmapped })
    }
}

impl Region {
    /// In bytes of the disk, never outside the region.
    fn free(&self, swaps: &[DeviceNumber]) -> Result<Vec<Range<u64>>, Unmapped> {
        let len = self.bytes.end - self.bytes.start;
        match &self.content {
            Content::Swap if swaps.contains(&self.device) => Ok(vec![swap::free(&self.bytes)]),
            Content::Swap => Err(Unmapped::NotSwap { start: self.bytes.start }),
            Content::Filesystem { path, file } => {
                let failed = |errno: Errno| Unmapped::Filesystem { path: path.clone(), source: errno.into() };
                let free = fsmap::read(file, self.device).map_err(failed)?;
                let on_disk =
                    |range: Range<u64>| self.bytes.start + range.start.min(len)..self.bytes.start + range.end.min(len);
                Ok(free.into_iter().map(on_disk).collect())
            }
        }
    }
}

/// How many swap partitions the text of `/proc/swaps` names, for the fuzz targets.
#[cfg(fuzzing)]
pub(crate) fn swap_partitions(proc_swaps: &str) -> usize {
    swap::partitions(proc_swaps).len()
}

#[cfg(test)]
mod images;

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
