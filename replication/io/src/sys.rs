//! The kernel calls that no safe crate wraps: `ioctl`s of disks, filesystems and the device mapper, the rings of perf, and
//! the program that the kernel runs for the tracker.
//!
//! The only files with `unsafe` in the project. What they return is plain data, judged by safe code elsewhere; nothing
//! here decides anything.

pub(crate) mod bpf;
pub(crate) mod ioctl;
pub(crate) mod mapper;
pub(crate) mod ring;
