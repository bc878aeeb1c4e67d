//! Which whole disks at the bottom of the stack a block device lies on, through partitions, mapped devices, md and loop
//! devices. It knows that, not where: mapping bytes is the free map's. Never guesses: what cannot be followed is `None`.

use super::sysfs::{self, DeviceNumber};
use std::collections::BTreeSet;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

/// Loop on file on loop on file: deeper is a mistake, or a ring.
const MAX_DEPTH: usize = 16;

/// The leaf disks of `device`; `None` if it is of no block device, or its stack cannot be followed. A loop device is a leaf
/// itself, and so is what its file lies on.
pub fn leaves(device: DeviceNumber) -> Option<BTreeSet<DeviceNumber>> {
    let mut found = BTreeSet::new();
    follow(device, MAX_DEPTH, &mut found)?;
    Some(found)
}

fn follow(device: DeviceNumber, depth: usize, found: &mut BTreeSet<DeviceNumber>) -> Option<()> {
    let depth = depth.checked_sub(1)?;
    let place = sysfs::place(device).ok()??;
    let below = sysfs::slaves(&place.name).ok()?;
    if below.is_empty() {
        found.insert(place.disk);
    }
    for slave in below {
        follow(slave, depth, found)?;
    }
    match sysfs::backing_file(&place.name) {
        Some(file) => follow_file(Path::new(&file), depth, found),
        None => Some(()),
    }
}

/// Where a file lies. One that is deleted, or has its path in another namespace, cannot be followed; nor one on a btrfs, an overlay
/// or what else has a number of no device.
fn follow_file(file: &Path, depth: usize, found: &mut BTreeSet<DeviceNumber>) -> Option<()> {
    let device = DeviceNumber::from_dev(std::fs::metadata(file).ok()?.dev());
    if device.major == 0 && is_in_memory(file)? {
        return Some(());
    }
    follow(device, depth, found)
}

/// Whether a file lies on no disk at all.
fn is_in_memory(file: &Path) -> Option<bool> {
    /// From linux/magic.h.
    const TMPFS: rustix::fs::FsWord = 0x0102_1994;
    const RAMFS: rustix::fs::FsWord = 0x8584_58f6;
    let kind = rustix::fs::statfs(file).ok()?.f_type;
    Some(matches!(kind, TMPFS | RAMFS))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_of_no_block_device_has_no_leaves() {
        assert_eq!(leaves(DeviceNumber { major: 0, minor: 21 }), None);
    }
}
