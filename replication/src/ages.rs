//! Chunks with a time each, found by chunk and by age. Never here: clocks; a time is the caller's milliseconds.

use std::collections::{BTreeMap, BTreeSet};

/// See the module's description.
#[derive(Debug, Clone, Default)]
pub(crate) struct Ages {
    by_chunk: BTreeMap<u64, u64>,
    by_time: BTreeSet<(u64, u64)>,
}

impl Ages {
    /// Gives `chunk` the time `at_ms`, whatever it had.
    pub(crate) fn set(&mut self, chunk: u64, at_ms: u64) {
        self.remove(chunk);
        self.by_chunk.insert(chunk, at_ms);
        self.by_time.insert((at_ms, chunk));
    }

    /// Gives `chunk` the time `at_ms` unless it has one.
    pub(crate) fn set_if_absent(&mut self, chunk: u64, at_ms: u64) {
        if !self.contains(chunk) {
            self.set(chunk, at_ms);
        }
    }

    /// Forgets `chunk`.
    pub(crate) fn remove(&mut self, chunk: u64) {
        if let Some(at_ms) = self.by_chunk.remove(&chunk) {
            self.by_time.remove(&(at_ms, chunk));
        }
    }

    pub(crate) fn clear(&mut self) {
        *self = Self::default();
    }

    pub(crate) fn contains(&self, chunk: u64) -> bool {
        self.by_chunk.contains_key(&chunk)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.by_chunk.is_empty()
    }

    pub(crate) fn len(&self) -> u64 {
        u64::try_from(self.by_chunk.len()).expect("fewer chunks than 2^64")
    }

    /// The earliest time.
    pub(crate) fn oldest_ms(&self) -> Option<u64> {
        self.by_time.first().map(|(at_ms, _)| *at_ms)
    }

    /// Chunks from the oldest on, not younger than `until_ms`.
    pub(crate) fn until(&self, until_ms: u64) -> impl Iterator<Item = u64> + '_ {
        self.by_time.iter().take_while(move |(at_ms, _)| *at_ms <= until_ms).map(|(_, chunk)| *chunk)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_come_first_and_a_new_time_replaces_the_old() {
        let mut ages = Ages::default();
        ages.set(7, 30);
        ages.set(8, 10);
        ages.set_if_absent(8, 50);
        ages.set(7, 5);
        assert_eq!(ages.until(10).collect::<Vec<_>>(), vec![7, 8]);
        assert_eq!((ages.oldest_ms(), ages.len()), (Some(5), 2));
        ages.remove(7);
        ages.remove(7);
        assert_eq!(ages.until(9).count(), 0);
        ages.clear();
        assert!(ages.is_empty() && !ages.contains(8));
    }
    #[test]
    fn a_time_is_included_in_what_is_until_it_and_equal_times_are_in_the_order_of_chunks() {
        let mut ages = Ages::default();
        assert_eq!((ages.oldest_ms(), ages.until(u64::MAX).count()), (None, 0));
        [9, 3, 6].into_iter().for_each(|chunk| ages.set(chunk, 20));
        ages.set_if_absent(1, 21);
        assert_eq!(ages.until(20).collect::<Vec<_>>(), vec![3, 6, 9]);
        assert_eq!((ages.until(19).count(), ages.until(21).count()), (0, 4));
        ages.remove(3);
        assert_eq!((ages.oldest_ms(), ages.len(), ages.contains(3)), (Some(20), 3, false));
        ages.set(9, 30);
        ages.set(6, 30);
        assert_eq!(ages.oldest_ms(), Some(21));
    }
}
