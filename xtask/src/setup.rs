//! Makes a bare Debian machine with Rust ready for every other verb. Each part looks first and does nothing when it is done.

pub(crate) mod go;
mod packages;
mod rust;
mod tools;

use anyhow::Result;

use crate::command::say;
use crate::layout::Layout;

pub(crate) use rust::STATIC_TARGET;
pub(crate) use tools::cargo_deny;

/// Everything that building, testing and the demo need.
pub(crate) fn run(layout: &Layout) -> Result<()> {
    packages::ensure()?;
    rust::ensure(layout)?;
    let go = go::ensure(layout)?;
    tools::ensure(layout, &go)?;
    say("set-up is complete");
    Ok(())
}
