//! The raw volume that a disk is copied into: a file of exactly the disk's size, or a block device of at least that size.
//!
//! Writes go past the page cache where the filesystem allows it, and what is read back always comes from the medium.
//! One writer at a time, by a lock on the file. Never grows or shrinks a volume that has bytes.

use super::{DeviceError, io_error};
use rustix::fs::{Advice, FallocateFlags, FlockOperation, fadvise, fallocate, flock};
use rustix::io::Errno;
use std::fs::File;
use std::num::NonZeroU64;
use std::os::unix::fs::{FileExt as _, FileTypeExt as _, MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

/// Direct accesses are whole blocks of this size: enough for any disk below.
const DIRECT_BLOCK: u64 = 4096;

/// A volume, open for one writer.
#[derive(Debug)]
pub struct Volume {
    path: PathBuf,
    size: u64,
    /// For the last, short block of a disk whose size is not a multiple of 4 KiB, and everything where direct I/O is not had.
    buffered: File,
    direct: Option<File>,
}

/// The folder of a file, to make a name in it durable: that of a bare name is the one we are in, which [`Path::parent`] calls empty.
pub fn folder_of(path: &Path) -> &Path {
    path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

impl Volume {
    /// Makes a new volume of `size` zero bytes that takes no room yet. One that was begun and has no bytes is made; any other
    /// that is there is refused.
    pub fn create(path: &Path, size: u64) -> Result<Self, DeviceError> {
        // A name that leads elsewhere is not followed to where nothing is.
        let begun = std::fs::symlink_metadata(path).is_ok_and(|found| found.is_file());
        let file = File::options().read(true).write(true).create_new(!begun).open(path);
        let file = file.map_err(io_error("create", path))?;
        let found = file.metadata().map_err(io_error("look at", path))?.len();
        if found > 0 {
            return Err(DeviceError::Size { path: path.to_owned(), expected: 0, found });
        }
        file.set_len(size).map_err(io_error("set the size of", path))?;
        file.sync_all().map_err(io_error("flush", path))?;
        let dir = folder_of(path);
        File::open(dir).and_then(|dir| dir.sync_all()).map_err(io_error("flush", dir))?;
        Self::open(path, size)
    }

    /// Opens an existing volume; refuses another size than `size` (a block device may be larger, as cloud disks come in whole
    /// GiB: what lies behind `size` is not touched), a device that is mounted or part of another, and a second writer.
    pub fn open(path: &Path, size: u64) -> Result<Self, DeviceError> {
        let kind = std::fs::metadata(path).map_err(io_error("look at", path))?.file_type();
        // For a block device this asks the kernel that nobody else has it, a filesystem or an array; of a file it asks nothing.
        let exclusive = if kind.is_block_device() { libc::O_EXCL } else { 0 };
        let mut options = File::options();
        let buffered = match options.read(true).write(true).custom_flags(exclusive).open(path) {
            Ok(file) => file,
            Err(error) if Errno::from_io_error(&error) == Some(Errno::BUSY) => {
                return Err(DeviceError::InUse { path: path.to_owned() });
            }
            Err(error) => return Err(io_error("open", path)(error)),
        };
        let found = if kind.is_block_device() {
            crate::sys::ioctl::block_device_size(&buffered)
                .map_err(|error| io_error("ask the size of", path)(error.into()))?
        } else {
            buffered.metadata().map_err(io_error("look at", path))?.len()
        };
        if found < size || (found > size && !kind.is_block_device()) {
            return Err(DeviceError::Size { path: path.to_owned(), expected: size, found });
        }
        match flock(&buffered, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => {}
            Err(Errno::WOULDBLOCK) => return Err(DeviceError::InUse { path: path.to_owned() }),
            Err(error) => return Err(io_error("lock", path)(error.into())),
        }
        let direct = match File::options().read(true).write(true).custom_flags(libc::O_DIRECT).open(path) {
            Ok(file) => Some(file),
            Err(error) if Errno::from_io_error(&error) == Some(Errno::INVAL) => None,
            Err(error) => return Err(io_error("open for direct access", path)(error)),
        };
        Ok(Self { path: path.to_owned(), size, buffered, direct })
    }

    /// That it is still what lies at its path, whole. The open file alone would go on without a name, until it is closed.
    pub fn check_place(&self) -> Result<(), DeviceError> {
        let ours = self.buffered.metadata().map_err(io_error("look at", &self.path))?;
        let is_ours = |there: &std::fs::Metadata| match ours.file_type().is_block_device() {
            true => there.file_type().is_block_device() && there.rdev() == ours.rdev(),
            false => (there.dev(), there.ino()) == (ours.dev(), ours.ino()) && there.len() == self.size,
        };
        match std::fs::metadata(&self.path) {
            Ok(there) if is_ours(&there) => Ok(()),
            _ => Err(DeviceError::Moved { path: self.path.clone() }),
        }
    }

    /// Size in bytes.
    pub fn size_bytes(&self) -> u64 {
        self.size
    }

    /// Whether accesses go past the page cache.
    pub fn is_direct(&self) -> bool {
        self.direct.is_some()
    }

    fn check(&self, offset: u64, len: u64) -> Result<(), DeviceError> {
        let end = offset.checked_add(len).filter(|end| *end <= self.size);
        let whole = |at: u64| at.is_multiple_of(DIRECT_BLOCK) || at == self.size;
        if end.is_some_and(whole) && whole(offset) {
            return Ok(());
        }
        Err(DeviceError::Bounds { path: self.path.clone(), offset, len, size: self.size })
    }

    /// How much of an access goes the direct way; the rest, less than a block, is the volume's short end.
    fn direct_part(&self, memory: &[u8]) -> usize {
        let block = usize::try_from(DIRECT_BLOCK).expect("4096 fits");
        let aligned = memory.as_ptr().addr().is_multiple_of(super::buffer::ALIGNMENT);
        if self.direct.is_some() && aligned { memory.len() / block * block } else { 0 }
    }

    /// Writes whole 4 KiB blocks, or up to the volume's end. Durable only after [`Self::sync`].
    pub fn write(&self, offset: u64, data: &[u8]) -> Result<(), DeviceError> {
        self.check(offset, data.len() as u64)?;
        let (head, tail) = data.split_at(self.direct_part(data));
        if let Some(direct) = self.direct.as_ref().filter(|_| !head.is_empty()) {
            direct.write_all_at(head, offset).map_err(io_error("write", &self.path))?;
        }
        self.buffered.write_all_at(tail, offset + head.len() as u64).map_err(io_error("write", &self.path))
    }

    /// Makes whole 4 KiB blocks zero, or up to the volume's end; gives their room back where that is possible.
    pub fn zero(&self, offset: u64, len: u64) -> Result<(), DeviceError> {
        self.check(offset, len)?;
        if len == 0 {
            return Ok(());
        }
        match fallocate(&self.buffered, FallocateFlags::PUNCH_HOLE | FallocateFlags::KEEP_SIZE, offset, len) {
            Ok(()) => Ok(()),
            Err(Errno::OPNOTSUPP | Errno::NODEV | Errno::NOSYS | Errno::INVAL) => self.write_zeros(offset, len),
            Err(error) => Err(io_error("zero", &self.path)(error.into())),
        }
    }

    fn write_zeros(&self, offset: u64, len: u64) -> Result<(), DeviceError> {
        /// One write: the engine's chunk.
        const PIECE: u64 = 1 << 20;
        let zeros = super::buffer::AlignedBuffer::new(usize::try_from(len.min(PIECE)).expect("a MiB fits"));
        let mut at = offset;
        while at < offset + len {
            let piece = (offset + len - at).min(PIECE);
            self.write(at, &zeros[..usize::try_from(piece).expect("a MiB fits")])?;
            at += piece;
        }
        Ok(())
    }

    /// Everything written before is on the medium when this returns.
    pub fn sync(&self) -> Result<(), DeviceError> {
        self.buffered.sync_data().map_err(io_error("flush", &self.path))
    }

    /// Reads from the medium what was written before the last [`Self::sync`].
    pub fn read_back(&self, offset: u64, buffer: &mut [u8]) -> Result<(), DeviceError> {
        self.check(offset, buffer.len() as u64)?;
        let part = self.direct_part(buffer);
        let (head, tail) = buffer.split_at_mut(part);
        if let Some(direct) = self.direct.as_ref().filter(|_| !head.is_empty()) {
            direct.read_exact_at(head, offset).map_err(io_error("read", &self.path))?;
        }
        let from = offset + head.len() as u64;
        if !tail.is_empty() {
            let end = from + tail.len() as u64;
            // Clean pages leave the cache, so that the read comes from the medium; a dirty one would stay, but there is
            // none after a sync. A page of which only a part is named would stay as well: the last one is named to its end.
            let len = NonZeroU64::new(end - from).filter(|_| end < self.size);
            fadvise(&self.buffered, from, len, Advice::DontNeed)
                .map_err(|error| io_error("drop the cache of", &self.path)(error.into()))?;
            self.buffered.read_exact_at(tail, from).map_err(io_error("read", &self.path))?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::super::buffer::AlignedBuffer;
    use super::*;

    /// Not a multiple of 4 KiB: one short block at the end, as disks of 512-byte sectors have it.
    const SIZE: u64 = 5 * DIRECT_BLOCK + 512;

    fn dir() -> tempfile::TempDir {
        tempfile::tempdir().unwrap()
    }

    #[test]
    fn a_new_volume_is_zero_has_its_size_and_takes_no_room() {
        use std::os::unix::fs::MetadataExt as _;
        let dir = dir();
        let volume = Volume::create(&dir.path().join("v"), SIZE).unwrap();
        let mut all = AlignedBuffer::new(usize::try_from(SIZE).unwrap());
        all.fill(1);
        volume.read_back(0, &mut all).unwrap();
        assert!(all.iter().all(|byte| *byte == 0));
        let metadata = std::fs::metadata(dir.path().join("v")).unwrap();
        assert_eq!((metadata.len(), metadata.blocks()), (SIZE, 0));
    }

    #[test]
    fn what_was_written_is_read_back_up_to_the_short_end() {
        let dir = dir();
        let volume = Volume::create(&dir.path().join("v"), SIZE).unwrap();
        let mut data = AlignedBuffer::new(2 * 4096 + 512);
        data.fill(7);
        volume.write(3 * DIRECT_BLOCK, &data).unwrap();
        volume.zero(4 * DIRECT_BLOCK, DIRECT_BLOCK).unwrap();
        volume.sync().unwrap();
        let mut back = AlignedBuffer::new(2 * 4096 + 512);
        volume.read_back(3 * DIRECT_BLOCK, &mut back).unwrap();
        data[4096..8192].fill(0);
        assert_eq!(back[..], data[..]);
        volume.zero(0, SIZE).unwrap();
        volume.sync().unwrap();
        volume.read_back(3 * DIRECT_BLOCK, &mut back).unwrap();
        assert!(back.iter().all(|byte| *byte == 0));
    }

    #[test]
    fn a_volume_that_was_moved_replaced_or_cut_is_not_at_its_place() {
        let dir = dir();
        let (path, other) = (dir.path().join("v"), dir.path().join("other"));
        let volume = Volume::create(&path, SIZE).unwrap();
        volume.check_place().unwrap();
        let is_moved = || matches!(volume.check_place(), Err(DeviceError::Moved { .. }));
        std::fs::rename(&path, &other).unwrap();
        assert!(is_moved());
        std::fs::write(&path, vec![0; usize::try_from(SIZE).unwrap()]).unwrap();
        assert!(is_moved());
        std::fs::rename(&other, &path).unwrap();
        volume.check_place().unwrap();
        File::options().write(true).open(&path).unwrap().set_len(SIZE - 512).unwrap();
        assert!(is_moved());
    }

    #[test]
    fn another_size_a_second_writer_and_a_stray_access_are_refused() {
        let dir = dir();
        let path = dir.path().join("v");
        let volume = Volume::create(&path, SIZE).unwrap();
        assert!(matches!(Volume::open(&path, SIZE), Err(DeviceError::InUse { .. })));
        for (offset, len) in [(512, 512), (0, 100), (SIZE, 512), (u64::MAX, 512)] {
            let data = vec![0; usize::try_from(len).unwrap()];
            assert!(matches!(volume.write(offset, &data), Err(DeviceError::Bounds { .. })), "{offset}");
        }
        drop(volume);
        assert!(matches!(Volume::open(&path, SIZE + 512), Err(DeviceError::Size { found: SIZE, .. })));
        assert!(matches!(Volume::create(&path, SIZE), Err(DeviceError::Size { expected: 0, found: SIZE, .. })));
        Volume::open(&path, SIZE).unwrap();
    }
}
