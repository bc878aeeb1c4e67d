//! The receiver's ledger on disk: two slots, of which the older one is written, so that a torn write costs one generation.

use crate::device::volume::folder_of;
use crate::device::{DeviceError, io_error};
use qianyun_replication::ledger::{Ledger, LedgerError};
use std::fs::File;
use std::io::{ErrorKind, Write as _};
use std::path::{Path, PathBuf};

/// Why there is no ledger.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LedgerFileError {
    /// A call about a slot failed.
    #[error("cannot keep the ledger")]
    Io(#[source] DeviceError),
    /// What is there is not one.
    #[error("the ledger in {} cannot be used", dir.display())]
    Content {
        /// Where.
        dir: PathBuf,
        /// Why not.
        #[source]
        source: LedgerError,
    },
}

/// A ledger and where it is kept.
#[derive(Debug)]
pub(super) struct LedgerFile {
    dir: PathBuf,
    generation: u64,
}

fn slot(dir: &Path, generation: u64) -> PathBuf {
    dir.join(if generation.is_multiple_of(2) { "ledger.0" } else { "ledger.1" })
}

fn read_slot(path: &Path) -> Result<Option<Vec<u8>>, LedgerFileError> {
    match std::fs::read(path) {
        Ok(bytes) => Ok(Some(bytes)),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(LedgerFileError::Io(io_error("read", path)(error))),
    }
}

impl LedgerFile {
    /// Opens the ledger in `dir`; `None` if nothing was ever written there.
    pub(super) fn open(dir: &Path) -> Result<(Self, Option<Ledger>), LedgerFileError> {
        let slots = [read_slot(&slot(dir, 0))?, read_slot(&slot(dir, 1))?];
        let ledger = Ledger::newest([slots[0].as_deref(), slots[1].as_deref()])
            .map_err(|source| LedgerFileError::Content { dir: dir.to_owned(), source })?;
        let generation = ledger.as_ref().map_or(0, |ledger| ledger.generation);
        Ok((Self { dir: dir.to_owned(), generation }, ledger))
    }

    /// Writes the next generation; on the medium when this returns.
    pub(super) fn store(&mut self, ledger: &Ledger) -> Result<(), LedgerFileError> {
        let generation = self.generation + 1;
        let path = slot(&self.dir, generation);
        let bytes = Ledger { generation, ..ledger.clone() }.encode();
        let write = || -> std::io::Result<()> {
            let mut file = File::create(&path)?;
            file.write_all(&bytes)?;
            file.sync_all()?;
            File::open(&self.dir)?.sync_all()
        };
        write().map_err(|error| LedgerFileError::Io(io_error("write", &path)(error)))?;
        self.generation = generation;
        Ok(())
    }
}

/// Writes `bytes` so that `path` holds either what it held or all of them.
pub(super) fn replace(path: &Path, bytes: &[u8]) -> Result<(), DeviceError> {
    let fresh = path.with_extension("new");
    let write = || -> std::io::Result<()> {
        let mut file = File::create(&fresh)?;
        file.write_all(bytes)?;
        file.sync_all()?;
        std::fs::rename(&fresh, path)?;
        File::open(folder_of(path))?.sync_all()
    };
    write().map_err(io_error("write", path))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ledger(epoch: u32) -> Ledger {
        Ledger { generation: 0, session: 1, epoch, volumes: Vec::new() }
    }

    #[test]
    fn the_newest_generation_is_found_again_and_a_torn_one_is_passed_over() {
        let dir = tempfile::tempdir().unwrap();
        let (mut file, none) = LedgerFile::open(dir.path()).unwrap();
        assert_eq!(none, None);
        for epoch in 1..=3 {
            file.store(&ledger(epoch)).unwrap();
        }
        let (_, found) = LedgerFile::open(dir.path()).unwrap();
        assert_eq!(found.map(|l| (l.epoch, l.generation)), Some((3, 3)));
        std::fs::write(slot(dir.path(), 3), b"torn").unwrap();
        let (_, found) = LedgerFile::open(dir.path()).unwrap();
        assert_eq!(found.map(|l| l.epoch), Some(2));
        std::fs::write(slot(dir.path(), 2), b"torn too").unwrap();
        assert!(matches!(LedgerFile::open(dir.path()), Err(LedgerFileError::Content { .. })));
    }

    #[test]
    fn a_file_is_replaced_as_a_whole() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("record.json");
        replace(&path, b"one").unwrap();
        replace(&path, b"two").unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), b"two");
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 1);
    }
}
