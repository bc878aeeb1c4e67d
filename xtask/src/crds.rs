//! `cargo xtask crds`: the YAML of the custom resource definitions comes from the Rust types and is never written by hand.

use std::fs;
use std::path::PathBuf;

use anyhow::{Context, Result};

use crate::command::{Run, say};
use crate::layout::Layout;

/// Writes the chart's definitions.
pub(crate) fn write(layout: &Layout) -> Result<()> {
    say("write the custom resource definitions");
    generate(layout, &layout.chart().join("templates/crds"))
}

/// Says which files of the chart differ from what the types give. Empty means equal.
pub(crate) fn differences(layout: &Layout) -> Result<Vec<PathBuf>> {
    let fresh = layout.cargo_target.join("crds-fresh");
    let _ = fs::remove_dir_all(&fresh);
    generate(layout, &fresh)?;
    let kept = layout.chart().join("templates/crds");
    let mut names = file_names(&fresh)?;
    names.extend(file_names(&kept)?);
    names.sort();
    names.dedup();
    let read = |path: PathBuf| fs::read(path).ok();
    Ok(names.into_iter().filter(|name| read(fresh.join(name)) != read(kept.join(name))).collect())
}

fn generate(layout: &Layout, folder: &std::path::Path) -> Result<()> {
    fs::create_dir_all(folder).with_context(|| format!("making {}", folder.display()))?;
    // Of the whole workspace, so that its dependencies are built as for the tests, and only once.
    Run::new("cargo").args(["build", "--quiet", "--workspace", "--bin", "crdgen"]).in_folder(&layout.root).run()?;
    Run::new(layout.cargo_target.join("debug/crdgen")).args([folder]).run()
}

fn file_names(folder: &std::path::Path) -> Result<Vec<PathBuf>> {
    let mut names = Vec::new();
    for entry in fs::read_dir(folder).with_context(|| format!("reading {}", folder.display()))? {
        names.push(PathBuf::from(entry?.file_name()));
    }
    Ok(names)
}
