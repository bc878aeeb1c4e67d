//! What the readers of filesystems share: bounded reads of their structures, the rules those have to keep, and the list of
//! what is free. Pure but for the reads; never judges a filesystem.

use crate::device::DeviceError;
use std::ops::{Range, RangeInclusive};

/// 64 MiB of memory. Only a filesystem that is free in more than four million pieces has more, and loses the last of them.
const MAX_RANGES: usize = 1 << 22;

/// Why a filesystem, or a part of it, cannot be relied on.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum MetadataError {
    /// The disk did not answer.
    #[error("cannot read {what}")]
    Read {
        /// Which structure.
        what: &'static str,
        /// Why not.
        #[source]
        source: DeviceError,
    },
    /// A value is not the one that another place asks for.
    #[error("{what} at byte {offset} is {found}, expected {expected}")]
    Differs {
        /// Which value.
        what: &'static str,
        /// Where its structure lies, from the start of the filesystem.
        offset: u64,
        /// The value.
        found: u64,
        /// What it should be.
        expected: u64,
    },
    /// A value is outside of what its format allows here.
    #[error("{what} at byte {offset} is {found}, expected {first} to {last}")]
    Outside {
        /// Which value.
        what: &'static str,
        /// Where its structure lies, from the start of the filesystem.
        offset: u64,
        /// The value.
        found: u64,
        /// The least that it may be.
        first: u64,
        /// The most that it may be.
        last: u64,
    },
    /// The filesystem has features that are not known here, or that are not read.
    #[error("{what} {bits:#x} of the filesystem are not known here")]
    Feature {
        /// Which set.
        what: &'static str,
        /// Those of the set that are not known.
        bits: u64,
    },
}

/// Makes sure that a value is the one that another place asks for.
pub(super) fn ensure_equal(what: &'static str, offset: u64, found: u64, expected: u64) -> Result<(), MetadataError> {
    if found == expected { Ok(()) } else { Err(MetadataError::Differs { what, offset, found, expected }) }
}

/// As [`ensure_equal`] for a checksum. Not checked under a fuzzer, so that what it protects is reached.
pub(super) fn ensure_sum(what: &'static str, offset: u64, found: u32, expected: u32) -> Result<(), MetadataError> {
    if cfg!(fuzzing) { Ok(()) } else { ensure_equal(what, offset, found.into(), expected.into()) }
}

/// Makes sure that a value is one of those that its format allows.
pub(super) fn ensure_within(
    what: &'static str,
    offset: u64,
    found: u64,
    allowed: RangeInclusive<u64>,
) -> Result<(), MetadataError> {
    let (first, last) = allowed.into_inner();
    let within = first <= found && found <= last;
    if within { Ok(()) } else { Err(MetadataError::Outside { what, offset, found, first, last }) }
}

/// Makes sure that no feature but the known ones is there.
pub(super) fn ensure_known(what: &'static str, found: u64, known: u64) -> Result<(), MetadataError> {
    if found & !known == 0 { Ok(()) } else { Err(MetadataError::Feature { what, bits: found & !known }) }
}

/// Big-endian number of up to eight bytes at a place that the caller has checked.
pub(super) fn big(bytes: &[u8], at: usize, len: usize) -> u64 {
    bytes[at..at + len].iter().fold(0, |value, byte| (value << 8) | u64::from(*byte))
}

/// Four little-endian bytes at a place that the caller has checked: sums are so on every disk.
pub(super) fn word(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]])
}

/// A filesystem as its reader sees it.
pub(super) struct Metadata<'a> {
    read: &'a mut dyn FnMut(u64, usize) -> Result<Vec<u8>, DeviceError>,
    size: u64,
}

impl<'a> Metadata<'a> {
    /// One of `size` bytes, of which `read` gives any run.
    pub(super) fn new(read: &'a mut dyn FnMut(u64, usize) -> Result<Vec<u8>, DeviceError>, size: u64) -> Self {
        Self { read, size }
    }

    /// Bytes that the filesystem has at most.
    pub(super) fn size(&self) -> u64 {
        self.size
    }

    /// Exactly `len` bytes at `offset`, or an error.
    pub(super) fn read(&mut self, what: &'static str, offset: u64, len: usize) -> Result<Vec<u8>, MetadataError> {
        let wanted = len as u64;
        ensure_within(what, offset, offset.saturating_add(wanted), wanted..=self.size)?;
        let bytes = (self.read)(offset, len).map_err(|source| MetadataError::Read { what, source })?;
        ensure_equal(what, offset, bytes.len() as u64, wanted)?;
        Ok(bytes)
    }
}

/// What a reader has found of a filesystem.
#[derive(Debug, Default)]
pub(super) struct Found {
    /// Bytes from its start, in order, merged.
    pub(super) free: Vec<Range<u64>>,
    /// Parts that do not hold together; all of each counts as used.
    pub(super) doubtful: u64,
    /// Why the first of them does not.
    pub(super) first_doubt: Option<MetadataError>,
}

impl Found {
    /// Adds a free range behind all others.
    pub(super) fn push(&mut self, range: Range<u64>) {
        let is_full = self.free.len() >= MAX_RANGES;
        match self.free.last_mut() {
            _ if range.is_empty() => {}
            Some(last) if last.end == range.start => last.end = range.end,
            _ if is_full => {}
            _ => self.free.push(range),
        }
    }

    /// Adds a part that does not hold together.
    pub(super) fn doubt(&mut self, reason: MetadataError) {
        self.doubtful += 1;
        self.first_doubt.get_or_insert(reason);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_whole_reads_within_the_filesystem_are_answered() {
        let mut read = |_, len: usize| Ok(vec![0; len.min(100)]);
        let mut metadata = Metadata::new(&mut read, 1000);
        assert_eq!(metadata.read("a block", 900, 100).unwrap().len(), 100);
        let outside = metadata.read("a block", 901, 100).unwrap_err().to_string();
        assert_eq!(outside, "a block at byte 901 is 1001, expected 100 to 1000");
        assert!(metadata.read("a block", u64::MAX, 100).is_err());
        assert!(matches!(metadata.read("a block", 0, 200), Err(MetadataError::Differs { found: 100, .. })));
    }

    #[test]
    fn neighbours_become_one_range_and_the_first_doubt_is_kept() {
        let mut found = Found::default();
        [0..10, 10..20, 30..30, 40..50].into_iter().for_each(|range| found.push(range));
        assert_eq!(found.free, [0..20, 40..50]);
        found.doubt(ensure_known("features", 6, 2).unwrap_err());
        found.doubt(ensure_equal("x", 0, 1, 2).unwrap_err());
        assert_eq!(found.first_doubt.unwrap().to_string(), "features 0x4 of the filesystem are not known here");
        assert_eq!(found.doubtful, 2);
    }
}
