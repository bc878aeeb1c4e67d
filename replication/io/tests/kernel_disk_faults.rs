//! Disks that stop answering, lose places, grow and shrink while they are copied: waited for in words, or refused, and never
//! called a copy. The faults are a loop device's file that is cut short under it. Needs root and tracefs.
#![allow(clippy::unwrap_used)]

mod ends;
mod relay;
mod rig;
mod tls;

use ends::{PATIENCE, Site, assert_proved, in_sync, source_to, wait_for};
use qianyun_replication::geometry::GRAIN_BYTES;
use qianyun_replication::progress::ReplicationState;
use qianyun_replication_io::source::{DiskProgress, FinishError, Replication};
use relay::{Relay, Way};
use rig::{LoopDisk, noise};
use std::fs::File;
use std::os::unix::fs::FileExt as _;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tls::Authority;

const MIB: u64 = 1 << 20;
/// An attempt that must not succeed gets this: enough to copy all that is left several times over.
const SHORT: Duration = Duration::from_secs(5);

fn waits_for(words: &str) -> impl Fn(&DiskProgress) -> bool {
    move |disk| disk.message.contains(words)
}

/// A copy of which five chunks have arrived, and no more get through.
async fn halfway() -> (LoopDisk, Site, Relay, Replication) {
    /// More than a window, so that much is not read yet when the disk goes.
    const DISK_BYTES: u64 = 24 * MIB;
    let authority = Arc::new(Authority::new());
    let disk = LoopDisk::noisy(DISK_BYTES, 1);
    let site = Site::new(&authority);
    let relay = Relay::to(site.address()).await;
    site.start(&disk.leaf()).await;
    relay.hold_after(5 * MIB + MIB / 2);
    let replication = source_to(relay.address(), &authority, &disk.leaf(), None);
    wait_for(&replication, "five chunks", |disk| disk.progress.remaining_bytes == DISK_BYTES - 5 * MIB).await;
    (disk, site, relay, replication)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_disk_that_stops_answering_is_waited_for_and_nothing_of_it_is_taken_for_zeros() {
    let (disk, site, relay, replication) = halfway().await;

    let content = std::fs::read(disk.image()).unwrap();
    disk.resize_file(0);
    relay.release(Way::ToTarget);
    wait_for(&replication, "the words", waits_for("cannot get any answer from /dev/loop")).await;
    let refused = replication.prepare_final().unwrap_err();
    assert!(matches!(refused, FinishError::FreeMap(_)), "{refused:?}");
    let progress = replication.progress().remove(0).progress;
    assert!(progress.remaining_bytes > 0 && progress.counters.zero_bytes == 0, "{progress:?}");
    assert_ne!(progress.state, ReplicationState::InSync);
    let arrived = std::fs::read(site.volume()).unwrap();
    let chunk = usize::try_from(MIB).unwrap();
    for (number, (here, there)) in content.chunks(chunk).zip(arrived.chunks(chunk)).enumerate() {
        assert!(here == there || there.iter().all(|byte| *byte == 0), "chunk {number} is neither there nor missing");
    }

    // The cable is plugged in again.
    File::options().write(true).open(disk.image()).unwrap().write_all_at(&content, 0).unwrap();
    wait_for(&replication, "in sync", |disk| in_sync(disk) && disk.message.is_empty()).await;
    assert_proved(&replication, &disk, &site.volume()).await;
    replication.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_disk_that_stops_answering_under_the_freeze_is_not_proved() {
    let (disk, _site, relay, replication) = halfway().await;
    replication.prepare_final().unwrap();
    disk.resize_file(0);
    relay.release(Way::ToTarget);
    let refused = replication.finalise(Instant::now() + SHORT).await.unwrap_err();
    assert!(matches!(refused, FinishError::Deadline { left_bytes: 1.., .. }), "{refused:?}");
    replication.resume();
    replication.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn places_that_cannot_be_read_are_counted_and_keep_a_copy_from_being_proved_until_they_are_written_anew() {
    const DISK_BYTES: u64 = 8 * MIB;
    const GOOD_BYTES: u64 = 6 * MIB + 512;
    let authority = Arc::new(Authority::new());
    let disk = LoopDisk::noisy(DISK_BYTES, 1);
    let site = Site::new(&authority);
    let _target = site.start(&disk.leaf()).await;
    let leaf = disk.leaf();
    disk.resize_file(GOOD_BYTES);
    let replication = site.source(&leaf);
    let words = format!("{} bytes cannot be read, the first at byte {GOOD_BYTES};", DISK_BYTES - GOOD_BYTES);
    wait_for(&replication, "all the rest", |disk| in_sync(disk) && disk.message.starts_with(&words)).await;
    let refused = replication.prepare_final().unwrap_err();
    assert!(matches!(refused, FinishError::Unreadable { bytes: 2_096_640, first: 6_291_968, .. }), "{refused:?}");
    let (here, there) = (std::fs::read(disk.image()).unwrap(), std::fs::read(site.volume()).unwrap());
    let (good, bad) = there.split_at(here.len());
    assert!(good == here && bad.iter().all(|byte| *byte == 0));

    disk.resize_file(DISK_BYTES);
    let from = GOOD_BYTES / 4096 * 4096;
    disk.write_bytes(from, &noise(usize::try_from(DISK_BYTES - from).unwrap(), 2));
    wait_for(&replication, "the places are read", |disk| in_sync(disk) && disk.message.is_empty()).await;
    assert_proved(&replication, &disk, &site.volume()).await;
    replication.stop().await;
}

/// A path that was cut at `cut` bytes and came back: nobody writes there, and nothing is lost. `words` begin what is said meanwhile.
async fn is_copied_once_it_can_be_read_again(disk: LoopDisk, cut: u64, words: &str) {
    let authority = Arc::new(Authority::new());
    let site = Site::new(&authority);
    let _target = site.start(&disk.leaf()).await;
    let (leaf, content) = (disk.leaf(), std::fs::read(disk.image()).unwrap());
    disk.resize_file(cut);
    let replication = site.source(&leaf);
    wait_for(&replication, "all the rest", |disk| in_sync(disk) && disk.message.starts_with(words)).await;
    // In the file alone: the kernel knows of no write to the disk.
    std::fs::write(disk.image(), content).unwrap();
    wait_for(&replication, "the places are read", |disk| in_sync(disk) && disk.message.is_empty()).await;
    assert_proved(&replication, &disk, &site.volume()).await;
    replication.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn places_that_can_be_read_again_are_copied_though_nobody_writes_there() {
    is_copied_once_it_can_be_read_again(LoopDisk::noisy(8 * MIB, 1), 4 * MIB, "4194304 bytes cannot be read").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_place_that_is_lost_under_the_freeze_keeps_the_copy_from_being_proved() {
    const DISK_BYTES: u64 = 8 * MIB;
    let authority = Arc::new(Authority::new());
    let disk = LoopDisk::noisy(DISK_BYTES, 1);
    let site = Site::new(&authority);
    let _target = site.start(&disk.leaf()).await;
    let replication = site.source(&disk.leaf());
    wait_for(&replication, "in sync", in_sync).await;
    replication.prepare_final().unwrap();
    // Changed in part, so that its grain has to be read again for the hash; and the end of that is lost.
    disk.write(DISK_BYTES - GRAIN_BYTES, 4096, 1);
    disk.resize_file(DISK_BYTES - 8192);
    let refused = replication.finalise(Instant::now() + PATIENCE).await.unwrap_err();
    assert!(matches!(refused, FinishError::Unreadable { bytes: 8192, .. }), "{refused:?}");
    replication.resume();
    replication.stop().await;
}

async fn is_never_in_sync_with_another_size(found: u64) {
    const DISK_BYTES: u64 = 8 * MIB;
    let authority = Arc::new(Authority::new());
    let disk = LoopDisk::noisy(DISK_BYTES, 1);
    let site = Site::new(&authority);
    let _target = site.start(&disk.leaf()).await;
    let replication = site.source(&disk.leaf());
    wait_for(&replication, "in sync", in_sync).await;
    disk.resize(found);
    let words = format!("has {found} bytes, {DISK_BYTES} when it was opened");
    wait_for(&replication, "the words", waits_for(&words)).await;
    assert_eq!(replication.progress()[0].progress.state, ReplicationState::Suspect);
    let refused = finish_in_vain(&replication).await;
    assert!(matches!(&refused, FinishError::NoTracker { why } if why.contains(&words)), "{refused:?}");
    replication.stop().await;
}

async fn finish_in_vain(replication: &Replication) -> FinishError {
    match replication.prepare_final() {
        Ok(()) => replication.finalise(Instant::now() + SHORT).await.unwrap_err(),
        Err(refused) => refused,
    }
}

/// Who switches the disk's counts off while it is followed takes away what lost events show in.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_disk_whose_counts_are_switched_off_is_waited_for_and_compared_once_they_are_on() {
    let authority = Arc::new(Authority::new());
    let disk = LoopDisk::noisy(8 * MIB, 1);
    let site = Site::new(&authority);
    let _target = site.start(&disk.leaf()).await;
    let replication = site.source(&disk.leaf());
    wait_for(&replication, "in sync", in_sync).await;
    let switch = format!("/sys/block/{}/queue/iostats", disk.node.file_name().unwrap().to_str().unwrap());
    std::fs::write(&switch, "0").unwrap();
    disk.write(MIB, 4096, 1);
    wait_for(&replication, "the words", waits_for("keeps no counts; write 1 to /sys/block/")).await;
    assert_eq!(replication.progress()[0].progress.state, ReplicationState::Suspect);
    let refused = finish_in_vain(&replication).await;
    assert!(matches!(refused, FinishError::NoTracker { .. }), "{refused:?}");
    replication.resume();
    std::fs::write(&switch, "1").unwrap();
    wait_for(&replication, "in sync again", |disk| in_sync(disk) && disk.progress.unverified_bytes == 0).await;
    assert_proved(&replication, &disk, &site.volume()).await;
    replication.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_a_disk_with_large_sectors_the_places_that_cannot_be_read_are_found_too() {
    let disk = LoopDisk::of_large_sectors(8 * MIB);
    disk.write_bytes(0, &noise(8 << 20, 3));
    assert_eq!(disk.leaf().identity().logical_block_bytes, 4096);
    let words = "12288 bytes cannot be read, the first at byte 8376320;";
    is_copied_once_it_can_be_read_again(disk, 8 * MIB - 3 * 4096, words).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_disk_that_has_grown_is_waited_for_in_words_and_never_proved() {
    is_never_in_sync_with_another_size(16 * MIB).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_disk_that_has_shrunk_is_waited_for_in_words_and_never_proved() {
    is_never_in_sync_with_another_size(4 * MIB).await;
}
