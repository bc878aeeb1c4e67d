//! The free space of a mounted ext4 or xfs, as the filesystem itself tells it (GETFSMAP, kernel 4.12 and later).
//!
//! The kernel answers from its live state, also under a freeze. Reads maps only; never a filesystem's own structures.

use crate::device::DeviceNumber;
use crate::sys::ioctl::{Fsmap, fsmap_from};
use rustix::io::Errno;
use std::fs::File;
use std::ops::Range;

/// The owner is a code, not an inode.
const SPECIAL_OWNER: u32 = 0x10;
/// The last record of the filesystem.
const LAST: u32 = 0x20;
/// The code for free space: type 0, number 1.
const OWNER_FREE: u64 = 1;
/// Records of one filesystem: 64 GiB of memory could not hold a map longer than this, and no fragmented disk gets near.
const MAX_RECORDS: usize = 1 << 26;

/// The free ranges among `records`, in bytes of the filesystem's device.
fn free_ranges(records: &[Fsmap], device: DeviceNumber) -> impl Iterator<Item = Range<u64>> {
    // xfs also tells of its log and realtime devices.
    let is_free = move |record: &&Fsmap| {
        record.device == device.encoded() && record.flags & SPECIAL_OWNER != 0 && record.owner == OWNER_FREE
    };
    let bytes = |record: &Fsmap| Some(record.physical..record.physical.checked_add(record.length)?);
    records.iter().filter(is_free).filter_map(bytes)
}

/// Whether the kernel tells at all.
pub(super) fn probe(file: &File) -> Result<(), Errno> {
    fsmap_from(file, None).map(drop)
}

/// What of the device of the filesystem that `file` is on is free, in bytes from its start.
pub(super) fn read(file: &File, device: DeviceNumber) -> Result<Vec<Range<u64>>, Errno> {
    let (mut free, mut from, mut seen) = (Vec::new(), None, 0);
    loop {
        let records = fsmap_from(file, from)?;
        free.extend(free_ranges(&records, device));
        seen += records.len();
        let Some(last) = records.last() else { break };
        if last.flags & LAST != 0 || seen > MAX_RECORDS {
            break;
        }
        // The kernel adds the length, and goes on behind it.
        from = Some(*last);
    }
    Ok(free)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_free_space_of_the_data_device_counts() {
        let device = DeviceNumber { major: 8, minor: 1 };
        let free = Fsmap {
            device: device.encoded(),
            flags: SPECIAL_OWNER,
            physical: 4096,
            owner: OWNER_FREE,
            length: 8192,
            ..Fsmap::default()
        };
        let records = [
            free,
            Fsmap { device: 1, ..free },
            // Inode 1 of some filesystem.
            Fsmap { flags: 0, ..free },
            // "Unknown": used by someone.
            Fsmap { owner: 2, ..free },
            Fsmap { physical: u64::MAX, ..free },
        ];
        let ranges: Vec<_> = free_ranges(&records, device).collect();
        assert_eq!(ranges, [Range { start: 4096, end: 12288 }]);
    }
}
