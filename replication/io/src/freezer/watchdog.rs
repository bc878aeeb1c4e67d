//! The process that thaws when its parent does not: at the deadline, or when the parent dies.
//!
//! The same program in a hidden role. It opens the parent's descriptors through `/proc` and locks its memory before it
//! says that it is ready, so that afterwards it needs nothing but `poll` and `ioctl`. It never freezes.
//!
//! ```text
//! parent --- stdin ---> watchdog     'F' the freeze begins: the deadline runs; 'D' all is thawed: end; end of file: thaw and end
//! parent <-- stdout --- watchdog     'R' ready
//! ```

use super::FreezeError;
use crate::sys::ioctl;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::mm::{MlockAllFlags, mlockall};
use std::fs::File;
use std::io::{self, Read as _, Write as _};
use std::os::fd::AsRawFd as _;
use std::path::Path;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::time::{Duration, Instant};

/// The hidden role: the first argument of the program.
pub const ROLE: &str = "thaw-watchdog";

const READY: u8 = b'R';
const BEGIN: u8 = b'F';
const DONE: u8 = b'D';
/// After the deadline the parent may still be inside a freeze that began before it: thaw again until the parent is gone or done.
const AGAIN: Duration = Duration::from_millis(100);
/// No machine in scope has more filesystems.
const MAX_FILESYSTEMS: usize = 4096;

/// The parent's end.
#[derive(Debug)]
pub(super) struct Watchdog {
    child: Child,
    control: Option<ChildStdin>,
}

impl Watchdog {
    /// Starts the watchdog and waits until it is ready.
    pub(super) fn start(program: &Path, files: &[&File], deadline: Duration) -> Result<Self, FreezeError> {
        let failed = |action| move |source| FreezeError::Watchdog { action, source };
        let mut command = Command::new(program);
        command.arg(ROLE).arg(std::process::id().to_string()).arg(deadline.as_millis().to_string());
        command.args(files.iter().map(|file| file.as_raw_fd().to_string()));
        // No stderr: it may end in a journal on a frozen filesystem. No working directory that could be unmounted.
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null()).current_dir("/");
        let mut child = command.spawn().map_err(failed("start it"))?;
        let (control, output) = (child.stdin.take(), child.stdout.take());
        let watchdog = Self { child, control };
        let mut answer = [0];
        let read = output.ok_or(io::ErrorKind::BrokenPipe.into()).and_then(|mut pipe| pipe.read_exact(&mut answer));
        read.map_err(failed("hear that it is ready"))?;
        if answer[0] != READY {
            return Err(failed("understand its answer")(io::ErrorKind::InvalidData.into()));
        }
        Ok(watchdog)
    }

    pub(super) fn id(&self) -> u32 {
        self.child.id()
    }

    /// From now on the deadline runs.
    pub(super) fn begin(&mut self) -> Result<(), FreezeError> {
        let told = self.tell(BEGIN);
        told.map_err(|source| FreezeError::Watchdog { action: "tell it that the freeze begins", source })
    }

    /// All that we froze is thawed: what is frozen now, somebody else froze.
    pub(super) fn done(&mut self) {
        // One that does not hear it thaws, which is the safe end.
        let _ = self.tell(DONE);
    }

    fn tell(&mut self, word: u8) -> io::Result<()> {
        let control = self.control.as_mut().ok_or(io::ErrorKind::BrokenPipe)?;
        control.write_all(&[word])?;
        control.flush()
    }
}

impl Drop for Watchdog {
    fn drop(&mut self) {
        // It sees the end of the pipe, thaws what is left, and ends.
        drop(self.control.take());
        let _ = self.child.wait();
    }
}

/// What the watchdog's command line says.
#[derive(Debug, PartialEq, Eq)]
struct Arguments {
    parent: u32,
    deadline: Duration,
    descriptors: Vec<u32>,
}

fn parse(mut arguments: impl Iterator<Item = String>) -> Option<Arguments> {
    let parent = arguments.next()?.parse().ok()?;
    let deadline = Duration::from_millis(arguments.next()?.parse().ok()?);
    let parsed: Option<Vec<u32>> = arguments.take(MAX_FILESYSTEMS + 1).map(|text| text.parse().ok()).collect();
    let descriptors = parsed.filter(|list| list.len() <= MAX_FILESYSTEMS)?;
    (deadline <= super::MAX_FREEZE).then_some(Arguments { parent, deadline, descriptors })
}

/// The role itself: `arguments` are those after [`ROLE`]. Returns when there is nothing left to thaw.
pub fn main(arguments: impl Iterator<Item = String>) -> Result<(), FreezeError> {
    let failed = |action| move |source| FreezeError::Watchdog { action, source };
    let usage = || io::Error::new(io::ErrorKind::InvalidInput, "started by the agent alone, with its descriptors");
    let Arguments { parent, deadline, descriptors } =
        parse(arguments).ok_or_else(usage).map_err(failed("read its arguments"))?;
    // Away from the parent's session: what ends that, a closing terminal or a signal to the group, leaves this alone.
    rustix::process::setsid().map_err(|errno| failed("leave the session")(errno.into()))?;
    let open = |descriptor: &u32| File::open(format!("/proc/{parent}/fd/{descriptor}"));
    let files = descriptors.iter().map(open).collect::<io::Result<Vec<_>>>().map_err(failed("open a filesystem"))?;
    // Without memory there is no thaw: be the last that the kernel kills. Best effort, as a container may refuse it.
    let _ = std::fs::write("/proc/self/oom_score_adj", "-1000");
    mlockall(MlockAllFlags::CURRENT | MlockAllFlags::FUTURE).map_err(|errno| FreezeError::Memory(errno.into()))?;
    let mut output = io::stdout();
    output.write_all(&[READY]).and_then(|()| output.flush()).map_err(failed("say that it is ready"))?;
    watch(&io::stdin(), &files, deadline).map_err(|errno| failed("wait")(errno.into()))
}

/// What ended a wait for the parent.
enum Heard {
    Begin,
    Done,
    End,
    Nothing,
}

fn listen(control: &io::Stdin, timeout: Option<Duration>) -> Result<Heard, Errno> {
    let timeout = timeout.and_then(|timeout| Timespec::try_from(timeout).ok());
    let mut fds = [PollFd::new(control, PollFlags::IN)];
    match poll(&mut fds, timeout.as_ref()) {
        Err(Errno::INTR) => return Ok(Heard::Nothing),
        Err(errno) => return Err(errno),
        Ok(0) => return Ok(Heard::Nothing),
        Ok(_) => {}
    }
    let mut byte = [0];
    match rustix::io::read(control, &mut byte) {
        Ok(1..) if byte[0] == DONE => Ok(Heard::Done),
        Ok(1..) => Ok(Heard::Begin),
        Ok(0) => Ok(Heard::End),
        Err(Errno::INTR) => Ok(Heard::Nothing),
        // A pipe that fails is a parent that is gone.
        Err(_) => Ok(Heard::End),
    }
}

fn watch(control: &io::Stdin, files: &[File], deadline: Duration) -> Result<(), Errno> {
    let mut ends: Option<Instant> = None;
    loop {
        let timeout = ends.map(|ends| match ends.saturating_duration_since(Instant::now()) {
            Duration::ZERO => AGAIN,
            remaining => remaining,
        });
        let heard = listen(control, timeout);
        match heard {
            Ok(Heard::Begin) => drop(ends.get_or_insert_with(|| Instant::now() + deadline)),
            Ok(Heard::Nothing) => {}
            Ok(Heard::Done) => return Ok(()),
            // Nothing of ours is frozen yet.
            Ok(Heard::End) if ends.is_none() => return Ok(()),
            // Whatever is wrong here, thawing is the safe end.
            Ok(Heard::End) | Err(_) => {
                thaw(files);
                return heard.map(|_| ());
            }
        }
        if ends.is_some_and(|ends| Instant::now() >= ends) {
            thaw(files);
        }
    }
}

fn thaw(files: &[File]) {
    for file in files.iter().rev() {
        // EINVAL is the usual answer: the parent thawed. Others cannot be told to anyone, and the next may work.
        let _ = ioctl::thaw(file);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(text: &str) -> Option<Arguments> {
        parse(text.split_whitespace().map(str::to_owned))
    }

    #[test]
    fn the_command_line_is_read_whole_or_not_at_all() {
        let deadline = Duration::from_millis(500);
        assert_eq!(parsed("7 500 3 4"), Some(Arguments { parent: 7, deadline, descriptors: vec![3, 4] }));
        for bad in ["", "7", "7 500 x", "7 -1", "7 60001", "-7 500"] {
            assert_eq!(parsed(bad), None, "{bad}");
        }
    }
}
