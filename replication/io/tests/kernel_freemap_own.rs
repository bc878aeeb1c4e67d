//! Our own readers of free space against the kernel's word and the filesystems' own tools, on filesystems that were worked
//! on. Needs root.
#![allow(clippy::unwrap_used)] // outside of `#[test]` too: a panic fails the test

mod rig;

use qianyun_replication_io::device::buffer::AlignedBuffer;
use qianyun_replication_io::freemap::{Free, FreeMap, Reading, Ways};
use rig::{Frozen, LoopDisk, Mounted, as_blocks, free_by_dumpe2fs, free_by_xfs_db, run};
use std::ops::Range;
use std::path::Path;

const MIB: u64 = 1 << 20;
const DISK: u64 = 160 * MIB;

/// Makes holes of all sizes: of many small files every second one goes again, and of larger ones every third.
fn work_on(folder: &Path) {
    let file = |kind: &str, index: usize| folder.join(format!("{kind}{index}"));
    for index in 0..600 {
        std::fs::write(file("small", index), vec![1; 500 + index % 4000]).unwrap();
    }
    for index in 0..60 {
        std::fs::write(file("large", index), vec![2; (index + 1) * 7_000]).unwrap();
    }
    run("sync", &["--file-system", folder.to_str().unwrap()]);
    (0..600).step_by(2).for_each(|index| std::fs::remove_file(file("small", index)).unwrap());
    (0..60).step_by(3).for_each(|index| std::fs::remove_file(file("large", index)).unwrap());
    run("sync", &["--file-system", folder.to_str().unwrap()]);
    for index in 0..100 {
        std::fs::write(file("again", index), vec![3; 4096]).unwrap();
    }
}

fn total(ranges: &[Range<u64>]) -> u64 {
    ranges.iter().map(|range| range.end - range.start).sum()
}

/// Whether `all`, which is merged, contains every range of `some`.
fn contains(all: &[Range<u64>], some: &[Range<u64>]) -> bool {
    some.iter().all(|range| all.iter().any(|other| other.start <= range.start && range.end <= other.end))
}

/// What the kernel and what we call free under one freeze, and all that is on the disk then.
fn both_ways(disk: &LoopDisk, mounted: &Mounted) -> (Free, Free, AlignedBuffer) {
    let leaf = disk.leaf();
    let kernel = FreeMap::prepare_by(&leaf, Reading::Frozen, Ways::All).unwrap();
    let own = FreeMap::prepare_by(&leaf, Reading::Frozen, Ways::OwnReaders).unwrap();
    let mut content = AlignedBuffer::new(usize::try_from(leaf.size_bytes()).unwrap());
    let _frozen = Frozen::new(mounted.path().to_str().unwrap());
    assert_eq!(leaf.read(0, &mut content).unwrap(), []);
    (kernel.read().unwrap(), own.read().unwrap(), content)
}

/// Makes a filesystem, works on it, and compares us with the kernel and with the filesystem's own tool.
fn agrees(mkfs: &str, options: &[&str], mount_options: &str, tool: fn(&Path) -> Vec<Range<u64>>) {
    let disk = LoopDisk::new(DISK);
    run(mkfs, &[options, &[disk.node_text()]].concat());
    let mounted = Mounted::with_options(&disk.node, mount_options);
    work_on(mounted.path());
    let (kernel, own, mut content) = both_ways(&disk, &mounted);
    assert!(own.unmapped.is_empty(), "{options:?}: {:?}", own.unmapped);
    let copy = LoopDisk::new(DISK);
    std::fs::write(&copy.node, &content[..]).unwrap();
    assert_eq!(own.ranges, as_blocks(tool(&copy.node), 0), "{options:?}");
    // What the kernel keeps for a file that may grow is free on the disk.
    assert!(contains(&own.ranges, &kernel.ranges), "{options:?}");
    let more = total(&own.ranges) - total(&kernel.ranges);
    assert!(more <= 4 * MIB && total(&own.ranges) > DISK / 4, "{options:?}: {more} of {}", total(&own.ranges));
    for range in &own.ranges {
        content[usize::try_from(range.start).unwrap()..usize::try_from(range.end).unwrap()].fill(0x5A);
    }
    std::fs::write(&copy.node, &content[..]).unwrap();
    let arrived = Mounted::with_options(&copy.node, mount_options);
    run("diff", &["--recursive", mounted.path().to_str().unwrap(), arrived.path().to_str().unwrap()]);
}

#[test]
fn ext_of_every_layout_is_read_as_the_kernel_tells_it() {
    let kinds: [&[&str]; 9] = [
        &["-t", "ext2"],
        &["-t", "ext3"],
        &["-t", "ext4"],
        &["-t", "ext4", "-b", "1024"],
        &["-t", "ext4", "-O", "bigalloc", "-C", "16384"],
        &["-t", "ext4", "-O", "meta_bg,^resize_inode", "-b", "1024"],
        &["-t", "ext4", "-O", "^metadata_csum"],
        &["-t", "ext4", "-O", "^metadata_csum,uninit_bg,^64bit", "-b", "1024"],
        &["-t", "ext4", "-O", "sparse_super2,^resize_inode", "-b", "2048"],
    ];
    for options in kinds {
        agrees("mke2fs", &[&["-q", "-F"], options].concat(), "defaults", free_by_dumpe2fs);
    }
}

#[test]
fn xfs_of_every_layout_is_read_as_the_kernel_tells_it() {
    // Version 4, which newer kernels do not mount, is compared with `xfs_db` by the reader's own tests.
    let kinds: [&[&str]; 5] = [
        &[],
        &["-b", "size=1024"],
        &["-m", "rmapbt=1"],
        &["-m", "reflink=0", "-d", "agcount=9", "-l", "size=8m"],
        &["-s", "size=4096"],
    ];
    for options in kinds {
        agrees("mkfs.xfs", &[&["-q", "-f", "--unsupported"], options].concat(), "nouuid", free_by_xfs_db);
    }
}

#[test]
fn a_filesystem_on_a_partition_is_read_where_it_is() {
    let disk = LoopDisk::partitioned(160 * MIB, "label: gpt\n1MiB,128MiB\n", &[(2048, 262_144)]);
    let mounted = Mounted::ext4(&disk.partition(1));
    work_on(mounted.path());
    let (kernel, own, _) = both_ways(&disk, &mounted);
    assert!(contains(&own.ranges, &kernel.ranges) && own.unmapped.is_empty());
    assert!(own.ranges.iter().all(|range| range.start >= MIB && range.end <= 129 * MIB));
}

#[test]
fn what_is_read_only_is_copied_whole_and_told() {
    let disk = LoopDisk::new(64 * MIB);
    run("mkfs.ext4", &["-q", "-F", disk.node_text()]);
    let mounted = Mounted::with_options(&disk.node, "ro");
    let reasons = |ways| {
        let free = FreeMap::prepare_by(&disk.leaf(), Reading::InUse, ways).unwrap().read().unwrap();
        assert!(free.ranges.is_empty() || free.unmapped.is_empty());
        free.unmapped.iter().map(ToString::to_string).collect::<Vec<_>>()
    };
    let words = "is read-only, so that its disk may be older than what is told of it";
    assert!(reasons(Ways::OwnReaders)[0].ends_with(words));
    assert_eq!(reasons(Ways::All), Vec::<String>::new(), "its journal was replayed, and the kernel knows");
    drop(mounted);
    let _mounted = Mounted::with_options(&disk.node, "ro,norecovery");
    assert!(reasons(Ways::All)[0].ends_with(words), "what its journal holds is not on the disk");
}

/// The allocated ranges of a device that `btrfs inspect-internal dump-tree` lists, from one reading of the disk.
fn allocated_on_btrfs(device: &str, number: u64) -> Vec<Range<u64>> {
    let text = run("btrfs", &["inspect-internal", "dump-tree", "-t", "device", device]);
    let mut found = Vec::new();
    let mut start = None;
    for line in text.lines() {
        let words: Vec<_> = line.split_whitespace().collect();
        if let Some(at) = words.iter().position(|word| *word == "DEV_EXTENT") {
            let owner = words[at - 1].trim_start_matches('(').parse::<u64>().unwrap();
            start = words[at + 1].trim_end_matches(')').parse::<u64>().ok().filter(|_| owner == number);
        }
        if let (Some(from), Some(at)) = (start, words.iter().position(|word| *word == "length")) {
            found.push(from..from + words[at + 1].parse::<u64>().unwrap());
            start = None;
        }
    }
    found
}

fn overlap(free: &[Range<u64>], used: &Range<u64>) -> bool {
    free.iter().any(|range| range.start < used.end && used.start < range.end)
}

#[test]
fn of_btrfs_all_is_free_that_no_chunk_lies_on_but_the_superblocks() {
    let disk = LoopDisk::new(700 * MIB);
    run("mkfs.btrfs", &["-q", "-f", disk.node_text()]);
    let mounted = Mounted::existing(&disk.node);
    work_on(mounted.path());
    let map = FreeMap::prepare(&disk.leaf(), Reading::InUse).unwrap();
    let free = map.read().unwrap();
    assert!(free.unmapped.is_empty());
    let used = allocated_on_btrfs(disk.node_text(), 1);
    let reserved = [0..MIB, 64 * MIB..64 * MIB + 65536];
    assert!(used.len() > 2 && !used.iter().chain(&reserved).any(|used| overlap(&free.ranges, used)));
    let sum = total(&used) + total(&free.ranges);
    assert!(sum <= 700 * MIB && sum + 3 * MIB > 700 * MIB, "{sum}");
    let _frozen = Frozen::new(mounted.path().to_str().unwrap());
    assert_eq!(map.read().unwrap().ranges, free.ranges, "under a freeze too");
}

#[test]
fn of_a_btrfs_on_two_disks_each_has_its_own_free_space() {
    let (first, second) = (LoopDisk::new(400 * MIB), LoopDisk::new(500 * MIB));
    run("mkfs.btrfs", &["-q", "-f", "-d", "single", "-m", "raid1", first.node_text(), second.node_text()]);
    let mounted = Mounted::existing(&first.node);
    work_on(mounted.path());
    for (disk, number) in [(&first, 1), (&second, 2)] {
        let free = FreeMap::prepare(&disk.leaf(), Reading::InUse).unwrap().read().unwrap();
        let used = allocated_on_btrfs(disk.node_text(), number);
        assert!(!used.is_empty() && !used.iter().any(|used| overlap(&free.ranges, used)), "{number}: {used:?}");
        assert!(total(&free.ranges) > 50 * MIB, "{number}");
    }
}

#[test]
fn a_copy_of_a_btrfs_disk_is_not_taken_for_the_one_that_is_mounted() {
    let disk = LoopDisk::new(300 * MIB);
    run("mkfs.btrfs", &["-q", "-f", disk.node_text()]);
    let dir = tempfile::tempdir().unwrap();
    let image = dir.path().join("copy");
    run("cp", &["--sparse=always", disk.node_text(), image.to_str().unwrap()]);
    let copy = LoopDisk::from_image(&image);
    let _mounted = Mounted::existing(&disk.node);
    let free = |disk: &LoopDisk| FreeMap::prepare(&disk.leaf(), Reading::InUse).unwrap().read().unwrap().ranges;
    assert!(!free(&disk).is_empty());
    assert!(free(&copy).is_empty());
}
