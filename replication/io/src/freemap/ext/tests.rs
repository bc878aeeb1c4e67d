//! The reader against `dumpe2fs`, on images of every kind that `mke2fs` makes.

use super::super::images::{self, Workshop, free_by_dumpe2fs};

/// Name, options and size of filesystems that lay out their groups in different ways.
const KINDS: &[(&str, &[&str], &str)] = &[
    ("ext2", &["-t", "ext2"], "40M"),
    ("ext2 of 1 KiB", &["-t", "ext2", "-b", "1024"], "40M"),
    ("ext3", &["-t", "ext3"], "40M"),
    ("revision 0", &["-t", "ext2", "-r", "0", "-b", "1024"], "20M"),
    ("without sparse copies", &["-t", "ext2", "-b", "1024", "-O", "^sparse_super,^resize_inode"], "70M"),
    ("ext4", &["-t", "ext4"], "300M"),
    ("ext4 of 1 KiB", &["-t", "ext4", "-b", "1024"], "100M"),
    ("ext4 of 2 KiB", &["-t", "ext4", "-b", "2048"], "100M"),
    ("32 bits", &["-t", "ext4", "-O", "^64bit"], "300M"),
    ("seed", &["-t", "ext4", "-O", "metadata_csum_seed"], "40M"),
    ("no sums", &["-t", "ext4", "-O", "^metadata_csum,^uninit_bg"], "300M"),
    ("crc16", &["-t", "ext4", "-O", "^metadata_csum,uninit_bg,^64bit", "-b", "1024"], "100M"),
    ("crc16 with 64 bits", &["-t", "ext4", "-O", "^metadata_csum,uninit_bg", "-b", "1024"], "100M"),
    ("meta_bg", &["-t", "ext4", "-O", "meta_bg,^resize_inode", "-b", "1024"], "300M"),
    ("meta_bg without 64 bits", &["-t", "ext4", "-O", "meta_bg,^resize_inode,^64bit", "-b", "1024"], "600M"),
    ("no flexible groups", &["-t", "ext4", "-O", "^flex_bg", "-b", "1024"], "100M"),
    ("large flexible groups", &["-t", "ext4", "-G", "64", "-b", "1024"], "300M"),
    ("sparse_super2", &["-t", "ext4", "-O", "sparse_super2,^resize_inode", "-b", "1024"], "100M"),
    ("bigalloc", &["-t", "ext4", "-O", "bigalloc", "-C", "65536"], "300M"),
    ("bigalloc of 1 KiB", &["-t", "ext4", "-O", "bigalloc", "-b", "1024", "-C", "16384"], "300M"),
    ("small groups", &["-t", "ext4", "-g", "1024", "-b", "1024"], "60M"),
    ("short last group", &["-t", "ext4", "-b", "1024"], "42005K"),
    ("short last cluster", &["-t", "ext4", "-O", "bigalloc", "-C", "65536"], "300012K"),
    (
        "everything at once",
        &["-t", "ext4", "-O", "mmp,quota,project,casefold,encrypt,inline_data,ea_inode,large_dir,verity"],
        "40M",
    ),
];

#[test]
fn what_is_free_is_what_dumpe2fs_calls_free_whatever_the_layout() {
    let workshop = Workshop::new();
    for (name, options, size) in KINDS {
        let image = workshop.ext(options, size);
        let found = images::read(&image, super::read).unwrap_or_else(|error| panic!("{name}: {error}"));
        assert_eq!((found.doubtful, &found.first_doubt.map(|doubt| doubt.to_string())), (0, &None), "{name}");
        assert_eq!(found.free, free_by_dumpe2fs(&image), "{name}");
    }
}
