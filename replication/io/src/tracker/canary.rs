//! A small file, written and flushed, whose sectors must then be seen as changed: proves that events, devices and
//! sectors are what we take them for on this kernel.
//!
//! Only where the way from file to disk is plain: a filesystem right on a partition or disk. Not on LVM, LUKS or md, though
//! the free map follows those: it asks where a byte would lie, and a canary where one was written before the flush returned.
//! A member of a mirror that failed, is being filled or may be written behind has a place for the byte and not the write,
//! and each such canary would be a doubt and a rescan. Nor on btrfs, whose extents are in addresses of its own. There the
//! counter and the audit of every disk are what stands against events that do not come; the source says so once. Never under
//! a freeze, where its write would wait forever.

use super::TrackerError;
use crate::device::{self, DeviceNumber, io_error};
use std::fs::File;
use std::io::{Read as _, Write as _};
use std::ops::Range;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

/// One block of any filesystem in scope.
const CANARY_BYTES: usize = 4096;
/// Extents whose place is not known, not fixed, or not the file's alone: unknown, delayed, encoded, encrypted, unaligned,
/// inline, packed in a tail, unwritten.
const NOT_PLAIN: u32 = 0x2 | 0x4 | 0x8 | 0x80 | 0x100 | 0x200 | 0x400 | 0x800;

/// Where a canary went: the disk, and the bytes of it that were written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Landing {
    pub(crate) disk: DeviceNumber,
    pub(crate) bytes: Range<u64>,
}

/// Removes the file whatever happens.
struct Remove(PathBuf);

impl Drop for Remove {
    fn drop(&mut self) {
        // A file of 4 KiB that could not be removed does no harm; the name says whose it is.
        let _ = std::fs::remove_file(&self.0);
    }
}

/// Writes a canary in `dir`. `None` if its filesystem does not lie right on a partition or disk.
pub(crate) fn fly(dir: &Path) -> Result<Option<Vec<Landing>>, TrackerError> {
    let metadata = std::fs::metadata(dir).map_err(io_error("look at", dir))?;
    let Some(place) = device::place(DeviceNumber::from_dev(metadata.dev()))? else { return Ok(None) };
    let path = dir.join(format!(".qianyun-canary-{}", std::process::id()));
    // What a process that was killed here, and had our number, left behind.
    drop(Remove(path.clone()));
    let mut file = File::options().write(true).create_new(true).open(&path).map_err(io_error("create", &path))?;
    let _remove = Remove(path.clone());
    let mut song = [0; CANARY_BYTES];
    let random = Path::new("/dev/urandom");
    File::open(random).and_then(|mut source| source.read_exact(&mut song)).map_err(io_error("read", random))?;
    file.write_all(&song).and_then(|()| file.sync_all()).map_err(io_error("write", &path))?;
    let extents = crate::sys::ioctl::file_extents(&file).map_err(|error| io_error("map", &path)(error.into()))?;
    if extents.is_empty() || extents.iter().any(|extent| extent.flags & NOT_PLAIN != 0) {
        return Ok(None);
    }
    let landing = |extent: &crate::sys::ioctl::FiemapExtent| {
        let start = place.start_bytes.checked_add(extent.physical)?;
        let len = extent.length.min(CANARY_BYTES as u64 - extent.logical.min(CANARY_BYTES as u64));
        Some(Landing { disk: place.disk, bytes: start..start.checked_add(len)? })
    };
    Ok(extents.iter().map(landing).collect())
}
