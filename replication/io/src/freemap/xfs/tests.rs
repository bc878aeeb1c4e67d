//! The reader against `xfs_db`, on images of every kind that `mkfs.xfs` makes.

use super::super::images::{self, Workshop, free_by_xfs_db};

/// Name and options of filesystems that differ in what their groups hold.
const KINDS: &[(&str, &[&str])] = &[
    ("version 5", &[]),
    ("version 4", &["-m", "crc=0"]),
    ("version 4 without lazy counts", &["-m", "crc=0", "-l", "lazy-count=0"]),
    ("version 4 of 512 bytes", &["-m", "crc=0", "-b", "size=512"]),
    ("blocks of 1 KiB", &["-b", "size=1024"]),
    ("blocks of 64 KiB", &["-b", "size=65536"]),
    ("sectors of 4 KiB", &["-s", "size=4096"]),
    ("no free inode tree", &["-m", "finobt=0"]),
    ("reverse map", &["-m", "rmapbt=1"]),
    ("no shared blocks", &["-m", "reflink=0"]),
    ("inode counts", &["-m", "inobtcount=1,bigtime=1"]),
    ("seventeen groups", &["-d", "agcount=17", "-l", "size=8m"]),
    ("stripes", &["-d", "su=64k,sw=4", "-l", "size=16m"]),
    ("short last group", &["-d", "agsize=64m,size=333m", "-l", "size=16m"]),
    ("log in the first group", &["-l", "agnum=0"]),
];

#[test]
fn what_is_free_is_what_xfs_db_calls_free_whatever_the_layout() {
    let workshop = Workshop::new();
    for (name, options) in KINDS {
        let image = workshop.xfs(options, 400);
        let found = images::read(&image, super::read).unwrap_or_else(|error| panic!("{name}: {error}"));
        assert_eq!((found.doubtful, &found.first_doubt.map(|doubt| doubt.to_string())), (0, &None), "{name}");
        assert_eq!(found.free, free_by_xfs_db(&image), "{name}");
    }
}

#[test]
fn trees_of_several_levels_are_walked_to_all_of_their_leaves() {
    let workshop = Workshop::new();
    for options in [&["-m", "crc=0", "-b", "size=512"][..], &["-m", "crc=0"], &["-b", "size=1024"], &[]] {
        let image = workshop.xfs(options, 32);
        let free = images::read(&image, super::read).unwrap().free;
        let large = free.iter().max_by_key(|range| (range.start < 8 << 20, range.end - range.start)).unwrap().clone();
        let mut bytes = std::fs::read(&image).unwrap();
        super::fixtures::scatter(&mut bytes, &large, 400);
        std::fs::write(&image, bytes).unwrap();
        let found = images::read(&image, super::read).unwrap();
        assert_eq!((found.doubtful, &found.first_doubt.map(|doubt| doubt.to_string())), (0, &None), "{options:?}");
        assert_eq!(found.free, free_by_xfs_db(&image), "{options:?}");
        assert!(found.free.len() > 400, "{options:?}");
    }
}

#[test]
fn without_checksums_one_bit_of_one_record_is_seen_by_the_other_tree() {
    let sound = std::fs::read(Workshop::new().xfs(&["-m", "crc=0"], 32)).unwrap();
    let root = usize::try_from(super::big(&sound, 512 + 16, 4)).unwrap() * 4096;
    let mut bytes = sound.clone();
    // The first record's start, behind the short header.
    bytes[root + 16 + 3] ^= 1;
    let found = images::read_bytes(&bytes, super::read).unwrap();
    assert_eq!(found.doubtful, 1);
    assert_eq!(found.first_doubt.unwrap().to_string(), "agreement of both trees at byte 0 is 0, expected 1");
    let whole = images::read_bytes(&sound, super::read).unwrap();
    assert!(
        whole.free.iter().any(|range| range.start < 8 << 20) && found.free.iter().all(|range| range.start >= 8 << 20)
    );
}

#[test]
fn a_filesystem_that_needs_repair_or_was_not_finished_is_refused() {
    let sound = std::fs::read(Workshop::new().xfs(&[], 32)).unwrap();
    let refused = |place: usize, bits: u8| {
        let mut bytes = sound.clone();
        bytes[place] |= bits;
        bytes[224..228].fill(0);
        let sum = super::crc32c(&bytes[..512]);
        bytes[224..228].copy_from_slice(&sum.to_le_bytes());
        images::read_bytes(&bytes, super::read).unwrap_err().to_string()
    };
    assert_eq!(refused(219, 0x10), "incompatible features 0x10 of the filesystem are not known here");
    assert_eq!(refused(126, 1), "mark of an unfinished mkfs at byte 0 is 1, expected 0");
}
