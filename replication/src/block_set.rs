//! A set of block numbers, or of chunk numbers: two levels, allocated where something is set.
//!
//! One leaf covers 32,768 numbers with 4 KiB of bits (128 MiB of blocks: 32 MiB of memory per TiB when every leaf is
//! mixed); empty and full leaves take no bits at all, so that a sparse or a fully dirty disk of many TiB stays small.
//! Never here: what the numbers mean.

mod codec;

pub(crate) use codec::take;
use std::collections::BTreeMap;
use std::ops::Range;

/// Numbers per leaf.
const LEAF: u64 = 32_768;
/// Words of bits per leaf.
const WORDS: usize = 512;

/// Some of the numbers of one leaf. Never empty while it is in the map.
#[derive(Clone, PartialEq, Eq)]
enum Leaf {
    Full,
    Mixed { count: u64, words: Box<[u64; WORDS]> },
}

/// See the module's description.
#[derive(Clone, PartialEq, Eq, Default)]
pub struct BlockSet {
    leaves: BTreeMap<u64, Leaf>,
    count: u64,
}

impl std::fmt::Debug for BlockSet {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_list().entries(self.runs()).finish()
    }
}

impl FromIterator<Range<u64>> for BlockSet {
    fn from_iter<I: IntoIterator<Item = Range<u64>>>(ranges: I) -> Self {
        let mut set = Self::default();
        for range in ranges {
            set.insert(range);
        }
        set
    }
}

impl BlockSet {
    /// An empty set.
    pub fn new() -> Self {
        Self::default()
    }

    /// How many numbers are in the set.
    pub fn count(&self) -> u64 {
        self.count
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// Whether `number` is in the set.
    pub fn contains(&self, number: u64) -> bool {
        match self.leaves.get(&(number / LEAF)) {
            None => false,
            Some(Leaf::Full) => true,
            Some(Leaf::Mixed { words, .. }) => words[word(number)] & bit(number) != 0,
        }
    }

    /// Adds all of `range`; returns how many were new.
    pub fn insert(&mut self, range: Range<u64>) -> u64 {
        let mut added = 0;
        for (leaf, part) in by_leaf(range) {
            let slot = self.leaves.entry(leaf).or_insert_with(Leaf::empty);
            added += slot.insert(part);
        }
        self.count += added;
        added
    }

    /// Takes all of `range` out; returns how many were in.
    pub fn remove(&mut self, range: Range<u64>) -> u64 {
        let mut removed = 0;
        let touched: Vec<u64> = match leaves_of(&range) {
            None => return 0,
            Some((first, last)) => self.leaves.range(first..=last).map(|(leaf, _)| *leaf).collect(),
        };
        for leaf in touched {
            let part = range.start.max(leaf * LEAF)..range.end.min((leaf + 1) * LEAF);
            if let Some(slot) = self.leaves.get_mut(&leaf) {
                removed += slot.remove(part);
                if slot.count() == 0 {
                    self.leaves.remove(&leaf);
                }
            }
        }
        self.count -= removed;
        removed
    }

    /// How many numbers of `range` are in the set.
    pub fn count_in(&self, range: Range<u64>) -> u64 {
        let Some((first, last)) = leaves_of(&range) else { return 0 };
        let mut count = 0;
        for (leaf, slot) in self.leaves.range(first..=last) {
            count += slot.count_in(range.start.max(leaf * LEAF)..range.end.min((leaf + 1) * LEAF));
        }
        count
    }

    /// Whether any number of `range` is in the set.
    pub fn intersects(&self, range: Range<u64>) -> bool {
        self.next_from(range.start).is_some_and(|next| next < range.end)
    }

    /// The smallest number in the set that is not below `from`.
    pub fn next_from(&self, from: u64) -> Option<u64> {
        self.leaves.range(from / LEAF..).find_map(|(leaf, slot)| slot.next_from(leaf * LEAF, from.max(leaf * LEAF)))
    }

    /// The smallest number that is not below `from` and not in the set.
    fn next_gap(&self, from: u64) -> u64 {
        let mut at = from;
        loop {
            match self.leaves.get(&(at / LEAF)) {
                None => return at,
                Some(slot) => match slot.next_gap(at) {
                    Some(gap) => return gap,
                    None => at = (at / LEAF + 1) * LEAF,
                },
            }
        }
    }

    /// The runs of consecutive numbers, in order, as long as they can be.
    pub fn runs(&self) -> impl Iterator<Item = Range<u64>> + '_ {
        self.runs_in(0..u64::MAX)
    }

    /// The runs within `range`, clipped to it.
    pub fn runs_in(&self, range: Range<u64>) -> impl Iterator<Item = Range<u64>> + '_ {
        let mut at = range.start;
        std::iter::from_fn(move || {
            let start = self.next_from(at).filter(|start| *start < range.end)?;
            at = self.next_gap(start).min(range.end);
            Some(start..at)
        })
    }

    /// Adds every number of `other`.
    pub fn union(&mut self, other: &BlockSet) {
        for run in other.runs() {
            self.insert(run);
        }
    }

    /// Takes every number of `other` out.
    pub fn subtract(&mut self, other: &BlockSet) {
        for run in other.runs() {
            self.remove(run);
        }
    }

    /// Empties the set and returns what was in it.
    pub fn take(&mut self) -> BlockSet {
        std::mem::take(self)
    }
}

impl Leaf {
    fn empty() -> Self {
        Leaf::Mixed { count: 0, words: Box::new([0; WORDS]) }
    }

    fn count(&self) -> u64 {
        match self {
            Leaf::Full => LEAF,
            Leaf::Mixed { count, .. } => *count,
        }
    }

    fn insert(&mut self, part: Range<u64>) -> u64 {
        let Leaf::Mixed { count, words } = self else { return 0 };
        let mut added = 0;
        for (at, mask) in by_word(part) {
            added += u64::from((mask & !words[at]).count_ones());
            words[at] |= mask;
        }
        *count += added;
        if *count == LEAF {
            *self = Leaf::Full;
        }
        added
    }

    fn remove(&mut self, part: Range<u64>) -> u64 {
        if matches!(self, Leaf::Full) {
            *self = Leaf::Mixed { count: LEAF, words: Box::new([u64::MAX; WORDS]) };
        }
        let Leaf::Mixed { count, words } = self else { return 0 };
        let mut removed = 0;
        for (at, mask) in by_word(part) {
            removed += u64::from((mask & words[at]).count_ones());
            words[at] &= !mask;
        }
        *count -= removed;
        removed
    }

    fn count_in(&self, part: Range<u64>) -> u64 {
        match self {
            Leaf::Full => part.end - part.start,
            Leaf::Mixed { words, .. } => {
                by_word(part).map(|(at, mask)| u64::from((words[at] & mask).count_ones())).sum()
            }
        }
    }

    /// The first number in the leaf that begins at `base`, not below `from`.
    fn next_from(&self, base: u64, from: u64) -> Option<u64> {
        match self {
            Leaf::Full => Some(from),
            Leaf::Mixed { words, .. } => by_word(from..base + LEAF).find_map(|(at, mask)| {
                let found = words[at] & mask;
                (found != 0).then(|| place(base, at) + u64::from(found.trailing_zeros()))
            }),
        }
    }

    /// The first number that is missing in this leaf, not below `from`.
    fn next_gap(&self, from: u64) -> Option<u64> {
        let base = from / LEAF * LEAF;
        match self {
            Leaf::Full => None,
            Leaf::Mixed { words, .. } => by_word(from..base + LEAF).find_map(|(at, mask)| {
                let missing = !words[at] & mask;
                (missing != 0).then(|| place(base, at) + u64::from(missing.trailing_zeros()))
            }),
        }
    }
}

/// The first number of word `at` in the leaf that begins at `base`.
fn place(base: u64, at: usize) -> u64 {
    base + 64 * u64::try_from(at).expect("a leaf has 512 words")
}

/// The word of a leaf that `number` is in.
fn word(number: u64) -> usize {
    usize::try_from(number % LEAF / 64).expect("a leaf has 512 words")
}

fn bit(number: u64) -> u64 {
    1 << (number % 64)
}

fn leaves_of(range: &Range<u64>) -> Option<(u64, u64)> {
    (range.start < range.end).then(|| (range.start / LEAF, (range.end - 1) / LEAF))
}

/// `range` cut at the borders of leaves.
fn by_leaf(range: Range<u64>) -> impl Iterator<Item = (u64, Range<u64>)> {
    let mut at = range.start;
    std::iter::from_fn(move || {
        (at < range.end).then(|| {
            let leaf = at / LEAF;
            let part = at..range.end.min((leaf + 1) * LEAF);
            at = part.end;
            (leaf, part)
        })
    })
}

/// `part`, which lies in one leaf, as words and the bits of them.
fn by_word(part: Range<u64>) -> impl Iterator<Item = (usize, u64)> {
    let mut at = part.start;
    std::iter::from_fn(move || {
        (at < part.end).then(|| {
            let end = part.end.min((at / 64 + 1) * 64);
            let mask = (u64::MAX >> (64 - (end - at))) << (at % 64);
            let here = word(at);
            at = end;
            (here, mask)
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeSet;

    #[derive(Debug, Clone)]
    enum Op {
        Insert(Range<u64>),
        Remove(Range<u64>),
    }

    /// Ranges around the borders of words and leaves, short and long.
    fn range() -> impl Strategy<Value = Range<u64>> {
        let start = prop_oneof![0..200u64, LEAF - 70..LEAF + 70, 3 * LEAF - 5..3 * LEAF + 5];
        (start, prop_oneof![0..3u64, 0..200u64, LEAF - 3..LEAF + 3]).prop_map(|(start, len)| start..start + len)
    }

    fn ops() -> impl Strategy<Value = Vec<Op>> {
        prop::collection::vec(prop_oneof![range().prop_map(Op::Insert), range().prop_map(Op::Remove)], 1..6)
    }

    fn build(ops: &[Op]) -> (BlockSet, BTreeSet<u64>) {
        let (mut set, mut model) = (BlockSet::new(), BTreeSet::new());
        for op in ops {
            match op {
                Op::Insert(range) => {
                    let before = model.len();
                    model.extend(range.clone());
                    assert_eq!(set.insert(range.clone()), (model.len() - before) as u64);
                }
                Op::Remove(range) => {
                    let before = model.len();
                    model.retain(|n| !range.contains(n));
                    assert_eq!(set.remove(range.clone()), (before - model.len()) as u64);
                }
            }
        }
        (set, model)
    }

    fn numbers(set: &BlockSet) -> BTreeSet<u64> {
        set.runs().flatten().collect()
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(24))]

        #[test]
        fn it_behaves_like_a_set_of_numbers(ops in ops(), probe in range()) {
            let (set, model) = build(&ops);
            prop_assert_eq!(set.count(), model.len() as u64);
            prop_assert_eq!(&numbers(&set), &model);
            prop_assert_eq!(set.count_in(probe.clone()), model.range(probe.clone()).count() as u64);
            prop_assert_eq!(set.intersects(probe.clone()), model.range(probe.clone()).next().is_some());
            prop_assert_eq!(set.next_from(probe.start), model.range(probe.start..).next().copied());
            prop_assert_eq!(set.contains(probe.start), model.contains(&probe.start));
            let clipped: BTreeSet<u64> = set.runs_in(probe.clone()).flatten().collect();
            prop_assert_eq!(clipped, model.range(probe).copied().collect::<BTreeSet<_>>());
        }

        #[test]
        fn runs_are_as_long_as_they_can_be(ops in ops()) {
            let (set, _) = build(&ops);
            let runs: Vec<_> = set.runs().collect();
            prop_assert!(runs.windows(2).all(|pair| pair[0].end < pair[1].start));
            prop_assert_eq!(runs.into_iter().collect::<BlockSet>(), set);
        }

        #[test]
        fn union_and_subtraction_are_those_of_sets(a in ops(), b in ops()) {
            let ((mut left, left_model), (right, right_model)) = (build(&a), build(&b));
            let mut without = left.clone();
            left.union(&right);
            prop_assert_eq!(numbers(&left), &left_model | &right_model);
            without.subtract(&right);
            prop_assert_eq!(numbers(&without), &left_model - &right_model);
        }
    }

    #[test]
    fn taking_leaves_an_empty_set_without_memory() {
        let mut set: BlockSet = [0..10, 5 * LEAF..9 * LEAF].into_iter().collect();
        let taken = set.take();
        assert_eq!(taken.count(), 10 + 4 * LEAF);
        assert!(set.is_empty() && set.leaves.is_empty());
    }

    #[test]
    fn a_full_disk_of_many_tib_takes_no_bits() {
        let mut set = BlockSet::new();
        set.insert(0..(16 << 40) / 4096);
        assert!(set.leaves.values().all(|leaf| matches!(leaf, Leaf::Full)));
        set.remove(7..8);
        assert_eq!(set.runs().collect::<Vec<_>>(), vec![0..7, 8..(16 << 40) / 4096]);
    }

    #[test]
    fn removing_the_last_number_frees_the_leaf() {
        let mut set = BlockSet::new();
        set.insert(100..101);
        assert_eq!(set.remove(0..u64::MAX), 1);
        assert!(set.leaves.is_empty());
    }
}
