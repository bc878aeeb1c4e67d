//! Filesystems and swap that do not lie right on a partition or disk, but on LVM, LUKS or a mirror, and what of them is free
//! on one disk. Who tells what is free in them is a region's business, as for every other.

use super::Unmapped;
use super::placement::Placement;
use super::region::Region;
use super::stack::{self, Kernel};
use super::swap::Active;
use crate::device::{DeviceError, DeviceNumber, LeafDisk};
use std::ops::Range;

/// A device that lies on this disk somewhere below, and all of it as a region of itself.
#[derive(Debug)]
struct Volume {
    device: DeviceNumber,
    place: Placement,
    node: LeafDisk,
    region: Region,
}

/// The volumes of a disk that are in use.
#[derive(Debug)]
pub(super) struct Volumes {
    plain: Vec<(DeviceNumber, Range<u64>)>,
    kernel: Kernel,
    volumes: Vec<Volume>,
}

impl Volumes {
    /// Finds what lies on these regions of a disk. `find` says what is on a volume, given its node, its number and its bytes.
    pub(super) fn prepare(
        plain: &[(DeviceNumber, Range<u64>)],
        find: impl Fn(&LeafDisk, (DeviceNumber, Range<u64>)) -> Result<Option<Region>, DeviceError>,
    ) -> Result<Self, DeviceError> {
        let (kernel, mut volumes) = (Kernel::open(), Vec::new());
        for (device, place) in stack::tops(plain, &kernel) {
            if plain.iter().any(|(region, _)| *region == device) {
                continue;
            }
            // One that cannot be read is all used.
            let Ok(node) = LeafDisk::stacked(device) else { continue };
            if let Some(region) = find(&node, (device, 0..node.size_bytes()))? {
                volumes.push(Volume { device, place, node, region });
            }
        }
        Ok(Self { plain: plain.to_vec(), kernel, volumes })
    }

    /// What is free now, in bytes of the disk; what could not be mapped goes to `unmapped`.
    pub(super) fn free(&self, swaps: &[Active], unmapped: &mut Vec<Unmapped>) -> Vec<Range<u64>> {
        let told = self.volumes.iter().map(|volume| volume.region.free(&volume.node, swaps, unmapped));
        let told: Vec<_> = told.collect();
        // Where they lay when they were prepared and lie after they were asked, there they lay meanwhile.
        let places = stack::tops(&self.plain, &self.kernel);
        let mut free = Vec::new();
        for (volume, ranges) in self.volumes.iter().zip(told) {
            if places.get(&volume.device) == Some(&volume.place) {
                free.extend(volume.place.on_disk(ranges));
            } else {
                unmapped.push(Unmapped::Moved { device: volume.device });
            }
        }
        free
    }
}
