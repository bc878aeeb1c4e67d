//! Volumes on block devices, and what a disk reads after them. Needs root.
#![allow(clippy::unwrap_used)] // outside of `#[test]` too: a panic fails the test

mod rig;

use qianyun_replication_io::device::DeviceError;
use qianyun_replication_io::device::buffer::AlignedBuffer;
use qianyun_replication_io::device::volume::Volume;
use rig::LoopDisk;

const MIB: u64 = 1 << 20;

#[test]
fn a_block_device_is_a_volume_of_its_own_size_and_no_other() {
    let disk = LoopDisk::new(8 * MIB);
    let refused = Volume::open(&disk.node, 8 * MIB + 512);
    assert!(matches!(refused, Err(DeviceError::Size { found: 8388608, .. })), "{refused:?}");
    let volume = Volume::open(&disk.node, 8 * MIB).unwrap();
    assert!(volume.is_direct());
    let mut data = AlignedBuffer::new(3 * 4096);
    data.fill(5);
    volume.write(MIB, &data).unwrap();
    volume.zero(MIB + 4096, 4096).unwrap();
    volume.sync().unwrap();
    data[4096..8192].fill(0);
    let mut back = AlignedBuffer::new(3 * 4096);
    volume.read_back(MIB, &mut back).unwrap();
    assert_eq!(back[..], data[..]);
    back.fill(9);
    assert_eq!(disk.leaf().read(MIB, &mut back).unwrap(), []);
    assert_eq!(back[..], data[..], "the disk's own direct read sees the same");
}

#[test]
fn a_disk_is_read_to_its_last_sector_and_not_beyond() {
    // A size that is no multiple of 4 KiB.
    let disk = LoopDisk::new(MIB + 512);
    disk.write(MIB, 512, 7);
    let leaf = disk.leaf();
    let mut last = AlignedBuffer::new(512);
    assert_eq!(leaf.read(MIB, &mut last).unwrap(), []);
    assert_eq!(last[..], [7; 512]);
    for (offset, len) in [(MIB + 512, 512), (MIB, 1024), (100, 512), (0, 100), (u64::MAX - 511, 512)] {
        let result = leaf.read(offset, &mut AlignedBuffer::new(len));
        assert!(matches!(result, Err(DeviceError::Bounds { .. })), "{offset} {len}");
    }
}
