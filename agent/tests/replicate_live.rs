//! The plain copy as a person runs it: two processes, a disk in use between them, and what happens to either. Needs root.
#![expect(clippy::unwrap_used, reason = "a test that cannot set its world up has failed")]

#[path = "../../replication/io/tests/rig/mod.rs"]
mod rig;

use qianyun_replication::checkpoint::Checkpoint;
use rig::port::Port;
use rig::{LoopDisk, Mounted, run, tracefs, trackers_of};
use std::fs::{self, File};
use std::io::Write;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

const MIB: u64 = 1 << 20;
/// What is compared by one hash.
const CHUNK: usize = 1 << 20;
/// What a canary and a freeze change in an ext4 that nobody else uses: blocks of its journal, its superblock, bitmaps, inodes
/// and root directory, each in a chunk that may be sent whole.
const AT_THE_END: usize = 6 * CHUNK;
const DEADLINE: Duration = Duration::from_secs(120);

/// The receiving machine: a folder, and a process that may die.
struct Receiver {
    dir: tempfile::TempDir,
    port: Port,
    more: Vec<String>,
    process: Option<Child>,
}

impl Receiver {
    fn new(more: &[&str]) -> Self {
        tracefs();
        let more = more.iter().map(|argument| (*argument).to_owned()).collect();
        let mut receiver = Self { dir: tempfile::tempdir().unwrap(), port: Port::new(), more, process: None };
        receiver.start();
        wait("the pairing code", || receiver.code().exists());
        receiver
    }

    fn start(&mut self) {
        let log = File::options().create(true).append(true).open(self.dir.path().join("log")).unwrap();
        let child = Command::new(env!("CARGO_BIN_EXE_qianyun-agent"))
            .args(["replicate", "receive", "--lang", "en", "--listen", &self.port.address().to_string(), "--dir"])
            .arg(self.dir.path())
            .args(&self.more)
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            .spawn();
        self.process = Some(child.unwrap());
    }

    fn signal(&self, signal: &str) {
        run("kill", &[signal, &self.process.as_ref().unwrap().id().to_string()]);
    }

    fn kill(&mut self) {
        if let Some(mut process) = self.process.take() {
            process.kill().unwrap();
            process.wait().unwrap();
        }
    }

    fn code(&self) -> PathBuf {
        self.dir.path().join("code")
    }

    fn volume(&self, disk: &LoopDisk) -> PathBuf {
        self.dir.path().join(format!("{}.raw", disk.node.file_name().unwrap().to_str().unwrap()))
    }

    fn record(&self) -> PathBuf {
        self.dir.path().join("sent.json")
    }

    fn send(&self, node: &Path, more: &[&str]) -> Command {
        self.send_by(Path::new(env!("CARGO_BIN_EXE_qianyun-agent")), node, more)
    }

    fn send_by(&self, program: &Path, node: &Path, more: &[&str]) -> Command {
        let mut command = Command::new(program);
        command
            .args(["replicate", "send", "--lang", "en", "--to", &self.port.address().to_string(), "--disk"])
            .arg(node)
            .args([Path::new("--code-file"), &self.code(), Path::new("--record"), &self.record()])
            .args(more)
            .stdin(Stdio::null());
        command
    }

    /// Runs a sender to its end, which must be good; what it printed.
    fn sent(&self, node: &Path) -> String {
        let output = self.send(node, &[]).output().unwrap();
        assert!(output.status.success(), "{}{}", said(&output), self.log());
        said(&output)
    }

    fn log(&self) -> String {
        fs::read_to_string(self.dir.path().join("log")).unwrap_or_default()
    }
}

impl Drop for Receiver {
    fn drop(&mut self) {
        self.kill();
    }
}

fn said(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

fn wait(what: &str, mut reached: impl FnMut() -> bool) {
    let deadline = Instant::now() + DEADLINE;
    while !reached() {
        assert!(Instant::now() < deadline, "waited in vain for {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// The bytes in a column of the table that a sender prints at its end.
fn column(text: &str, name: &str) -> f64 {
    let mut lines = text.lines().skip_while(|line| !line.contains("skipped"));
    let cells =
        |line: &str| line.trim().split("  ").map(str::trim).filter(|c| !c.is_empty()).map(str::to_owned).collect();
    let (heads, values): (Vec<String>, Vec<String>) = (cells(lines.next().unwrap()), cells(lines.next().unwrap()));
    let value = &values[heads.iter().position(|head| head == name).unwrap()];
    let (number, unit) = value.split_once(' ').unwrap();
    let factor = match unit {
        "B" => 1.0,
        "KiB" => 1024.0,
        "MiB" => 1024.0 * 1024.0,
        other => panic!("{other}"),
    };
    number.parse::<f64>().unwrap() * factor
}

/// Content that does not compress, the same for the same seed.
fn noise(bytes: usize, mut seed: u64) -> Vec<u8> {
    let step = || {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        seed.to_be_bytes()[0]
    };
    std::iter::repeat_with(step).take(bytes).collect()
}

/// Writes numbered files, each durable before the next, until told to stop.
fn keep_writing(place: &Path, stop: &AtomicBool) -> usize {
    let mut number = 0;
    while !stop.load(Ordering::Relaxed) {
        let mut file = File::create(place.join(format!("n{}", number % 50))).unwrap();
        file.write_all(&noise(20_000, number)).unwrap();
        file.sync_all().unwrap();
        number += 1;
    }
    usize::try_from(number).unwrap()
}

/// The copy holds together and has the file.
fn assert_sound(volume: &Path, file: &str, content: &[u8]) {
    let copy = LoopDisk::from_image(volume);
    run("e2fsck", &["-fn", copy.node_text()]);
    let mounted = Mounted::with_options(&copy.node, "ro,noload");
    assert_eq!(fs::read(mounted.path().join(file)).unwrap(), content);
}

#[test]
fn a_disk_in_use_is_copied_proved_and_its_copy_is_sound() {
    let disk = LoopDisk::new(128 * MIB);
    let mounted = Mounted::ext4(&disk.node);
    let content = noise(10 << 20, 1);
    fs::write(mounted.path().join("kept"), &content).unwrap();
    let receiver = Receiver::new(&[]);
    let stop = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let writer = scope.spawn(|| keep_writing(mounted.path(), &stop));
        // A kernel that withholds events leaves a doubt in every attempt: then the same command again is the answer.
        let doubted = |sent: &Output| !sent.status.success() && said(sent).contains("in doubt");
        let sent = (0..3).map(|_| receiver.send(&disk.node, &[]).output().unwrap()).find(|sent| !doubted(sent));
        stop.store(true, Ordering::Relaxed);
        let (written, sent) = (writer.join().unwrap(), sent.expect("in doubt each time"));
        assert!(written > 0 && sent.status.success(), "{written} written: {}", said(&sent));
    });
    assert_sound(&receiver.volume(&disk), "kept", &content);
    let ca = format!("{}.ca.pem", receiver.record().display());
    for record in [receiver.record(), receiver.dir.path().join("record.json")] {
        run(env!("CARGO_BIN_EXE_qianyun-agent"), &["verify-record", record.to_str().unwrap(), "--ca", &ca]);
    }
}

#[test]
fn the_same_command_again_sends_only_what_differs_and_so_does_the_way_back() {
    let disk = LoopDisk::new(128 * MIB);
    let mounted = Mounted::ext4(&disk.node);
    fs::write(mounted.path().join("kept"), noise(40 << 20, 1)).unwrap();
    let receiver = Receiver::new(&[]);
    assert!(column(&receiver.sent(&disk.node), "wire") > 40e6);
    fs::write(mounted.path().join("new"), noise(2 << 20, 2)).unwrap();
    let again = column(&receiver.sent(&disk.node), "wire");
    assert!((2e6..8e6).contains(&again), "{again}");
    drop(mounted);

    // The copy is put to work, changes, and goes back to where it came from.
    let copy = LoopDisk::from_image(&receiver.volume(&disk));
    let working = Mounted::existing(&copy.node);
    fs::write(working.path().join("later"), noise(3 << 20, 3)).unwrap();
    let place = format!("{}={}", copy.node.file_name().unwrap().to_str().unwrap(), disk.node_text());
    let back = Receiver::new(&["--volume", &place, "--overwrite"]);
    let wire = column(&back.sent(&copy.node), "wire");
    assert!((3e6..10e6).contains(&wire), "{wire}");
    assert_sound(&disk.node, "later", &noise(3 << 20, 3));
}

/// What is left to send: the blocks that are not zeros of all chunks that are not the same at both ends, for a hash tells that
/// a chunk differs, not where.
fn left(disk: &LoopDisk, volume: &Path) -> usize {
    let (here, there) = (fs::read(disk.image()).unwrap(), fs::read(volume).unwrap());
    let differ = here.chunks(CHUNK).zip(there.chunks(CHUNK)).filter(|(here, there)| here != there);
    differ.flat_map(|(here, _)| here.chunks(4096)).filter(|block| **block != [0; 4096]).map(<[u8]>::len).sum()
}

#[test]
fn whoever_is_killed_however_often_the_copy_ends_equal() {
    let disk = LoopDisk::new(192 * MIB);
    let mounted = Mounted::ext4(&disk.node);
    let content = noise(60 << 20, 5);
    fs::write(mounted.path().join("kept"), &content).unwrap();
    let mut receiver = Receiver::new(&[]);
    let arrived = |receiver: &Receiver| fs::metadata(receiver.volume(&disk)).map_or(0, |volume| volume.blocks() * 512);
    // Moments of a copy of 60 MiB at 20 MiB/s, none of them special: what must hold, must hold at each. On a slow machine
    // the later ones wait until there is something to lose.
    for (moment_ms, arrived_mib) in [(150, 0), (400, 0), (700, 5), (1_100, 10), (1_600, 20)] {
        let mut sender =
            receiver.send(&disk.node, &["--max-mib-per-second", "20"]).stderr(Stdio::null()).spawn().unwrap();
        let until = Instant::now() + Duration::from_millis(moment_ms);
        wait("the moment", || Instant::now() >= until && arrived(&receiver) >= arrived_mib * MIB);
        if moment_ms % 200 == 0 {
            sender.kill().unwrap();
        }
        receiver.kill();
        receiver.start();
        sender.kill().unwrap();
        sender.wait().unwrap();
    }
    run("sync", &["--file-system", mounted.path().to_str().unwrap()]);
    let left = left(&disk, &receiver.volume(&disk));
    assert!(left < content.len() - 10 * CHUNK, "{left} bytes are left");
    let text = receiver.sent(&disk.node);
    let most = (left + AT_THE_END) as f64;
    assert!(column(&text, "sent") < most, "what had arrived was sent again: {left} bytes were left: {text}");
    assert_sound(&receiver.volume(&disk), "kept", &content);
}

/// Until what a sender knows is written down: all was copied once.
fn kept(disk: &LoopDisk) {
    let folder = || trackers_of(&disk.node).first().map(|(_, folder)| folder.join("checkpoint"));
    wait("a checkpoint", || {
        let found = folder().and_then(|file| fs::read(file).ok()).map(|bytes| Checkpoint::decode(&bytes).unwrap());
        found.is_some_and(|checkpoint| {
            checkpoint.disks.iter().all(|kept| kept.first.is_empty() && !kept.hashes.is_empty())
        })
    });
}

/// A sender that follows is killed, then one with its receiver; what the last one printed.
fn killed_twice(disk: &LoopDisk, place: &Path) -> String {
    let mut receiver = Receiver::new(&[]);
    let follow = |receiver: &Receiver| {
        receiver.send(&disk.node, &["--follow"]).stdin(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap()
    };
    for with_receiver in [false, true] {
        let mut sender = follow(&receiver);
        kept(disk);
        fs::write(place.join(format!("during{with_receiver}")), noise(1 << 20, 7)).unwrap();
        run("sync", &["--file-system", place.to_str().unwrap()]);
        sender.kill().unwrap();
        sender.wait().unwrap();
        if with_receiver {
            receiver.kill();
        }
        fs::write(place.join(format!("after{with_receiver}")), noise(1 << 20, 8)).unwrap();
    }
    receiver.start();
    let text = receiver.sent(&disk.node);
    assert!(trackers_of(&disk.node).is_empty(), "a copy that is complete keeps nothing");
    assert_sound(&receiver.volume(disk), "afterfalse", &noise(1 << 20, 8));
    text
}

/// A disk in use with 60 MiB on it, of which a sender that began anew in the middle of `copied` does not read all again; that returns
/// what the last sender printed.
fn assert_goes_on(copied: impl Fn(&LoopDisk, &Path) -> String) {
    let disk = LoopDisk::new(128 * MIB);
    let mounted = Mounted::ext4(&disk.node);
    fs::write(mounted.path().join("kept"), noise(60 << 20, 1)).unwrap();
    run("sync", &["--file-system", mounted.path().to_str().unwrap()]);
    // A kernel that withholds an event is a doubt, and a rescan: right, and not what this is about.
    let went_on = |text: &String| column(text, "wire") < 8e6 && column(text, "read") < 40e6;
    let texts: Vec<String> = (0..3).map(|_| copied(&disk, mounted.path())).take_while(|text| !went_on(text)).collect();
    assert!(texts.len() < 3, "it was read again each time: {texts:?}");
}

#[test]
fn a_sender_that_is_killed_goes_on_without_reading_the_disk_again() {
    assert_goes_on(killed_twice);
}

/// A sender that follows has its file replaced, is stopped as an upgrade stops it, and the new file goes on; what that printed.
fn upgraded(disk: &LoopDisk, place: &Path) -> String {
    let receiver = Receiver::new(&[]);
    let program = receiver.dir.path().join("qianyun-agent");
    let install = || {
        let new = program.with_extension("new");
        run("cp", &[env!("CARGO_BIN_EXE_qianyun-agent"), new.to_str().unwrap()]);
        fs::rename(&new, &program).unwrap();
        fs::metadata(&program).unwrap().ino()
    };
    let old = install();
    let follow = &mut receiver.send_by(&program, &disk.node, &["--follow"]);
    let mut sender = follow.stdin(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
    kept(disk);
    let keeps = trackers_of(&disk.node);
    assert_ne!(install(), old);
    fs::write(place.join("during"), noise(1 << 20, 7)).unwrap();
    run("kill", &["-TERM", &sender.id().to_string()]);
    sender.wait().unwrap();
    assert_eq!(trackers_of(&disk.node), keeps, "the process that keeps the map stays, of the old file");
    fs::write(place.join("between"), noise(1 << 20, 8)).unwrap();
    let output = receiver.send_by(&program, &disk.node, &[]).output().unwrap();
    assert!(output.status.success(), "{}{}", said(&output), receiver.log());
    assert!(trackers_of(&disk.node).is_empty(), "a copy that is complete keeps nothing");
    assert_sound(&receiver.volume(disk), "between", &noise(1 << 20, 8));
    said(&output)
}

#[test]
fn a_sender_that_is_upgraded_goes_on_without_reading_the_disk_again() {
    assert_goes_on(upgraded);
}

/// A program of the admin's in `dir`, which it runs in.
fn program(dir: &Path, name: &str, script: &str) -> String {
    use std::os::unix::fs::PermissionsExt as _;
    let program = dir.join(name);
    fs::write(&program, format!("#!/bin/sh\ncd \"${{0%/*}}\" && {script}\n")).unwrap();
    fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
    program.to_str().unwrap().to_owned()
}

#[test]
fn what_a_program_stopped_before_it_failed_is_started_again_and_the_next_attempt_is_made() {
    let disk = LoopDisk::new(16 * MIB);
    let _mounted = Mounted::ext4(&disk.node);
    let receiver = Receiver::new(&[]);
    let dir = receiver.dir.path();
    let before = program(dir, "before", "echo before >> ran && mkdir failed-once 2>/dev/null && exit 7; exit 0");
    let after = program(dir, "after", "echo after >> ran");
    let output = receiver.send(&disk.node, &["--before-freeze", &before, "--after-thaw", &after]).output().unwrap();
    assert!(output.status.success(), "{}{}", said(&output), receiver.log());
    assert_eq!(fs::read_to_string(dir.join("ran")).unwrap(), "before\nafter\nbefore\nafter\n");
}

/// A database that is started again keeps what it inherits open for as long as it runs.
#[test]
fn a_proof_outlives_a_program_that_leaves_a_daemon_behind_and_fails() {
    let disk = LoopDisk::new(16 * MIB);
    let _mounted = Mounted::ext4(&disk.node);
    let receiver = Receiver::new(&[]);
    let dir = receiver.dir.path();
    let after = program(dir, "after", "{ sleep 600 & } && echo $! > daemon && exit 3");
    let errors = dir.join("errors");
    let mut send = receiver.send(&disk.node, &["--after-thaw", &after]);
    let status = send.stdout(Stdio::null()).stderr(File::create(&errors).unwrap()).status().unwrap();
    let daemon = fs::read_to_string(dir.join("daemon")).unwrap();
    assert!(Command::new("kill").arg(daemon.trim()).status().unwrap().success(), "it was not waited for");
    let errors = fs::read_to_string(errors).unwrap();
    assert!(!status.success() && errors.contains("--after-thaw ended with status 3"), "{errors}");
    assert!(receiver.record().exists(), "{errors}");
}

#[test]
fn no_program_is_run_for_an_attempt_that_a_lost_place_of_the_disk_makes_vain() {
    let disk = LoopDisk::noisy(16 * MIB, 1);
    disk.resize_file(15 * MIB);
    let receiver = Receiver::new(&[]);
    let before = program(receiver.dir.path(), "before", "echo before >> ran");
    let output = receiver.send(&disk.node, &["--before-freeze", &before]).output().unwrap();
    assert!(!output.status.success());
    let words = format!("{} bytes of the disk for volume", MIB);
    assert!(said(&output).contains(&words) && said(&output).contains("cannot be read"), "{}", said(&output));
    assert!(!receiver.dir.path().join("ran").exists(), "what it stops was stopped in vain");
}

/// Writes until a write hangs, and returns that one. Asking by a freeze of our own would collide with the sender's.
fn hanging_write(place: &Path) -> std::thread::JoinHandle<std::io::Result<()>> {
    let deadline = Instant::now() + DEADLINE;
    loop {
        let file = place.join("written");
        let write = move || File::create(file).and_then(|mut file| file.write_all(b"x").and_then(|()| file.sync_all()));
        let (writer, began) = (std::thread::spawn(write), Instant::now());
        while !writer.is_finished() {
            if began.elapsed() > Duration::from_secs(2) {
                return writer;
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        writer.join().unwrap().unwrap();
        assert!(Instant::now() < deadline, "waited in vain for the freeze");
    }
}

#[test]
fn a_sender_that_dies_while_frozen_leaves_a_filesystem_that_works() {
    let disk = LoopDisk::new(64 * MIB);
    let mounted = Mounted::ext4(&disk.node);
    fs::write(mounted.path().join("kept"), noise(4 << 20, 1)).unwrap();
    let receiver = Receiver::new(&[]);
    let gate = program(receiver.dir.path(), "gate", "touch reached && until [ -e go ]; do sleep 0.05; done");
    let mut sender = receiver
        .send(&disk.node, &["--freeze-seconds", "60", "--before-freeze", &gate])
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    wait("the end to begin", || receiver.dir.path().join("reached").exists());
    // A receiver that hangs keeps the freeze from coming to its end.
    receiver.signal("-STOP");
    fs::write(receiver.dir.path().join("go"), "").unwrap();
    let writer = hanging_write(mounted.path());
    assert!(sender.try_wait().unwrap().is_none());
    sender.kill().unwrap();
    sender.wait().unwrap();
    // Well before the deadline of the freeze: the watchdog is told by the end of the process.
    let killed = Instant::now();
    wait("the thaw", || writer.is_finished());
    writer.join().unwrap().unwrap();
    assert!(killed.elapsed() < Duration::from_secs(50), "only the deadline thawed: {:?}", killed.elapsed());
    receiver.signal("-CONT");
}

#[test]
fn what_is_wrong_is_said_before_anything_is_copied() {
    let disk = LoopDisk::new(16 * MIB);
    let refused = |command: &mut Command| {
        let output = command.output().unwrap();
        assert_eq!(output.status.code(), Some(1), "{}", said(&output));
        said(&output)
    };
    let receiver = Receiver::new(&[]);
    fs::write(receiver.volume(&disk), noise(usize::try_from(16 * MIB).unwrap(), 1)).unwrap();
    assert!(refused(&mut receiver.send(&disk.node, &[])).contains("is not empty; start the receiver with --overwrite"));
    let file = receiver.dir.path().join("log");
    assert!(refused(&mut receiver.send(&file, &[])).contains("not a block device"));
    let wrong = receiver.dir.path().join("wrong");
    fs::write(&wrong, "00000-00000-00000-00000-00000").unwrap();
    fs::rename(&wrong, receiver.code()).unwrap();
    assert!(refused(&mut receiver.send(&disk.node, &[])).contains("was mistyped"));

    let used = LoopDisk::new(16 * MIB);
    let _mounted = Mounted::ext4(&used.node);
    let place = format!("{}={}", disk.node.file_name().unwrap().to_str().unwrap(), used.node_text());
    let onto_a_mount = Receiver::new(&["--volume", &place, "--overwrite"]);
    let mut sender = onto_a_mount.send(&disk.node, &[]).stderr(Stdio::null()).spawn().unwrap();
    wait("the receiver's word", || onto_a_mount.log().contains("is in use"));
    sender.kill().unwrap();
    sender.wait().unwrap();
}

/// After a reboot of the receiving machine, the name that it was told may be another disk's.
#[test]
fn a_receiver_that_is_started_again_does_not_write_to_another_disk_of_the_same_name() {
    let disk = LoopDisk::noisy(16 * MIB, 1);
    let target = LoopDisk::new(16 * MIB);
    let links = tempfile::tempdir().unwrap();
    let link = links.path().join("vdb");
    std::os::unix::fs::symlink(&target.node, &link).unwrap();
    let place = format!("{}={}", disk.node.file_name().unwrap().to_str().unwrap(), link.display());
    let mut receiver = Receiver::new(&["--volume", &place]);
    receiver.sent(&disk.node);
    receiver.kill();

    let other = LoopDisk::new(16 * MIB);
    fs::remove_file(&link).unwrap();
    std::os::unix::fs::symlink(&other.node, &link).unwrap();
    receiver.more.push("--overwrite".to_owned());
    receiver.start();
    wait("its refusal", || receiver.log().contains("is another device than the copy was begun on"));
    assert!(!receiver.process.as_mut().unwrap().wait().unwrap().success());
    assert!(fs::read(&other.node).unwrap().iter().all(|byte| *byte == 0));

    fs::remove_file(&link).unwrap();
    receiver.start();
    wait("the word of what is missing", || receiver.log().contains("is gone"));
    assert!(!receiver.process.as_mut().unwrap().wait().unwrap().success());

    std::os::unix::fs::symlink(&target.node, &link).unwrap();
    receiver.start();
    assert!(column(&receiver.sent(&disk.node), "wire") < 1e6, "the copy is known again");

    // As an earlier release left it, or where a disk has no name: only what lies on the disk can tell, and noise does not.
    receiver.kill();
    let file = receiver.dir.path().join("volumes.json");
    let mut volumes: serde_json::Value = serde_json::from_slice(&fs::read(&file).unwrap()).unwrap();
    assert!(volumes[0].as_object_mut().unwrap().remove("device").is_some());
    fs::write(&file, volumes.to_string()).unwrap();
    receiver.more.pop();
    receiver.start();
    wait("its refusal", || receiver.log().contains("cannot be told from another:"));
    assert!(!receiver.process.as_mut().unwrap().wait().unwrap().success());
    receiver.more.push("--overwrite".to_owned());
    receiver.start();
    receiver.sent(&disk.node);
    assert!(fs::read_to_string(&file).unwrap().contains("\"device\""), "from now on its name tells");
}

#[test]
fn what_the_readme_says_and_nothing_else_leaves_the_record_where_the_sender_was_started() {
    let disk = LoopDisk::noisy(16 * MIB, 1);
    let (receiver, here) = (Receiver::new(&[]), tempfile::tempdir().unwrap());
    let code = fs::read_to_string(receiver.code()).unwrap();
    let sender = Command::new(env!("CARGO_BIN_EXE_qianyun-agent"))
        .args(["replicate", "send", "--to", &receiver.port.address().to_string(), "--disk", disk.node_text()])
        .current_dir(here.path())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    writeln!(sender.stdin.as_ref().unwrap(), "{}", code.trim()).unwrap();
    let output = sender.wait_with_output().unwrap();
    assert!(output.status.success(), "{}{}", said(&output), receiver.log());
    let verify = Command::new(env!("CARGO_BIN_EXE_qianyun-agent"))
        .args(["verify-record", "record.json", "--ca", "record.json.ca.pem"])
        .current_dir(here.path())
        .output()
        .unwrap();
    assert!(verify.status.success(), "{}", said(&verify));
    // The copy is as the disk was: both were compared, and this is what was on it.
    assert_eq!(fs::read(receiver.volume(&disk)).unwrap(), fs::read(&disk.node).unwrap());
}

#[test]
fn where_changes_cannot_be_followed_nothing_is_copied_and_what_is_missing_is_said() {
    let disk = LoopDisk::noisy(16 * MIB, 1);
    for (wrapper, words) in [
        (&["unshare", "--mount", "sh", "-c", "umount -a -t tracefs,debugfs; exec \"$@\"", "sh"][..], "mount tracefs"),
        (&["setpriv", "--bounding-set", "-sys_admin,-perfmon"][..], "run as root"),
    ] {
        let receiver = Receiver::new(&[]);
        let send = receiver.send(&disk.node, &[]);
        let log = receiver.dir.path().join("sender");
        let mut sender = Command::new(wrapper[0])
            .args(&wrapper[1..])
            .arg(send.get_program())
            .args(send.get_args())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(File::create(&log).unwrap())
            .spawn()
            .unwrap();
        wait(words, || {
            let said = fs::read_to_string(&log).unwrap();
            assert!(sender.try_wait().unwrap().is_none(), "it gave up: {said}");
            said.contains("nothing is copied without") && said.contains(words)
        });
        assert_eq!(fs::metadata(receiver.volume(&disk)).map_or(0, |volume| volume.blocks()), 0, "it was copied");
        sender.kill().unwrap();
        sender.wait().unwrap();
    }
}
