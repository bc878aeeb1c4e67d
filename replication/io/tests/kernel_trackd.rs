//! The map that outlives its source: processes killed in turn, each a real one, on a disk that is written to. Needs root and
//! tracefs.
//!
//! Without the test harness, because this program is also the tracker's process, and the source that is killed.
#![allow(clippy::unwrap_used)] // outside of `#[test]` too: a panic fails the test

mod ends;
mod rig;
mod tls;

use ends::{PATIENCE, Site, assert_same_bytes, in_sync, source_to, wait_for};
use qianyun_replication::checkpoint::{Checkpoint, DiskCheckpoint, KeptOpening};
use qianyun_replication::geometry::{BLOCKS_PER_CHUNK, CHUNK_BYTES};
use qianyun_replication::ledger::Ledger;
use qianyun_replication_io::device::LeafDisk;
use qianyun_replication_io::source::Replication;
use qianyun_replication_io::trackd::{self, Client, Keep};
use qianyun_replication_io::tracker::Way;
use rig::{LoopDisk, tracefs};
use std::collections::BTreeSet;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::Arc;
use std::time::Instant;
use tls::Authority;
use tokio::runtime::Runtime;
use tokio::task::JoinHandle;

const SOURCE: &str = "follow-until-killed";
const MIB: u64 = 1 << 20;
/// Content of the disk, and the part of it that is written to: small, so that whoever reads all of it is found out.
const CONTENT: u64 = 40 * MIB;
const BUSY_BLOCKS: u64 = 1024;

fn main() {
    let mut arguments = std::env::args().skip(1);
    match arguments.next().as_deref() {
        Some(trackd::ROLE) => trackd::main(arguments).unwrap(),
        Some(SOURCE) => Runtime::new().unwrap().block_on(source(&arguments.collect::<Vec<_>>())),
        Some("--list") => {}
        _ => run_all(),
    }
}

fn run_all() {
    tracefs();
    let tests: [(&str, Scenario); 11] = [
        ("a_source_that_is_killed_goes_on_and_sends_what_changed", a_source_that_is_killed_goes_on),
        ("a_source_that_is_killed_with_its_receiver_goes_on", both_ends_that_are_killed_go_on),
        ("a_source_that_was_stopped_sends_nothing_again", a_source_that_was_stopped_sends_nothing_again),
        ("a_source_that_was_stopped_over_a_bad_place_does_not_hand_on_zeros", a_bad_place_is_not_handed_on),
        ("a_source_that_is_killed_at_the_end_goes_on", a_source_that_is_killed_at_the_end_goes_on),
        ("a_killed_tracker_is_a_doubt_and_a_rescan", a_killed_tracker_is_a_doubt_and_a_rescan),
        ("a_tracker_that_died_with_its_source_is_not_believed", a_tracker_that_died_with_its_source),
        ("a_tracker_that_speaks_another_version_is_not_believed", a_tracker_that_speaks_another_version),
        ("a_disk_that_has_grown_is_not_armed_anew_at_its_old_size", a_disk_that_has_grown),
        ("what_cannot_be_tracked_leaves_no_dead_processes", what_cannot_be_tracked),
        ("rings_that_are_too_small_end_in_a_doubt_that_stays", rings_that_are_too_small),
    ];
    for (name, test) in tests {
        told_in_full(test);
        println!("test {name} ... ok");
    }
}

/// The kernel counted an event and gave no record of it; see the tracker's own tests.
#[derive(Debug)]
struct Withheld(String);

type Scenario = fn() -> Result<(), Withheld>;

/// Runs `scenario` until the kernel has told all of it: more than a few in a row are a fault of ours.
fn told_in_full(scenario: Scenario) {
    let withheld: Vec<_> = (0..5).map_while(|_| scenario().err()).map(|Withheld(doubt)| doubt).collect();
    assert!(withheld.len() < 5, "events are missing in every run: {withheld:?}");
}

/// The source in a process of its own: answers each line on its standard input with one.
async fn source(arguments: &[String]) {
    let [address, node, keep, key] = arguments else { panic!("{arguments:?}") };
    let authority = Authority::with_key(&std::fs::read_to_string(key).unwrap());
    let leaf = LeafDisk::from_node(Path::new(node)).unwrap();
    let replication = source_to(address.parse().unwrap(), &authority, &leaf, Some(keep.into()));
    let mut lines = std::io::stdin().lock().lines();
    while let Some(line) = tokio::task::block_in_place(|| lines.next()) {
        match line.unwrap().as_str() {
            "look" => say(&look(&replication)),
            "finish" => say(&finish(&replication).await),
            "stop" => return replication.stop().await,
            "end" => return replication.end().await,
            other => panic!("{other}"),
        }
    }
}

fn say(line: &str) {
    let mut out = std::io::stdout().lock();
    writeln!(out, "{line}").and_then(|()| out.flush()).unwrap();
}

fn look(replication: &Replication) -> String {
    let disk = replication.progress().remove(0);
    let counters = disk.progress.counters;
    let numbers = [counters.sent_bytes, counters.wire_bytes, counters.read_bytes, disk.progress.unverified_bytes];
    let synced = in_sync(&disk) && disk.progress.unverified_bytes == 0;
    format!("{synced} {} {}", numbers.map(|n| n.to_string()).join(" "), disk.progress.doubt)
}

/// The application was stopped by the test; the disk is as still as a frozen one.
async fn finish(replication: &Replication) -> String {
    let prepared = replication.prepare_final().map_err(|error| error.to_string());
    let finalised = match prepared {
        Ok(()) => replication.finalise(Instant::now() + PATIENCE).await.map_err(|error| error.to_string()),
        Err(error) => Err(error),
    };
    match finalised {
        Ok(records) => {
            let same = records.iter().all(|r| r.source_root == r.target_root && r.traced_sectors == r.counted_sectors);
            format!("proved {same}")
        }
        Err(error) => error,
    }
}

/// What a source says of itself.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Look {
    synced: bool,
    sent: u64,
    wire: u64,
    read: u64,
    unverified: u64,
    doubt: String,
}

/// A source's process, from outside.
struct Source {
    child: Child,
    asks: ChildStdin,
    answers: BufReader<ChildStdout>,
}

impl Source {
    fn ask(&mut self, what: &str) -> String {
        writeln!(self.asks, "{what}").unwrap();
        let mut line = String::new();
        self.answers.read_line(&mut line).unwrap();
        line.trim().to_owned()
    }

    fn look(&mut self) -> Look {
        let line = self.ask("look");
        let fields: Vec<&str> = line.splitn(6, ' ').collect();
        let number = |at: usize| fields[at].parse().unwrap();
        Look {
            synced: fields[0] == "true",
            sent: number(1),
            wire: number(2),
            read: number(3),
            unverified: number(4),
            doubt: fields.get(5).copied().unwrap_or_default().to_owned(),
        }
    }

    fn wait(&mut self, what: &str, mut reached: impl FnMut(&Look) -> bool) -> Look {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let look = self.look();
            if reached(&look) {
                return look;
            }
            assert!(Instant::now() < deadline, "{what}: {look:?}");
            std::thread::sleep(std::time::Duration::from_millis(5));
        }
    }

    /// Until everything is the same; a doubt that the kernel's own withholding explains ends the run.
    fn synced(&mut self) -> Result<Look, Withheld> {
        let look = self.wait("in sync", |look| look.synced || look.doubt.contains("happened on CPU"));
        if look.synced { Ok(look) } else { Err(Withheld(look.doubt)) }
    }

    /// Until everything is the same, and the link is one that a checkpoint states; who keeps the map.
    fn settled(&mut self, world: &World) -> Result<Vec<u32>, Withheld> {
        self.synced()?;
        let deadline = Instant::now() + PATIENCE;
        while world.checkpoint_epoch() != Some(world.ledger_epoch()) {
            assert!(Instant::now() < deadline, "{:?} of {}", world.checkpoint_epoch(), world.ledger_epoch());
            std::thread::sleep(std::time::Duration::from_millis(5));
        }
        Ok(world.trackers())
    }

    fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    fn tell_and_wait(mut self, what: &str) {
        writeln!(self.asks, "{what}").unwrap();
        assert!(self.child.wait().unwrap().success());
    }

    fn finish(&mut self) -> Result<(), Withheld> {
        let said = self.ask("finish");
        if said.contains("happened on CPU") {
            return Err(Withheld(said));
        }
        assert_eq!(said, "proved true");
        Ok(())
    }
}

/// A disk with content, a receiver that has a copy of it, and a folder in which a map is kept.
struct World {
    runtime: Runtime,
    site: Site,
    target: Option<JoinHandle<()>>,
    keep: tempfile::TempDir,
    disk: LoopDisk,
    written: BTreeSet<u64>,
    writes: u64,
}

impl World {
    fn new() -> Self {
        let runtime = Runtime::new().unwrap();
        let authority = Arc::new(Authority::new());
        let disk = LoopDisk::new(CONTENT + 8 * MIB + 512);
        (0..CONTENT / MIB).for_each(|chunk| disk.write(chunk * MIB, 1 << 20, u8::try_from(chunk + 1).unwrap()));
        let keep = tempfile::tempdir().unwrap();
        std::fs::write(keep.path().join("key"), authority.key()).unwrap();
        let site = Site::new(&authority);
        let mut world = Self { runtime, site, target: None, keep, disk, written: BTreeSet::new(), writes: 0 };
        world.restart_target();
        world
    }

    fn restart_target(&mut self) {
        if let Some(target) = self.target.take() {
            target.abort();
        }
        self.target = Some(self.runtime.block_on(self.site.start(&self.disk.leaf())));
    }

    fn kept(&self) -> PathBuf {
        self.keep.path().join("map")
    }

    /// The link that the newest checkpoint states, once everything was copied and compared.
    fn checkpoint_epoch(&self) -> Option<u32> {
        let bytes = std::fs::read(self.kept().join("checkpoint")).ok()?;
        let checkpoint = Checkpoint::decode(&bytes).unwrap();
        let settled = |disk: &DiskCheckpoint| {
            disk.opening == KeptOpening::Opened && disk.first.is_empty() && disk.unverified.is_empty()
        };
        checkpoint.disks.iter().all(settled).then_some(checkpoint.highest_epoch)
    }

    /// The link that the receiver has, by its ledger.
    fn ledger_epoch(&self) -> u32 {
        let slots = [0, 1].map(|slot| std::fs::read(self.site.dir.path().join(format!("ledger.{slot}"))).ok());
        Ledger::newest([slots[0].as_deref(), slots[1].as_deref()]).unwrap().unwrap().epoch
    }

    fn source(&self) -> Source {
        let mut child = Command::new("/proc/self/exe")
            .args([SOURCE, &self.site.address().to_string(), self.disk.node_text()])
            .args([self.kept(), self.keep.path().join("key")])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let (asks, answers) = (child.stdin.take().unwrap(), BufReader::new(child.stdout.take().unwrap()));
        Source { child, asks, answers }
    }

    /// The application: single blocks of the busy part, each durable.
    fn write(&mut self, count: u64) {
        for _ in 0..count {
            self.writes += 1;
            let block = self.writes.wrapping_mul(2_654_435_761) % BUSY_BLOCKS;
            self.disk.write(block * 4096, 4096, u8::try_from(self.writes % 251 + 1).unwrap());
            self.written.insert(block);
        }
    }

    /// What a source may send that begins to go on after all that was written.
    fn most(&self) -> u64 {
        self.written.len() as u64 * 4096 * 13 / 10 + MIB
    }

    /// Nothing was compared: that would have been to read all. Unless the one that kept the map had reason to doubt.
    fn went_on(&self, look: &Look, kept_by: &[u32]) -> Result<(), Withheld> {
        if self.trackers() != kept_by {
            return Err(Withheld(format!("{kept_by:?} was in doubt")));
        }
        assert!(look.sent <= self.most() && look.wire <= self.most(), "{look:?}, at most {}", self.most());
        assert!(look.read < CONTENT / 2, "everything was read again: {look:?}");
        Ok(())
    }

    /// The processes that keep the map of this world.
    fn trackers(&self) -> Vec<u32> {
        rig::trackers_of(&self.disk.node).into_iter().map(|(process, _)| process).collect()
    }

    fn kill_tracker(&self) -> u32 {
        let trackers = self.trackers();
        assert_eq!(trackers.len(), 1);
        rig::run("kill", &["-9", &trackers[0].to_string()]);
        trackers[0]
    }

    /// The end is right whatever came before, and leaves nothing behind.
    fn proved(&self, mut source: Source) -> Result<(), Withheld> {
        source.finish()?;
        assert_same_bytes(&self.disk, &self.site.volume());
        source.tell_and_wait("end");
        assert_eq!(self.trackers(), Vec::<u32>::new());
        Ok(())
    }
}

fn a_source_that_is_killed_goes_on() -> Result<(), Withheld> {
    let mut world = World::new();
    let mut source = world.source();
    let kept_by = source.settled(&world)?;
    world.write(150);
    let before = source.look().sent;
    world.write(50);
    source.wait("changes are sent", |look| look.sent > before);
    world.write(10);
    source.kill();
    world.write(200);
    let mut source = world.source();
    world.write(20);
    let look = source.synced()?;
    world.went_on(&look, &kept_by)?;
    assert!(look.sent >= 200 * 4096, "what changed in between was sent");
    source.settled(&world)?;
    source.kill();
    let mut source = world.source();
    let again = source.synced()?;
    world.went_on(&again, &kept_by)?;
    world.proved(source)
}

fn both_ends_that_are_killed_go_on() -> Result<(), Withheld> {
    let mut world = World::new();
    let mut source = world.source();
    source.settled(&world)?;
    let first = world.ledger_epoch();
    world.restart_target();
    world.write(100);
    let kept_by = source.settled(&world)?;
    assert!(world.ledger_epoch() > first, "another link, and a checkpoint of it");
    world.write(10);
    source.kill();
    world.restart_target();
    world.write(30);
    let mut source = world.source();
    let look = source.synced()?;
    world.went_on(&look, &kept_by)?;
    world.proved(source)
}

fn a_source_that_was_stopped_sends_nothing_again() -> Result<(), Withheld> {
    let mut world = World::new();
    let mut source = world.source();
    let kept_by = source.settled(&world)?;
    let before = source.look().sent;
    world.write(300);
    let all = before + world.written.len() as u64 * 4096;
    source.wait("the changes", |look| look.synced && look.sent >= all);
    source.tell_and_wait("stop");
    let mut source = world.source();
    let look = source.synced()?;
    world.went_on(&look, &kept_by)?;
    assert!(look.sent < 64 * 4096, "{look:?}");
    world.proved(source)
}

fn a_bad_place_is_not_handed_on() -> Result<(), Withheld> {
    let world = World::new();
    let (good, size) = (CONTENT + 6 * MIB, world.disk.leaf().size_bytes());
    world.disk.resize_file(good);
    for _ in ["the first", "the one after it"] {
        let mut source = world.source();
        source.synced()?;
        let said = source.ask("finish");
        assert!(said.contains(&format!("{} bytes", size - good)) && said.contains("cannot be read"), "{said}");
        source.tell_and_wait("stop");
    }
    world.disk.resize_file(size);
    let mut source = world.source();
    world.disk.write(good, usize::try_from(size - good).unwrap(), 9);
    source.synced()?;
    world.proved(source)
}

fn a_source_that_is_killed_at_the_end_goes_on() -> Result<(), Withheld> {
    let mut world = World::new();
    let mut source = world.source();
    let kept_by = source.settled(&world)?;
    source.finish()?;
    source.kill();
    world.write(20);
    let mut source = world.source();
    let look = source.synced()?;
    world.went_on(&look, &kept_by)?;
    world.proved(source)
}

fn a_killed_tracker_is_a_doubt_and_a_rescan() -> Result<(), Withheld> {
    let mut world = World::new();
    let mut source = world.source();
    let first = source.synced()?;
    let killed = world.kill_tracker();
    world.write(20);
    let look = source.wait("the rescan", |look| look.synced && look.read >= first.read + CONTENT / 2);
    assert!(look.sent > first.sent, "what nobody saw was found");
    assert_ne!(world.trackers(), vec![killed], "another keeps the map now");
    let kept_by = source.settled(&world)?;
    source.kill();
    let mut source = world.source();
    let look = source.synced()?;
    world.went_on(&look, &kept_by)?;
    world.proved(source)
}

fn a_tracker_that_died_with_its_source() -> Result<(), Withheld> {
    let mut world = World::new();
    let mut source = world.source();
    source.settled(&world)?;
    source.kill();
    world.kill_tracker();
    world.write(20);
    let mut source = world.source();
    let look = source.synced()?;
    assert!(look.read >= CONTENT, "nobody saw what changed: {look:?}");
    // A hash tells that a chunk differs, not where.
    let chunks: BTreeSet<u64> = world.written.iter().map(|block| block / BLOCKS_PER_CHUNK).collect();
    let most = chunks.len() as u64 * CHUNK_BYTES;
    assert!(look.sent <= most && look.wire <= most * 101 / 100, "{look:?}, at most {most} and its frames");
    source.kill();
    world.kill_tracker();
    let mut source = world.source();
    let look = source.synced()?;
    // What the target has no room for is told anew to be zeros, in a few words.
    assert!(look.read >= CONTENT && look.sent == 0 && look.wire < 4096, "nothing had changed: {look:?}");
    world.proved(source)
}

/// A source's first words in version `version` of the protocol, and the kind of the answer: byte by byte, for another release
/// must find them where they are.
fn greet(world: &World, version: u16) -> u8 {
    let line = std::fs::read_to_string(format!("/proc/{}/cmdline", world.trackers()[0])).unwrap();
    let subject = hex::decode(line.split('\0').nth(3).unwrap()).unwrap();
    let body = [&[1], &version.to_le_bytes()[..], &subject].concat();
    let mut stream = UnixStream::connect(world.kept().join("trackd.sock")).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream.write_all(&[&u32::try_from(body.len()).unwrap().to_le_bytes()[..], &body].concat()).unwrap();
    let mut answer = [0; 5];
    stream.read_exact(&mut answer).unwrap();
    answer[4]
}

/// The process that keeps the map opens the disk anew, and would take its new size for the right one: nobody would ever copy
/// what lies beyond the old end.
fn a_disk_that_has_grown() -> Result<(), Withheld> {
    let world = World::new();
    let (old, grown) = (world.disk.leaf().size_bytes(), 2 * world.disk.leaf().size_bytes());
    let authority = Authority::with_key(&std::fs::read_to_string(world.keep.path().join("key")).unwrap());
    world.runtime.block_on(async {
        let replication = source_to(world.site.address(), &authority, &world.disk.leaf(), Some(world.kept()));
        wait_for(&replication, "in sync", in_sync).await;
        assert_eq!(world.trackers().len(), 1);
        world.disk.resize(grown);
        let words = format!("has {grown} bytes, {old} when it was opened");
        wait_for(&replication, "the words", |disk| disk.message.contains(&words)).await;
        assert!(!in_sync(&replication.progress()[0]));
        replication.prepare_final().unwrap();
        let refused = replication.finalise(Instant::now() + PATIENCE).await.unwrap_err().to_string();
        assert!(refused.contains(&words), "{refused}");
        replication.stop().await;
    });
    assert_eq!(world.trackers(), Vec::<u32>::new(), "none that is armed on another size stays");
    Ok(())
}

fn what_cannot_be_tracked() -> Result<(), Withheld> {
    let disk = LoopDisk::new(MIB);
    let keep = tempfile::tempdir().unwrap();
    let keep = Keep {
        dir: keep.path().to_owned(),
        subject: [1; 32],
        disks: vec![disk.leaf()],
        // No power of two: no memory can be had.
        ring_bytes: Some(3),
    };
    for _ in 0..5 {
        Client::start(&keep, Way::Rings).unwrap_err();
    }
    let deadline = Instant::now() + PATIENCE;
    while children() > 0 {
        assert!(Instant::now() < deadline, "{} processes are left", children());
        std::thread::sleep(std::time::Duration::from_millis(5));
    }
    Ok(())
}

/// Processes whose parent this one is, dead ones too.
fn children() -> usize {
    let own = format!("PPid:\t{}", std::process::id());
    let entries = std::fs::read_dir("/proc").unwrap().flatten();
    let statuses = entries.filter_map(|entry| std::fs::read_to_string(entry.path().join("status")).ok());
    statuses.filter(|status| status.lines().any(|line| line == own)).count()
}

fn a_tracker_that_speaks_another_version() -> Result<(), Withheld> {
    const WELCOME: u8 = 1;
    const DONE: u8 = 3;
    let mut world = World::new();
    let mut source = world.source();
    let kept_by = source.settled(&world)?;
    source.kill();
    assert_eq!((greet(&world, 1), world.trackers()), (WELCOME, kept_by));
    world.write(10);
    assert_eq!(greet(&world, 2), DONE, "it has ended, and does not guess what the other means");
    let deadline = Instant::now() + PATIENCE;
    while !world.trackers().is_empty() {
        assert!(Instant::now() < deadline);
        std::thread::sleep(std::time::Duration::from_millis(5));
    }
    world.write(10);
    let mut source = world.source();
    let look = source.synced()?;
    assert!(look.read >= CONTENT, "nobody saw what changed: {look:?}");
    world.proved(source)
}

fn rings_that_are_too_small() -> Result<(), Withheld> {
    let world = World::new();
    let keep = Keep { dir: world.kept(), subject: [7; 32], disks: vec![world.disk.leaf()], ring_bytes: Some(4096) };
    let mut client = Client::start(&keep, Way::Best).unwrap();
    let generation = client.generation();
    assert!(!client.was_doubted());
    // It drains on its own, also while nobody asks: only a burst is more than it can take.
    let file = format!("--filename={}", world.disk.node_text());
    let burst = ["--name=b", &file, "--rw=randwrite", "--bs=4k", "--direct=1", "--ioengine=libaio", "--iodepth=64"];
    rig::run("fio", &[&burst[..], &["--size=16m", "--output-format=terse"]].concat());
    let found = client.settle(Instant::now() + PATIENCE).unwrap();
    assert!(!found.doubts.is_empty());
    drop(client);
    let again = Client::connect(&keep).unwrap();
    assert!(again.was_doubted() && again.generation() == generation);
    // It does not hear of a successor while it has a client; when it ends, the other must still be found.
    let successor = Client::start(&keep, Way::Best).unwrap();
    let newer = successor.generation();
    drop((successor, again));
    let deadline = Instant::now() + PATIENCE;
    while world.trackers().len() > 1 {
        assert!(Instant::now() < deadline);
        std::thread::sleep(std::time::Duration::from_millis(5));
    }
    let again = Client::connect(&keep).unwrap();
    assert!(!again.was_doubted() && again.generation() == newer);
    let other = Keep { subject: [8; 32], ..keep.clone() };
    drop(again);
    assert!(Client::connect(&other).is_err(), "it was asked for something else");
    assert!(Client::connect(&keep).is_err(), "and has ended");
    Ok(())
}
