//! Ctrl-C and its like: whoever waits gives up, so that everything a run consists of is taken down on the ordinary way out. A
//! second Ctrl-C ends the program on the spot; what it leaves behind, the next run clears away.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, LazyLock};

use anyhow::{Context, Result, ensure};
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::flag;

static INTERRUPTED: LazyLock<Arc<AtomicBool>> = LazyLock::new(Arc::default);

/// From now on the first interruption is only noted. May be said again.
pub fn note() -> Result<()> {
    static SAID: AtomicBool = AtomicBool::new(false);
    if SAID.swap(true, Ordering::SeqCst) {
        return Ok(());
    }
    // Before the mark is set, so that only a second Ctrl-C finds it. Not for the others: who runs the demo passes a Ctrl-C on
    // as a termination.
    flag::register_conditional_shutdown(SIGINT, 130, Arc::clone(&INTERRUPTED)).context("signals cannot be noted")?;
    for signal in [SIGINT, SIGTERM, SIGHUP] {
        flag::register(signal, Arc::clone(&INTERRUPTED)).context("signals cannot be noted")?;
    }
    Ok(())
}

/// Whether there was one.
pub(crate) fn is_noted() -> bool {
    INTERRUPTED.load(Ordering::SeqCst)
}

/// An error once there was one.
pub fn check() -> Result<()> {
    ensure!(!is_noted(), "interrupted");
    Ok(())
}
