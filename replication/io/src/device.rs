//! Whole disks at the bottom of the stack, named by what stays the same across reboots and cabling.
//!
//! A [`LeafDisk`] is a disk of `/sys/block` that lies on no other: partitions, LVM, LUKS and md are above it and need no
//! handling of their own. Finds, names and sizes disks; [`reader`] and [`volume`] move their bytes. Never writes to a disk.

pub(crate) mod arrays;
pub mod buffer;
mod flush;
mod leaves;
pub mod paths;
pub mod reader;
mod sysfs;
pub mod volume;

use crate::freemap::layout;
use qianyun_replication::identity::DeviceIdentity;
use std::fs::File;
use std::io;
use std::os::unix::fs::{FileTypeExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;

pub(crate) use flush::flush_nodes;
pub use leaves::leaves;
pub use reader::OwnReads;
use reader::ReadCounter;
pub use sysfs::{DeviceNumber, Place};
pub(crate) use sysfs::{block_dir, malformed, names_in, partitions, place, read_text, size_bytes as current_size};

/// Why a disk or volume cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DeviceError {
    /// A call about a file or device failed.
    #[error("cannot {action} {}", path.display())]
    Io {
        /// What was tried, as a verb.
        action: &'static str,
        /// On what.
        path: PathBuf,
        /// Why not.
        #[source]
        source: io::Error,
    },
    /// The kernel says something that does not parse.
    #[error("{} holds {found:?}, expected {expected}", path.display())]
    Sysfs {
        /// The file.
        path: PathBuf,
        /// What it should hold.
        expected: &'static str,
        /// What it holds, cut short.
        found: String,
    },
    /// A partition, a mapped device, a file: anything but a whole disk at the bottom of the stack.
    #[error("{} is {found}, expected a whole disk that lies on no other device", path.display())]
    NotALeaf {
        /// The path as given.
        path: PathBuf,
        /// What it is.
        found: &'static str,
    },
    /// Not every write to it would be seen.
    #[error("writes to a disk cannot be followed")]
    Unfollowed(#[from] paths::Unfollowed),
    /// No disk, or more than one, has the identity that was approved.
    #[error("{found} disks match {wanted}, expected one; see `lsblk -o NAME,SIZE,SERIAL,WWN,PTUUID`")]
    NotFound {
        /// The identity.
        wanted: Box<DeviceIdentity>,
        /// Number of disks that match.
        found: usize,
    },
    /// A volume has another size than the disk.
    #[error("volume {} has {found} bytes, expected {expected}", path.display())]
    Size {
        /// The volume.
        path: PathBuf,
        /// The disk's size.
        expected: u64,
        /// The volume's size.
        found: u64,
    },
    /// Another receiver has the volume, or the kernel itself uses the device.
    #[error("volume {} is in use: by another receiver, a mount, or an array", path.display())]
    InUse {
        /// The volume.
        path: PathBuf,
    },
    /// What lies at the path of a volume is another file or device than the one that is written to, or was cut.
    #[error("volume {} was moved, replaced or cut while it was written to; put it back, and start the receiver again", path.display())]
    Moved {
        /// The volume.
        path: PathBuf,
    },
    /// An access that is not within the device or not aligned to its sectors.
    #[error("access to {len} bytes at {offset} of {}, expected whole sectors within {size} bytes", path.display())]
    Bounds {
        /// The device.
        path: PathBuf,
        /// Where.
        offset: u64,
        /// How much.
        len: u64,
        /// Its size.
        size: u64,
    },
}

pub(crate) fn io_error(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> DeviceError {
    let path = path.to_owned();
    move |source| DeviceError::Io { action, path, source }
}

/// A whole disk, open for direct reads. Cheap to clone.
#[derive(Debug, Clone)]
pub struct LeafDisk {
    number: DeviceNumber,
    name: String,
    node: PathBuf,
    identity: DeviceIdentity,
    file: Arc<File>,
    reads: Arc<ReadCounter>,
}

/// The disks of a machine. One that is broken does not hide the others.
#[derive(Debug)]
pub struct Listed {
    /// Those that can be read.
    pub disks: Vec<LeafDisk>,
    /// Why others cannot; each error names its disk.
    pub refused: Vec<DeviceError>,
}

/// Whether a disk of this name holds nothing that stays: memory, a file of another disk, a medium that is taken out.
fn is_passing(name: &str) -> bool {
    let kind = name.trim_end_matches(|c: char| c.is_ascii_digit());
    ["loop", "ram", "zram", "sr", "fd", "nbd"].contains(&kind)
}

/// What a block device is called on every boot and behind every cable, and where on its disk it begins: the UUID of a mapped
/// device or an array, a disk's world-wide name or serial number, the file of a loop device. `None` for what is no block device, and for a
/// disk without any such name.
pub fn lasting_name(path: &Path) -> Result<Option<String>, DeviceError> {
    let metadata = std::fs::metadata(path).map_err(io_error("look at", path))?;
    if !metadata.file_type().is_block_device() {
        return Ok(None);
    }
    let Some(place) = place(DeviceNumber::from_dev(metadata.rdev()))? else { return Ok(None) };
    let stacked = |file: &str| sysfs::text(&format!("/sys/block/{}/{file}", place.name));
    let names = [
        stacked("dm/uuid"),
        stacked("md/uuid"),
        Some(sysfs::wwn(&place.name, sysfs::text)),
        Some(sysfs::serial(&place.name)),
    ];
    let name = names.into_iter().flatten().find(|name| !name.is_empty()).or_else(|| sysfs::backing_file(&place.name));
    Ok(name.map(|name| format!("{name}, from byte {}", place.start_bytes)))
}

impl LeafDisk {
    /// All disks of the machine that hold data for good: not RAM disks, loop devices, floppies, or optical drives, and
    /// none of size zero (an empty card reader) or without a node (one path of a multipath NVMe disk).
    pub fn list() -> Result<Listed, DeviceError> {
        let Listed { disks, mut refused } = Self::opened()?;
        let mut followed = Vec::new();
        for disk in disks {
            match disk.check_followed() {
                Ok(()) => followed.push(disk),
                Err(error) => refused.push(error),
            }
        }
        Ok(Listed { disks: followed, refused })
    }

    /// Those too to which not every write would be seen.
    fn opened() -> Result<Listed, DeviceError> {
        let mut listed = Listed { disks: Vec::new(), refused: Vec::new() };
        for name in sysfs::disk_names()? {
            let unusable =
                sysfs::is_hidden(&name, sysfs::text) || sysfs::is_stacked(&name)? || sysfs::size_bytes(&name)? == 0;
            if is_passing(&name) || unusable {
                continue;
            }
            match Self::open(&name) {
                Ok(disk) => listed.disks.push(disk),
                Err(error) => listed.refused.push(error),
            }
        }
        Ok(listed)
    }

    /// The one disk with this identity.
    pub fn find(wanted: &DeviceIdentity) -> Result<Self, DeviceError> {
        let mut matching: Vec<_> = Self::opened()?.disks.into_iter().filter(|disk| disk.identity == *wanted).collect();
        // Before they are counted: two paths to one disk are two disks that match.
        matching.iter().try_for_each(Self::check_followed)?;
        match (matching.pop(), matching.len()) {
            (Some(disk), 0) => Ok(disk),
            (found, rest) => {
                let found = usize::from(found.is_some()) + rest;
                Err(DeviceError::NotFound { wanted: Box::new(wanted.clone()), found })
            }
        }
    }

    /// The disk behind a device node.
    pub fn from_node(path: &Path) -> Result<Self, DeviceError> {
        let metadata = std::fs::metadata(path).map_err(io_error("look at", path))?;
        let not_a_leaf = |found| DeviceError::NotALeaf { path: path.to_owned(), found };
        if !metadata.file_type().is_block_device() {
            return Err(not_a_leaf("not a block device"));
        }
        let number = DeviceNumber::from_dev(metadata.rdev());
        let place = sysfs::place(number)?.ok_or_else(|| not_a_leaf("not known to the kernel"))?;
        if place.disk != number {
            return Err(not_a_leaf("a partition"));
        }
        if sysfs::is_stacked(&place.name)? {
            return Err(not_a_leaf("built on other devices"));
        }
        let disk = Self::open_node(&place.name, path.to_owned())?;
        disk.check_followed()?;
        Ok(disk)
    }

    /// Whether every write to it is traced and counted under its number.
    pub(crate) fn check_followed(&self) -> Result<(), DeviceError> {
        match paths::unfollowed(&self.name, sysfs::text, |dir| sysfs::names_in(Path::new(dir)).unwrap_or_default()) {
            Some(why) => Err(why.into()),
            None => Ok(()),
        }
    }

    /// A device that is built on others, to be read like a disk by those who look for what a filesystem has on it. Never copied:
    /// what it is built on is.
    pub(crate) fn stacked(device: DeviceNumber) -> Result<Self, DeviceError> {
        let unknown = || DeviceError::NotALeaf { path: device.to_string().into(), found: "not known to the kernel" };
        Self::open(&sysfs::place(device)?.ok_or_else(unknown)?.name)
    }

    fn open(name: &str) -> Result<Self, DeviceError> {
        // The kernel writes `!` for the `/` of names such as cciss/c0d0.
        Self::open_node(name, Path::new("/dev").join(sysfs::node_name(name)))
    }

    fn open_node(name: &str, node: PathBuf) -> Result<Self, DeviceError> {
        let file = File::options()
            .read(true)
            .custom_flags(libc::O_DIRECT)
            .open(&node)
            .map_err(io_error("open for direct reads", &node))?;
        let number = sysfs::number(name)?;
        let opened = DeviceNumber::from_dev(file.metadata().map_err(io_error("look at", &node))?.rdev());
        if opened != number {
            return Err(DeviceError::NotALeaf { path: node, found: "the node of another device" });
        }
        let size_bytes = crate::sys::ioctl::block_device_size(&file)
            .map_err(|error| io_error("ask the size of", &node)(error.into()))?;
        let logical_block_bytes = rustix::fs::ioctl_blksszget(&file)
            .map_err(|error| io_error("ask the sector size of", &node)(error.into()))?;
        let (serial, wwn) = (sysfs::serial(name), sysfs::wwn(name, sysfs::text));
        let mut disk = Self {
            number,
            name: name.to_owned(),
            node,
            identity: DeviceIdentity { logical_block_bytes, serial, size_bytes, table_id: String::new(), wwn },
            file: Arc::new(file),
            reads: Arc::default(),
        };
        disk.identity.table_id = layout::table_id(&disk)?;
        Ok(disk)
    }

    /// What names the disk for good.
    pub fn identity(&self) -> &DeviceIdentity {
        &self.identity
    }

    /// The kernel's name, `sda`: for messages; it may change with the next boot.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The kernel's number of the disk.
    pub fn number(&self) -> DeviceNumber {
        self.number
    }

    /// The node that it was opened by.
    pub fn node(&self) -> &Path {
        &self.node
    }

    /// Size in bytes when the disk was opened.
    pub fn size_bytes(&self) -> u64 {
        self.identity.size_bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn disks_that_stay_are_told_from_those_that_pass_by_their_name() {
        assert!(["loop0", "ram12", "zram0", "sr0", "fd0", "nbd3"].iter().all(|name| is_passing(name)));
        assert!(!["sda", "vda", "nvme0n1", "mmcblk0", "cciss!c0d0", "xvdb"].iter().any(|name| is_passing(name)));
    }
}
