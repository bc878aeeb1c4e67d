//! The two ways in which completions come to us: noted by a program that the kernel runs, or as samples in its own rings.
//! The first costs whoever writes a fraction of the second; the second is there on every kernel in scope.

use super::format::Completion;
use super::perf::{Rings, Waiter};
use super::slots::Slots;
use super::{ALL_RINGS_BYTES, Doubt, TrackerError};
use crate::device::LeafDisk;

/// Which way is taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    /// By a program where the kernel can run it; or else by the rings.
    Best,
    /// By the rings. After a doubt: if the kernel skips runs of the program on this machine, it does so again.
    Rings,
}

/// An open way.
pub(super) enum Events {
    Program(Slots),
    Rings(Rings),
}

impl Events {
    /// Opens and starts it, with `cpu_bytes` of memory for each CPU.
    pub(super) fn open(disks: &[LeafDisk], way: Way, cpu_bytes: usize) -> Result<Self, TrackerError> {
        let slots = match way {
            Way::Best => Slots::open(disks, cpu_bytes, ALL_RINGS_BYTES),
            Way::Rings => None,
        };
        slots.map_or_else(|| Rings::open(disks, cpu_bytes).map(Self::Rings), |slots| Ok(Self::Program(slots)))
    }

    /// Gives every event that has happened before the call to `on_completion`.
    pub(super) fn drain(
        &mut self,
        doubts: &mut Vec<Doubt>,
        on_completion: impl FnMut(Completion),
    ) -> Result<(), TrackerError> {
        match self {
            Self::Program(slots) => slots.drain(doubts, on_completion),
            Self::Rings(rings) => rings.drain(doubts, on_completion),
        }
    }

    /// Whether the CPUs are those of the arming.
    pub(super) fn check_cpus(&self) -> Result<Option<Doubt>, TrackerError> {
        match self {
            Self::Program(slots) => slots.check_cpus(),
            Self::Rings(rings) => rings.check_cpus(),
        }
    }

    /// What waits for them.
    pub(super) fn waiter(&self) -> Result<Waiter, TrackerError> {
        match self {
            Self::Program(_) => Ok(Waiter::of_slots()),
            Self::Rings(rings) => rings.waiter(),
        }
    }
}
