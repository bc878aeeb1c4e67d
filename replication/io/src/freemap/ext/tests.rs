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

#[test]
fn a_filesystem_that_has_grown_is_read_to_its_end() {
    let workshop = Workshop::new();
    for options in
        [&["-t", "ext3", "-b", "1024"][..], &["-t", "ext4", "-O", "^metadata_csum,^uninit_bg"], &["-t", "ext4"]]
    {
        let image = workshop.ext(options, "30M");
        std::fs::File::options().write(true).open(&image).unwrap().set_len(300 << 20).unwrap();
        images::run("e2fsck", &["-f", "-y", image.to_str().unwrap()]);
        images::run("resize2fs", &[image.to_str().unwrap()]);
        let found = images::read(&image, super::read).unwrap();
        assert_eq!((found.doubtful, &found.first_doubt.map(|doubt| doubt.to_string())), (0, &None), "{options:?}");
        assert_eq!(found.free, free_by_dumpe2fs(&image), "{options:?}");
    }
}

/// A filesystem without checksums, of three groups of 8 MiB, to be changed.
fn without_sums() -> Vec<u8> {
    let workshop = Workshop::new();
    let image = workshop.ext(&["-t", "ext4", "-b", "1024", "-O", "^metadata_csum,^uninit_bg,^64bit"], "24M");
    std::fs::read(image).unwrap()
}

fn words(result: Result<super::Found, super::MetadataError>) -> String {
    match result {
        Err(error) => error.to_string(),
        Ok(found) => found.first_doubt.map(|doubt| format!("{} groups: {doubt}", found.doubtful)).unwrap_or_default(),
    }
}

#[test]
fn what_is_not_known_or_contradicts_itself_is_refused_in_words() {
    let sound = without_sums();
    let read = |place: usize, change: fn(u8) -> u8| {
        let mut bytes = sound.clone();
        bytes[place] = change(bytes[place]);
        words(images::read_bytes(&bytes, super::read))
    };
    assert_eq!(read(0, |byte| byte), "");
    // The features, the state, the second size of groups, and the number of free blocks of the superblock.
    assert_eq!(read(1024 + 0x63, |_| 0x80), "incompatible features 0x80000000 of the filesystem are not known here");
    assert_eq!(read(1024 + 0x175, |_| 1), "type of checksum at byte 1024 is 1, expected 0");
    assert_eq!(read(1024 + 0x3A, |byte| byte | 2), "mark of errors at byte 1024 is 2, expected 0");
    assert_eq!(read(1024 + 0x25, |byte| byte - 1), "blocks of a group at byte 1024 is 8192, expected 7936");
    assert!(read(1024 + 0xC, |byte| byte ^ 1).starts_with("number of free blocks at byte 1024"));
    // The second group's descriptor: its bitmap at the third's, and elsewhere than its copy says.
    assert!(read(2048 + 32, |byte| byte + 1).starts_with("1 groups: agreement of a descriptor with its copy"));
}

#[test]
fn a_bitmap_that_forgets_its_groups_metadata_is_not_believed_though_its_count_is_right() {
    let mut bytes = without_sums();
    let bitmap = usize::try_from(super::super::layout::number(&bytes, 2048, 4)).unwrap();
    // Bit 0 is block 1, the superblock's; the last bits are free.
    bytes[bitmap * 1024] &= !1;
    bytes[bitmap * 1024 + 1023] |= 0x80;
    let words = words(images::read_bytes(&bytes, super::read));
    assert!(words.starts_with("1 groups: bit of a block of metadata"), "{words}");
}

#[test]
fn metadata_over_metadata_leaves_nothing_free() {
    let mut bytes = without_sums();
    // In the descriptor and in its copy, the first block of group 1, the inode bitmap is where the block bitmap is.
    for descriptor in [2048, 8194 * 1024] {
        bytes.copy_within(descriptor..descriptor + 4, descriptor + 4);
    }
    let words = words(images::read_bytes(&bytes, super::read));
    assert!(words.starts_with("number of blocks of metadata"), "{words}");
}
