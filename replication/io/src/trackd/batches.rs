//! What changed, in numbered batches: the newest is open, those before it are together until they are forgotten.
//!
//! A client closes a batch right before it takes a checkpoint, and has all up to it forgotten once the checkpoint is safe. So
//! there are never more than three sets for a disk, however often it asks. Pure.

use qianyun_replication::block_set::BlockSet;
use std::ops::Range;

/// See the module's description.
#[derive(Debug)]
pub(super) struct Batches {
    /// The newest closed batch, and the newest that is forgotten.
    closed: u64,
    forgotten: u64,
    /// By disk: closed and not forgotten; not closed; not yet handed to the client.
    kept: Vec<BlockSet>,
    open: Vec<BlockSet>,
    fresh: Vec<BlockSet>,
}

impl Batches {
    pub(super) fn new(disks: usize) -> Self {
        let none = || vec![BlockSet::new(); disks];
        Self { closed: 0, forgotten: 0, kept: none(), open: none(), fresh: none() }
    }

    /// The newest closed batch.
    pub(super) fn closed(&self) -> u64 {
        self.closed
    }

    /// Blocks of a disk changed.
    pub(super) fn mark(&mut self, disk: usize, blocks: Range<u64>) {
        self.fresh[disk].insert(blocks.clone());
        self.note(disk, blocks);
    }

    /// Blocks that the client knows of by itself, and the next one must be told.
    pub(super) fn note(&mut self, disk: usize, blocks: Range<u64>) {
        self.open[disk].insert(blocks);
    }

    /// What the client was not told yet.
    pub(super) fn take_fresh(&mut self) -> Vec<BlockSet> {
        self.fresh.iter_mut().map(BlockSet::take).collect()
    }

    /// Closes the open batch.
    pub(super) fn close(&mut self) {
        self.closed += 1;
        for (kept, open) in self.kept.iter_mut().zip(&mut self.open) {
            kept.union(&open.take());
        }
    }

    /// A checkpoint that states `batch` is safe. Closed batches are together: only all of them can be forgotten.
    pub(super) fn forget(&mut self, batch: u64) {
        if batch == self.closed {
            self.kept.iter_mut().for_each(|kept| drop(kept.take()));
            self.forgotten = batch;
        }
    }

    /// All after `batch`; `None` if some of it is forgotten, or `batch` never was.
    pub(super) fn since(&mut self, batch: u64) -> Option<Vec<BlockSet>> {
        if batch < self.forgotten || batch > self.closed {
            return None;
        }
        drop(self.take_fresh());
        let mut all = self.open.clone();
        if batch < self.closed {
            all.iter_mut().zip(&self.kept).for_each(|(all, kept)| all.union(kept));
        }
        Some(all)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn blocks(sets: &[BlockSet]) -> Vec<Range<u64>> {
        sets.iter().flat_map(BlockSet::runs).collect()
    }

    #[test]
    fn a_change_is_told_once_and_kept_until_a_checkpoint_after_it_is_safe() {
        let mut batches = Batches::new(1);
        batches.mark(0, 3..5);
        assert_eq!(blocks(&batches.take_fresh()), vec![3..5]);
        assert!(blocks(&batches.take_fresh()).is_empty());
        batches.close();
        batches.mark(0, 9..10);
        assert_eq!(blocks(&batches.since(0).unwrap()), vec![3..5, 9..10]);
        assert_eq!(blocks(&batches.since(1).unwrap()), vec![9..10]);
        batches.forget(1);
        assert_eq!((batches.since(0), batches.since(2)), (None, None));
        assert_eq!(blocks(&batches.since(1).unwrap()), vec![9..10]);
        assert!(blocks(&batches.take_fresh()).is_empty(), "it was told with the others");
    }

    #[test]
    fn a_checkpoint_that_was_not_written_costs_nothing() {
        let mut batches = Batches::new(1);
        for block in 0..3 {
            batches.mark(0, block..block + 1);
            batches.close();
        }
        batches.forget(1);
        assert_eq!(blocks(&batches.since(1).unwrap()), vec![0..3], "more than was changed since, never less");
        batches.note(0, 7..8);
        assert_eq!(
            (blocks(&batches.since(3).unwrap()), batches.closed()),
            (blocks(&[std::iter::once(7..8).collect()]), 3)
        );
    }
}
