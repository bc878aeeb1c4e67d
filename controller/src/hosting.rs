//! What a hosting site can do for a migration: volumes, receivers, machines. Asked by the reconcilers only.
//!
//! Every `ensure_` may be called again at any time, by any controller, after any crash: it finds what is there and adds
//! what is missing. What it starts outlives the controller. A backend decides nothing about the journey.

use futures::future::BoxFuture;
use qianyun_agent_api::desired::DiskAssignment;
use qianyun_crds::Accelerator;
use sha2::{Digest, Sha256};
use std::fmt;

pub(crate) mod qemu;

/// The `HostMigration` that volumes, receiver and machine belong to.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct MigrationKey {
    /// Namespace.
    pub(crate) namespace: String,
    /// Name.
    pub(crate) name: String,
}

impl MigrationKey {
    /// The key of `<namespace>/<name>`.
    pub(crate) fn new(namespace: impl Into<String>, name: impl Into<String>) -> Self {
        Self { namespace: namespace.into(), name: name.into() }
    }
}

impl fmt::Display for MigrationKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.namespace, self.name)
    }
}

/// Why a backend did not do what it was asked.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub(crate) enum HostingError {
    /// It would be wrong to go on; trying again helps only after someone changed something.
    #[error("{what}: expected {expected}, found {found}")]
    Refused {
        /// What was looked at.
        what: String,
        /// What it has to be.
        expected: String,
        /// What it is.
        found: String,
    },
    /// It did not work this time.
    #[error("{what} failed")]
    Failed {
        /// What was tried.
        what: String,
        /// Why.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
}

/// What a site can do now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Capabilities {
    /// How machines run.
    pub(crate) accelerator: Accelerator,
    /// Bytes free for new volumes, less what existing volumes may still grow by.
    pub(crate) free_storage_bytes: u64,
}

/// A volume to make.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct VolumeSpec {
    /// Name in the scheme, as `system`.
    pub(crate) name: String,
    /// Size of the disk that is copied to it, bytes.
    pub(crate) disk_bytes: u64,
    /// Size of the volume, bytes.
    pub(crate) volume_bytes: u64,
}

/// A receiver to run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ReceiverSpec {
    /// `<namespace>/<PhysicalHost>`: the only host it listens to.
    pub(crate) host: String,
    /// Replication session.
    pub(crate) session: u64,
    /// Address to listen on, without a port.
    pub(crate) listen_address: String,
    /// The volumes it writes.
    pub(crate) volumes: Vec<VolumeSpec>,
    /// The disk that may be copied to each volume, as the agent is told.
    pub(crate) disks: Vec<DiskAssignment>,
}

/// A receiver that listens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Receiver {
    /// `address:port`; the same after each restart.
    pub(crate) address: String,
    /// Name in its certificate.
    pub(crate) name: String,
    /// Session it serves.
    pub(crate) session: u64,
}

/// A machine to run on overlays of the volumes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct MachineSpec {
    /// `<namespace>/<PhysicalHost>`.
    pub(crate) host: String,
    /// Virtual CPUs.
    pub(crate) cpus: u32,
    /// Memory, MiB.
    pub(crate) memory_mib: u64,
    /// Volumes in the order of the disks; the first is booted.
    pub(crate) volumes: Vec<String>,
    /// NICs in order.
    pub(crate) nics: Vec<MachineNic>,
}

/// A NIC of a machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct MachineNic {
    /// Linux bridge of the platform's network.
    pub(crate) bridge: String,
    /// MAC address, from [`machine_mac`].
    pub(crate) mac: String,
}

/// What there is of a migration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Observed {
    /// The receiver that runs; none if none does.
    pub(crate) receiver: Option<Receiver>,
    /// The machine.
    pub(crate) machine: MachineState,
}

/// Where a machine stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum MachineState {
    /// Not made.
    Absent,
    /// Made, not running.
    Stopped,
    /// Running.
    Running,
    /// There is a process, but it does not say how it is.
    Unknown {
        /// What was tried and what came back.
        reason: String,
    },
}

/// A hosting backend.
pub(crate) trait Hosting: Send + Sync {
    /// What the site can do now.
    fn capabilities(&self) -> BoxFuture<'_, Result<Capabilities, HostingError>>;

    /// Makes the volumes that are missing, each all zeros; refuses where one is there in another size.
    fn ensure_volumes<'a>(
        &'a self,
        migration: &'a MigrationKey,
        volumes: &'a [VolumeSpec],
    ) -> BoxFuture<'a, Result<(), HostingError>>;

    /// A receiver of this session listens when it returns; one of an older session has ended before.
    fn ensure_receiver<'a>(
        &'a self,
        migration: &'a MigrationKey,
        spec: &'a ReceiverSpec,
    ) -> BoxFuture<'a, Result<Receiver, HostingError>>;

    /// No receiver runs when it returns.
    fn stop_receiver<'a>(&'a self, migration: &'a MigrationKey) -> BoxFuture<'a, Result<(), HostingError>>;

    /// The machine runs when it returns. Refuses while a receiver runs; never starts a second one.
    fn ensure_machine<'a>(
        &'a self,
        migration: &'a MigrationKey,
        spec: &'a MachineSpec,
    ) -> BoxFuture<'a, Result<(), HostingError>>;

    /// What there is. Changes nothing.
    fn observe<'a>(&'a self, migration: &'a MigrationKey) -> BoxFuture<'a, Result<Observed, HostingError>>;
}

/// The MAC address of NIC `index` of the machine of `host` (`<namespace>/<PhysicalHost>`): the same every time, so that
/// the arrival plan can name it before the machine exists. Locally administered, unicast.
pub(crate) fn machine_mac(host: &str, index: usize) -> String {
    let digest = Sha256::digest(format!("qianyun machine mac {host} {index}").as_bytes());
    // 0x52 has the bit of local administration set and the bit of multicast clear.
    format!("52:{:02x}:{:02x}:{:02x}:{:02x}:{:02x}", digest[0], digest[1], digest[2], digest[3], digest[4])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mac_is_the_same_every_time_local_and_different_for_each_nic() {
        assert_eq!(machine_mac("civil/db1", 0), machine_mac("civil/db1", 0));
        assert_ne!(machine_mac("civil/db1", 0), machine_mac("civil/db1", 1));
        assert_ne!(machine_mac("civil/db1", 0), machine_mac("civil/db2", 0));
        let first = u8::from_str_radix(&machine_mac("civil/db1", 0)[..2], 16).unwrap();
        assert_eq!(first & 0b11, 0b10);
    }
}
