//! What `/sys` says about disks and partitions. Reads small text files; keeps nothing.

use super::{DeviceError, io_error};
use rustix::io::Errno;
use std::io::Read as _;
use std::path::{Path, PathBuf};

/// The kernel's number of a block device.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct DeviceNumber {
    /// Which driver.
    pub major: u32,
    /// Which of its devices.
    pub minor: u32,
}

impl DeviceNumber {
    /// From `st_dev` or `st_rdev`.
    pub fn from_dev(dev: u64) -> Self {
        Self { major: rustix::fs::major(dev), minor: rustix::fs::minor(dev) }
    }

    /// As trace events and filters have it: the kernel's own 12:20 bits.
    pub(crate) fn kernel(self) -> u32 {
        (self.major << 20) | self.minor
    }

    /// As filesystem maps have it: the 32-bit form of `new_encode_dev`.
    pub(crate) fn encoded(self) -> u32 {
        (self.minor & 0xff) | (self.major << 8) | ((self.minor & !0xff) << 12)
    }

    /// Parses `8:16`.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let (major, minor) = text.trim().split_once(':')?;
        Some(Self { major: major.parse().ok()?, minor: minor.parse().ok()? })
    }
}

impl std::fmt::Display for DeviceNumber {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}:{}", self.major, self.minor)
    }
}

/// Where a disk or partition lies.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// The whole disk.
    pub disk: DeviceNumber,
    /// Its name in `/sys/block`.
    pub name: String,
    /// Where the device begins on the disk, bytes.
    pub start_bytes: u64,
    /// Its length, bytes.
    pub len_bytes: u64,
}

/// Longest file of `/sys` read here: the longest, a VPD page, has 255 bytes of content.
const SYSFS_BYTES: u64 = 4096;
/// `/sys` counts sectors of 512 bytes, whatever the disk's own.
const SECTOR_BYTES: u64 = 512;

fn read(path: &Path) -> Result<Vec<u8>, DeviceError> {
    let file = std::fs::File::open(path).map_err(io_error("open", path))?;
    let mut content = Vec::new();
    file.take(SYSFS_BYTES).read_to_end(&mut content).map_err(io_error("read", path))?;
    Ok(content)
}

pub(crate) fn read_text(path: &Path) -> Result<String, DeviceError> {
    Ok(String::from_utf8_lossy(&read(path)?).trim().to_owned())
}

fn parse<T: std::str::FromStr>(path: &Path, expected: &'static str) -> Result<T, DeviceError> {
    let text = read_text(path)?;
    text.parse().map_err(|_| malformed(path, expected, &text))
}

pub(crate) fn malformed(path: &Path, expected: &'static str, found: &str) -> DeviceError {
    DeviceError::Sysfs { path: path.to_owned(), expected, found: found.chars().take(80).collect() }
}

pub(crate) fn block_dir(name: &str) -> PathBuf {
    Path::new("/sys/block").join(name)
}

/// The name below `/dev` of what `/sys` calls so.
pub(super) fn node_name(name: &str) -> String {
    name.replace('!', "/")
}

/// Names in `/sys/block`, in order.
pub(super) fn disk_names() -> Result<Vec<String>, DeviceError> {
    names_in(Path::new("/sys/block"))
}

/// Names in a folder, in order.
pub(crate) fn names_in(dir: &Path) -> Result<Vec<String>, DeviceError> {
    let mut names = Vec::new();
    for entry in std::fs::read_dir(dir).map_err(io_error("list", dir))? {
        names.push(entry.map_err(io_error("list", dir))?.file_name().to_string_lossy().into_owned());
    }
    names.sort();
    Ok(names)
}

/// The devices that the disk is built on.
pub(super) fn slaves(name: &str) -> Result<Vec<DeviceNumber>, DeviceError> {
    let dir = block_dir(name).join("slaves");
    let entries = match std::fs::read_dir(&dir) {
        Ok(entries) => entries,
        // Kernels without stacking have no such directory.
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(io_error("list", &dir)(error)),
    };
    entries.map(|entry| number_at(&entry.map_err(io_error("list", &dir))?.path().join("dev"))).collect()
}

/// Whether the disk is built on others.
pub(super) fn is_stacked(name: &str) -> Result<bool, DeviceError> {
    Ok(!slaves(name)?.is_empty())
}

/// The file of a loop device.
pub(super) fn backing_file(name: &str) -> Option<String> {
    read_text(&block_dir(name).join("loop/backing_file")).ok().filter(|text| !text.is_empty())
}

/// Whether the disk has no node: the paths of a multipath NVMe disk, whose head is a disk of its own. `text` reads a file, trimmed.
pub(super) fn is_hidden(name: &str, text: impl Fn(&str) -> Option<String>) -> bool {
    // The file exists from 4.15 on, as hidden disks do.
    text(&format!("/sys/block/{name}/hidden")).as_deref() == Some("1")
}

/// A file of `/sys` that may not be there.
pub(super) fn text(path: &str) -> Option<String> {
    read_text(Path::new(path)).ok()
}

pub(crate) fn size_bytes(name: &str) -> Result<u64, DeviceError> {
    let sectors: u64 = parse(&block_dir(name).join("size"), "a number of sectors")?;
    Ok(sectors.saturating_mul(SECTOR_BYTES))
}

pub(super) fn number(name: &str) -> Result<DeviceNumber, DeviceError> {
    number_at(&block_dir(name).join("dev"))
}

fn number_at(path: &Path) -> Result<DeviceNumber, DeviceError> {
    let text = read_text(path)?;
    DeviceNumber::parse(&text).ok_or_else(|| malformed(path, "major:minor", &text))
}

/// The disk's serial number, empty if it has none.
pub(super) fn serial(name: &str) -> String {
    let dir = block_dir(name);
    let texts = ["serial", "device/serial"].iter().find_map(|file| read_text(&dir.join(file)).ok());
    // SCSI and SATA: unit serial number page, four bytes of header.
    let page = || {
        let page = read(&dir.join("device/vpd_pg80")).ok()?;
        let text = String::from_utf8_lossy(page.get(4..)?).into_owned();
        Some(text.trim_matches(|c: char| c.is_whitespace() || c == '\0').to_owned())
    };
    texts.filter(|text| !text.is_empty()).or_else(page).unwrap_or_default()
}

/// The disk's world-wide name, empty if it has none. `text` reads a file, trimmed.
pub(super) fn wwn(name: &str, text: impl Fn(&str) -> Option<String>) -> String {
    let files = ["wwid", "device/wwid"].map(|file| format!("/sys/block/{name}/{file}"));
    files.iter().find_map(|file| text(file)).unwrap_or_default()
}

/// Where a block device lies on its disk; `None` if the number is of no block device (a network or virtual filesystem).
pub(crate) fn place(number: DeviceNumber) -> Result<Option<Place>, DeviceError> {
    let link = PathBuf::from(format!("/sys/dev/block/{number}"));
    let dir = match std::fs::canonicalize(&link) {
        Ok(dir) => dir,
        Err(error) if Errno::from_io_error(&error) == Some(Errno::NOENT) => return Ok(None),
        Err(error) => return Err(io_error("resolve", &link)(error)),
    };
    let name_of = |dir: &Path| dir.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    let len_bytes = parse::<u64>(&dir.join("size"), "a number of sectors")?.saturating_mul(SECTOR_BYTES);
    let parent = dir.parent().filter(|_| dir.join("partition").exists());
    let Some(parent) = parent else {
        return Ok(Some(Place { disk: number, name: name_of(&dir), start_bytes: 0, len_bytes }));
    };
    let start: u64 = parse(&dir.join("start"), "a sector")?;
    let disk = number_at(&parent.join("dev"))?;
    Ok(Some(Place { disk, name: name_of(parent), start_bytes: start.saturating_mul(SECTOR_BYTES), len_bytes }))
}

/// The partitions that the kernel sees on a disk.
pub(crate) fn partitions(name: &str) -> Result<Vec<(DeviceNumber, Place)>, DeviceError> {
    let dir = block_dir(name);
    let mut found = Vec::new();
    for entry in std::fs::read_dir(&dir).map_err(io_error("list", &dir))? {
        let path = entry.map_err(io_error("list", &dir))?.path();
        if !path.join("partition").exists() {
            continue;
        }
        let number = number_at(&path.join("dev"))?;
        if let Some(place) = place(number)? {
            found.push((number, place));
        }
    }
    found.sort_by_key(|(_, place)| place.start_bytes);
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_device_number_has_three_encodings() {
        let number = DeviceNumber::parse("259:300\n").unwrap();
        assert_eq!(number.kernel(), (259 << 20) | 300);
        assert_eq!(number.encoded(), 0x0010_0000 | (259 << 8) | 44);
        assert_eq!(number.to_string(), "259:300");
        assert_eq!(DeviceNumber::parse("259"), None);
    }
}
