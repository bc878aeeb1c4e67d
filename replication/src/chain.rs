//! Chains: how a chunk of which a few blocks changed stays proved, without reading the rest of it again at either end.
//!
//! ```text
//!   content hash, equal at both ends ──extent──► link ──extent──► link        each: H(link before, place, hash of the extent)
//! ```
//!
//! Both ends begin with the hash of what they hold, and go on with the hash of each extent in the order in which it is
//! sent: the source with what it read, the target with what it read back from the medium. If the ends of their chains are
//! equal, then both began with the same content and changed it in the same way. A busy database changes a block in every
//! chunk of a disk within minutes; without chains each such block would cost a MiB of reading at both ends, under the
//! freeze too. A chain is given up at the least irregularity, and the chunk is then proved by reading it.
//!
//! Never here: when a chain begins or ends.

use crate::digest::ChunkHash;

/// Key context of a link; a change of what goes into it changes it.
const CONTEXT: &str = "qianyun 2026 chunk chain v1";

/// What an extent means for the chain of its chunk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Chaining {
    /// The chunk is not chained from here on.
    No,
    /// A chain begins on the content that the chunk had before.
    Anew,
    /// The chain goes on.
    On,
}

/// What the source knows of a chunk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Proof {
    /// The hash of its content, by a reading of the source alone. A write that was visible then, and is seen by the tracker
    /// later, may be in it and not at the target: good for the root, where nothing is written any more, and not for a chain
    /// before the roots were found to be equal. What an earlier process knew is no better: the target has gone on since.
    Read(ChunkHash),
    /// The hash of its content, which the target had or was sent.
    Content(ChunkHash),
    /// The end of its chain.
    Chain(ChunkHash),
}

impl Proof {
    /// What goes into the device root.
    pub fn value(self) -> ChunkHash {
        match self {
            Self::Read(hash) | Self::Content(hash) | Self::Chain(hash) => hash,
        }
    }

    /// How the next extent says what it goes on from.
    pub fn chaining(self) -> Chaining {
        match self {
            Self::Read(_) => Chaining::No,
            Self::Content(_) => Chaining::Anew,
            Self::Chain(_) => Chaining::On,
        }
    }
}

/// The chain after an extent of `len` bytes at `offset` of the device, whose bytes have the hash `extent`.
pub fn link(before: ChunkHash, offset: u64, len: u64, extent: ChunkHash) -> ChunkHash {
    let mut hasher = blake3::Hasher::new_derive_key(CONTEXT);
    hasher.update(&before.0).update(&offset.to_le_bytes()).update(&len.to_le_bytes()).update(&extent.0);
    ChunkHash(*hasher.finalize().as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::digest::hash_bytes;

    #[test]
    fn every_part_and_the_order_count() {
        let (base, one, two) = (hash_bytes(b"base"), hash_bytes(b"one"), hash_bytes(b"two"));
        let chained = link(link(base, 0, 4096, one), 8192, 4096, two);
        for other in [
            link(link(one, 0, 4096, one), 8192, 4096, two),
            link(link(base, 4096, 4096, one), 8192, 4096, two),
            link(link(base, 0, 8192, one), 8192, 4096, two),
            link(link(base, 0, 4096, two), 8192, 4096, one),
            link(link(base, 8192, 4096, two), 0, 4096, one),
        ] {
            assert_ne!(chained, other);
        }
    }
}
