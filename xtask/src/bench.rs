//! `cargo xtask bench`: builds the benchmark optimised and runs it on its own: a folder that is removed at the end, a loopback
//! and mounts that go with the program. Measures nothing itself.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use clap::ValueEnum;

use crate::command::{Run, say};
use crate::layout::Layout;
use crate::{dist, setup};

#[derive(clap::Args)]
pub(crate) struct Options {
    /// What is measured
    #[arg(value_enum, default_value_t = Subject::Replication)]
    subject: Subject,
    /// Size of the disk of random bytes, and of the tracker's; the disks with a filesystem and with changes have twice as much
    #[arg(long, default_value_t = 1024, value_parser = clap::value_parser!(u64).range(16..))]
    size_mib: u64,
    /// How often each tool has its turn
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..))]
    rounds: u32,
    /// Systems of the city that the controller gets, each of ten servers
    #[arg(long, default_value_t = 1000, value_parser = clap::value_parser!(u32).range(1..=2000))]
    systems: u32,
    /// Where the images lie; they take eight times the size [default: target/]
    #[arg(long)]
    dir: Option<PathBuf>,
}

#[derive(Clone, Copy, ValueEnum)]
enum Subject {
    /// The copy of a disk, beside nbdcopy over TLS, rsync, and a pipe of dd, zstd and socat
    Replication,
    /// What the tracker costs whoever writes, and how soon it follows a disk
    Tracker,
    /// What the controller costs with a large city, and how soon a change shows
    Controller,
}

impl Subject {
    /// As the benchmark calls it.
    fn word(self) -> &'static str {
        match self {
            Self::Replication => "replication",
            Self::Tracker => "tracker",
            Self::Controller => "controller",
        }
    }
}

pub(crate) fn run(layout: &Layout, options: &Options) -> Result<()> {
    match options.subject {
        Subject::Replication | Subject::Tracker => setup::for_bench()?,
        Subject::Controller => {
            setup::run(layout)?;
            dist::run(layout)?;
        }
    }
    say("build the benchmark, optimised");
    Run::new("cargo")
        .args(["build", "--release", "--quiet", "--workspace", "--bin", "qianyun-bench"])
        .in_folder(&layout.root)
        .run()?;
    let folder = Folder::make(options.dir.as_deref().unwrap_or(&layout.root.join("target")))?;
    say(format!("measure in {}", folder.0.display()));
    Run::new("unshare")
        .args(["--net", "--mount", "--"])
        .args([layout.cargo_target.join("release/qianyun-bench")])
        .args([Path::new(options.subject.word()), &folder.0])
        .args([options.size_mib.to_string(), options.rounds.to_string(), options.systems.to_string()])
        .run()
}

/// The images' folder, removed however the benchmark ends.
struct Folder(PathBuf);

impl Folder {
    fn make(base: &Path) -> Result<Self> {
        let path = std::path::absolute(base)?.join(format!("bench-{}", std::process::id()));
        fs::create_dir_all(&path).with_context(|| format!("making {}", path.display()))?;
        Ok(Self(path))
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        if let Err(error) = fs::remove_dir_all(&self.0) {
            eprintln!("warning: {} stays behind: {error}", self.0.display());
        }
    }
}
