//! What is mounted, from `/proc/self/mountinfo` and that of other namespaces. The parser is pure.

mod elsewhere;

use crate::device::{self, DeviceError, DeviceNumber};
use std::collections::HashSet;
use std::fs::File;
use std::os::fd::AsRawFd as _;
use std::os::unix::ffi::OsStringExt as _;
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

const MOUNTINFO: &str = "/proc/self/mountinfo";

/// Filesystems that can be frozen: they keep data on a block device and know FIFREEZE. vfat, exfat, ntfs3 and what FUSE keeps on a
/// block device do not; gfs2 would freeze a whole cluster.
const FREEZABLE: [&str; 8] = ["ext2", "ext3", "ext4", "xfs", "btrfs", "f2fs", "jfs", "reiserfs"];

/// Filesystems that keep data on block devices under a number of their own, as if they had none. btrfs too, which can be frozen.
const NUMBERED_APART: [&str; 2] = ["bcachefs", "zfs"];

/// How a filesystem is held still while a copy is proved.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Hold {
    /// It is frozen: nobody can write.
    Freeze,
    /// It keeps data on a block device and cannot be frozen: what was written is brought to its device, and whoever writes
    /// meanwhile is not held up.
    Flush,
    /// There is nothing to hold: it is read-only, or keeps no data on a block device of its own.
    Nothing,
}

/// The kind that `statfs` tells of a btrfs, from linux/magic.h.
const BTRFS: rustix::fs::FsWord = 0x9123_683E;

/// One mount.
#[derive(Debug, Clone)]
pub struct Mount {
    /// The kernel's number of it.
    pub id: u32,
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
    /// Whether its disk is not what its memory is: mounted without replaying its journal, or given up.
    pub is_stale: bool,
    /// A folder or file of it, open, where that cannot be left for later: in another namespace, by way of a process that may end.
    pub door: Option<Arc<File>>,
}

/// Options of a filesystem whose journal was not replayed.
const UNREPLAYED: [&str; 3] = ["norecovery", "noload", "nologreplay"];
/// What recent kernels call a filesystem that they gave up.
const GIVEN_UP: [&str; 2] = ["emergency_ro", "shutdown"];

impl Mount {
    /// How it is held still.
    pub fn hold(&self) -> Hold {
        let kind = self.kind.as_str();
        if self.read_only {
            Hold::Nothing
        } else if FREEZABLE.contains(&kind) {
            Hold::Freeze
        } else if self.device.major != 0 || NUMBERED_APART.contains(&kind) {
            Hold::Flush
        } else {
            Hold::Nothing
        }
    }

    /// Whether the filesystem keeps data on a block device and can be frozen.
    pub fn is_freezable(&self) -> bool {
        self.hold() == Hold::Freeze
    }

    /// Whether `file` is of this filesystem, and not of one that covers it. Of a btrfs only the kind can be compared: its files
    /// bear the number of their subvolume, not that of the mount.
    pub(crate) fn is_of(&self, file: &File) -> std::io::Result<bool> {
        if self.kind == "btrfs" {
            return Ok(rustix::fs::fstatfs(file)?.f_type == BTRFS);
        }
        Ok(DeviceNumber::from_dev(file.metadata()?.dev()) == self.device)
    }

    /// Whether `file` was opened through this very mount.
    fn is_led_to(&self, file: &File) -> bool {
        self.is_of(file).unwrap_or(false) && mount_id(file).is_none_or(|id| id == self.id)
    }

    /// Opens the folder at its path, which is of another filesystem where that covers it.
    pub(crate) fn open(&self) -> std::io::Result<File> {
        File::options().read(true).custom_flags(libc::O_NOATIME | libc::O_DIRECTORY).open(&self.path)
    }

    /// Whether its path leads to it: it does not where another mount covers it, or it was given up.
    fn is_open(&self) -> bool {
        self.open().is_ok_and(|file| self.is_led_to(&file))
    }

    /// Whether it is not known to lie on other disks alone.
    pub fn may_lie_on(&self, disks: &[DeviceNumber]) -> bool {
        may_lie_on(self.device, disks)
    }

    /// Whether its device was taken away.
    fn is_gone(&self) -> bool {
        self.device.major != 0 && device::place(self.device).ok().flatten().is_none()
    }
}

/// Every filesystem in use on this machine.
#[derive(Debug)]
pub struct Everywhere {
    /// The mounts that this process sees, in the order in which they were made, and then one of each filesystem that is mounted in
    /// other namespaces alone: what these write to is held still as well.
    pub mounts: Vec<Mount>,
    out_of_reach: Vec<(DeviceNumber, String)>,
}

impl Everywhere {
    /// As it is now.
    pub fn look() -> Result<Self, DeviceError> {
        let own = mounted()?;
        let elsewhere = elsewhere::mounts(&own)?;
        let unmounted = elsewhere::without_mount(own.iter().chain(&elsewhere)).into_iter();
        let unmounted = unmounted.map(|(device, name, kind)| (device, format!("{name} ({kind}, mounted nowhere")));
        let (mut mounts, closed): (Vec<_>, Vec<_>) =
            own.into_iter().partition(|mount| mount.hold() == Hold::Nothing || mount.is_open());
        let (reached, unreached): (Vec<_>, Vec<_>) = elsewhere.into_iter().partition(|mount| mount.door.is_some());
        mounts.extend(reached);
        let mut seen: HashSet<_> = mounts.iter().map(|mount| mount.device).collect();
        let unreached = closed
            .into_iter()
            .chain(unreached)
            .filter(|mount| mount.hold() != Hold::Nothing && !mount.is_gone() && seen.insert(mount.device));
        let unreached =
            unreached.map(|mount| (mount.device, format!("{} ({}, mounted out of reach", mount.source, mount.kind)));
        let all = unreached.chain(unmounted);
        let out_of_reach = all.map(|(device, name)| (device, format!("{name}: not flushed either)"))).collect();
        Ok(Self { mounts, out_of_reach })
    }

    /// The filesystems that have to be held still for a copy of `disks`, in the order of [`Self::mounts`].
    pub fn held_on(self, disks: &[DeviceNumber]) -> Vec<Mount> {
        self.mounts.into_iter().filter(|mount| mount.hold() != Hold::Nothing && mount.may_lie_on(disks)).collect()
    }

    /// What on `disks` nobody can freeze, each filesystem once: who writes there is to be stopped by other means. After
    /// [`unfrozen`] as `sdb1 (xfs, mounted nowhere: not flushed either)` those that no path leads to, as after an unmount that
    /// left open files behind.
    pub fn not_frozen(&self, disks: &[DeviceNumber]) -> Vec<String> {
        let mut names = unfrozen(self.mounts.iter().filter(|mount| mount.may_lie_on(disks)));
        let hidden = self.out_of_reach.iter().filter(|(device, _)| may_lie_on(*device, disks));
        names.extend(hidden.map(|(_, name)| name.clone()));
        names
    }
}

/// Whether a device is not known to lie on other disks alone.
fn may_lie_on(device: DeviceNumber, disks: &[DeviceNumber]) -> bool {
    device::leaves(device).is_none_or(|leaves| disks.iter().any(|disk| leaves.contains(disk)))
}

/// The number of the mount through which a file was opened; `None` on kernels that do not tell (before 3.15).
fn mount_id(file: &File) -> Option<u32> {
    let told = std::fs::read_to_string(descriptor(file).replace("/fd/", "/fdinfo/")).ok()?;
    told.lines().find_map(|line| line.strip_prefix("mnt_id:"))?.trim().parse().ok()
}

/// Where in `/proc` an open file is.
fn descriptor(file: &File) -> String {
    format!("/proc/self/fd/{}", file.as_raw_fd())
}

/// Those that cannot be frozen, each once, as `/boot/efi (vfat)`.
pub fn unfrozen<'a>(mounts: impl IntoIterator<Item = &'a Mount>) -> Vec<String> {
    let mut seen = HashSet::new();
    let flushed = mounts.into_iter().filter(|mount| mount.hold() == Hold::Flush && seen.insert(mount.device));
    flushed.map(|mount| format!("{} ({})", mount.path.display(), mount.kind)).collect()
}

/// Undoes the octal escapes of the kernel: space, tab, newline, backslash.
pub(crate) fn unescape(text: &str) -> String {
    String::from_utf8_lossy(&unescape_bytes(text.as_bytes())).into_owned()
}

fn unescape_bytes(text: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some((byte, after)) = rest.split_first() {
        let octal = (*byte == b'\\').then(|| after.get(..3)).flatten();
        let value = octal.and_then(|digits| u8::from_str_radix(std::str::from_utf8(digits).ok()?, 8).ok());
        out.push(value.unwrap_or(*byte));
        rest = if value.is_some() { &after[3..] } else { after };
    }
    out
}

/// A path is bytes, on older servers often of GBK, and has to be found again; all else is for people or is ASCII.
fn parse_line(line: &[u8]) -> Option<Mount> {
    const BETWEEN: &[u8] = b" - ";
    let between = line.windows(BETWEEN.len()).position(|window| window == BETWEEN)?;
    let mut columns = line[..between].split(|byte| *byte == b' ');
    let mut number = |skipped| std::str::from_utf8(columns.nth(skipped)?).ok();
    let (id, device) = (number(0)?.parse().ok()?, DeviceNumber::parse(number(1)?)?);
    let path = PathBuf::from(std::ffi::OsString::from_vec(unescape_bytes(columns.nth(1)?)));
    let filesystem = String::from_utf8_lossy(&line[between + BETWEEN.len()..]);
    let mut columns = filesystem.split(' ');
    let (kind, source, options) = (columns.next()?, columns.next()?, columns.next()?);
    let any = |is: fn(&str) -> bool| options.split(',').any(is);
    let given_up = any(|option| GIVEN_UP.contains(&option));
    let read_only = given_up || any(|option| option == "ro");
    let is_stale = given_up || any(|option| UNREPLAYED.contains(&option) || option.starts_with("rescue="));
    Some(Mount { id, path, device, kind: kind.to_owned(), source: unescape(source), read_only, is_stale, door: None })
}

/// All mounts of a text as `/proc/self/mountinfo` has it, in the order in which they were made.
pub fn parse(mountinfo: &[u8]) -> Result<Vec<Mount>, DeviceError> {
    let parsed = |line: &[u8]| {
        parse_line(line).ok_or_else(|| {
            let found = String::from_utf8_lossy(line);
            crate::device::malformed(Path::new(MOUNTINFO), "device, path, kind, source and options", &found)
        })
    };
    mountinfo.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()).map(parsed).collect()
}

/// The mounts that this process sees.
pub fn mounted() -> Result<Vec<Mount>, DeviceError> {
    let path = Path::new(MOUNTINFO);
    parse(&std::fs::read(path).map_err(crate::device::io_error("read", path))?)
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
        let mounts = parse(TEXT.as_bytes()).unwrap();
        assert_eq!(mounts[1].device, DeviceNumber { major: 8, minor: 1 });
        assert_eq!(mounts[2].path, Path::new("/srv/a b"));
        assert!(mounts[2].read_only && !mounts[1].read_only);
    }

    #[test]
    fn what_keeps_data_on_a_disk_is_frozen_or_else_flushed_and_named() {
        let more = "33 28 8:4 / /data rw - exfat /dev/sda4 rw\n34 28 8:5 / /win rw - fuseblk /dev/sda5 rw\n\
            35 28 0:50 / /tank rw - zfs tank rw\n36 28 0:51 / /home rw - btrfs /dev/sda6 rw\n\
            37 28 0:52 / /tmp rw - tmpfs tmpfs rw\n38 28 0:53 / /doc rw - fuse.portal /dev/fuse rw\n\
            39 28 7:0 / /snap rw - squashfs /dev/loop0 ro\n40 28 8:2 / /efi rw - vfat /dev/sda2 rw\n\
            41 28 8:7 / /shared rw - gfs2 /dev/sda7 rw\n";
        let mounts = parse(format!("{TEXT}{more}").as_bytes()).unwrap();
        let held = |hold| {
            let held = mounts.iter().filter(move |mount| mount.hold() == hold);
            held.map(|mount| mount.path.to_str().unwrap()).collect::<Vec<_>>()
        };
        assert_eq!(held(Hold::Freeze), ["/", "/home"]);
        assert_eq!(held(Hold::Flush), ["/boot/efi", "/data", "/win", "/tank", "/efi", "/shared"]);
        assert_eq!(held(Hold::Nothing), ["/proc", "/srv/a b", "/tmp", "/doc", "/snap"]);
        let named = ["/boot/efi (vfat)", "/data (exfat)", "/win (fuseblk)", "/tank (zfs)", "/shared (gfs2)"];
        assert_eq!(unfrozen(&mounts), named, "each filesystem once, and nothing that is frozen");
    }

    #[test]
    fn a_line_that_is_not_a_mount_is_named() {
        assert!(parse(b"28 1 8:1 / /\n").unwrap_err().to_string().contains("28 1 8:1"));
        assert_eq!(unescape("a\\04"), "a\\04");
    }

    #[test]
    fn a_path_that_is_no_utf8_is_found_and_a_filesystem_that_was_given_up_is_read_only() {
        // "档案" in GBK.
        let line = b"28 1 8:1 / /srv/\xb5\xb5\xb0\xb8 rw - ext4 /dev/sda1 rw,emergency_ro\n";
        let mounts = parse(line).unwrap();
        assert_eq!(mounts[0].path.as_os_str().as_encoded_bytes(), b"/srv/\xb5\xb5\xb0\xb8");
        assert!(mounts[0].read_only && mounts[0].is_stale);
        for (options, is_stale) in
            [("ro,norecovery", true), ("ro,rescue=all", true), ("ro,attr2", false), ("rw", false)]
        {
            let line = format!("28 1 8:1 / / rw - xfs /dev/sda1 {options}\n");
            assert_eq!(parse(line.as_bytes()).unwrap()[0].is_stale, is_stale, "{options}");
        }
    }

    #[test]
    fn this_machine_has_a_root() {
        assert!(mounted().unwrap().iter().any(|mount| mount.path == Path::new("/")));
    }
}
