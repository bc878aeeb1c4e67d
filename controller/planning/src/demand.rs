//! What a scheme takes of a platform: processors, memory and room for its volumes. Sums, and never whether they fit.

use qianyun_crds::{Scheme, SchemeHost};

/// Of the 32 slots of a machine's bus, the board takes two, the screen one, and the source of random numbers one. Each disk and each
/// NIC takes one of the others.
pub const MACHINE_SLOTS: usize = 28;

/// What machines on the cloud take.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Demand {
    /// Virtual CPUs.
    pub cpus: i64,
    /// Memory, MiB.
    pub memory_mib: i64,
    /// Volumes, bytes.
    pub storage_bytes: i64,
}

impl Demand {
    /// What all machines of a scheme take.
    pub fn of(scheme: &Scheme) -> Self {
        scheme.hosts.iter().map(Demand::of_host).fold(Self::default(), Self::and)
    }

    /// What one machine takes.
    pub(crate) fn of_host(host: &SchemeHost) -> Self {
        let storage_bytes = host.disks.iter().fold(0_i64, |sum, disk| sum.saturating_add(disk.volume_bytes));
        Self { cpus: i64::from(host.target.cpus), memory_mib: host.target.memory_mib, storage_bytes }
    }

    /// Both together. What is too much to be counted is too much for every platform.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        Self {
            cpus: self.cpus.saturating_add(other.cpus),
            memory_mib: self.memory_mib.saturating_add(other.memory_mib),
            storage_bytes: self.storage_bytes.saturating_add(other.storage_bytes),
        }
    }
}
