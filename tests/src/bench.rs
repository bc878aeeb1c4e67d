//! The benchmark: our engine beside others, on the same data, in one run and in turns; what its tracker costs; and the
//! controller with a large city. Every target is compared with its source by programs that are none of ours before its numbers
//! count; one that differs is an error. It asserts nothing about time: what is fast depends on the machine.

mod certificates;
mod controller;
mod cost;
mod data;
mod delta;
mod engine;
mod following;
mod goals;
mod link;
mod role;
mod rsync;
mod series;
mod table;
mod tool;
mod tracker;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};

use certificates::Certificates;
use cost::Cost;
use data::{Disk, Kind, forget_caches};
use delta::Delta;
use goals::Goal;
use link::Gigabit;
pub use role::play;
use series::Series;
use tool::Tool;

use crate::site::run as run_program;

/// The sparse disk that everyone copies has this much of the size.
const SPARSE_TIMES: u64 = 4;
/// The disk whose memory counts: as large as the largest that we promise something about.
const LARGEST_BYTES: u64 = 2 << 40;

/// What is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Subject {
    /// Copies, beside others.
    Replication,
    /// What the tracker costs whoever writes, and how soon it follows.
    Tracker,
    /// The controller, with a city of so many systems.
    Controller {
        /// Ten servers each.
        systems: usize,
    },
}

/// How it is measured.
#[derive(Clone, Debug)]
pub struct Options {
    /// What.
    pub subject: Subject,
    /// Where images and targets are made; the caller's to remove.
    pub folder: PathBuf,
    /// Size of the disk of random bytes, and of the tracker's; the filesystem's has twice as much and is a third full.
    pub size_mib: u64,
    /// How often each tool has its turn.
    pub rounds: u32,
}

/// Measures everything and prints the tables. Must run in a network and a mount namespace of its own: it counts all that is
/// on the loopback, and leaves its mounts to the end of the namespace if it is interrupted.
pub fn run(options: &Options) -> Result<()> {
    let Options { subject, folder, size_mib, rounds } = options;
    ensure!(rustix::process::geteuid().is_root(), "loop devices and trace events need root: run as root");
    ensure!(*size_mib > 0 && *rounds > 0, "expected at least 1 MiB and 1 round, found {size_mib} and {rounds}");
    run_program(Command::new("ip").args(["link", "set", "lo", "up"])).context("the loopback")?;
    let goals = match subject {
        Subject::Controller { systems } => controller::measure(folder, *systems, &std::env::current_exe()?)?,
        Subject::Replication => {
            show_trace_events()?;
            table::print_versions(folder)?;
            replication(folder, size_mib << 20, *rounds)?
        }
        Subject::Tracker => {
            show_trace_events()?;
            table::print_versions(folder)?;
            tracker::measure(folder, size_mib << 20, *rounds)?
        }
    };
    goals::print(&goals);
    Ok(())
}

fn replication(folder: &Path, size_bytes: u64, rounds: u32) -> Result<Vec<Goal>> {
    let certificates = Certificates::of(folder.join("certificates"));
    certificates.issue()?;
    let mut goals = Vec::new();
    let set = |kind, bytes, tools: &[Tool], rounds| copies(kind, bytes, tools, rounds, folder, &certificates);

    let random = set(Kind::Random, size_bytes, &Tool::ALL, rounds)?;
    goals.extend(Goal::faster_than("random", &random, Tool::Nbdcopy, 1.0));
    let filesystem = set(Kind::Filesystem, 2 * size_bytes, &Tool::ALL, rounds)?;
    goals.extend(Goal::faster_than("filesystem", &filesystem, Tool::Nbdcopy, 1.5));
    if let Some(_line) = Gigabit::begin() {
        println!("\nThe same over a line of 1 Gbit/s:");
        set(Kind::Filesystem, 2 * size_bytes, &Tool::ALL, rounds)?;
    }
    goals.extend(changes(2 * size_bytes, rounds, folder, &certificates)?);
    set(Kind::Sparse, SPARSE_TIMES * size_bytes, &Tool::ALL, rounds)?;
    println!("\nThe largest disk is copied by ours alone: the others read all of it, at the rate of the last table.");
    let largest = set(Kind::Large, LARGEST_BYTES, &[Tool::Qianyun], rounds)?;
    goals.extend(Goal::memory("2 TiB", &largest, 256.0));
    table::print_legend();
    Ok(goals)
}

/// Copies of a disk that nobody changes.
fn copies(
    kind: Kind,
    bytes: u64,
    tools: &[Tool],
    rounds: u32,
    folder: &Path,
    certificates: &Certificates,
) -> Result<Vec<Series>> {
    println!("\nmake a disk: {kind}");
    let disk = Disk::make(kind, bytes, folder)?;
    let mut series: Vec<Series> = tools.iter().copied().map(Series::of).collect();
    for round in 1..=rounds {
        for one in &mut series {
            let cost = one_turn(one.tool, &disk, folder, certificates)?;
            println!("  round {round}: {}: {:.2} s", one.tool, cost.seconds);
            one.costs.push(cost);
        }
    }
    table::print(&kind.to_string(), bytes, &series);
    Ok(series)
}

/// What a changed percent takes.
fn changes(bytes: u64, rounds: u32, folder: &Path, certificates: &Certificates) -> Result<Vec<Goal>> {
    println!("\nmake a disk: random bytes, and copy it to ours and to rsync's target");
    let mut delta = Delta::prepare(bytes, folder, certificates)?;
    let mut series: Vec<Series> = Tool::ALL.into_iter().map(Series::of).collect();
    for round in 1..=rounds {
        delta.round(round, &mut series)?;
    }
    let dirty_bytes = delta.dirty_bytes();
    let what = format!("1 % changed, {:.1} MiB in random blocks of 4 KiB", dirty_bytes as f64 / 1024.0 / 1024.0);
    table::print(&what, bytes, &series);
    let goals = [
        Goal::faster_than("1 % changed", &series, Tool::Rsync, 20.0),
        Goal::wire("1 % changed", &series, dirty_bytes, 1.2),
    ];
    Ok(goals.into_iter().flatten().collect())
}

/// One copy by one tool, from cold caches to a compared target, which is removed again.
fn one_turn(tool: Tool, disk: &Disk, folder: &Path, certificates: &Certificates) -> Result<Cost> {
    let place = folder.join("turn");
    fs::create_dir(&place)?;
    let target = place.join("target.raw");
    forget_caches()?;
    let cost = tool.copy(disk, &target, certificates)?;
    disk.compare(&target, tool.copies_free(), folder).with_context(|| format!("{tool}: not a copy"))?;
    fs::remove_dir_all(&place)?;
    Ok(cost)
}

/// Trace events are visible, as systemd leaves them on every server.
fn show_trace_events() -> Result<()> {
    if Path::new("/sys/kernel/tracing/events/block").exists() {
        return Ok(());
    }
    run_program(Command::new("mount").args(["-t", "tracefs", "tracefs", "/sys/kernel/tracing"]))
        .context("the kernel has no trace events")
}
