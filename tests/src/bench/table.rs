//! The tables: what the numbers were taken with, and for each disk one line per tool. It never decides anything.

use std::path::Path;
use std::process::Command;

use anyhow::Result;

use super::cost::Cost;
use super::data::Disk;
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
    for (program, argument) in
        [("nbdcopy", "--version"), ("nbdkit", "--version"), ("zstd", "--version"), ("socat", "-V")]
    {
        let said = output(Command::new(program).arg(argument))?;
        row(program, said.lines().find(|line| line.contains(|c: char| c.is_ascii_digit())).unwrap_or_default());
    }
    Ok(())
}

fn row(name: &str, value: &str) {
    println!("{name:<10} {value}");
}

/// Prints what each tool took for the disk.
pub(super) fn print(disk: &Disk, costs: &[(Tool, Vec<Cost>)]) {
    println!("\n{}, {} MiB", disk.kind, disk.bytes >> 20);
    println!(
        "{:<28}{:>9}{:>16}{:>9}{:>12}{:>8}{:>10}{:>10}",
        "", "seconds", "min – max", "MiB/s", "× nbdcopy", "CPU s", "wire MiB", "RSS MiB"
    );
    let median = |costs: &[Cost], what: fn(&Cost) -> f64| middle(costs.iter().map(what).collect());
    let peer =
        costs.iter().find(|(tool, _)| *tool == Tool::Nbdcopy).map_or(f64::NAN, |(_, c)| median(c, |c| c.seconds));
    for (tool, costs) in costs {
        let seconds = median(costs, |c| c.seconds);
        let least = costs.iter().map(|c| c.seconds).fold(f64::INFINITY, f64::min);
        let most = costs.iter().map(|c| c.seconds).fold(0.0, f64::max);
        println!(
            "{:<28}{seconds:>9.2}{:>16}{:>9.0}{:>12.2}{:>8.2}{:>10.0}{:>10.0}",
            tool.to_string(),
            format!("{least:.2} – {most:.2}"),
            disk.bytes as f64 / MIB / seconds,
            peer / seconds,
            median(costs, |c| c.cpu_seconds),
            median(costs, |c| c.wire_bytes) / MIB,
            median(costs, |c| c.peak_bytes) / MIB,
        );
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

/// The median; of an even number, the mean of the two in the middle.
fn middle(mut numbers: Vec<f64>) -> f64 {
    numbers.sort_by(f64::total_cmp);
    let (low, high) = (numbers.len().saturating_sub(1) / 2, numbers.len() / 2);
    match (numbers.get(low), numbers.get(high)) {
        (Some(low), Some(high)) => (low + high) / 2.0,
        _ => f64::NAN,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_middle_does_not_depend_on_the_order_and_lies_between_two() {
        assert!((middle(vec![3.0, 1.0, 2.0]) - 2.0).abs() < f64::EPSILON);
        assert!((middle(vec![4.0, 1.0]) - 2.5).abs() < f64::EPSILON);
    }
}
