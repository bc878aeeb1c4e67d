//! Other programs, run with argument vectors, never through a shell. Every child is known here, so that an interrupted
//! xtask ends its children, gets their failure back, and cleans up on the ordinary way out.

use std::collections::BTreeSet;
use std::ffi::{OsStr, OsString};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use anyhow::{Context, Result, bail};
use rustix::process::{Pid, Signal, kill_process};
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::iterator::Signals;

static INTERRUPTED: AtomicBool = AtomicBool::new(false);
static CHILDREN: Mutex<BTreeSet<i32>> = Mutex::new(BTreeSet::new());

/// Says what is done now: the one line that each action prints.
pub(crate) fn say(line: impl AsRef<str>) {
    println!("▸ {}", line.as_ref());
}

/// True once Ctrl-C, a hang-up or a termination has been asked for.
pub(crate) fn interrupted() -> bool {
    INTERRUPTED.load(Ordering::SeqCst)
}

/// From now on an interruption ends the children and makes [`interrupted`] true instead of ending xtask on the spot.
pub(crate) fn end_children_when_interrupted() {
    let mut signals = match Signals::new([SIGINT, SIGTERM, SIGHUP]) {
        Ok(signals) => signals,
        Err(error) => return eprintln!("warning: interruptions will not clean up: {error}"),
    };
    thread::spawn(move || {
        for _ in signals.forever() {
            INTERRUPTED.store(true, Ordering::SeqCst);
            for pid in with_their_children(&children()).into_iter().filter_map(Pid::from_raw) {
                // A child that has just ended needs no signal.
                let _ = kill_process(pid, Signal::TERM);
            }
        }
    });
}

/// Children and what they run: cargo ends without the test program that it runs.
fn with_their_children(pids: &BTreeSet<i32>) -> BTreeSet<i32> {
    let below = |pid: &i32| fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).unwrap_or_default();
    let found = pids.iter().map(below).collect::<Vec<_>>().join(" ");
    found.split_whitespace().filter_map(|pid| pid.parse().ok()).chain(pids.iter().copied()).collect()
}

fn children() -> std::sync::MutexGuard<'static, BTreeSet<i32>> {
    CHILDREN.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}

/// One program with its arguments.
pub(crate) struct Run {
    program: OsString,
    arguments: Vec<OsString>,
    environment: Vec<(OsString, OsString)>,
    folder: Option<PathBuf>,
}

impl Run {
    pub(crate) fn new(program: impl AsRef<OsStr>) -> Self {
        let program = program.as_ref().to_os_string();
        Self { program, arguments: Vec::new(), environment: Vec::new(), folder: None }
    }

    pub(crate) fn args<S: AsRef<OsStr>>(mut self, arguments: impl IntoIterator<Item = S>) -> Self {
        self.arguments.extend(arguments.into_iter().map(|argument| argument.as_ref().to_os_string()));
        self
    }

    pub(crate) fn env(mut self, name: impl AsRef<OsStr>, value: impl AsRef<OsStr>) -> Self {
        self.environment.push((name.as_ref().to_os_string(), value.as_ref().to_os_string()));
        self
    }

    pub(crate) fn in_folder(mut self, folder: impl AsRef<Path>) -> Self {
        self.folder = Some(folder.as_ref().to_path_buf());
        self
    }

    /// Runs it with our output and fails unless it succeeds.
    pub(crate) fn run(self) -> Result<()> {
        self.run_with(Stdio::null())
    }

    /// The same for a program that asks whoever sits at the terminal.
    pub(crate) fn run_at_terminal(self) -> Result<()> {
        self.run_with(Stdio::inherit())
    }

    fn run_with(self, input: Stdio) -> Result<()> {
        let child = self.start(input, Stdio::inherit(), Stdio::inherit())?;
        let status = child.wait()?;
        if !status.success() {
            bail!("{self} ended with {status}");
        }
        Ok(())
    }

    /// Runs it and returns what it wrote on stdout, or fails with all that it wrote.
    pub(crate) fn output(self) -> Result<String> {
        let child = self.start(Stdio::null(), Stdio::piped(), Stdio::piped())?;
        let output = child.wait_with_output()?;
        if !output.status.success() {
            let said = [output.stderr, output.stdout].concat();
            bail!("{self} ended with {}: {}", output.status, String::from_utf8_lossy(&said).trim());
        }
        String::from_utf8(output.stdout).with_context(|| format!("{self} wrote something else than UTF-8"))
    }

    /// Starts it and leaves the rest to the caller.
    pub(crate) fn start(&self, stdin: Stdio, stdout: Stdio, stderr: Stdio) -> Result<Running> {
        if interrupted() {
            bail!("interrupted");
        }
        let mut command = Command::new(&self.program);
        command.args(&self.arguments).stdin(stdin).stdout(stdout).stderr(stderr);
        command.envs(self.environment.iter().map(|(name, value)| (name, value)));
        // Cargo's own variables describe xtask's build; handed on, they would make every child build differ from the same
        // build started by hand.
        command.env_remove("CARGO_MANIFEST_DIR").env_remove("CARGO_PKG_NAME").env_remove("RUSTUP_TOOLCHAIN_SOURCE");
        if let Some(folder) = &self.folder {
            command.current_dir(folder);
        }
        let child = command.spawn().with_context(|| format!("starting {self}"))?;
        let pid = i32::try_from(child.id()).context("the process number is out of range")?;
        children().insert(pid);
        Ok(Running { child: Some(child), pid })
    }
}

impl std::fmt::Display for Run {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "{}", Path::new(&self.program).display())?;
        for argument in &self.arguments {
            write!(formatter, " {}", Path::new(argument).display())?;
        }
        Ok(())
    }
}

/// A child that is ended when it is dropped.
pub(crate) struct Running {
    child: Option<Child>,
    pid: i32,
}

impl Running {
    pub(crate) fn child(&mut self) -> &mut Child {
        self.child.as_mut().expect("the child is taken only by the methods that consume self")
    }

    pub(crate) fn wait(mut self) -> Result<std::process::ExitStatus> {
        let status = self.child().wait().context("waiting for a child")?;
        self.child = None;
        Ok(status)
    }

    fn wait_with_output(mut self) -> Result<std::process::Output> {
        let child = self.child.take().expect("the child is taken only by the methods that consume self");
        child.wait_with_output().context("waiting for a child")
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if let Some(child) = &mut self.child {
            // Killed rather than asked: whoever wants an orderly end waits for it.
            let _ = child.kill();
            let _ = child.wait();
        }
        children().remove(&self.pid);
    }
}
