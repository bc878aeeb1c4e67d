//! A plain copy of disks from one machine to another, by itself: no platform, no enrolment, two commands and a code.
//!
//! ```text
//!   receive:  code ──► announced disks ──► places ──► volumes ◄── lanes ──┐
//!   send:     code ──► announce ──► copy, follow ──► freeze ──► prove ──► record ──► thaw, or power off
//! ```
//!
//! The engine is the one of the journey, and so is the proof. Run again, both ends go on: what is there is compared by hash
//! and not copied again, which makes the same command a resume, a refresh, a verification, and with the roles exchanged
//! the way back. Never here: anything that needs an approval; a machine that is enrolled is refused.

mod announce;
mod finish;
mod pairing;
mod places;
pub(crate) mod receive;
mod screen;
pub(crate) mod send;

use crate::host::HostError;
use crate::identity::IdentityError;
use crate::receive::ReceiveError;
use crate::tls::TlsError;
use announce::AnnounceError;
use pairing::CodeError;
use qianyun_replication_io::device::DeviceError;
use qianyun_replication_io::freezer::FreezeError;
use qianyun_replication_io::source::SourceError;
use qianyun_replication_io::target::TargetError;
use std::io;
use tokio::signal::unix::{SignalKind, signal};

/// A pair has one session: what fences older senders is the epoch that the receiver gives.
const SESSION: u64 = 1;

/// Why a plain copy cannot start or did not come to its end.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ReplicateError {
    /// The receiver's folder cannot be made.
    #[error("cannot make the folder {dir}")]
    Folder {
        dir: String,
        #[source]
        source: io::Error,
    },
    /// No code, or a wrong one.
    #[error("{file} holds no pairing code")]
    Code {
        file: String,
        #[source]
        source: CodeError,
    },
    /// The kernel has no random numbers.
    #[error("cannot make a pairing code: /dev/urandom cannot be read")]
    Random(#[source] io::Error),
    /// An argument is not a place.
    #[error("{words}")]
    Place { words: String },
    /// The terminal is gone.
    #[error("cannot speak to the terminal")]
    Screen(#[source] io::Error),
    /// The server belongs to the platform.
    #[error("this server is enrolled as {host}: its disks are copied by the platform, after both offices approved")]
    Enrolled { host: String },
    /// A disk that cannot be copied.
    #[error("{node} cannot be copied; whole disks of this machine: {known}")]
    Disk {
        node: String,
        known: String,
        #[source]
        source: DeviceError,
    },
    /// The copy could not be proved however often it was tried.
    #[error("not finished after {attempts} attempts; what was copied stays, run the same command again to go on")]
    NotFinished {
        attempts: u32,
        #[source]
        source: finish::AttemptError,
    },
    /// The copy is proved all the same.
    #[error("the copy is complete, but what was to run after the thaw failed")]
    AfterThaw(#[source] finish::AttemptError),
    /// A freeze of that length is not safe here.
    #[error("the longest freeze, --freeze-seconds, has to be another")]
    Freeze(#[from] FreezeError),
    /// Ended by a signal.
    #[error("ended before the copy was complete; what was copied stays, run the same command again to go on")]
    Ended,
    #[error(transparent)]
    Announce(#[from] AnnounceError),
    #[error(transparent)]
    Host(#[from] HostError),
    #[error(transparent)]
    Identity(#[from] IdentityError),
    #[error(transparent)]
    Receive(#[from] ReceiveError),
    #[error(transparent)]
    Source(#[from] SourceError),
    #[error(transparent)]
    Target(#[from] TargetError),
    #[error(transparent)]
    Tls(#[from] TlsError),
}

/// Returns when the program is asked to end.
async fn ended() {
    let (Ok(mut interrupt), Ok(mut terminate)) = (signal(SignalKind::interrupt()), signal(SignalKind::terminate()))
    else {
        // Without handlers the signals end the program by themselves.
        return std::future::pending().await;
    };
    tokio::select! {
        _ = interrupt.recv() => {}
        _ = terminate.recv() => {}
    }
}
