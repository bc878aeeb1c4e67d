//! Filesystems of every kind in scope, copied while they are worked on: written at random, with files that grow, shrink and
//! go, ranges that are zeroed and discarded, and the filesystem itself growing, shrinking, unmounted and mounted again. Under
//! a freeze both ends must be the same, and the copy is a sound filesystem with every file. Needs root and tracefs.
#![allow(clippy::unwrap_used)] // outside of `#[test]` too: a panic fails the test

mod ends;
mod rig;
mod tls;

use ends::{PATIENCE, Site, in_sync, wait_for};
use qianyun_replication::record::DiskRecord;
use qianyun_replication_io::source::{FinishError, Replication};
use rig::{Frozen, LoopDisk, Mounted, run};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::Instant;
use tls::Authority;
use tokio::task::block_in_place;

const MIB: u64 = 1 << 20;
const DISK: u64 = 512 * MIB;
/// What a filesystem is made with; while it is copied it grows to all of the disk, and shrinks to this again.
const SMALL_MIB: u64 = 400;
/// Bytes per second: what there is to copy when a filesystem is resized and unmounted for the first time takes 20 s, several
/// times what that work takes.
const BOUND: u64 = 2 * MIB;

/// How a filesystem gets another size.
enum Resize {
    /// From where it is mounted, while it is worked on.
    Mounted(fn(&str)),
    /// On its device, between two mounts.
    Unmounted(fn(&str)),
}

/// A kind of filesystem and its tools.
struct Kind {
    /// Makes one of [`SMALL_MIB`] on a device.
    make: fn(&str),
    mount_options: &'static str,
    /// Whether what is written again stays where it is, so that free space remains that was never written.
    writes_in_place: bool,
    /// To all of the device.
    grow: Resize,
    /// Back, if it can.
    shrink: Option<Resize>,
    /// Fails if the one on the device is not sound.
    check: fn(&str),
}

const EXT4: Kind = Kind {
    make: |device| drop(run("mkfs.ext4", &["-q", "-F", device, &format!("{SMALL_MIB}m")])),
    mount_options: "discard",
    writes_in_place: true,
    // A mounted one, which can only grow, asks for a right that not every root has.
    grow: Resize::Unmounted(|device| resize_ext4(device, &[])),
    shrink: Some(Resize::Unmounted(|device| resize_ext4(device, &[&format!("{SMALL_MIB}m")]))),
    check: |device| drop(run("e2fsck", &["-f", "-n", device])),
};

const XFS: Kind = Kind {
    make: |device| drop(run("mkfs.xfs", &["-q", "-f", "-d", &format!("size={SMALL_MIB}m"), device])),
    mount_options: "discard,nouuid",
    writes_in_place: true,
    grow: Resize::Mounted(|place| drop(run("xfs_growfs", &["-d", place]))),
    shrink: None,
    check: |device| drop(run("xfs_repair", &["-n", device])),
};

const BTRFS: Kind = Kind {
    make: |device| drop(run("mkfs.btrfs", &["-q", "-f", "-b", &format!("{SMALL_MIB}M"), device])),
    // What is written anew keeps its old place until the next commit: on a fast disk 30 s of that fill it.
    mount_options: "discard,commit=1",
    writes_in_place: false,
    grow: Resize::Mounted(|place| drop(run("btrfs", &["filesystem", "resize", "max", place]))),
    shrink: Some(Resize::Mounted(|place| {
        drop(run("btrfs", &["filesystem", "resize", &format!("-{}M", DISK / MIB - SMALL_MIB), place]));
    })),
    check: |device| drop(run("btrfs", &["check", "--readonly", device])),
};

fn resize_ext4(device: &str, size: &[&str]) {
    run("e2fsck", &["-f", "-p", device]);
    run("resize2fs", &[&[device], size].concat());
}

/// Random writes, each checked when it is read again.
fn fio(folder: &Path, seconds: u32) -> Child {
    Command::new("fio")
        .args(["--name=w", &format!("--directory={}", folder.display()), "--rw=randwrite", "--bs=4k"])
        .args([
            "--size=48m",
            "--ioengine=libaio",
            "--iodepth=8",
            "--direct=1",
            "--verify=crc32c",
            "--verify_backlog=64",
        ])
        .args(["--time_based", &format!("--runtime={seconds}"), "--randseed=7", "--output-format=terse"])
        // Or else it leaves a file in the folder that the test runs in.
        .arg("--verify_state_save=0")
        .stdout(Stdio::null())
        .spawn()
        .unwrap()
}

/// Files that come, grow, shrink, get holes and go: round `round`.
fn churn(folder: &Path, round: usize) {
    let file = |n: usize| folder.join(format!("f{n}")).to_str().unwrap().to_owned();
    for n in 0..12 {
        std::fs::write(file(n), vec![u8::try_from(round * 12 + n).unwrap(); (n + 1) * 37_000]).unwrap();
    }
    run("fallocate", &["--zero-range", "--offset", "8192", "--length", "65536", &file(3)]);
    run("fallocate", &["--punch-hole", "--offset", "4096", "--length", "131072", &file(7)]);
    run("truncate", &["--size", "5000", &file(9)]);
    for n in [1, 4, 8] {
        std::fs::remove_file(file(n)).unwrap();
    }
    run("sync", &["--file-system", &file(0)]);
}

/// Waits for a program and fails with it.
fn ended(mut child: Child) {
    let status = child.wait().unwrap();
    assert!(status.success(), "{status}");
}

/// Works on a filesystem, resizes it, and mounts it anew.
fn worked_on(kind: &Kind, disk: &LoopDisk, mounted: Mounted, first_round: usize, resize: Option<&Resize>) -> Mounted {
    let load = fio(mounted.path(), 3);
    churn(mounted.path(), first_round);
    churn(mounted.path(), first_round + 1);
    if let Some(Resize::Mounted(resize)) = resize {
        resize(mounted.path().to_str().unwrap());
    }
    churn(mounted.path(), first_round + 2);
    ended(load);
    mounted.unmount();
    if let Some(Resize::Unmounted(resize)) = resize {
        resize(disk.node_text());
    }
    Mounted::with_options(&disk.node, kind.mount_options)
}

async fn arrives_whole(kind: &Kind) {
    let authority = Arc::new(Authority::new());
    let disk = LoopDisk::new(DISK);
    (kind.make)(disk.node_text());
    let mounted = Mounted::with_options(&disk.node, kind.mount_options);
    churn(mounted.path(), 0);
    let (leaf, site) = (disk.leaf(), Site::new(&authority));
    let _target = site.start(&leaf).await;
    let replication = site.source(&leaf);
    replication.set_max_bytes_per_second(BOUND);
    // Only now is this sure: a btrfs on a fast disk soon has written every place that was free.
    wait_for(&replication, "free space is skipped", |disk| disk.progress.counters.skipped_bytes > 64 * MIB).await;
    let mounted = block_in_place(|| worked_on(kind, &disk, mounted, 1, Some(&kind.grow)));
    let mut compared = is_compared(&replication);
    assert!(replication.progress()[0].progress.remaining_bytes > 0, "the copy was not under way any more");
    let mounted = block_in_place(|| worked_on(kind, &disk, mounted, 4, kind.shrink.as_ref()));
    compared |= is_compared(&replication);
    churn(mounted.path(), 7);
    replication.set_max_bytes_per_second(0);
    let place = mounted.path().to_str().unwrap();
    let records = finished(&replication, place).await;
    assert_eq!(records[0].source_root, records[0].target_root);
    assert_eq!(records[0].traced_sectors, records[0].counted_sectors);
    let skipped = replication.progress()[0].progress.counters.skipped_bytes;
    assert!(!kind.writes_in_place || compared || skipped > 64 * MIB, "{skipped} bytes were skipped");
    replication.stop().await;

    // The original goes first: two filesystems of one identity are not mounted together.
    let files = tempfile::tempdir().unwrap();
    run("cp", &["--archive", place, files.path().to_str().unwrap()]);
    let folder = files.path().join(mounted.path().file_name().unwrap());
    drop(mounted);
    let copy = LoopDisk::from_image(&site.volume());
    let arrived = Mounted::with_options(&copy.node, kind.mount_options);
    run("diff", &["--recursive", folder.to_str().unwrap(), arrived.path().to_str().unwrap()]);
    drop(arrived);
    (kind.check)(copy.node_text());
}

/// Whether a doubt has everything compared. One that comes while a filesystem lies unmounted and half resized finds nothing of it
/// that can be called free.
fn is_compared(replication: &Replication) -> bool {
    replication.progress()[0].progress.unverified_bytes > 0
}

/// Freezes and finishes; after a doubt, which a rescan settles, once more.
async fn finished(replication: &Replication, place: &str) -> Vec<DiskRecord> {
    let deadline = Instant::now() + PATIENCE;
    loop {
        wait_for(replication, "in sync", |disk| in_sync(disk) && disk.progress.unverified_bytes == 0).await;
        replication.prepare_final().unwrap();
        let frozen = Frozen::new(place);
        let result = replication.finalise(deadline).await;
        drop(frozen);
        match result {
            Ok(records) => return records,
            Err(FinishError::Doubt { .. }) => replication.resume(),
            Err(error) => panic!("{error}"),
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn an_ext4_that_is_worked_on_and_grows_and_shrinks_between_mounts_arrives_whole() {
    arrives_whole(&EXT4).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn an_xfs_that_is_worked_on_and_grows_arrives_whole() {
    arrives_whole(&XFS).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_btrfs_that_is_worked_on_and_grows_and_shrinks_arrives_whole() {
    arrives_whole(&BTRFS).await;
}
