//! The record, with both signatures, of what the volumes hold: kept, and put aside before they hold anything else. Decides
//! nothing about what is signed.

use super::ledger_file::replace;
use crate::device::{DeviceError, io_error};
use std::fs::File;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};

/// Where the record is kept, and whether there may be one.
pub(super) struct RecordFile {
    dir: PathBuf,
    /// Asked before every write: it costs no call while there is none.
    may_be: AtomicBool,
    changing: Mutex<()>,
}

impl RecordFile {
    pub(super) fn in_dir(dir: &Path) -> Self {
        let file = Self { dir: dir.to_owned(), may_be: AtomicBool::new(false), changing: Mutex::new(()) };
        file.may_be.store(file.path().exists(), Ordering::SeqCst);
        file
    }

    fn path(&self) -> PathBuf {
        self.dir.join("record.json")
    }

    /// Keeps what `sign` gives, which looks at what the volumes hold. A write that it does not see any more, because it is
    /// admitted later, waits in [`Self::withdraw`] until the record is there, and puts it aside.
    pub(super) fn keep<E: From<DeviceError>>(&self, sign: impl FnOnce() -> Result<Vec<u8>, E>) -> Result<(), E> {
        let _alone = self.changing.lock().unwrap_or_else(PoisonError::into_inner);
        self.may_be.store(true, Ordering::SeqCst);
        Ok(replace(&self.path(), &sign()?)?)
    }

    /// The volumes are about to hold something else: the source went on, or found after we signed that it must not be. What was
    /// signed stays, under another name. To be called after the write was admitted, and before its first byte.
    pub(super) fn withdraw(&self) -> Result<(), DeviceError> {
        if !self.may_be.load(Ordering::SeqCst) {
            return Ok(());
        }
        let _alone = self.changing.lock().unwrap_or_else(PoisonError::into_inner);
        let record = self.path();
        match std::fs::rename(&record, self.dir.join("record.withdrawn.json")) {
            Err(error) if error.kind() != ErrorKind::NotFound => return Err(io_error("withdraw", &record)(error)),
            // On another connection, or none was signed after all.
            Ok(()) | Err(_) => {}
        }
        let folder = File::open(&self.dir).and_then(|folder| folder.sync_all());
        folder.map_err(io_error("flush", &self.dir))?;
        self.may_be.store(false, Ordering::SeqCst);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::mpsc;
    use std::time::Duration;

    #[test]
    fn a_write_that_comes_while_a_record_is_signed_puts_it_aside_once_it_is_there() {
        let dir = tempfile::tempdir().unwrap();
        let record = RecordFile::in_dir(dir.path());
        record.withdraw().unwrap();
        let ((look, looked), (go, may_go), (done, withdrawn)) = (mpsc::channel(), mpsc::channel(), mpsc::channel());
        let record = &record;
        std::thread::scope(|scope| {
            scope.spawn(move || {
                let sign = || {
                    look.send(()).unwrap();
                    may_go.recv().unwrap();
                    Ok::<_, DeviceError>(b"signed".to_vec())
                };
                record.keep(sign).unwrap();
            });
            looked.recv().unwrap();
            scope.spawn(move || {
                record.withdraw().unwrap();
                done.send(()).unwrap();
            });
            assert!(withdrawn.recv_timeout(Duration::from_millis(100)).is_err(), "it is not there yet");
            go.send(()).unwrap();
            withdrawn.recv_timeout(Duration::from_secs(10)).unwrap();
        });
        assert!(!record.path().exists());
        assert_eq!(std::fs::read(dir.path().join("record.withdrawn.json")).unwrap(), b"signed");
    }

    #[test]
    fn what_is_refused_leaves_the_record_before_and_what_was_kept_is_known_after_a_restart() {
        let dir = tempfile::tempdir().unwrap();
        let record = RecordFile::in_dir(dir.path());
        record.keep(|| Ok::<_, DeviceError>(b"one".to_vec())).unwrap();
        let refused = record.keep(|| Err::<Vec<u8>, _>(DeviceError::InUse { path: PathBuf::new() }));
        assert!(refused.is_err());
        assert_eq!(std::fs::read(record.path()).unwrap(), b"one");
        RecordFile::in_dir(dir.path()).withdraw().unwrap();
        assert!(!record.path().exists());
    }
}
