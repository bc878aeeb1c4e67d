//! What one tool took in all its turns, and what its turns have in common: medians, and the bounds of the time.

use super::cost::Cost;
use super::tool::Tool;

/// The turns of a tool.
pub(super) struct Series {
    pub(super) tool: Tool,
    pub(super) costs: Vec<Cost>,
}

impl Series {
    /// Of a tool that had no turn yet.
    pub(super) fn of(tool: Tool) -> Self {
        Self { tool, costs: Vec::new() }
    }

    /// The median of one number.
    pub(super) fn median(&self, what: impl Fn(&Cost) -> f64) -> f64 {
        middle(self.costs.iter().map(what).collect())
    }

    /// The median of the time.
    pub(super) fn seconds(&self) -> f64 {
        self.median(|cost| cost.seconds)
    }

    /// The shortest and the longest time.
    pub(super) fn bounds(&self) -> (f64, f64) {
        let seconds = || self.costs.iter().map(|cost| cost.seconds);
        (seconds().fold(f64::INFINITY, f64::min), seconds().fold(0.0, f64::max))
    }

    /// The most memory that the process had in any turn, by its place among those that were started.
    pub(super) fn peak_bytes(&self, process: usize) -> f64 {
        self.costs.iter().filter_map(|cost| cost.peaks_bytes.get(process).copied()).fold(0.0, f64::max)
    }
}

/// The turns of `tool`, if it had any.
pub(super) fn of(series: &[Series], tool: Tool) -> Option<&Series> {
    series.iter().find(|series| series.tool == tool && !series.costs.is_empty())
}

/// The median; of an even number, the mean of the two in the middle.
pub(super) fn middle(mut numbers: Vec<f64>) -> f64 {
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
