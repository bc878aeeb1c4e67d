//! The log, which goes to memory while filesystems are frozen.
//!
//! Standard error is read by the journal, which writes to a disk: while that is frozen the journal stops, its pipe
//! fills, and whoever writes to it hangs, with the disks still frozen. So in that time lines are kept and written later.

use std::io::Write;
use std::sync::{Arc, Mutex, PoisonError};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::MakeWriter;

/// More than a freeze of 60 s ever says; beyond it lines are dropped and counted.
const MAX_HELD_BYTES: usize = 256 * 1024;

/// The switch between standard error and memory.
#[derive(Debug, Clone, Default)]
pub(crate) struct Log {
    held: Arc<Mutex<Option<Held>>>,
}

#[derive(Debug, Default)]
struct Held {
    text: Vec<u8>,
    dropped: usize,
}

impl Log {
    /// Sends what the program says to standard error, and makes this switch.
    pub(crate) fn start() -> Self {
        let log = Self::default();
        let filter = EnvFilter::builder().with_default_directive(tracing::Level::INFO.into()).from_env_lossy();
        // The journal puts the time beside every line; a second start in one process keeps the first.
        let _ = tracing_subscriber::fmt()
            .with_env_filter(filter)
            .with_ansi(false)
            .without_time()
            .with_writer(log.clone())
            .try_init();
        log
    }

    /// From here on lines stay in memory.
    pub(crate) fn hold(&self) {
        self.held.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert_default();
    }

    /// Gives out what was kept; from here on lines go to standard error.
    pub(crate) fn release(&self) {
        let kept = self.held.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(kept) = kept {
            let mut out = std::io::stderr().lock();
            // There is nowhere to say that standard error is gone.
            let _ = out.write_all(&kept.text);
            if kept.dropped > 0 {
                let _ = writeln!(out, "{} bytes of log were dropped during the freeze", kept.dropped);
            }
        }
    }
}

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        match self.held.lock().unwrap_or_else(PoisonError::into_inner).as_mut() {
            Some(held) if held.text.len() + bytes.len() <= MAX_HELD_BYTES => held.text.extend_from_slice(bytes),
            Some(held) => held.dropped += bytes.len(),
            None => std::io::stderr().lock().write_all(bytes)?,
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Log {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_kept_up_to_the_bound_and_given_out_once() {
        let mut log = Log::default();
        log.hold();
        log.write_all(b"frozen\n").unwrap();
        log.write_all(&vec![b'x'; MAX_HELD_BYTES]).unwrap();
        let held = log.held.lock().unwrap().as_ref().map(|h| (h.text.clone(), h.dropped));
        assert_eq!(held, Some((b"frozen\n".to_vec(), MAX_HELD_BYTES)));
        log.release();
        assert!(log.held.lock().unwrap().is_none());
    }
}
