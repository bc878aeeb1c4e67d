//! Where arriving disks go: a device or file that the admin named, or a new file in the receiver's folder. Decides from what
//! was announced and what is there; writes nothing.

use super::announce::{Announced, Announcement};
use crate::receive::{Entry, MAX_VOLUMES};
use qianyun_replication_io::device::{DeviceError, lasting_name};
use qianyun_replication_io::freemap::layout::table_id_at;
use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::os::unix::fs::FileTypeExt;
use std::path::Path;

/// The longest name of a disk: the kernel's limit for a block device.
const MAX_NAME_BYTES: usize = 32;
/// What is looked at to see whether a place is empty: partition tables, boot loaders and the first superblocks lie in it.
const LOOK_BYTES: u64 = 1024 * 1024;

/// What the admin said about places.
#[derive(Debug, Clone, Default)]
pub(super) struct Wishes {
    /// The receiver's folder.
    pub(super) dir: String,
    /// Places by name of the disk.
    pub(super) named: BTreeMap<String, String>,
    /// What is in a place already may be lost.
    pub(super) overwrite: bool,
}

/// One argument `sda=/dev/vdb`.
pub(super) fn parse_place(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((name, path)) if is_name(name) && path.starts_with('/') => Ok((name.to_owned(), path.to_owned())),
        Some(_) | None => Err(format!("expected <disk>=</absolute/path>, as sda=/dev/vdb, found {text:?}")),
    }
}

/// A name that can be a part of a file's.
fn is_name(name: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'!');
    (1..=MAX_NAME_BYTES).contains(&name.len()) && name.bytes().all(allowed)
}

/// A place for every disk, or why there is none, in words for the other end.
pub(super) fn choose(wishes: &Wishes, announcement: &Announcement) -> Result<Vec<Entry>, String> {
    let disks = &announcement.disks;
    if !(1..=MAX_VOLUMES).contains(&disks.len()) {
        return Err(format!("{} disks were announced, expected 1 to {MAX_VOLUMES}", disks.len()));
    }
    let mut entries: Vec<Entry> = Vec::new();
    for Announced { name, identity } in disks {
        if !is_name(name) {
            return Err(format!("{name:?} is not the name of a disk"));
        }
        let path = wishes.named.get(name).cloned().unwrap_or_else(|| format!("{}/{name}.raw", wishes.dir));
        if entries.iter().any(|entry| entry.name == *name || entry.path == path) {
            return Err(format!("disk {name} or its place {path} comes twice"));
        }
        check(&path, identity.size_bytes, wishes.overwrite)?;
        let device = device_of(&path)?;
        entries.push(Entry { name: name.clone(), path, identity: identity.clone(), device });
    }
    match wishes.named.keys().find(|name| disks.iter().all(|disk| disk.name != **name)) {
        Some(name) => {
            let coming: Vec<&str> = disks.iter().map(|disk| disk.name.as_str()).collect();
            Err(format!("the receiver has a place for {name}, but the disks that come are {}", coming.join(", ")))
        }
        None => Ok(entries),
    }
}

/// Whether a disk of `size_bytes` may go to `path`.
fn check(path: &str, size_bytes: u64, overwrite: bool) -> Result<(), String> {
    let metadata = match std::fs::metadata(path) {
        Ok(metadata) => metadata,
        Err(error) if error.kind() == io::ErrorKind::NotFound && !path.starts_with("/dev/") => return Ok(()),
        Err(error) => return Err(format!("{path}: {error}")),
    };
    let is_device = metadata.file_type().is_block_device();
    if !is_device && !metadata.is_file() {
        return Err(format!("{path} is neither a file nor a block device"));
    }
    let found = length_and_start(path).map_err(|error| format!("{path}: {error}"))?;
    let fits = found.0 == size_bytes || (is_device && found.0 > size_bytes);
    if !fits {
        return Err(format!("{path} has {} bytes, expected {size_bytes}", found.0));
    }
    if found.1.iter().any(|byte| *byte != 0) && !overwrite {
        return Err(format!("{path} is not empty; start the receiver with --overwrite if what is there may be lost"));
    }
    Ok(())
}

/// What the block device at `path` is called on every boot; none for a file, or where nothing is.
fn device_of(path: &str) -> Result<Option<String>, String> {
    match lasting_name(Path::new(path)) {
        Ok(name) => Ok(name),
        Err(DeviceError::Io { source, .. }) if source.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(format!("{path}: {error}")),
    }
}

/// Whether a place that was chosen before is still the one that is wished and the same one, and what it is called: after a reboot,
/// `/dev/vdb` may be another disk. A file in the receiver's folder, and where nothing is, is for the receiver to open.
pub(super) fn check_again(entry: &Entry, wishes: &Wishes) -> Result<Option<String>, String> {
    let Entry { name, path, identity, device } = entry;
    if let Some(wish) = wishes.named.get(name).filter(|wish| *wish != path) {
        return Err(format!(
            "the copy of {name} was begun at {path}, and is to go to {wish} now; leave that out, or begin anew in an empty folder"
        ));
    }
    let found = device_of(path)?;
    let Ok(metadata) = std::fs::metadata(path) else { return Ok(device.clone()) };
    let is_device = metadata.file_type().is_block_device();
    if device.is_some() && *device != found {
        let found = match &found {
            Some(name) => name.as_str(),
            None if is_device => "without a name of its own",
            None => "a file",
        };
        return Err(format!(
            "{path} is another device than the copy was begun on, which was {}; this one is {found}; attach that one there, or \
             begin anew in an empty folder",
            device.as_deref().unwrap_or_default(),
        ));
    }
    let is_known = if is_device { device.is_some() } else { Path::new(path).starts_with(&wishes.dir) };
    if is_known || wishes.overwrite || (!is_device && identity.table_id.is_empty()) {
        return Ok(found);
    }
    // Nothing was noted of it, or it has nothing to note: what lies on it has to tell. Of a file on a disk that is attached
    // by hand it has to tell as well.
    let failed = |error: &dyn std::fmt::Display| format!("{path}: {error}");
    let (_, start) = length_and_start(path).map_err(|error| failed(&error))?;
    let table_id = table_id_at(Path::new(path)).map_err(|error| failed(&error))?;
    if start.iter().all(|byte| *byte == 0) || (!table_id.is_empty() && table_id == identity.table_id) {
        return Ok(found);
    }
    Err(format!(
        "{path} cannot be told from another: no name of it was noted that would be the same after a reboot, and what lies on it \
         is not the begun copy; if it is the right one all the same, start the receiver once with --overwrite"
    ))
}

fn length_and_start(path: &str) -> io::Result<(u64, Vec<u8>)> {
    let mut file = File::open(Path::new(path))?;
    let mut start = Vec::new();
    (&mut file).take(LOOK_BYTES).read_to_end(&mut start)?;
    Ok((file.seek(SeekFrom::End(0))?, start))
}

#[cfg(test)]
mod tests {
    use super::*;
    use qianyun_agent_api::inventory::DiskIdentity;

    fn coming(names: &[&str]) -> Announcement {
        let identity = |name: &str| DiskIdentity {
            serial: name.into(),
            wwn: String::new(),
            size_bytes: 4096,
            logical_block_bytes: 512,
            table_id: String::new(),
        };
        Announcement { disks: names.iter().map(|n| Announced { name: (*n).into(), identity: identity(n) }).collect() }
    }

    #[test]
    fn a_disk_goes_where_the_admin_says_else_to_a_file_of_its_name() {
        let dir = tempfile::tempdir().unwrap();
        let (folder, other) = (dir.path().to_str().unwrap(), dir.path().join("b"));
        std::fs::write(&other, [0; 4096]).unwrap();
        let (name, path) = parse_place(&format!("sdb={}", other.display())).unwrap();
        let wishes = Wishes { dir: folder.into(), named: [(name, path.clone())].into(), overwrite: false };
        let paths: Vec<String> =
            choose(&wishes, &coming(&["sda", "sdb"])).unwrap().into_iter().map(|entry| entry.path).collect();
        assert_eq!(paths, [format!("{folder}/sda.raw"), path]);
    }

    #[test]
    fn a_place_that_is_not_empty_too_small_or_of_no_use_is_refused_in_words() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("sda.raw");
        let mut wishes = Wishes { dir: dir.path().to_str().unwrap().into(), ..Wishes::default() };
        std::fs::write(&path, [1; 4096]).unwrap();
        assert!(choose(&wishes, &coming(&["sda"])).unwrap_err().contains("--overwrite"));
        wishes.overwrite = true;
        choose(&wishes, &coming(&["sda"])).unwrap();
        std::fs::write(&path, [0; 512]).unwrap();
        assert!(choose(&wishes, &coming(&["sda"])).unwrap_err().contains("has 512 bytes, expected 4096"));
        wishes.named = [("sda".to_owned(), wishes.dir.clone())].into();
        assert!(choose(&wishes, &coming(&["sda"])).unwrap_err().contains("neither a file nor a block device"));
        wishes.named = [("sda".to_owned(), "/dev/not-there".to_owned())].into();
        assert!(choose(&wishes, &coming(&["sda"])).unwrap_err().contains("/dev/not-there"));
    }

    #[test]
    fn a_file_that_was_chosen_or_is_gone_is_for_the_receiver_to_open() {
        let dir = tempfile::tempdir().unwrap();
        let wishes = Wishes { dir: dir.path().to_str().unwrap().into(), ..Wishes::default() };
        let entry = choose(&wishes, &coming(&["sda"])).unwrap().remove(0);
        assert_eq!(entry.device, None);
        assert_eq!(check_again(&entry, &wishes), Ok(None));
        std::fs::write(&entry.path, [1; 4096]).unwrap();
        assert_eq!(check_again(&entry, &wishes), Ok(None));
        let device = Entry { device: Some("disk 5".to_owned()), ..entry };
        assert!(check_again(&device, &wishes).unwrap_err().contains("which was disk 5; this one is a file"));
    }

    #[test]
    fn a_file_elsewhere_has_to_hold_the_begun_copy_or_nothing_and_be_the_one_that_is_wished() {
        let (dir, elsewhere) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let path = elsewhere.path().join("a.raw").to_str().unwrap().to_owned();
        let mut wishes = Wishes { dir: dir.path().to_str().unwrap().into(), ..Wishes::default() };
        wishes.named = [("sda".to_owned(), path.clone())].into();
        let mut entry = choose(&wishes, &coming(&["sda"])).unwrap().remove(0);
        entry.identity.table_id = "0x5155414e".to_owned();
        std::fs::write(&path, [0; 4096]).unwrap();
        assert_eq!(check_again(&entry, &wishes), Ok(None));
        std::fs::write(&path, [1; 4096]).unwrap();
        assert!(check_again(&entry, &wishes).unwrap_err().contains("--overwrite"));
        assert_eq!(check_again(&entry, &Wishes { overwrite: true, ..wishes.clone() }), Ok(None));
        wishes.named = [("sda".to_owned(), "/dev/vdb".to_owned())].into();
        assert!(check_again(&entry, &wishes).unwrap_err().contains("is to go to /dev/vdb now"));
    }

    #[test]
    fn names_that_could_lead_out_of_the_folder_are_refused() {
        let wishes = Wishes { dir: "/nowhere".into(), ..Wishes::default() };
        for name in ["", "../etc", "a/b", "sda\n", "a".repeat(33).as_str()] {
            assert!(choose(&wishes, &coming(&[name])).unwrap_err().contains("not the name of a disk"), "{name:?}");
            assert!(parse_place(&format!("{name}=/dev/vdb")).is_err());
        }
        assert!(choose(&wishes, &coming(&["sda", "sda"])).unwrap_err().contains("twice"));
        assert!(choose(&wishes, &coming(&[])).is_err());
        let other = Wishes { named: [("sdx".to_owned(), "/v".to_owned())].into(), ..wishes };
        assert!(choose(&other, &coming(&["sda"])).unwrap_err().contains("a place for sdx"));
    }
}
