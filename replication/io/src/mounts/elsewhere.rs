//! Filesystems that this process sees no mount of: mounted in the mount namespaces of others alone, as of containers, or
//! nowhere any more while somebody has a file of theirs open. Enters no namespace: a process's folder in `/proc` leads into
//! its own. Holds nothing still.

use super::{Hold, Mount, parse_line};
use crate::device::{self, DeviceError, DeviceNumber};
use rustix::fs::{Mode, OFlags, ResolveFlags, openat, openat2};
use rustix::io::Errno;
use std::collections::{HashMap, HashSet};
use std::fs::{File, Metadata};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Kinds whose driver lists its filesystems below `/sys/fs` by the names of their devices: ext2 and ext3 are ext4's there. btrfs
/// lists its own by their UUIDs, each with its devices.
const LISTED: [&str; 3] = ["ext4", "f2fs", "xfs"];

/// One mount of each filesystem that `own` has none of. Where it has to be held still and a process leads to it, it bears that
/// process's path to it, `/proc/1234/root/data`, and is open. Processes that end meanwhile are passed over.
pub(super) fn mounts(own: &[Mount]) -> Result<Vec<Mount>, DeviceError> {
    let own_devices: HashSet<_> = own.iter().map(|mount| mount.device).collect();
    let mut views: HashSet<_> = View::of(Path::new("/proc/self")).into_iter().collect();
    let (mut found, mut places) = (Vec::<Mount>::new(), HashMap::new());
    for process in processes()? {
        let Some(view) = View::of(&process).filter(|view| !views.contains(view)) else { continue };
        let Ok(text) = std::fs::read(process.join("mountinfo")) else { continue };
        let mounts = text.split(|byte| *byte == b'\n').filter_map(parse_line);
        for mount in mounts.filter(|mount| !own_devices.contains(&mount.device)) {
            let place = *places.entry(mount.device).or_insert(found.len());
            let known = found.get(place);
            if known.is_some_and(|known| known.door.is_some()) {
                continue;
            }
            match (entered(&process, &mount), known) {
                (Some(entered), Some(_)) => found[place] = entered,
                (Some(entered), None) => found.push(entered),
                (None, None) => found.push(mount),
                (None, Some(_)) => {}
            }
        }
        // Of one that has ended since, not all may have been seen: the next one in the same place is asked.
        if View::of(&process).as_ref() == Some(&view) {
            views.insert(view);
        }
    }
    Ok(found)
}

/// What a process sees of the mounts: its namespace, below its root.
#[derive(PartialEq, Eq, Hash)]
struct View {
    namespace: u64,
    root: (u64, u64),
}

impl View {
    /// `None` once the process has ended.
    fn of(process: &Path) -> Option<Self> {
        let namespace = std::fs::metadata(process.join("ns/mnt")).ok()?.ino();
        let root = std::fs::metadata(process.join("root")).ok()?;
        Some(Self { namespace, root: (root.dev(), root.ino()) })
    }
}

/// The folders of all processes, the oldest first as a rule: it lives longest.
fn processes() -> Result<Vec<PathBuf>, DeviceError> {
    let names = device::names_in(Path::new("/proc"))?;
    let mut numbers: Vec<u32> = names.iter().filter_map(|name| name.parse().ok()).collect();
    numbers.sort_unstable();
    Ok(numbers.into_iter().map(|number| PathBuf::from(format!("/proc/{number}"))).collect())
}

/// The same mount as `process` leads to it, open; `None` if there is nothing to hold, its device is gone, another mount covers
/// it, or what is mounted is neither a folder nor a file.
fn entered(process: &Path, mount: &Mount) -> Option<Mount> {
    if mount.hold() == Hold::Nothing || mount.is_gone() {
        return None;
    }
    let inside = mount.path.strip_prefix("/").ok()?;
    let file = open_below(&process.join("root"), inside).ok()?;
    let path = process.join("root").join(inside);
    mount.is_led_to(&file).then(|| Mount { path, door: Some(Arc::new(file)), ..mount.clone() })
}

/// Opens a folder or a file below `root`. Whoever is at home there has a say in what lies on the way: a link would lead into our
/// own root, and a place of mounts has none.
fn open_below(root: &Path, path: &Path) -> Result<File, Errno> {
    let root = openat(rustix::fs::CWD, root, OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())?;
    let path = if path.as_os_str().is_empty() { Path::new(".") } else { path };
    let look = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let place = match openat2(&root, path, look, Mode::empty(), ResolveFlags::NO_SYMLINKS | ResolveFlags::NO_MAGICLINKS)
    {
        // Before 5.6.
        Err(Errno::NOSYS) => openat(&root, path, look, Mode::empty()),
        opened => opened,
    }?;
    let place = File::from(place);
    let is_plain = |found: Metadata| found.is_dir() || found.is_file();
    if !place.metadata().is_ok_and(is_plain) {
        return Err(Errno::NOTDIR);
    }
    let door = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOATIME | OFlags::CLOEXEC;
    Ok(File::from(openat(rustix::fs::CWD, super::descriptor(&place), door, Mode::empty())?))
}

/// The filesystems in use that `seen` has no mount of, each as its device's number, its name and its kind. Empty on kernels
/// that do not list them.
pub(super) fn without_mount<'a>(
    seen: impl Iterator<Item = &'a Mount> + Clone,
) -> Vec<(DeviceNumber, String, &'static str)> {
    let names = |dir: &str| device::names_in(Path::new(dir)).unwrap_or_default();
    let mounted: HashSet<_> = seen.clone().map(|mount| mount.device).collect();
    let mut found = Vec::new();
    for kind in LISTED {
        let numbered = names(&format!("/sys/fs/{kind}")).into_iter().filter_map(|name| Some((number(&name)?, name)));
        let unseen = numbered.filter(|(number, _)| !mounted.contains(number));
        found.extend(unseen.map(|(number, name)| (number, name, kind)));
    }
    // A btrfs has a number of its own wherever it is mounted, and one of its devices is what was mounted.
    let sources: Vec<_> = seen.filter(|mount| mount.kind == "btrfs").map(|mount| node(&mount.source)).collect();
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
