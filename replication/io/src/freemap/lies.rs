//! Filesystems whose metadata lies: ten thousand images with damaged bytes, read by our readers. A block that is used is
//! never called free.
//!
//! What is used is what the filesystem's own tool said of the sound image: stricter than what it says of the damaged one,
//! for it believes a bitmap. There is one exception, where nothing has a checksum: a byte of a bitmap of which as many bits
//! are set as cleared. Then the tool is asked about the damaged image, and has to call the block free too. Damage hits one byte
//! where a structure has no checksum, and up to sixteen where it has one.

use super::images::{self, Reader, Workshop, free_by_dumpe2fs, free_by_xfs_db};
use super::metadata::{Found, Metadata, MetadataError};
use super::{ext, xfs};
use std::ops::Range;
use std::path::{Path, PathBuf};

const IMAGES: u64 = 10_000;

/// A sound filesystem.
pub(super) struct Sound {
    pub(super) name: &'static str,
    reader: Reader,
    /// What the filesystem's own tool calls free in an image.
    tool: fn(&Path) -> Vec<Range<u64>>,
    /// Bytes that are damaged at once, at most.
    most: u64,
    path: PathBuf,
    pub(super) bytes: Vec<u8>,
    free: Vec<Range<u64>>,
    /// What the reader reads: all that can deceive it.
    pub(super) metadata: Vec<Range<usize>>,
}

impl Sound {
    fn new(name: &'static str, reader: Reader, tool: fn(&Path) -> Vec<Range<u64>>, most: u64, image: &Path) -> Self {
        let path = image.with_file_name(name);
        std::fs::rename(image, &path).unwrap();
        let bytes = std::fs::read(&path).unwrap();
        let mut metadata = Vec::new();
        let mut read = |offset: u64, len: usize| {
            let start = usize::try_from(offset).unwrap();
            metadata.push(start..start + len);
            Ok(bytes[start..start + len].to_vec())
        };
        let found = reader(&mut Metadata::new(&mut read, bytes.len() as u64)).unwrap();
        let free = tool(&path);
        assert_eq!((found.doubtful, &found.free), (0, &free), "{name}");
        Self { name, reader, tool, most, path, bytes, free, metadata }
    }

    /// What the reader finds with some bytes changed.
    fn read(&self, damage: &[(usize, u8)]) -> Result<Found, MetadataError> {
        let mut read = |offset: u64, len: usize| {
            let start = usize::try_from(offset).unwrap();
            let mut bytes = self.bytes[start..start + len].to_vec();
            for (at, flipped) in damage {
                if let Some(byte) = at.checked_sub(start).and_then(|at| bytes.get_mut(at)) {
                    *byte ^= flipped;
                }
            }
            Ok(bytes)
        };
        (self.reader)(&mut Metadata::new(&mut read, self.bytes.len() as u64))
    }

    /// Whether the damage leaves the number of bits in its byte, and the tool then calls all of `free` free.
    fn is_undetectable(&self, damage: &[(usize, u8)], free: &[Range<u64>]) -> bool {
        let [(at, flipped)] = damage else { return false };
        if !self.name.starts_with("ext") {
            // Free space is kept twice.
            return false;
        }
        let byte = self.bytes[*at];
        let mut damaged = self.bytes.clone();
        damaged[*at] ^= flipped;
        let path = self.path.with_file_name("damaged");
        std::fs::write(&path, damaged).unwrap();
        byte.count_ones() == (byte ^ flipped).count_ones() && contains(&(self.tool)(&path), free)
    }
}

/// Whether `all`, which is merged, contains every range of `some`.
fn contains(all: &[Range<u64>], some: &[Range<u64>]) -> bool {
    some.iter().all(|range| {
        let next = all.partition_point(|other| other.end < range.end);
        all.get(next).is_some_and(|other| other.start <= range.start)
    })
}

/// Numbers from a seed, by `splitmix64`.
struct Dice(u64);

impl Dice {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        (mixed ^ (mixed >> 31)) % bound
    }

    /// A place in a structure; seldom one that is zero, for most of a structure is.
    fn place(&mut self, sound: &Sound) -> usize {
        loop {
            let structure = &sound.metadata[usize::try_from(self.below(sound.metadata.len() as u64)).unwrap()];
            let at = structure.start + usize::try_from(self.below(structure.len() as u64)).unwrap();
            if sound.bytes[at] != 0 || self.below(16) == 0 {
                return at;
            }
        }
    }

    /// Some bytes, and which of their bits are flipped; every second time one alone, which is the least to be seen.
    fn damage(&mut self, sound: &Sound) -> Vec<(usize, u8)> {
        let count = 1 + self.below(sound.most);
        let mut one = |_| {
            let at = self.place(sound);
            let bits = if self.below(2) == 0 { 1 << self.below(8) } else { 1 + self.below(255) };
            (at, u8::try_from(bits).unwrap())
        };
        let mut damage: Vec<_> = (0..count).map(&mut one).collect();
        damage.sort_unstable();
        damage.dedup_by_key(|(at, _)| *at);
        damage
    }
}

/// The filesystems that are damaged, each with something in it.
pub(super) fn sound_images(workshop: &Workshop) -> Vec<Sound> {
    let ext = |name, most, options: &[&str]| {
        let image = workshop.ext(&[options, &["-b", "1024"]].concat(), "24M");
        Sound::new(name, ext::read, free_by_dumpe2fs, most, &image)
    };
    let scattered = |name, most, options: &[&str]| {
        let image = workshop.xfs(options, 32);
        let free = images::read(&image, xfs::read).unwrap().free;
        let large = free.iter().max_by_key(|range| (range.start < 8 << 20, range.end - range.start)).unwrap().clone();
        let mut bytes = std::fs::read(&image).unwrap();
        xfs::fixtures::scatter(&mut bytes, &large, 60);
        std::fs::write(&image, bytes).unwrap();
        Sound::new(name, xfs::read, free_by_xfs_db, most, &image)
    };
    vec![
        ext("ext2", 1, &["-t", "ext2"]),
        ext("ext4-without-sums", 1, &["-t", "ext4", "-O", "^metadata_csum,^uninit_bg"]),
        ext("ext4-of-crc16", 1, &["-t", "ext4", "-O", "^metadata_csum,uninit_bg"]),
        ext("ext4", 16, &["-t", "ext4"]),
        scattered("xfs-4", 1, &["-m", "crc=0", "-b", "size=512"]),
        scattered("xfs-5", 16, &["-b", "size=1024"]),
    ]
}

#[test]
fn of_ten_thousand_damaged_filesystems_none_has_a_used_block_called_free() {
    let workshop = Workshop::new();
    let sounds = sound_images(&workshop);
    let mut dice = Dice(20_261_124);
    let (mut refused, mut partly, mut believed) = (0, 0, 0);
    for index in 0..IMAGES {
        let sound = &sounds[usize::try_from(index).unwrap() % sounds.len()];
        let damage = dice.damage(sound);
        match sound.read(&damage) {
            Err(_) => refused += 1,
            Ok(found) => {
                partly += u64::from(found.doubtful > 0);
                if !contains(&sound.free, &found.free) {
                    assert!(sound.is_undetectable(&damage, &found.free), "image {index}, {}: {damage:?}", sound.name);
                    believed += 1;
                }
            }
        }
    }
    // The damage is worth something, and no more than it may be is believed.
    assert!(refused > IMAGES / 20 && partly > IMAGES / 4 && believed < IMAGES / 100, "{refused} {partly} {believed}");
    println!("{refused} refused, {partly} in part, {believed} believed as by their own tool");
}
