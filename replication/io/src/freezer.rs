//! Holds filesystems still, and lets them go whatever happens.
//!
//! Everything that a freeze needs is made ready before it: descriptors are open, memory is locked, and the
//! [`watchdog`], a process of its own, is running. Between freeze and thaw nothing here opens, logs, starts or allocates
//! on a disk: any of that could wait for the frozen filesystem. Thawed by [`Frozen::thaw`], by dropping [`Frozen`], by a
//! panic, by the watchdog at the deadline, and by the watchdog when this process dies.
//!
//! The watchdog is a child in a session of its own. It survives SIGKILL of its parent; but systemd kills all processes of
//! a unit, so the agent's unit has to say `KillMode=process`.

pub mod hung_task;
pub mod watchdog;

use crate::mounts::{Hold, Mount};
use crate::sys::ioctl;
use hung_task::HungTask;
use rustix::io::Errno;
use rustix::mm::{MlockAllFlags, mlockall, munlockall};
use rustix::system::{RebootCommand, reboot};
use std::collections::HashSet;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};
use watchdog::Watchdog;

/// The longest freeze anywhere: half of the 120 s after which the kernel's hung-task detector speaks up where nobody has set
/// another time. A kernel that panics earlier allows less: [`hung_task`].
pub const MAX_FREEZE: Duration = Duration::from_secs(60);

/// For a freeze that is undone at once, after a flush: a hundred times what ext4 on an idle disk takes, and no more than what
/// services bear.
const MOMENT: Duration = Duration::from_secs(5);

/// Why filesystems cannot be frozen, or did not stay so.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FreezeError {
    /// A freeze longer than is safe was asked for.
    #[error("freeze of {} s, expected {} s at most", found.as_secs(), MAX_FREEZE.as_secs())]
    TooLong {
        /// What was asked for.
        found: Duration,
    },
    /// The kernel may panic before such a freeze ends.
    #[error(
        "freeze of {} s, expected {} s at most: this kernel panics after {seconds} s (kernel.hung_task_timeout_secs) in which a \
         task waits; set kernel.hung_task_panic to 0, or kernel.hung_task_timeout_secs to {} or more, or ask for a shorter freeze",
        found.as_secs_f64(), longest.as_secs_f64(), 2 * found.as_millis().div_ceil(1000)
    )]
    WouldPanic {
        /// What was asked for.
        found: Duration,
        /// The longest that is safe.
        longest: Duration,
        /// The kernel's own limit.
        seconds: u64,
    },
    /// A setting of the kernel is not as any kernel in scope has it.
    #[error("{path} holds {found:?}, expected a number")]
    Setting {
        /// The file.
        path: &'static str,
        /// What it holds, cut short.
        found: String,
    },
    /// A setting of the kernel cannot be read, so that nobody knows how long it bears a freeze.
    #[error("cannot read {path}")]
    Unread {
        /// The file.
        path: &'static str,
        /// Why not.
        #[source]
        source: std::io::Error,
    },
    /// A call about a mount failed.
    #[error("cannot {action} {}", path.display())]
    Mount {
        /// What was tried, as a verb.
        action: &'static str,
        /// The mount.
        path: PathBuf,
        /// The kernel's answer; `EBUSY` to a freeze means that someone else has frozen it.
        #[source]
        source: std::io::Error,
    },
    /// Another filesystem is mounted over the one that was to be frozen.
    #[error("{} is another filesystem now than when mounts were listed", path.display())]
    Covered {
        /// The mount.
        path: PathBuf,
    },
    /// Memory cannot be locked, so that a page fault could wait for the frozen root.
    #[error("cannot lock memory; raise LimitMEMLOCK")]
    Memory(#[source] std::io::Error),
    /// No watchdog, no freeze.
    #[error("thaw watchdog: cannot {action}")]
    Watchdog {
        /// What was tried, as a verb.
        action: &'static str,
        /// Why not.
        #[source]
        source: std::io::Error,
    },
    /// A btrfs is at work on itself: its freeze would wait for the end of that, uninterruptibly, and all its writers with it.
    #[error("a btrfs {work} is under way on {}, which cannot be frozen before its end; btrfs {work} {end} {}", path.display(), path.display())]
    AtWork {
        /// The mount.
        path: PathBuf,
        /// What it does.
        work: &'static str,
        /// The command's word that ends it.
        end: &'static str,
    },
    /// Freezing took longer than the whole freeze may; everything is thawed again.
    #[error("filesystems did not come to rest within {} s, {} was the last", deadline.as_secs(), path.display())]
    Deadline {
        /// The mount that came to rest too late.
        path: PathBuf,
        /// The deadline.
        deadline: Duration,
    },
    /// Someone thawed a filesystem in between.
    #[error("{} is not frozen any more", path.display())]
    Thawed {
        /// The mount.
        path: PathBuf,
    },
}

#[derive(Debug)]
struct Target {
    path: PathBuf,
    file: Arc<File>,
    freezes: bool,
}

impl Target {
    fn open(mount: &Mount) -> Result<Self, FreezeError> {
        let path = mount.path.clone();
        let failed = |action| {
            let path = path.clone();
            move |source| FreezeError::Mount { action, path, source }
        };
        let file = match &mount.door {
            Some(door) => Arc::clone(door),
            None => Arc::new(mount.open().map_err(failed("open"))?),
        };
        let is_it = mount.is_of(&file).map_err(failed("look at"))?;
        let freezes = mount.hold() == Hold::Freeze;
        if is_it { Ok(Self { path, file, freezes }) } else { Err(FreezeError::Covered { path }) }
    }

    /// That it does nothing by itself that a freeze waits for: a scrub or a balance takes hours, is a writer all the time, and
    /// holds up the freeze and with it all other writers. Neither can be interrupted from here.
    fn check_idle(&self) -> Result<(), FreezeError> {
        if !self.freezes {
            return Ok(());
        }
        match ioctl::btrfs_work(&*self.file) {
            Some((work, end)) => Err(FreezeError::AtWork { path: self.path.clone(), work, end }),
            None => Ok(()),
        }
    }

    /// Freezes it, or brings to its device what was written. After that a write to what cannot be frozen is not held up: once
    /// it reaches the disk, the tracker tells of it as of any other, and it is sent before the proof or, after it, spoils the
    /// proof. So the ends are still equal, and the copy is what a power cut would have left. What stays in memory is in
    /// neither.
    fn hold(&self) -> Result<(), FreezeError> {
        let (action, held) = match self.freezes {
            true => ("freeze", ioctl::freeze(&self.file)),
            false => ("flush", rustix::fs::syncfs(&self.file)),
        };
        held.map_err(|errno| FreezeError::Mount { action, path: self.path.clone(), source: errno.into() })
    }
}

/// Thaws whatever an earlier process may have left frozen, if its watchdog went with it. One that is not frozen is no error.
pub fn thaw_left_frozen(mounts: &[Mount]) -> Result<(), FreezeError> {
    let thaw = |mount: &Mount| match ioctl::thaw(&Target::open(mount)?.file) {
        Ok(()) | Err(Errno::INVAL) => Ok(()),
        Err(errno) => Err(FreezeError::Mount { action: "thaw", path: mount.path.clone(), source: errno.into() }),
    };
    // Each is tried, the root first: it was frozen last.
    let tried: Vec<_> = in_freeze_order(mounts).into_iter().rev().map(thaw).collect();
    tried.into_iter().collect()
}

/// One mount of each filesystem, in the order to freeze: what was mounted last comes first, the root last. What can only be
/// flushed is among them at its place: what lies in a file of another filesystem can be flushed only while that is not
/// frozen, and keeps what is written by the freeze of a filesystem in a file of its own.
fn in_freeze_order(mounts: &[Mount]) -> Vec<&Mount> {
    let mut seen = HashSet::new();
    let first_of_each: Vec<_> = mounts.iter().filter(|mount| seen.insert(mount.device)).collect();
    let (root, rest): (Vec<_>, Vec<_>) = first_of_each.into_iter().partition(|mount| mount.path == Path::new("/"));
    rest.into_iter().rev().chain(root).collect()
}

fn opened(mounts: &[Mount]) -> Result<Vec<Target>, FreezeError> {
    let targets = in_freeze_order(mounts).into_iter().map(Target::open).collect::<Result<Vec<_>, _>>()?;
    targets.iter().try_for_each(Target::check_idle)?;
    Ok(targets)
}

/// Whether filesystems could be frozen now, as far as can be told without doing it: to be asked before anything is stopped
/// for a freeze.
pub fn check(mounts: &[Mount]) -> Result<(), FreezeError> {
    opened(mounts).map(drop)
}

/// Makes freezes ready.
#[derive(Debug, Clone)]
pub struct Freezer {
    program: PathBuf,
}

impl Default for Freezer {
    fn default() -> Self {
        Self::new()
    }
}

impl Freezer {
    /// With this very program as the watchdog: its `main` has to call [`watchdog::main`] for the role
    /// [`watchdog::ROLE`], before anything else.
    pub fn new() -> Self {
        // Not the path: the file may have been replaced by an upgrade.
        Self { program: "/proc/self/exe".into() }
    }

    /// Opens the filesystems of `mounts` (in the order of [`crate::mounts::mounted`], none that there is [`Hold::Nothing`] to
    /// hold of), locks memory, and starts the watchdog. Nothing is frozen yet; `deadline` begins with the freeze. One that the kernel does not bear is
    /// refused: [`HungTask::check`].
    pub fn prepare(&self, mounts: &[Mount], deadline: Duration) -> Result<Prepared, FreezeError> {
        HungTask::read()?.check(deadline)?;
        let targets = opened(mounts)?;
        for target in targets.iter().filter(|target| target.freezes) {
            // The less there is to be written under the freeze, the shorter it is. What fails here fails there again.
            let _ = rustix::fs::syncfs(&*target.file);
        }
        mlockall(MlockAllFlags::CURRENT | MlockAllFlags::FUTURE).map_err(|errno| FreezeError::Memory(errno.into()))?;
        let files: Vec<&File> = targets.iter().filter(|target| target.freezes).map(|target| &*target.file).collect();
        let watchdog = Watchdog::start(&self.program, &files, deadline)?;
        Ok(Prepared { targets, watchdog, deadline })
    }

    /// Freezes one filesystem and lets it go at once: what it keeps about itself is then on its disk, no older than this
    /// call. Not while another freeze is being made ready, for memory is unlocked afterwards.
    pub fn bring_to_disk(&self, mount: &Mount) -> Result<(), FreezeError> {
        let frozen = self.prepare(std::slice::from_ref(mount), MOMENT).and_then(Prepared::freeze);
        let thawed = frozen.and_then(Frozen::thaw);
        // A copy of hours follows, which is not to keep all of its memory for this moment. Nothing is lost if it does.
        let _ = munlockall();
        thawed.map(drop)
    }
}

/// Ready to freeze. Dropping it ends the watchdog.
#[derive(Debug)]
pub struct Prepared {
    targets: Vec<Target>,
    watchdog: Watchdog,
    deadline: Duration,
}

impl Prepared {
    /// The watchdog's process.
    pub fn watchdog_id(&self) -> u32 {
        self.watchdog.id()
    }

    /// Freezes all filesystems, and flushes those that cannot be frozen; on any failure all are thawed before this returns.
    pub fn freeze(mut self) -> Result<Frozen, FreezeError> {
        // Before the watchdog's own clock starts: what remains here is never more than what remains there.
        let started = Instant::now();
        self.watchdog.begin()?;
        // From here on dropping thaws, also what was frozen by a call that reported a failure afterwards.
        let mut frozen = Frozen { prepared: self, started, count: 0 };
        for index in 0..frozen.prepared.targets.len() {
            if let Err(error) = frozen.prepared.targets[index].hold() {
                // That one is held by somebody else, who goes on.
                if matches!(&error, FreezeError::Mount { source, .. } if Errno::from_io_error(source) == Some(Errno::BUSY))
                {
                    frozen.thaw()?;
                }
                return Err(error);
            }
            frozen.count = index + 1;
            if frozen.remaining().is_zero() {
                let path = frozen.prepared.targets[index].path.clone();
                return Err(FreezeError::Deadline { path, deadline: frozen.prepared.deadline });
            }
        }
        Ok(frozen)
    }
}

/// How a freeze ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Thawed {
    /// From before the first freeze to after the last thaw.
    pub frozen_for: Duration,
    /// Whether the watchdog came first: then the filesystems were written to before this.
    pub expired: bool,
}

/// The filesystems are frozen, until this is dropped or the deadline.
#[derive(Debug)]
pub struct Frozen {
    prepared: Prepared,
    started: Instant,
    count: usize,
}

impl Frozen {
    /// Until the watchdog thaws.
    pub fn remaining(&self) -> Duration {
        self.prepared.deadline.saturating_sub(self.started.elapsed())
    }

    /// Those that were frozen, in that order.
    fn targets(&self) -> impl DoubleEndedIterator<Item = &Target> {
        self.prepared.targets[..self.count].iter().filter(|target| target.freezes)
    }

    /// Asks the kernel whether every filesystem is still frozen: to be asked before anything is built on it.
    pub fn check(&self) -> Result<(), FreezeError> {
        for target in self.targets() {
            match ioctl::freeze(&target.file) {
                // Frozen already: as it should be.
                Err(Errno::BUSY) => {}
                // It was not. It is now again, and will be thawed with the others.
                Ok(()) => return Err(FreezeError::Thawed { path: target.path.clone() }),
                Err(errno) => {
                    let (path, source) = (target.path.clone(), errno.into());
                    return Err(FreezeError::Mount { action: "check", path, source });
                }
            }
        }
        match self.targets().last() {
            Some(last) if self.remaining().is_zero() => {
                Err(FreezeError::Deadline { path: last.path.clone(), deadline: self.prepared.deadline })
            }
            _ => Ok(()),
        }
    }

    /// Lets the filesystems go.
    pub fn thaw(mut self) -> Result<Thawed, FreezeError> {
        let expired = self.remaining().is_zero();
        self.thaw_all()?;
        self.prepared.watchdog.done();
        Ok(Thawed { frozen_for: self.started.elapsed(), expired })
    }

    /// In the order opposite to the freeze; every one is tried, the first failure is told.
    fn thaw_all(&mut self) -> Result<(), FreezeError> {
        let mut result = Ok(());
        for target in self.targets().rev() {
            match ioctl::thaw(&target.file) {
                // The watchdog was first.
                Ok(()) | Err(Errno::INVAL) => {}
                Err(errno) => {
                    let (path, source) = (target.path.clone(), errno.into());
                    result = result.and(Err(FreezeError::Mount { action: "thaw", path, source }));
                }
            }
        }
        self.count = 0;
        result
    }
}

impl Drop for Frozen {
    fn drop(&mut self) {
        // The watchdog, which is told of the end by the closing pipe, thaws what this could not.
        let _ = self.thaw_all();
    }
}

/// Switches the machine off at once: without sync, which would wait for the frozen filesystems, and without init, which
/// would write. Returns only if the kernel refuses.
pub fn power_off_now() -> std::io::Error {
    match reboot(RebootCommand::PowerOff) {
        Ok(()) => std::io::Error::other("reboot(2) returned"),
        Err(errno) => errno.into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::device::DeviceNumber;

    fn mount(path: &str, minor: u32) -> Mount {
        let device = DeviceNumber { major: 8, minor };
        Mount {
            id: minor,
            path: path.into(),
            device,
            kind: "ext4".into(),
            source: String::new(),
            read_only: false,
            is_stale: false,
            door: None,
        }
    }

    #[test]
    fn the_last_mounted_is_frozen_first_the_root_last_and_each_once() {
        let mounts = [mount("/var", 2), mount("/", 1), mount("/var/lib", 3), mount("/mnt/var-again", 2)];
        let order: Vec<_> = in_freeze_order(&mounts).iter().map(|mount| mount.path.to_str().unwrap()).collect();
        assert_eq!(order, ["/var/lib", "/var", "/"]);
    }

    #[test]
    fn a_freeze_of_more_than_a_minute_is_refused() {
        let result = Freezer::new().prepare(&[], Duration::from_secs(61));
        assert!(matches!(result, Err(FreezeError::TooLong { .. })));
    }
}
