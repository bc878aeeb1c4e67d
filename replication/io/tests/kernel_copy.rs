//! A disk that is written to, copied over real TLS to a target that dies and comes back, finished, proved, signed.
//! Needs root and tracefs: the source is a loop device with a real tracker.
#![allow(clippy::unwrap_used)]

mod ends;
mod rig;
mod tls;

use ends::{PATIENCE, SESSION, Site, assert_proved, assert_same_bytes, in_sync, wait_for};
use qianyun_replication::progress::ReplicationState;
use qianyun_replication::record::{CutoverRecord, OwnVolume, SignedRecord};
use qianyun_replication_io::signer::Signer as _;
use qianyun_replication_io::source::{FinishError, Replication};
use rig::{LoopDisk, Mounted, run};
use std::fs::File;
use std::os::unix::fs::FileExt as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};
use tls::Authority;

const MIB: u64 = 1 << 20;
/// Writes single blocks all over the disk until told to stop.
fn keep_writing(disk: &Arc<LoopDisk>, stop: &Arc<AtomicBool>) -> std::thread::JoinHandle<u64> {
    let (disk, stop) = (Arc::clone(disk), Arc::clone(stop));
    std::thread::spawn(move || {
        let mut writes = 0u64;
        while !stop.load(Ordering::Relaxed) {
            let block = writes.wrapping_mul(2_654_435_761) % (48 * 256);
            disk.write(block * 4096, 4096, u8::try_from(writes % 251 + 1).unwrap());
            writes += 1;
            std::thread::sleep(Duration::from_millis(2));
        }
        writes
    })
}

fn record(disks: Vec<qianyun_replication::record::DiskRecord>) -> CutoverRecord {
    CutoverRecord {
        attempt: 1,
        disks,
        epoch: 1,
        frozen_unix_ms: 1,
        host: "ns/ph".to_owned(),
        scheme_digest: "sha256:00".to_owned(),
        session: SESSION,
        verified_unix_ms: 2,
        version: 1,
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_disk_that_is_written_to_arrives_whole_though_the_target_dies_twice() {
    let authority = Arc::new(Authority::new());
    let disk = Arc::new(LoopDisk::new(48 * MIB + 512));
    disk.write(0, 16 << 20, 5);
    let leaf = disk.leaf();
    let site = Site::new(&authority);
    let stop = Arc::new(AtomicBool::new(false));
    let writer = keep_writing(&disk, &stop);

    let target = site.start(&leaf).await;
    let replication = site.source(&leaf);
    wait_for(&replication, "some bytes are sent", |d| d.progress.counters.sent_bytes > 0).await;
    target.abort();
    let target = site.start(&leaf).await;
    wait_for(&replication, "the first copy", |d| {
        !matches!(d.progress.state, ReplicationState::Idle | ReplicationState::InitialCopy)
    })
    .await;
    target.abort();
    let _target = site.start(&leaf).await;

    stop.store(true, Ordering::Relaxed);
    assert!(writer.join().unwrap() > 0);
    wait_for(&replication, "in sync", in_sync).await;
    replication.prepare_final().unwrap();
    let disks = replication.finalise(Instant::now() + PATIENCE).await.unwrap();
    assert_eq!(disks.len(), 1);
    assert_eq!(disks[0].source_root, disks[0].target_root);
    assert_eq!(disks[0].traced_sectors, disks[0].counted_sectors);
    assert_same_bytes(&disk, &site.volume());

    let signer = authority.signer("source");
    let record = record(disks);
    let signed = replication.sign_record(&record, &signer, Instant::now() + PATIENCE).await.unwrap();
    let stored: SignedRecord =
        serde_json::from_slice(&std::fs::read(site.dir.path().join("record.json")).unwrap()).unwrap();
    assert_eq!(stored, signed);
    assert_eq!(signed.source.certificate_pem, signer.certificate_pem());
    authority.verify(&signed.record, &signed.source);
    authority.verify(&signed.record, &signed.target);
    assert!(replication.progress().iter().all(|d| d.progress.state == ReplicationState::Committed));
    replication.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn after_an_abort_and_a_restart_of_the_source_only_what_differs_is_sent() {
    let authority = Arc::new(Authority::new());
    let disk = Arc::new(LoopDisk::new(24 * MIB));
    disk.write(0, 8 << 20, 9);
    let leaf = disk.leaf();
    let site = Site::new(&authority);
    let _target = site.start(&leaf).await;
    let replication = site.source(&leaf);
    wait_for(&replication, "in sync", in_sync).await;
    replication.prepare_final().unwrap();
    replication.finalise(Instant::now() + PATIENCE).await.unwrap();
    replication.resume();
    disk.write(MIB, 4096, 1);
    wait_for(&replication, "the change", |d| in_sync(d) && d.progress.counters.sent_bytes > 8 << 20).await;
    replication.stop().await;

    disk.write(2 * MIB, 4096, 2);
    let replication = site.source(&leaf);
    wait_for(&replication, "the rescan", |d| in_sync(d) && d.progress.unverified_bytes == 0).await;
    let sent = replication.progress()[0].progress.counters.sent_bytes;
    assert!(sent <= 2 << 20, "{sent} bytes were sent again");
    replication.prepare_final().unwrap();
    replication.finalise(Instant::now() + PATIENCE).await.unwrap();
    assert_same_bytes(&disk, &site.volume());
    replication.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_filesystem_without_room_for_a_canary_is_no_doubt_and_is_not_read_again_for_it() {
    let authority = Arc::new(Authority::new());
    let disk = LoopDisk::new(24 * MIB);
    let mounted = Mounted::ext4_with(&disk.node, &["-N", "32"]);
    std::fs::write(mounted.path().join("content"), vec![7; 8 << 20]).unwrap();
    let one_more = |number| std::fs::File::create(mounted.path().join(format!("{number}")));
    let full = (0..64).map(one_more).find_map(Result::err).unwrap();
    assert_eq!(full.kind(), std::io::ErrorKind::StorageFull);
    rustix::fs::syncfs(std::fs::File::open(mounted.path()).unwrap()).unwrap();
    let site = Site::new(&authority);
    let _target = site.start(&disk.leaf()).await;
    let replication = site.source(&disk.leaf());
    wait_for(&replication, "in sync", in_sync).await;
    // What it sends next it has seen, or found by comparing all of the disk again.
    for fill in 1..=3 {
        let sent = replication.progress()[0].progress.counters.sent_bytes;
        disk.write(23 * MIB, 4096, fill);
        wait_for(&replication, "the change", |d| in_sync(d) && d.progress.counters.sent_bytes > sent).await;
    }
    let read = replication.progress()[0].progress.counters.read_bytes;
    assert!(read < 16 * MIB, "{read} bytes were read of a disk that has 10 MiB in use");
    replication.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_target_that_was_changed_behind_our_back_is_never_proved_and_never_signed() {
    let authority = Arc::new(Authority::new());
    let disk = Arc::new(LoopDisk::new(8 * MIB));
    disk.write(0, 4 << 20, 9);
    let leaf = disk.leaf();
    let site = Site::new(&authority);
    let target = site.start(&leaf).await;
    let replication = site.source(&leaf);
    wait_for(&replication, "in sync", in_sync).await;
    target.abort();
    let deadline = Instant::now() + PATIENCE;
    let volume = std::fs::File::options().write(true).open(site.volume()).unwrap();
    std::os::unix::fs::FileExt::write_all_at(&volume, &[1], 5000).unwrap();
    volume.sync_all().unwrap();
    let _target = site.start(&leaf).await;
    replication.prepare_final().unwrap();
    let refused = replication.finalise(deadline).await.unwrap_err();
    assert!(matches!(refused, FinishError::NotProved(_)), "{refused:?}");
    let own = OwnVolume { volume: "disk-0".to_owned(), identity: leaf.identity().clone(), root: None };
    let root = "00".repeat(32);
    let forged = qianyun_replication::record::DiskRecord {
        counted_sectors: 0,
        domain_bytes: 0,
        identity: own.identity,
        source_root: root.clone(),
        target_root: root,
        traced_sectors: 0,
        volume: own.volume,
    };
    let refused = replication.sign_record(&record(vec![forged]), &authority.signer("source"), deadline).await;
    assert!(matches!(refused, Err(FinishError::Refused { .. })), "{refused:?}");
    replication.resume();
    wait_for(&replication, "healed", |d| in_sync(d) && d.progress.unverified_bytes == 0 && d.progress.doubt.is_empty())
        .await;
    replication.prepare_final().unwrap();
    replication.finalise(deadline).await.unwrap();
    assert_same_bytes(&disk, &site.volume());
    replication.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn what_is_written_after_the_proof_is_never_signed() {
    let authority = Arc::new(Authority::new());
    let disk = Arc::new(LoopDisk::new(8 * MIB));
    disk.write(0, 4 << 20, 9);
    let site = Site::new(&authority);
    let _target = site.start(&disk.leaf()).await;
    let replication = site.source(&disk.leaf());
    wait_for(&replication, "in sync", in_sync).await;
    replication.prepare_final().unwrap();
    let disks = replication.finalise(Instant::now() + PATIENCE).await.unwrap();
    disk.write(MIB, 4096, 1);
    let signed = replication.sign_record(&record(disks), &authority.signer("source"), Instant::now() + PATIENCE).await;
    assert!(matches!(signed, Err(FinishError::Late)), "{signed:?}");
    let [record, withdrawn] = ["record.json", "record.withdrawn.json"].map(|name| site.dir.path().join(name));
    // The change may be there already, and have put it aside.
    assert!(record.exists() || withdrawn.exists(), "the target signs what it knows by itself");
    replication.resume();
    wait_for(&replication, "the change", in_sync).await;
    assert!(!record.exists() && withdrawn.exists(), "it holds something else now");
    replication.prepare_final().unwrap();
    replication.finalise(Instant::now() + PATIENCE).await.unwrap();
    assert_same_bytes(&disk, &site.volume());
    replication.stop().await;
}

/// As a database on a whole disk that was stopped, or `dd`: the kernel has it in memory, and no freeze brings it to the disk.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn what_was_written_to_nodes_and_waits_in_memory_is_sent_before_the_proof() {
    let authority = Arc::new(Authority::new());
    let disk = LoopDisk::partitioned(16 * MIB, "label: dos\n1MiB,8MiB\n", &[(2048, 16_384)]);
    let site = Site::new(&authority);
    let _target = site.start(&disk.leaf()).await;
    let replication = site.source(&disk.leaf());
    wait_for(&replication, "in sync", in_sync).await;
    for (node, offset) in [(disk.node.clone(), 12 * MIB), (disk.partition(1), 4 * MIB)] {
        File::options().write(true).open(node).unwrap().write_all_at(&[9; 4096], offset).unwrap();
    }
    replication.prepare_final().unwrap();
    let _records = replication.finalise(Instant::now() + PATIENCE).await.unwrap();
    let arrived = std::fs::read(site.volume()).unwrap();
    for at in [12 * MIB, 5 * MIB] {
        let at = usize::try_from(at).unwrap();
        assert!(arrived[at..at + 4096].iter().all(|byte| *byte == 9), "at {at}");
    }
    replication.stop().await;
}

/// More writes at once than a ring of one page can hold, all over the disk.
fn burst(disk: &LoopDisk) {
    let file = format!("--filename={}", disk.node_text());
    let how = ["--rw=randwrite", "--bs=4k", "--direct=1", "--ioengine=libaio", "--iodepth=64", "--size=16m"];
    run("fio", &[&["--name=b", &file, "--output-format=terse"], &how[..]].concat());
}

fn read_bytes(replication: &Replication) -> u64 {
    replication.progress()[0].progress.counters.read_bytes
}

/// Until all of the disk was compared since `read` bytes had been read.
async fn healed(replication: &Replication, read: u64) {
    wait_for(replication, "the rescan", |disk| {
        let compared = disk.progress.counters.read_bytes - read >= disk.progress.size_bytes;
        compared && in_sync(disk) && disk.progress.unverified_bytes == 0 && disk.progress.doubt.is_empty()
    })
    .await;
}

/// By each way to have events: the first tracker has the best one, that after a doubt has rings.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn events_that_are_lost_while_it_follows_end_in_suspect_and_a_rescan() {
    let authority = Arc::new(Authority::new());
    let disk = LoopDisk::noisy(24 * MIB, 7);
    let site = Site::new(&authority);
    let _target = site.start(&disk.leaf()).await;
    let replication = site.forgetful_source(&disk.leaf());
    wait_for(&replication, "in sync", in_sync).await;
    for way in ["best", "rings"] {
        // So slow that the rescan is not over before it is looked at.
        replication.set_max_bytes_per_second(4 * MIB);
        let (read, deadline) = (read_bytes(&replication), Instant::now() + PATIENCE);
        while replication.progress()[0].progress.state != ReplicationState::Suspect {
            assert!(Instant::now() < deadline, "no event was lost by {way}: {:?}", replication.progress());
            burst(&disk);
        }
        replication.set_max_bytes_per_second(0);
        healed(&replication, read).await;
    }
    assert_proved(&replication, &disk, &site.volume()).await;
    replication.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn events_that_are_lost_before_the_proof_are_a_doubt_and_a_rescan_and_never_success() {
    let authority = Arc::new(Authority::new());
    let disk = LoopDisk::noisy(24 * MIB, 8);
    let site = Site::new(&authority);
    let _target = site.start(&disk.leaf()).await;
    let replication = site.forgetful_source(&disk.leaf());
    wait_for(&replication, "in sync", in_sync).await;
    for way in ["best", "rings"] {
        replication.prepare_final().unwrap();
        burst(&disk);
        let refused = replication.finalise(Instant::now() + PATIENCE).await;
        assert!(matches!(refused, Err(FinishError::Doubt { .. })), "by {way}: {refused:?}");
        let read = read_bytes(&replication);
        replication.resume();
        healed(&replication, read).await;
    }
    assert_proved(&replication, &disk, &site.volume()).await;
    replication.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_volume_made_for_another_disk_is_waited_for_in_words() {
    let authority = Arc::new(Authority::new());
    let (mine, other) = (LoopDisk::new(8 * MIB), LoopDisk::new(9 * MIB));
    let site = Site::new(&authority);
    let _target = site.start(&other.leaf()).await;
    let replication = site.source(&mine.leaf());
    wait_for(&replication, "the refusal", |d| d.message.contains("WrongDisk")).await;
    replication.stop().await;
}
