//! `trackd`: the tracker in a process of its own, which keeps the map of changes while the source's process is restarted,
//! upgraded or killed. This program in a hidden role, as the freezer's watchdog is.
//!
//! ```text
//!   rings ──► trackd: numbered batches ◄── one client at a time, by a UNIX socket ── source: engine, checkpoint
//! ```
//!
//! What a source knew at its last checkpoint, and all batches after it, is what its successor goes on from. A process that is
//! killed is a socket that breaks, which is a doubt: a new one is armed and the disks are compared by hash. Never here: what
//! is copied, and what a doubt means.

mod batches;
mod client;
mod process;
mod wire;

pub use client::{Client, Found, Keep};
pub use process::main;
#[cfg(fuzzing)]
pub(crate) use wire::read_both;

/// The hidden role: the first argument of the program.
pub const ROLE: &str = "trackd";
/// The socket's name in the folder.
const SOCKET: &str = "trackd.sock";

/// Why the tracker's process cannot be started, or does not do what it is asked.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TrackdError {
    /// It was not started by a source.
    #[error("{what} is missing or wrong; {role} is started by the source alone", role = ROLE)]
    Usage {
        /// Which argument.
        what: &'static str,
    },
    /// The system refused.
    #[error("cannot {action} the tracker's process")]
    Io {
        /// What was tried, as a verb.
        action: &'static str,
        /// Why not.
        #[source]
        source: std::io::Error,
    },
    /// What came is not in the protocol.
    #[error("the {what} of a message is out of bounds")]
    Malformed {
        /// Which field.
        what: &'static str,
    },
    /// It says why not.
    #[error("the tracker's process: {words}")]
    Failed {
        /// Its words.
        words: String,
    },
    /// An earlier request failed halfway; nothing that is read now would be its answer.
    #[error("the connection to the tracker's process was given up")]
    GivenUp,
}
