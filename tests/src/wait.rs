//! Waiting for a level: a state that is looked at again and again until it holds or its deadline has passed. This is the only
//! place of the framework that lets time pass; it never waits for a time instead of a state.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

/// Between two looks, at least. Short beside everything that is waited for (seconds to minutes).
const BETWEEN_LOOKS: Duration = Duration::from_millis(200);
/// And at least this many times what the look took, so that on a busy machine what is waited for has the processor and not the
/// looking: a call of kubectl is a tenth of a second of it.
const PAUSE_FOR_LOOK: u32 = 2;
/// But not longer than this.
const LONGEST_PAUSE: Duration = Duration::from_secs(2);

/// What a look at the state found.
pub enum Look<T> {
    /// It holds, with what was wanted from it.
    Holds(T),
    /// Not yet; the words say how things stand and are the evidence if the deadline passes.
    NotYet(String),
}

/// Looks until the state holds. An error from a look ends the waiting: it means the state can no longer come about. So does
/// an interruption.
pub fn until<T>(what: &str, within: Duration, mut look: impl FnMut() -> Result<Look<T>>) -> Result<T> {
    until_even_if_interrupted(what, within, || {
        crate::interrupt::check()?;
        look()
    })
}

/// The same for what has to be done on the way out.
pub(crate) fn until_even_if_interrupted<T>(
    what: &str,
    within: Duration,
    mut look: impl FnMut() -> Result<Look<T>>,
) -> Result<T> {
    let start = Instant::now();
    loop {
        let began = Instant::now();
        match look().with_context(|| format!("while waiting until {what}"))? {
            Look::Holds(found) => return Ok(found),
            Look::NotYet(stands) if start.elapsed() >= within => {
                bail!("{what}: not so after {} s; last seen: {stands}", within.as_secs())
            }
            Look::NotYet(_) => std::thread::sleep(pause_after(began.elapsed())),
        }
    }
}

fn pause_after(look: Duration) -> Duration {
    look.saturating_mul(PAUSE_FOR_LOOK).clamp(BETWEEN_LOOKS, LONGEST_PAUSE)
}
