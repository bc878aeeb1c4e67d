//! Freezing and the watchdog against the running kernel. Needs root.
//!
//! Without the test harness, because this program is also the watchdog, and the victim that is killed.
#![allow(clippy::unwrap_used)] // outside of `#[test]` too: a panic fails the test

mod rig;

use qianyun_replication_io::freemap::{Free, FreeMap, Reading, Unmapped, Ways};
use qianyun_replication_io::freezer::{FreezeError, Freezer, Frozen, check, thaw_left_frozen, watchdog};
use qianyun_replication_io::mounts::{Everywhere, Mount, mounted};
use qianyun_replication_io::tracker::Tracker;
use rig::{LoopDisk, Mounted};
use std::io::{Read as _, Write as _};
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

const VICTIM: &str = "freeze-and-wait";
const MIB: u64 = 1 << 20;

fn main() {
    let mut arguments = std::env::args().skip(1);
    match arguments.next().as_deref() {
        Some(watchdog::ROLE) => watchdog::main(arguments).unwrap(),
        Some(VICTIM) => victim(&PathBuf::from(arguments.next().unwrap())),
        Some("--list") => {}
        _ => run_all(),
    }
}

fn run_all() {
    let tests: [(&str, fn()); 20] = [
        ("writes_wait_until_the_thaw", writes_wait_until_the_thaw),
        ("what_can_only_be_flushed_is_on_the_disk_and_goes_on", what_can_only_be_flushed_is_on_the_disk_and_goes_on),
        ("dropping_thaws_and_the_watchdog_ends", dropping_thaws_and_the_watchdog_ends),
        ("the_watchdog_thaws_at_the_deadline", the_watchdog_thaws_at_the_deadline),
        ("the_watchdog_thaws_when_its_parent_is_killed", the_watchdog_thaws_when_its_parent_is_killed),
        ("a_freeze_that_fails_leaves_nothing_frozen", a_freeze_that_fails_leaves_nothing_frozen),
        ("a_freeze_that_takes_too_long_leaves_nothing_frozen", a_freeze_that_takes_too_long_leaves_nothing_frozen),
        ("what_lost_its_watchdog_too_is_thawed", what_lost_its_watchdog_too_is_thawed),
        ("a_btrfs_is_frozen_too", a_btrfs_is_frozen_too),
        ("a_btrfs_that_is_scrubbed_is_refused", a_btrfs_that_is_scrubbed_is_refused),
        (
            "what_is_covered_by_another_mount_is_named_and_holds_nothing_up",
            what_is_covered_by_another_mount_is_named_and_holds_nothing_up,
        ),
        (
            "a_filesystem_in_a_file_of_another_is_frozen_before_it",
            a_filesystem_in_a_file_of_another_is_frozen_before_it,
        ),
        ("a_filesystem_in_a_file_of_a_btrfs_is_held_with_its_disk", a_filesystem_in_a_file_of_a_btrfs_is_held),
        ("what_only_another_namespace_has_mounted_is_frozen", what_only_another_namespace_has_mounted_is_frozen),
        (
            "what_a_process_has_mounted_that_ends_is_frozen_all_the_same",
            what_a_process_has_mounted_that_ends_is_frozen_all_the_same,
        ),
        ("what_no_path_leads_to_is_named", what_no_path_leads_to_is_named),
        ("what_was_not_written_yet_is_on_the_disk_once_frozen", what_was_not_written_yet_is_on_the_disk_once_frozen),
        ("an_own_reader_finds_the_disk_up_to_date", an_own_reader_finds_the_disk_up_to_date),
        ("what_cannot_be_frozen_is_copied_whole", what_cannot_be_frozen_is_copied_whole),
        ("what_was_free_and_is_used_in_the_end_was_written", what_was_free_and_is_used_in_the_end_was_written),
    ];
    for (name, test) in tests {
        test();
        println!("test {name} ... ok");
    }
}

fn what_lost_its_watchdog_too_is_thawed() {
    let disk = LoopDisk::new(64 * MIB);
    let mounted = Mounted::ext4(&disk.node);
    rig::run("fsfreeze", &["--freeze", mounted.path().to_str().unwrap()]);
    let written = write_in(mounted.path());
    assert!(written.recv_timeout(Duration::from_millis(200)).is_err(), "it is frozen");
    thaw_left_frozen(&mounts_at(&[mounted.path()])).unwrap();
    written.recv_timeout(Duration::from_secs(10)).unwrap();
    thaw_left_frozen(&mounts_at(&[mounted.path()])).unwrap();
}

fn mounts_at(paths: &[&Path]) -> Vec<Mount> {
    mounted().unwrap().into_iter().filter(|mount| paths.contains(&mount.path.as_path())).collect()
}

fn freeze(path: &Path, deadline: Duration) -> Frozen {
    Freezer::new().prepare(&mounts_at(&[path]), deadline).unwrap().freeze().unwrap()
}

/// Writes a file in another thread; tells when it is done.
fn write_in(path: &Path) -> std::sync::mpsc::Receiver<()> {
    write_to(path.join("file"))
}

fn write_to(file: PathBuf) -> std::sync::mpsc::Receiver<()> {
    let (done, told) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        std::fs::write(file, "x").unwrap();
        let _ = done.send(());
    });
    told
}

fn new_filesystem() -> (Mounted, LoopDisk) {
    let disk = LoopDisk::new(32 * MIB);
    (Mounted::ext4(&disk.node), disk)
}

fn writes_wait_until_the_thaw() {
    let (mounted, _disk) = new_filesystem();
    let frozen = freeze(mounted.path(), Duration::from_secs(20));
    let written = write_in(mounted.path());
    assert!(written.recv_timeout(Duration::from_millis(300)).is_err(), "written while frozen");
    frozen.check().unwrap();
    assert!(frozen.remaining() < Duration::from_secs(20));
    let thawed = frozen.thaw().unwrap();
    assert!(!thawed.expired && thawed.frozen_for >= Duration::from_millis(300));
    written.recv_timeout(Duration::from_secs(10)).unwrap();
}

/// A loop device on a file, without a copy of it.
struct Inner {
    node: PathBuf,
}

impl Inner {
    fn new(image: &Path) -> Self {
        std::fs::File::create(image).unwrap().set_len(48 * MIB).unwrap();
        Self { node: rig::run("losetup", &["--find", "--show", image.to_str().unwrap()]).into() }
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        let _ = Command::new("losetup").arg("--detach").arg(&self.node).output();
    }
}

/// The other way round the freeze of the inner one would wait for the outer one, for ever.
fn a_filesystem_in_a_file_of_another_is_frozen_before_it() {
    let disk = LoopDisk::new(128 * MIB);
    let outer = Mounted::ext4(&disk.node);
    let image = Inner::new(&outer.path().join("image"));
    let inner = Mounted::ext4(&image.node);
    for place in [outer.path(), inner.path()] {
        std::fs::write(place.join("dirty"), vec![7; 4 << 20]).unwrap();
    }
    let mounts = mounts_at(&[outer.path(), inner.path()]);
    let frozen = Freezer::new().prepare(&mounts, Duration::from_secs(20)).unwrap().freeze().unwrap();
    frozen.check().unwrap();
    let written = [write_in(inner.path()), write_in(outer.path())];
    for written in &written {
        assert!(written.recv_timeout(Duration::from_millis(200)).is_err(), "written while frozen");
    }
    frozen.thaw().unwrap();
    for written in written {
        written.recv_timeout(Duration::from_secs(10)).unwrap();
    }
}

/// The file has the number of no device, so that nobody knows on which disk it lies.
fn a_filesystem_in_a_file_of_a_btrfs_is_held() {
    let disk = LoopDisk::new(256 * MIB);
    rig::run("mkfs.btrfs", &["-q", disk.node_text()]);
    let outer = Mounted::existing(&disk.node);
    let image = Inner::new(&outer.path().join("image"));
    let inner = Mounted::ext4(&image.node);
    let held = Everywhere::look().unwrap().held_on(&[disk.leaf().number()]);
    assert!(held.iter().any(|mount| mount.path == inner.path()), "{held:?}");
}

/// A process that has made mounts which nobody else sees, as a container's.
struct Hermit {
    process: Child,
    place: tempfile::TempDir,
}

impl Hermit {
    /// `script` finds the place as `$2` and `device` as `$1`.
    fn with(device: &Path, script: &str) -> Self {
        let place = tempfile::tempdir().unwrap();
        let mut process = Command::new("unshare")
            .args(["--mount", "sh", "-ec", &format!("{script}; echo mounted; read end"), "sh"])
            .args([device, place.path()])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        process.stdout.take().unwrap().read_exact(&mut [0; 7]).unwrap();
        Self { process, place }
    }

    /// The way from outside.
    fn way(&self) -> PathBuf {
        let inside = self.place.path().strip_prefix("/").unwrap();
        PathBuf::from(format!("/proc/{}/root", self.process.id())).join(inside)
    }
}

impl Drop for Hermit {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn made(kind: &str) -> LoopDisk {
    let disk = LoopDisk::new(320 * MIB);
    rig::run(&format!("mkfs.{kind}"), &["-q", disk.node_text()]);
    disk
}

/// What is held still of a disk, and what is named because it cannot be.
fn found_on(disk: &LoopDisk) -> (Vec<Mount>, Vec<String>) {
    let (all, number) = (Everywhere::look().unwrap(), [disk.leaf().number()]);
    let named = all.not_frozen(&number);
    // Of what runs beside this test, nobody can say that it does not lie on the disk: a btrfs, a file of one.
    let held = all.held_on(&number).into_iter();
    (held.filter(|mount| Path::new(&mount.source) == disk.node).collect(), named)
}

/// What is named of a disk of which nothing can be held.
fn named_on(disk: &LoopDisk) -> Vec<String> {
    let (held, named) = found_on(disk);
    assert!(held.is_empty(), "{held:?}");
    named
}

fn what_only_another_namespace_has_mounted_is_frozen() {
    for (kind, script, below) in [
        ("ext4", "mount \"$1\" \"$2\"", ""),
        ("btrfs", "mount \"$1\" \"$2\"", ""),
        // The first place that is listed is covered, and of the second a single file is all that there is.
        (
            "btrfs",
            "mkdir $2/a; mount $1 $2/a; touch $2/a/f $2/f; mount --bind $2/a/f $2/f; mount -t tmpfs none $2/a",
            "f",
        ),
    ] {
        let disk = made(kind);
        let hermit = Hermit::with(&disk.node, script);
        let (held, named) = found_on(&disk);
        let way = hermit.way().join(below);
        assert_eq!(held.iter().map(|mount| &mount.path).collect::<Vec<_>>(), [&way], "{kind}");
        assert!(named.is_empty(), "{kind}: {named:?}");
        let frozen = Freezer::new().prepare(&held, Duration::from_secs(20)).unwrap().freeze().unwrap();
        let written = write_to(if below.is_empty() { way.join("file") } else { way });
        assert!(written.recv_timeout(Duration::from_millis(300)).is_err(), "{kind}: written while frozen");
        frozen.thaw().unwrap();
        written.recv_timeout(Duration::from_secs(10)).unwrap();
    }
}

/// The process ends between the list and the freeze: the filesystem does not.
fn what_a_process_has_mounted_that_ends_is_frozen_all_the_same() {
    let disk = made("ext4");
    let hermit = Hermit::with(&disk.node, "mount \"$1\" \"$2\"");
    let (held, _) = found_on(&disk);
    drop(hermit);
    let frozen = Freezer::new().prepare(&held, Duration::from_secs(20)).unwrap().freeze().unwrap();
    frozen.check().unwrap();
    frozen.thaw().unwrap();
}

fn what_no_path_leads_to_is_named() {
    for kind in ["ext4", "xfs", "btrfs"] {
        let disk = made(kind);
        let mounted = Mounted::existing(&disk.node);
        assert_eq!(found_on(&disk).1, [""; 0], "{kind}: it is mounted");
        let open = std::fs::File::create(mounted.path().join("open")).unwrap();
        rig::run("umount", &["--lazy", mounted.path().to_str().unwrap()]);
        let name = disk.node.file_name().unwrap().to_str().unwrap();
        let named = format!("{name} ({kind}, mounted nowhere: not flushed either)");
        assert_eq!(named_on(&disk), [named], "{kind}");
        drop(open);
        assert_eq!(named_on(&disk), [""; 0], "{kind}: its last file is closed");
        let _covered = Hermit::with(&disk.node, "mount \"$1\" \"$2\"; mount -t tmpfs none \"$2\"");
        let named = format!("{} ({kind}, mounted out of reach: not flushed either)", disk.node_text());
        assert_eq!(named_on(&disk), [named], "{kind}");
    }
    let disk = made("ext4");
    let _reader = Hermit::with(&disk.node, "mount -o ro \"$1\" \"$2\"");
    assert_eq!(named_on(&disk), [""; 0], "nobody writes there");
}

fn what_was_not_written_yet_is_on_the_disk_once_frozen() {
    let disk = LoopDisk::new(256 * MIB);
    let mounted = Mounted::ext4(&disk.node);
    let content = vec![0xA5; 64 << 20];
    std::fs::write(mounted.path().join("dirty"), &content).unwrap();
    let began = Instant::now();
    let frozen = freeze(mounted.path(), Duration::from_secs(60));
    println!("64 MiB that were not written yet: frozen within {:.2} s", began.elapsed().as_secs_f64());
    let copy = LoopDisk::from_image(&disk.image());
    frozen.thaw().unwrap();
    let copied = Mounted::with_options(&copy.node, "ro,noload");
    assert!(std::fs::read(copied.path().join("dirty")).unwrap() == content);
}

/// No kernel that tests run on has to know vfat, so an ext4 stands for it: what is said of its kind decides.
fn what_can_only_be_flushed_is_on_the_disk_and_goes_on() {
    let disk = LoopDisk::new(128 * MIB);
    let outer = Mounted::ext4(&disk.node);
    let image = Inner::new(&outer.path().join("image"));
    let inner = Mounted::ext4(&image.node);
    let mut mounts = mounts_at(&[outer.path(), inner.path()]);
    mounts[1].kind = "vfat".into();
    let content = vec![0x5A; 4 << 20];
    std::fs::write(inner.path().join("loader"), &content).unwrap();
    // Flushed after the filesystem that its file lies in was frozen, it would wait for that until the deadline.
    let frozen = Freezer::new().prepare(&mounts, Duration::from_secs(20)).unwrap().freeze().unwrap();
    frozen.check().unwrap();
    let copy = LoopDisk::from_image(&outer.path().join("image"));
    let written = write_in(outer.path());
    assert!(written.recv_timeout(Duration::from_millis(200)).is_err(), "the other one is frozen");
    write_in(inner.path()).recv_timeout(Duration::from_secs(10)).unwrap();
    frozen.check().unwrap();
    frozen.thaw().unwrap();
    written.recv_timeout(Duration::from_secs(10)).unwrap();
    let copied = Mounted::existing(&copy.node);
    assert!(std::fs::read(copied.path().join("loader")).unwrap() == content);
}

fn dropping_thaws_and_the_watchdog_ends() {
    let (mounted, _disk) = new_filesystem();
    let prepared = Freezer::new().prepare(&mounts_at(&[mounted.path()]), Duration::from_secs(20)).unwrap();
    let process = PathBuf::from(format!("/proc/{}", prepared.watchdog_id()));
    assert!(process.exists());
    drop(prepared.freeze().unwrap());
    write_in(mounted.path()).recv_timeout(Duration::from_secs(10)).unwrap();
    assert!(!process.exists(), "the watchdog was waited for");
}

fn the_watchdog_thaws_at_the_deadline() {
    let (mounted, _disk) = new_filesystem();
    let frozen = freeze(mounted.path(), Duration::from_millis(400));
    write_in(mounted.path()).recv_timeout(Duration::from_secs(10)).unwrap();
    assert_eq!(frozen.remaining(), Duration::ZERO);
    assert!(matches!(frozen.check(), Err(FreezeError::Thawed { .. })));
    assert!(frozen.thaw().unwrap().expired);
    write_in(mounted.path()).recv_timeout(Duration::from_secs(10)).unwrap();
}

/// Freezes, says so, and waits to be killed.
fn victim(path: &Path) {
    let _frozen = freeze(path, Duration::from_secs(60));
    std::io::stdout().write_all(b"frozen").unwrap();
    std::io::stdout().flush().unwrap();
    let _ = std::io::stdin().read(&mut [0]);
}

fn the_watchdog_thaws_when_its_parent_is_killed() {
    let (mounted, _disk) = new_filesystem();
    let mut child = Command::new("/proc/self/exe")
        .args([VICTIM, mounted.path().to_str().unwrap()])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut said = [0; 6];
    child.stdout.take().unwrap().read_exact(&mut said).unwrap();
    let written = write_in(mounted.path());
    assert!(written.recv_timeout(Duration::from_millis(300)).is_err(), "written while frozen");
    let killed = Instant::now();
    child.kill().unwrap();
    written.recv_timeout(Duration::from_secs(20)).unwrap();
    assert!(killed.elapsed() < Duration::from_secs(20), "long before the deadline of a minute");
    child.wait().unwrap();
}

fn a_freeze_that_fails_leaves_nothing_frozen() {
    let ((first, _first_disk), (second, _second_disk)) = (new_filesystem(), new_filesystem());
    let mounts = mounts_at(&[first.path(), second.path()]);
    assert_eq!(mounts.len(), 2);
    // The one that is frozen last is frozen by someone else already.
    let foreign = mounts[0].path.to_str().unwrap().to_owned();
    rig::run("fsfreeze", &["--freeze", &foreign]);
    let result = Freezer::new().prepare(&mounts, Duration::from_secs(20)).unwrap().freeze();
    assert!(matches!(result, Err(FreezeError::Mount { action: "freeze", .. })), "{result:?}");
    write_in(&mounts[1].path).recv_timeout(Duration::from_secs(10)).unwrap();
    // It would fail if the watchdog had undone the foreign freeze as well.
    rig::run("fsfreeze", &["--unfreeze", &foreign]);
}

fn a_freeze_that_takes_too_long_leaves_nothing_frozen() {
    let ((first, _first_disk), (second, _second_disk)) = (new_filesystem(), new_filesystem());
    let mounts = mounts_at(&[first.path(), second.path()]);
    let prepared = Freezer::new().prepare(&mounts, Duration::from_millis(1)).unwrap();
    for mount in &mounts {
        // What has to be flushed takes longer than there is.
        std::fs::write(mount.path.join("dirty"), vec![7; 16 << 20]).unwrap();
    }
    let result = prepared.freeze();
    assert!(matches!(result, Err(FreezeError::Deadline { .. })), "{result:?}");
    for mount in &mounts {
        write_in(&mount.path).recv_timeout(Duration::from_secs(10)).unwrap();
    }
}

/// It would be frozen only at its end, and nobody could write until then.
fn a_btrfs_that_is_scrubbed_is_refused() {
    let disk = LoopDisk::new(2048 * MIB);
    rig::run("mkfs.btrfs", &["-q", disk.node_text()]);
    let mounted = Mounted::existing(&disk.node);
    let place = mounted.path().to_str().unwrap();
    let mounts = mounts_at(&[mounted.path()]);
    check(&mounts).unwrap();
    std::fs::write(mounted.path().join("much"), vec![7; 1 << 30]).unwrap();
    rig::run("sync", &["--file-system", place]);
    let mut scrub = Command::new("btrfs").args(["scrub", "start", "-B", place]).stdout(Stdio::null()).spawn().unwrap();
    let refused = loop {
        match check(&mounts) {
            Ok(()) => assert!(scrub.try_wait().unwrap().is_none(), "it ended before it was seen"),
            Err(refused) => break refused,
        }
    };
    assert!(matches!(refused, FreezeError::AtWork { work: "scrub", .. }), "{refused}");
    assert!(refused.to_string().ends_with(&format!("btrfs scrub cancel {place}")), "{refused}");
    let _ = Command::new("btrfs").args(["scrub", "cancel", place]).output();
    scrub.wait().unwrap();
    check(&mounts).unwrap();
}

fn what_is_covered_by_another_mount_is_named_and_holds_nothing_up() {
    let disk = made("ext4");
    let mounted = Mounted::existing(&disk.node);
    rig::run("mount", &["-t", "tmpfs", "none", mounted.path().to_str().unwrap()]);
    let named = format!("{} (ext4, mounted out of reach: not flushed either)", disk.node_text());
    assert_eq!(named_on(&disk), [named]);
    rig::run("umount", &[mounted.path().to_str().unwrap()]);
    assert_eq!(found_on(&disk).0.len(), 1);
}

fn a_btrfs_is_frozen_too() {
    let disk = LoopDisk::new(128 * MIB);
    rig::run("mkfs.btrfs", &["-q", disk.node_text()]);
    let mounted = Mounted::existing(&disk.node);
    let frozen = freeze(mounted.path(), Duration::from_secs(20));
    let written = write_in(mounted.path());
    assert!(written.recv_timeout(Duration::from_millis(300)).is_err(), "written while frozen");
    frozen.thaw().unwrap();
    written.recv_timeout(Duration::from_secs(10)).unwrap();
}

/// What of a disk our own readers call free, as it is read while a copy begins.
fn free_in_use(disk: &LoopDisk) -> Free {
    FreeMap::prepare_by(&disk.leaf(), Reading::InUse, Ways::OwnReaders).unwrap().read().unwrap()
}

fn an_own_reader_finds_the_disk_up_to_date() {
    for kind in ["ext4", "ext2", "xfs"] {
        let disk = LoopDisk::new(320 * MIB);
        rig::run(&format!("mkfs.{kind}"), &["-q", disk.node_text()]);
        let mounted = Mounted::existing(&disk.node);
        let before: u64 = free_in_use(&disk).ranges.iter().map(|range| range.end - range.start).sum();
        let file = mounted.path().join("late");
        std::fs::write(&file, vec![1; 40 << 20]).unwrap();
        let free = free_in_use(&disk);
        assert!(free.unmapped.is_empty(), "{kind}: {:?}", free.unmapped);
        let after: u64 = free.ranges.iter().map(|range| range.end - range.start).sum();
        assert!(after + 40 * MIB <= before && after + 44 * MIB > before, "{kind}: {before} and then {after}");
        // It is thawed again.
        write_in(mounted.path()).recv_timeout(Duration::from_secs(10)).unwrap();
    }
}

fn what_cannot_be_frozen_is_copied_whole() {
    let (mounted, disk) = new_filesystem();
    let place = mounted.path().to_str().unwrap();
    rig::run("sync", &["--file-system", place]);
    rig::run("fsfreeze", &["--freeze", place]);
    let free = free_in_use(&disk);
    let _ = Command::new("fsfreeze").args(["--unfreeze", place]).output();
    assert!(free.ranges.is_empty());
    assert!(matches!(free.unmapped[..], [Unmapped::NotAtRest { .. }]), "{:?}", free.unmapped);
}

/// The order that makes skipping safe, on filesystems at work: with the tracker armed first, every block that our own reader
/// called free and that is used in the end was seen to be written. Not xfs, which takes blocks into its free list unwritten.
fn what_was_free_and_is_used_in_the_end_was_written() {
    rig::tracefs();
    for kind in ["ext4", "ext2"] {
        // Some kernels withhold an event and say so: then the tracker doubts, and the disk would be scanned. The shorter an
        // attempt, the likelier it is without.
        assert!((0..15).any(|_| is_told_of_all_that_became_used(kind)), "{kind}: in doubt every time");
    }
}

/// Whether the tracker was in no doubt; panics if it was in none and missed something.
fn is_told_of_all_that_became_used(kind: &str) -> bool {
    let disk = LoopDisk::new(128 * MIB);
    rig::run(&format!("mkfs.{kind}"), &["-q", disk.node_text()]);
    let mounted = Mounted::existing(&disk.node);
    let done = AtomicBool::new(false);
    // Used, and for the greater part not on the disk yet.
    (0..200).for_each(|round| churn_once(mounted.path(), round));
    let (mut changes, mut doubts) = (Vec::new(), 0);
    let (first, last) = std::thread::scope(|scope| {
        scope.spawn(|| churn(mounted.path(), &done));
        let mut tracker = Tracker::arm(&[disk.leaf()]).unwrap();
        let waiter = tracker.waiter().unwrap();
        let first = free_in_use(&disk).ranges;
        let until = Instant::now() + Duration::from_secs(1);
        let mut take = |drained: qianyun_replication_io::tracker::Drained| {
            // A change of a part of a block is one of the block.
            let blocks = |range: Range<u64>| range.start / 4096 * 4096..range.end.next_multiple_of(4096);
            changes.extend(drained.changes.into_iter().flatten().map(blocks));
            doubts += drained.doubts.len();
        };
        while Instant::now() < until {
            waiter.wait(Duration::from_millis(50)).unwrap();
            take(tracker.drain().unwrap());
        }
        done.store(true, Ordering::Relaxed);
        let map = FreeMap::prepare_by(&disk.leaf(), Reading::Frozen, Ways::OwnReaders).unwrap();
        let _frozen = rig::Frozen::new(mounted.path().to_str().unwrap());
        take(tracker.settle(Instant::now() + Duration::from_secs(20)).unwrap());
        (first, map.read().unwrap())
    });
    assert!(last.unmapped.is_empty(), "{:?}", last.unmapped);
    let known = rig::merged(last.ranges.into_iter().chain(changes).collect());
    let is_known = |block: u64| {
        let next = known.partition_point(|range| range.end < block + 4096);
        known.get(next).is_some_and(|range| range.start <= block)
    };
    let missed = first.iter().flat_map(|range| range.clone().step_by(4096)).find(|block| !is_known(*block));
    assert!(doubts > 0 || missed.is_none(), "{kind}: byte {missed:?} was free, is used, and was not written");
    doubts == 0
}

/// Files that come and go, until it is done.
fn churn(folder: &Path, done: &AtomicBool) {
    (200..).take_while(|_| !done.load(Ordering::Relaxed)).for_each(|round| churn_once(folder, round));
}

fn churn_once(folder: &Path, round: usize) {
    let file = |index: usize| folder.join(format!("f{}", index % 150));
    std::fs::write(file(round), vec![1; (round * 7919) % 300_000]).unwrap();
    if round.is_multiple_of(3) {
        let _ = std::fs::remove_file(file(round * 31));
    }
}
