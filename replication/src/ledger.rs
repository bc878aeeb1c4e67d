//! What the receiver must remember across its own death: the session, the last link's epoch, and whose volumes it has.
//!
//! ```text
//! magic "QYLEDGER" | version u32 | generation u64 | session u64 | epoch u32 | volumes u32 |
//!   { name, serial, table_id, wwn: u32 length and bytes; size u64; logical block u32 } ... | BLAKE3 of all before
//! ```
//!
//! Nothing about content is remembered: which chunks were written is what the medium does not show as holes, and every
//! hash is read back again, so that a crash between a write and its note can never be believed. The source needs no
//! ledger on a disk: after a boot its tracker is lost, and the answer to that is a rescan by hash against this end; what it
//! keeps beyond its own death is a checkpoint in memory.
//! The I/O crate keeps two slots and writes the older one, so that a torn write costs one generation. Never here: files.

use crate::identity::{DeviceIdentity, MAX_IDENTITY_TEXT};

const MAGIC: &[u8; 8] = b"QYLEDGER";
/// Version of the format. 1: the first.
pub const LEDGER_VERSION: u32 = 1;
const HASH_BYTES: usize = 32;
/// The most volumes: more disks than any server in scope has.
pub const MAX_VOLUMES: usize = 256;

/// See the module's description.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ledger {
    /// Grows with every writing; the slot with the higher one counts.
    pub generation: u64,
    /// Replication session.
    pub session: u64,
    /// Number of the last link.
    pub epoch: u32,
    /// Volumes by name, and the disks they were made for.
    pub volumes: Vec<(String, DeviceIdentity)>,
}

/// Why bytes are not a ledger.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum LedgerError {
    /// Cut off, torn or damaged.
    #[error("the slot is cut off or damaged: its checksum does not match")]
    Damaged,
    /// Something else.
    #[error("the slot does not begin like a ledger")]
    Magic,
    /// Written by another release.
    #[error(
        "ledger version {found}, expected {LEDGER_VERSION}: run the release that wrote it, or a newer one that reads both"
    )]
    Version {
        /// What it says.
        found: u32,
    },
    /// The checksum matches, the content makes no sense.
    #[error("the ledger's {what} is out of bounds")]
    Content {
        /// Which field.
        what: &'static str,
    },
}

impl Ledger {
    /// The bytes of a slot.
    pub fn encode(&self) -> Vec<u8> {
        let Self { generation, session, epoch, volumes } = self;
        let mut out = MAGIC.to_vec();
        out.extend_from_slice(&LEDGER_VERSION.to_le_bytes());
        out.extend_from_slice(&generation.to_le_bytes());
        out.extend_from_slice(&session.to_le_bytes());
        out.extend_from_slice(&epoch.to_le_bytes());
        out.extend_from_slice(&length(volumes.len()).to_le_bytes());
        for (name, identity) in volumes {
            let DeviceIdentity { logical_block_bytes, serial, size_bytes, table_id, wwn } = identity;
            for text in [name, serial, table_id, wwn] {
                out.extend_from_slice(&length(text.len()).to_le_bytes());
                out.extend_from_slice(text.as_bytes());
            }
            out.extend_from_slice(&size_bytes.to_le_bytes());
            out.extend_from_slice(&logical_block_bytes.to_le_bytes());
        }
        let checksum = blake3::hash(&out);
        out.extend_from_slice(checksum.as_bytes());
        out
    }

    /// Reads a slot. Bytes after the checksum are not allowed.
    pub fn decode(bytes: &[u8]) -> Result<Self, LedgerError> {
        let split = bytes.len().checked_sub(HASH_BYTES).ok_or(LedgerError::Damaged)?;
        let (content, checksum) = bytes.split_at(split);
        // A fuzzer does not find checksums.
        if blake3::hash(content).as_bytes() != checksum && !cfg!(fuzzing) {
            return Err(LedgerError::Damaged);
        }
        let mut from = Reader { left: content };
        if from.take("magic", MAGIC.len())? != MAGIC {
            return Err(LedgerError::Magic);
        }
        let version = from.u32("version")?;
        if version != LEDGER_VERSION {
            return Err(LedgerError::Version { found: version });
        }
        let (generation, session, epoch) = (from.u64("generation")?, from.u64("session")?, from.u32("epoch")?);
        let volumes = read_volumes(&mut from)?;
        if !from.left.is_empty() {
            return Err(LedgerError::Content { what: "length" });
        }
        Ok(Self { generation, session, epoch, volumes })
    }

    /// The newer of two slots. A slot that is damaged is passed over while the other can be read: it was being written when the
    /// power went. `None` if neither was ever written whole: the second is the first that is written, and before its end nobody
    /// was told anything.
    pub fn newest(slots: [Option<&[u8]>; 2]) -> Result<Option<Self>, LedgerError> {
        let mut newest: Option<Self> = None;
        let mut trouble = None;
        for slot in slots.into_iter().flatten() {
            match Self::decode(slot) {
                Ok(ledger) if newest.as_ref().is_none_or(|n| n.generation < ledger.generation) => newest = Some(ledger),
                Ok(_) => {}
                Err(LedgerError::Damaged) => trouble = trouble.or(Some(LedgerError::Damaged)),
                Err(e @ (LedgerError::Magic | LedgerError::Version { .. } | LedgerError::Content { .. })) => {
                    return Err(e);
                }
            }
        }
        match (newest, trouble) {
            (None, Some(e)) if slots[0].is_some() => Err(e),
            (newest, _) => Ok(newest),
        }
    }
}

fn read_volumes(from: &mut Reader<'_>) -> Result<Vec<(String, DeviceIdentity)>, LedgerError> {
    let count = usize::try_from(from.u32("number of volumes")?).unwrap_or(usize::MAX);
    if count > MAX_VOLUMES {
        return Err(LedgerError::Content { what: "number of volumes" });
    }
    let mut volumes = Vec::new();
    for _ in 0..count {
        let name = from.text("volume name")?;
        let (serial, table_id, wwn) = (from.text("serial")?, from.text("table id")?, from.text("wwn")?);
        let (size_bytes, logical_block_bytes) = (from.u64("size")?, from.u32("sector size")?);
        volumes.push((name, DeviceIdentity { logical_block_bytes, serial, size_bytes, table_id, wwn }));
    }
    Ok(volumes)
}

fn length(len: usize) -> u32 {
    u32::try_from(len).expect("names and counts are far below 2^32")
}

struct Reader<'b> {
    left: &'b [u8],
}

impl<'b> Reader<'b> {
    fn take(&mut self, what: &'static str, len: usize) -> Result<&'b [u8], LedgerError> {
        let (head, tail) = self.left.split_at_checked(len).ok_or(LedgerError::Content { what })?;
        self.left = tail;
        Ok(head)
    }

    fn u32(&mut self, what: &'static str) -> Result<u32, LedgerError> {
        Ok(u32::from_le_bytes(self.take(what, 4)?.try_into().map_err(|_| LedgerError::Content { what })?))
    }

    fn u64(&mut self, what: &'static str) -> Result<u64, LedgerError> {
        Ok(u64::from_le_bytes(self.take(what, 8)?.try_into().map_err(|_| LedgerError::Content { what })?))
    }

    fn text(&mut self, what: &'static str) -> Result<String, LedgerError> {
        let len = usize::try_from(self.u32(what)?).unwrap_or(usize::MAX);
        if len > MAX_IDENTITY_TEXT {
            return Err(LedgerError::Content { what });
        }
        String::from_utf8(self.take(what, len)?.to_vec()).map_err(|_| LedgerError::Content { what })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn ledger(generation: u64) -> Ledger {
        let identity = DeviceIdentity {
            logical_block_bytes: 512,
            serial: "S1".to_owned(),
            size_bytes: 1 << 30,
            table_id: "t".to_owned(),
            wwn: String::new(),
        };
        Ledger { generation, session: 7, epoch: 3, volumes: vec![("disk-0".to_owned(), identity)] }
    }

    /// `content` with a checksum that matches.
    fn sealed(content: &[u8]) -> Vec<u8> {
        [content, blake3::hash(content).as_bytes()].concat()
    }

    #[test]
    fn it_comes_back_as_it_was() {
        assert_eq!(Ledger::decode(&ledger(1).encode()), Ok(ledger(1)));
    }

    #[test]
    fn the_bytes_of_a_known_ledger_never_change() {
        let golden = "51594c454447455201000000010000000000000007000000000000000300000000000000";
        let bytes = Ledger { volumes: vec![], ..ledger(1) }.encode();
        assert_eq!(hex::encode(&bytes[..bytes.len() - HASH_BYTES]), golden);
    }

    #[test]
    fn a_torn_slot_costs_one_generation_and_not_the_ledger() {
        let (old, new) = (ledger(1).encode(), ledger(2).encode());
        assert_eq!(Ledger::newest([Some(&old), Some(&new)]), Ok(Some(ledger(2))));
        for torn in 0..new.len() {
            assert_eq!(Ledger::newest([Some(&new[..torn]), Some(&old)]), Ok(Some(ledger(1))), "{torn}");
        }
        assert_eq!(Ledger::newest([None, None]), Ok(None));
        assert_eq!(Ledger::newest([Some(&new[..5]), None]), Err(LedgerError::Damaged));
        assert_eq!(Ledger::newest([None, Some(&new[..5])]), Ok(None), "the very first writing was cut off");
        assert_eq!(Ledger::newest([Some(&[]), Some(&[])]), Err(LedgerError::Damaged));
    }

    #[test]
    fn a_ledger_of_another_release_is_refused_even_beside_a_readable_one() {
        let mut content = ledger(9).encode();
        content.truncate(content.len() - HASH_BYTES);
        content[8] = 2;
        let newer = sealed(&content);
        assert_eq!(Ledger::decode(&newer), Err(LedgerError::Version { found: 2 }));
        let old = ledger(1).encode();
        assert_eq!(Ledger::newest([Some(&old), Some(&newer)]), Err(LedgerError::Version { found: 2 }));
        assert_eq!(Ledger::decode(&sealed(b"something else entirely")), Err(LedgerError::Magic));
    }

    proptest! {
        #[test]
        fn any_changed_byte_is_noticed(at: prop::sample::Index, change in 1..=255u8) {
            let mut bytes = ledger(1).encode();
            let at = at.index(bytes.len());
            bytes[at] ^= change;
            prop_assert_eq!(Ledger::decode(&bytes), Err(LedgerError::Damaged));
        }

        #[test]
        fn decoding_never_panics(tail in prop::collection::vec(any::<u8>(), 0..200)) {
            let mut content = ledger(1).encode();
            content.truncate(36);
            content.extend(tail);
            if let Ok(read) = Ledger::decode(&sealed(&content)) {
                prop_assert_eq!(Ledger::decode(&read.encode()), Ok(read));
            }
        }
    }
}
