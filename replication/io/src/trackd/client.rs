//! The source's end of the socket: finds the process that keeps its map, or starts one, and asks.
//!
//! A request that fails halfway gives the connection up: whatever comes later is not believed. Nothing here is opened
//! after the connection, so that it serves under a freeze.

use super::wire::{Reply, Request, VERSION, max_body, receive, send};
use super::{ROLE, SOCKET, TrackdError};
use crate::device::LeafDisk;
use crate::tracker::{Counts, Way};
use qianyun_replication::block_set::BlockSet;
use qianyun_replication::geometry::BLOCK_BYTES;
use std::fs::DirBuilder;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::fs::{DirBuilderExt as _, PermissionsExt as _};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// The longest that an answer may take: a look at every disk, and the arming of many.
const ANSWER_LIMIT: Duration = Duration::from_secs(20);
/// How long a process that is to go may take.
const END_LIMIT: Duration = Duration::from_secs(2);

/// What is kept, and where.
#[derive(Debug, Clone)]
pub struct Keep {
    /// A folder in memory, on no disk that is copied: it dies with the boot, as the tracker does.
    pub dir: PathBuf,
    /// A digest of what is copied to whom.
    pub subject: [u8; 32],
    /// The disks.
    pub disks: Vec<LeafDisk>,
    /// Bytes of each CPU's ring; `None` for as many as suit the machine.
    pub ring_bytes: Option<usize>,
}

/// Changes as they were told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// The newest closed batch.
    pub closed: u64,
    /// Not empty: changes may be missing.
    pub doubts: Vec<String>,
    /// Changed blocks of each disk.
    pub blocks: Vec<BlockSet>,
}

/// A connection to the process that keeps the map.
#[derive(Debug)]
pub struct Client {
    stream: UnixStream,
    /// The process, if it is ours to wait for.
    child: Option<Child>,
    ends: Vec<u64>,
    generation: [u8; 16],
    doubted: bool,
    given_up: bool,
}

impl Client {
    /// The process that runs already, for exactly this; any other is ended.
    pub fn connect(keep: &Keep) -> Result<Self, TrackdError> {
        let failed = |source| TrackdError::Io { action: "connect to", source };
        let stream = UnixStream::connect(keep.dir.join(SOCKET)).map_err(failed)?;
        Self::greet(stream, keep)
    }

    /// A new process, armed before this returns; one that runs already is ended.
    pub fn start(keep: &Keep, way: Way) -> Result<Self, TrackdError> {
        let failed = |source| TrackdError::Io { action: "start", source };
        end_running(&keep.dir);
        make_private(&keep.dir).map_err(failed)?;
        let (ours, theirs) = UnixStream::pair().map_err(failed)?;
        // Not the path: the file may have been replaced by an upgrade.
        let mut command = Command::new("/proc/self/exe");
        command.arg(ROLE).arg(&keep.dir).arg(hex::encode(keep.subject));
        command.arg(match way {
            Way::Best => "best",
            Way::Rings => "rings",
        });
        command.arg(keep.ring_bytes.unwrap_or(0).to_string()).args(keep.disks.iter().map(LeafDisk::node));
        // No working directory that could be unmounted, and no output that could end on a frozen filesystem.
        command.stdin(Stdio::from(OwnedFd::from(theirs))).stdout(Stdio::null()).stderr(Stdio::null()).current_dir("/");
        let mut child = command.spawn().map_err(failed)?;
        // The command holds our copy of the other end, and a process that dies is a stream that ends.
        drop(command);
        match Self::greet(ours, keep) {
            Ok(mut client) => {
                client.child = Some(child);
                Ok(client)
            }
            Err(error) => {
                // It is about to end, or no good.
                let _dead_already = child.kill();
                reap(child);
                Err(error)
            }
        }
    }

    fn greet(stream: UnixStream, keep: &Keep) -> Result<Self, TrackdError> {
        let ends = keep.disks.iter().map(|disk| disk.size_bytes().div_ceil(BLOCK_BYTES)).collect();
        let mut client = Self { stream, child: None, ends, generation: [0; 16], doubted: false, given_up: false };
        match client.ask(&Request::Hello { version: VERSION, subject: keep.subject }, ANSWER_LIMIT)? {
            Reply::Welcome { generation, doubted } => {
                (client.generation, client.doubted) = (generation, doubted);
                Ok(client)
            }
            Reply::Done => {
                let words = "it kept another map, or is of a release that speaks another version, and has ended";
                Err(TrackdError::Failed { words: words.to_owned() })
            }
            other => Err(unexpected(other)),
        }
    }

    /// Names the tracker from its arming to its end.
    pub fn generation(&self) -> [u8; 16] {
        self.generation
    }

    /// Whether there was a doubt already when it was found.
    pub fn was_doubted(&self) -> bool {
        self.doubted
    }

    /// Its process, if this one started it.
    pub fn process_id(&self) -> Option<u32> {
        self.child.as_ref().map(Child::id)
    }

    /// Everything that changed after batch `batch`, told before or not.
    pub fn since(&mut self, batch: u64) -> Result<Found, TrackdError> {
        self.ask_changes(&Request::Since { batch }, ANSWER_LIMIT)
    }

    /// What was not told yet. With `close`, the batch that it is in ends here and has the number that is returned.
    pub fn drain(&mut self, close: bool) -> Result<Found, TrackdError> {
        self.ask_changes(&Request::Drain { close }, ANSWER_LIMIT)
    }

    /// As [`Self::drain`], with every disk seen at rest with exact sums, by `deadline`.
    pub fn settle(&mut self, deadline: Instant) -> Result<Found, TrackdError> {
        let left = deadline.saturating_duration_since(Instant::now());
        let limit_ms = u32::try_from(left.as_millis()).unwrap_or(u32::MAX);
        self.ask_changes(&Request::Settle { limit_ms }, left + ANSWER_LIMIT)
    }

    /// A checkpoint that states `batch` is safe.
    pub fn forget(&mut self, batch: u64) -> Result<(), TrackdError> {
        self.tell(&Request::Forget { batch })
    }

    /// No checkpoint from before may be gone on from.
    pub fn void(&mut self) -> Result<(), TrackdError> {
        self.tell(&Request::Void)
    }

    /// Blocks of a disk that the next source must take for changed.
    pub fn note(&mut self, disk: u32, blocks: &BlockSet) -> Result<(), TrackdError> {
        self.tell(&Request::Note { disk, blocks: blocks.clone() })
    }

    /// Someone else doubts, for good.
    pub fn doubt(&mut self, words: &str) -> Result<(), TrackdError> {
        self.tell(&Request::Doubt { words: words.to_owned() })
    }

    /// What was traced and counted on a disk.
    pub fn counts(&mut self, disk: u32) -> Result<Counts, TrackdError> {
        match self.ask(&Request::Counts { disk }, ANSWER_LIMIT)? {
            Reply::Counts(counts) => Ok(counts),
            other => Err(unexpected(other)),
        }
    }

    /// Ends the process: nothing is kept any more. One that is ours and does not hear us is killed.
    pub fn end(mut self) -> Result<(), TrackdError> {
        let told = self.tell(&Request::End);
        if let Some(mut child) = self.child.take() {
            if told.is_err() {
                let _dead_already = child.kill();
            }
            reap(child);
        }
        // A stream ends when its process does.
        let _ended = receive(&self.stream, 0);
        told
    }

    fn tell(&mut self, request: &Request) -> Result<(), TrackdError> {
        match self.ask(request, ANSWER_LIMIT)? {
            Reply::Done => Ok(()),
            other => Err(unexpected(other)),
        }
    }

    fn ask_changes(&mut self, request: &Request, limit: Duration) -> Result<Found, TrackdError> {
        match self.ask(request, limit)? {
            Reply::Changes { closed, doubts, blocks } => Ok(Found { closed, doubts, blocks }),
            other => Err(unexpected(other)),
        }
    }

    fn ask(&mut self, request: &Request, limit: Duration) -> Result<Reply, TrackdError> {
        if std::mem::replace(&mut self.given_up, true) {
            return Err(TrackdError::GivenUp);
        }
        let bounded = self.stream.set_read_timeout(Some(limit)).and(self.stream.set_write_timeout(Some(limit)));
        bounded.map_err(|source| TrackdError::Io { action: "bound the answers of", source })?;
        send(&self.stream, &request.encode())?;
        let body = receive(&self.stream, max_body(&self.ends))?;
        let reply = Reply::decode(&body, &self.ends)?;
        self.given_up = false;
        Ok(reply)
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        // It lives on without us.
        if let Some(child) = self.child.take() {
            reap(child);
        }
    }
}

/// Leaves no zombie of a process whenever it ends. One that hangs in the kernel, on a disk that does not answer, is not waited for:
/// even a killed one may never end.
fn reap(mut child: Child) {
    if matches!(child.try_wait(), Ok(None)) {
        let _without = std::thread::Builder::new().name("reap trackd".to_owned()).spawn(move || child.wait());
    }
}

fn unexpected(reply: Reply) -> TrackdError {
    match reply {
        Reply::Failed { words } => TrackdError::Failed { words },
        Reply::Welcome { .. } | Reply::Changes { .. } | Reply::Done | Reply::Counts(_) => {
            TrackdError::Malformed { what: "kind" }
        }
    }
}

/// Ends a process that runs in `dir`. One that does not answer is left alone: it is not found any more, and ends by itself.
pub(super) fn end_running(dir: &Path) {
    let Ok(stream) = UnixStream::connect(dir.join(SOCKET)) else { return };
    let _ = stream.set_read_timeout(Some(END_LIMIT));
    let _answered = send(&stream, &Request::End.encode()).and_then(|()| receive(&stream, max_body(&[])));
}

/// The folder, for nobody else.
fn make_private(dir: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(dir)?;
    std::fs::set_permissions(dir, std::fs::Permissions::from_mode(0o700))
}
