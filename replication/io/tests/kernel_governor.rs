//! A copy of a disk that has a queue, beside somebody who uses the disk: it holds itself back, says so, and is fast again when
//! they go. The disk is a loop device on another one, whose reads the kernel's own throttle puts into a queue. Needs root.
#![allow(clippy::unwrap_used)]

mod ends;
mod rig;
mod tls;

use ends::{PATIENCE, Site, assert_same_bytes, in_sync, wait_for};
use qianyun_replication_io::device::LeafDisk;
use qianyun_replication_io::device::buffer::AlignedBuffer;
use rig::{LoopDisk, run, write_direct};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};
use tls::Authority;

const MIB: u64 = 1 << 20;
/// So that a read of a MiB takes 80 ms, and a probe behind one for each of two lanes twice that.
const QUEUED_BYTES_PER_SECOND: u64 = 12 * MIB;
/// At that rate three times the ten seconds in which the governor has rested, judged twice and halved: beside other tests it takes
/// longer. What is left then is copied without a queue.
const DISK_BYTES: u64 = 384 * MIB;

/// Reads of a device that wait in a queue; as before when dropped.
struct Queued {
    file: PathBuf,
    number: String,
}

impl Queued {
    /// `None` where the kernel has no throttle of the first kind of control groups.
    fn new(device: &Path) -> Option<Self> {
        let groups = std::fs::read_to_string("/proc/self/cgroup").unwrap();
        let group = groups.lines().find_map(|line| line.split_once(":blkio:").map(|(_, group)| group.to_owned()))?;
        let dir = Path::new("/sys/fs/cgroup/blkio").join(group.trim_start_matches('/'));
        let name = device.file_name().unwrap();
        let number = std::fs::read_to_string(Path::new("/sys/block").join(name).join("dev")).unwrap();
        let queued = Self { file: dir.join("blkio.throttle.read_bps_device"), number: number.trim().to_owned() };
        queued.limit(QUEUED_BYTES_PER_SECOND).ok()?;
        Some(queued)
    }

    fn limit(&self, bytes_per_second: u64) -> std::io::Result<()> {
        std::fs::write(&self.file, format!("{} {bytes_per_second}\n", self.number))
    }
}

impl Drop for Queued {
    fn drop(&mut self) {
        let _ = self.limit(0);
    }
}

/// A loop device on another one, past the page cache.
struct Above {
    node: PathBuf,
}

impl Above {
    fn new(below: &LoopDisk) -> Self {
        Self { node: run("losetup", &["--direct-io=on", "--find", "--show", below.node_text()]).into() }
    }
}

impl Drop for Above {
    fn drop(&mut self) {
        let _ = Command::new("losetup").arg("--detach").arg(&self.node).output();
    }
}

/// Somebody who writes a block fifty times a second until told to stop.
fn user(disk: &Path, stop: &Arc<AtomicBool>) -> std::thread::JoinHandle<()> {
    let (disk, stop) = (disk.to_owned(), Arc::clone(stop));
    std::thread::spawn(move || {
        while !stop.load(Ordering::Relaxed) {
            write_direct(&disk, 0, &[7; 4096]);
            std::thread::sleep(Duration::from_millis(20));
        }
    })
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_copy_holds_itself_back_beside_a_user_says_so_and_is_fast_again_when_they_go() {
    let authority = Arc::new(Authority::new());
    let below = LoopDisk::new(DISK_BYTES);
    for place in 0..DISK_BYTES / (16 * MIB) {
        below.write(place * 16 * MIB, 16 << 20, 5);
    }
    let above = Above::new(&below);
    let Some(queued) = Queued::new(&below.node) else {
        println!("skipped: this kernel cannot put the reads of a device into a queue");
        return;
    };
    let leaf = LeafDisk::from_node(&above.node).unwrap();
    let site = Site::new(&authority);
    let _target = site.start(&leaf).await;
    let stop = Arc::new(AtomicBool::new(false));
    let user = user(&above.node, &stop);

    let replication = site.source(&leaf);
    let mut held = None;
    wait_for(&replication, "held back", |disk| {
        held = disk.held;
        assert!(held.is_some() || !in_sync(disk), "the copy was over before it was held back");
        held.is_some_and(|held| held.percent <= 50)
    })
    .await;
    let held = held.unwrap();
    assert!(held.answers_ms > 3 * held.usually_ms, "{held:?}");
    wait_for(&replication, "less is read", |disk| {
        assert!(!in_sync(disk), "the copy was over, at {:?}", replication.own_load());
        replication.own_load().read_bytes_per_second < QUEUED_BYTES_PER_SECOND / 2
    })
    .await;
    println!("{held:?}, then {:?}", replication.own_load());

    stop.store(true, Ordering::Relaxed);
    user.join().unwrap();
    wait_for(&replication, "nobody waits any more", |disk| disk.held.is_none()).await;
    queued.limit(0).unwrap();
    wait_for(&replication, "in sync", in_sync).await;
    replication.prepare_final().unwrap();
    replication.finalise(Instant::now() + PATIENCE).await.unwrap();
    assert_same_bytes(&below, &site.volume());
    replication.stop().await;
}

#[test]
fn a_read_is_under_way_until_the_disk_has_answered_and_counted_for_all_who_share_it() {
    let disk = LoopDisk::new(32 * MIB);
    let Some(_queued) = Queued::new(&disk.node) else {
        println!("skipped: this kernel cannot put the reads of a device into a queue");
        return;
    };
    let leaf = disk.leaf();
    let before = leaf.own_reads();
    let reader = {
        let leaf = leaf.clone();
        std::thread::spawn(move || leaf.read(0, &mut AlignedBuffer::new(8 << 20)).unwrap())
    };
    let deadline = Instant::now() + PATIENCE;
    while leaf.own_reads().under_way == 0 {
        assert!(Instant::now() < deadline && !reader.is_finished(), "{:?}", leaf.own_reads());
        std::thread::sleep(Duration::from_millis(1));
    }
    reader.join().unwrap();
    let after = leaf.own_reads();
    assert_eq!((after.calls - before.calls, after.bytes - before.bytes, after.under_way), (1, 8 * MIB, 0));
}
