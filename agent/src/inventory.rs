//! Runs the collectors and cuts every list at its bound. It reads; it changes nothing.
//!
//! What a collector cannot find is left empty: the readiness checks say what that means, so nothing is guessed here.

mod boot;
mod disks;
mod filesystems;
mod hardware;
mod listeners;
mod nics;
mod os;
mod units;

use crate::host::Host;
use qianyun_agent_api::inventory::{Fingerprint, Inventory, MAX_ITEMS};
use qianyun_replication_io::device::paths::unfollowed;
use qianyun_replication_io::freezer::hung_task::{self, HungTask};

pub(crate) use boot::{initramfs_files, module_name};

/// Drivers of which the target needs some: its disk, its network card, and the ladder of buses below them.
pub(crate) const DRIVERS: [&str; 8] =
    ["virtio_pci", "virtio_blk", "virtio_scsi", "virtio_net", "ahci", "sd_mod", "nvme", "e1000e"];

/// Settings of the running kernel.
const SETTINGS: &str = "/proc/sys/kernel";

/// Every kernel with perf events has it.
const PERF: &str = "/proc/sys/kernel/perf_event_paranoid";

/// All that the checks look at: the inventory, and what only this host needs to know.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Machine {
    /// What is sent.
    pub(crate) inventory: Inventory,
    /// The hardware.
    pub(crate) fingerprint: Fingerprint,
    /// What is missing to follow the changes of every disk; nothing where they can be followed.
    pub(crate) untracked: Vec<String>,
    /// What the kernel does with tasks that wait for too long; `None` if its settings are not shown.
    pub(crate) hung_task: Option<HungTask>,
    /// Filesystems on the disks that are written to and cannot be frozen, as `/boot/efi (vfat)`; `None` if mounts cannot be read.
    pub(crate) unfrozen: Option<Vec<String>>,
    /// How far the clock is from the gateway's, milliseconds; unknown before the first answer.
    pub(crate) clock_skew_ms: Option<i64>,
}

/// Looks at the whole machine.
pub(crate) fn collect(host: &dyn Host, clock_skew_ms: Option<i64>) -> Machine {
    let disks = disks::collect(host);
    let mut inventory = Inventory {
        hardware: hardware::collect(host),
        os: os::collect(host),
        boot: boot::collect(host),
        filesystems: filesystems::collect(host),
        disks,
        nics: nics::collect(host),
        units: units::collect(host),
        listeners: listeners::collect(host),
        // They are the admin's choice, not the machine's: who has read the admin's file adds them.
        hooks: Vec::new(),
        truncated: Vec::new(),
    };
    cut(&mut inventory);
    Machine {
        fingerprint: fingerprint(host),
        untracked: untracked(host, &inventory),
        unfrozen: filesystems::unfrozen(host, &inventory.disks),
        hung_task: hung_task(host),
        clock_skew_ms,
        inventory,
    }
}

/// The hardware's identity, never its MAC addresses.
pub(crate) fn fingerprint(host: &dyn Host) -> Fingerprint {
    Fingerprint {
        system_uuid: hardware::dmi(host, "product_uuid").to_lowercase(),
        system_serial: hardware::dmi(host, "product_serial"),
        board_serial: hardware::dmi(host, "board_serial"),
    }
}

/// What the tracker cannot do without: the kernel tells when a write to a disk completes (tracefs lies at either place),
/// hands such events to a program, and counts by itself what it should have told.
fn untracked(host: &dyn Host, inventory: &Inventory) -> Vec<String> {
    let told = ["/sys/kernel/tracing", "/sys/kernel/debug/tracing"]
        .iter()
        .any(|base| host.exists(&format!("{base}/events/block/block_rq_complete/format")));
    let kernel = [(told, "no trace events"), (host.exists(PERF), "no perf events")];
    let lacking = kernel.into_iter().filter(|(found, _)| !found).map(|(_, lack)| lack.to_owned());
    let counts = |name: &str| host.text(&format!("/sys/block/{name}/queue/iostats")).as_deref() == Some("1");
    // First whether there is one way to the disk alone: what goes another way is not told though it were counted.
    let of_disk = |name: &str| {
        let text = |path: &str| host.text(path);
        let elsewhere = unfollowed(name, text, |dir| host.list(dir).unwrap_or_default());
        elsewhere.map(|why| why.to_string()).or_else(|| (!counts(name)).then(|| format!("{name} keeps no counts")))
    };
    lacking.chain(inventory.disks.iter().filter_map(|disk| of_disk(&disk.name))).collect()
}

/// A setting that is not there is a kernel without it, if any setting is.
pub(crate) fn hung_task(host: &dyn Host) -> Option<HungTask> {
    host.list(SETTINGS).ok()?;
    Some(HungTask { panic: host.text(hung_task::PANIC), timeout_seconds: host.text(hung_task::TIMEOUT) })
}

fn cut(inventory: &mut Inventory) {
    fn bound<T>(list: &mut Vec<T>, name: &str, truncated: &mut Vec<String>) {
        if list.len() > MAX_ITEMS {
            list.truncate(MAX_ITEMS);
            truncated.push(name.to_owned());
        }
    }
    let mut truncated = Vec::new();
    bound(&mut inventory.disks, "disks", &mut truncated);
    bound(&mut inventory.filesystems, "filesystems", &mut truncated);
    bound(&mut inventory.nics, "nics", &mut truncated);
    bound(&mut inventory.units, "units", &mut truncated);
    bound(&mut inventory.listeners, "listeners", &mut truncated);
    inventory.truncated = truncated;
}

#[cfg(test)]
pub(crate) mod tests;
