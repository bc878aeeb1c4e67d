//! What a worker is asked to do with one chunk: everything it needs, and nothing of the engine's state.

use crate::geometry::{BLOCK_BYTES, ChunkIndex, ChunkMask, DeviceId, GrainMask, blocks_of_grain};
use crate::progress::Counters;
use crate::subtree::Subtrees;

/// What is to be done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Work {
    /// Read and digest, and send `blocks` from the same reading under the job's `seq` and `epoch`, the last frame flagged;
    /// then [`super::Sender::copied`].
    Copy {
        /// The blocks to send.
        blocks: ChunkMask,
    },
    /// Ask the receiver for its hash under the job's `seq`, and read and digest; then [`super::Sender::compared`].
    Compare,
    /// Read and digest; then [`super::Sender::proved`].
    Prove,
}

/// A job for one worker. Every job ends in exactly one report, [`super::Sender::failed`] included.
#[derive(Debug, Clone, PartialEq, Eq)]
#[must_use]
pub struct Job {
    /// Which disk.
    pub device: DeviceId,
    /// Which chunk of it.
    pub chunk: ChunkIndex,
    /// Bytes of the chunk.
    pub len: u64,
    /// Blocks that count; all others are zeros for the hash.
    pub domain: ChunkMask,
    /// What is known of its hash without reading.
    pub subtrees: Subtrees,
    /// What to do.
    pub work: Work,
    /// The lane to send on.
    pub lane: u16,
    /// The epoch to send under.
    pub epoch: u32,
    /// The sequence number to send under.
    pub seq: u64,
    pub(super) ticket: u64,
}

/// How a copy went.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Copied {
    /// What the job's digest gave.
    pub subtrees: Subtrees,
    /// What it took.
    pub counters: Counters,
}

/// Where a job would be done.
#[derive(Debug)]
pub(super) struct JobPlace {
    pub(super) device: DeviceId,
    pub(super) lane: u16,
    pub(super) lanes: u16,
    pub(super) epoch: u32,
    pub(super) seq: u64,
    pub(super) ticket: u64,
    pub(super) stripe_chunks: u64,
}

impl JobPlace {
    /// If `chunk` is another lane's: the next chunk that is this one's.
    pub(super) fn not_before(&self, chunk: u64) -> Option<u64> {
        let stripe = chunk / self.stripe_chunks;
        let lanes = u64::from(self.lanes);
        let ahead = (u64::from(self.lane) + lanes - stripe % lanes) % lanes;
        (ahead != 0).then(|| (stripe + ahead) * self.stripe_chunks)
    }
}

impl Job {
    pub(super) fn new(
        place: &JobPlace,
        chunk: ChunkIndex,
        (domain, subtrees): (ChunkMask, Subtrees),
        len: u64,
        work: Work,
    ) -> Self {
        let JobPlace { device, lane, lanes: _, epoch, seq, ticket, stripe_chunks: _ } = *place;
        Self { device, chunk, len, domain, subtrees, work, lane, epoch, seq, ticket }
    }

    /// The grains to digest: for a copy those that it reads from anyway and those that need no reading, else all that are
    /// not known.
    pub fn grains(&self) -> GrainMask {
        let missing = self.subtrees.missing();
        match self.work {
            Work::Copy { blocks } => blocks.grains().with(missing.without(self.domain.grains())),
            Work::Compare | Work::Prove => missing,
        }
    }

    /// The blocks to read.
    pub fn reads(&self) -> ChunkMask {
        self.domain.within(self.grains())
    }

    /// What is known of the chunk's hash after [`Job::reads`] was read into `buffer`, which is as long as the chunk. Blocks
    /// of the grains that are not in the domain are made zeros in it.
    pub fn digest(&self, buffer: &mut [u8]) -> Subtrees {
        let mut subtrees = self.subtrees.clone();
        let in_use = self.domain.grains();
        for grain in self.grains().iter() {
            if !in_use.contains(grain) {
                subtrees.put_zeros(grain);
                continue;
            }
            for block in blocks_of_grain(grain).filter(|block| !self.domain.contains(*block)) {
                buffer[self.place(block * BLOCK_BYTES)..self.place((block + 1) * BLOCK_BYTES)].fill(0);
            }
            subtrees.put(grain, &buffer[subtrees.bytes_of(grain)]);
        }
        subtrees
    }

    /// A place in the chunk, or its end.
    fn place(&self, byte: u64) -> usize {
        usize::try_from(byte.min(self.len)).expect("a place in a chunk is below a MiB")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::digest::hash_bytes;
    use std::ops::Range;

    #[test]
    fn stripes_go_round_the_lanes() {
        let place =
            |lane| JobPlace { device: DeviceId(0), lane, lanes: 3, epoch: 1, seq: 1, ticket: 0, stripe_chunks: 4 };
        for chunk in 0..60u64 {
            let owner = u16::try_from(chunk / 4 % 3).unwrap();
            for lane in 0..3 {
                match place(lane).not_before(chunk) {
                    None => assert_eq!(lane, owner),
                    Some(next) => {
                        assert!(lane != owner && next > chunk && next.is_multiple_of(4));
                        assert_eq!(place(lane).not_before(next), None);
                        assert!((chunk..next).all(|between| place(lane).not_before(between).is_some()));
                    }
                }
            }
        }
    }

    fn job(len: u64, domain: ChunkMask, subtrees: Subtrees, work: Work) -> Job {
        let place = JobPlace { device: DeviceId(0), lane: 0, lanes: 1, epoch: 1, seq: 1, ticket: 0, stripe_chunks: 4 };
        Job::new(&place, ChunkIndex(0), (domain, subtrees), len, work)
    }

    fn mask(blocks: Range<u64>) -> ChunkMask {
        let mut mask = ChunkMask::default();
        blocks.for_each(|block| mask.insert(block));
        mask
    }

    #[test]
    fn blocks_outside_the_domain_count_as_zeros_and_grains_outside_it_are_not_read() {
        let mut wanted = vec![0; 9 * 4096 + 512];
        wanted[4096..3 * 4096].fill(7);
        wanted[9 * 4096..].fill(7);
        let mut domain = mask(1..3);
        domain.insert(9);
        let len = wanted.len() as u64;
        let compare = job(len, domain, Subtrees::new(len), Work::Compare);
        assert_eq!(compare.reads(), domain);
        let mut buffer = vec![7; wanted.len()];
        assert_eq!(compare.digest(&mut buffer).hash(), Some(hash_bytes(&wanted)));
        let copy = job(len, domain, Subtrees::new(len), Work::Copy { blocks: domain });
        assert_eq!(copy.digest(&mut buffer).hash(), Some(hash_bytes(&wanted)), "all of the domain is all of the chunk");
    }

    #[test]
    fn a_copy_digests_only_the_grains_that_it_reads_and_a_proof_the_rest() {
        let bytes = vec![3; 1 << 20];
        let domain = mask(0..256);
        let copy = job(1 << 20, domain, Subtrees::new(1 << 20), Work::Copy { blocks: mask(9..10) });
        assert_eq!(copy.reads().runs(), vec![8..12]);
        let known = copy.digest(&mut bytes.clone());
        assert_eq!(known.hash(), None);
        let prove = job(1 << 20, domain, known, Work::Prove);
        assert_eq!(prove.reads().runs(), vec![0..8, 12..256]);
        assert_eq!(prove.digest(&mut bytes.clone()).hash(), Some(hash_bytes(&bytes)));
    }
}
