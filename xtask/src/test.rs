//! `cargo xtask test`: the README's test command. Sets up what it needs, then runs the tests from cheap to dear, so that a
//! mistake shows early.

use anyhow::Result;

use crate::command::{Run, say};
use crate::layout::Layout;
use crate::{dist, setup};

/// The word that selects the long kill tests instead of a name.
const KILL: &str = "kill";

#[derive(clap::Args)]
pub(crate) struct Options {
    /// Only tests whose name contains this; `kill` runs every kill test
    pattern: Option<String>,
}

impl Options {
    pub(crate) fn everything() -> Self {
        Self { pattern: None }
    }
}

pub(crate) fn run(layout: &Layout, options: &Options) -> Result<()> {
    setup::run(layout)?;
    match options.pattern.as_deref() {
        None => {
            rust_tests(layout, &["--workspace", "--exclude", "qianyun-tests"], &[])?;
            go_tests(layout, &[])?;
            dist::run(layout)?;
            rust_tests(layout, &["--package", "qianyun-tests"], &[])
        }
        Some(KILL) => {
            dist::run(layout)?;
            rust_tests(layout, &["--package", "qianyun-tests"], &["--ignored", KILL])
        }
        Some(pattern) => {
            dist::run(layout)?;
            rust_tests(layout, &["--workspace"], &[pattern])?;
            go_tests(layout, &["-run", pattern])
        }
    }
}

fn rust_tests(layout: &Layout, selection: &[&str], filter: &[&str]) -> Result<()> {
    say(format!("cargo test {}", selection.join(" ")));
    Run::new("cargo").args(["test"]).args(selection).args(["--"]).args(filter).in_folder(&layout.root).run()
}

fn go_tests(layout: &Layout, filter: &[&str]) -> Result<()> {
    say("go test: the control plane");
    let go = setup::go::ensure(layout)?;
    Run::new(go).args(["test", "-count=1", "-v"]).args(filter).args(["./..."]).in_folder(layout.controlplane()).run()
}
