//! `cargo xtask fuzz`: every parser of foreign bytes under libFuzzer, each for some time. Built with the ordinary compiler,
//! in a folder of its own, for everything is instrumented. Where a format is too rich to be found by chance it begins with
//! the seeds in `replication/fuzz/seeds`. Never deletes a corpus or a finding.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::Mutex;
use std::thread;

use anyhow::{Context, Result, bail};

use crate::command::{Run, interrupted, say};
use crate::layout::Layout;

/// The targets of `replication/fuzz`, by what they read.
const TARGETS: &[&str] = &[
    "frame",
    "ledger",
    "checkpoint",
    "record",
    "partition_table",
    "mapped_table",
    "trace_events",
    "proc_texts",
    "trackd",
    "ext",
    "xfs",
    "btrfs",
];

/// What libFuzzer needs of the compiler: counters at every edge and the operands of comparisons. `fuzzing` is the name
/// by which code knows that checksums are not to be checked; overflows are found as well.
const FLAGS: &str = "-Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4 \
    -Cllvm-args=-sanitizer-coverage-inline-8bit-counters -Cllvm-args=-sanitizer-coverage-pc-table \
    -Cllvm-args=-sanitizer-coverage-trace-compares -Cdebug-assertions --cfg fuzzing";

#[derive(clap::Args)]
pub(crate) struct Options {
    /// Only this target, by its file in `replication/fuzz/targets`
    target: Option<String>,
    /// Seconds for each
    #[arg(long, default_value_t = 60)]
    seconds: u64,
    /// Targets that run at the same time; one for each core if not said
    #[arg(long)]
    at_once: Option<usize>,
}

pub(crate) fn run(layout: &Layout, options: &Options) -> Result<()> {
    let targets: Vec<&str> = match options.target.as_deref() {
        None => TARGETS.to_vec(),
        Some(asked) => match TARGETS.iter().find(|target| **target == asked) {
            Some(target) => vec![*target],
            None => bail!("no target is called {asked:?}; there are {}", TARGETS.join(", ")),
        },
    };
    let folder = layout.root.join("target/fuzz");
    let programs = build(layout, &folder)?;
    let (left, failed) = (Mutex::new(targets), Mutex::new(Vec::new()));
    let at_once = options.at_once.unwrap_or_else(|| thread::available_parallelism().map_or(1, usize::from));
    thread::scope(|scope| {
        for _ in 0..at_once {
            scope.spawn(|| {
                while let Some(target) = next(&left) {
                    if let Err(error) = one(layout, &folder, &programs, target, options.seconds) {
                        failed.lock().unwrap_or_else(std::sync::PoisonError::into_inner).push(format!("{error:#}"));
                    }
                }
            });
        }
    });
    let failed = failed.into_inner().unwrap_or_default();
    if !failed.is_empty() {
        bail!("{}", failed.join("\n"));
    }
    Ok(())
}

fn next<'a>(left: &Mutex<Vec<&'a str>>) -> Option<&'a str> {
    if interrupted() {
        return None;
    }
    left.lock().unwrap_or_else(std::sync::PoisonError::into_inner).pop()
}

/// Builds every target; the folder they are in.
fn build(layout: &Layout, folder: &Path) -> Result<PathBuf> {
    say("build the fuzz targets");
    // Named, though it is the machine's own: build scripts and macros are then not instrumented.
    let triple = format!("{}-unknown-linux-gnu", std::env::consts::ARCH);
    Run::new("cargo")
        .args(["build", "--release", "--package", "qianyun-replication-fuzz", "--features", "libfuzzer"])
        .args(["--target", &triple, "--target-dir"])
        .args([folder])
        .env("RUSTFLAGS", FLAGS)
        .in_folder(&layout.root)
        .run()?;
    Ok(folder.join(triple).join("release"))
}

/// Runs one target; what it finds stays in `findings`, next to all that it has learnt in `corpus`.
fn one(layout: &Layout, folder: &Path, programs: &Path, target: &str, seconds: u64) -> Result<()> {
    say(format!("fuzz {target} for {seconds} s"));
    let (corpus, findings) = (folder.join("corpus").join(target), folder.join("findings").join(target));
    for place in [&corpus, &findings] {
        fs::create_dir_all(place).with_context(|| format!("cannot make {}", place.display()))?;
    }
    let log = folder.join(format!("{target}.log"));
    let output = fs::File::create(&log).with_context(|| format!("cannot write {}", log.display()))?;
    let run = Run::new(programs.join(format!("fuzz_{target}")))
        .args([format!("-max_total_time={seconds}"), "-rss_limit_mb=1024".to_owned(), "-timeout=10".to_owned()])
        .args(["-max_len=65536".to_owned(), format!("-artifact_prefix={}/", findings.display())])
        .args([&corpus]);
    // What is learnt goes to the first folder; the second is only read.
    let seeds = layout.root.join("replication/fuzz/seeds").join(target);
    let run = if seeds.is_dir() { run.args([&seeds]) } else { run };
    let status = run.start(Stdio::null(), Stdio::null(), Stdio::from(output))?.wait()?;
    if !status.success() {
        bail!("{run} ended with {status}: see {} and {}", log.display(), findings.display());
    }
    Ok(())
}
