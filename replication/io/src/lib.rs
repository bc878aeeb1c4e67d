//! Block devices, change tracking, free space and the freeze: what the replication engine needs of the kernel.
//!
//! [`device`] names disks and volumes and moves their bytes, [`tracker`] says what was written and [`trackd`] keeps that
//! for the next process, [`freemap`] says what need not be read, [`freezer`] holds the filesystems still. Decisions (what
//! to send, what is proved, when a freeze is due) belong to `qianyun-replication` and to the agent.
//!
//! The only crate with `unsafe`, and that in `sys/` alone.
#![deny(missing_docs)]

pub mod device;
#[cfg(fuzzing)]
pub mod foreign;
pub mod freemap;
pub mod freezer;
pub mod lane;
pub mod mounts;
mod ranges;
pub mod signer;
pub mod source;
mod sys;
pub mod target;
pub mod trackd;
pub mod tracker;
