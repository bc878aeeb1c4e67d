//! What a worker is asked to do with one chunk: everything it needs, and nothing of the engine's state.

use crate::digest::ChunkHash;
use crate::geometry::{ChunkIndex, ChunkMask, DeviceId};
use crate::progress::Counters;

/// What is to be done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Work {
    /// Read `blocks` and send them under the job's `seq` and `epoch`, the last frame flagged; then
    /// [`super::Sender::copied`].
    Copy {
        /// The blocks to send.
        blocks: ChunkMask,
        /// They are the whole domain of the chunk, so that its hash can be computed from the same reading.
        whole: bool,
    },
    /// Ask the receiver for its hash under the job's `seq`, and read and hash the chunk; then
    /// [`super::Sender::compared`].
    Compare,
    /// Read and hash the chunk; then [`super::Sender::proved`].
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
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Copied {
    /// Hash of the chunk with blocks outside the domain as zeros, if the job was `whole`.
    pub hash: Option<ChunkHash>,
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
    pub(super) fn new(place: &JobPlace, chunk: ChunkIndex, len: u64, domain: ChunkMask, work: Work) -> Self {
        let JobPlace { device, lane, lanes: _, epoch, seq, ticket, stripe_chunks: _ } = *place;
        Self { device, chunk, len, domain, work, lane, epoch, seq, ticket }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
}
