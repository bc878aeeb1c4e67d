//! The tracker against the running kernel, on loop devices. Needs root.
#![allow(clippy::unwrap_used)] // outside of `#[test]` too: a panic fails the test

mod rig;

use qianyun_replication_io::device::DeviceError;
use qianyun_replication_io::tracker::{Doubt, Tracker, TrackerError, Way};
use rig::{LoopDisk, Mounted, run, tracefs};
use std::ops::Range;
use std::time::{Duration, Instant};

const MIB: u64 = 1 << 20;

fn deadline() -> Instant {
    Instant::now() + Duration::from_secs(20)
}

fn only(range: Range<u64>) -> Vec<Range<u64>> {
    Vec::from([range])
}

/// The kernel counted an event and did not tell of it, and says that none was lost. Some hardened kernels withhold
/// the events of tasks that they hide, and a request may complete in the time of any task.
struct Withheld(Vec<Doubt>);

/// Scenarios that are run again when an event was withheld: rare, so that more in a row are a fault of ours.
const SCENARIOS: usize = 5;

/// Runs `scenario` by each way until the kernel has told all of it.
fn told_in_full(scenario: impl Fn(Way) -> Result<(), Withheld>) {
    for way in [Way::Best, Way::Rings] {
        let runs = (0..SCENARIOS).map_while(|_| scenario(way).err());
        let withheld: Vec<_> = runs.map(|Withheld(doubts)| doubts).collect();
        assert!(withheld.len() < SCENARIOS, "events are missing in every run: {withheld:?}");
    }
}

/// Any other doubt than of a withheld event fails the test.
fn without_doubt(doubts: Vec<Doubt>) -> Result<(), Withheld> {
    if doubts.iter().any(|doubt| matches!(doubt, Doubt::CounterMismatch { .. })) {
        let only_withheld = |doubt: &Doubt| {
            matches!(doubt, Doubt::CounterMismatch { .. } | Doubt::AuditMismatch { .. } | Doubt::CanaryMissed { .. })
        };
        assert!(doubts.iter().all(only_withheld), "{doubts:?}");
        return Err(Withheld(doubts));
    }
    assert_eq!(doubts, []);
    Ok(())
}

fn settled(tracker: &mut Tracker) -> Result<Vec<Vec<Range<u64>>>, Withheld> {
    let drained = tracker.settle(deadline()).unwrap();
    without_doubt(drained.doubts)?;
    Ok(drained.changes)
}

#[test]
fn direct_writes_are_seen_exactly_and_reads_not_at_all() {
    tracefs();
    told_in_full(|way| {
        let (disk, other) = (LoopDisk::new(64 * MIB), LoopDisk::new(8 * MIB));
        let (leaf, idle) = (disk.leaf(), other.leaf());
        let mut tracker = Tracker::arm_by(way, &[leaf.clone(), idle], None).unwrap();
        let places = [0, 5 * MIB + 4096, 40 * MIB, 64 * MIB - 4096];
        for place in places {
            disk.write(place, 4096, 1);
        }
        let mut buffer = qianyun_replication_io::device::buffer::AlignedBuffer::new(65536);
        assert_eq!(leaf.read(30 * MIB, &mut buffer).unwrap(), []);
        let expected: Vec<_> = places.iter().map(|place| *place..place + 4096).collect();
        assert_eq!(settled(&mut tracker)?, [expected, vec![]]);
        assert_eq!(settled(&mut tracker)?, [vec![], vec![]]);
        disk.write(MIB, 512, 2);
        assert_eq!(settled(&mut tracker)?, [only(MIB..MIB + 512), vec![]]);
        Ok(())
    });
}

#[test]
fn zeroing_and_discarding_count_as_changes() {
    tracefs();
    told_in_full(|way| {
        let disk = LoopDisk::new(64 * MIB);
        let mut tracker = Tracker::arm_by(way, &[disk.leaf()], None).unwrap();
        run("blkdiscard", &["--zeroout", "--offset", "1048576", "--length", "2097152", disk.node_text()]);
        assert_eq!(settled(&mut tracker)?, [only(MIB..3 * MIB)]);
        run("blkdiscard", &["--offset", "8388608", "--length", "4194304", disk.node_text()]);
        assert_eq!(settled(&mut tracker)?, [only(8 * MIB..12 * MIB)]);
        Ok(())
    });
}

#[test]
fn many_parallel_writes_are_all_seen_and_the_sums_agree() {
    tracefs();
    told_in_full(|way| {
        let disk = LoopDisk::new(64 * MIB);
        let mut tracker = Tracker::arm_by(way, &[disk.leaf()], None).unwrap();
        let waiter = tracker.waiter().unwrap();
        let file = format!("--filename={}", disk.node_text());
        let mut fio = std::process::Command::new("fio")
            .args(["--name=w", &file, "--rw=randrw", "--rwmixwrite=70", "--bs=4k", "--direct=1", "--ioengine=libaio"])
            .args(["--iodepth=16", "--io_size=32m", "--size=64m", "--output-format=terse", "--norandommap=0"])
            .stdout(std::process::Stdio::null())
            .spawn()
            .unwrap();
        let mut seen = Vec::new();
        while fio.try_wait().unwrap().is_none() {
            waiter.wait(Duration::from_millis(20)).unwrap();
            // Doubts stay: they are judged when the writer has ended.
            seen.extend(tracker.drain().unwrap().changes.into_iter().flatten());
        }
        assert!(fio.wait().unwrap().success());
        seen.extend(settled(&mut tracker)?.into_iter().flatten());
        assert!(seen.iter().map(|range| range.end - range.start).sum::<u64>() > 10 * MIB);
        assert_eq!(tracker.inflight(0).unwrap(), 0);
        Ok(())
    });
}

#[test]
fn memory_that_is_too_small_ends_in_a_doubt_that_stays() {
    tracefs();
    for way in [Way::Best, Way::Rings] {
        let disk = LoopDisk::new(64 * MIB);
        let mut tracker = Tracker::arm_by(way, &[disk.leaf()], Some(4096)).unwrap();
        for block in 0..2000 {
            disk.write(block * 8192, 4096, 1);
        }
        let drained = tracker.drain().unwrap();
        let lost = |doubt: &Doubt| matches!(doubt, Doubt::RingLost { .. } | Doubt::CounterMismatch { .. });
        assert!(drained.doubts.iter().any(lost), "{:?}", drained.doubts);
        let audited = |doubt: &Doubt| matches!(doubt, Doubt::AuditMismatch { counted: 16000, .. });
        assert!(drained.doubts.iter().any(audited), "{:?}", drained.doubts);
        assert_eq!(tracker.settle(deadline()).unwrap().doubts, drained.doubts);
    }
}

/// Many times around the slots of a CPU, beside another disk that is not tracked.
#[test]
fn every_write_of_several_disks_is_told_in_little_memory() {
    tracefs();
    told_in_full(|way| {
        let (first, second, other) = (LoopDisk::new(64 * MIB), LoopDisk::new(64 * MIB), LoopDisk::new(8 * MIB));
        let mut tracker = Tracker::arm_by(way, &[first.leaf(), second.leaf()], Some(16384)).unwrap();
        for part in 0..40 {
            let blocks = part * 25..(part + 1) * 25;
            for block in blocks.clone() {
                first.write(block * 8192, 4096, 1);
                second.write(block * 8192 + 4096, 512, 2);
                other.write(block * 4096, 4096, 3);
            }
            let at = |start: u64, len: u64| -> Vec<_> {
                blocks.clone().map(|block| block * 8192 + start..block * 8192 + start + len).collect()
            };
            assert_eq!(settled(&mut tracker)?, [at(0, 4096), at(4096, 512)]);
        }
        let sums = tracker.counts(1).unwrap();
        assert_eq!((sums.traced_sectors, sums.counted_sectors), (1000, 1000));
        Ok(())
    });
}

/// A kernel that describes its types and counts what it passes over has to be able to: or every machine pays for the rings.
#[test]
fn the_program_is_used_where_the_kernel_has_what_it_needs() {
    tracefs();
    let disk = LoopDisk::new(8 * MIB);
    let way = Tracker::arm(&[disk.leaf()]).unwrap().way();
    let release = std::fs::read_to_string("/proc/sys/kernel/osrelease").unwrap();
    let major: u32 = release.split('.').next().unwrap().parse().unwrap();
    if major < 6 || !std::path::Path::new("/sys/kernel/btf/vmlinux").exists() {
        eprintln!("skipped: kernel {release} may not have what the program needs");
        return;
    }
    assert_eq!(way, Way::Best);
    assert_eq!(Tracker::arm_by(Way::Rings, &[disk.leaf()], None).unwrap().way(), Way::Rings);
}

#[test]
fn a_disk_of_another_size_is_a_doubt() {
    tracefs();
    let disk = LoopDisk::new(8 * MIB);
    let mut tracker = Tracker::arm(&[disk.leaf()]).unwrap();
    disk.resize(16 * MIB);
    let doubts = tracker.drain().unwrap().doubts;
    assert!(matches!(doubts[..], [Doubt::DeviceResized { armed: 8388608, found: 16777216, .. }]), "{doubts:?}");
}

#[test]
fn a_canary_on_a_partition_is_seen_on_the_whole_disk() {
    tracefs();
    told_in_full(|way| {
        let disk = LoopDisk::partitioned(96 * MIB, "label: dos\n1MiB,64MiB\n", &[(2048, 131_072)]);
        let mounted = Mounted::ext4(&disk.partition(1));
        let mut tracker = Tracker::arm_by(way, &[disk.leaf()], None).unwrap();
        assert!(tracker.canary(mounted.path()).unwrap());
        let drained = tracker.drain().unwrap();
        let is_empty = drained.is_empty();
        without_doubt(drained.doubts)?;
        assert!(!is_empty, "what the canary wrote is handed over as well");
        assert_eq!(std::fs::read_dir(mounted.path()).unwrap().count(), 1, "only lost+found is left");
        assert!(!tracker.canary(std::path::Path::new("/proc")).is_ok_and(|proved| proved));
        Ok(())
    });
}

#[test]
fn a_canary_that_no_event_tells_of_is_a_doubt() {
    tracefs();
    let disk = LoopDisk::new(64 * MIB);
    let mounted = Mounted::ext4(&disk.node);
    // A ring that is full already: the canary's own events do not come.
    let mut tracker = Tracker::arm_by(Way::Best, &[disk.leaf()], Some(4096)).unwrap();
    let place = mounted.path().join("noise");
    run(
        "fio",
        &[
            "--name=n",
            &format!("--filename={}", place.display()),
            "--rw=write",
            "--bs=4k",
            "--direct=1",
            "--size=4m",
            "--fsync=1",
            "--output-format=terse",
        ],
    );
    tracker.canary(mounted.path()).unwrap();
    assert!(!tracker.drain().unwrap().doubts.is_empty());
}

#[test]
fn a_fixpoint_is_reached_when_the_writer_stops_and_refused_when_it_does_not() {
    tracefs();
    told_in_full(|way| {
        let disk = LoopDisk::new(8 * MIB);
        let mut tracker = Tracker::arm_by(way, &[disk.leaf()], None).unwrap();
        disk.write(0, 4096, 1);
        let mut rounds = 0;
        let doubts = tracker.fixpoint::<TrackerError>(deadline(), |changes| {
            rounds += 1;
            assert_eq!(changes.len(), 1);
            if rounds < 3 {
                disk.write(rounds * 8192, 4096, 1);
            }
            Ok(())
        });
        without_doubt(doubts.unwrap())?;
        assert_eq!(rounds, 3);
        disk.write(0, 4096, 1);
        let soon = Instant::now() + Duration::from_millis(300);
        let result = tracker.fixpoint::<TrackerError>(soon, |_| {
            disk.write(0, 4096, 1);
            Ok(())
        });
        match result {
            Err(TrackerError::NotAtRest { .. }) => Ok(()),
            Ok(doubts) if !doubts.is_empty() => without_doubt(doubts),
            other => panic!("{other:?}"),
        }
    });
}

#[test]
fn a_disk_that_counts_nothing_is_not_tracked() {
    tracefs();
    let disk = LoopDisk::new(8 * MIB);
    let name = disk.node.file_name().unwrap().to_str().unwrap();
    let switch = format!("/sys/block/{name}/queue/iostats");
    std::fs::write(&switch, "0").unwrap();
    let result = Tracker::arm(&[disk.leaf()]);
    std::fs::write(&switch, "1").unwrap();
    assert!(result.unwrap_err().to_string().contains("cannot be tracked"));
}

#[test]
fn a_partition_and_a_file_are_not_disks() {
    let disk = LoopDisk::partitioned(96 * MIB, "label: gpt\n1MiB,64MiB\n", &[(2048, 131_072)]);
    for path in [disk.partition(1), "/etc/hostname".into()] {
        let result = qianyun_replication_io::device::LeafDisk::from_node(&path);
        assert!(matches!(result, Err(DeviceError::NotALeaf { .. })), "{path:?}");
    }
    let leaf = disk.leaf();
    assert_eq!(leaf.identity().table_id.len(), 36, "the GUID of the table");
    assert_eq!((leaf.size_bytes(), leaf.identity().logical_block_bytes), (96 * MIB, 512));
}
