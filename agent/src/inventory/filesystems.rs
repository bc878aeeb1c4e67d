//! Mounted local filesystems and swap. Network and memory filesystems are left out.

use super::disks::{canonical, disk_below};
use crate::host::Host;
use qianyun_agent_api::inventory::{Disk, Filesystem};
use qianyun_replication_io::mounts::{self, Mount};

pub(super) fn collect(host: &dyn Host) -> Vec<Filesystem> {
    let fstab = host.text("/etc/fstab").unwrap_or_default();
    let mounted = mounts(host).into_iter().map(|(mount, device, kind)| {
        let space = host.space(&mount).unwrap_or_default();
        Filesystem {
            disk: disk_below(host, &canonical(host, &device)),
            fstab_source: fstab_source(&fstab, |fields| fields[1] == mount),
            mount,
            kind,
            device,
            size_bytes: space.size_bytes,
            free_bytes: space.free_bytes,
            free_inodes: space.free_inodes,
        }
    });
    mounted.chain(swaps(host, &fstab)).collect()
}

/// Mount point, device and type of what is mounted from a device; the first where one device is mounted twice.
pub(super) fn mounts(host: &dyn Host) -> Vec<(String, String, String)> {
    let mut found: Vec<(String, String, String)> = Vec::new();
    for line in host.text("/proc/self/mountinfo").unwrap_or_default().lines() {
        let Some((left, right)) = line.split_once(" - ") else { continue };
        let (left, right): (Vec<&str>, Vec<&str>) = (left.split(' ').collect(), right.split(' ').collect());
        let (Some(mount), Some(kind), Some(device)) = (left.get(4), right.first(), right.get(1)) else { continue };
        let device = unescape(device);
        if device.starts_with("/dev/") && !found.iter().any(|(_, d, _)| *d == device) {
            found.push((unescape(mount), device, (*kind).to_owned()));
        }
    }
    found
}

/// What can only be flushed while the disks are frozen. Of what lies on no known disk nobody can say that it lies on none of
/// these; what lies on another one, as on a stick, is not copied.
pub(super) fn unfrozen(host: &dyn Host, disks: &[Disk]) -> Option<Vec<String>> {
    let listed = |disk: &str| disks.iter().any(|listed| listed.name == disk);
    let concerns = |mount: &Mount| {
        let disk = disk_below(host, &canonical(host, &mount.source));
        // A loop device lies on a file, which may lie anywhere.
        disk.is_empty() || disk.starts_with("loop") || listed(&disk)
    };
    let parsed = mounts::parse(&host.read("/proc/self/mountinfo").ok()?).ok()?;
    Some(mounts::unfrozen(parsed.iter().filter(|mount| concerns(mount))))
}

fn swaps(host: &dyn Host, fstab: &str) -> Vec<Filesystem> {
    let text = host.text("/proc/swaps").unwrap_or_default();
    let areas = text.lines().skip(1).filter_map(|line| {
        let fields: Vec<&str> = line.split_whitespace().collect();
        let device = unescape(fields.first()?);
        Some(Filesystem {
            mount: "[swap]".into(),
            kind: "swap".into(),
            disk: disk_below(host, &canonical(host, &device)),
            // With several swap areas fstab's lines cannot be told apart without resolving them; the first stands.
            fstab_source: fstab_source(fstab, |fields| fields[2] == "swap"),
            device,
            size_bytes: fields.get(2)?.parse::<u64>().ok()? * 1024,
            free_bytes: 0,
            free_inodes: 0,
        })
    });
    areas.collect()
}

/// First field of the fstab line that `wanted` picks; lines that are commented out stay out.
fn fstab_source(fstab: &str, wanted: impl Fn(&[&str]) -> bool) -> String {
    let lines = fstab.lines().map(str::trim).filter(|line| !line.starts_with('#'));
    let mut fields = lines.map(|line| line.split_whitespace().collect::<Vec<_>>()).filter(|fields| fields.len() >= 3);
    fields.find(|fields| wanted(fields)).map(|fields| fields[0].to_owned()).unwrap_or_default()
}

/// The kernel writes blanks in paths as `\040`.
fn unescape(text: &str) -> String {
    text.replace("\\040", " ").replace("\\011", "\t").replace("\\012", "\n").replace("\\134", "\\")
}
