//! What one run of a tool costs: the processor time and the memory of every process it started and of theirs, and the bytes
//! on the loopback of this network namespace, which nobody else uses. Never counts what the kernel's own threads do (the
//! loop device's, write-back): they belong to no process.

use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead as _, BufReader, Read, Write as _};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use anyhow::{Context, Result, ensure};

/// Between two looks at the processes' memory. The kernel keeps the peak, so only a peak in the last moment is missed.
const BETWEEN_LOOKS: Duration = Duration::from_millis(50);
/// `utime` and `stime` of proc(5), counted from behind the program's name, which may hold spaces.
const OWN_TICKS: [usize; 2] = [11, 12];
/// `cutime` and `cstime`: of all children that have been waited for.
const CHILDREN_TICKS: [usize; 2] = [13, 14];

/// What a run took.
#[derive(Clone, Debug)]
pub(super) struct Cost {
    /// From the start of the copy until the target was durable and, where the tool verifies, verified.
    pub(super) seconds: f64,
    /// Of all processes of both ends.
    pub(super) cpu_seconds: f64,
    /// In both directions, with the headers of TCP and IP.
    pub(super) wire_bytes: f64,
    /// The peak of each process that was started here, with those it started, in their order.
    pub(super) peaks_bytes: Vec<f64>,
}

impl Cost {
    /// The sum of the peaks of all processes of both ends.
    pub(super) fn peak_bytes(&self) -> f64 {
        self.peaks_bytes.iter().sum()
    }
}

/// A run that is being counted.
pub(super) struct Run {
    peaks: Arc<Mutex<Vec<Peak>>>,
    /// Closed at the end of the run.
    over: mpsc::Sender<()>,
    watcher: JoinHandle<()>,
    cpu_seconds: f64,
    wire_bytes: u64,
}

/// The most memory that a process and each of those that it started had.
struct Peak {
    pid: u32,
    bytes: BTreeMap<u32, u64>,
}

impl Run {
    /// Starts to count.
    pub(super) fn begin() -> Result<Self> {
        let peaks = Arc::new(Mutex::new(Vec::new()));
        let (over, until_over) = mpsc::channel();
        let watched = Arc::clone(&peaks);
        let watcher = thread::spawn(move || watch(&watched, &until_over));
        Ok(Self { peaks, over, watcher, cpu_seconds: children_cpu_seconds()?, wire_bytes: loopback_bytes()? })
    }

    /// Starts a process of the run.
    pub(super) fn start(&self, command: &mut Command) -> Result<Process> {
        let process = Process::start(command)?;
        lock(&self.peaks).push(Peak { pid: process.child.id(), bytes: BTreeMap::new() });
        Ok(process)
    }

    /// Sums up. All processes must have been waited for.
    pub(super) fn end(self, took: Duration) -> Result<Cost> {
        drop(self.over);
        self.watcher.join().expect("the watcher does not panic");
        let peaks_bytes = lock(&self.peaks).iter().map(|peak| peak.bytes.values().sum::<u64>() as f64).collect();
        Ok(Cost {
            seconds: took.as_secs_f64(),
            cpu_seconds: children_cpu_seconds()? - self.cpu_seconds,
            wire_bytes: (loopback_bytes()? - self.wire_bytes) as f64,
            peaks_bytes,
        })
    }
}

/// A stretch of time in the life of processes that go on.
pub(super) struct Stretch {
    cpu_seconds: f64,
    wire_bytes: u64,
}

impl Stretch {
    /// Starts to count.
    pub(super) fn begin(processes: &[Process]) -> Result<Self> {
        Ok(Self { cpu_seconds: cpu_seconds(processes)?, wire_bytes: loopback_bytes()? })
    }

    /// Sums up for the same processes; the peaks are of their whole lives.
    pub(super) fn end(self, processes: &[Process], took: Duration) -> Result<Cost> {
        let peak = |process: &Process| {
            let mut peaks = BTreeMap::new();
            look(process.child.id(), &mut peaks);
            peaks.values().sum::<u64>() as f64
        };
        Ok(Cost {
            seconds: took.as_secs_f64(),
            cpu_seconds: cpu_seconds(processes)? - self.cpu_seconds,
            wire_bytes: (loopback_bytes()? - self.wire_bytes) as f64,
            peaks_bytes: processes.iter().map(peak).collect(),
        })
    }
}

fn cpu_seconds(processes: &[Process]) -> Result<f64> {
    processes.iter().map(Process::cpu_seconds).sum()
}

/// One process. Dropping it ends it.
pub(super) struct Process {
    child: Child,
    words: String,
    said: Option<BufReader<ChildStdout>>,
}

impl Process {
    /// Starts it.
    pub(super) fn start(command: &mut Command) -> Result<Self> {
        let child = command.spawn().with_context(|| format!("{command:?} cannot be started"))?;
        Ok(Self { child, words: format!("{command:?}"), said: None })
    }

    /// What it writes, for the next one of a pipe.
    pub(super) fn pipe(&mut self) -> Result<Stdio> {
        Ok(self.child.stdout.take().with_context(|| format!("{}: no output is left", self.words))?.into())
    }

    /// Waits for its end, which must be a success.
    pub(super) fn finish(mut self) -> Result<()> {
        let status = self.child.wait()?;
        ensure!(status.success(), "{}: {status}", self.words);
        Ok(())
    }

    /// What it wrote until its end.
    pub(super) fn answer(mut self) -> Result<String> {
        let mut answer = String::new();
        match self.said.take() {
            Some(mut said) => said.read_to_string(&mut answer)?,
            None => self.child.stdout.take().context("no output is left")?.read_to_string(&mut answer)?,
        };
        self.finish()?;
        Ok(answer)
    }

    /// Tells it to go on, by a line.
    pub(super) fn tell(&mut self) -> Result<()> {
        self.child.stdin.as_mut().context("it does not listen")?.write_all(b"\n")?;
        Ok(())
    }

    /// Closes what it listens to, which ends a process that waits for the next line.
    pub(super) fn dismiss(&mut self) {
        drop(self.child.stdin.take());
    }

    /// The next line that it says; an error if it has ended.
    pub(super) fn line(&mut self) -> Result<String> {
        if let Some(stdout) = self.child.stdout.take() {
            self.said = Some(BufReader::new(stdout));
        }
        let mut line = String::new();
        self.said.as_mut().context("it says nothing")?.read_line(&mut line)?;
        ensure!(!line.is_empty(), "{}: it has ended", self.words);
        Ok(line.trim_end().to_owned())
    }

    /// What it has used until now, with those that it started and that run.
    pub(super) fn cpu_seconds(&self) -> Result<f64> {
        let mut running = BTreeMap::new();
        look(self.child.id(), &mut running);
        running.keys().map(|&pid| cpu_seconds_of_pid(pid)).sum()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A program that ends with this process, however this one ends. It must be started on the main thread.
pub(super) fn program(name: impl AsRef<std::ffi::OsStr>) -> Command {
    let mut command = Command::new("setpriv");
    command.args(["--pdeathsig", "KILL", "--"]).arg(name).stdin(Stdio::null());
    command
}

fn watch(peaks: &Mutex<Vec<Peak>>, until_over: &mpsc::Receiver<()>) {
    while until_over.recv_timeout(BETWEEN_LOOKS) == Err(RecvTimeoutError::Timeout) {
        for peak in lock(peaks).iter_mut() {
            look(peak.pid, &mut peak.bytes);
        }
    }
}

/// At a process and at those that it started.
fn look(pid: u32, peaks: &mut BTreeMap<u32, u64>) {
    if let Some(bytes) = peak_bytes(pid) {
        peaks.entry(pid).and_modify(|most| *most = bytes.max(*most)).or_insert(bytes);
    }
    let children = fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).unwrap_or_default();
    children.split_whitespace().filter_map(|child| child.parse().ok()).for_each(|child| look(child, peaks));
}

fn lock(peaks: &Mutex<Vec<Peak>>) -> MutexGuard<'_, Vec<Peak>> {
    peaks.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The most that it had. Nothing if the process has ended.
pub(super) fn peak_bytes(pid: u32) -> Option<u64> {
    memory_bytes(pid, "VmHWM:")
}

/// What it has now.
pub(super) fn resident_bytes(pid: u32) -> Option<u64> {
    memory_bytes(pid, "VmRSS:")
}

/// What a process has used, without its children.
pub(super) fn cpu_seconds_of_pid(pid: u32) -> Result<f64> {
    cpu_seconds_of(&pid.to_string(), OWN_TICKS)
}

fn memory_bytes(pid: u32, which: &str) -> Option<u64> {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix(which))?;
    line.trim().strip_suffix(" kB")?.parse::<u64>().ok().map(|kib| kib << 10)
}

/// Of all children that have been waited for.
fn children_cpu_seconds() -> Result<f64> {
    cpu_seconds_of("self", CHILDREN_TICKS)
}

fn cpu_seconds_of(process: &str, places: [usize; 2]) -> Result<f64> {
    let path = format!("/proc/{process}/stat");
    let stat = fs::read_to_string(&path).with_context(|| format!("{path}: cannot be read"))?;
    let (_, behind_name) = stat.rsplit_once(") ").with_context(|| format!("{path} names no program"))?;
    let fields: Vec<&str> = behind_name.split(' ').collect();
    let ticks = places.iter().map(|place| fields.get(*place).and_then(|field| field.parse::<u64>().ok()));
    let ticks: u64 = ticks.sum::<Option<u64>>().with_context(|| format!("{path} counts no ticks"))?;
    Ok(ticks as f64 / rustix::param::clock_ticks_per_second() as f64)
}

/// Received on the loopback, which is as much as was sent.
fn loopback_bytes() -> Result<u64> {
    let table = fs::read_to_string("/proc/net/dev")?;
    let counted = table.lines().find_map(|line| line.trim().strip_prefix("lo:"));
    let received = counted.and_then(|columns| columns.split_whitespace().next()?.parse().ok());
    received.context("/proc/net/dev does not count the loopback")
}
