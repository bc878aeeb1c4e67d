//! The free map against what the filesystem's own tools find. Needs root.
#![allow(clippy::unwrap_used)] // outside of `#[test]` too: a panic fails the test

mod rig;

use qianyun_replication_io::freemap::{FreeMap, Reading};
use rig::{Frozen, LoopDisk, Mounted, as_blocks, free_by_dumpe2fs, run};
use std::ops::Range;
use std::process::Command;

const MIB: u64 = 1 << 20;

fn total(ranges: &[Range<u64>]) -> u64 {
    ranges.iter().map(|range| range.end - range.start).sum()
}

fn fill(mounted: &Mounted) {
    for index in 0..40usize {
        std::fs::write(mounted.path().join(format!("f{index}")), vec![1; (index + 1) * 10_000]).unwrap();
    }
    for index in (0..40usize).step_by(3) {
        std::fs::remove_file(mounted.path().join(format!("f{index}"))).unwrap();
    }
}

fn thawed<T>(path: &str, body: impl FnOnce() -> T) -> T {
    let _frozen = Frozen::new(path);
    body()
}

#[test]
fn what_ext4_on_a_partition_calls_free_is_what_its_tools_find_also_under_a_freeze() {
    finds_what_the_tools_find(&LoopDisk::new(160 * MIB), 0);
}

#[test]
fn what_ext4_on_a_partition_of_a_disk_with_large_sectors_calls_free_is_what_its_tools_find() {
    // For blocks of 4 KiB the kernel sets up to 2 MiB aside on each processor, which only it knows.
    let processors = std::fs::read_to_string("/proc/cpuinfo").unwrap().matches("processor").count() as u64;
    finds_what_the_tools_find(&LoopDisk::of_large_sectors(160 * MIB), 2 * MIB * processors);
}

/// `set_aside`: bytes that the kernel may call used though the tools find them free.
fn finds_what_the_tools_find(disk: &LoopDisk, set_aside: u64) {
    disk.make_partitions("label: gpt\n1MiB,128MiB\n", &[(2048, 262_144)]);
    let mounted = Mounted::ext4(&disk.partition(1));
    fill(&mounted);
    let map = FreeMap::prepare(&disk.leaf(), Reading::Frozen).unwrap();
    let before = map.read().unwrap();
    assert!(before.unmapped.is_empty());
    std::fs::write(mounted.path().join("late"), vec![1; 300_000]).unwrap();
    let (under_freeze, expected) = thawed(mounted.path().to_str().unwrap(), || {
        (map.read().unwrap(), as_blocks(free_by_dumpe2fs(&disk.partition(1)), MIB))
    });
    let is_free = |range: &Range<u64>| expected.iter().any(|free| free.start <= range.start && range.end <= free.end);
    assert!(under_freeze.ranges.iter().all(is_free), "{:?} of {expected:?}", under_freeze.ranges);
    let missed = total(&expected) - total(&under_freeze.ranges);
    assert!(set_aside > 0 || under_freeze.ranges == expected, "{:?}, not {expected:?}", under_freeze.ranges);
    assert!(missed <= set_aside, "{missed} bytes: {:?} of {expected:?}", under_freeze.ranges);
    assert!(total(&under_freeze.ranges) + 300_000 <= total(&before.ranges) + 4096);
    let outside = |range: &Range<u64>| range.start < MIB || range.end > 129 * MIB;
    assert!(!under_freeze.ranges.iter().any(outside), "tables and gaps are used");
}

#[test]
fn blocks_smaller_than_ours_are_free_only_where_a_whole_one_is() {
    let disk = LoopDisk::new(64 * MIB);
    let mounted = Mounted::ext4_with(&disk.node, &["-b", "1024"]);
    fill(&mounted);
    let map = FreeMap::prepare(&disk.leaf(), Reading::Frozen).unwrap();
    let (found, expected) =
        thawed(mounted.path().to_str().unwrap(), || (map.read().unwrap(), as_blocks(free_by_dumpe2fs(&disk.node), 0)));
    assert_eq!(found.ranges, expected);
}

#[test]
fn a_copy_without_the_free_blocks_is_a_sound_filesystem_with_every_file() {
    let disk = LoopDisk::new(64 * MIB);
    let mounted = Mounted::ext4(&disk.node);
    fill(&mounted);
    let map = FreeMap::prepare(&disk.leaf(), Reading::Frozen).unwrap();
    let leaf = disk.leaf();
    let copy = thawed(mounted.path().to_str().unwrap(), || {
        let mut copy = qianyun_replication_io::device::buffer::AlignedBuffer::new(64 << 20);
        assert_eq!(leaf.read(0, &mut copy).unwrap(), []);
        for range in map.read().unwrap().ranges {
            copy[usize::try_from(range.start).unwrap()..usize::try_from(range.end).unwrap()].fill(0);
        }
        copy
    });
    let target = LoopDisk::new(64 * MIB);
    std::fs::write(&target.node, &copy[..]).unwrap();
    run("e2fsck", &["-f", "-n", target.node_text()]);
    let other = Mounted::existing(&target.node);
    run("diff", &["-r", mounted.path().to_str().unwrap(), other.path().to_str().unwrap()]);
}

#[test]
fn an_unmounted_filesystem_and_a_disk_without_anything_are_all_used() {
    let disk = LoopDisk::new(32 * MIB);
    assert!(FreeMap::prepare(&disk.leaf(), Reading::Frozen).unwrap().read().unwrap().ranges.is_empty());
    run("mkfs.ext4", &["-q", "-F", disk.node_text()]);
    assert!(FreeMap::prepare(&disk.leaf(), Reading::Frozen).unwrap().read().unwrap().ranges.is_empty());
}

#[test]
fn a_partition_that_the_table_does_not_have_is_all_used() {
    // The kernel sees 64 MiB, the table says 63.
    let disk = LoopDisk::partitioned(96 * MIB, "label: dos\n1MiB,63MiB\n", &[(2048, 131_072)]);
    let _mounted = Mounted::ext4(&disk.partition(1));
    assert!(FreeMap::prepare(&disk.leaf(), Reading::Frozen).unwrap().read().unwrap().ranges.is_empty());
}

#[test]
fn of_active_swap_only_the_header_is_kept() {
    struct Off(String);
    impl Drop for Off {
        fn drop(&mut self) {
            let _ = Command::new("swapoff").arg(&self.0).output();
        }
    }
    let disk = LoopDisk::new(8 * MIB);
    run("mkswap", &[disk.node_text()]);
    assert!(FreeMap::prepare(&disk.leaf(), Reading::Frozen).unwrap().read().unwrap().ranges.is_empty(), "not active");
    // The lowest priority: this machine's memory is not to end up on a test's disk.
    run("swapon", &["--priority", "0", disk.node_text()]);
    let off = Off(disk.node_text().to_owned());
    let map = FreeMap::prepare(&disk.leaf(), Reading::Frozen).unwrap();
    assert_eq!(map.read().unwrap().ranges, [Range { start: 65536, end: 8 * MIB }]);
    drop(off);
    assert!(map.read().unwrap().ranges.is_empty());
}
