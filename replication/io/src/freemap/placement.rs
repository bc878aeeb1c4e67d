//! Where the bytes of a device lie on one disk: in one piece for a partition, in several for a logical volume, twice for a
//! mirror whose halves share the disk. Pure; it never makes a range larger.

use crate::device::DeviceNumber;
use crate::ranges::merged;
use std::ops::Range;

/// Some bytes of a device that lie in one piece on the device below it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Segment {
    /// Bytes of the upper device.
    pub(super) upper: Range<u64>,
    /// The device below.
    pub(super) device: DeviceNumber,
    /// The same bytes below.
    pub(super) lower: Range<u64>,
}

/// `/sys` and the device mapper count sectors of 512 bytes, whatever the disk's own.
const SECTOR_BYTES: u64 = 512;

impl Segment {
    /// From sectors. `None` if it is empty or ends behind the last byte that a number can name.
    pub(super) fn of_sectors(first: u64, count: u64, device: DeviceNumber, below: u64) -> Option<Self> {
        let bytes = |first: u64| {
            let start = first.checked_mul(SECTOR_BYTES)?;
            Some(start..start.checked_add(count.checked_mul(SECTOR_BYTES)?)?)
        };
        (count > 0).then_some(Self { upper: bytes(first)?, device, lower: bytes(below)? })
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Piece {
    upper: Range<u64>,
    /// Where `upper` begins on the disk.
    disk: u64,
}

/// All pieces of a device on one disk.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Placement(Vec<Piece>);

/// The bytes that both have.
fn common(a: &Range<u64>, b: &Range<u64>) -> Option<Range<u64>> {
    let both = a.start.max(b.start)..a.end.min(b.end);
    (both.start < both.end).then_some(both)
}

impl Placement {
    /// A device that is this part of the disk.
    pub(super) fn of(part: &Range<u64>) -> Self {
        Self(vec![Piece { upper: 0..part.end.saturating_sub(part.start), disk: part.start }])
    }

    /// Where a device lies that is built from `segments`, all of them on the device that lies here. What of it is outside
    /// this placement (on another disk, or past the end of the device) has no place.
    pub(super) fn under<'a>(&self, segments: impl IntoIterator<Item = &'a Segment>) -> Self {
        let pieces = segments.into_iter().flat_map(|segment| {
            self.0.iter().filter_map(move |piece| {
                let both = common(&piece.upper, &segment.lower)?;
                let start = segment.upper.start + (both.start - segment.lower.start);
                let upper = start..start + (both.end - both.start);
                Some(Piece { upper, disk: piece.disk + (both.start - piece.upper.start) })
            })
        });
        Self(pieces.collect())
    }

    /// This and what was found on another way down.
    pub(super) fn extend(&mut self, other: Self) {
        self.0.extend(other.0);
    }

    /// Ranges of the device as ranges of the disk, in no order; what has no place there is left out.
    pub(super) fn on_disk(&self, ranges: Vec<Range<u64>>) -> Vec<Range<u64>> {
        let ranges = merged(ranges);
        let mut out = Vec::with_capacity(ranges.len());
        for piece in &self.0 {
            let first = ranges.partition_point(|range| range.end <= piece.upper.start);
            let met = ranges[first..].iter().map_while(|range| common(range, &piece.upper));
            out.extend(met.map(|both| {
                let start = piece.disk + (both.start - piece.upper.start);
                start..start + (both.end - both.start)
            }));
        }
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const BELOW: DeviceNumber = DeviceNumber { major: 8, minor: 2 };

    fn one(start: u64, end: u64) -> Vec<Range<u64>> {
        vec![Range { start, end }]
    }

    fn segment(upper: u64, len: u64, lower: u64) -> Segment {
        Segment { upper: upper..upper + len, device: BELOW, lower: lower..lower + len }
    }

    #[test]
    fn a_volume_in_two_pieces_is_found_piece_by_piece() {
        // A partition at 1000, and on it a volume whose second half lies before its first.
        let volume = Placement::of(&(1000..1200)).under(&[segment(0, 50, 100), segment(50, 50, 20)]);
        assert_eq!(volume.on_disk(one(40, 60)), [1140..1150, 1020..1030]);
        assert_eq!(volume.on_disk(one(0, u64::MAX)), [1100..1150, 1020..1070]);
    }

    #[test]
    fn what_ends_behind_the_device_below_is_cut_there() {
        let volume = Placement::of(&(1000..1200)).under(&[segment(0, 500, 150), segment(500, 10, 200)]);
        assert_eq!(volume.on_disk(one(0, u64::MAX)), [Range { start: 1150, end: 1200 }]);
    }

    #[test]
    fn sectors_that_no_byte_number_can_name_make_no_segment() {
        assert_eq!(Segment::of_sectors(8, 16, BELOW, 2048), Some(segment(4096, 8192, 1 << 20)));
        for (first, count, below) in [(u64::MAX / 512 + 1, 1, 0), (0, u64::MAX / 512, 9), (1, u64::MAX, 1), (0, 0, 0)] {
            assert_eq!(Segment::of_sectors(first, count, BELOW, below), None);
        }
    }

    proptest! {
        #[test]
        fn every_byte_of_a_range_comes_to_its_own_place(
            cuts in proptest::collection::vec((1u64..20, 0u64..9), 1..8),
            wanted in proptest::collection::vec((0u64..150, 0u64..30), 0..8),
        ) {
            // Segments one after the other above, with gaps and in reverse order below.
            let (mut segments, mut upper, mut lower) = (Vec::new(), 0, 400);
            for (len, gap) in cuts {
                lower -= len + gap;
                segments.push(segment(upper, len, lower));
                upper += len;
            }
            let place = Placement::of(&(1000..1400)).under(&segments);
            let ranges: Vec<_> = wanted.iter().map(|(start, len)| *start..start + len).collect();
            let placed = place.on_disk(ranges.clone());
            for segment in &segments {
                for byte in segment.upper.clone() {
                    let disk = 1000 + segment.lower.start + (byte - segment.upper.start);
                    let asked = ranges.iter().any(|range| range.contains(&byte));
                    prop_assert_eq!(placed.iter().filter(|range| range.contains(&disk)).count(), usize::from(asked));
                }
            }
            let total: u64 = placed.iter().map(|range| range.end - range.start).sum();
            let held = (0..upper).filter(|byte| ranges.iter().any(|range| range.contains(byte))).count();
            prop_assert_eq!(usize::try_from(total).unwrap(), held);
        }
    }
}
