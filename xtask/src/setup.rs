//! Makes a bare Debian machine with Rust ready for every other verb. Each part looks first and does nothing when it is done.

pub(crate) mod go;
mod node;
mod packages;
mod rust;
mod tools;

use anyhow::Result;

use crate::command::say;
use crate::layout::Layout;

pub(crate) use rust::STATIC_TARGET;
pub(crate) use tools::{cargo_deny, kube_score};

/// Everything that building, testing and the demo need.
pub(crate) fn run(layout: &Layout) -> Result<()> {
    packages::ensure(&[packages::PACKAGES])?;
    rust::ensure(layout)?;
    let go = go::ensure(layout)?;
    tools::ensure(layout, &go)?;
    node::ensure(layout, &go)?;
    say("set-up is complete");
    Ok(())
}

/// What building and running the benchmark needs: no cluster, but the programs that we are measured beside.
pub(crate) fn for_bench() -> Result<()> {
    packages::ensure(&[packages::PACKAGES, packages::BENCH_PACKAGES])
}
