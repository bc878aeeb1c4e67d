//! What decides how a server boots: its kernel and firmware, its disks and what lies on them, and its network interfaces. One
//! digest over it, so that a rehearsal and the cutover can be compared. Never what changes while a server works: room, the kernel's
//! names of disks, where a data disk is mounted, services, addresses.

use qianyun_crds::{DigestError, HostDisk, HostInventory, digest_of};
use serde_json::json;

/// The digest, `sha256:<hex>`; the same in whatever order things were found.
pub fn digest(inventory: &HostInventory) -> Result<String, DigestError> {
    let mut disks: Vec<_> = inventory
        .disks
        .iter()
        .map(|d| json!([d.serial, d.wwn, d.size_bytes, d.logical_block_bytes, d.table_id, layers(d)]))
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

/// What lies on a disk, as `dos > ext4`: the inventory says of each file system where it is mounted, too.
fn layers(disk: &HostDisk) -> Vec<String> {
    let kind = |layer: &str| layer.split(' ').next().unwrap_or_default().to_owned();
    let kinds = |leaf: &String| leaf.split(" > ").map(kind).collect::<Vec<_>>().join(" > ");
    let mut layers: Vec<String> = disk.stack.iter().map(kinds).collect();
    layers.sort();
    layers
}
