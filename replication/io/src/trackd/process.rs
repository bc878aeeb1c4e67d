//! The process itself: drains the rings on its own, and serves one client at a time.
//!
//! It opens the disks and locks its memory before it says that it is ready; after that it reads counters of `/sys` and
//! talks to its socket, so that no frozen filesystem and no lack of memory stops it. It ends when it is told to, when it is
//! asked for other disks, and when nobody has come for a day.

use super::batches::Batches;
use super::wire::{Reply, Request, VERSION, max_body, receive, send};
use super::{SOCKET, TrackdError};
use crate::device::LeafDisk;
use crate::tracker::{Drained, Tracker, TrackerError, Waiter, Way};
use qianyun_replication::geometry::{BLOCK_BYTES, DeviceSize};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::mm::{MlockAllFlags, mlockall};
use std::fs::File;
use std::io::{self, Read as _};
use std::os::fd::{AsFd as _, BorrowedFd, IntoRawFd};
use std::os::unix::fs::MetadataExt as _;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// The rings are drained at least this often: a tenth of what they hold at 10,000 writes per second and CPU.
const DRAIN_EVERY: Duration = Duration::from_millis(100);
/// A client that stops in the middle of a message is dropped after this; the rings hold about as much.
const CLIENT_LIMIT: Duration = Duration::from_secs(2);
/// Without a client for this long nobody will come back: a day covers a night in which an agent is down.
const ALONE_LIMIT: Duration = Duration::from_secs(24 * 3600);
/// Doubts remembered.
const MAX_DOUBTS: usize = 8;

/// What the command line says.
#[derive(Debug, PartialEq, Eq)]
struct Arguments {
    dir: PathBuf,
    subject: [u8; 32],
    way: Way,
    /// Bytes of each ring; 0 for as many as suit the machine.
    ring_bytes: usize,
    nodes: Vec<PathBuf>,
}

fn parse(mut arguments: impl Iterator<Item = String>) -> Result<Arguments, TrackdError> {
    let mut next = |what| arguments.next().ok_or(TrackdError::Usage { what });
    let dir = PathBuf::from(next("folder")?);
    let wrong = |what| TrackdError::Usage { what };
    let mut subject = [0; 32];
    hex::decode_to_slice(next("subject")?, &mut subject).map_err(|_| wrong("subject"))?;
    let way = match next("way of the events")?.as_str() {
        "best" => Way::Best,
        "rings" => Way::Rings,
        _unknown => return Err(wrong("way of the events")),
    };
    let ring_bytes = next("size of the rings")?.parse().map_err(|_| wrong("size of the rings"))?;
    let nodes: Vec<PathBuf> = arguments.map(PathBuf::from).collect();
    if nodes.is_empty() || !dir.is_absolute() {
        return Err(wrong("disk or folder"));
    }
    Ok(Arguments { dir, subject, way, ring_bytes, nodes })
}

/// The role itself: `arguments` are those after [`super::ROLE`], standard input is the socket to the first client. Returns
/// when there is nothing to keep any more.
pub fn main(arguments: impl Iterator<Item = String>) -> Result<(), TrackdError> {
    let failed = |action| move |source| TrackdError::Io { action, source };
    let arguments = parse(arguments)?;
    // Away from the parent's session: what ends that leaves this alone.
    rustix::process::setsid().map_err(|errno| failed("leave the session of")(errno.into()))?;
    let first = io::stdin().as_fd().try_clone_to_owned().map_err(failed("connect to"))?;
    let first = UnixStream::from(first);
    match Process::start(arguments) {
        Ok(mut process) => process.serve(first),
        Err(error) => {
            // It has no other way to say so: its errors go nowhere.
            send(&first, &Reply::Failed { words: crate::source::words_of(&error) }.encode())?;
            Err(error)
        }
    }
}

struct Process {
    socket: PathBuf,
    /// The file that the socket is: another process may have taken its place.
    inode: u64,
    listener: UnixListener,
    subject: [u8; 32],
    generation: [u8; 16],
    sizes: Vec<DeviceSize>,
    ends: Vec<u64>,
    tracker: Tracker,
    waiter: Waiter,
    batches: Batches,
    doubts: Vec<String>,
}

/// What became of a client.
#[derive(Debug, PartialEq, Eq)]
enum Served {
    /// It may ask again.
    On,
    /// It is gone, or spoke nonsense.
    Gone,
    /// It ended the process.
    End,
}

impl Process {
    fn start(arguments: Arguments) -> Result<Self, TrackdError> {
        let failed = |action| move |source| TrackdError::Io { action, source };
        let Arguments { dir, subject, way, ring_bytes, nodes } = arguments;
        let told = |error: &dyn std::error::Error| TrackdError::Failed { words: crate::source::words_of(error) };
        let disks = nodes.iter().map(|node| LeafDisk::from_node(node)).collect::<Result<Vec<_>, _>>();
        let disks = disks.map_err(|error| told(&error))?;
        let sizes = disks.iter().map(|disk| DeviceSize::from_bytes(disk.size_bytes())).collect::<Result<Vec<_>, _>>();
        let sizes = sizes.map_err(|error| told(&error))?;
        let mut generation = [0; 16];
        let random = File::open("/dev/urandom").and_then(|mut source| source.read_exact(&mut generation));
        random.map_err(failed("name"))?;
        let socket = dir.join(SOCKET);
        let (listener, inode) = listen(&socket).map_err(failed("listen as"))?;
        // The map must outlive a lack of memory: be the last that the kernel kills. Best effort, as a container may refuse it.
        let _ = std::fs::write("/proc/self/oom_score_adj", "-1000");
        // The rings fill whatever else this machine does.
        let _ = rustix::process::nice(-10);
        mlockall(MlockAllFlags::CURRENT | MlockAllFlags::FUTURE)
            .map_err(|errno| failed("lock the memory of")(errno.into()))?;
        let armed = Tracker::arm_by(way, &disks, (ring_bytes > 0).then_some(ring_bytes));
        let tracker = armed.map_err(|error| told(&error))?;
        let waiter = tracker.waiter().map_err(|error| told(&error))?;
        let ends = sizes.iter().map(|size| size.blocks()).collect();
        let batches = Batches::new(disks.len());
        Ok(Self {
            socket,
            inode,
            listener,
            subject,
            generation,
            sizes,
            ends,
            tracker,
            waiter,
            batches,
            doubts: Vec::new(),
        })
    }

    fn serve(&mut self, first: UnixStream) -> Result<(), TrackdError> {
        let mut client = Some(first);
        let mut alone_since = Instant::now();
        loop {
            let comes = client.as_ref().map_or(self.listener.as_fd(), |client| client.as_fd());
            let came = wait(&self.waiter, comes).map_err(|source| TrackdError::Io { action: "wait in", source })?;
            let drained = self.tracker.drain();
            self.take(drained);
            match &client {
                Some(_) if !came => {}
                Some(stream) => match self.answer(stream) {
                    Served::On => {}
                    Served::Gone => {
                        alone_since = Instant::now();
                        client = None;
                    }
                    Served::End => {
                        // It waits for the end of the process, which is what closes this.
                        let _open = client.map(IntoRawFd::into_raw_fd);
                        return Ok(());
                    }
                },
                None if came => client = self.listener.accept().ok().map(|(stream, _)| stream),
                None if alone_since.elapsed() >= ALONE_LIMIT => return self.end(),
                None => {}
            }
        }
    }

    /// Takes note of what the tracker has; a tracker that fails is a doubt.
    fn take(&mut self, drained: Result<Drained, TrackerError>) {
        match drained {
            Ok(Drained { changes, doubts }) => {
                for (disk, ranges) in changes.iter().enumerate() {
                    for bytes in ranges {
                        let blocks = bytes.start / BLOCK_BYTES..bytes.end.div_ceil(BLOCK_BYTES);
                        self.batches.mark(disk, blocks.start..blocks.end.min(self.sizes[disk].blocks()));
                    }
                }
                doubts.iter().for_each(|doubt| self.doubt(doubt.to_string()));
            }
            Err(error) => self.doubt(crate::source::words_of(&error)),
        }
    }

    fn doubt(&mut self, words: String) {
        if self.doubts.len() < MAX_DOUBTS && !self.doubts.contains(&words) {
            self.doubts.push(words);
        }
    }

    /// One request and its answer.
    fn answer(&mut self, stream: &UnixStream) -> Served {
        let bounded = stream.set_read_timeout(Some(CLIENT_LIMIT)).and(stream.set_write_timeout(Some(CLIENT_LIMIT)));
        let asked = receive(stream, max_body(&self.ends)).and_then(|body| Request::decode(&body, &self.ends));
        let (Ok(()), Ok(request)) = (bounded, asked) else {
            // The first client's socket is our standard input too: closing one of the two tells it nothing.
            let _ = stream.shutdown(std::net::Shutdown::Both);
            return Served::Gone;
        };
        let ends = match &request {
            Request::End => true,
            Request::Hello { version, subject } => *version != VERSION || *subject != self.subject,
            _other => false,
        };
        let reply = if ends {
            let _ = self.end();
            Reply::Done
        } else {
            self.reply(request)
        };
        match send(stream, &reply.encode()) {
            _ if ends => Served::End,
            Ok(()) => Served::On,
            Err(_) => Served::Gone,
        }
    }

    fn reply(&mut self, request: Request) -> Reply {
        match request {
            Request::Hello { .. } => Reply::Welcome { generation: self.generation, doubted: !self.doubts.is_empty() },
            Request::Since { batch } => match self.batches.since(batch) {
                Some(blocks) => self.changes(blocks),
                None => Reply::Failed { words: format!("what changed after batch {batch} is not kept any more") },
            },
            Request::Drain { close } => {
                let fresh = self.batches.take_fresh();
                if close {
                    self.batches.close();
                }
                self.changes(fresh)
            }
            Request::Settle { limit_ms } => {
                let deadline = Instant::now() + Duration::from_millis(limit_ms.into());
                match self.tracker.settle(deadline) {
                    Err(error @ TrackerError::NotAtRest { .. }) => {
                        Reply::Failed { words: crate::source::words_of(&error) }
                    }
                    settled => {
                        self.take(settled);
                        let fresh = self.batches.take_fresh();
                        self.changes(fresh)
                    }
                }
            }
            Request::Forget { batch } => {
                self.batches.forget(batch);
                Reply::Done
            }
            Request::Void => {
                self.batches.close();
                self.batches.forget(self.batches.closed());
                Reply::Done
            }
            Request::Note { disk, blocks } => {
                let disk = usize::try_from(disk).expect("the codec knows the disks");
                blocks.runs().for_each(|run| self.batches.note(disk, run));
                Reply::Done
            }
            Request::Doubt { words } => {
                self.doubt(words);
                Reply::Done
            }
            Request::Counts { disk } => {
                match self.tracker.counts(usize::try_from(disk).expect("the codec knows the disks")) {
                    Ok(counts) => Reply::Counts(counts),
                    Err(error) => Reply::Failed { words: crate::source::words_of(&error) },
                }
            }
            Request::End => Reply::Done,
        }
    }

    fn changes(&self, blocks: Vec<qianyun_replication::block_set::BlockSet>) -> Reply {
        Reply::Changes { closed: self.batches.closed(), doubts: self.doubts.clone(), blocks }
    }

    /// From here on nobody finds this process; one that came after it is found as before.
    fn end(&self) -> Result<(), TrackdError> {
        let remove = || match std::fs::metadata(&self.socket)?.ino() {
            inode if inode == self.inode => std::fs::remove_file(&self.socket),
            _another => Ok(()),
        };
        remove().map_err(|source| TrackdError::Io { action: "end", source })
    }
}

/// A socket that an earlier process left is taken over: whoever starts this has ended that.
fn listen(socket: &Path) -> io::Result<(UnixListener, u64)> {
    match std::fs::remove_file(socket) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        Ok(()) | Err(_) => {}
    }
    let listener = UnixListener::bind(socket)?;
    listener.set_nonblocking(true)?;
    Ok((listener, std::fs::metadata(socket)?.ino()))
}

/// Waits until a ring is a quarter full, someone comes, or it is time to drain; whether someone came.
fn wait(waiter: &Waiter, comes: BorrowedFd<'_>) -> io::Result<bool> {
    let mut fds: Vec<_> = waiter.descriptors().map(|ring| PollFd::from_borrowed_fd(ring, PollFlags::IN)).collect();
    fds.push(PollFd::from_borrowed_fd(comes, PollFlags::IN));
    let timeout = Timespec::try_from(DRAIN_EVERY).unwrap_or(Timespec { tv_sec: 0, tv_nsec: 100_000_000 });
    match poll(&mut fds, Some(&timeout)) {
        Ok(_) => Ok(fds.last().is_some_and(|fd| !fd.revents().is_empty())),
        Err(Errno::INTR) => Ok(false),
        Err(errno) => Err(errno.into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_read_whole_or_not_at_all() {
        let parsed = |text: &str| parse(text.split_whitespace().map(str::to_owned)).ok();
        let subject = "07".repeat(32);
        let expected = Arguments {
            dir: "/run/x".into(),
            subject: [7; 32],
            way: Way::Rings,
            ring_bytes: 4096,
            nodes: vec!["/dev/sda".into(), "/dev/sdb".into()],
        };
        assert_eq!(parsed(&format!("/run/x {subject} rings 4096 /dev/sda /dev/sdb")), Some(expected));
        let bad = [
            "",
            "/run/x",
            "/run/x 07 best 0 /dev/sda",
            "/run/x SUBJECT best -1 /dev/sda",
            "/run/x SUBJECT worst 0 /dev/sda",
        ];
        for bad in bad.into_iter().chain(["run SUBJECT best 0 /dev/sda"]) {
            assert_eq!(parsed(&bad.replace("SUBJECT", &subject)), None, "{bad}");
        }
        assert_eq!(parsed(&format!("/run/x {subject} best 0")), None, "no disk");
    }
}
