//! A target whose filesystem is full: it says so, the source says that it waits for this, and with room the copy goes on and is
//! proved. Over real TLS, on a small ext4; needs root and tracefs.
#![allow(clippy::unwrap_used)]

mod ends;
mod rig;
mod tls;

use ends::{Site, assert_proved, in_sync, wait_for};
use qianyun_replication_io::source::{DiskProgress, FinishError};
use rig::{LoopDisk, Mounted};
use std::fs::File;
use std::io::Write as _;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tls::Authority;

const MIB: u64 = 1 << 20;
const DISK_BYTES: u64 = 24 * MIB;
/// What is left for the volume: less than the disk.
const ROOM_BYTES: u64 = 10 * MIB;

/// Takes all room of a filesystem but [`ROOM_BYTES`].
fn fill(filesystem: &Path, ballast: &Path) {
    let stat = rustix::fs::statvfs(filesystem).unwrap();
    let mut left = stat.f_bfree * stat.f_frsize - ROOM_BYTES;
    let mut file = File::create(ballast).unwrap();
    let piece = vec![1; usize::try_from(MIB).unwrap()];
    while left > 0 {
        let now = left.min(MIB);
        file.write_all(&piece[..usize::try_from(now).unwrap()]).unwrap();
        left -= now;
    }
    file.sync_all().unwrap();
}

/// Chunks that are the same at both ends.
fn arrived(disk: &LoopDisk, volume: &Path) -> Vec<usize> {
    let (here, there) = (std::fs::read(&disk.node).unwrap(), std::fs::read(volume).unwrap());
    let chunk = usize::try_from(MIB).unwrap();
    let same = here.chunks(chunk).zip(there.chunks(chunk)).enumerate().filter(|(_, (a, b))| a == b);
    same.map(|(number, _)| number).collect()
}

/// What the target has written down: another text after each link.
fn ledger(site: &Site) -> [Option<Vec<u8>>; 2] {
    ["ledger.0", "ledger.1"].map(|slot| std::fs::read(site.dir.path().join(slot)).ok())
}

fn no_room(disk: &DiskProgress) -> bool {
    disk.message.contains("refused (Storage)") && disk.message.contains("No space left on device")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_target_without_room_says_so_keeps_what_it_has_and_goes_on_when_there_is_room() {
    let authority = Arc::new(Authority::new());
    let disk = LoopDisk::noisy(DISK_BYTES, 1);
    let small = LoopDisk::new(64 * MIB);
    let mounted = Mounted::ext4(&small.node);
    let ballast = mounted.path().join("ballast");
    fill(mounted.path(), &ballast);
    let site = Site::in_dir(&authority, tempfile::tempdir_in(mounted.path()).unwrap());
    let target = site.start(&disk.leaf()).await;
    let replication = site.source(&disk.leaf());

    let trouble = |disk: &DiskProgress| !disk.message.is_empty();
    wait_for(&replication, "the refusal", trouble).await;
    let progress = replication.progress().remove(0);
    assert!(no_room(&progress), "{progress:?}");
    assert!(!in_sync(&progress) && progress.progress.remaining_bytes >= DISK_BYTES - ROOM_BYTES, "{progress:?}");
    let before = arrived(&disk, &site.volume());
    assert!(!before.is_empty() && before.len() < 24, "{before:?}");
    replication.prepare_final().unwrap();
    let refused = replication.finalise(Instant::now() + Duration::from_secs(2)).await.unwrap_err();
    assert!(matches!(refused, FinishError::Deadline { left_bytes: 1.., .. }), "{refused:?}");
    replication.resume();
    // It tries again, in vain, and nothing that had arrived is gone.
    let written = ledger(&site);
    wait_for(&replication, "another refusal", |disk| ledger(&site) != written && no_room(disk)).await;
    let after = arrived(&disk, &site.volume());
    assert!(before.iter().all(|chunk| after.contains(chunk)), "{before:?} had arrived, {after:?} are there");

    std::fs::remove_file(&ballast).unwrap();
    wait_for(&replication, "in sync", in_sync).await;
    assert_proved(&replication, &disk, &site.volume()).await;
    replication.stop().await;
    target.abort();
    assert!(target.await.is_err_and(|ended| ended.is_cancelled()), "the target had to live all the time");
}
