//! Asks the running kernel what is built on what: `/sys`, and the device mapper for its tables. Concludes nothing; what
//! cannot be read is not known. Touches no disk, so it may be asked under a freeze.

use super::{Layers, Segment, array, mapper};
use crate::device::{DeviceNumber, read_text};
use std::fs::File;
use std::path::{Path, PathBuf};

const CONTROL: &str = "/dev/mapper/control";
/// There as long as the driver is.
const DRIVER: &str = "/sys/class/misc/device-mapper";

/// The kernel of this machine.
#[derive(Debug)]
pub(in crate::freemap) struct Kernel {
    mapper: Option<File>,
}

fn dir(device: DeviceNumber) -> PathBuf {
    PathBuf::from(format!("/sys/dev/block/{device}"))
}

/// Names in a directory; `None` if it cannot be read to its end.
fn names(dir: &Path) -> Option<Vec<std::ffi::OsString>> {
    std::fs::read_dir(dir).ok()?.map(|entry| Some(entry.ok()?.file_name())).collect()
}

impl Kernel {
    /// Opens what will be asked.
    pub(in crate::freemap) fn open() -> Self {
        // Opening the node would load the driver on a server that does without.
        Self { mapper: Path::new(DRIVER).exists().then(|| File::open(CONTROL).ok()).flatten() }
    }
}

impl Layers for Kernel {
    fn holders(&self, device: DeviceNumber) -> Option<Vec<DeviceNumber>> {
        let holders = dir(device).join("holders");
        let number = |name| DeviceNumber::parse(&read_text(&holders.join(name).join("dev")).ok()?);
        names(&holders)?.into_iter().map(number).collect()
    }

    fn build(&self, device: DeviceNumber) -> Option<Vec<Segment>> {
        let dir = dir(device);
        // Partitions of an array: their table would have to be read and believed as well.
        if names(&dir)?.iter().any(|name| dir.join(name).join("partition").exists()) {
            return None;
        }
        if dir.join("dm").exists() {
            return crate::sys::mapper::table(self.mapper.as_ref()?, device.encoded(), mapper::parse).ok()?;
        }
        dir.join("md").exists().then(|| array::segments(&|file| read_text(&dir.join(file)).ok())).flatten()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whatever_this_machine_has_says_what_lies_on_it_and_a_disk_is_built_from_nothing() {
        let kernel = Kernel::open();
        let names = names(Path::new("/sys/dev/block")).unwrap_or_default();
        for device in names.iter().filter_map(|name| DeviceNumber::parse(name.to_str()?)) {
            assert!(kernel.holders(device).is_some(), "{device}");
            let stacked = ["dm", "md"].iter().any(|kind| dir(device).join(kind).exists());
            assert!(stacked || kernel.build(device).is_none(), "{device}");
        }
    }
}
