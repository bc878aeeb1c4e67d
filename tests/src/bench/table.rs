//! The tables: what the numbers were taken with, and for each disk one line per tool. It never decides anything.

use std::path::Path;
use std::process::Command;

use anyhow::Result;

use super::cost::Cost;
use super::series::{self, Series};
use super::tool::Tool;
use crate::site::output;

const MIB: f64 = 1024.0 * 1024.0;

/// Prints the machine, how busy it is with other things, and the versions of everything measured.
pub(super) fn print_versions(folder: &Path) -> Result<()> {
    let cpus = std::fs::read_to_string("/proc/cpuinfo")?;
    let model = cpus.lines().find_map(|line| line.strip_prefix("model name")).unwrap_or_default();
    let count = std::thread::available_parallelism()?;
    row("processor", &format!("{count} × {}", model.trim_start_matches([':', ' ', '\t'])));
    row("kernel", &rustix::system::uname().release().to_string_lossy());
    let place =
        output(Command::new("findmnt").args(["--noheadings", "--output", "SOURCE,FSTYPE", "--target"]).arg(folder))?;
    row("images on", place.lines().last().unwrap_or_default());
    row("load", std::fs::read_to_string("/proc/loadavg")?.trim());
    for program in ["nbdcopy", "nbdkit", "zstd", "socat", "rsync", "fio"] {
        let argument = if program == "socat" { "-V" } else { "--version" };
        let said = output(Command::new(program).arg(argument))?;
        row(program, said.lines().find(|line| line.contains(|c: char| c.is_ascii_digit())).unwrap_or_default());
    }
    Ok(())
}

fn row(name: &str, value: &str) {
    println!("{name:<10} {value}");
}

/// Prints what each tool took for a disk of `bytes`.
pub(super) fn print(what: &str, bytes: u64, series: &[Series]) {
    println!("\n{what}, {} MiB", bytes >> 20);
    println!(
        "{:<28}{:>9}{:>18}{:>9}{:>12}{:>8}{:>10}{:>10}",
        "", "seconds", "min – max", "MiB/s", "× nbdcopy", "CPU s", "wire MiB", "RSS MiB"
    );
    let peer = series::of(series, Tool::Nbdcopy).map(Series::seconds);
    for one in series {
        let (seconds, (least, most)) = (one.seconds(), one.bounds());
        println!(
            "{:<28}{seconds:>9.2}{:>18}{:>9.0}{:>12}{:>8.2}{:>10.1}{:>10.0}",
            one.tool.to_string(),
            format!("{least:.2} – {most:.2}"),
            bytes as f64 / MIB / seconds,
            peer.map_or_else(|| "–".to_owned(), |peer| format!("{:.2}", peer / seconds)),
            one.median(|cost| cost.cpu_seconds),
            one.median(|cost| cost.wire_bytes) / MIB,
            one.median(Cost::peak_bytes) / MIB,
        );
    }
    if let Some(ours) = series::of(series, Tool::Qianyun) {
        let [target, source] = [0, 1].map(|process| ours.peak_bytes(process) / MIB);
        println!("{:<28}RSS MiB at most: source {source:.0}, target {target:.0}", "  of these, ours");
    }
}

/// Says how the numbers are meant.
pub(super) fn print_legend() {
    println!(
        "\nBoth ends share this machine. All use TLS 1.3 with certificates of both ends, and begin with cold caches."
    );
    println!("seconds: median, until the target is durable and, where the tool verifies, verified.");
    println!("MiB/s: of the disk's size. × nbdcopy: how many times as fast. CPU, RSS: all processes of both ends.");
    println!("Each target was compared with its source afterwards.");
}
