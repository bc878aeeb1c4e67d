//! What decides how a server boots: its kernel and firmware, its disks and what lies on them, and its network interfaces. One
//! digest over it, so that a rehearsal and the cutover can be compared. Never what changes while a server works: room, names that
//! the kernel gives, services, addresses.

use qianyun_crds::{DigestError, HostInventory, digest_of};
use serde_json::json;

/// The digest, `sha256:<hex>`; the same in whatever order things were found.
pub fn digest(inventory: &HostInventory) -> Result<String, DigestError> {
    let mut disks: Vec<_> = inventory
        .disks
        .iter()
        .map(|d| json!([d.serial, d.wwn, d.size_bytes, d.logical_block_bytes, d.table_id, d.stack]))
        .collect();
    let is_booted_from = |mount: &str| matches!(mount, "/" | "/usr" | "/boot") || mount.starts_with("/boot/");
    let booted_from = inventory.filesystems.iter().filter(|f| is_booted_from(&f.mount));
    let mut filesystems: Vec<_> = booted_from.map(|f| json!([f.mount, f.kind])).collect();
    let mut nics: Vec<_> = inventory.nics.iter().map(|n| json!([n.name, n.mac, n.driver])).collect();
    for list in [&mut disks, &mut filesystems, &mut nics] {
        list.sort_by_key(ToString::to_string);
    }
    digest_of(&json!({
        "arch": inventory.arch,
        "firmware": inventory.firmware,
        "kernel": inventory.kernel,
        "disks": disks,
        "filesystems": filesystems,
        "nics": nics,
    }))
}
