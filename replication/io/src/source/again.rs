//! Tries again, now and then, to read what could not be read: a path that came back or an array that was rebuilt makes it good,
//! and nobody writes there to have it read. What reads well is marked as changed, so that it is copied like any change; never
//! sends anything itself.

use super::{Disk, Mode, Shared, lock};
use crate::device::buffer::AlignedBuffer;
use qianyun_replication::geometry::{BLOCK_BYTES, CHUNK_BYTES};
use std::ops::Range;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::task::block_in_place;
use tokio::time::timeout;

/// The first try after something was found good, and how far apart tries get: a disk that tries itself may hold its users up
/// for many seconds each time.
const FIRST_PAUSE: Duration = Duration::from_secs(5);
const LONGEST_PAUSE: Duration = Duration::from_secs(600);
/// From one round's first place to the next one's, as a share of all in 2^32: the golden section, which leaves no gap for long.
const SPREAD: u64 = 0x9e37_79b9;

/// How a disk is tried.
struct Tries {
    due: Instant,
    pause: Duration,
    rounds: u64,
    /// Bytes that were bad at the last round.
    bad_bytes: u64,
}

/// Tries until the replication is stopped; begins nothing during a final attempt.
pub(super) async fn run(shared: Arc<Shared>) {
    let mut mode = shared.mode.subscribe();
    let first = || Tries { due: Instant::now(), pause: FIRST_PAUSE, rounds: 0, bad_bytes: 0 };
    let mut tries: Vec<_> = shared.disks.iter().map(|_| first()).collect();
    while shared.mode() != Mode::Stopped {
        let _stopped = timeout(FIRST_PAUSE, mode.wait_for(|mode| *mode == Mode::Stopped)).await;
        for (disk, tries) in shared.disks.iter().zip(&mut tries) {
            if Instant::now() >= tries.due && shared.mode() == Mode::Following {
                block_in_place(|| try_again(&shared, disk, tries));
            }
        }
    }
}

/// Tries one part after the other, each round from another on, until one is still bad.
fn try_again(shared: &Shared, disk: &Disk, tries: &mut Tries) {
    let mut parts = parts(&lock(&shared.unread).bad_places(disk.id));
    let bad_bytes = parts.iter().map(|part| part.end - part.start).sum();
    // Whether what read well was good is seen only now that it was copied.
    let better = bad_bytes < tries.bad_bytes || tries.bad_bytes == 0;
    tries.pause = if better { FIRST_PAUSE } else { (tries.pause * 2).min(LONGEST_PAUSE) };
    tries.bad_bytes = bad_bytes;
    tries.rounds += 1;
    if !parts.is_empty() {
        let first = first_of(parts.len(), tries.rounds);
        parts.rotate_left(first);
    }
    for part in parts {
        if !reads_well(disk, &part, tries.rounds) || shared.mode() != Mode::Following {
            break;
        }
        // It counts as bad until it is copied.
        let blocks = part.start / BLOCK_BYTES..part.end.div_ceil(BLOCK_BYTES);
        shared.engine().changed(disk.id, blocks, shared.now_ms());
        shared.touch();
    }
    tries.due = Instant::now() + tries.pause;
}

/// Places cut where chunks end: one that reads well at a sector says little of what lies far from it.
fn parts(places: &[Range<u64>]) -> Vec<Range<u64>> {
    let mut parts = Vec::new();
    for place in places {
        let mut start = place.start;
        while start < place.end {
            let end = ((start / CHUNK_BYTES + 1) * CHUNK_BYTES).min(place.end);
            parts.push(start..end);
            start = end;
        }
    }
    parts
}

/// Which of `count` parts a round begins with.
fn first_of(count: usize, round: u64) -> usize {
    let share = u128::from(round.wrapping_mul(SPREAD) & 0xffff_ffff);
    usize::try_from((share * count as u128) >> 32).expect("less than the count")
}

/// Whether one sector of a part can be read, each time another.
fn reads_well(disk: &Disk, part: &Range<u64>, round: u64) -> bool {
    let sector = u64::from(disk.leaf.identity().logical_block_bytes);
    let sectors = ((part.end - part.start) / sector).max(1);
    let mut buffer = AlignedBuffer::new(usize::try_from(sector).expect("a sector fits"));
    disk.leaf.read(part.start + round % sectors * sector, &mut buffer).is_ok_and(|bad| bad.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_tried_in_parts_that_lie_in_one_chunk_each() {
        let places = [512..1024, CHUNK_BYTES - 512..2 * CHUNK_BYTES + 512];
        let expected = [
            512..1024,
            CHUNK_BYTES - 512..CHUNK_BYTES,
            CHUNK_BYTES..2 * CHUNK_BYTES,
            2 * CHUNK_BYTES..2 * CHUNK_BYTES + 512,
        ];
        assert_eq!(parts(&places), expected);
        assert_eq!(parts(&[]), []);
    }

    #[test]
    fn a_lost_part_among_many_is_soon_not_the_first_that_is_tried() {
        let firsts: std::collections::BTreeSet<_> = (1..=64).map(|round| first_of(100, round)).collect();
        assert!(firsts.len() > 50 && firsts.iter().all(|first| *first < 100), "{firsts:?}");
        assert_eq!(first_of(1, 7), 0);
    }
}
