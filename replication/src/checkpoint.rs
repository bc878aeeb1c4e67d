//! What the sender knew at one moment, as bytes: with what the tracker saw since, a new process of the source goes on.
//!
//! ```text
//! magic "QYCHECKP" | version u32 | subject 32 | generation 16 | batch u64 | highest epoch u32 | disks u32 |
//!   { device u32, size u64, opening u8, best rate u64, doubt u32 length and bytes, domain, owed, first, unverified, hashed: sets;
//!     32 bytes for each chunk that is hashed } ... | BLAKE3 of all before
//! ```
//!
//! It is worth something only together with the tracker that saw every change after it, and dies with the boot as that does.
//! Whatever is doubtful about it is answered by comparing everything by hash. Never here: files, and when to write one.

use crate::block_set::{BlockSet, take};
use crate::digest::ChunkHash;
use crate::geometry::{DeviceId, DeviceSize};
use crate::ledger::MAX_VOLUMES;
use std::collections::BTreeMap;

const MAGIC: &[u8; 8] = b"QYCHECKP";
/// Version of the format. 1: the first.
pub const CHECKPOINT_VERSION: u32 = 1;
const HASH_BYTES: usize = 32;
/// The longest doubt that is kept: a few sentences.
const MAX_DOUBT: usize = 1024;
/// All fields of fixed length, generously.
const FIXED_BYTES: u64 = 256;

/// How far the tracker had been read, and by whom.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ReadUpTo {
    /// What is copied to whom: a digest by the caller.
    pub subject: [u8; 32],
    /// Names the tracker from its arming to its end.
    pub generation: [u8; 16],
    /// Every change up to this batch was told to the engine.
    pub batch: u64,
}

/// Where a disk stood towards the receiver.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeptOpening {
    /// What the volume holds was not known.
    Never,
    /// It was open, on the link of the highest epoch or one before.
    Opened,
    /// The receiver had lost its ledger.
    Forgotten,
}

/// One disk.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DiskCheckpoint {
    /// Which.
    pub device: DeviceId,
    /// Its size.
    pub size: DeviceSize,
    /// Towards the receiver.
    pub opening: KeptOpening,
    /// The best rate seen, bytes per second: a process that goes on has little to send, and cannot see it again.
    pub best_send_rate: u64,
    /// Why it was being compared; empty if there was no doubt.
    pub doubt: String,
    /// Blocks that count.
    pub domain: BlockSet,
    /// Blocks that must be sent: also those that were on their way.
    pub owed: BlockSet,
    /// Chunks that were never copied.
    pub first: BlockSet,
    /// Chunks that must be compared: also those that were being compared.
    pub unverified: BlockSet,
    /// Chunks whose hash was known, of what is durable at the target.
    pub hashes: BTreeMap<u64, ChunkHash>,
}

/// See the module's description.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checkpoint {
    /// How far the tracker had been read.
    pub read: ReadUpTo,
    /// The highest epoch that a receiver gave.
    pub highest_epoch: u32,
    /// The disks, in the order of their numbers.
    pub disks: Vec<DiskCheckpoint>,
}

/// Why bytes are not a checkpoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CheckpointError {
    /// Cut off, torn or damaged.
    #[error("the checkpoint is cut off or damaged: its checksum does not match")]
    Damaged,
    /// Something else.
    #[error("the file does not begin like a checkpoint")]
    Magic,
    /// Written by another release.
    #[error("checkpoint version {found}, expected {CHECKPOINT_VERSION}")]
    Version {
        /// What it says.
        found: u32,
    },
    /// The checksum matches, the content makes no sense.
    #[error("the checkpoint's {what} is out of bounds")]
    Content {
        /// Which field.
        what: &'static str,
    },
}

impl Checkpoint {
    /// The most bytes of a checkpoint of disks of these sizes.
    pub fn max_bytes(sizes: impl Iterator<Item = DeviceSize>) -> u64 {
        let of_disk = |size: DeviceSize| {
            let (blocks, chunks) =
                (BlockSet::max_encoded_bytes(size.blocks()), BlockSet::max_encoded_bytes(size.chunks()));
            FIXED_BYTES + MAX_DOUBT as u64 + 2 * blocks + 3 * chunks + size.chunks() * HASH_BYTES as u64
        };
        FIXED_BYTES + sizes.map(of_disk).sum::<u64>()
    }

    /// The bytes of a file.
    pub fn encode(&self) -> Vec<u8> {
        let Self { read: ReadUpTo { subject, generation, batch }, highest_epoch, disks } = self;
        let mut out = MAGIC.to_vec();
        out.extend_from_slice(&CHECKPOINT_VERSION.to_le_bytes());
        out.extend_from_slice(subject);
        out.extend_from_slice(generation);
        out.extend_from_slice(&batch.to_le_bytes());
        out.extend_from_slice(&highest_epoch.to_le_bytes());
        out.extend_from_slice(&length(disks.len()).to_le_bytes());
        disks.iter().for_each(|disk| disk.encode(&mut out));
        let checksum = blake3::hash(&out);
        out.extend_from_slice(checksum.as_bytes());
        out
    }

    /// Reads a file. Bytes after the checksum are not allowed.
    pub fn decode(bytes: &[u8]) -> Result<Self, CheckpointError> {
        let split = bytes.len().checked_sub(HASH_BYTES).ok_or(CheckpointError::Damaged)?;
        let (mut content, checksum) = bytes.split_at(split);
        // A fuzzer does not find checksums.
        if blake3::hash(content).as_bytes() != checksum && !cfg!(fuzzing) {
            return Err(CheckpointError::Damaged);
        }
        let from = &mut content;
        if field(from, "magic").ok() != Some(*MAGIC) {
            return Err(CheckpointError::Magic);
        }
        let version = u32::from_le_bytes(field(from, "version")?);
        if version != CHECKPOINT_VERSION {
            return Err(CheckpointError::Version { found: version });
        }
        let (subject, generation) = (field(from, "subject")?, field(from, "generation")?);
        let batch = u64::from_le_bytes(field(from, "batch")?);
        let highest_epoch = u32::from_le_bytes(field(from, "epoch")?);
        let count = usize::try_from(u32::from_le_bytes(field(from, "number of disks")?)).unwrap_or(usize::MAX);
        if count > MAX_VOLUMES {
            return Err(CheckpointError::Content { what: "number of disks" });
        }
        let disks = (0..count).map(|_| DiskCheckpoint::decode(from)).collect::<Result<Vec<_>, _>>()?;
        if !from.is_empty() {
            return Err(CheckpointError::Content { what: "length" });
        }
        Ok(Self { read: ReadUpTo { subject, generation, batch }, highest_epoch, disks })
    }
}

impl DiskCheckpoint {
    fn encode(&self, out: &mut Vec<u8>) {
        let Self { device, size, opening, best_send_rate, doubt, domain, owed, first, unverified, hashes } = self;
        let opening = match opening {
            KeptOpening::Never => 0,
            KeptOpening::Opened => 1,
            KeptOpening::Forgotten => 2,
        };
        let doubt = &doubt[..doubt.floor_char_boundary(MAX_DOUBT)];
        out.extend_from_slice(&device.0.to_le_bytes());
        out.extend_from_slice(&size.bytes().to_le_bytes());
        out.push(opening);
        out.extend_from_slice(&best_send_rate.to_le_bytes());
        out.extend_from_slice(&length(doubt.len()).to_le_bytes());
        out.extend_from_slice(doubt.as_bytes());
        [domain, owed, first, unverified].into_iter().for_each(|set| set.encode(out));
        let hashed: BlockSet = hashes.keys().map(|chunk| *chunk..chunk + 1).collect();
        hashed.encode(out);
        hashes.values().for_each(|hash| out.extend_from_slice(&hash.0));
    }

    fn decode(from: &mut &[u8]) -> Result<Self, CheckpointError> {
        let device = DeviceId(u32::from_le_bytes(field(from, "device")?));
        let size = DeviceSize::from_bytes(u64::from_le_bytes(field(from, "size")?))
            .map_err(|_| CheckpointError::Content { what: "size" })?;
        let opening = match field(from, "opening")? {
            [0] => KeptOpening::Never,
            [1] => KeptOpening::Opened,
            [2] => KeptOpening::Forgotten,
            _unknown => return Err(CheckpointError::Content { what: "opening" }),
        };
        let best_send_rate = u64::from_le_bytes(field(from, "best rate")?);
        let doubt = text(from)?;
        let mut set = |what, end| BlockSet::decode(from, end).ok_or(CheckpointError::Content { what });
        let (domain, owed) = (set("domain", size.blocks())?, set("owed blocks", size.blocks())?);
        let (first, unverified) = (set("first copies", size.chunks())?, set("unverified chunks", size.chunks())?);
        let hashed = set("hashed chunks", size.chunks())?;
        let mut hashes = BTreeMap::new();
        for chunk in hashed.runs().flatten() {
            hashes.insert(chunk, ChunkHash(field(from, "hashes")?));
        }
        Ok(Self { device, size, opening, best_send_rate, doubt, domain, owed, first, unverified, hashes })
    }
}

fn text(from: &mut &[u8]) -> Result<String, CheckpointError> {
    let refuse = CheckpointError::Content { what: "doubt" };
    let len = usize::try_from(u32::from_le_bytes(field(from, "doubt")?)).unwrap_or(usize::MAX);
    if len > MAX_DOUBT {
        return Err(refuse);
    }
    let (head, tail) = from.split_at_checked(len).ok_or(refuse)?;
    *from = tail;
    String::from_utf8(head.to_vec()).map_err(|_| refuse)
}

fn field<const N: usize>(from: &mut &[u8], what: &'static str) -> Result<[u8; N], CheckpointError> {
    take(from).ok_or(CheckpointError::Content { what })
}

fn length(len: usize) -> u32 {
    u32::try_from(len).expect("texts and counts are far below 2^32")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::geometry::CHUNK_BYTES;
    use proptest::prelude::*;

    fn checkpoint() -> Checkpoint {
        let set = |range| BlockSet::from_iter([range]);
        let disk = DiskCheckpoint {
            device: DeviceId(3),
            size: DeviceSize::from_bytes(4 * CHUNK_BYTES + 512).unwrap(),
            opening: KeptOpening::Opened,
            best_send_rate: 9 << 20,
            doubt: "a ring was full".to_owned(),
            domain: set(0..600),
            owed: set(5..9),
            first: BlockSet::new(),
            unverified: set(2..3),
            hashes: BTreeMap::from([(1, ChunkHash([7; 32]))]),
        };
        let read = ReadUpTo { subject: [1; 32], generation: [2; 16], batch: 9 };
        Checkpoint { read, highest_epoch: 4, disks: vec![disk] }
    }

    #[test]
    fn it_comes_back_as_it_was_and_within_its_bound() {
        let bytes = checkpoint().encode();
        assert_eq!(Checkpoint::decode(&bytes), Ok(checkpoint()));
        assert!(bytes.len() as u64 <= Checkpoint::max_bytes(checkpoint().disks.iter().map(|disk| disk.size)));
    }

    #[test]
    fn another_release_and_another_file_are_told_apart_from_damage() {
        let sealed = |content: &[u8]| [content, blake3::hash(content).as_bytes()].concat();
        let mut content = checkpoint().encode();
        content.truncate(content.len() - HASH_BYTES);
        content[8] = 2;
        assert_eq!(Checkpoint::decode(&sealed(&content)), Err(CheckpointError::Version { found: 2 }));
        assert_eq!(Checkpoint::decode(&sealed(b"something else entirely")), Err(CheckpointError::Magic));
        assert_eq!(Checkpoint::decode(&content), Err(CheckpointError::Damaged));
    }

    #[test]
    fn a_doubt_that_is_too_long_is_cut_and_not_the_checkpoint() {
        let mut long = checkpoint();
        long.disks[0].doubt = "慢".repeat(MAX_DOUBT);
        let read = Checkpoint::decode(&long.encode()).unwrap();
        assert_eq!(read.disks[0].doubt.len(), MAX_DOUBT / 3 * 3);
    }

    proptest! {
        #[test]
        fn any_changed_byte_is_noticed(at: prop::sample::Index, change in 1..=255u8) {
            let mut bytes = checkpoint().encode();
            let at = at.index(bytes.len());
            bytes[at] ^= change;
            prop_assert_eq!(Checkpoint::decode(&bytes), Err(CheckpointError::Damaged));
        }
    }
}
