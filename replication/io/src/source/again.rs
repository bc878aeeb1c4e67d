//! Tries again, now and then, to read what could not be read: a path that came back or an array that was rebuilt makes it good,
//! and nobody writes there to have it read. What reads well is marked as changed, so that it is copied like any change; never
//! sends anything itself.

use super::{Disk, Mode, Shared, lock};
use crate::device::buffer::AlignedBuffer;
use qianyun_replication::geometry::BLOCK_BYTES;
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;
use tokio::task::block_in_place;
use tokio::time::timeout;

/// The first try after the last success, and how far apart tries get: a disk that tries itself may hold its users up for many
/// seconds each time.
const FIRST_PAUSE: Duration = Duration::from_secs(5);
const LONGEST_PAUSE: Duration = Duration::from_secs(600);

/// Tries until the replication is stopped; not during a final attempt.
pub(super) async fn run(shared: Arc<Shared>) {
    let mut mode = shared.mode.subscribe();
    let mut pause = FIRST_PAUSE;
    let mut tried = 0_usize;
    while shared.mode() != Mode::Stopped {
        let _stopped = timeout(pause, mode.wait_for(|mode| *mode == Mode::Stopped)).await;
        if shared.mode() != Mode::Following {
            continue;
        }
        let found: Vec<_> =
            shared.disks.iter().map(|disk| block_in_place(|| try_again(&shared, disk, tried))).collect();
        tried = tried.wrapping_add(1);
        // Where nothing is bad, the first place that will be is tried soon.
        pause = if found.contains(&Some(false)) { (pause * 2).min(LONGEST_PAUSE) } else { FIRST_PAUSE };
    }
}

/// Tries one place after the other, each round from another on, until one is still bad. `None` if there is none, or else whether
/// all read well.
fn try_again(shared: &Shared, disk: &Disk, tried: usize) -> Option<bool> {
    let mut places = lock(&shared.unread).bad_places(disk.id);
    let from = tried.checked_rem(places.len())?;
    places.rotate_left(from);
    for place in places {
        if !reads_well(disk, &place, tried) {
            return Some(false);
        }
        // It counts as bad until it is copied.
        let blocks = place.start / BLOCK_BYTES..place.end.div_ceil(BLOCK_BYTES);
        shared.engine().changed(disk.id, blocks, shared.now_ms());
        shared.touch();
    }
    Some(true)
}

/// Whether one sector of a place can be read: of a long place, each time another.
fn reads_well(disk: &Disk, place: &Range<u64>, tried: usize) -> bool {
    let sector = u64::from(disk.leaf.identity().logical_block_bytes);
    let sectors = ((place.end - place.start) / sector).max(1);
    let mut buffer = AlignedBuffer::new(usize::try_from(sector).expect("a sector fits"));
    disk.leaf.read(place.start + tried as u64 % sectors * sector, &mut buffer).is_ok_and(|bad| bad.is_empty())
}
