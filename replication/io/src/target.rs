//! Where disks arrive: listens, writes, syncs, acknowledges, reads back, and signs what it has proved.
//!
//! ```text
//!   connections ──► engine (one mutex) ◄── syncing task: fdatasync, then acknowledgements
//!        │ writes          ▲
//!        ▼                 └── reading-back tasks: hashes from the medium
//!     volumes
//! ```
//!
//! Every decision is [`qianyun_replication::receiver`]'s. Ends only by an error that leaves the state of the medium unknown,
//! or when its future is dropped; it may be started again on the same volumes and ledger at any time.

mod connection;
mod holes;
mod ledger_file;
mod record;

use crate::device::DeviceError;
use crate::device::buffer::AlignedBuffer;
use crate::device::volume::{Volume, folder_of};
use crate::lane;
use crate::signer::Signer;
use ledger_file::LedgerFile;
pub use ledger_file::LedgerFileError;
use qianyun_replication::geometry::{CHUNK_BYTES, DeviceSize, GRAIN_BYTES, GeometryError};
use qianyun_replication::identity::DeviceIdentity;
use qianyun_replication::ledger::Ledger;
use qianyun_replication::message::Message;
use qianyun_replication::receiver::{ConnectionId, Outbox, ReadBack, Receiver, ReceiverConfig, VolumeSpec};
use qianyun_replication::subtree::KEPT_CHUNKS;
use record::RecordFile;
use rustls_pki_types::CertificateDer;
use std::collections::HashMap;
use std::convert::Infallible;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use tokio::net::TcpListener;
use tokio::sync::{mpsc, watch};
use tokio::task::{JoinSet, block_in_place};
use tokio::time::{sleep, timeout};

/// Bytes that a lane may have sent and not acknowledged: 10 GbE at 20 ms of round trip and sync needs 25 MB, which two
/// lanes have together.
const WINDOW_BYTES: u64 = 16 * 1024 * 1024;
/// Bytes after which a sync does not wait for more.
const SYNC_BYTES: u64 = WINDOW_BYTES / 4;
/// How long a sync waits for more to sync: below what anyone sees in a freeze of seconds.
const SYNC_PAUSE: Duration = Duration::from_millis(20);
/// How often tasks look even if nothing was told: chunks become quiet by time alone.
const LOOK_EVERY: Duration = Duration::from_millis(250);
/// A chunk rests for this long before it is read back without being asked for: long enough that what one job writes in
/// pieces is read once, short enough that little is left to read back under a freeze. A chunk that is written to again costs
/// only its grains. Less than what sending one percent of a disk takes: most of that is read back while the rest still comes.
const QUIET: Duration = Duration::from_millis(100);
/// Tasks that read back: one hashes while the other reads.
const READERS: usize = 2;
/// Messages that may wait for a connection: a window of the smallest jobs on one lane, twice over. More means that the
/// other end does not read.
const OUTBOX: usize = 8192;

/// Says whether the certificates of a client, the leaf first, are those of the server whose disks arrive here. The chain
/// itself has been checked.
pub type Authorize = Arc<dyn Fn(&[CertificateDer<'static>]) -> Result<(), String> + Send + Sync>;

/// What a target needs to know.
pub struct TargetConfig {
    /// Replication session, from the controller.
    pub session: u64,
    /// The volumes of the session. A file that was none before is made.
    pub volumes: Vec<TargetVolume>,
    /// Where ledger and record are kept; exists.
    pub ledger_dir: PathBuf,
    /// Server certificate, and that clients must show theirs. The protocol's name is added here.
    pub tls: Arc<rustls::ServerConfig>,
    /// Who may connect.
    pub authorize: Authorize,
    /// Signs records.
    pub signer: Arc<dyn Signer>,
}

/// A volume and the disk that it is for.
#[derive(Debug, Clone)]
pub struct TargetVolume {
    /// Name, as the source calls it.
    pub name: String,
    /// The disk.
    pub identity: DeviceIdentity,
    /// A file or block device of exactly the disk's size.
    pub path: PathBuf,
}

/// Why the target cannot start or go on.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TargetError {
    /// The address cannot be had.
    #[error("cannot listen on {address}")]
    Listen {
        /// Which.
        address: SocketAddr,
        /// Why not.
        #[source]
        source: std::io::Error,
    },
    /// A volume cannot be used.
    #[error("volume {name:?} cannot be used")]
    Volume {
        /// Its name.
        name: String,
        /// Why not.
        #[source]
        source: DeviceError,
    },
    /// A volume that was there before, or a device, is not there.
    #[error("volume {name:?} is gone: {} is not there; attach it again, or begin anew in an empty folder", path.display())]
    Gone {
        /// Its name.
        name: String,
        /// Where it was.
        path: PathBuf,
    },
    /// A disk has a size that no disk has.
    #[error("volume {name:?} is for a disk that cannot be")]
    Size {
        /// Its name.
        name: String,
        /// Why not.
        #[source]
        source: GeometryError,
    },
    /// The ledger cannot be used.
    #[error("the ledger cannot be used")]
    Ledger(#[from] LedgerFileError),
    /// The ledger is of a newer session: this receiver was left behind.
    #[error("session {found} is over, the ledger is of session {ledger}")]
    OldSession {
        /// The ledger's.
        ledger: u64,
        /// This receiver's.
        found: u64,
    },
    /// The ledger knows the volume as another disk's.
    #[error("volume {name:?} was made for {expected}, found {found}")]
    WrongDisk {
        /// Its name.
        name: String,
        /// The ledger's disk.
        expected: Box<DeviceIdentity>,
        /// The disk it is to be for now.
        found: Box<DeviceIdentity>,
    },
    /// A sync or a reading of the medium failed: what is on it is not known any more.
    #[error("the medium of volume {name:?} failed")]
    Medium {
        /// Its name.
        name: String,
        /// How.
        #[source]
        source: DeviceError,
    },
}

/// What all tasks of a target share.
struct Shared {
    engine: Mutex<Receiver>,
    volumes: Vec<(TargetVolume, Volume)>,
    ledger: Mutex<LedgerFile>,
    record: RecordFile,
    session: u64,
    authorize: Authorize,
    signer: Arc<dyn Signer>,
    outboxes: Mutex<HashMap<ConnectionId, mpsc::Sender<Message<'static>>>>,
    /// Counts what happened to the engine; whoever waits for it looks again.
    changed: watch::Sender<u64>,
    next_connection: AtomicU64,
    began: Instant,
}

/// A target that listens.
pub struct Target {
    shared: Arc<Shared>,
    listener: TcpListener,
    acceptor: tokio_rustls::TlsAcceptor,
}

/// Listens on `listen` and serves until the medium fails.
pub async fn serve(listen: SocketAddr, config: TargetConfig) -> Result<Infallible, TargetError> {
    Target::bind(listen, config).await?.serve().await
}

impl Target {
    /// Opens ledger and volumes, and listens.
    pub async fn bind(listen: SocketAddr, config: TargetConfig) -> Result<Self, TargetError> {
        let acceptor = lane::acceptor(&config.tls);
        let shared = Arc::new(block_in_place(|| Shared::open(config))?);
        let refused = |source| TargetError::Listen { address: listen, source };
        let listener = TcpListener::bind(listen).await.map_err(refused)?;
        Ok(Self { shared, listener, acceptor })
    }

    /// Where it listens.
    pub fn local_addr(&self) -> std::io::Result<SocketAddr> {
        self.listener.local_addr()
    }

    /// Serves until the medium fails. Dropping the future ends every connection; a write under way is finished first.
    pub async fn serve(self) -> Result<Infallible, TargetError> {
        let Self { shared, listener, acceptor } = self;
        let mut tasks = JoinSet::new();
        tasks.spawn(sync_loop(Arc::clone(&shared)));
        for _ in 0..READERS {
            tasks.spawn(read_back_loop(Arc::clone(&shared)));
        }
        let mut connections = JoinSet::new();
        loop {
            tokio::select! {
                ended = tasks.join_next() => match ended {
                    Some(Ok(Err(error))) => return Err(error),
                    Some(Err(panicked)) => std::panic::resume_unwind(panicked.into_panic()),
                    Some(Ok(Ok(never))) => match never {},
                    None => unreachable!("the tasks end by returning an error only"),
                },
                Some(_ended) = connections.join_next() => {}
                accepted = listener.accept() => match accepted {
                    Ok((stream, peer)) => {
                        let (shared, acceptor) = (Arc::clone(&shared), acceptor.clone());
                        connections.spawn(async move {
                            let peer = peer.to_string();
                            if let Err(error) = connection::run(&shared, &acceptor, stream, &peer).await {
                                tracing::info!(peer, error = &error as &dyn std::error::Error, "connection ended");
                            }
                        });
                    }
                    Err(error) => {
                        // Out of descriptors, or the peer has gone again: neither gets better by trying at once.
                        tracing::warn!(error = &error as &dyn std::error::Error, "cannot accept a connection");
                        sleep(LOOK_EVERY).await;
                    }
                },
            }
        }
    }
}

impl Shared {
    fn open(config: TargetConfig) -> Result<Self, TargetError> {
        let TargetConfig { session, volumes, ledger_dir, tls: _, authorize, signer } = config;
        let (mut file, ledger) = LedgerFile::open(&ledger_dir)?;
        if let Some(ledger) = &ledger {
            check_ledger(ledger, session, &volumes)?;
        }
        let last_epoch = ledger.as_ref().map_or(0, |ledger| ledger.epoch);
        let before = ledger.filter(|ledger| ledger.session == session).map(|ledger| ledger.volumes).unwrap_or_default();
        let (mut specs, mut opened) = (Vec::new(), Vec::new());
        for volume in volumes {
            let (spec, open) = open_volume(&volume, before.iter().any(|(name, _)| *name == volume.name))?;
            specs.push(spec);
            opened.push((volume, open));
        }
        let known = opened.iter().map(|(v, _)| (v.name.clone(), v.identity.clone())).collect();
        file.store(&Ledger { generation: 0, session, epoch: last_epoch, volumes: known })?;
        let quiet_ms = u64::try_from(QUIET.as_millis()).expect("a quarter of a second");
        let config = ReceiverConfig { session, window_bytes: WINDOW_BYTES, quiet_ms, subtree_chunks: KEPT_CHUNKS };
        let engine = Receiver::new(config, last_epoch, specs);
        Ok(Self {
            engine: Mutex::new(engine),
            volumes: opened,
            ledger: Mutex::new(file),
            record: RecordFile::in_dir(&ledger_dir),
            session,
            authorize,
            signer,
            outboxes: Mutex::default(),
            changed: watch::Sender::new(0),
            next_connection: AtomicU64::new(1),
            began: Instant::now(),
        })
    }

    /// That the volumes are what lies at their paths: bytes in a file without a name are gone with this process.
    fn still_there(&self) -> Result<(), DeviceError> {
        self.volumes.iter().try_for_each(|(_, open)| open.check_place())
    }

    fn engine(&self) -> MutexGuard<'_, Receiver> {
        self.engine.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn now_ms(&self) -> u64 {
        u64::try_from(self.began.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    /// The engine has something new: whoever waits looks again.
    fn touch(&self) {
        self.changed.send_modify(|count| *count += 1);
    }

    /// Remembers that links up to `epoch` were given out, before anyone is told.
    fn store_epoch(&self) -> Result<(), LedgerFileError> {
        let mut file = self.ledger.lock().unwrap_or_else(PoisonError::into_inner);
        let epoch = self.engine().epoch();
        let volumes = self.volumes.iter().map(|(v, _)| (v.name.clone(), v.identity.clone())).collect();
        file.store(&Ledger { generation: 0, session: self.session, epoch, volumes })
    }

    fn join(&self) -> (ConnectionId, mpsc::Receiver<Message<'static>>) {
        let id = ConnectionId(self.next_connection.fetch_add(1, Ordering::Relaxed));
        let (sender, receiver) = mpsc::channel(OUTBOX);
        self.outboxes.lock().unwrap_or_else(PoisonError::into_inner).insert(id, sender);
        (id, receiver)
    }

    fn leave(&self, id: ConnectionId) {
        self.outboxes.lock().unwrap_or_else(PoisonError::into_inner).remove(&id);
        self.engine().disconnected(id);
        self.touch();
    }

    /// Hands messages to their connections. One that does not read its messages is ended by losing its outbox.
    fn deliver(&self, out: Outbox) {
        let mut outboxes = self.outboxes.lock().unwrap_or_else(PoisonError::into_inner);
        for (id, message) in out {
            let Some(outbox) = outboxes.get(&id) else { continue };
            if outbox.try_send(message).is_err() {
                outboxes.remove(&id);
            }
        }
    }
}

fn check_ledger(ledger: &Ledger, session: u64, volumes: &[TargetVolume]) -> Result<(), TargetError> {
    if ledger.session > session {
        return Err(TargetError::OldSession { ledger: ledger.session, found: session });
    }
    for volume in volumes {
        let known = ledger.volumes.iter().find(|(name, _)| *name == volume.name);
        if let Some((name, expected)) = known.filter(|(_, identity)| *identity != volume.identity) {
            let (expected, found) = (Box::new(expected.clone()), Box::new(volume.identity.clone()));
            return Err(TargetError::WrongDisk { name: name.clone(), expected, found });
        }
    }
    Ok(())
}

/// Opens a volume, or makes it: only what was not `opened_before` in this session, for a new one would be taken for the copy; and
/// no file among devices, which would be one of memory.
fn open_volume(volume: &TargetVolume, opened_before: bool) -> Result<(VolumeSpec, Volume), TargetError> {
    let TargetVolume { name, identity, path } = volume;
    let size = DeviceSize::from_bytes(identity.size_bytes)
        .map_err(|source| TargetError::Size { name: name.clone(), source })?;
    let unusable = |source| TargetError::Volume { name: name.clone(), source };
    let is_there = path.exists();
    if !is_there && (opened_before || leads_elsewhere(path) || is_among_devices(path)) {
        return Err(TargetError::Gone { name: name.clone(), path: path.clone() });
    }
    // Killed while it made the file, the one before left an empty one.
    let is_begun = !opened_before && std::fs::metadata(path).is_ok_and(|found| found.is_file() && found.len() == 0);
    let open = if is_there && !is_begun { Volume::open } else { Volume::create };
    let open = open(path, size.bytes()).map_err(unusable)?;
    let maybe_written = holes::maybe_written(path, size).map_err(unusable)?;
    Ok((VolumeSpec { name: name.clone(), identity: identity.clone(), size, maybe_written }, open))
}

/// Whether there is a name that leads to nothing: of a device, as a rule, that is not attached.
fn leads_elsewhere(path: &Path) -> bool {
    std::fs::symlink_metadata(path).is_ok()
}

/// Whether a file would be made below `/dev`, by whatever way its path takes.
fn is_among_devices(path: &Path) -> bool {
    let folder = std::fs::canonicalize(folder_of(path));
    path.starts_with("/dev") || folder.is_ok_and(|folder| folder.starts_with("/dev"))
}

/// Makes durable what was applied, again and again.
async fn sync_loop(shared: Arc<Shared>) -> Result<Infallible, TargetError> {
    let mut changed = shared.changed.subscribe();
    loop {
        changed.mark_unchanged();
        if !shared.engine().wants_sync() {
            let _late = timeout(LOOK_EVERY, changed.changed()).await;
            continue;
        }
        if shared.engine().undurable_bytes() < SYNC_BYTES {
            sleep(SYNC_PAUSE).await;
        }
        let batch = shared.engine().begin_sync();
        block_in_place(|| {
            for (volume, open) in &shared.volumes {
                open.sync().map_err(|source| TargetError::Medium { name: volume.name.clone(), source })?;
            }
            Ok::<(), TargetError>(())
        })?;
        let mut out = Outbox::new();
        shared.engine().synced(batch, &mut out);
        shared.deliver(out);
        shared.touch();
    }
}

/// Reads back and hashes what is asked for or has come to rest, again and again.
async fn read_back_loop(shared: Arc<Shared>) -> Result<Infallible, TargetError> {
    let mut changed = shared.changed.subscribe();
    let mut buffer = AlignedBuffer::new(usize::try_from(CHUNK_BYTES).expect("a chunk is a MiB"));
    loop {
        changed.mark_unchanged();
        let job = shared.engine().next_read_back(shared.now_ms());
        let Some(mut job) = job else {
            let _late = timeout(LOOK_EVERY, changed.changed()).await;
            continue;
        };
        let (volume, open) = &shared.volumes[job.volume];
        block_in_place(|| digest(open, &mut job, &mut buffer))
            .map_err(|source| TargetError::Medium { name: volume.name.clone(), source })?;
        let mut out = Outbox::new();
        shared.engine().read_back(job, &mut out);
        shared.deliver(out);
        // Lets other tasks of a small runtime have their turn between two chunks.
        tokio::task::yield_now().await;
    }
}

/// Reads the grains that are missing, and takes them in.
fn digest(volume: &Volume, job: &mut ReadBack, buffer: &mut AlignedBuffer) -> Result<(), DeviceError> {
    let missing = job.subtrees.missing();
    for run in missing.runs() {
        let bytes = job.subtrees.bytes_of(run.start).start..job.subtrees.bytes_of(run.end - 1).end;
        volume.read_back(job.chunk.offset_bytes() + run.start * GRAIN_BYTES, &mut buffer[bytes])?;
    }
    for grain in missing.iter() {
        let bytes = job.subtrees.bytes_of(grain);
        job.subtrees.put(grain, &buffer[bytes]);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn volume(path: PathBuf) -> TargetVolume {
        let size_bytes = 1 << 20;
        let identity = DeviceIdentity {
            logical_block_bytes: 512,
            serial: "s".into(),
            size_bytes,
            table_id: String::new(),
            wwn: String::new(),
        };
        TargetVolume { name: "sda".into(), identity, path }
    }

    #[test]
    fn a_volume_that_is_gone_is_not_made_anew_and_no_file_is_made_among_devices() {
        let dir = tempfile::tempdir().unwrap();
        let gone = volume(dir.path().join("sda.raw"));
        let refused = open_volume(&gone, true).unwrap_err();
        assert!(matches!(&refused, TargetError::Gone { path, .. } if *path == gone.path), "{refused}");
        let link = dir.path().join("link");
        std::os::unix::fs::symlink(dir.path().join("nothing"), &link).unwrap();
        for device in ["/dev/not-there".into(), "/usr/../dev/not-there".into(), link] {
            let device = volume(device);
            assert!(matches!(open_volume(&device, false), Err(TargetError::Gone { .. })), "{:?}", device.path);
            assert!(!device.path.exists());
        }
        assert!(!gone.path.exists());
        drop(open_volume(&gone, false).unwrap());
        open_volume(&gone, true).unwrap();
    }

    #[test]
    fn a_volume_that_was_begun_by_a_process_that_was_killed_is_made() {
        let dir = tempfile::tempdir().unwrap();
        let begun = volume(dir.path().join("sda.raw"));
        std::fs::write(&begun.path, []).unwrap();
        assert!(open_volume(&begun, true).is_err(), "what was a volume before is none without its bytes");
        open_volume(&begun, false).unwrap();
        assert_eq!(std::fs::metadata(&begun.path).unwrap().len(), 1 << 20);
    }
}
