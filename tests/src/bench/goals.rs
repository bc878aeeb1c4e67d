//! What we want to reach, beside what was measured. It never fails a run: what is fast depends on the machine.

use super::series::{self, Series};
use super::tool::Tool;

const MIB: f64 = 1024.0 * 1024.0;

/// Which way is good.
#[derive(Clone, Copy)]
enum Bound {
    AtLeast(f64),
    AtMost(f64),
}

/// One number and its bound.
pub(super) struct Goal {
    what: String,
    found: f64,
    bound: Bound,
    unit: &'static str,
}

impl Goal {
    /// How many times as fast as the other tool ours is.
    pub(super) fn faster_than(what: &str, series: &[Series], other: Tool, goal: f64) -> Option<Self> {
        let (ours, other) = (series::of(series, Tool::Qianyun)?, series::of(series, other)?);
        let what = format!("{what}: as fast as {}", other.tool);
        Some(Self { what, found: other.seconds() / ours.seconds(), bound: Bound::AtLeast(goal), unit: "x" })
    }

    /// Bytes on the wire for each byte that changed.
    pub(super) fn wire(what: &str, series: &[Series], dirty_bytes: u64, goal: f64) -> Option<Self> {
        let found = series::of(series, Tool::Qianyun)?.median(|cost| cost.wire_bytes) / dirty_bytes as f64;
        Some(Self { what: format!("{what}: wire, of the changed bytes"), found, bound: Bound::AtMost(goal), unit: "x" })
    }

    /// The memory of both our ends.
    pub(super) fn memory(what: &str, series: &[Series], most_mib: f64) -> Vec<Self> {
        let Some(ours) = series::of(series, Tool::Qianyun) else { return Vec::new() };
        let of = |(process, end): (usize, &str)| Self {
            what: format!("{what}: memory of the {end}"),
            found: ours.peak_bytes(process) / MIB,
            bound: Bound::AtMost(most_mib),
            unit: " MiB",
        };
        [(0, "target"), (1, "source")].map(of).into()
    }

    /// What the tracker costs of the writes.
    pub(super) fn tracker(what: &str, percent: f64) -> Self {
        Self { what: format!("{what}: cost of the tracker"), found: percent, bound: Bound::AtMost(3.0), unit: " %" }
    }

    /// How much longer a disk takes than one 2,048th of its size.
    pub(super) fn start(found: f64) -> Self {
        let what = "time to follow the largest disk, of that of the smallest".to_owned();
        Self { what, found, bound: Bound::AtMost(2.0), unit: "x" }
    }

    /// A number that is to be small.
    pub(super) fn at_most(what: &str, found: f64, most: f64, unit: &'static str) -> Self {
        Self { what: what.to_owned(), found, bound: Bound::AtMost(most), unit }
    }

    fn is_met(&self) -> bool {
        match self.bound {
            Bound::AtLeast(goal) => self.found >= goal,
            Bound::AtMost(goal) => self.found <= goal,
        }
    }
}

/// Prints each with its bound.
pub(super) fn print(goals: &[Goal]) {
    println!("\nGoals");
    for goal in goals {
        let (words, bound) = match goal.bound {
            Bound::AtLeast(bound) => ("at least", bound),
            Bound::AtMost(bound) => ("at most", bound),
        };
        let (found, unit) = (format!("{:.2}{}", goal.found, goal.unit), goal.unit);
        let met = if goal.is_met() { "met" } else { "missed" };
        println!("{:<66}{found:>13}   goal {words} {bound}{unit}, {met}", goal.what);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::cost::Cost;

    fn took(tool: Tool, seconds: f64) -> Series {
        let cost = Cost { seconds, cpu_seconds: 1.0, wire_bytes: 110.0, peaks_bytes: vec![MIB, 300.0 * MIB] };
        Series { tool, costs: vec![cost] }
    }

    #[test]
    fn faster_is_more_and_a_tool_that_had_no_turn_gives_no_ratio() {
        let series = [took(Tool::Qianyun, 2.0), took(Tool::Nbdcopy, 3.0), Series::of(Tool::Pipe)];
        let goal = |bound| Goal::faster_than("disk", &series, Tool::Nbdcopy, bound).expect("both had turns");
        assert!((goal(1.0).found - 1.5).abs() < f64::EPSILON);
        assert!(goal(1.5).is_met() && !goal(1.6).is_met());
        assert!(Goal::faster_than("disk", &series, Tool::Pipe, 1.0).is_none());
    }

    #[test]
    fn less_wire_and_less_memory_is_better_and_each_end_counts_for_itself() {
        let series = [took(Tool::Qianyun, 2.0)];
        assert!(Goal::wire("delta", &series, 100, 1.2).expect("it had a turn").is_met());
        assert!(!Goal::wire("delta", &series, 50, 1.2).expect("it had a turn").is_met());
        let met: Vec<_> = Goal::memory("sparse", &series, 256.0).iter().map(Goal::is_met).collect();
        assert_eq!(met, [true, false]);
    }
}
