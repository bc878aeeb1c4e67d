//! The server that is moved: follows its disks, copies them over lanes outwards, and finishes under a freeze.
//!
//! ```text
//!   following thread: tracker ──► engine (one mutex) ◄── lane workers: job, read, hash, pack, send
//!                                        ▲
//!                                        └── lane readers: acknowledgements, hashes, roots
//! ```
//!
//! Every decision is [`qianyun_replication::sender`]'s. A link that breaks is opened again, for ever, and [`Replication::progress`]
//! says what is waited for. Nothing here writes to a disk. Workers block their thread while they read and hash, so the
//! runtime must have several threads.

mod again;
mod finish;
mod follow;
mod keep;
mod link;
mod load;
mod pack;
mod stall;
mod tracking;
mod unread;
mod worker;

use crate::device::arrays::Arrays;
use crate::device::{DeviceNumber, LeafDisk};
use crate::freemap::FreeMap;
use crate::trackd::Keep;
pub use finish::FinishError;
use load::Load;
pub use load::OwnLoad;
use qianyun_replication::budget::Budget;
use qianyun_replication::digest::DeviceRoot;
use qianyun_replication::geometry::{DeviceId, DeviceSize, GeometryError};
use qianyun_replication::governor::Held;
use qianyun_replication::identity::DeviceIdentity;
use qianyun_replication::message::ErrorCode;
use qianyun_replication::progress::{Progress, ReplicationState};
use qianyun_replication::sender::{Sender, SenderConfig};
use stall::Stalls;
use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use tokio::sync::{mpsc, watch};
use tokio::task::{JoinHandle, block_in_place};
use tracking::Tracking;
pub use tracking::TrackingError;
use unread::Unread;

/// How often tasks look even if nothing was told: chunks become quiet by time alone.
const LOOK_EVERY: Duration = Duration::from_millis(250);
/// Lanes that a link may have: beyond eight, more lanes only share the same path.
pub const MAX_LANES: u16 = 8;

/// What a replication needs to know.
pub struct SourceConfig {
    /// Replication session, from the controller.
    pub session: u64,
    /// Where the receiver listens, `address:port`.
    pub receiver_address: String,
    /// Name in the receiver's certificate.
    pub receiver_name: String,
    /// Client certificate and the CA to trust. The protocol's name is added here.
    pub tls: Arc<rustls::ClientConfig>,
    /// The disks to copy.
    pub disks: Vec<SourceDisk>,
    /// Connections, 1 to [`MAX_LANES`]. Each has a worker that reads one place at a time; two fill a gigabit on two cores.
    pub lanes: u16,
    /// Bound for reading and sending while the server works; 0 is none. Does not hold in a freeze.
    pub max_bytes_per_second: u64,
    /// Whether it holds itself back where a disk gets slow for its users; see [`qianyun_replication::governor`]. Does not hold in a
    /// freeze either.
    pub yields: bool,
    /// A folder in memory, for nothing else, in which the map of changes outlives this process: see [`crate::trackd`], whose
    /// role the program must know. `None`: a process that starts again compares everything.
    pub keep: Option<PathBuf>,
    /// Bytes of each CPU's ring of events; `None` for as many as suit the machine. Fewer are for tests that must lose events.
    pub ring_bytes: Option<usize>,
}

/// A disk and the volume it goes to.
#[derive(Debug, Clone)]
pub struct SourceDisk {
    /// Name of the volume at the receiver.
    pub volume: String,
    /// The disk.
    pub disk: LeafDisk,
}

/// Why a replication cannot be started.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SourceError {
    /// A disk has a size that cannot be.
    #[error("disk for volume {volume:?} cannot be copied")]
    Size {
        /// The volume.
        volume: String,
        /// Why not.
        #[source]
        source: GeometryError,
    },
    /// Too few or too many lanes.
    #[error("{found} lanes, expected 1 to {MAX_LANES}")]
    Lanes {
        /// The number.
        found: u16,
    },
    /// Nothing to copy.
    #[error("no disks to copy, expected at least one")]
    NoDisks,
}

/// How far one disk has come.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DiskProgress {
    /// Volume at the receiver.
    pub volume: String,
    /// The disk.
    pub identity: DeviceIdentity,
    /// The engine's numbers.
    pub progress: Progress,
    /// Why it waits or doubts, or what of the disk could not be read; empty if nothing is wrong.
    pub message: String,
    /// Why and how far it is held back for the users of the disk; `None` if it is not.
    pub held: Option<Held>,
}

/// What the follower may do now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Mode {
    Following,
    /// A final attempt has the tracker; no bound holds, and nothing may open a file.
    Final,
    Stopped,
}

struct Disk {
    id: DeviceId,
    size: DeviceSize,
    volume: String,
    leaf: LeafDisk,
}

/// What the receiver said in answer to a record.
#[derive(Debug, Clone)]
enum RecordReply {
    Signed { signature: Vec<u8>, certificate_pem: String },
    Refused { words: String },
}

/// What all tasks of a replication share.
struct Shared {
    session: u64,
    address: String,
    name: String,
    tls: Arc<rustls::ClientConfig>,
    lanes: u16,
    disks: Vec<Disk>,
    engine: Mutex<Sender>,
    budget: Mutex<Budget>,
    load: Load,
    tracker: Mutex<Option<Tracking>>,
    keep: Option<Keep>,
    ring_bytes: Option<usize>,
    /// The engine has its disks: a tracker was armed at least once.
    armed: watch::Sender<bool>,
    /// Prepared before a freeze, read under it.
    free_maps: Mutex<Vec<FreeMap>>,
    /// The arrays that the disks belong to, for a final attempt.
    arrays: Mutex<Arrays>,
    mode: watch::Sender<Mode>,
    /// Counts what happened; whoever waits looks again.
    changed: watch::Sender<u64>,
    /// Why there is no tracker, and why there is no link; empty if there is.
    tracker_trouble: Mutex<String>,
    link_trouble: Mutex<String>,
    /// What of the disks cannot be read.
    unread: Mutex<Unread>,
    /// What hangs.
    stalls: Mutex<Stalls>,
    /// A doubt from outside; the follower takes it.
    doubt: Mutex<Option<String>>,
    /// For each lane of the link: frames that go before the next job.
    controls: Mutex<Vec<mpsc::Sender<Vec<u8>>>>,
    /// The target's roots, by device and barrier.
    roots: Mutex<HashMap<(DeviceId, u64), DeviceRoot>>,
    record_reply: Mutex<Option<RecordReply>>,
    began: Instant,
}

/// A replication that runs until it is stopped or dropped.
pub struct Replication {
    shared: Arc<Shared>,
    follower: JoinHandle<()>,
    linker: JoinHandle<()>,
    measurer: JoinHandle<()>,
    rereader: JoinHandle<()>,
}

impl Replication {
    /// Starts following and copying. Must be called on a runtime with several threads.
    pub fn start(config: SourceConfig) -> Result<Self, SourceError> {
        let shared = Arc::new(Shared::new(config)?);
        let following = Arc::clone(&shared);
        let follower = tokio::task::spawn_blocking(move || follow::run(&following));
        let linker = tokio::spawn(link::run(Arc::clone(&shared)));
        let measurer = tokio::spawn(load::run(Arc::clone(&shared)));
        let rereader = tokio::spawn(again::run(Arc::clone(&shared)));
        Ok(Self { shared, follower, linker, measurer, rereader })
    }

    /// The disks, in their order.
    pub fn disks(&self) -> Vec<DeviceNumber> {
        self.shared.disk_numbers()
    }

    /// How far each disk has come.
    pub fn progress(&self) -> Vec<DiskProgress> {
        let now_ms = self.shared.now_ms();
        let waits = self.shared.waits_for();
        let followed = lock(&self.shared.tracker_trouble).is_empty();
        let mut out = Vec::new();
        for disk in &self.shared.disks {
            let progress = self.shared.engine().progress(disk.id, now_ms);
            let mut progress = progress.unwrap_or_else(|| Progress::idle(disk.size.bytes()));
            // Whoever does not see the changes does not know that there are none.
            if !followed && progress.state == ReplicationState::InSync {
                progress.state = ReplicationState::Suspect;
            }
            let message = self.shared.message(disk.id, &waits, &progress.doubt);
            out.push(DiskProgress {
                volume: disk.volume.clone(),
                identity: disk.leaf.identity().clone(),
                progress,
                message,
                held: self.shared.load.held(disk.id),
            });
        }
        out
    }

    /// Someone doubts that every change was seen: a new tracker is armed and all disks are compared by hash.
    pub fn suspect(&self, reason: &str) {
        *lock(&self.shared.doubt) = Some(reason.to_owned());
    }

    /// Another bound; see [`SourceConfig::max_bytes_per_second`].
    pub fn set_max_bytes_per_second(&self, bytes_per_second: u64) {
        lock(&self.shared.budget).set_rate(bytes_per_second, self.shared.now_ms());
    }

    /// Whether it holds itself back from now on; see [`SourceConfig::yields`].
    pub fn set_yields(&self, yields: bool) {
        self.shared.load.set_yields(yields, self.shared.disks.len(), self.shared.now_ms());
    }

    /// What this process takes of the server.
    pub fn own_load(&self) -> OwnLoad {
        self.shared.load.own(self.shared.now_ms())
    }

    /// Back to following, after an attempt that was given up or aborted. Filesystems must be thawed.
    pub fn resume(&self) {
        lock(&self.shared.free_maps).clear();
        self.shared.engine().end_final();
        self.shared.mode.send_replace(Mode::Following);
        self.shared.touch();
    }

    /// Ends everything and waits for it. What is kept stays: a process that starts again goes on.
    pub async fn stop(mut self) {
        // After an attempt that was not resumed a filesystem may be frozen; the checkpoint before it is good.
        let may_keep = !follow::is_final(&self.shared);
        self.halt().await;
        if let Some(tracking) = lock(&self.shared.tracker).as_mut().filter(|_| may_keep) {
            let _not_kept = block_in_place(|| keep::keep_now(&self.shared, tracking));
        }
    }

    /// As [`Self::stop`], for good: nothing is kept.
    pub async fn end(mut self) {
        self.halt().await;
        block_in_place(|| keep::end(&self.shared));
    }

    /// Ends the tasks.
    async fn halt(&mut self) {
        self.shared.mode.send_replace(Mode::Stopped);
        self.shared.touch();
        let _ended = (&mut self.follower).await;
        let _ended = (&mut self.linker).await;
        let _ended = (&mut self.measurer).await;
    }
}

impl Drop for Replication {
    fn drop(&mut self) {
        self.shared.mode.send_replace(Mode::Stopped);
        self.shared.touch();
        self.linker.abort();
        self.measurer.abort();
        // It may be in a read of what cannot be read, which nobody has to wait for, after a `halt` either.
        self.rereader.abort();
    }
}

impl Shared {
    /// The disks as the kernel numbers them, in their order.
    fn disk_numbers(&self) -> Vec<DeviceNumber> {
        self.disks.iter().map(|disk| disk.leaf.number()).collect()
    }

    fn new(config: SourceConfig) -> Result<Self, SourceError> {
        let SourceConfig {
            session,
            receiver_address,
            receiver_name,
            tls,
            disks,
            lanes,
            max_bytes_per_second,
            yields,
            keep,
            ring_bytes,
        } = config;
        if lanes == 0 || lanes > MAX_LANES {
            return Err(SourceError::Lanes { found: lanes });
        }
        if disks.is_empty() {
            return Err(SourceError::NoDisks);
        }
        let numbered =
            disks.into_iter().zip(0u32..).map(
                |(SourceDisk { volume, disk: leaf }, number)| match DeviceSize::from_bytes(leaf.size_bytes()) {
                    Ok(size) => Ok(Disk { id: DeviceId(number), size, volume, leaf }),
                    Err(source) => Err(SourceError::Size { volume, source }),
                },
            );
        let disks = numbered.collect::<Result<Vec<_>, _>>()?;
        let keep = keep.map(|dir| Keep {
            dir,
            subject: keep::subject(session, &receiver_name, &disks),
            disks: disks.iter().map(|disk| disk.leaf.clone()).collect(),
            ring_bytes,
        });
        let stalls = Mutex::new(Stalls::new(disks.len(), Instant::now()));
        Ok(Self {
            session,
            address: receiver_address,
            name: receiver_name,
            tls,
            lanes,
            load: Load::new(yields, disks.len()),
            disks,
            engine: Mutex::new(Sender::new(SenderConfig::default())),
            budget: Mutex::new(Budget::new(max_bytes_per_second, 0)),
            tracker: Mutex::new(None),
            keep,
            ring_bytes,
            armed: watch::Sender::new(false),
            free_maps: Mutex::default(),
            arrays: Mutex::default(),
            mode: watch::Sender::new(Mode::Following),
            changed: watch::Sender::new(0),
            tracker_trouble: Mutex::default(),
            link_trouble: Mutex::default(),
            unread: Mutex::default(),
            stalls,
            doubt: Mutex::default(),
            controls: Mutex::default(),
            roots: Mutex::default(),
            record_reply: Mutex::default(),
            began: Instant::now(),
        })
    }

    fn engine(&self) -> MutexGuard<'_, Sender> {
        lock(&self.engine)
    }

    fn now_ms(&self) -> u64 {
        u64::try_from(self.began.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    fn mode(&self) -> Mode {
        *self.mode.borrow()
    }

    /// Whether a log line cannot meet a frozen disk.
    fn may_log(&self) -> bool {
        self.mode() != Mode::Final
    }

    /// Something happened: whoever waits looks again.
    fn touch(&self) {
        self.changed.send_modify(|count| *count += 1);
    }

    /// What is waited for, in words; empty if nothing is.
    fn waits_for(&self) -> String {
        let tracker = lock(&self.tracker_trouble).clone();
        if tracker.is_empty() { lock(&self.link_trouble).clone() } else { tracker }
    }

    fn message(&self, id: DeviceId, waits: &str, doubt: &str) -> String {
        let unread = lock(&self.unread).words(id);
        let hangs = self.hangs(id);
        [waits, doubt, &unread, &hangs].into_iter().filter(|words| !words.is_empty()).collect::<Vec<_>>().join("; ")
    }

    /// What keeps a disk's copy waiting without saying so, in words; empty if nothing does. Known by whoever asks often.
    fn hangs(&self, id: DeviceId) -> String {
        let Some(index) = self.disks.iter().position(|disk| disk.id == id) else { return String::new() };
        let reads = self.disks[index].leaf.own_reads();
        let reads_ended = (reads.under_way > 0).then_some(reads.calls);
        let answers = self.engine().awaited_after();
        lock(&self.stalls).words(index, reads_ended, answers, Instant::now())
    }

    /// Puts a frame before the next job of a lane. A lane that is gone, or whose worker hangs, is the link's to notice.
    fn control(&self, lane: usize, frame: Vec<u8>) {
        if let Some(lane) = lock(&self.controls).get(lane) {
            let _gone = lane.try_send(frame);
        }
        self.touch();
    }

    /// What the receiver refused.
    fn refused(&self, code: ErrorCode, words: &str) {
        if code == ErrorCode::RecordRefused {
            *lock(&self.record_reply) = Some(RecordReply::Refused { words: words.to_owned() });
            self.touch();
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// An error and its causes on one line.
pub(crate) fn words_of(error: &dyn std::error::Error) -> String {
    let mut words = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        words = format!("{words}: {error}");
        cause = error.source();
    }
    words
}
