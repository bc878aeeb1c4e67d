//! `cargo xtask test`: the README's test command. Sets up what it needs, then runs the tests from cheap to dear, so that a
//! mistake shows early.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use anyhow::{Context, Result, bail};
use serde_json::Value;

use crate::command::{Run, say};
use crate::layout::Layout;
use crate::{dist, image, setup};

/// The word that selects the long kill tests instead of a name.
const KILL: &str = "kill";

/// Control planes wait for most of their time; four of them take 2 GiB at most.
const CLUSTERS_AT_ONCE: &str = "--test-threads=4";

/// Of an error that a test returns, its causes are wanted, each with what was found and expected. The frames that anyhow adds where
/// `RUST_BACKTRACE` is set bury them; panics keep theirs.
const ERRORS_WITH_BACKTRACES: &str = "RUST_LIB_BACKTRACE";

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
            image::run(layout)?;
            integration_tests(layout)
        }
        Some(KILL) => {
            dist::run(layout)?;
            // An hour and more: whoever waits sees who was killed when.
            rust_tests(layout, INTEGRATION, &["--ignored", "--nocapture", "--test-threads=1", KILL])
        }
        Some(pattern) => {
            image::run(layout)?;
            rust_tests(layout, UNITS, &[pattern])?;
            go_tests(layout, &["-run", pattern])?;
            rust_tests(layout, INTEGRATION, &[pattern])
        }
    }
}

/// First those that count what the kernel does; beside them only worlds that are drawn at random, which touch no disk and give
/// way. Then two parts at a time. Those with a control plane wait more than they work, so all that only computes goes beside them. A
/// machine under emulation is one thread and lets no core rest: the longest, the journey, goes first, so that both cores are busy to
/// the end, and never more than two of them share the cores.
fn integration_tests(layout: &Layout) -> Result<()> {
    let programs = test_programs(layout)?;
    let (counting, others): (Vec<_>, Vec<_>) = programs.into_iter().partition(|name| name.starts_with("kernel_"));
    let (worlds, others): (Vec<_>, Vec<_>) =
        others.into_iter().partition(|name| ["planning", "simulation"].contains(&name.as_str()));
    let (machines, others): (Vec<_>, Vec<_>) =
        others.into_iter().partition(|name| ["e2e_", "machine_"].iter().any(|with| name.starts_with(with)));
    let (clusters, others): (Vec<_>, Vec<_>) = others.into_iter().partition(|name| name == "cluster");
    at_once(&[&|| programs_named(layout, &counting), &|| {
        tests_of(&["nice", "cargo"], layout, &selecting(&worlds), &[])
    }])?;
    let controlled = || rust_tests(layout, &selecting(&clusters), &[CLUSTERS_AT_ONCE]);
    let computing = || {
        programs_named(layout, &others)?;
        go_tests(layout, &[])
    };
    // In the order of their names, in which the journey is the first.
    let each_by_itself: Vec<_> =
        machines.iter().map(|name| move || rust_tests(layout, &["--test", name], &[])).collect();
    let mut parts: Vec<Part<'_>> = vec![&controlled, &computing];
    parts.extend(each_by_itself.iter().map(|part| part as Part<'_>));
    two_at_a_time(&parts)
}

/// Some of the tests, to be run beside others.
type Part<'a> = &'a (dyn Fn() -> Result<()> + Sync);

/// Runs all parts beside each other, each to its end whatever the others say.
fn at_once(parts: &[Part<'_>]) -> Result<()> {
    let results: Vec<Result<()>> = thread::scope(|scope| {
        let running: Vec<_> = parts.iter().map(|part| scope.spawn(part)).collect();
        let ended = |thread: thread::ScopedJoinHandle<'_, Result<()>>| {
            thread.join().unwrap_or_else(|_| bail!("a thread that runs tests panicked"))
        };
        running.into_iter().map(ended).collect()
    });
    results.into_iter().collect()
}

/// Runs all parts in their order, each as soon as one of two rows is free. A row ends with the first part in it that fails.
fn two_at_a_time(parts: &[Part<'_>]) -> Result<()> {
    let next = AtomicUsize::new(0);
    let row = || {
        while let Some(part) = parts.get(next.fetch_add(1, Ordering::Relaxed)) {
            part()?;
        }
        Ok(())
    };
    at_once(&[&row, &row])
}

/// Runs test programs one after another.
fn programs_named(layout: &Layout, names: &[String]) -> Result<()> {
    rust_tests(layout, &selecting(names), &[])
}

/// What selects test programs by their names.
fn selecting(names: &[String]) -> Vec<&str> {
    names.iter().flat_map(|name| ["--test", name]).collect()
}

/// Names of the test programs of the workspace, each once: a selection by name runs all that bear it.
fn test_programs(layout: &Layout) -> Result<BTreeSet<String>> {
    let said = Run::new("cargo")
        .args(["metadata", "--no-deps", "--format-version", "1"])
        .in_folder(&layout.root)
        .output()
        .context("asking cargo for the tests of the workspace")?;
    let workspace: Value = serde_json::from_str(&said).context("reading what cargo metadata said")?;
    let each = |value: &Value, key: &str| value[key].as_array().cloned().unwrap_or_default();
    let targets = each(&workspace, "packages").into_iter().flat_map(|package| each(&package, "targets"));
    let tests = targets.filter(|target| each(target, "kind").contains(&Value::from("test")));
    Ok(tests.filter_map(|target| target["name"].as_str().map(str::to_owned)).collect())
}

fn rust_tests(layout: &Layout, selection: &[&str], filter: &[&str]) -> Result<()> {
    tests_of(&["cargo"], layout, selection, filter)
}

/// Runs tests by these words of a command, of which the last is cargo.
fn tests_of(command: &[&str], layout: &Layout, selection: &[&str], filter: &[&str]) -> Result<()> {
    let [program, words @ ..] = command else { bail!("no words, no command") };
    say(format!("cargo test --workspace {}", selection.join(" ")));
    Run::new(program)
        .args(words)
        .args(["test", "--workspace"])
        .args(selection)
        .args(["--"])
        .args(filter)
        .env(ERRORS_WITH_BACKTRACES, "0")
        .in_folder(&layout.root)
        .run()
}

fn go_tests(layout: &Layout, filter: &[&str]) -> Result<()> {
    say("go test: the control plane");
    let go = setup::go::ensure(layout)?;
    go.run(layout).args(["test", "-count=1", "-v"]).args(filter).args(["./..."]).run()
}
