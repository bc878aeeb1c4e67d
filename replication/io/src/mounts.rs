//! What is mounted, from `/proc/self/mountinfo`. The parser is pure.

use crate::device::{self, DeviceError, DeviceNumber};
use std::os::unix::ffi::OsStringExt as _;
use std::path::{Path, PathBuf};

const MOUNTINFO: &str = "/proc/self/mountinfo";

/// Filesystems that can be frozen: they keep data on a block device and know FIFREEZE. vfat does not.
const FREEZABLE: [&str; 8] = ["ext2", "ext3", "ext4", "xfs", "btrfs", "f2fs", "jfs", "reiserfs"];

/// One mount.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mount {
    /// Where.
    pub path: PathBuf,
    /// Device of the filesystem, as `st_dev` has it; virtual filesystems have one too.
    pub device: DeviceNumber,
    /// Kind of filesystem.
    pub kind: String,
    /// What was mounted.
    pub source: String,
    /// Whether the filesystem, not just this mount, is read-only.
    pub read_only: bool,
}

impl Mount {
    /// Whether the filesystem keeps data on a block device and can be frozen.
    pub fn is_freezable(&self) -> bool {
        !self.read_only && FREEZABLE.contains(&self.kind.as_str())
    }
}

/// The filesystems that have to be frozen for a copy of `disks`: freezable ones, without those that are known to lie on other
/// disks alone.
pub fn freezable_on(disks: &[DeviceNumber]) -> Result<Vec<Mount>, DeviceError> {
    let elsewhere = |mount: &Mount| {
        device::leaves(mount.device).is_some_and(|leaves| disks.iter().all(|disk| !leaves.contains(disk)))
    };
    Ok(mounted()?.into_iter().filter(|mount| mount.is_freezable() && !elsewhere(mount)).collect())
}

/// Undoes the octal escapes of the kernel: space, tab, newline, backslash.
pub(crate) fn unescape(text: &str) -> String {
    String::from_utf8_lossy(&unescape_bytes(text)).into_owned()
}

fn unescape_bytes(text: &str) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((byte, after)) = rest.split_first() {
        let octal = (*byte == b'\\').then(|| after.get(..3)).flatten();
        let value = octal.and_then(|digits| u8::from_str_radix(std::str::from_utf8(digits).ok()?, 8).ok());
        out.push(value.unwrap_or(*byte));
        rest = if value.is_some() { &after[3..] } else { after };
    }
    out
}

fn parse_line(line: &str) -> Option<Mount> {
    let (mount, filesystem) = line.split_once(" - ")?;
    let mut columns = mount.split(' ').skip(2);
    let device = DeviceNumber::parse(columns.next()?)?;
    let path = PathBuf::from(std::ffi::OsString::from_vec(unescape_bytes(columns.nth(1)?)));
    let mut columns = filesystem.split(' ');
    let (kind, source, options) = (columns.next()?, columns.next()?, columns.next()?);
    let read_only = options.split(',').any(|option| option == "ro");
    Some(Mount { path, device, kind: kind.to_owned(), source: unescape(source), read_only })
}

/// All mounts, in the order in which they were made.
pub(crate) fn parse(mountinfo: &str) -> Result<Vec<Mount>, DeviceError> {
    let parsed = |line: &str| {
        parse_line(line).ok_or_else(|| {
            crate::device::malformed(Path::new(MOUNTINFO), "device, path, kind, source and options", line)
        })
    };
    mountinfo.lines().map(parsed).collect()
}

/// The mounts that this process sees.
pub fn mounted() -> Result<Vec<Mount>, DeviceError> {
    let path = Path::new(MOUNTINFO);
    // Names need not be UTF-8: what is not is replaced, and then simply not found.
    let text = std::fs::read(path).map_err(crate::device::io_error("read", path))?;
    parse(&String::from_utf8_lossy(&text))
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "22 28 0:21 / /proc rw,nosuid shared:5 - proc proc rw\n\
        28 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw,errors=remount-ro\n\
        31 28 8:3 / /srv/a\\040b rw,relatime - xfs /dev/sda3 ro,attr2\n\
        32 28 8:2 / /boot/efi rw - vfat /dev/sda2 rw\n";

    #[test]
    fn mounts_are_read_with_their_escapes_and_the_state_of_the_filesystem() {
        let mounts = parse(TEXT).unwrap();
        assert_eq!(mounts[1].device, DeviceNumber { major: 8, minor: 1 });
        assert_eq!(mounts[2].path, Path::new("/srv/a b"));
        assert!(mounts[2].read_only && !mounts[1].read_only);
        let freezable: Vec<_> = mounts.iter().filter(|mount| mount.is_freezable()).map(|mount| &mount.path).collect();
        assert_eq!(freezable, [Path::new("/")]);
    }

    #[test]
    fn a_line_that_is_not_a_mount_is_named() {
        assert!(parse("28 1 8:1 / /\n").unwrap_err().to_string().contains("28 1 8:1"));
        assert_eq!(unescape("a\\04"), "a\\04");
    }

    #[test]
    fn this_machine_has_a_root() {
        assert!(mounted().unwrap().iter().any(|mount| mount.path == Path::new("/")));
    }
}
