//! `cargo xtask dist`: what a site installs, in `target/dist`: the static agent, its Debian package, the controller.

mod deb;

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use crate::command::{Run, say};
use crate::layout::Layout;
use crate::setup::STATIC_TARGET;

/// Builds all of it and returns the folder.
pub(crate) fn run(layout: &Layout) -> Result<PathBuf> {
    fs::create_dir_all(&layout.dist).with_context(|| format!("making {}", layout.dist.display()))?;
    say(format!("build qianyun-agent for {STATIC_TARGET}"));
    build(layout, &["--package", "qianyun-agent", "--target", STATIC_TARGET])?;
    say("build qianyun-controller");
    build(layout, &["--package", "qianyun-controller"])?;
    let agent = layout.cargo_target.join(STATIC_TARGET).join("release/qianyun-agent");
    place(&agent, &layout.dist.join("qianyun-agent"))?;
    place(&layout.cargo_target.join("release/qianyun-controller"), &layout.dist.join("qianyun-controller"))?;
    let package = deb::build(layout, &agent)?;
    say(format!("{} is ready", package.display()));
    Ok(layout.dist.clone())
}

fn build(layout: &Layout, arguments: &[&str]) -> Result<()> {
    Run::new("cargo").args(["build", "--release", "--quiet", "--locked"]).args(arguments).in_folder(&layout.root).run()
}

/// Replaces by rename: the old file may be running.
fn place(from: &Path, to: &Path) -> Result<()> {
    let partial = to.with_extension("partial");
    fs::copy(from, &partial).with_context(|| format!("copying {}", from.display()))?;
    fs::rename(&partial, to).with_context(|| format!("putting {} in place", to.display()))
}
