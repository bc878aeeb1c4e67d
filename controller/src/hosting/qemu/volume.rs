//! Volumes: sparse raw files of exact size, made once. Their bytes are never read or written here.

use super::super::{HostingError, VolumeSpec};
use super::{failed, make_dir, sync_dir};
use rustix::fs::statvfs;
use std::fs::File;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

/// Longest name of a volume: it becomes a file name, a QEMU node name and a serial number.
const NAME_LIMIT: usize = 20;

/// The file of a volume.
pub(super) fn path(dir: &Path, name: &str) -> Result<PathBuf, HostingError> {
    let fits = (1..=NAME_LIMIT).contains(&name.len())
        && name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-');
    if !fits {
        return Err(HostingError::Refused {
            what: format!("the name of volume {name:?}"),
            expected: format!("1 to {NAME_LIMIT} of a-z, 0-9 and -"),
            found: format!("{} bytes", name.len()),
        });
    }
    Ok(dir.join(format!("{name}.raw")))
}

/// Makes the volumes that are missing in `dir`, below `all`, which holds the volumes of every migration.
pub(super) fn ensure(all: &Path, dir: &Path, volumes: &[VolumeSpec]) -> Result<(), HostingError> {
    make_dir(dir)?;
    let mut missing = Vec::new();
    for spec in volumes {
        let path = path(dir, &spec.name)?;
        check_size(spec)?;
        match std::fs::metadata(&path) {
            Ok(found) if found.len() == spec.volume_bytes => {}
            Ok(found) => return Err(other_size(&path, spec.volume_bytes, found.len())),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => missing.push((path, spec.volume_bytes)),
            Err(error) => return Err(failed("looking at", &path, error)),
        }
    }
    if let Some((path, _)) = missing.first()
        && dir.join("receiver/started.json").exists()
    {
        // A fresh volume below a ledger that calls blocks durable would be taken for the copy.
        return Err(HostingError::Refused {
            what: format!("volume {}", path.display()),
            expected: "the file that its receiver has written".to_owned(),
            found: "none; restore it, or remove the receiver directory beside it to copy anew".to_owned(),
        });
    }
    let needed: u64 = missing.iter().fold(0, |sum, (_, bytes)| sum.saturating_add(*bytes));
    if needed > 0 {
        let free = free_bytes(all)?;
        if free < needed {
            return Err(HostingError::Refused {
                what: format!("free space for volumes in {}", all.display()),
                expected: format!("at least {needed} bytes"),
                found: format!("{free} bytes; enlarge the filesystem or remove volumes of finished migrations"),
            });
        }
    }
    missing.iter().try_for_each(|(path, bytes)| make(path, *bytes))
}

/// Bytes free in `all`, less what the volumes there may still grow by.
pub(super) fn free_bytes(all: &Path) -> Result<u64, HostingError> {
    make_dir(all)?;
    let wrap = |error: std::io::Error| failed("looking at", all, error);
    let filesystem = statvfs(all).map_err(|error| failed("looking at", all, error))?;
    let mut promised: u64 = 0;
    for migration in std::fs::read_dir(all).map_err(wrap)? {
        let Ok(files) = std::fs::read_dir(migration.map_err(wrap)?.path()) else { continue };
        let volumes = files.flatten().filter(|file| file.path().extension().is_some_and(|e| e == "raw"));
        for found in volumes.filter_map(|file| file.metadata().ok()) {
            // st_blocks counts 512 bytes whatever the filesystem's block size.
            promised = promised.saturating_add(found.len().saturating_sub(found.blocks().saturating_mul(512)));
        }
    }
    Ok(filesystem.f_bavail.saturating_mul(filesystem.f_frsize).saturating_sub(promised))
}

fn check_size(spec: &VolumeSpec) -> Result<(), HostingError> {
    if spec.volume_bytes >= spec.disk_bytes && spec.disk_bytes > 0 {
        return Ok(());
    }
    Err(HostingError::Refused {
        what: format!("the size of volume {}", spec.name),
        expected: format!("at least the {} bytes of its disk", spec.disk_bytes),
        found: format!("{} bytes", spec.volume_bytes),
    })
}

fn other_size(path: &Path, expected: u64, found: u64) -> HostingError {
    HostingError::Refused {
        what: format!("the size of volume {}", path.display()),
        expected: format!("{expected} bytes"),
        found: format!("{found} bytes; a volume is never resized"),
    }
}

/// Makes one volume under another name first, so that the real name never shows a volume of the wrong size.
fn make(path: &Path, bytes: u64) -> Result<(), HostingError> {
    let fresh = path.with_extension("new");
    let make = || -> std::io::Result<()> {
        let file = File::options().write(true).create(true).truncate(true).mode(0o600).open(&fresh)?;
        file.set_len(bytes)?;
        file.sync_all()?;
        // A link, unlike a rename, never replaces a volume that another process made meanwhile.
        std::fs::hard_link(&fresh, path)?;
        std::fs::remove_file(&fresh)?;
        sync_dir(path)
    };
    make().map_err(|error| failed("making volume", path, error))
}
