//! The partition table of a disk: where partitions lie and what the table calls itself.
//!
//! Reads through a closure, so that the parsers in `mbr` and `gpt` see bytes alone. Never writes, never guesses: a table
//! that does not hold together is an error, and the caller then calls nothing on the disk free.

use crate::device::{DeviceError, LeafDisk, io_error};
use std::fs::File;
use std::io::{Seek as _, SeekFrom};
use std::ops::Range;
use std::os::unix::fs::FileExt as _;
use std::path::Path;

use super::{gpt, mbr};

/// A partition table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Layout {
    /// As `lsblk -o PTUUID` writes it: eight hex digits for an MBR, a GUID for a GPT; empty without a table.
    pub table_id: String,
    /// The partitions, in bytes from the start of the disk, without extended ones, which only hold others.
    pub partitions: Vec<Range<u64>>,
}

/// Why a partition table cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LayoutError {
    /// The disk did not answer.
    #[error("cannot read the partition table")]
    Read(#[from] DeviceError),
    /// The table breaks a rule of its format.
    #[error("{table} at byte {offset}: {what} is {found}, expected {expected}")]
    Malformed {
        /// Which structure.
        table: &'static str,
        /// Where it is.
        offset: u64,
        /// Which field.
        what: &'static str,
        /// Its value.
        found: u64,
        /// What it may be.
        expected: &'static str,
    },
}

/// A disk as the parsers see it.
pub(super) struct Source<'a> {
    pub(super) read: &'a mut dyn FnMut(u64, usize) -> Result<Vec<u8>, DeviceError>,
    pub(super) size: u64,
    pub(super) block: u64,
}

impl Source<'_> {
    pub(super) fn read(&mut self, offset: u64, len: usize) -> Result<Vec<u8>, DeviceError> {
        (self.read)(offset, len)
    }

    /// Bytes of a run of sectors, if it lies on the disk and is not empty.
    pub(super) fn bytes(&self, first: u64, count: u64) -> Option<Range<u64>> {
        let start = first.checked_mul(self.block)?;
        let end = start.checked_add(count.checked_mul(self.block)?)?;
        (start < end && end <= self.size).then_some(start..end)
    }
}

/// Little-endian number of up to eight bytes at a place that the caller has checked.
pub(super) fn number(bytes: &[u8], at: usize, len: usize) -> u64 {
    bytes[at..at + len].iter().rev().fold(0, |value, byte| (value << 8) | u64::from(*byte))
}

pub(super) fn parse(source: &mut Source<'_>) -> Result<Layout, LayoutError> {
    let first = source.read(0, mbr::SECTOR)?;
    let Some(table) = mbr::Table::parse(&first) else {
        return Ok(Layout { table_id: String::new(), partitions: Vec::new() });
    };
    if table.is_protective() {
        return gpt::parse(source);
    }
    let partitions = table.partitions(source)?;
    Ok(Layout { table_id: format!("{:08x}", table.disk_id), partitions })
}

/// The partitions of a disk that is read by `read`, for the fuzz targets.
#[cfg(fuzzing)]
pub(crate) fn partitions_of(
    read: &mut dyn FnMut(u64, usize) -> Result<Vec<u8>, DeviceError>,
    size: u64,
    block: u64,
) -> Result<Vec<Range<u64>>, LayoutError> {
    Ok(parse(&mut Source { read, size, block })?.partitions)
}

/// Reads the partition table of a disk.
pub fn read(disk: &LeafDisk) -> Result<Layout, LayoutError> {
    let (size, block) = (disk.size_bytes(), u64::from(disk.identity().logical_block_bytes));
    // A bad sector reads as zeros here, and zeros are no table: everything then counts as used.
    let mut read = |offset: u64, len: usize| disk.read_run(offset, len).map(|(bytes, _bad)| bytes);
    parse(&mut Source { read: &mut read, size, block })
}

/// What the table on any device or file calls itself, whatever the size of its sectors; empty if there is none, or none that holds
/// together.
pub fn table_id_at(path: &Path) -> Result<String, DeviceError> {
    let mut file = File::open(path).map_err(io_error("open", path))?;
    let size = file.seek(SeekFrom::End(0)).map_err(io_error("ask the size of", path))?;
    for block in [512, 4096] {
        let mut read = |offset: u64, len: usize| {
            let mut bytes = vec![0; len];
            file.read_exact_at(&mut bytes, offset).map_err(io_error("read", path))?;
            Ok(bytes)
        };
        match parse(&mut Source { read: &mut read, size, block }) {
            Ok(layout) if !layout.table_id.is_empty() => return Ok(layout.table_id),
            Ok(_) | Err(LayoutError::Malformed { .. }) => {}
            Err(LayoutError::Read(error)) => return Err(error),
        }
    }
    Ok(String::new())
}

/// What the table calls itself; empty if there is none, or none that holds together.
pub(crate) fn table_id(disk: &LeafDisk) -> Result<String, DeviceError> {
    match read(disk) {
        Ok(layout) => Ok(layout.table_id),
        Err(LayoutError::Read(error)) => Err(error),
        Err(LayoutError::Malformed { .. }) => Ok(String::new()),
    }
}

#[cfg(test)]
pub(super) mod fixtures {
    //! Disks in memory.
    use super::*;

    pub(crate) fn parse_disk(disk: &[u8], block: u64) -> Result<Layout, LayoutError> {
        let mut read = |offset: u64, len: usize| {
            let start = usize::try_from(offset).unwrap();
            let size = disk.len() as u64;
            let bounds = DeviceError::Bounds { path: "memory".into(), offset, len: len as u64, size };
            disk.get(start..start + len).map(<[u8]>::to_vec).ok_or(bounds)
        };
        parse(&mut Source { read: &mut read, size: disk.len() as u64, block })
    }

    /// Writes one MBR entry of the table at `table`.
    pub(crate) fn entry(disk: &mut [u8], table: usize, index: usize, kind: u8, start: u32, count: u32) {
        let at = table + 446 + index * 16;
        disk[at + 4] = kind;
        disk[at + 8..at + 12].copy_from_slice(&start.to_le_bytes());
        disk[at + 12..at + 16].copy_from_slice(&count.to_le_bytes());
        disk[table + 510..table + 512].copy_from_slice(&[0x55, 0xAA]);
    }
}
