//! A program that the kernel runs at one of its trace points, and the memory that both see.
//!
//! Loads instructions and hands out words. Never knows what a program does: `tracker/program.rs` writes them.
#![allow(unsafe_code)] // a call without a wrapper, and memory shared with the kernel

use rustix::fd::{AsRawFd as _, FromRawFd, OwnedFd};
use rustix::io::{Errno, Result};
use rustix::mm::{MapFlags, ProtFlags, mmap, munmap};
use std::ffi::{CStr, c_int, c_void};
use std::sync::atomic::AtomicU64;

const BPF_MAP_CREATE: c_int = 0;
const BPF_PROG_LOAD: c_int = 5;
const BPF_RAW_TRACEPOINT_OPEN: c_int = 17;
const BPF_MAP_TYPE_ARRAY: u32 = 2;
/// Kernels from 5.5 on.
const BPF_F_MMAPABLE: u32 = 1 << 10;
const BPF_PROG_TYPE_TRACING: u32 = 26;
const BPF_TRACE_RAW_TP: u32 = 23;
/// A program that reads the kernel's structures has to be under the kernel's licence too.
const LICENCE: &CStr = c"Dual BSD/GPL";

/// The start of `union bpf_attr` for each command; the kernel takes what is left out as zero.
#[repr(C)]
struct MapCreate {
    kind: u32,
    key_bytes: u32,
    value_bytes: u32,
    entries: u32,
    flags: u32,
}

#[repr(C)]
#[derive(Default)]
struct ProgLoad {
    kind: u32,
    instruction_count: u32,
    instructions: u64,
    licence: u64,
    log: [u32; 4],
    kernel_version: u32,
    flags: u32,
    name: [u8; 16],
    interface: u32,
    attach_kind: u32,
    debug_info: [u32; 9],
    attach_type: u32,
    attach_program: u32,
    relocations: u32,
}

#[repr(C)]
struct RawTracepointOpen {
    name: u64,
    program: u32,
    unused: u32,
}

/// Asks the kernel; `attr` is what the command takes.
///
/// # Safety
///
/// The pointers in `attr` must be what the command wants, and valid for as long as the call takes.
unsafe fn bpf<T>(command: c_int, attr: &mut T) -> Result<c_int> {
    // SAFETY: `attr` is of the size that is stated; its pointers are the caller's promise.
    let result = unsafe { libc::syscall(libc::SYS_bpf, command, std::ptr::from_mut(attr), size_of::<T>()) };
    if result < 0 {
        return Err(Errno::from_io_error(&std::io::Error::last_os_error()).unwrap_or(Errno::IO));
    }
    c_int::try_from(result).map_err(|_| Errno::IO)
}

/// As [`bpf`], for the commands that return a descriptor; the kernel closes these when a program is replaced.
///
/// # Safety
///
/// As for [`bpf`].
unsafe fn open<T>(command: c_int, attr: &mut T) -> Result<OwnedFd> {
    // SAFETY: the promise is the caller's; the command returns a new descriptor that nothing else owns.
    unsafe { bpf(command, attr).map(|fd| OwnedFd::from_raw_fd(fd)) }
}

fn number(fd: &OwnedFd) -> u32 {
    u32::try_from(fd.as_raw_fd()).expect("an open descriptor is not negative")
}

fn address<T: ?Sized>(of: *const T) -> u64 {
    of.cast::<c_void>() as usize as u64
}

/// Words of memory that programs see as one value of an array; all zero at first, mapped until dropped.
pub(crate) struct SharedWords {
    fd: OwnedFd,
    base: *mut u8,
    words: usize,
}

// SAFETY: the mapping belongs to this value alone, and is reached through atomic words only.
unsafe impl Send for SharedWords {}

impl SharedWords {
    /// `words` of them: whole pages, 2 GiB at most.
    pub(crate) fn new(words: usize) -> Result<Self> {
        let bytes = words * size_of::<u64>();
        assert!(bytes > 0 && bytes.is_multiple_of(rustix::param::page_size()), "whole pages are mapped");
        let value_bytes = u32::try_from(bytes).map_err(|_| Errno::NOMEM)?;
        let mut attr =
            MapCreate { kind: BPF_MAP_TYPE_ARRAY, key_bytes: 4, value_bytes, entries: 1, flags: BPF_F_MMAPABLE };
        // SAFETY: the command takes no pointer.
        let fd = unsafe { open(BPF_MAP_CREATE, &mut attr) }?;
        // SAFETY: a new shared mapping of the array at a place of the kernel's choice.
        let base =
            unsafe { mmap(std::ptr::null_mut(), bytes, ProtFlags::READ | ProtFlags::WRITE, MapFlags::SHARED, &fd, 0) }?;
        Ok(Self { fd, base: base.cast(), words })
    }

    /// What a program names this memory by.
    pub(crate) fn descriptor(&self) -> i32 {
        self.fd.as_raw_fd()
    }

    /// All of it.
    pub(crate) fn words(&self) -> &[AtomicU64] {
        // SAFETY: so many aligned words of the mapping, which lasts as long as `self`. Programs read and write whole words.
        unsafe { std::slice::from_raw_parts(self.base.cast(), self.words) }
    }
}

impl Drop for SharedWords {
    fn drop(&mut self) {
        // SAFETY: this is the mapping made in `new`, of that length, and no reference into it outlives `self`. A failure
        // leaves it mapped, which is harmless.
        let _ = unsafe { munmap(self.base.cast::<c_void>(), self.words * size_of::<u64>()) };
    }
}

/// A program that runs at a trace point until dropped.
pub(crate) struct Attached {
    _program: OwnedFd,
    _link: OwnedFd,
}

impl Attached {
    /// Has the kernel check `instructions` and run them at the trace point whose type has this number in its BTF.
    pub(crate) fn new(instructions: &[[u8; 8]], tracepoint: u32) -> Result<Self> {
        let mut load = ProgLoad {
            kind: BPF_PROG_TYPE_TRACING,
            instruction_count: u32::try_from(instructions.len()).map_err(|_| Errno::TOOBIG)?,
            instructions: address(instructions.as_ptr()),
            licence: address(LICENCE.as_ptr()),
            attach_kind: BPF_TRACE_RAW_TP,
            attach_type: tracepoint,
            ..ProgLoad::default()
        };
        // SAFETY: both pointers are valid for the call: so many instructions, and a text that ends with a zero.
        let program = unsafe { open(BPF_PROG_LOAD, &mut load) }?;
        let mut attach = RawTracepointOpen { name: 0, program: number(&program), unused: 0 };
        // SAFETY: the name is null, as it has to be for a program that names its trace point itself.
        let link = unsafe { open(BPF_RAW_TRACEPOINT_OPEN, &mut attach) }?;
        Ok(Self { _program: program, _link: link })
    }
}
