//! `ioctl`s of block devices and filesystems, each typed and bounded. Never keeps a descriptor.
#![allow(unsafe_code)] // `ioctl` is untyped: every request below states the type that the kernel's header gives it

use rustix::fd::AsFd;
use rustix::io::Result;
use rustix::ioctl::{Getter, Opcode, Updater, ioctl, opcode};
use std::ffi::c_int;

const BLKGETSIZE64: Opcode = opcode::read::<usize>(0x12, 114);
const FIFREEZE: Opcode = opcode::read_write::<c_int>(b'X', 119);
const FITHAW: Opcode = opcode::read_write::<c_int>(b'X', 120);
const FS_IOC_GETFSMAP: Opcode = opcode::read_write::<FsmapHead>(b'X', 59);
const FS_IOC_FIEMAP: Opcode = opcode::read_write::<FiemapHead>(b'f', 11);
const BTRFS_IOC_TREE_SEARCH: Opcode = opcode::read_write::<BtrfsSearch>(0x94, 17);
const BTRFS_IOC_SCRUB_PROGRESS: Opcode = opcode::read_write::<BtrfsWords>(0x94, 29);
const BTRFS_IOC_FS_INFO: Opcode = opcode::read::<BtrfsWords>(0x94, 31);
const BTRFS_IOC_BALANCE_PROGRESS: Opcode = opcode::read::<BtrfsWords>(0x94, 34);
const BTRFS_IOC_DEV_INFO: Opcode = opcode::read_write::<BtrfsDevice>(0x94, 30);
const PERF_EVENT_IOC_ENABLE: Opcode = opcode::none(b'$', 0);
const PERF_EVENT_IOC_DISABLE: Opcode = opcode::none(b'$', 1);
const PERF_EVENT_IOC_SET_FILTER: Opcode = opcode::write::<usize>(b'$', 6);

/// Size of a block device, bytes.
pub(crate) fn block_device_size(fd: impl AsFd) -> Result<u64> {
    // SAFETY: BLKGETSIZE64 writes one u64 through its argument, whatever the size in its request number says.
    unsafe { ioctl(fd, Getter::<BLKGETSIZE64, u64>::new()) }
}

/// Holds all writes of the filesystem that `fd` is on, after bringing it to rest on its device.
pub(crate) fn freeze(fd: impl AsFd) -> Result<()> {
    let mut unused: c_int = 0;
    // SAFETY: FIFREEZE ignores its argument.
    unsafe { ioctl(fd, Updater::<FIFREEZE, c_int>::new(&mut unused)) }
}

/// Undoes [`freeze`]. `EINVAL` if the filesystem is not frozen.
pub(crate) fn thaw(fd: impl AsFd) -> Result<()> {
    let mut unused: c_int = 0;
    // SAFETY: FITHAW ignores its argument.
    unsafe { ioctl(fd, Updater::<FITHAW, c_int>::new(&mut unused)) }
}

/// `struct fsmap`: one range of a filesystem's device and its owner.
#[repr(C)]
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Fsmap {
    pub(crate) device: u32,
    pub(crate) flags: u32,
    pub(crate) physical: u64,
    pub(crate) owner: u64,
    pub(crate) offset: u64,
    pub(crate) length: u64,
    pub(crate) reserved: [u64; 3],
}

/// `struct fsmap_head` without the records that follow it.
#[repr(C)]
#[derive(Clone, Copy, Default)]
struct FsmapHead {
    iflags: u32,
    oflags: u32,
    count: u32,
    entries: u32,
    reserved: [u64; 6],
    keys: [Fsmap; 2],
}

/// Records asked for at once: 64 KiB, a few calls for any filesystem.
const FSMAP_BATCH: usize = 1024;

#[repr(C)]
struct FsmapRequest {
    head: FsmapHead,
    records: [Fsmap; FSMAP_BATCH],
}

/// The next records at or after `from`, as the kernel gives them; empty at the end.
pub(crate) fn fsmap_from(fd: impl AsFd, from: Option<Fsmap>) -> Result<Vec<Fsmap>> {
    let low = from.unwrap_or_default();
    let high = Fsmap {
        device: u32::MAX,
        flags: u32::MAX,
        physical: u64::MAX,
        owner: u64::MAX,
        offset: u64::MAX,
        length: 0,
        reserved: [0; 3],
    };
    let count = u32::try_from(FSMAP_BATCH).expect("1024 fits");
    let head = FsmapHead { count, keys: [low, high], ..FsmapHead::default() };
    let mut request = Box::new(FsmapRequest { head, records: [Fsmap::default(); FSMAP_BATCH] });
    // SAFETY: `FsmapRequest` is a fsmap_head followed by the `count` records it promises, in the layout of linux/fsmap.h;
    // the kernel writes nothing beyond them.
    unsafe { ioctl(fd, Updater::<FS_IOC_GETFSMAP, FsmapRequest>::new(&mut *request)) }?;
    let filled = usize::try_from(request.head.entries).unwrap_or(usize::MAX).min(FSMAP_BATCH);
    Ok(request.records[..filled].to_vec())
}

/// `struct fiemap` without its extents.
#[repr(C)]
#[derive(Clone, Copy, Default)]
struct FiemapHead {
    start: u64,
    length: u64,
    flags: u32,
    mapped_extents: u32,
    extent_count: u32,
    reserved: u32,
}

/// `struct fiemap_extent`: where a piece of a file lies.
#[repr(C)]
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct FiemapExtent {
    pub(crate) logical: u64,
    pub(crate) physical: u64,
    pub(crate) length: u64,
    reserved64: [u64; 2],
    pub(crate) flags: u32,
    reserved: [u32; 3],
}

/// Extents of a canary file: it is one block, so more than this means that something is not as we think.
const FIEMAP_BATCH: usize = 16;

#[repr(C)]
struct FiemapRequest {
    head: FiemapHead,
    extents: [FiemapExtent; FIEMAP_BATCH],
}

/// `FIEMAP_FLAG_SYNC`: write the file's data first.
const FIEMAP_SYNC: u32 = 1;

/// Where the first extents of a file lie on its filesystem's device.
pub(crate) fn file_extents(fd: impl AsFd) -> Result<Vec<FiemapExtent>> {
    let extent_count = u32::try_from(FIEMAP_BATCH).expect("16 fits");
    let head = FiemapHead { length: u64::MAX, flags: FIEMAP_SYNC, extent_count, ..FiemapHead::default() };
    let mut request = FiemapRequest { head, extents: [FiemapExtent::default(); FIEMAP_BATCH] };
    // SAFETY: `FiemapRequest` is a fiemap followed by the `extent_count` extents it promises, in the layout of
    // linux/fiemap.h; the kernel writes nothing beyond them.
    unsafe { ioctl(fd, Updater::<FS_IOC_FIEMAP, FiemapRequest>::new(&mut request)) }?;
    let filled = usize::try_from(request.head.mapped_extents).unwrap_or(usize::MAX).min(FIEMAP_BATCH);
    Ok(request.extents[..filled].to_vec())
}

/// `struct btrfs_ioctl_dev_info_args`: a device of a btrfs.
#[repr(C)]
#[derive(Clone, Copy)]
pub(crate) struct BtrfsDevice {
    number: u64,
    pub(crate) uuid: [u8; 16],
    bytes_used: u64,
    pub(crate) total_bytes: u64,
    unused: [u64; 379],
    /// Ends with a NUL if it is shorter.
    pub(crate) path: [u8; 1024],
}

/// The device `number` of the btrfs that `fd` is on; `ENODEV` if it has none.
pub(crate) fn btrfs_device(fd: impl AsFd, number: u64) -> Result<Box<BtrfsDevice>> {
    // A name of zeros asks for the number alone.
    let empty = BtrfsDevice { number, uuid: [0; 16], bytes_used: 0, total_bytes: 0, unused: [0; 379], path: [0; 1024] };
    let mut device = Box::new(empty);
    // SAFETY: `BtrfsDevice` has the layout and the 4096 bytes of btrfs_ioctl_dev_info_args in linux/btrfs.h, which is all
    // that the kernel reads and writes.
    unsafe { ioctl(fd, Updater::<BTRFS_IOC_DEV_INFO, BtrfsDevice>::new(&mut *device)) }?;
    Ok(device)
}

/// `struct btrfs_ioctl_scrub_args`, `btrfs_ioctl_fs_info_args` and `btrfs_ioctl_balance_args`: they have one length, and what is
/// looked at are their first words.
type BtrfsWords = [u64; 128];
/// `BTRFS_BALANCE_STATE_RUNNING`.
const BALANCE_RUNS: u64 = 1;
/// More devices than any btrfs in scope has.
const MAX_BTRFS_DEVICES: u64 = 256;

fn btrfs_words<const REQUEST: Opcode>(fd: impl AsFd, first: u64) -> Result<BtrfsWords> {
    let mut words = [0; 128];
    words[0] = first;
    // SAFETY: the three requests that this is used for read and write at most the 1024 bytes of their structures in
    // linux/btrfs.h.
    unsafe { ioctl(fd, Updater::<REQUEST, BtrfsWords>::new(&mut words)) }?;
    Ok(words)
}

/// What the btrfs that `fd` is on does with itself for hours, and the word that ends it; `None` if nothing, or if it is no btrfs.
pub(crate) fn btrfs_work(fd: impl AsFd) -> Option<(&'static str, &'static str)> {
    // The number of its last device.
    let last = btrfs_words::<BTRFS_IOC_FS_INFO>(&fd, 0).ok()?[0].min(MAX_BTRFS_DEVICES);
    // `ENOTCONN` where none is under way.
    if (1..=last).any(|device| btrfs_words::<BTRFS_IOC_SCRUB_PROGRESS>(&fd, device).is_ok()) {
        return Some(("scrub", "cancel"));
    }
    let balance = btrfs_words::<BTRFS_IOC_BALANCE_PROGRESS>(&fd, 0).ok()?;
    (balance[1] & BALANCE_RUNS != 0).then_some(("balance", "pause"))
}

/// Which items of a btrfs are asked for: those of one kind and object in one tree, from an offset on.
#[derive(Debug, Clone, Copy)]
pub(crate) struct BtrfsKey {
    pub(crate) tree: u64,
    pub(crate) object: u64,
    pub(crate) kind: u32,
    pub(crate) from: u64,
}

/// `struct btrfs_ioctl_search_key`.
#[repr(C)]
#[derive(Clone, Copy)]
struct BtrfsSearchKey {
    tree: u64,
    objects: [u64; 2],
    offsets: [u64; 2],
    transactions: [u64; 2],
    kinds: [u32; 2],
    items: u32,
    unused: [u32; 9],
}

/// What is left of a page for items.
const BTRFS_ITEMS_BYTES: usize = 3992;

/// `struct btrfs_ioctl_search_args`.
#[repr(C)]
#[derive(Clone, Copy)]
struct BtrfsSearch {
    key: BtrfsSearchKey,
    items: [u8; BTRFS_ITEMS_BYTES],
}

/// The next items of a btrfs: how many the kernel says there are, and the bytes that they are in. None at the end.
pub(crate) fn btrfs_items(fd: impl AsFd, key: BtrfsKey) -> Result<(u32, Vec<u8>)> {
    let key = BtrfsSearchKey {
        tree: key.tree,
        objects: [key.object; 2],
        offsets: [key.from, u64::MAX],
        transactions: [0, u64::MAX],
        kinds: [key.kind; 2],
        // As many as there is room for.
        items: u32::MAX,
        unused: [0; 9],
    };
    let mut search = Box::new(BtrfsSearch { key, items: [0; BTRFS_ITEMS_BYTES] });
    // SAFETY: `BtrfsSearch` has the layout and the 4096 bytes of btrfs_ioctl_search_args in linux/btrfs.h, which is all
    // that the kernel reads and writes.
    unsafe { ioctl(fd, Updater::<BTRFS_IOC_TREE_SEARCH, BtrfsSearch>::new(&mut *search)) }?;
    Ok((search.key.items, search.items.to_vec()))
}

// Sizes that the requests' numbers carry.
const _: () = assert!(size_of::<BtrfsDevice>() == 4096 && size_of::<BtrfsSearch>() == 4096);

/// Starts a perf event that was opened disabled.
pub(super) fn perf_enable(fd: impl AsFd) -> Result<()> {
    // SAFETY: PERF_EVENT_IOC_ENABLE takes its argument as flags; no argument is 0: this event only.
    unsafe { ioctl(fd, rustix::ioctl::NoArg::<PERF_EVENT_IOC_ENABLE>::new()) }
}

/// Stops a perf event; its count stays.
pub(super) fn perf_disable(fd: impl AsFd) -> Result<()> {
    // SAFETY: PERF_EVENT_IOC_DISABLE takes its argument as flags; no argument is 0: this event only.
    unsafe { ioctl(fd, rustix::ioctl::NoArg::<PERF_EVENT_IOC_DISABLE>::new()) }
}

/// The longest filter: a few dozen disks.
const FILTER_BYTES: usize = 4096;

/// Sets the filter of a tracepoint event. `E2BIG` if it is too long for us, `EINVAL` if the kernel does not parse it.
pub(super) fn perf_set_filter(fd: impl AsFd, filter: &str) -> Result<()> {
    let mut text = [0u8; FILTER_BYTES];
    let Some(room) = text.get_mut(..filter.len()).filter(|room| room.len() < FILTER_BYTES) else {
        return Err(rustix::io::Errno::TOOBIG);
    };
    room.copy_from_slice(filter.as_bytes());
    // SAFETY: PERF_EVENT_IOC_SET_FILTER reads a NUL-terminated text at its argument; `text` is longer than the filter
    // and zero after it.
    unsafe { ioctl(fd, Updater::<PERF_EVENT_IOC_SET_FILTER, [u8; FILTER_BYTES]>::new(&mut text)) }
}
