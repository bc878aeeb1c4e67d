//! `cargo xtask test`: the README's test command. Sets up what it needs, then runs the tests from cheap to dear, so that a
//! mistake shows early.

use anyhow::Result;

use crate::command::{Run, say};
use crate::layout::Layout;
use crate::{dist, setup};

/// The word that selects the long kill tests instead of a name.
const KILL: &str = "kill";

// Always the whole workspace: a part of it would be built with other features of its dependencies, that is, twice.
const UNITS: &[&str] = &["--lib", "--bins"];
const EXAMPLES: &[&str] = &["--doc"];
const INTEGRATION: &[&str] = &["--test", "*"];

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
            rust_tests(layout, UNITS, &[])?;
            rust_tests(layout, EXAMPLES, &[])?;
            go_tests(layout, &[])?;
            dist::run(layout)?;
            rust_tests(layout, INTEGRATION, &[])
        }
        Some(KILL) => {
            dist::run(layout)?;
            // An hour and more: whoever waits sees who was killed when.
            rust_tests(layout, INTEGRATION, &["--ignored", "--nocapture", "--test-threads=1", KILL])
        }
        Some(pattern) => {
            dist::run(layout)?;
            rust_tests(layout, UNITS, &[pattern])?;
            go_tests(layout, &["-run", pattern])?;
            rust_tests(layout, INTEGRATION, &[pattern])
        }
    }
}

fn rust_tests(layout: &Layout, selection: &[&str], filter: &[&str]) -> Result<()> {
    say(format!("cargo test --workspace {}", selection.join(" ")));
    Run::new("cargo")
        .args(["test", "--workspace"])
        .args(selection)
        .args(["--"])
        .args(filter)
        .in_folder(&layout.root)
        .run()
}

fn go_tests(layout: &Layout, filter: &[&str]) -> Result<()> {
    say("go test: the control plane");
    let go = setup::go::ensure(layout)?;
    go.run(layout).args(["test", "-count=1", "-v"]).args(filter).args(["./..."]).run()
}
