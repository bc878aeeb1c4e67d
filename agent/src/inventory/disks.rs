//! Whole disks, what names them for good, and what lies above them.

use crate::host::Host;
use qianyun_agent_api::inventory::{Disk, DiskIdentity};

/// sysfs counts in units of this, whatever the disk's own sector size is.
const SYSFS_SECTOR_BYTES: u64 = 512;

/// Device mapper on md on partition on disk is four; deeper is a loop in what we read.
const MAX_DEPTH: usize = 8;

pub(super) fn collect(host: &dyn Host) -> Vec<Disk> {
    let names = host.list("/sys/block").unwrap_or_default();
    names.into_iter().filter_map(|name| disk(host, &name)).collect()
}

/// `None` for what is not a fixed whole disk: loop, ram, mapper, md, optical and empty devices, removable media.
fn disk(host: &dyn Host, name: &str) -> Option<Disk> {
    let number = |path: &str| host.text(&format!("/sys/block/{name}/{path}")).and_then(|text| text.parse::<u64>().ok());
    let size_bytes = number("size")? * SYSFS_SECTOR_BYTES;
    let made_up = ["loop", "ram", "zram", "dm-", "md", "sr", "fd", "nbd"].iter().any(|prefix| name.starts_with(prefix));
    if made_up || size_bytes == 0 || number("removable") == Some(1) {
        return None;
    }
    let udev = udev_data(host, name);
    let vendor = host.text(&format!("/sys/block/{name}/device/vendor")).unwrap_or_default();
    let model = host.text(&format!("/sys/block/{name}/device/model")).unwrap_or_default();
    let logical = number("queue/logical_block_size").unwrap_or(SYSFS_SECTOR_BYTES);
    // Without the right to open the disk, its size is what remains: such an inventory names no disk for good.
    let unnamed = || DiskIdentity {
        serial: String::new(),
        wwn: String::new(),
        size_bytes,
        logical_block_bytes: u32::try_from(logical).unwrap_or(u32::MAX),
        table_id: String::new(),
    };
    Some(Disk {
        name: name.to_owned(),
        identity: host.disk_identity(name).unwrap_or_else(unnamed),
        model: format!("{vendor} {model}").trim().to_owned(),
        transport: transport(host, name, &udev),
        rotational: number("queue/rotational") == Some(1),
        stack: stack(host, name, &udev),
    })
}

/// What udev found out about a block device.
fn udev_data(host: &dyn Host, name: &str) -> String {
    let number = host.text(&format!("/sys/class/block/{name}/dev")).unwrap_or_default();
    host.text(&format!("/run/udev/data/b{number}")).unwrap_or_default()
}

fn udev_value(udev: &str, key: &str) -> String {
    let value = udev.lines().find_map(|line| line.strip_prefix("E:")?.strip_prefix(key)?.strip_prefix('='));
    value.unwrap_or_default().to_owned()
}

fn transport(host: &dyn Host, name: &str, udev: &str) -> String {
    let place = host.link(&format!("/sys/block/{name}")).unwrap_or_default();
    let bus = udev_value(udev, "ID_BUS");
    if name.starts_with("nvme") {
        "nvme".into()
    } else if place.contains("/virtio") {
        "virtio".into()
    } else if place.contains("/ata") {
        "sata".into()
    } else if place.contains("/usb") {
        "usb".into()
    } else {
        bus
    }
}

/// `dos > ext4 /`, one entry for each leaf.
fn stack(host: &dyn Host, name: &str, udev: &str) -> Vec<String> {
    let table = udev_value(udev, "ID_PART_TABLE_TYPE");
    let mounts = super::filesystems::mounts(host);
    let mut leaves = Vec::new();
    let children: Vec<String> = (host.list(&format!("/sys/block/{name}")).unwrap_or_default().into_iter())
        .filter(|child| host.exists(&format!("/sys/block/{name}/{child}/partition")))
        .collect();
    let prefix = if table.is_empty() { Vec::new() } else { vec![table] };
    if children.is_empty() {
        climb(host, name, &mounts, prefix, &mut leaves);
    } else {
        for child in children {
            climb(host, &child, &mounts, prefix.clone(), &mut leaves);
        }
    }
    leaves
}

/// Follows what holds a device, up to the filesystems.
fn climb(host: &dyn Host, name: &str, mounts: &[(String, String, String)], below: Vec<String>, out: &mut Vec<String>) {
    let udev = udev_data(host, name);
    let kind = udev_value(&udev, "ID_FS_TYPE");
    let mount = mounts.iter().find(|(_, device, _)| canonical(host, device) == name);
    let here = match (&*kind, mount) {
        ("", None) => String::new(),
        (kind, Some((mount, _, mounted_as))) => format!("{} {mount}", if kind.is_empty() { mounted_as } else { kind }),
        (kind, None) => kind.to_owned(),
    };
    let mut path = below;
    if !here.is_empty() {
        path.push(here);
    }
    let holders = host.list(&format!("/sys/class/block/{name}/holders")).unwrap_or_default();
    if holders.is_empty() || path.len() >= MAX_DEPTH {
        if !path.is_empty() {
            out.push(path.join(" > "));
        }
        return;
    }
    for holder in holders {
        climb(host, &holder, mounts, path.clone(), out);
    }
}

/// Kernel name of a device path: `/dev/mapper/vg-root` is a link to `../dm-0`.
pub(super) fn canonical(host: &dyn Host, device: &str) -> String {
    let target = host.link(device).unwrap_or_else(|_| device.to_owned());
    target.rsplit('/').next().unwrap_or_default().to_owned()
}

/// The disk that a device lies on: the first, where there are several; empty for one that lies on none.
pub(super) fn disk_below(host: &dyn Host, name: &str) -> String {
    let mut name = name.to_owned();
    for _ in 0..MAX_DEPTH {
        if let Some(lower) =
            host.list(&format!("/sys/class/block/{name}/slaves")).ok().and_then(|l| l.into_iter().next())
        {
            name = lower;
        } else if host.exists(&format!("/sys/class/block/{name}/partition")) {
            // /sys/class/block/sda1 -> ../../devices/…/block/sda/sda1
            let place = host.link(&format!("/sys/class/block/{name}")).unwrap_or_default();
            return place.rsplit('/').nth(1).unwrap_or_default().to_owned();
        } else {
            return if host.exists(&format!("/sys/class/block/{name}")) { name } else { String::new() };
        }
    }
    name
}
