//! Lists of byte ranges: brought into order, merged, cut to blocks. Pure.

use std::ops::Range;

/// Sorts, drops empty ranges, and merges those that touch or overlap.
pub(crate) fn merged(mut ranges: Vec<Range<u64>>) -> Vec<Range<u64>> {
    ranges.retain(|range| range.start < range.end);
    ranges.sort_unstable_by_key(|range| range.start);
    let mut out: Vec<Range<u64>> = Vec::with_capacity(ranges.len());
    for range in ranges {
        match out.last_mut() {
            Some(last) if range.start <= last.end => last.end = last.end.max(range.end),
            _ => out.push(range),
        }
    }
    out
}

/// Only the whole blocks inside each range; the ranges must be merged, or two halves of a block are lost.
pub(crate) fn whole_blocks(ranges: Vec<Range<u64>>, block: u64) -> Vec<Range<u64>> {
    ranges
        .into_iter()
        .map(|range| range.start.div_ceil(block) * block..range.end / block * block)
        .filter(|range| range.start < range.end)
        .collect()
}

/// What lies between ranges that are in order, from 0 to `end`; they may touch and overlap.
pub(crate) fn gaps(ranges: impl IntoIterator<Item = Range<u64>>, end: u64) -> Vec<Range<u64>> {
    let (mut gaps, mut next) = (Vec::new(), 0);
    for range in ranges.into_iter().chain(std::iter::once(end..end)) {
        if next < range.start.min(end) {
            gaps.push(next..range.start.min(end));
        }
        next = next.max(range.end);
    }
    gaps
}

/// Whether merged ranges hold all of `wanted`.
pub(crate) fn covers(ranges: &[Range<u64>], wanted: &Range<u64>) -> bool {
    ranges.iter().any(|range| range.start <= wanted.start && wanted.end <= range.end)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn merging_keeps_every_byte_and_no_other(list in proptest::collection::vec((0u64..200, 0u64..30), 0..40)) {
            let ranges: Vec<_> = list.iter().map(|(start, len)| *start..start + len).collect();
            let result = merged(ranges.clone());
            for byte in 0..240 {
                let before = ranges.iter().any(|range| range.contains(&byte));
                prop_assert_eq!(before, result.iter().any(|range| range.contains(&byte)));
            }
            prop_assert!(result.windows(2).all(|pair| pair[0].end < pair[1].start));
        }

        #[test]
        fn a_byte_is_in_a_gap_or_in_a_range(list in proptest::collection::vec((0u64..200, 0u64..30), 0..40), end in 0u64..200) {
            let mut ranges: Vec<_> = list.iter().map(|(start, len)| *start..start + len).collect();
            ranges.sort_by_key(|range| range.start);
            let gaps = gaps(ranges.clone(), end);
            for byte in 0..240 {
                let taken = byte >= end || ranges.iter().any(|range| range.contains(&byte));
                prop_assert_eq!(!taken, gaps.iter().any(|range| range.contains(&byte)));
            }
        }

        #[test]
        fn cutting_to_blocks_only_ever_shrinks(list in proptest::collection::vec((0u64..200, 0u64..30), 0..40)) {
            let ranges = merged(list.iter().map(|(start, len)| *start..start + len).collect());
            for cut in whole_blocks(ranges.clone(), 8) {
                prop_assert!(cut.start % 8 == 0 && cut.end % 8 == 0 && covers(&ranges, &cut));
            }
        }
    }
}
