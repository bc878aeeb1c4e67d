//! Chunk hashes and the device root: what both ends compute apart and must agree on.
//!
//! The *chunk hash* is BLAKE3-256 of the chunk's bytes; on the source, blocks outside the domain count as zeros. The
//! *device root* is BLAKE3 in derive-key mode over size (u64 LE), chunk size (u32 LE) and all chunk hashes in order.
//! Never here: reading, and deciding whether a hash is still valid.

use crate::geometry::{CHUNK_BYTES, ChunkIndex, DeviceSize};
use std::sync::LazyLock;

/// Key context of the device root; a change of what goes into the root changes it.
const ROOT_CONTEXT: &str = "qianyun 2026 device root v1";

/// BLAKE3-256 of one chunk.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct ChunkHash(pub [u8; 32]);

/// BLAKE3-256 that stands for a whole device.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct DeviceRoot(pub [u8; 32]);

impl std::fmt::Debug for ChunkHash {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&hex::encode(self.0))
    }
}

impl std::fmt::Debug for DeviceRoot {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&hex::encode(self.0))
    }
}

impl std::fmt::Display for DeviceRoot {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&hex::encode(self.0))
    }
}

/// Hash of an extent or of a chunk's plain bytes.
pub fn hash_bytes(bytes: &[u8]) -> ChunkHash {
    ChunkHash(*blake3::hash(bytes).as_bytes())
}

/// Whether all bytes are zero. Folds 512 at a time without a branch, which the compiler turns into the widest registers
/// there are, and stops at the first piece that is not.
pub fn is_zero(bytes: &[u8]) -> bool {
    bytes.chunks(512).all(|piece| piece.iter().fold(0, |seen, byte| seen | byte) == 0)
}

/// Hash of `len` zeros, the state of a chunk that nothing was ever written to.
pub fn zero_hash(len: u64) -> ChunkHash {
    static FULL: LazyLock<ChunkHash> = LazyLock::new(|| hash_zeros(CHUNK_BYTES));
    if len == CHUNK_BYTES { *FULL } else { hash_zeros(len) }
}

fn hash_zeros(len: u64) -> ChunkHash {
    let mut hasher = blake3::Hasher::new();
    let zeros = [0; 4096];
    let mut left = len;
    while left > 0 {
        let now = left.min(4096);
        hasher.update(&zeros[..usize::try_from(now).expect("at most 4096")]);
        left -= now;
    }
    ChunkHash(*hasher.finalize().as_bytes())
}

/// The device root over `hash_of` every chunk, in order; `None` as soon as one hash is not known.
pub fn device_root(size: DeviceSize, mut hash_of: impl FnMut(ChunkIndex) -> Option<ChunkHash>) -> Option<DeviceRoot> {
    let mut hasher = blake3::Hasher::new_derive_key(ROOT_CONTEXT);
    hasher.update(&size.bytes().to_le_bytes());
    let chunk_bytes = u32::try_from(CHUNK_BYTES).expect("a chunk is 1 MiB");
    hasher.update(&chunk_bytes.to_le_bytes());
    for chunk in 0..size.chunks() {
        hasher.update(&hash_of(ChunkIndex(chunk))?.0);
    }
    Some(DeviceRoot(*hasher.finalize().as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chunk_of(byte: u8) -> Vec<u8> {
        vec![byte; usize::try_from(CHUNK_BYTES).unwrap()]
    }

    #[test]
    fn what_was_never_written_to_has_the_hash_of_its_zeros() {
        assert_eq!(hash_bytes(&[0; 512]), zero_hash(512));
        assert_eq!(hash_bytes(&[0; 5000]), zero_hash(5000));
    }

    #[test]
    fn one_bit_anywhere_is_not_zero() {
        let mut bytes = vec![0; 4096 + 77];
        assert!(is_zero(&bytes) && is_zero(&[]));
        for place in [0, 511, 512, 4095, 4096, 4172] {
            bytes[place] = 1;
            assert!(!is_zero(&bytes), "{place}");
            bytes[place] = 0;
        }
    }

    #[test]
    fn the_root_of_a_known_device_never_changes() {
        // Golden: 1 MiB of 0x01 followed by 512 zeros. A verifier years from now must come to the same value.
        let size = DeviceSize::from_bytes(CHUNK_BYTES + 512).unwrap();
        let root =
            device_root(size, |chunk| Some(if chunk.0 == 0 { hash_bytes(&chunk_of(1)) } else { zero_hash(512) }));
        assert_eq!(root.unwrap().to_string(), "97b26bca402cbedde09d6e5a856b2b2fafbff2be7453f32d944b07a48a4c1ad9");
    }

    #[test]
    fn a_root_needs_every_hash() {
        let size = DeviceSize::from_bytes(3 * CHUNK_BYTES).unwrap();
        assert_eq!(device_root(size, |chunk| (chunk.0 < 2).then(|| zero_hash(CHUNK_BYTES))), None);
    }

    #[test]
    fn the_root_depends_on_size_and_order() {
        let root = |bytes, swap: bool| {
            device_root(DeviceSize::from_bytes(bytes).unwrap(), |c| Some(hash_bytes(&[u8::from((c.0 == 0) != swap)])))
        };
        assert_ne!(root(2 * CHUNK_BYTES, false), root(2 * CHUNK_BYTES, true));
        assert_ne!(root(2 * CHUNK_BYTES, false), root(2 * CHUNK_BYTES - 512, false));
    }
}
