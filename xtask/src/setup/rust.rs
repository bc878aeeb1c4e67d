//! The Rust toolchain of `rust-toolchain.toml`, with its components and targets. Never touches another toolchain.

use anyhow::{Context, Result};

use crate::command::{Run, say};
use crate::layout::Layout;

/// What the agent is built for: one file that runs on any distribution.
pub(crate) const STATIC_TARGET: &str = "x86_64-unknown-linux-musl";

pub(crate) fn ensure(layout: &Layout) -> Result<()> {
    // A distribution's cargo has no rustup; then the targets are the distribution's business and the build will tell.
    let Ok(targets) = Run::new("rustup").args(["target", "list", "--installed"]).in_folder(&layout.root).output()
    else {
        return Ok(());
    };
    if !targets.lines().any(|line| line == STATIC_TARGET) {
        say(format!("add the Rust target {STATIC_TARGET}"));
        Run::new("rustup").args(["target", "add", STATIC_TARGET]).in_folder(&layout.root).run()?;
    }
    let components = Run::new("rustup")
        .args(["component", "list", "--installed"])
        .in_folder(&layout.root)
        .output()
        .context("asking rustup for its components")?;
    for component in ["rustfmt", "clippy"] {
        if !components.lines().any(|line| line.starts_with(component)) {
            say(format!("add the Rust component {component}"));
            Run::new("rustup").args(["component", "add", component]).in_folder(&layout.root).run()?;
        }
    }
    Ok(())
}
