//! The following thread: arms a tracker, reads what is free, and tells the engine of every change and every doubt.
//!
//! A process before this one may have left a tracker and a checkpoint: then it goes on with these. Or else the order makes
//! skipping safe: tracker first, then the free map, then copying. A tracker that was doubted once is never
//! believed again: a new one is armed, and the disks are compared by hash. Under a freeze nothing is done here: the final
//! attempt has the tracker.

use super::keep::{self, Due};
use super::tracking::{Tracking, TrackingError, Waiting};
use super::{Disk, LOOK_EVERY, Mode, Shared, lock, words_of};
use crate::device::{self, DeviceError, DeviceNumber};
use crate::freemap::{Free, FreeMap, Reading};
use crate::mounts;
use crate::tracker::{TrackerError, Way};
use qianyun_replication::block_set::BlockSet;
use qianyun_replication::geometry::{BLOCK_BYTES, DeviceSize};
use std::collections::{BTreeSet, HashSet};
use std::ops::Range;
use std::time::{Duration, Instant};

/// Between two attempts to arm: what is missing (tracefs, root) does not come by itself.
const ARM_AGAIN: Duration = Duration::from_secs(5);
/// Proof that writes are still seen, at a write of 4 KiB per filesystem each.
const CANARIES_EVERY: Duration = Duration::from_secs(300);

#[derive(Debug, thiserror::Error)]
enum ArmError {
    #[error("changes cannot be followed, and nothing is copied without; trying again every {} s", ARM_AGAIN.as_secs())]
    Tracking(#[from] TrackingError),
    #[error("free space cannot be read")]
    FreeMap(#[from] DeviceError),
}

/// Follows until the replication is stopped.
pub(super) fn run(shared: &Shared) {
    let (mut reason, mut without) = (None, HashSet::new());
    while shared.mode() != Mode::Stopped {
        if is_final(shared) {
            pause(shared, LOOK_EVERY);
            continue;
        }
        match arm(shared, reason.as_deref()) {
            Ok(None) => {}
            Ok(Some(waiting)) => {
                lock(&shared.tracker_trouble).clear();
                shared.touch();
                reason = Some(follow(shared, &waiting, &mut without));
            }
            Err(error) => {
                *lock(&shared.tracker_trouble) = words_of(&error);
                pause(shared, ARM_AGAIN);
            }
        }
    }
}

/// A final attempt has begun or is about to: nothing may touch a filesystem, which may be frozen.
pub(super) fn is_final(shared: &Shared) -> bool {
    shared.mode() == Mode::Final || !lock(&shared.free_maps).is_empty()
}

/// A new tracker, and the disks as they are now: for the first time, or in doubt for `reason`. Whoever has the tracker's
/// lock knows that this is not under way.
fn arm(shared: &Shared, reason: Option<&str>) -> Result<Option<Waiting>, ArmError> {
    let mut place = lock(&shared.tracker);
    if is_final(shared) {
        return Ok(None);
    }
    let kept = shared.keep.as_ref().filter(|_| reason.is_none());
    if let Some(tracking) = kept.and_then(|keep| keep::take_up(shared, keep)) {
        let waiting = tracking.waiting(shared.mode.subscribe())?;
        *place = Some(tracking);
        shared.armed.send_replace(true);
        return Ok(Some(waiting));
    }
    // Gone before the new one comes: two would share a place.
    if let Some(Tracking::Kept { client, .. }) = place.take() {
        let _gone = client.end();
    }
    let leaves: Vec<_> = shared.disks.iter().map(|disk| disk.leaf.clone()).collect();
    // Whatever was wrong with the first, the next relies on less.
    let way = if reason.is_some() { Way::Rings } else { Way::Best };
    let tracking = Tracking::arm(&leaves, shared.keep.as_ref(), way, shared.ring_bytes)?;
    let waiting = tracking.waiting(shared.mode.subscribe())?;
    let mut used = Vec::new();
    for disk in &shared.disks {
        let free = FreeMap::prepare(&disk.leaf, Reading::InUse)?.read()?;
        for unmapped in &free.unmapped {
            tracing::info!(disk = disk.leaf.name(), reason = words_of(unmapped), "free space is copied too");
        }
        used.push(used_blocks(disk.size, &free));
    }
    let mut engine = shared.engine();
    for (disk, used) in shared.disks.iter().zip(&used) {
        match reason {
            None => engine.add_disk(disk.id, disk.size, used),
            Some(reason) => engine.suspect(disk.id, used, reason),
        }
    }
    drop(engine);
    *place = Some(tracking);
    shared.armed.send_replace(true);
    Ok(Some(waiting))
}

/// Drains until there is a doubt, which is returned, or the replication is stopped.
fn follow(shared: &Shared, waiting: &Waiting, without: &mut HashSet<DeviceNumber>) -> String {
    let mut due = Dues { canaries: Instant::now(), checkpoint: Due::now(), without };
    while shared.mode() != Mode::Stopped {
        if is_final(shared) {
            pause(shared, LOOK_EVERY);
            continue;
        }
        if let Some(doubt) = lock(&shared.doubt).take() {
            return doubt;
        }
        let looked = waiting.wait(LOOK_EVERY).and_then(|()| drain(shared, &mut due));
        match looked {
            Ok(None) => {}
            Ok(Some(doubt)) => return doubt,
            Err(error) => return words_of(&error),
        }
    }
    String::new()
}

/// Takes and marks what has changed, all under the tracker's lock: who has it next must not find changes that are neither
/// in the tracker nor in the engine.
fn drain(shared: &Shared, due: &mut Dues<'_>) -> Result<Option<String>, TrackingError> {
    let mut place = lock(&shared.tracker);
    let Some(tracking) = place.as_mut().filter(|_| !is_final(shared)) else { return Ok(None) };
    if Instant::now() >= due.canaries {
        due.canaries = Instant::now() + CANARIES_EVERY;
        fly_canaries(shared, tracking, due.without)?;
    }
    let taken = tracking.drain()?;
    mark(shared, &taken.changes);
    if let Some(doubt) = taken.doubts.into_iter().next() {
        return Ok(Some(doubt));
    }
    Ok(keep::checkpoint(shared, tracking, &mut due.checkpoint)?.into_iter().next())
}

/// What is done from time to time.
struct Dues<'a> {
    canaries: Instant,
    checkpoint: Due,
    /// Filesystems of which it was said that no canary flies there.
    without: &'a mut HashSet<DeviceNumber>,
}

/// A canary on every filesystem that lies right on a followed disk and can be written to. Of one that may lie on a followed
/// disk in another way it is said once that none flies there, and why.
fn fly_canaries(
    shared: &Shared,
    tracking: &mut Tracking,
    without: &mut HashSet<DeviceNumber>,
) -> Result<(), TrackingError> {
    let followed = shared.disk_numbers();
    let mut seen = HashSet::new();
    for mount in mounts::mounted()?.iter().filter(|mount| mount.is_freezable()) {
        if !seen.insert(mount.device) {
            continue;
        }
        let disk = device::place(mount.device)?.map(|place| place.disk);
        let why = match perch(disk, device::leaves(mount.device).as_ref(), &followed) {
            Perch::OnDisk => match tracking.canary(&mount.path) {
                Ok(true) => continue,
                Ok(false) => "the way from file to disk is not plain".to_owned(),
                // A full filesystem, or one without inodes: what was not written could not be seen. That is no doubt about what
                // was, and as one it would compare all disks again, and again find it full.
                Err(TrackingError::Tracker(TrackerError::Device(error))) => words_of(&error),
                Err(error) => return Err(error),
            },
            Perch::Elsewhere => continue,
            Perch::Stacked => "it lies on other devices that lie on the disk".to_owned(),
            Perch::Unknown => "its number is of no block device, as that of a btrfs".to_owned(),
        };
        if without.insert(mount.device) {
            tracing::info!(mount = %mount.path.display(), kind = mount.kind, why, "no canary proves that changes are seen");
        }
    }
    Ok(())
}

/// How a filesystem lies on the followed disks, for a canary.
#[derive(Debug, PartialEq, Eq)]
enum Perch {
    /// On a followed disk or a partition of it.
    OnDisk,
    /// On LVM, LUKS, a mirror or a loop device, and below that on a followed disk.
    Stacked,
    /// Perhaps on a followed disk.
    Unknown,
    /// On other disks alone.
    Elsewhere,
}

/// `disk` is the one that its device is or is a partition of, `leaves` are all disks below.
fn perch(disk: Option<DeviceNumber>, leaves: Option<&BTreeSet<DeviceNumber>>, followed: &[DeviceNumber]) -> Perch {
    match (disk, leaves) {
        (Some(disk), _) if followed.contains(&disk) => Perch::OnDisk,
        (_, Some(leaves)) if !followed.iter().any(|disk| leaves.contains(disk)) => Perch::Elsewhere,
        (Some(_), _) => Perch::Stacked,
        (None, _) => Perch::Unknown,
    }
}

/// Tells the engine what changed, by disk in their order.
pub(super) fn mark(shared: &Shared, changes: &[Vec<Range<u64>>]) {
    let now_ms = shared.now_ms();
    let mut any = false;
    let mut engine = shared.engine();
    for (disk, ranges) in shared.disks.iter().zip(changes) {
        for range in ranges {
            engine.changed(disk.id, blocks(range), now_ms);
            any = true;
        }
    }
    drop(engine);
    if any {
        shared.touch();
    }
}

/// Every block that a range of bytes touches.
fn blocks(bytes: &Range<u64>) -> Range<u64> {
    bytes.start / BLOCK_BYTES..bytes.end.div_ceil(BLOCK_BYTES)
}

/// All blocks but the free ones.
pub(super) fn used_blocks(size: DeviceSize, free: &Free) -> BlockSet {
    let mut used = BlockSet::new();
    used.insert(0..size.blocks());
    for range in &free.ranges {
        used.remove(range.start.div_ceil(BLOCK_BYTES)..range.end / BLOCK_BYTES);
    }
    used
}

/// Prepares the free maps of all disks, to be read under a freeze.
pub(super) fn prepare(disks: &[Disk]) -> Result<Vec<FreeMap>, DeviceError> {
    disks.iter().map(|disk| FreeMap::prepare(&disk.leaf, Reading::Frozen)).collect()
}

/// Waits, or until the replication is stopped.
fn pause(shared: &Shared, time: Duration) {
    let until = Instant::now() + time;
    while shared.mode() != Mode::Stopped && Instant::now() < until {
        std::thread::park_timeout(LOOK_EVERY.min(time));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tracker::Unavailable;

    #[test]
    fn a_range_of_bytes_touches_every_block_that_it_overlaps() {
        assert_eq!(blocks(&(0..1)), 0..1);
        assert_eq!(blocks(&(4095..4097)), 0..2);
        assert_eq!(blocks(&(8192..12288)), 2..3);
    }

    #[test]
    fn who_waits_for_a_tracker_says_what_is_missing_and_what_to_do() {
        let refused = std::io::ErrorKind::PermissionDenied;
        for (lack, what_to_do) in [
            (Unavailable::NoTracefs, "mount tracefs on /sys/kernel/tracing"),
            (Unavailable::Perf { cpu: 0, source: refused.into() }, "run as root"),
            (Unavailable::NoCounts { disk: "sda".to_owned() }, "write 1 to /sys/block/sda/queue/iostats"),
        ] {
            let words = words_of(&ArmError::Tracking(TrackerError::Unavailable(lack).into()));
            assert!(words.starts_with("changes cannot be followed, and nothing is copied without"), "{words}");
            assert!(words.contains(what_to_do), "{words}");
        }
    }

    #[test]
    fn a_canary_flies_right_on_followed_disks_and_what_may_lie_on_them_otherwise_is_told() {
        let number = |major, minor| DeviceNumber { major, minor };
        let (sda, sdb, mapped) = (number(8, 0), number(8, 16), number(253, 0));
        let found = |disk, leaves: Option<&[DeviceNumber]>| {
            let leaves = leaves.map(|leaves| leaves.iter().copied().collect());
            perch(disk, leaves.as_ref(), &[sda])
        };
        assert_eq!(found(Some(sda), Some(&[sda])), Perch::OnDisk);
        assert_eq!(found(Some(sdb), Some(&[sdb])), Perch::Elsewhere);
        assert_eq!(found(Some(mapped), Some(&[sdb, sda])), Perch::Stacked);
        assert_eq!(found(Some(mapped), Some(&[sdb])), Perch::Elsewhere);
        assert_eq!(found(Some(mapped), None), Perch::Stacked, "a stack that cannot be followed");
        assert_eq!(found(None, None), Perch::Unknown, "a btrfs");
    }

    #[test]
    fn a_block_is_free_only_if_all_of_it_is() {
        let size = DeviceSize::from_bytes(10 * BLOCK_BYTES + 512).unwrap();
        let free = Free { ranges: vec![100..3 * BLOCK_BYTES, 5 * BLOCK_BYTES..7 * BLOCK_BYTES], unmapped: Vec::new() };
        let runs: Vec<_> = used_blocks(size, &free).runs().collect();
        assert_eq!(runs, vec![0..1, 3..5, 7..11]);
    }
}
