//! Allocation groups in many pieces, with trees of several levels, which a filesystem has only after years of use.

use super::super::checksum::crc32c;
use super::super::metadata::big;
use std::ops::Range;

/// Writes a number in big-endian.
fn put(bytes: &mut [u8], at: usize, value: u64, len: usize) {
    bytes[at..at + len].copy_from_slice(&value.to_be_bytes()[8 - len..]);
}

/// The parts of an image that the trees are built from.
struct Group<'a> {
    image: &'a mut [u8],
    block: usize,
    has_sums: bool,
    /// Blocks that trees may still take.
    spare: Range<u64>,
}

impl Group<'_> {
    fn sum(&mut self, structure: Range<usize>, at: usize) {
        if self.has_sums {
            self.image[structure.start + at..structure.start + at + 4].fill(0);
            let sum = crc32c(&self.image[structure.clone()]);
            self.image[structure.start + at..structure.start + at + 4].copy_from_slice(&sum.to_le_bytes());
        }
    }

    /// Writes one level of a tree, with few entries in each block; each block's place and first record.
    fn level(&mut self, magic: u64, level: u64, entries: &[((u64, u64), u64)]) -> Vec<((u64, u64), u64)> {
        const ENTRIES: usize = 7;
        let count = entries.len().div_ceil(ENTRIES);
        let first = self.spare.start;
        self.spare.start += count as u64;
        assert!(!self.spare.is_empty(), "room for the trees");
        let header = if self.has_sums { 56 } else { 16 };
        let pointers = header + (self.block - header) / 12 * 8;
        for (index, chunk) in entries.chunks(ENTRIES).enumerate() {
            let at = first + index as u64;
            let start = usize::try_from(at).unwrap() * self.block;
            let uuid = self.image[32..48].to_vec();
            let bytes = &mut self.image[start..start + self.block];
            bytes.fill(0);
            put(bytes, 0, magic, 4);
            put(bytes, 4, level, 2);
            put(bytes, 6, chunk.len() as u64, 2);
            put(bytes, 8, if index == 0 { 0xFFFF_FFFF } else { at - 1 }, 4);
            put(bytes, 12, if index + 1 == count { 0xFFFF_FFFF } else { at + 1 }, 4);
            if header == 56 {
                put(bytes, 16, start as u64 / 512, 8);
                bytes[32..48].copy_from_slice(&uuid);
            }
            for (entry, ((place, len), block)) in chunk.iter().enumerate() {
                put(bytes, header + entry * 8, *place, 4);
                put(bytes, header + entry * 8 + 4, *len, 4);
                if level > 0 {
                    put(bytes, pointers + entry * 4, *block, 4);
                }
            }
            self.sum(start..start + self.block, 52);
        }
        entries.chunks(ENTRIES).zip(first..).map(|(chunk, at)| (chunk[0].0, at)).collect()
    }

    /// Writes a tree; its root and height.
    fn tree(&mut self, magic: u64, extents: &[(u64, u64)]) -> (u64, u64) {
        let mut entries: Vec<_> = extents.iter().map(|extent| (*extent, 0)).collect();
        for level in 0.. {
            entries = self.level(magic, level, &entries);
            if let [(_, root)] = entries[..] {
                return (root, level + 1);
            }
        }
        unreachable!("a level is shorter than the one below")
    }
}

/// Leaves free in the first group of an image, whose last free extent is large, only `pieces` of 1 to 3 blocks.
pub(in crate::freemap) fn scatter(image: &mut [u8], free: &Range<u64>, pieces: u64) {
    let (block, sector) = (big(image, 4, 4), usize::try_from(big(image, 102, 2)).unwrap());
    let has_sums = big(image, 100, 2) & 0xF == 5;
    let (first, end) = (free.start / block, free.end / block);
    let pieces: Vec<(u64, u64)> = (0..pieces).map(|index| (first + index * 4, 1 + index % 3)).collect();
    let spare = pieces.last().map_or(first, |(start, len)| start + len)..end;
    let mut group = Group { image, block: usize::try_from(block).unwrap(), has_sums, spare };
    let place = group.tree(if has_sums { 0x4142_3342 } else { 0x4142_5442 }, &pieces);
    let mut by_len = pieces.clone();
    by_len.sort_by_key(|(start, len)| (*len, *start));
    let length = group.tree(if has_sums { 0x4142_3343 } else { 0x4142_5443 }, &by_len);
    let header = &mut group.image[sector..2 * sector];
    for (at, value) in [(16, place.0), (20, length.0), (28, place.1), (32, length.1)] {
        put(header, at, value, 4);
    }
    put(header, 52, pieces.iter().map(|(_, len)| len).sum(), 4);
    put(header, 56, 3, 4);
    // No free list, so that the group's headers are enough.
    put(header, 48, 0, 4);
    group.sum(sector..2 * sector, 216);
}
