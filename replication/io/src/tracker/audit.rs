//! Whether as many sectors were traced as the disk itself has counted.
//!
//! The kernel counts every finished request in `/sys/block/<disk>/stat`, by another way than its trace events. The
//! difference of the two sums must never change. Nothing reads both at one instant, so a sample says within which
//! bounds the difference was: exact when the disk was at rest, loose when it was not. Pure: the samples come from outside.

use std::ops::RangeInclusive;

/// One look: events drained, counters read, events drained again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Sample {
    /// Sectors traced before the counters were read.
    pub(crate) traced_before: u64,
    /// Sectors written and discarded, as counted.
    pub(crate) counted: u64,
    /// Sectors traced after.
    pub(crate) traced_after: u64,
    /// Whether writes were under way when the counters were read.
    pub(crate) busy: bool,
}

impl Sample {
    fn difference(&self) -> RangeInclusive<i128> {
        let counted = i128::from(self.counted);
        counted - i128::from(self.traced_after)..=counted - i128::from(self.traced_before)
    }

    /// Nothing happened between the two drains and nothing was half done: the difference is exact.
    pub(crate) fn is_settled(&self) -> bool {
        !self.busy && self.traced_before == self.traced_after
    }
}

/// What a sample means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// The sums agree to the sector.
    Exact,
    /// They agree as far as can be told while the disk is busy.
    Plausible,
    /// They do not agree, or not yet: a request may be traced and not counted. Look again.
    Mismatch {
        /// Sectors traced since arming.
        traced: u64,
        /// Sectors counted since arming.
        counted: u64,
    },
}

/// The difference between counted and traced sectors, as far as it is known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Audit {
    bounds: RangeInclusive<i128>,
}

impl Audit {
    /// Starts with the first sample after arming.
    pub(crate) fn new(first: Sample) -> Self {
        Self { bounds: first.difference() }
    }

    /// Takes one more look for the first: the difference may be anywhere that any of them saw.
    pub(crate) fn widen(&mut self, sample: Sample) {
        let now = sample.difference();
        self.bounds = *now.start().min(self.bounds.start())..=*now.end().max(self.bounds.end());
    }

    /// Sectors that the kernel has counted since arming, as far as the difference is known.
    pub(crate) fn counted_since_arming(&self, sample: Sample) -> u64 {
        u64::try_from(i128::from(sample.counted) - self.bounds.start()).unwrap_or(0)
    }

    /// Judges a sample; one from a disk at rest makes the difference exact for all that follow.
    pub(crate) fn judge(&mut self, sample: Sample) -> Verdict {
        let now = sample.difference();
        let (low, high) = (*now.start().max(self.bounds.start()), *now.end().min(self.bounds.end()));
        if low > high {
            let traced = sample.traced_after;
            let counted = i128::from(sample.counted) - self.bounds.end();
            return Verdict::Mismatch { traced, counted: u64::try_from(counted).unwrap_or(0) };
        }
        if sample.is_settled() {
            self.bounds = low..=high;
            return Verdict::Exact;
        }
        Verdict::Plausible
    }
}

/// Sectors written and discarded, in the text of a `stat` file: fields 7 and 14. Discards have a field of their own from
/// 4.18 on and count as writes before, so that the sum is right for both.
pub(crate) fn counted_sectors(stat: &str) -> Option<u64> {
    let fields: Vec<&str> = stat.split_whitespace().collect();
    let written: u64 = fields.get(6)?.parse().ok()?;
    let discarded: u64 = fields.get(13).map_or(Some(0), |field| field.parse().ok())?;
    written.checked_add(discarded)
}

/// Writes under way, in the text of an `inflight` file: reads, then writes and discards.
pub(crate) fn writes_in_flight(inflight: &str) -> Option<u64> {
    inflight.split_whitespace().nth(1)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn at_rest(traced: u64, counted: u64) -> Sample {
        Sample { traced_before: traced, counted, traced_after: traced, busy: false }
    }

    #[test]
    fn one_missing_sector_at_rest_is_a_mismatch() {
        let mut audit = Audit::new(at_rest(0, 1000));
        assert_eq!(audit.judge(at_rest(64, 1064)), Verdict::Exact);
        assert_eq!(audit.judge(at_rest(71, 1072)), Verdict::Mismatch { traced: 71, counted: 72 });
        assert_eq!(audit.judge(at_rest(73, 1072)), Verdict::Mismatch { traced: 73, counted: 72 });
        assert_eq!(audit.judge(at_rest(72, 1072)), Verdict::Exact);
    }

    #[test]
    fn a_loss_larger_than_what_was_under_way_shows_on_a_busy_disk_too() {
        let mut audit = Audit::new(at_rest(0, 0));
        let busy = |before, counted, after| Sample { traced_before: before, counted, traced_after: after, busy: true };
        assert_eq!(audit.judge(busy(100, 110, 120)), Verdict::Plausible);
        assert!(matches!(audit.judge(busy(100, 130, 120)), Verdict::Mismatch { .. }));
    }

    #[test]
    fn both_generations_of_stat_are_read() {
        assert_eq!(counted_sectors("1 2 3 4 5 6 700 8 0 9 10"), Some(700));
        assert_eq!(counted_sectors(" 1 2 3 4 5 6 700 8 0 9 10 11 12 30 14 15 16\n"), Some(730));
        assert_eq!((counted_sectors("1 2"), counted_sectors("")), (None, None));
        assert_eq!((writes_in_flight("  3   5\n"), writes_in_flight("3")), (Some(5), None));
    }

    proptest! {
        /// Requests are traced first and counted after; samples fall anywhere. No order of these is ever a mismatch once
        /// the first look was at rest and the last is, and a lost event always is one at the end.
        #[test]
        fn only_a_loss_is_a_mismatch_at_rest(sizes in proptest::collection::vec(1u64..256, 1..40), lost in any::<prop::sample::Index>()) {
            let total: u64 = sizes.iter().sum();
            let (mut audit, mut traced) = (Audit::new(at_rest(0, 0)), 0);
            for size in &sizes {
                let sample = Sample { traced_before: traced, counted: traced + size, traced_after: traced + size, busy: true };
                prop_assert_eq!(audit.judge(sample), Verdict::Plausible);
                traced += size;
            }
            prop_assert_eq!(audit.clone().judge(at_rest(traced, total)), Verdict::Exact);
            let missing = lost.get(&sizes);
            let verdict = audit.judge(at_rest(traced - missing, total));
            prop_assert_eq!(verdict, Verdict::Mismatch { traced: traced - missing, counted: total });
        }
    }
}
