//! Regions that no filesystem describes, copied while they are written to: an area that the machine swaps to, a partition
//! that a program writes to as it is, and what lies beside them. Needs root and tracefs.
#![allow(clippy::unwrap_used)] // outside of `#[test]` too: a panic fails the test

mod ends;
mod rig;
mod tls;

use ends::{PATIENCE, Site, in_sync, wait_for};
use qianyun_replication_io::source::{FinishError, Replication};
use rig::{LoopDisk, noise, run, write_direct};
use std::ops::Range;
use std::path::PathBuf;
use std::process::Command;
use std::sync::Arc;
use std::time::Instant;
use tls::Authority;
use tokio::task::block_in_place;

const MIB: u64 = 1 << 20;
/// An area for swap from 1 MiB on, a raw partition of 24 MiB from here on, and 3 MiB of the disk in neither.
const RAW: u64 = 17 * MIB;
const GAP: u64 = 41 * MIB;
const DISK: u64 = 44 * MIB;
/// What of an area for swap is its header, where pages have 64 KiB.
const SWAP_PAGES: u64 = MIB + (64 << 10);
/// Bytes per second: the raw partition takes 24 s, several times what the work on it takes.
const BOUND: u64 = MIB;

/// The machine may swap to it, but has any other place rather.
struct Swap(PathBuf);

impl Swap {
    fn on(partition: PathBuf) -> Self {
        let node = partition.to_str().unwrap();
        run("mkswap", &[node]);
        run("swapon", &["--priority", "0", node]);
        Self(partition)
    }
}

impl Drop for Swap {
    fn drop(&mut self) {
        let _ = Command::new("swapoff").arg(&self.0).output();
    }
}

/// As a database has it: random writes to the partition itself, each read again, and parts of it zeroed and discarded.
fn work_on_raw(disk: &LoopDisk) {
    let partition = disk.partition(2);
    let file = format!("--filename={}", partition.display());
    let load = Command::new("fio")
        .args(["--name=w", &file, "--rw=randwrite", "--bs=4k", "--size=16m", "--ioengine=libaio", "--iodepth=8"])
        .args(["--direct=1", "--verify=crc32c", "--verify_backlog=64", "--verify_state_save=0"])
        .args(["--time_based", "--runtime=3", "--randseed=9", "--output-format=terse"])
        .stdout(std::process::Stdio::null())
        .spawn();
    let mut load = load.unwrap();
    let node = partition.to_str().unwrap();
    for round in 0..12 {
        let at = (17 + round % 6) * MIB;
        write_direct(&partition, at, &noise(1 << 20, round));
        let how: &[&str] = if round % 3 == 0 { &["--zeroout"] } else { &[] };
        run("blkdiscard", &[how, &["--offset", &at.to_string(), "--length", "131072", node]].concat());
        disk.write_bytes(GAP + round * 4096, &noise(4096, round));
    }
    assert!(load.wait().unwrap().success());
}

/// Finishes as under a freeze; after a doubt, which a rescan settles, once more.
async fn proved(replication: &Replication) {
    let deadline = Instant::now() + PATIENCE;
    loop {
        wait_for(replication, "in sync", |disk| in_sync(disk) && disk.progress.unverified_bytes == 0).await;
        replication.prepare_final().unwrap();
        match replication.finalise(deadline).await {
            Ok(records) => {
                assert_eq!(records[0].source_root, records[0].target_root);
                assert_eq!(records[0].traced_sectors, records[0].counted_sectors);
                return;
            }
            Err(FinishError::Doubt { .. }) => replication.resume(),
            Err(error) => panic!("{error}"),
        }
    }
}

/// Both ends. The disk's by the file that it is on: of what was written to a partition the node of the disk may have an
/// older version in its cache.
fn ends(disk: &LoopDisk, site: &Site) -> [Vec<u8>; 2] {
    [disk.image(), site.volume()].map(|file| std::fs::read(file).unwrap())
}

/// Fails if a part of the ends is not the same.
fn assert_same(ends: &[Vec<u8>; 2], part: Range<u64>) {
    for start in part.step_by(4096) {
        let at = usize::try_from(start).unwrap();
        assert!(ends[0][at..at + 4096] == ends[1][at..at + 4096], "the ends differ at {start}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn swap_is_left_out_while_it_is_in_use_and_copied_once_it_is_not_and_what_is_raw_always() {
    let authority = Arc::new(Authority::new());
    let table = format!("label: dos\n2048,{}\n{},{}\n", (RAW - MIB) / 512, RAW / 512, (GAP - RAW) / 512);
    let disk = LoopDisk::partitioned(DISK, &table, &[(2048, (RAW - MIB) / 512), (RAW / 512, (GAP - RAW) / 512)]);
    disk.write_bytes(MIB, &noise(usize::try_from(DISK - MIB).unwrap(), 3));
    let swap = Swap::on(disk.partition(1));
    let site = Site::new(&authority);
    let _target = site.start(&disk.leaf()).await;
    let replication = site.source(&disk.leaf());
    replication.set_max_bytes_per_second(BOUND);
    block_in_place(|| work_on_raw(&disk));
    assert!(replication.progress()[0].progress.remaining_bytes > 0, "the copy was not under way any more");
    replication.set_max_bytes_per_second(0);
    proved(&replication).await;
    let found = ends(&disk, &site);
    assert_same(&found, 0..SWAP_PAGES);
    assert_same(&found, RAW..DISK);
    let pages = found[1][usize::try_from(SWAP_PAGES).unwrap()..usize::try_from(RAW).unwrap()].chunks(4096);
    // What the machine wrote there meanwhile has changed, and was copied; that is not all of it.
    let all = pages.len();
    let sent = pages.filter(|page| **page != [0; 4096]).count();
    assert!(sent < all / 2, "{sent} of {all} pages of swap were sent");
    replication.resume();

    drop(swap);
    disk.write(8 * MIB, 8192, 5);
    proved(&replication).await;
    assert_same(&ends(&disk, &site), 0..DISK);
    replication.stop().await;
}
