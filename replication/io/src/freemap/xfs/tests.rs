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
