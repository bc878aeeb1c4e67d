//! Writes the seeds of the fuzz targets `ext`, `xfs` and `btrfs`, when asked to: `cargo test -p qianyun-replication-io --lib
//! seeds -- --ignored`. They are kept with the targets, so that fuzzing needs no tool of any filesystem.

use super::btrfs;
use super::images::{Workshop, run};
use super::lies::{Sound, sound_images};
use std::collections::BTreeSet;
use std::fs::File;
use std::path::{Path, PathBuf};

fn folder(target: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz/seeds").join(target);
    std::fs::create_dir_all(&folder).unwrap();
    folder
}

/// The sectors of an image that its reader reads and that are not zero, each after its number.
fn sparse(sound: &Sound) -> Vec<u8> {
    let read: BTreeSet<_> =
        sound.metadata.iter().flat_map(|place| place.start / 512..place.end.div_ceil(512)).collect();
    let mut seed = Vec::new();
    for sector in read {
        let content = &sound.bytes[sector * 512..(sector + 1) * 512];
        if content.iter().any(|byte| *byte != 0) {
            seed.extend(u32::try_from(sector).unwrap().to_le_bytes());
            seed.extend(content);
        }
    }
    seed
}

#[test]
#[ignore = "writes files that are kept"]
fn seeds_are_what_the_readers_read_of_sound_filesystems() {
    let workshop = Workshop::new();
    for sound in sound_images(&workshop) {
        let target = if sound.name.starts_with("xfs") { "xfs" } else { "ext" };
        std::fs::write(folder(target).join(sound.name), sparse(&sound)).unwrap();
    }
    let image = workshop.path("btrfs");
    File::create(&image).unwrap().set_len(300 << 20).unwrap();
    run("mkfs.btrfs", &["-q", image.to_str().unwrap()]);
    let start = usize::try_from(btrfs::OFFSET).unwrap();
    let superblock = &std::fs::read(&image).unwrap()[start..start + btrfs::BYTES];
    std::fs::write(folder("btrfs").join("superblock"), superblock).unwrap();
    let items = btrfs::fixtures::items(1, &[(1 << 20, 8 << 20), (16 << 20, 1 << 30)]);
    std::fs::write(folder("btrfs").join("items"), [&[2], &items[..]].concat()).unwrap();
}
