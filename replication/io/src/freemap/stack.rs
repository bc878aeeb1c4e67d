//! What lies on the plain regions of a disk: logical volumes, LUKS, mirrors, and what lies on those. Decides which device a
//! byte of the disk belongs to; [`kernel`] asks, [`mapper`] and [`array`] read the answers.
//!
//! A byte belongs to a device only if everything that holds the regions between them says which part it holds, and no two
//! hold the same. Whatever is in doubt (a striped, thin or mirrored volume, a snapshot, an array that is no plain mirror,
//! something unknown) makes all that it lies on used; so are, without being looked for, LVM's own areas, superblocks and
//! bitmaps of arrays, headers of LUKS and extents of no volume: nothing maps there.

mod array;
mod kernel;
pub(super) mod mapper;

pub(super) use kernel::Kernel;

use super::placement::{Placement, Segment};
use crate::device::DeviceNumber;
use std::collections::BTreeMap;
use std::ops::Range;

/// Mirror, LUKS, LVM, and the same once more inside: whatever is deeper is no server that we know.
const MAX_LAYERS: usize = 8;

/// Who lies on whom. `None`: not known, and then nothing may be concluded.
pub(super) trait Layers {
    /// What is built on a device, besides its partitions.
    fn holders(&self, device: DeviceNumber) -> Option<Vec<DeviceNumber>>;

    /// What a device is built from, all of it: each of its bytes is the byte that a segment names, and nothing else is.
    fn build(&self, device: DeviceNumber) -> Option<Vec<Segment>>;
}

/// The devices on which nothing lies any more, so that a filesystem may, and where they lie on the disk that has these
/// regions. No two of them share a byte.
pub(super) fn tops(plain: &[(DeviceNumber, Range<u64>)], layers: &impl Layers) -> BTreeMap<DeviceNumber, Placement> {
    let mut found = BTreeMap::new();
    for (device, part) in plain {
        climb(*device, Placement::of(part), MAX_LAYERS, layers, &mut found);
    }
    found
}

fn climb(
    device: DeviceNumber,
    place: Placement,
    layers_left: usize,
    layers: &impl Layers,
    found: &mut BTreeMap<DeviceNumber, Placement>,
) {
    let Some(holders) = layers.holders(device) else { return };
    if holders.is_empty() {
        // A volume in pieces is come to once from each region; both halves of a mirror may be on this disk.
        found.entry(device).or_default().extend(place);
        return;
    }
    let Some(shares) = (layers_left > 0).then(|| shares(device, &holders, layers)).flatten() else { return };
    for (holder, segments) in shares {
        climb(holder, place.under(&segments), layers_left - 1, layers, found);
    }
}

/// Which part of the device each holder has; `None` if one does not say, or two have the same.
fn shares(
    device: DeviceNumber,
    holders: &[DeviceNumber],
    layers: &impl Layers,
) -> Option<Vec<(DeviceNumber, Vec<Segment>)>> {
    let (mut shares, mut taken) = (Vec::new(), Vec::new());
    for holder in holders {
        let mut segments = layers.build(*holder)?;
        segments.retain(|segment| segment.device == device);
        if segments.is_empty() {
            return None;
        }
        taken.extend(segments.iter().map(|segment| segment.lower.clone()));
        shares.push((*holder, segments));
    }
    taken.sort_unstable_by_key(|range| range.start);
    let apart = taken.windows(2).all(|pair| pair[0].end <= pair[1].start);
    apart.then_some(shares)
}

#[cfg(test)]
mod tests;
