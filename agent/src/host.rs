//! The only door to the operating system: files, commands with argument vectors, space, clock.
//!
//! Everything else in the agent reads and changes the machine through [`Host`], so that every collector, check and
//! step also runs against a recorded machine. It never runs a shell and never opens a network connection.

#[cfg(test)]
pub(crate) mod fake;
pub(crate) mod linux;

use qianyun_agent_api::inventory::DiskIdentity;
use std::time::Duration;

/// No file that the agent reads whole is honest above this size; the largest is a listing of open sockets.
pub(crate) const MAX_READ_BYTES: u64 = 16 * 1024 * 1024;

/// Time limit for commands that only look at something.
pub(crate) const LOOK_LIMIT: Duration = Duration::from_secs(20);

/// Why the operating system did not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub(crate) enum HostError {
    /// A file or folder could not be read.
    #[error("cannot read {path}")]
    Read {
        path: String,
        #[source]
        source: std::io::Error,
    },
    /// A file is larger than any honest one.
    #[error("cannot read {path}: found more than {limit_bytes} bytes")]
    TooLarge { path: String, limit_bytes: u64 },
    /// A file could not be written, renamed or removed.
    #[error("cannot write {path}")]
    Write {
        path: String,
        #[source]
        source: std::io::Error,
    },
    /// A program could not be started.
    #[error("cannot start {program}")]
    Start {
        program: String,
        #[source]
        source: std::io::Error,
    },
    /// A program did not end in time and was killed.
    #[error("{program} did not end within {limit_ms} ms")]
    TimedOut { program: String, limit_ms: u128 },
    /// A program ended with an error.
    #[error("{program} {args} ended with status {status}: {stderr}")]
    Failed { program: String, args: String, status: i32, stderr: String },
}

/// What a program left behind.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Output {
    /// Exit status; 128 + signal if it was killed.
    pub(crate) status: i32,
    /// Standard output.
    pub(crate) stdout: String,
    /// Standard error.
    pub(crate) stderr: String,
}

/// Space of a mounted filesystem.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Space {
    /// Size, bytes.
    pub(crate) size_bytes: u64,
    /// Free for ordinary users, bytes.
    pub(crate) free_bytes: u64,
    /// Free inodes.
    pub(crate) free_inodes: u64,
}

/// What lies at a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Entry {
    /// What it is.
    pub(crate) kind: EntryKind,
    /// Number of the user that it belongs to.
    pub(crate) owner: u32,
    /// Permissions, with the sticky bit.
    pub(crate) mode: u32,
}

/// Kinds of what lies at a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum EntryKind {
    /// A regular file.
    File,
    /// A folder.
    Folder,
    /// A symbolic link, a device, a socket or a pipe.
    Other,
}

/// The machine.
pub(crate) trait Host: Send + Sync {
    /// The file's bytes.
    fn read(&self, path: &str) -> Result<Vec<u8>, HostError>;
    /// Names in a folder, sorted.
    fn list(&self, path: &str) -> Result<Vec<String>, HostError>;
    /// Where a symbolic link points.
    fn link(&self, path: &str) -> Result<String, HostError>;
    /// Whether something is there (links are followed).
    fn exists(&self, path: &str) -> bool;
    /// What lies there; links are not followed.
    fn entry(&self, path: &str) -> Result<Entry, HostError>;
    /// Replaces a file so that at every instant either the old or the new one is there, whole and durable.
    fn write(&self, path: &str, bytes: &[u8], mode: u32) -> Result<(), HostError>;
    /// Makes a file that something else wrote durable, and gives it its final name.
    fn rename(&self, from: &str, to: &str) -> Result<(), HostError>;
    /// Removes a file; one that is not there is no error.
    fn remove(&self, path: &str) -> Result<(), HostError>;
    /// Space of the filesystem that holds `path`.
    fn space(&self, path: &str) -> Result<Space, HostError>;
    /// Runs a program to its end; a non-zero status is not an error here.
    fn run(&self, program: &str, args: &[&str], limit: Duration) -> Result<Output, HostError>;
    /// Runs a program to its end with these variables, the standard path and no others, and gives its exit status. What it prints
    /// goes where the agent's own log goes. At the limit it is killed with all that it started in its process group.
    fn run_alone(&self, program: &str, variables: &[(&str, &str)], limit: Duration) -> Result<i32, HostError>;
    /// What names a whole disk for good, as the engine will ask for it; `None` if the disk cannot be opened.
    fn disk_identity(&self, name: &str) -> Option<DiskIdentity>;
    /// Milliseconds since the Unix epoch.
    fn now_unix_ms(&self) -> i64;
    /// Release of the running kernel, and its name for the machine, as `x86_64`.
    fn kernel(&self) -> (String, String);

    /// The file's text without surrounding blanks; `None` if it cannot be read.
    fn text(&self, path: &str) -> Option<String> {
        let bytes = self.read(path).ok()?;
        Some(String::from_utf8_lossy(&bytes).trim_matches(|c: char| c.is_whitespace() || c == '\0').to_owned())
    }

    /// Standard output of a program that must succeed.
    fn ask(&self, program: &str, args: &[&str], limit: Duration) -> Result<String, HostError> {
        let out = self.run(program, args, limit)?;
        if out.status == 0 {
            return Ok(out.stdout);
        }
        // The end of what a program says is where the reason stands.
        let tail: String = out.stderr.trim().chars().rev().take(400).collect::<Vec<_>>().into_iter().rev().collect();
        Err(HostError::Failed { program: program.to_owned(), args: args.join(" "), status: out.status, stderr: tail })
    }
}
