//! A set as bytes: what a checkpoint and the tracker's process hand over. Never longer than the bits of what is mixed.
//!
//! ```text
//! leaves u32 | { number u64, kind u8: 0 bits (512 words u64), 1 full, 2 runs (count u16, { first, last u16 } ...) } ...
//! ```
//!
//! Never here: checksums and versions, which belong to whatever the set is part of.

use super::{BlockSet, LEAF, Leaf, WORDS};
use std::ops::Range;

const BITS: u8 = 0;
const FULL: u8 = 1;
const RUNS: u8 = 2;
/// From here on the 4 KiB of bits are shorter than 4 bytes for each run.
const MAX_RUNS: usize = 1023;
/// A leaf's number and kind, and its bits.
const LEAF_BYTES: u64 = 8 + 1 + 8 * 512;

impl BlockSet {
    /// The most bytes of a set of numbers below `end`.
    pub fn max_encoded_bytes(end: u64) -> u64 {
        4 + end.div_ceil(LEAF).saturating_mul(LEAF_BYTES)
    }

    /// Appends the set.
    pub fn encode(&self, out: &mut Vec<u8>) {
        let leaves = u32::try_from(self.leaves.len()).expect("2^32 leaves are more than the largest device has");
        out.extend_from_slice(&leaves.to_le_bytes());
        for (number, leaf) in &self.leaves {
            out.extend_from_slice(&number.to_le_bytes());
            match leaf {
                Leaf::Full => out.push(FULL),
                Leaf::Mixed { words, .. } => self.encode_mixed(*number, words, out),
            }
        }
    }

    fn encode_mixed(&self, number: u64, words: &[u64; WORDS], out: &mut Vec<u8>) {
        let base = number * LEAF;
        let runs: Vec<Range<u64>> = self.runs_in(base..base + LEAF).take(MAX_RUNS + 1).collect();
        if runs.len() > MAX_RUNS {
            out.push(BITS);
            words.iter().for_each(|word| out.extend_from_slice(&word.to_le_bytes()));
            return;
        }
        let short = |place: u64| u16::try_from(place).expect("a leaf has 32,768 numbers").to_le_bytes();
        out.push(RUNS);
        out.extend_from_slice(&short(runs.len() as u64));
        for run in runs {
            out.extend_from_slice(&short(run.start - base));
            out.extend_from_slice(&short(run.end - 1 - base));
        }
    }

    /// Takes a set of numbers below `end` from the front of `bytes`; `None` if there is none.
    pub fn decode(bytes: &mut &[u8], end: u64) -> Option<Self> {
        let leaves = u32::from_le_bytes(take(bytes)?);
        let mut set = Self::new();
        let mut least = 0;
        for _ in 0..leaves {
            let number = u64::from_le_bytes(take(bytes)?);
            if number < least || number >= end.div_ceil(LEAF) {
                return None;
            }
            least = number + 1;
            let [kind] = take(bytes)?;
            let leaf = match kind {
                FULL => Leaf::Full,
                BITS => decode_bits(bytes)?,
                RUNS => decode_runs(bytes)?,
                _unknown => return None,
            };
            set.count += leaf.count();
            set.leaves.insert(number, leaf);
        }
        set.next_from(end).is_none().then_some(set)
    }
}

fn decode_bits(bytes: &mut &[u8]) -> Option<Leaf> {
    let mut words = Box::new([0; WORDS]);
    for word in words.iter_mut() {
        *word = u64::from_le_bytes(take(bytes)?);
    }
    let count = words.iter().map(|word| u64::from(word.count_ones())).sum();
    match count {
        0 => None,
        LEAF => Some(Leaf::Full),
        count => Some(Leaf::Mixed { count, words }),
    }
}

fn decode_runs(bytes: &mut &[u8]) -> Option<Leaf> {
    let count = u16::from_le_bytes(take(bytes)?);
    let mut leaf = Leaf::empty();
    for _ in 0..count {
        let (first, last) = (u64::from(u16::from_le_bytes(take(bytes)?)), u64::from(u16::from_le_bytes(take(bytes)?)));
        if first > last || last >= LEAF {
            return None;
        }
        leaf.insert(first..last + 1);
    }
    (leaf.count() > 0).then_some(leaf)
}

/// The first bytes of `bytes`, which loses them.
pub(crate) fn take<const N: usize>(bytes: &mut &[u8]) -> Option<[u8; N]> {
    let (head, tail) = bytes.split_first_chunk()?;
    *bytes = tail;
    Some(*head)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const END: u64 = 4 * LEAF;

    fn encoded(set: &BlockSet) -> Vec<u8> {
        let mut out = Vec::new();
        set.encode(&mut out);
        out
    }

    #[test]
    fn full_leaves_few_runs_and_many_come_back_as_they_were() {
        let every_second: BlockSet = (0..LEAF / 2).map(|n| 2 * LEAF + 2 * n..2 * LEAF + 2 * n + 1).collect();
        let mut set: BlockSet = [0..LEAF, LEAF + 5..LEAF + 9].into_iter().collect();
        set.union(&every_second);
        let bytes = encoded(&set);
        assert!(bytes.len() as u64 <= BlockSet::max_encoded_bytes(END));
        let mut left = &bytes[..];
        assert_eq!((BlockSet::decode(&mut left, END).as_ref(), left), (Some(&set), &[][..]));
    }

    #[test]
    fn what_is_out_of_order_out_of_bounds_or_cut_off_is_refused() {
        let set: BlockSet = [0..3, LEAF + 1..LEAF + 2].into_iter().collect();
        let bytes = encoded(&set);
        assert_eq!(BlockSet::decode(&mut &bytes[..], LEAF + 1), None);
        (0..bytes.len()).for_each(|cut| assert_eq!(BlockSet::decode(&mut &bytes[..cut], END), None, "{cut}"));
        let twice = [&2u32.to_le_bytes()[..], &[0; 8], &[FULL], &[0; 8], &[FULL]].concat();
        assert_eq!(BlockSet::decode(&mut &twice[..], END), None);
    }

    proptest! {
        #[test]
        fn any_set_comes_back_and_any_bytes_are_read_without_harm(
            ranges in prop::collection::vec((0..END, 1u64..400), 0..60), noise in prop::collection::vec(any::<u8>(), 0..60),
        ) {
            let set: BlockSet = ranges.iter().map(|(at, len)| *at..(*at + len).min(END)).collect();
            let bytes = encoded(&set);
            prop_assert_eq!(BlockSet::decode(&mut &bytes[..], END), Some(set));
            let _whatever = BlockSet::decode(&mut &noise[..], END);
        }
    }
}
