//! What is free on a device of a mounted btrfs: all that no chunk is allocated on, as the kernel's device tree tells.
//!
//! Coarse, in steps of a chunk of a GiB or so, and known to every kernel. The device is known by the superblock on it, by
//! the kernel's word on the device of that number, and by the node of that device: a copy of a disk has the same
//! superblock. A chunk that is allocated after the tree was read is written through the tracker, and what was allocated
//! before is in the tree once the filesystem was flushed. Never reads the trees on the disk.

use super::checksum::crc32c;
use super::layout::number;
use super::metadata::{MetadataError, ensure_equal, ensure_known, ensure_sum, ensure_within, word};
use crate::device::DeviceNumber;
use crate::ranges::{gaps, merged};
use crate::sys::ioctl;
use rustix::io::Errno;
use std::ffi::OsStr;
use std::fs::File;
use std::ops::Range;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

/// Where the superblock lies, and its length.
pub(super) const OFFSET: u64 = 64 * 1024;
pub(super) const BYTES: usize = 4096;
const MAGIC: u64 = u64::from_le_bytes(*b"_BHRfS_M");
/// All that kernels know up to the squota of 6.7, but for zones (0x1000), whose superblocks move, and the second
/// extent tree (0x2000), which is not finished.
const KNOWN_INCOMPAT: u64 = 0x0FFF | 0x4000 | 0x1_0000;
/// The flag of a superblock that other filesystems may grow from.
const SEEDING: u64 = 1 << 32;
/// Nothing is allocated below, where boot loaders live.
const RESERVED_BYTES: u64 = 1 << 20;
/// Superblocks, each with all of the 64 KiB that no chunk begins in.
const COPIES: [u64; 3] = [OFFSET, 64 << 20, 256 << 30];
const COPY_BYTES: u64 = 64 * 1024;

const DEVICE_TREE: u64 = 4;
const DEVICE_EXTENT: u32 = 204;
/// A header of transaction, object, offset, type and length comes before every item.
const HEADER_BYTES: usize = 32;
/// The item: tree, object and place of the chunk, length, and the tree's name.
const EXTENT_BYTES: usize = 48;
/// A device of 64 TiB in chunks of 16 MiB, which are smaller than any but the first.
const MAX_EXTENTS: usize = 1 << 22;

/// A device of a btrfs, as its superblock names it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Member {
    pub(super) number: u64,
    uuid: [u8; 16],
}

impl Member {
    /// From the superblock of a device.
    pub(super) fn parse(bytes: &[u8]) -> Result<Self, MetadataError> {
        ensure_equal("length of the superblock", OFFSET, bytes.len() as u64, BYTES as u64)?;
        ensure_equal("magic number of btrfs", OFFSET, number(bytes, 64, 8), MAGIC)?;
        ensure_equal("place of the superblock", OFFSET, number(bytes, 48, 8), OFFSET)?;
        // Other sums than CRC-32C are not computed here: the number and the name are compared with the kernel's anyway.
        if number(bytes, 196, 2) == 0 {
            ensure_sum("checksum of the superblock", OFFSET, word(bytes, 0), crc32c(&bytes[32..]))?;
        }
        ensure_known("incompatible features", number(bytes, 188, 8), KNOWN_INCOMPAT)?;
        // What a filesystem that was sprouted from it gives up is free to that one, and its own still.
        ensure_equal("flag of a seed device", OFFSET, number(bytes, 56, 8) & SEEDING, 0)?;
        // Number 0 is a device that takes another's place: what is copied to it is in no tree until it has.
        ensure_within("number of the device", OFFSET, number(bytes, 201, 8), 1..=u64::MAX)?;
        Ok(Self { number: number(bytes, 201, 8), uuid: std::array::from_fn(|index| bytes[267 + index]) })
    }

    /// Whether `file` is on a filesystem of which this is the member at the device `node`.
    pub(super) fn is_in(&self, file: &File, node: DeviceNumber) -> bool {
        let Ok(info) = ioctl::btrfs_device(file, self.number) else { return false };
        let end = info.path.iter().position(|byte| *byte == 0).unwrap_or(info.path.len());
        let path = Path::new(OsStr::from_bytes(&info.path[..end]));
        let is_node = std::fs::metadata(path).is_ok_and(|found| DeviceNumber::from_dev(found.rdev()) == node);
        info.uuid == self.uuid && is_node
    }

    /// What of the device is free, in bytes from its start. Opens nothing.
    pub(super) fn free(&self, file: &File) -> Result<Vec<Range<u64>>, Errno> {
        let info = ioctl::btrfs_device(file, self.number)?;
        // The number of a device that was removed may be another's now.
        if info.uuid != self.uuid {
            return Err(Errno::NODEV);
        }
        let (mut used, mut from) = (Vec::new(), 0);
        loop {
            let key = ioctl::BtrfsKey { tree: DEVICE_TREE, object: self.number, kind: DEVICE_EXTENT, from };
            let (count, bytes) = ioctl::btrfs_items(file, key)?;
            let extents = parse_extents(&bytes, count, self.number).map_err(|_malformed| Errno::BADMSG)?;
            let Some(last) = extents.last() else { break };
            // Behind the last item, not behind its extent: no item can then be stepped over.
            from = last.start.saturating_add(1);
            used.extend(extents);
            if used.len() > MAX_EXTENTS {
                return Err(Errno::OVERFLOW);
            }
        }
        Ok(outside(used, info.total_bytes))
    }
}

/// The device extents among `count` items as the kernel returns them, in order.
pub(super) fn parse_extents(bytes: &[u8], count: u32, device: u64) -> Result<Vec<Range<u64>>, MetadataError> {
    let (mut extents, mut rest) = (Vec::new(), bytes);
    let mut behind = 0;
    for _ in 0..count {
        let offset = (bytes.len() - rest.len()) as u64;
        ensure_within("room for an item", offset, rest.len() as u64, HEADER_BYTES as u64..=bytes.len() as u64)?;
        let (header, after) = rest.split_at(HEADER_BYTES);
        ensure_equal("device of an extent", offset, number(header, 8, 8), device)?;
        ensure_equal("type of an item", offset, number(header, 24, 4), DEVICE_EXTENT.into())?;
        ensure_equal("length of an item", offset, number(header, 28, 4), EXTENT_BYTES as u64)?;
        ensure_within("room for an extent", offset, after.len() as u64, EXTENT_BYTES as u64..=bytes.len() as u64)?;
        let (item, after) = after.split_at(EXTENT_BYTES);
        let start = number(header, 16, 8);
        ensure_within("start of an extent", offset, start, behind..=u64::MAX - 1)?;
        behind = start.saturating_add(number(item, 24, 8));
        ensure_within("end of an extent", offset, behind, start + 1..=u64::MAX - 1)?;
        extents.push(start..behind);
        rest = after;
    }
    Ok(extents)
}

/// What of a device of `size` bytes is neither in `used` nor reserved.
fn outside(mut used: Vec<Range<u64>>, size: u64) -> Vec<Range<u64>> {
    used.push(0..RESERVED_BYTES);
    used.extend(COPIES.map(|start| start..start + COPY_BYTES));
    gaps(merged(used), size)
}

#[cfg(test)]
pub(super) mod fixtures {
    use super::{DEVICE_EXTENT, EXTENT_BYTES, HEADER_BYTES};

    /// Items as the kernel writes them.
    pub(in crate::freemap) fn items(device: u64, extents: &[(u64, u64)]) -> Vec<u8> {
        let item = |(start, len): &(u64, u64)| {
            let mut bytes = vec![0; HEADER_BYTES + EXTENT_BYTES];
            bytes[8..16].copy_from_slice(&device.to_le_bytes());
            bytes[16..24].copy_from_slice(&start.to_le_bytes());
            bytes[24..28].copy_from_slice(&DEVICE_EXTENT.to_le_bytes());
            bytes[28..32].copy_from_slice(&u32::try_from(EXTENT_BYTES).unwrap().to_le_bytes());
            bytes[56..64].copy_from_slice(&len.to_le_bytes());
            bytes
        };
        extents.iter().flat_map(item).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::fixtures::items;
    use super::*;
    use proptest::prelude::*;

    const MIB: u64 = 1 << 20;

    #[test]
    fn extents_are_read_in_order_and_only_those_of_the_device() {
        let bytes = items(3, &[(MIB, 8 * MIB), (9 * MIB, MIB)]);
        assert_eq!(parse_extents(&bytes, 2, 3).unwrap(), [MIB..9 * MIB, 9 * MIB..10 * MIB]);
        assert_eq!(parse_extents(&bytes, 0, 3).unwrap(), []);
        assert!(parse_extents(&bytes, 3, 3).unwrap_err().to_string().starts_with("room for an item"));
        assert!(parse_extents(&bytes, 2, 2).unwrap_err().to_string().starts_with("device of an extent"));
        assert!(parse_extents(&items(3, &[(9, 9), (8, 2)]), 2, 3).is_err());
        assert!(parse_extents(&items(3, &[(9, u64::MAX)]), 1, 3).is_err());
    }

    #[test]
    fn the_first_mebibyte_and_the_superblocks_are_never_free() {
        let free = outside(vec![2 * MIB..10 * MIB, 200 * MIB..300 * MIB], 250 * MIB);
        assert_eq!(free, [MIB..2 * MIB, 10 * MIB..64 * MIB, 64 * MIB + COPY_BYTES..200 * MIB]);
        assert_eq!(outside(Vec::new(), MIB / 2), []);
    }

    #[test]
    fn a_superblock_is_taken_only_whole_and_with_known_features() {
        let mut bytes = vec![0; BYTES];
        bytes[64..72].copy_from_slice(b"_BHRfS_M");
        bytes[48..56].copy_from_slice(&OFFSET.to_le_bytes());
        bytes[201] = 7;
        bytes[267..283].fill(9);
        let summed = |bytes: &[u8]| [&crc32c(&bytes[32..]).to_le_bytes(), &bytes[4..]].concat();
        assert_eq!(Member::parse(&summed(&bytes)).unwrap(), Member { number: 7, uuid: [9; 16] });
        assert!(Member::parse(&bytes).unwrap_err().to_string().starts_with("checksum"));
        bytes[189] = 0x10;
        assert!(matches!(Member::parse(&summed(&bytes)), Err(MetadataError::Feature { bits: 0x1000, .. })));
        assert!(Member::parse(&bytes[..4000]).is_err());
        (bytes[189], bytes[201]) = (0, 0);
        assert!(Member::parse(&summed(&bytes)).unwrap_err().to_string().starts_with("number of the device"));
    }

    proptest! {
        #[test]
        fn any_bytes_give_extents_in_order_or_an_error(bytes in proptest::collection::vec(any::<u8>(), 0..500), count in any::<u32>()) {
            if let Ok(extents) = parse_extents(&bytes, count, 1) {
                prop_assert!(extents.windows(2).all(|pair| pair[0].end <= pair[1].start));
            }
        }
    }
}
