//! What the tracker costs whoever writes: fio's random writes on one disk, without it and with it in turns; and how soon it
//! follows disks of different sizes. The disk is in memory, so that nothing hides the cost: on a medium that takes its time
//! it is less. Beside it, the same on the medium that the images lie on.

use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};
use std::{fs, thread};

use anyhow::{Context, Result, bail, ensure};
use qianyun_replication_io::device::LeafDisk;
use qianyun_replication_io::freemap::{FreeMap, Reading};
use qianyun_replication_io::tracker::{Counts, Doubt, Tracker};

use super::cost::{Process, program};
use super::data::attach;
use super::goals::Goal;
use super::role;
use super::series::middle;
use crate::site::run;

/// One turn of fio.
const TURN: &str = "--runtime=5";
/// Rounds of the same that differ by more cannot show a cost of 3 %, whatever their median says.
const NOISE_PERCENT: f64 = 15.0;
/// As the engine looks.
const LOOK_EVERY: Duration = Duration::from_millis(250);
/// The disks that are followed from their first moment.
const SIZES_GIB: [u64; 3] = [1, 64, 2048];

/// Measures, prints, and says what the goals came to.
pub(super) fn measure(folder: &Path, size_bytes: u64, rounds: u32) -> Result<Vec<Goal>> {
    let memory = folder.join("memory");
    fs::create_dir(&memory)?;
    // Gone with the namespace.
    run(Command::new("mount").args(["-t", "tmpfs", "tmpfs"]).arg(&memory))?;
    let mut goals = Vec::new();
    for (what, place) in [("a disk in memory", memory.as_path()), ("a disk on the images' medium", folder)] {
        goals.push(Goal::tracker(what, costs(what, place, size_bytes, rounds)?));
    }
    run(Command::new("umount").arg(&memory))?;
    goals.push(Goal::start(starts(folder, rounds)?));
    Ok(goals)
}

/// The cost of the tracker in percent of the writes per second.
fn costs(what: &str, place: &Path, size_bytes: u64, rounds: u32) -> Result<f64> {
    println!("\n4 KiB random writes on {what}, {} MiB", size_bytes >> 20);
    println!(
        "{:<12}{:>12}{:>12}{:>8}{:>14}{:>12}{:>8}",
        "", "alone", "tracked", "ratio", "tracker CPU %", "writes", "doubts"
    );
    let (node, _user) = disk(place, size_bytes)?;
    let (mut alone, mut tracked, mut shares) = (Vec::new(), Vec::new(), Vec::new());
    writes_per_second(&node).context("a first turn, which fills the disk's places")?;
    for round in 1..=rounds {
        // Who is first changes, so that what warms up or fills up is nobody's alone.
        let before = if round % 2 == 1 { Some(writes_per_second(&node)?) } else { None };
        let turn = tracked_turn(&node)?;
        let without = before.map_or_else(|| writes_per_second(&node), Ok)?;
        let Turn { rate, cpu_percent, said } = turn;
        println!(
            "{:<12}{without:>12.0}{rate:>12.0}{:>8.3}{cpu_percent:>14.1}{said:>20}",
            format!("round {round}"),
            rate / without
        );
        alone.push(without);
        tracked.push(rate);
        shares.push(cpu_percent);
    }
    let (least, most) =
        (alone.iter().copied().fold(f64::INFINITY, f64::min), alone.iter().copied().fold(0.0, f64::max));
    let (alone, tracked) = (middle(alone), middle(tracked));
    let spread_percent = (most - least) / alone * 100.0;
    if spread_percent > NOISE_PERCENT {
        println!(
            "alone, the rounds differ by {spread_percent:.0} %: the machine is too busy to say what the tracker costs"
        );
    }
    println!("{:<12}{alone:>12.0}{tracked:>12.0}{:>8.3}{:>14.1}", "median", tracked / alone, middle(shares));
    Ok((1.0 - tracked / alone) * 100.0)
}

/// Writes while the tracker follows.
struct Turn {
    rate: f64,
    cpu_percent: f64,
    said: String,
}

fn tracked_turn(node: &Path) -> Result<Turn> {
    let mut tracker = Process::start(role::tracker(node)?.stdin(Stdio::piped()).stdout(Stdio::piped()))?;
    tracker.line().context("the tracker is not armed")?;
    let (began, cpu_seconds) = (Instant::now(), tracker.cpu_seconds()?);
    let rate = writes_per_second(node)?;
    let cpu_percent = (tracker.cpu_seconds()? - cpu_seconds) / began.elapsed().as_secs_f64() * 100.0;
    tracker.dismiss();
    let said = tracker.answer()?.trim_end().to_owned();
    Ok(Turn { rate, cpu_percent, said })
}

/// A loop device of written places; the image has no name any more.
fn disk(place: &Path, bytes: u64) -> Result<(PathBuf, fs::File)> {
    let image = place.join("disk.raw");
    io::copy(&mut io::Read::take(io::repeat(1), bytes), &mut fs::File::create(&image)?)?;
    let disk = attach(&image, &["--direct-io=on"])?;
    fs::remove_file(&image)?;
    Ok(disk)
}

/// fio's 4 KiB random writes, past the page cache.
fn writes_per_second(node: &Path) -> Result<f64> {
    /// Of fio's terse lines, version 3: the writes per second.
    const RATE: usize = 48;
    let mut fio = program("fio");
    fio.args(["--name=load", "--rw=randwrite", "--bs=4k", "--direct=1", "--ioengine=libaio", "--iodepth=16"]);
    fio.args(["--norandommap", "--time_based", TURN, "--output-format=terse", "--terse-version=3"]);
    let said = Process::start(fio.arg(format!("--filename={}", node.display())).stdout(Stdio::piped()))?.answer()?;
    let rate = said.split(';').nth(RATE).and_then(|field| field.parse().ok());
    rate.with_context(|| format!("fio says no rate: {said}"))
}

/// The role: follows the disk at `node` as the engine does until its standard input ends, and says what it saw.
pub(super) fn follow(node: &Path) -> Result<()> {
    let mut tracker = Tracker::arm(&[LeafDisk::from_node(node)?])?;
    let waiter = tracker.waiter()?;
    println!("armed");
    let listener = thread::spawn(|| io::stdin().read_line(&mut String::new()));
    while !listener.is_finished() {
        waiter.wait(LOOK_EVERY)?;
        tracker.drain()?;
    }
    let doubts: Vec<Doubt> = tracker.settle(Instant::now() + LOOK_EVERY)?.doubts;
    let Counts { traced_sectors, counted_sectors } = tracker.counts(0)?;
    if let Some(doubt) = doubts.first() {
        eprintln!("  doubt: {doubt}");
    }
    ensure!(
        !doubts.is_empty() || traced_sectors == counted_sectors,
        "{traced_sectors} traced, {counted_sectors} counted"
    );
    println!("{:>12}{:>8}", traced_sectors / 8, doubts.len());
    Ok(())
}

/// How long until disks of different sizes are followed; the ratio of the largest to the smallest.
fn starts(folder: &Path, rounds: u32) -> Result<f64> {
    println!("\nTime until a disk is followed, and its free space is known (ext4, empty), milliseconds");
    println!("{:<12}{:>12}{:>18}", "", "followed", "free space known");
    let mut followed = Vec::new();
    for gib in SIZES_GIB {
        let image = folder.join("disk.raw");
        fs::File::create(&image)?.set_len(gib << 30)?;
        let (node, _user) = attach(&image, &["--direct-io=on"])?;
        fs::remove_file(&image)?;
        let mount = folder.join("mount");
        fs::create_dir_all(&mount)?;
        run(Command::new("mkfs.ext4").args(["-q", "-E", "nodiscard"]).arg(&node))?;
        // Read-only: the kernel would initialise its tables while we measure.
        run(Command::new("mount").args(["--options", "ro"]).arg(&node).arg(&mount))?;
        let times = (0..rounds).map(|_| start(&node)).collect::<Result<Vec<_>>>();
        run(Command::new("umount").arg(&mount))?;
        let (armed, known): (Vec<f64>, Vec<f64>) = times?.into_iter().unzip();
        let (armed, known) = (middle(armed), middle(known));
        println!("{:<12}{armed:>12.1}{known:>18.1}", format!("{gib} GiB"));
        followed.push(armed);
    }
    let [smallest, .., largest] = followed[..] else { bail!("one size is no comparison") };
    Ok(largest / smallest)
}

/// Milliseconds until the tracker is armed, and after that until the free space is known.
fn start(node: &Path) -> Result<(f64, f64)> {
    let disk = LeafDisk::from_node(node)?;
    let began = Instant::now();
    let _tracker = Tracker::arm(std::slice::from_ref(&disk))?;
    let armed = began.elapsed();
    let free = FreeMap::prepare(&disk, Reading::InUse)?.read()?;
    ensure!(free.unmapped.is_empty() && !free.ranges.is_empty(), "the filesystem tells nothing: {:?}", free.unmapped);
    let known = began.elapsed() - armed;
    Ok((armed.as_secs_f64() * 1000.0, known.as_secs_f64() * 1000.0))
}
