//! Other programs: those that end while one waits, and those that outlive the controller.
//!
//! A program that outlives the controller holds a lock file as its standard input: the lock is taken before it starts
//! and is free exactly when it has ended, whatever happened to the controller in between. Two can never hold it. The
//! process is found by that open file, never by a number alone: a number may belong to someone else by now.

use super::super::HostingError;
use super::{failed, make_dir, write_whole};
use rustix::fs::{FlockOperation, flock};
use rustix::io::Errno;
use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};
use std::fs::File;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;
use tokio::process::Command;
use tokio::time::Instant;

/// Between two looks at whether a process has ended.
const LOOK: Duration = Duration::from_millis(50);

/// Of what a failed program wrote, this much goes into the error.
const COMPLAINT: usize = 512;

/// Runs a program to its end, at most for `limit`, and gives its standard output.
pub(super) async fn run(program: &str, arguments: &[&str], limit: Duration) -> Result<Vec<u8>, HostingError> {
    let wrap = |source: Box<dyn std::error::Error + Send + Sync>| HostingError::Failed {
        what: format!("{program} {}", arguments.join(" ")),
        source,
    };
    let mut command = Command::new(program);
    command.args(arguments).stdin(Stdio::null()).kill_on_drop(true);
    let output = match tokio::time::timeout(limit, command.output()).await {
        Ok(output) => output.map_err(|error| wrap(error.into()))?,
        Err(_) => return Err(wrap(format!("it did not end within {} s", limit.as_secs()).into())),
    };
    if output.status.success() {
        return Ok(output.stdout);
    }
    let complaint = String::from_utf8_lossy(&output.stderr);
    let complaint: String = complaint.trim().chars().take(COMPLAINT).collect();
    Err(wrap(format!("{}: {complaint}", output.status).into()))
}

/// Place for at most one process: `<dir>/lock`, `<dir>/pid`.
pub(super) struct Slot {
    dir: PathBuf,
}

/// The lock of a slot in which nothing runs. Dropped without a start, the slot is free again.
pub(super) struct Free {
    lock: File,
}

impl Slot {
    /// The slot of `dir`, which need not exist.
    pub(super) fn new(dir: &Path) -> Self {
        Self { dir: dir.to_owned() }
    }

    fn lock_path(&self) -> PathBuf {
        self.dir.join("lock")
    }

    /// Where the number of the newest process is written, for people and as a hint.
    fn pid_path(&self) -> PathBuf {
        self.dir.join("pid")
    }

    /// Takes the slot; none if a process runs in it.
    pub(super) fn take(&self) -> Result<Option<Free>, HostingError> {
        make_dir(&self.dir)?;
        let path = self.lock_path();
        let lock = File::options().read(true).write(true).create(true).truncate(false).mode(0o600).open(&path);
        let lock = lock.map_err(|error| failed("opening", &path, error))?;
        match flock(&lock, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => Ok(Some(Free { lock })),
            Err(Errno::WOULDBLOCK) => Ok(None),
            Err(error) => Err(failed("locking", &path, error)),
        }
    }

    /// Whether a process runs in it.
    pub(super) fn is_taken(&self) -> Result<bool, HostingError> {
        if !self.lock_path().exists() {
            return Ok(false);
        }
        Ok(self.take()?.is_none())
    }

    /// Starts `program` in a session of its own; its output goes to `log`. It keeps the slot until it ends.
    pub(super) fn start(
        &self,
        free: Free,
        program: &Path,
        arguments: &[String],
        log: &Path,
    ) -> Result<(), HostingError> {
        let opened = File::options().append(true).create(true).mode(0o600).open(log);
        let out = opened.map_err(|error| failed("opening", log, error))?;
        let err = out.try_clone().map_err(|error| failed("opening", log, error))?;
        // setsid(1) replaces itself by the program, so the number below stays right.
        let mut command = Command::new("setsid");
        command.arg(program).args(arguments).current_dir(&self.dir);
        command.stdin(Stdio::from(free.lock)).stdout(Stdio::from(out)).stderr(Stdio::from(err));
        let child = command.spawn().map_err(|error| failed("starting", program, error))?;
        // Dropped and not waited for: tokio collects it when it ends, and after the controller, init does.
        write_whole(&self.pid_path(), child.id().unwrap_or(0).to_string().as_bytes(), 0o600)
    }

    /// Ends the process: asks first, and after `patience` no longer asks. Nothing runs in the slot when it returns.
    pub(super) async fn end(&self, patience: Duration) -> Result<(), HostingError> {
        for (signal, wait) in [(Signal::TERM, patience), (Signal::KILL, Duration::from_secs(10))] {
            if !self.is_taken()? {
                return Ok(());
            }
            self.signal(signal)?;
            if self.ended_within(wait).await? {
                return Ok(());
            }
        }
        Err(failed("ending the process of", &self.lock_path(), "it holds its lock after SIGKILL"))
    }

    /// Whether nothing runs in the slot within `limit`.
    pub(super) async fn ended_within(&self, limit: Duration) -> Result<bool, HostingError> {
        let deadline = Instant::now() + limit;
        while self.is_taken()? {
            if Instant::now() >= deadline {
                return Ok(false);
            }
            tokio::time::sleep(LOOK).await;
        }
        Ok(true)
    }

    /// Signals the process that holds the lock. The descriptor is opened before the process is recognised, so that the
    /// number cannot pass to another process in between.
    fn signal(&self, signal: Signal) -> Result<(), HostingError> {
        let lock = std::fs::canonicalize(self.lock_path()).map_err(|error| failed("finding", &self.dir, error))?;
        for pid in self.candidates() {
            let Ok(process) = pidfd_open(pid, PidfdFlags::empty()) else { continue };
            let input = std::fs::read_link(format!("/proc/{}/fd/0", pid.as_raw_nonzero()));
            if input.is_ok_and(|input| input == lock)
                && let Err(error) = pidfd_send_signal(process, signal)
                && error != Errno::SRCH
            {
                return Err(failed("ending the process of", &lock, error));
            }
        }
        Ok(())
    }

    /// The process that the hint names, then all others.
    fn candidates(&self) -> Vec<Pid> {
        let hint = std::fs::read_to_string(self.pid_path()).ok();
        let entries = std::fs::read_dir("/proc").into_iter().flatten().flatten();
        let names = entries.filter_map(|entry| entry.file_name().into_string().ok());
        let numbers = hint.into_iter().chain(names).filter_map(|name| name.trim().parse::<i32>().ok());
        numbers.filter(|number| *number > 1).filter_map(Pid::from_raw).collect()
    }
}
