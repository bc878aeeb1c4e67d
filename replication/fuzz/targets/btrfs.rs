//! What a btrfs says of a device, in its superblock and in the items that the kernel returns: extents are in order, or refused.
//! The first byte of the input is how many items there are, the device is number 1.
#![no_main]

use libfuzzer_sys::fuzz_target;
use qianyun_replication_io::foreign;

fuzz_target!(|bytes: &[u8]| {
    foreign::btrfs_member(bytes);
    let Some((count, items)) = bytes.split_first() else { return };
    let extents = foreign::btrfs_extents(items, (*count).into()).unwrap_or_default();
    assert!(extents.iter().all(|range| range.start < range.end), "{extents:?}");
    assert!(extents.windows(2).all(|pair| pair[0].end <= pair[1].start), "{extents:?}");
});
