//! One perf ring: the records of one tracepoint on one CPU, and the kernel's count of its events.
//!
//! Hands out bytes and counts. Never interprets a record: `tracker/record.rs` does, on copied memory.
#![allow(unsafe_code)] // shared memory with the kernel and a call without a wrapper

use super::ioctl::{perf_disable, perf_enable, perf_set_filter};
use rustix::fd::{AsFd, BorrowedFd, FromRawFd, OwnedFd};
use rustix::io::{Errno, FdFlags, Result, fcntl_setfd};
use rustix::mm::{MapFlags, ProtFlags, mmap, munmap};
use std::ffi::c_void;
use std::sync::atomic::{AtomicU64, Ordering};

/// `struct perf_event_attr` up to version 0 (64 bytes), which every kernel since 2.6.32 takes.
#[repr(C)]
#[derive(Default)]
struct PerfEventAttr {
    kind: u32,
    size: u32,
    config: u64,
    sample_period: u64,
    sample_type: u64,
    read_format: u64,
    flags: u64,
    wakeup_watermark: u32,
    breakpoint_type: u32,
    config1: u64,
}

const PERF_TYPE_TRACEPOINT: u32 = 2;
const PERF_SAMPLE_RAW: u64 = 1 << 10;
/// Kernels from 6.0 on count what they dropped.
const PERF_FORMAT_LOST: u64 = 1 << 4;
const FLAG_DISABLED: u64 = 1;
const FLAG_WATERMARK: u64 = 1 << 14;

/// Offsets of `data_head` and `data_tail` in the ring's first page: fixed by the ABI.
const DATA_HEAD: usize = 1024;
const DATA_TAIL: usize = 1032;

/// What the kernel says about an event, whatever the ring holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct EventCount {
    /// Events that happened.
    pub(crate) events: u64,
    /// Events that did not fit, where the kernel counts them.
    pub(crate) lost: u64,
}

/// A ring of `data_bytes` after one control page, mapped until dropped.
pub(crate) struct PerfRing {
    fd: OwnedFd,
    base: *mut u8,
    page: usize,
    data_bytes: usize,
    tail: u64,
    counts_lost: bool,
}

// SAFETY: the mapping belongs to this value alone, and the kernel does not care which thread reads it.
unsafe impl Send for PerfRing {}

fn open_event(tracepoint: u64, cpu: u32, watermark: u32, read_format: u64) -> Result<OwnedFd> {
    let sampled = PerfEventAttr {
        sample_period: 1,
        sample_type: PERF_SAMPLE_RAW,
        read_format,
        flags: FLAG_DISABLED | FLAG_WATERMARK,
        wakeup_watermark: watermark,
        ..counted(tracepoint)
    };
    open(&sampled, cpu)
}

/// An event that is only counted, stopped.
fn counted(tracepoint: u64) -> PerfEventAttr {
    PerfEventAttr {
        kind: PERF_TYPE_TRACEPOINT,
        size: u32::try_from(size_of::<PerfEventAttr>()).expect("64 fits"),
        config: tracepoint,
        flags: FLAG_DISABLED,
        ..PerfEventAttr::default()
    }
}

fn open(attr: &PerfEventAttr, cpu: u32) -> Result<OwnedFd> {
    let (any_process, no_group, no_flags): (libc::pid_t, libc::c_int, libc::c_ulong) = (-1, -1, 0);
    // SAFETY: `attr` is a perf_event_attr of the size that it states and outlives the call.
    let fd = unsafe {
        libc::syscall(libc::SYS_perf_event_open, std::ptr::from_ref(attr), any_process, cpu, no_group, no_flags)
    };
    if fd < 0 {
        return Err(Errno::from_io_error(&std::io::Error::last_os_error()).unwrap_or(Errno::IO));
    }
    // SAFETY: the call returned a new descriptor that nothing else owns.
    let fd = unsafe { OwnedFd::from_raw_fd(i32::try_from(fd).expect("descriptors are small")) };
    // PERF_FLAG_FD_CLOEXEC would be one call less, but 3.10 does not know it.
    fcntl_setfd(&fd, FdFlags::CLOEXEC)?;
    Ok(fd)
}

/// The kernel's count of one tracepoint's events on one CPU, without a ring.
pub(crate) struct PerfCount(OwnedFd);

impl PerfCount {
    /// Opens the count on `cpu`, stopped, of events that match `filter`.
    pub(crate) fn open(tracepoint: u64, cpu: u32, filter: &str) -> Result<Self> {
        let fd = open(&counted(tracepoint), cpu)?;
        perf_set_filter(&fd, filter)?;
        Ok(Self(fd))
    }

    /// From now on events are counted.
    pub(crate) fn enable(&self) -> Result<()> {
        perf_enable(&self.0)
    }

    /// From now on they are not.
    pub(crate) fn disable(&self) -> Result<()> {
        perf_disable(&self.0)
    }

    /// How many were counted.
    pub(crate) fn events(&self) -> Result<u64> {
        let mut word = [0; 8];
        if rustix::io::read(&self.0, &mut word)? != word.len() {
            return Err(Errno::IO);
        }
        Ok(u64::from_ne_bytes(word))
    }
}

impl PerfRing {
    /// Opens the event on `cpu`, stopped, with a ring of `data_bytes` (a power of two of pages).
    pub(crate) fn open(tracepoint: u64, cpu: u32, data_bytes: usize) -> Result<Self> {
        let page = rustix::param::page_size();
        assert!(data_bytes >= page && data_bytes.is_power_of_two(), "a ring is a power of two of pages");
        let watermark = u32::try_from(data_bytes / 4).unwrap_or(u32::MAX);
        let (fd, counts_lost) = match open_event(tracepoint, cpu, watermark, PERF_FORMAT_LOST) {
            Ok(fd) => (fd, true),
            Err(Errno::INVAL) => (open_event(tracepoint, cpu, watermark, 0)?, false),
            Err(error) => return Err(error),
        };
        // SAFETY: a new shared mapping of the event at a place of the kernel's choice.
        let base = unsafe {
            mmap(std::ptr::null_mut(), page + data_bytes, ProtFlags::READ | ProtFlags::WRITE, MapFlags::SHARED, &fd, 0)
        }?;
        Ok(Self { fd, base: base.cast(), page, data_bytes, tail: 0, counts_lost })
    }

    /// Lets only events through that match `filter`.
    pub(crate) fn set_filter(&self, filter: &str) -> Result<()> {
        perf_set_filter(&self.fd, filter)
    }

    /// From now on events arrive.
    pub(crate) fn enable(&self) -> Result<()> {
        perf_enable(&self.fd)
    }

    /// How many events the kernel has seen, and dropped.
    pub(crate) fn count(&self) -> Result<EventCount> {
        let mut words = [0u8; 16];
        let wanted = if self.counts_lost { 16 } else { 8 };
        let got = rustix::io::read(&self.fd, &mut words[..wanted])?;
        if got != wanted {
            return Err(Errno::IO);
        }
        let word = |at: usize| u64::from_ne_bytes(words[at..at + 8].try_into().expect("8 bytes"));
        Ok(EventCount { events: word(0), lost: word(8) })
    }

    fn control(&self, offset: usize) -> &AtomicU64 {
        // SAFETY: `offset` is one of two aligned words inside the control page, which stays mapped as long as `self`.
        // The kernel reads and writes them as whole words.
        unsafe { AtomicU64::from_ptr(self.base.add(offset).cast()) }
    }

    /// Moves what has arrived to the end of `out` and gives the room back. Returns the number of bytes.
    pub(crate) fn take(&mut self, out: &mut Vec<u8>) -> usize {
        let head = self.control(DATA_HEAD).load(Ordering::Acquire);
        // The kernel never runs ahead of the tail by more than the ring.
        let len = usize::try_from(head.wrapping_sub(self.tail)).unwrap_or(usize::MAX).min(self.data_bytes);
        let mask = self.data_bytes as u64 - 1;
        let start = usize::try_from(self.tail & mask).expect("less than the ring");
        let first = len.min(self.data_bytes - start);
        for (from, count) in [(start, first), (0, len - first)] {
            // SAFETY: `from + count` is at most `data_bytes`, mapped behind the control page; the kernel does not write
            // between tail and head until the tail moves.
            let bytes = unsafe { std::slice::from_raw_parts(self.base.add(self.page + from), count) };
            out.extend_from_slice(bytes);
        }
        self.tail = head;
        self.control(DATA_TAIL).store(head, Ordering::Release);
        len
    }
}

impl AsFd for PerfRing {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

impl Drop for PerfRing {
    fn drop(&mut self) {
        // SAFETY: this is the mapping made in `open`, of that length, and no reference into it outlives `self`. A
        // failure leaves it mapped, which is harmless.
        let _ = unsafe { munmap(self.base.cast::<c_void>(), self.page + self.data_bytes) };
    }
}
