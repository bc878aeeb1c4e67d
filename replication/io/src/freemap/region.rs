//! A region of a disk whose free space can be asked for, and who is asked: the kernel, or our own reader of what lies on
//! the disk. Whatever is opened is opened when the region is found; nothing is opened to read it.

use super::metadata::{Found, Metadata, MetadataError};
use super::{Reading, Unmapped, Ways, btrfs, ext, fsmap, swap, xfs};
use crate::device::{DeviceError, DeviceNumber, LeafDisk, io_error};
use crate::freezer::{FreezeError, Freezer};
use crate::mounts::Mount;
use rustix::io::Errno;
use std::fs::File;
use std::ops::Range;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// How much is read at once from a disk: the bitmaps of sixteen groups of ext4, which lie side by side.
const WINDOW_BYTES: u64 = 64 * 1024;

/// An own reader's time while a copy begins: nobody takes what the tracker sees meanwhile, and its rings have an end. Enough for
/// a terabyte of ext4 on a disk of a hundred reads a second, sixteen groups of 128 MiB each. What is not read by then is copied.
const IN_USE_LIMIT: Duration = Duration::from_secs(5);
/// And under a freeze of half a minute: longer, so that what was read at first is read again, and nothing more has to be sent.
const FROZEN_LIMIT: Duration = Duration::from_secs(10);

/// How an own reader reads.
type Reader = fn(&mut Metadata<'_>) -> Result<Found, MetadataError>;

/// Who says what is free in a filesystem.
#[derive(Debug)]
enum Teller {
    /// GETFSMAP.
    Kernel,
    /// The kernel's device tree of btrfs.
    Chunks(btrfs::Member),
    /// Our reader of its structures on the disk, and its time.
    Disk(Reader, Duration),
    /// Nobody: the disk may be older than the filesystem.
    Nobody(Option<Arc<FreezeError>>),
}

#[derive(Debug)]
enum Content {
    Filesystem { path: PathBuf, file: File, teller: Teller },
    Swap,
}

/// A region that is a filesystem or swap.
#[derive(Debug)]
pub(super) struct Region {
    device: DeviceNumber,
    bytes: Range<u64>,
    content: Content,
}

/// Opens a mount, if it can be reached; another may cover it.
fn open(mount: &Mount) -> Option<File> {
    let file = File::open(&mount.path).ok()?;
    mount.is_of(&file).ok()?.then_some(file)
}

fn flush(mount: &Mount, file: &File) -> Result<(), DeviceError> {
    rustix::fs::syncfs(file).map_err(|errno| io_error("flush", &mount.path)(errno.into()))
}

/// Whether a read-only ext may have become so by an error: its journal was given up then, and older kernels call it `ro` alone.
/// The count lasts until the filesystem is checked. The other kinds do not answer once they are given up.
fn had_errors(mount: &Mount) -> bool {
    if !mount.kind.starts_with("ext") {
        return false;
    }
    let named = std::fs::canonicalize(format!("/sys/dev/block/{}", mount.device)).ok();
    let name = named.as_deref().and_then(|dir| dir.file_name()).map(|name| name.to_string_lossy().into_owned());
    let count = name.and_then(|name| std::fs::read_to_string(format!("/sys/fs/ext4/{name}/errors_count")).ok());
    count.is_none_or(|count| count.trim() != "0")
}

impl Teller {
    /// The first of the ways that is open for a filesystem of which `file` is a part.
    fn choose(mount: &Mount, file: &File, reading: Reading, ways: Ways) -> Self {
        if mount.is_stale || (mount.read_only && had_errors(mount)) {
            // Its journal holds what its disk does not, and what the kernel has in memory is not what is on the disk.
            return Self::Nobody(None);
        }
        let asked = match ways {
            Ways::All => fsmap::probe(file),
            Ways::OwnReaders => Err(Errno::NOTTY),
        };
        // What an old kernel says to a request that it does not know, and a new one for a filesystem that does not.
        let Err(Errno::NOTTY | Errno::OPNOTSUPP | Errno::INVAL) = asked else { return Self::Kernel };
        let reader: Reader = match mount.kind.as_str() {
            "ext2" | "ext3" | "ext4" => ext::read,
            "xfs" => xfs::read,
            _ => return Self::Kernel,
        };
        if !mount.is_freezable() {
            // Not to be frozen, and its journal may hold what its disk does not.
            return Self::Nobody(None);
        }
        match reading {
            Reading::Frozen => Self::Disk(reader, FROZEN_LIMIT),
            Reading::InUse => match Freezer::new().bring_to_disk(mount) {
                Ok(()) => Self::Disk(reader, IN_USE_LIMIT),
                Err(error) => Self::Nobody(Some(Arc::new(error))),
            },
        }
    }
}

impl Region {
    /// The filesystem on `device`, if one of its mounts can be reached, with its state brought to the disk.
    pub(super) fn filesystem(
        mounts: &[Mount],
        (device, bytes): (DeviceNumber, Range<u64>),
        reading: Reading,
        ways: Ways,
    ) -> Result<Option<Self>, DeviceError> {
        let on_device = mounts.iter().filter(|mount| mount.device == device);
        let Some((mount, file)) = on_device.filter_map(|mount| Some((mount, open(mount)?))).next() else {
            return Ok(None);
        };
        flush(mount, &file)?;
        let teller = Teller::choose(mount, &file, reading, ways);
        let content = Content::Filesystem { path: mount.path.clone(), file, teller };
        Ok(Some(Self { device, bytes, content }))
    }

    /// The member of a mounted btrfs on `device`, if it is one: mounts of btrfs bear a number of their own.
    pub(super) fn btrfs(
        disk: &LeafDisk,
        mounts: &[Mount],
        (device, bytes): (DeviceNumber, Range<u64>),
    ) -> Result<Option<Self>, DeviceError> {
        let found = Window::new(disk, &bytes).read(btrfs::OFFSET, btrfs::BYTES);
        let Some(member) = found.ok().and_then(|superblock| btrfs::Member::parse(&superblock).ok()) else {
            return Ok(None);
        };
        let candidates = mounts.iter().filter(|mount| mount.kind == "btrfs");
        // Files of a btrfs bear the number of their subvolume: whose they are is for `is_in` to say.
        let mut opened = candidates.filter_map(|mount| Some((mount, File::open(&mount.path).ok()?)));
        let Some((mount, file)) = opened.find(|(_, file)| member.is_in(file, device)) else { return Ok(None) };
        flush(mount, &file)?;
        let content = Content::Filesystem { path: mount.path.clone(), file, teller: Teller::Chunks(member) };
        Ok(Some(Self { device, bytes, content }))
    }

    /// An area that may be swapped to.
    pub(super) fn swap((device, bytes): (DeviceNumber, Range<u64>)) -> Self {
        Self { device, bytes, content: Content::Swap }
    }

    /// In bytes of the disk, never outside the region; what of it could not be mapped goes to `unmapped`.
    pub(super) fn free(
        &self,
        disk: &LeafDisk,
        swaps: &[swap::Active],
        unmapped: &mut Vec<Unmapped>,
    ) -> Vec<Range<u64>> {
        let free = match &self.content {
            Content::Swap => match swaps.iter().find(|swap| swap.device == self.device) {
                Some(swap) => return vec![swap::free(&self.bytes, swap.bytes)],
                None => Err(Unmapped::NotSwap { start: self.bytes.start }),
            },
            Content::Filesystem { path, file, teller } => self.told(disk, path, file, teller).map(|(free, partly)| {
                unmapped.extend(partly);
                free
            }),
        };
        let len = self.bytes.end - self.bytes.start;
        let on_disk =
            |range: Range<u64>| self.bytes.start + range.start.min(len)..self.bytes.start + range.end.min(len);
        match free {
            Ok(free) => free.into_iter().map(on_disk).collect(),
            Err(reason) => {
                unmapped.push(reason);
                Vec::new()
            }
        }
    }

    /// What the filesystem's teller says, in bytes of the region; and which part of it had to be left out.
    fn told(
        &self,
        disk: &LeafDisk,
        path: &std::path::Path,
        file: &File,
        teller: &Teller,
    ) -> Result<(Vec<Range<u64>>, Option<Unmapped>), Unmapped> {
        let path = path.to_owned();
        let refused = |errno: Errno| Unmapped::Filesystem { path: path.clone(), source: errno.into() };
        match teller {
            Teller::Kernel => Ok((fsmap::read(file, self.device).map_err(refused)?, None)),
            Teller::Chunks(member) => Ok((member.free(file).map_err(refused)?, None)),
            Teller::Nobody(None) => Err(Unmapped::ReadOnly { path }),
            Teller::Nobody(Some(source)) => Err(Unmapped::NotAtRest { path, source: Arc::clone(source) }),
            Teller::Disk(reader, limit) => {
                let mut window = Window::new(disk, &self.bytes);
                let until = Instant::now() + *limit;
                let mut read = |offset: u64, len: usize| {
                    if Instant::now() < until { window.read(offset, len) } else { Err(disk.out_of_time()) }
                };
                let size = self.bytes.end - self.bytes.start;
                match reader(&mut Metadata::new(&mut read, size)) {
                    Ok(Found { free, first_doubt: None, .. }) => Ok((free, None)),
                    Ok(Found { free, doubtful: parts, first_doubt: Some(source) }) => {
                        Ok((free, Some(Unmapped::Parts { path, parts, source })))
                    }
                    Err(source) => Err(Unmapped::Structures { path, source }),
                }
            }
        }
    }
}

/// A filesystem's bytes, read directly from its disk, a little ahead.
struct Window<'a> {
    disk: &'a LeafDisk,
    region: &'a Range<u64>,
    start: u64,
    bytes: Vec<u8>,
}

impl<'a> Window<'a> {
    fn new(disk: &'a LeafDisk, region: &'a Range<u64>) -> Self {
        Self { disk, region, start: 0, bytes: Vec::new() }
    }

    /// `len` bytes at `offset` of the region. A bad place among them is an error: read as zeros it would be free.
    fn read(&mut self, offset: u64, len: usize) -> Result<Vec<u8>, DeviceError> {
        if let Some(bytes) = self.held(offset, len) {
            return Ok(bytes);
        }
        let start = self.region.start.saturating_add(offset);
        let ahead = self.region.end.saturating_sub(start).min(WINDOW_BYTES);
        if let Some(ahead) = usize::try_from(ahead).ok().filter(|ahead| *ahead > len) {
            let (bytes, bad) = self.disk.read_run(start, ahead)?;
            if bad.is_empty() {
                (self.start, self.bytes) = (offset, bytes);
                return Ok(self.bytes[..len].to_vec());
            }
        }
        let (bytes, bad) = self.disk.read_run(start, len)?;
        if bad.is_empty() { Ok(bytes) } else { Err(self.disk.bad_place()) }
    }

    fn held(&self, offset: u64, len: usize) -> Option<Vec<u8>> {
        let skip = usize::try_from(offset.checked_sub(self.start)?).ok()?;
        self.bytes.get(skip..skip.checked_add(len)?).map(<[u8]>::to_vec)
    }
}
