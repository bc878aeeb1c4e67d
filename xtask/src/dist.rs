//! `cargo xtask dist`: what a site installs, in `target/dist`: the static agent, its Debian package, the static controller.

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
    // One after the other: together each would be built with the features of both.
    for program in ["qianyun-agent", "qianyun-controller"] {
        say(format!("build {program} for {STATIC_TARGET}"));
        Run::new("cargo")
            .args(["build", "--release", "--quiet", "--locked", "--target", STATIC_TARGET, "--package", program])
            .in_folder(&layout.root)
            .run()?;
        let built = layout.cargo_target.join(STATIC_TARGET).join("release").join(program);
        place(&built, &layout.dist.join(program))?;
    }
    let package = deb::build(layout, &layout.dist.join("qianyun-agent"))?;
    say(format!("{} is ready", package.display()));
    Ok(layout.dist.clone())
}

/// Replaces by rename: the old file may be running.
fn place(from: &Path, to: &Path) -> Result<()> {
    let partial = to.with_extension("partial");
    fs::copy(from, &partial).with_context(|| format!("copying {}", from.display()))?;
    fs::rename(&partial, to).with_context(|| format!("putting {} in place", to.display()))
}
