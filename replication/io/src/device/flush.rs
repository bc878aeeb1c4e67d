//! Brings to a disk what was written to its nodes, to those of its partitions and of what lies above them, and still waits in
//! memory: by a database on a whole disk that was stopped, by `dd`, by an installer. No freeze of a filesystem does that, and
//! the kernel does it at the last close only, which is not while we have the disk open. Never writes anything of its own.

use super::sysfs::{self, names_in};
use super::{DeviceError, LeafDisk, block_dir, io_error};
use rustix::io::Errno;
use std::collections::BTreeSet;
use std::fs::File;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

/// Flushes all nodes of a disk that there are; what could not be flushed is returned.
pub(crate) fn flush_nodes(disk: &LeafDisk) -> Vec<DeviceError> {
    let mut nodes = BTreeSet::new();
    let listed = above(disk.name(), &mut nodes).err();
    nodes.iter().filter_map(|name| flush(name).err()).chain(listed).collect()
}

/// The kernel's names of a disk, its partitions, and all that is built on any of them.
fn above(name: &str, found: &mut BTreeSet<String>) -> Result<(), DeviceError> {
    if !found.insert(name.to_owned()) {
        return Ok(());
    }
    let dir = block_dir(name);
    let mut holders = listed(&dir.join("holders"))?;
    for part in names_in(&dir)?.into_iter().filter(|entry| dir.join(entry).join("partition").exists()) {
        holders.extend(listed(&dir.join(&part).join("holders"))?);
        found.insert(part);
    }
    holders.iter().try_for_each(|holder| above(holder, found))
}

/// Names in a folder that may not be there.
fn listed(dir: &Path) -> Result<Vec<String>, DeviceError> {
    if dir.exists() { names_in(dir) } else { Ok(Vec::new()) }
}

fn flush(name: &str) -> Result<(), DeviceError> {
    let node = Path::new("/dev").join(sysfs::node_name(name));
    // Not to wait for a medium that is not in its drive.
    let opened = File::options().read(true).custom_flags(libc::O_NONBLOCK).open(&node);
    match opened.and_then(|file| file.sync_all()) {
        // No node, or nothing behind it: nobody writes there by it.
        Err(error) if matches!(Errno::from_io_error(&error), Some(Errno::NOENT | Errno::NXIO | Errno::NOMEDIUM)) => {
            Ok(())
        }
        result => result.map_err(io_error("flush", &node)),
    }
}
