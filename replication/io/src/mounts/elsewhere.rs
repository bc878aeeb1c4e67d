//! Filesystems that this process sees no mount of: mounted in the mount namespaces of others alone, as of containers, or
//! nowhere any more while somebody has a file of theirs open. Enters no namespace: a process's folder in `/proc` leads into
//! its own. Holds nothing still.

use super::{Hold, Mount, parse};
use crate::device::{self, DeviceError, DeviceNumber};
use std::collections::HashSet;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

/// Kinds whose driver lists its filesystems below `/sys/fs` by the names of their devices: ext2 and ext3 are ext4's there. btrfs
/// lists its own by their UUIDs, each with its devices.
const LISTED: [&str; 3] = ["ext4", "f2fs", "xfs"];

/// One mount of each filesystem that `seen` has none of and that has to be held still, by the way through a process that has it:
/// `/proc/1234/root/data`. A process that ends meanwhile is passed over.
pub(super) fn in_other_namespaces(seen: &[Mount]) -> Result<Vec<Mount>, DeviceError> {
    let mut devices: HashSet<_> = seen.iter().map(|mount| mount.device).collect();
    let mut namespaces: HashSet<_> = namespace(Path::new("/proc/self")).into_iter().collect();
    let mut found = Vec::new();
    for process in processes()? {
        let Some(namespace) = namespace(&process).filter(|number| !namespaces.contains(number)) else { continue };
        let Ok(text) = std::fs::read(process.join("mountinfo")) else { continue };
        namespaces.insert(namespace);
        for mut mount in parse(&text)?.into_iter().filter(|mount| mount.hold() != Hold::Nothing) {
            mount.path = below(&process.join("root"), &mount.path);
            if !devices.contains(&mount.device) && leads_to(&mount) {
                devices.insert(mount.device);
                found.push(mount);
            }
        }
    }
    Ok(found)
}

/// The folders of all processes, the oldest first as a rule: it lives longest.
fn processes() -> Result<Vec<PathBuf>, DeviceError> {
    let mut numbers: Vec<u32> =
        device::names_in(Path::new("/proc"))?.iter().filter_map(|name| name.parse().ok()).collect();
    numbers.sort_unstable();
    Ok(numbers.into_iter().map(|number| PathBuf::from(format!("/proc/{number}"))).collect())
}

/// What tells a process's mount namespace from others; `None` once it has ended.
fn namespace(process: &Path) -> Option<u64> {
    Some(std::fs::metadata(process.join("ns/mnt")).ok()?.ino())
}

fn below(root: &Path, path: &Path) -> PathBuf {
    root.join(path.strip_prefix("/").unwrap_or(path))
}

/// Whether a folder of the filesystem is there: another may cover it, and of some only single files are mounted.
fn leads_to(mount: &Mount) -> bool {
    std::fs::metadata(&mount.path).is_ok_and(|found| {
        // Files of a btrfs bear the number of their subvolume.
        found.is_dir() && (mount.kind == "btrfs" || DeviceNumber::from_dev(found.dev()) == mount.device)
    })
}

/// The filesystems in use that `seen` has no mount of, each as its device's number, its name and its kind. Empty on kernels
/// that do not list them.
pub(super) fn without_mount(seen: &[Mount]) -> Vec<(DeviceNumber, String, &'static str)> {
    let names = |dir: &str| device::names_in(Path::new(dir)).unwrap_or_default();
    let mounted: HashSet<_> = seen.iter().map(|mount| mount.device).collect();
    let mut found = Vec::new();
    for kind in LISTED {
        let numbered = names(&format!("/sys/fs/{kind}")).into_iter().filter_map(|name| Some((number(&name)?, name)));
        found.extend(
            numbered.filter(|(number, _)| !mounted.contains(number)).map(|(number, name)| (number, name, kind)),
        );
    }
    // A btrfs has a number of its own wherever it is mounted, and one of its devices is what was mounted.
    let sources: Vec<_> = seen.iter().filter(|mount| mount.kind == "btrfs").map(|mount| node(&mount.source)).collect();
    for uuid in names("/sys/fs/btrfs") {
        let devices = names(&format!("/sys/fs/btrfs/{uuid}/devices"));
        let numbers: Vec<_> = devices.into_iter().filter_map(|name| Some((number(&name)?, name))).collect();
        // A source that has no node any more may be any of them.
        let is_seen =
            sources.iter().any(|source| source.is_none_or(|source| numbers.iter().any(|(n, _)| *n == source)));
        found.extend(numbers.into_iter().filter(|_| !is_seen).map(|(number, name)| (number, name, "btrfs")));
    }
    found
}

fn number(name: &str) -> Option<DeviceNumber> {
    DeviceNumber::parse(&device::read_text(&Path::new("/sys/class/block").join(name).join("dev")).ok()?)
}

fn node(source: &str) -> Option<DeviceNumber> {
    Some(DeviceNumber::from_dev(std::fs::metadata(source).ok()?.rdev()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mount_of_another_namespace_is_found_below_the_root_of_its_process() {
        assert_eq!(below(Path::new("/proc/7/root"), Path::new("/data")), Path::new("/proc/7/root/data"));
        assert_eq!(below(Path::new("/proc/7/root"), Path::new("/")), Path::new("/proc/7/root"));
    }
}
