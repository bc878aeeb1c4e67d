//! What one run of a tool costs: the processor time and the memory of every process it started, and the bytes on the
//! loopback of this network namespace, which nobody else uses. Never counts what the kernel's own threads do (the loop
//! device's, write-back): they belong to no process.

use std::fs;
use std::io::Read;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use anyhow::{Context, Result, ensure};

/// Between two looks at the processes' memory. The kernel keeps the peak, so only a peak in the last moment is missed.
const BETWEEN_LOOKS: Duration = Duration::from_millis(50);

/// What a run took.
#[derive(Clone, Copy, Debug)]
pub(super) struct Cost {
    /// From the start of the copy until the target was durable and, where the tool verifies, verified.
    pub(super) seconds: f64,
    /// Of all processes of both ends.
    pub(super) cpu_seconds: f64,
    /// In both directions, with the headers of TCP and IP.
    pub(super) wire_bytes: f64,
    /// The sum of the peaks of all processes of both ends.
    pub(super) peak_bytes: f64,
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

/// The most memory that a process had.
struct Peak {
    pid: u32,
    bytes: u64,
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
        let child = command.spawn().with_context(|| format!("{command:?} cannot be started"))?;
        lock(&self.peaks).push(Peak { pid: child.id(), bytes: 0 });
        Ok(Process { child, words: format!("{command:?}") })
    }

    /// Sums up. All processes must have been waited for.
    pub(super) fn end(self, took: Duration) -> Result<Cost> {
        drop(self.over);
        self.watcher.join().expect("the watcher does not panic");
        let peak_bytes: u64 = lock(&self.peaks).iter().map(|peak| peak.bytes).sum();
        Ok(Cost {
            seconds: took.as_secs_f64(),
            cpu_seconds: children_cpu_seconds()? - self.cpu_seconds,
            wire_bytes: (loopback_bytes()? - self.wire_bytes) as f64,
            peak_bytes: peak_bytes as f64,
        })
    }
}

/// One process of a run. Dropping it ends it.
pub(super) struct Process {
    child: Child,
    words: String,
}

impl Process {
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
        self.child.stdout.take().context("no output is left")?.read_to_string(&mut answer)?;
        self.finish()?;
        Ok(answer)
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
            peak.bytes = peak.bytes.max(peak_bytes(peak.pid).unwrap_or(0));
        }
    }
}

fn lock(peaks: &Mutex<Vec<Peak>>) -> MutexGuard<'_, Vec<Peak>> {
    peaks.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Nothing if the process has ended.
fn peak_bytes(pid: u32) -> Option<u64> {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    line.trim().strip_suffix(" kB")?.parse::<u64>().ok().map(|kib| kib << 10)
}

/// Of all children that have been waited for.
fn children_cpu_seconds() -> Result<f64> {
    /// `cutime` and `cstime` of proc(5), counted from behind the program's name, which may hold spaces.
    const PLACES: [usize; 2] = [13, 14];
    let stat = fs::read_to_string("/proc/self/stat")?;
    let (_, behind_name) = stat.rsplit_once(") ").context("/proc/self/stat names no program")?;
    let fields: Vec<&str> = behind_name.split(' ').collect();
    let ticks = PLACES.iter().map(|place| fields.get(*place).and_then(|field| field.parse::<u64>().ok()));
    let ticks: u64 = ticks.sum::<Option<u64>>().context("/proc/self/stat counts no ticks")?;
    Ok(ticks as f64 / rustix::param::clock_ticks_per_second() as f64)
}

/// Received on the loopback, which is as much as was sent.
fn loopback_bytes() -> Result<u64> {
    let table = fs::read_to_string("/proc/net/dev")?;
    let counted = table.lines().find_map(|line| line.trim().strip_prefix("lo:"));
    let received = counted.and_then(|columns| columns.split_whitespace().next()?.parse().ok());
    received.context("/proc/net/dev does not count the loopback")
}
