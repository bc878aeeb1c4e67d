//! The target's side: which connections may write, what is durable, and what the medium holds by its own hashes.
//!
//! ```text
//!   frame ──admit──► write ──wrote──► applied ──begin_sync, fdatasync, synced──► durable, acknowledged
//!     │ older link: fenced                                  │ nothing written since
//!     │ decided under another link: stale                   └──► read back ──► hash valid ──► hash answers, root
//!     └ zeros where nothing was ever written: nothing to do
//! ```
//!
//! All lanes of a sender live and die together as one *link*. A link's number is the epoch, given here, grown with each
//! link and stored before it is told; a new link fences all connections of the older ones, and is welcomed only when
//! none of their writes is still on its way to the medium. Called under one mutex from the connections, the syncing
//! task and the reading-back task of the I/O crate. Never here: sockets, files, payload.

mod volume;

use crate::digest::DeviceRoot;
use crate::geometry::{ChunkIndex, DeviceId, DeviceSize, GeometryError};
use crate::identity::DeviceIdentity;
use crate::message::{ErrorCode, Message};
use crate::record::OwnVolume;
use crate::subtree::Subtrees;
use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use volume::Volume;

/// Questions of one link that wait for an answer, of all its lanes together: a sender asks for 16 hashes at a time on each
/// of at most 8 lanes, and for the roots of its devices once an attempt; this is many times that, and 200 KiB at most.
const MAX_QUESTIONS: usize = 4096;

/// A connection, numbered by the I/O crate and never reused within a process.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ConnectionId(pub u64);

/// What is to be sent, and to whom. A connection that has gone meanwhile is skipped by the caller.
pub type Outbox = Vec<(ConnectionId, Message<'static>)>;

/// A volume of the session.
#[derive(Debug, Clone)]
pub struct VolumeSpec {
    /// Name, as the controller gave it.
    pub name: String,
    /// The disk it was made for.
    pub identity: DeviceIdentity,
    /// The disk's size.
    pub size: DeviceSize,
    /// Chunks that may hold something else than zeros: everything but the holes that the medium itself vouches for.
    pub maybe_written: Vec<Range<u64>>,
}

/// How the receiver behaves.
#[derive(Debug, Clone, Copy)]
pub struct ReceiverConfig {
    /// Replication session, from the controller.
    pub session: u64,
    /// Bytes each lane may have sent and not acknowledged.
    pub window_bytes: u64,
    /// A chunk is read back in the background once nothing was written to it for this long.
    pub quiet_ms: u64,
    /// Chunks, of all volumes together, of which the values of their grains are kept.
    pub subtree_chunks: usize,
}

/// Why a connection is refused or ended.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Refusal {
    /// Another session.
    #[error("session {found}, expected {expected}")]
    Session {
        /// The receiver's.
        expected: u64,
        /// The sender's.
        found: u64,
    },
    /// A link that a newer one has replaced, or that never was.
    #[error("link {found} has been replaced, the present one is {present}")]
    Fenced {
        /// The present link.
        present: u32,
        /// The one that was named.
        found: u32,
    },
    /// A lane that the link has already, or that it does not have.
    #[error("lane {lane} of {lanes} cannot join a link of {expected} lanes that has {lane} already or never will")]
    Lane {
        /// The lane.
        lane: u16,
        /// Lanes that it says there are.
        lanes: u16,
        /// Lanes of the link.
        expected: u16,
    },
    /// No such volume.
    #[error("there is no volume {volume:?} in this session, only {known:?}")]
    NoSuchVolume {
        /// The name.
        volume: String,
        /// The names there are.
        known: Vec<String>,
    },
    /// The volume was made for another disk.
    #[error("volume {volume:?} was made for {expected}, found {found}")]
    WrongDisk {
        /// The name.
        volume: String,
        /// The disk it was made for.
        expected: Box<DeviceIdentity>,
        /// The disk that was offered.
        found: Box<DeviceIdentity>,
    },
    /// A device that this link has not opened.
    #[error("device {found} is not open on this link")]
    NotOpen {
        /// Its number.
        found: u32,
    },
    /// More numbers than there are volumes.
    #[error("device {found} would be one more than the session has volumes, which are {volumes}")]
    TooManyDevices {
        /// The number.
        found: u32,
        /// Volumes of the session.
        volumes: usize,
    },
    /// More questions than wait for an answer at any right sender.
    #[error("more than {MAX_QUESTIONS} questions wait for an answer on this link")]
    TooManyQuestions,
    /// A connection that has not said hello, or whose link has been replaced.
    #[error("the connection has not said hello, or a newer link has replaced its own")]
    NotGreeted,
    /// An extent that does not fit.
    #[error("the extent does not fit")]
    Extent(#[source] GeometryError),
}

impl Refusal {
    /// The code that tells the sender what to do about it.
    pub fn code(&self) -> ErrorCode {
        match self {
            Refusal::Session { .. } | Refusal::Fenced { .. } | Refusal::NotGreeted => ErrorCode::Fenced,
            Refusal::NoSuchVolume { .. } => ErrorCode::NoSuchVolume,
            Refusal::WrongDisk { .. } => ErrorCode::WrongDisk,
            Refusal::Lane { .. }
            | Refusal::NotOpen { .. }
            | Refusal::TooManyDevices { .. }
            | Refusal::TooManyQuestions
            | Refusal::Extent(_) => ErrorCode::Protocol,
        }
    }
}

/// An extent that wants to be written.
#[derive(Debug, Clone, Copy)]
pub struct Incoming {
    /// Which device, by the sender's number.
    pub device: DeviceId,
    /// Epoch of the frame.
    pub epoch: u32,
    /// Where.
    pub offset: u64,
    /// Bytes.
    pub raw_len: u32,
    /// Whether it is zeros.
    pub zero: bool,
}

/// What to do with an extent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Admission {
    /// Write it, then say [`Receiver::wrote`] with this permit, whether or not the connection lives.
    Write(Permit),
    /// It is there already: zeros where nothing was ever written.
    Nothing,
    /// Its content was decided under an older link: newer content may have been written, or compared, since. Tell the
    /// sender; do not write, and do not count its number as applied.
    Stale,
}

/// The right to do one write. Given back by [`Receiver::wrote`], also when the write failed.
#[derive(Debug, PartialEq, Eq, Clone)]
#[must_use]
pub struct Permit {
    /// Index of the volume, in the order they were given.
    pub volume: usize,
    chunk: u64,
    epoch: u32,
    bytes: u64,
}

/// A chunk to be read back with `O_DIRECT`: those grains that `subtrees` is missing, to be taken into it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReadBack {
    /// Index of the volume.
    pub volume: usize,
    /// Which chunk.
    pub chunk: ChunkIndex,
    /// Its bytes.
    pub len: u64,
    /// What is known of its hash.
    pub subtrees: Subtrees,
    ticket: u64,
}

/// What one fdatasync of all volumes will make durable.
#[derive(Debug)]
#[must_use]
pub struct SyncBatch {
    reached: Vec<(ConnectionId, u64, Vec<u64>)>,
}

#[derive(Debug)]
struct Connection {
    epoch: u32,
    /// Highest sequence number that was applied in full, and the highest that was acknowledged.
    applied: u64,
    acked: u64,
    barriers: Vec<u64>,
}

#[derive(Debug, Default)]
struct Link {
    lanes: u16,
    previous: u32,
    joined: BTreeSet<u16>,
    devices: BTreeMap<DeviceId, usize>,
    /// Hashes, roots and barriers that are asked for and not answered.
    questions: usize,
}

/// See the module's description.
#[derive(Debug)]
pub struct Receiver {
    config: ReceiverConfig,
    epoch: u32,
    link: Link,
    connections: BTreeMap<ConnectionId, Connection>,
    volumes: Vec<Volume>,
    /// Writes on their way to the medium, by the epoch of the connection they came on.
    writing: BTreeMap<u32, u64>,
    undurable_bytes: u64,
    root_waiters: Vec<(ConnectionId, DeviceId, u64, usize)>,
    next_ticket: u64,
}

impl Receiver {
    /// A receiver whose last link had the number `last_epoch`, as its ledger says; 0 for a new session.
    pub fn new(config: ReceiverConfig, last_epoch: u32, volumes: Vec<VolumeSpec>) -> Self {
        let share = config.subtree_chunks / volumes.len().max(1);
        Self {
            config,
            epoch: last_epoch,
            link: Link::default(),
            connections: BTreeMap::new(),
            volumes: volumes.into_iter().map(|spec| Volume::new(spec, share)).collect(),
            writing: BTreeMap::new(),
            undurable_bytes: 0,
            root_waiters: Vec::new(),
            next_ticket: 0,
        }
    }

    /// A connection introduces itself. Lane 0 asks for a new link and gets a new epoch, higher than any that either end
    /// knows, also where the ledger was lost. The caller stores it durably before it says `Welcome`, and only once
    /// [`Receiver::may_welcome`]. Other lanes join that link.
    pub fn hello(
        &mut self,
        connection: ConnectionId,
        session: u64,
        epoch: u32,
        (lane, lanes): (u16, u16),
    ) -> Result<u32, Refusal> {
        if session != self.config.session {
            return Err(Refusal::Session { expected: self.config.session, found: session });
        }
        if lane == 0 {
            // Whoever has not seen the present link, because its welcome was lost, has not heard either what was known before.
            let previous = if epoch < self.epoch { self.link.previous } else { self.epoch };
            let fenced = Refusal::Fenced { present: self.epoch, found: epoch };
            self.epoch = self.epoch.max(epoch).checked_add(1).ok_or(fenced)?;
            self.link = Link { lanes, previous, ..Link::default() };
            self.connections.clear();
            self.root_waiters.clear();
            self.volumes.iter_mut().for_each(Volume::forget_waiters);
        } else if epoch != self.epoch {
            return Err(Refusal::Fenced { present: self.epoch, found: epoch });
        }
        if lanes != self.link.lanes || !self.link.joined.insert(lane) {
            return Err(Refusal::Lane { lane, lanes, expected: self.link.lanes });
        }
        let fresh = Connection { epoch: self.epoch, applied: 0, acked: 0, barriers: Vec::new() };
        self.connections.insert(connection, fresh);
        Ok(self.epoch)
    }

    /// Whether no write of an older link is on its way to the medium any more.
    pub fn may_welcome(&self, epoch: u32) -> bool {
        self.writing.range(..epoch).all(|(_, count)| *count == 0)
    }

    /// The window that a lane gets.
    pub fn window_bytes(&self) -> u64 {
        self.config.window_bytes
    }

    /// The highest epoch that was known here before the present link, and before any that the sender has not seen.
    pub fn previous_epoch(&self) -> u32 {
        self.link.previous
    }

    /// The number of the present link.
    pub fn epoch(&self) -> u32 {
        self.epoch
    }

    /// Whether the connection belongs to the present link.
    pub fn ensure_current(&self, connection: ConnectionId) -> Result<(), Refusal> {
        self.connection(connection).map(drop)
    }

    /// What was acknowledged last, again, with what is left to read back now: a sender that has nothing to send would not
    /// hear that it has become less.
    pub fn standing(&self, connection: ConnectionId) -> Option<Message<'static>> {
        let seq = self.connections.get(&connection)?.acked;
        Some(Message::Ack { seq, unproved_chunks: self.unproved_chunks() })
    }

    /// The connection is gone. Its lane cannot come back: the sender asks for a new link.
    pub fn disconnected(&mut self, connection: ConnectionId) {
        self.connections.remove(&connection);
    }

    /// Opens the volume `name` for the disk `identity`; answers which chunks may not be zeros.
    pub fn open(
        &mut self,
        connection: ConnectionId,
        device: DeviceId,
        name: &str,
        identity: &DeviceIdentity,
    ) -> Result<Message<'static>, Refusal> {
        self.connection(connection)?;
        let Some(index) = self.volumes.iter().position(|v| v.spec.name == name) else {
            let known = self.volumes.iter().map(|v| v.spec.name.clone()).collect();
            return Err(Refusal::NoSuchVolume { volume: name.to_owned(), known });
        };
        let volume = &self.volumes[index];
        if volume.spec.identity != *identity {
            return Err(Refusal::WrongDisk {
                volume: name.to_owned(),
                expected: Box::new(volume.spec.identity.clone()),
                found: Box::new(identity.clone()),
            });
        }
        let volumes = self.volumes.len();
        if !self.link.devices.contains_key(&device) && self.link.devices.len() >= volumes {
            return Err(Refusal::TooManyDevices { found: device.0, volumes });
        }
        self.link.devices.insert(device, index);
        Ok(Message::Opened { device, written: volume.written_chunks() })
    }

    /// What to do with an extent that arrived on `connection`.
    pub fn admit(&mut self, connection: ConnectionId, incoming: Incoming, now_ms: u64) -> Result<Admission, Refusal> {
        let epoch = self.connection(connection)?.epoch;
        if incoming.epoch != epoch {
            return Ok(Admission::Stale);
        }
        let index = self.volume_of(incoming.device)?;
        let volume = &mut self.volumes[index];
        let blocks =
            volume.spec.size.blocks_of_extent(incoming.offset, u64::from(incoming.raw_len)).map_err(Refusal::Extent)?;
        let chunk = match volume.admit(blocks, &incoming, now_ms) {
            volume::Verdict::Write(chunk) => chunk,
            volume::Verdict::Nothing => return Ok(Admission::Nothing),
        };
        *self.writing.entry(epoch).or_default() += 1;
        Ok(Admission::Write(Permit { volume: index, chunk, epoch, bytes: u64::from(incoming.raw_len) }))
    }

    /// The write is over: its bytes are applied, not yet durable.
    pub fn wrote(&mut self, permit: Permit) {
        let Permit { volume, chunk, epoch, bytes } = permit;
        self.volumes[volume].wrote(chunk);
        self.undurable_bytes += bytes;
        if let Some(count) = self.writing.get_mut(&epoch) {
            *count -= 1;
            if *count == 0 {
                self.writing.remove(&epoch);
            }
        }
    }

    /// All frames of job `seq` have been dealt with.
    pub fn applied(&mut self, connection: ConnectionId, seq: u64) {
        if let Some(connection) = self.connections.get_mut(&connection) {
            connection.applied = connection.applied.max(seq);
        }
    }

    /// The sender wants to know when everything before this is durable.
    pub fn barrier(&mut self, connection: ConnectionId, seq: u64) -> Result<(), Refusal> {
        if let Some(connection) = self.connections.get_mut(&connection) {
            asked(&mut self.link)?;
            connection.barriers.push(seq);
        }
        Ok(())
    }

    /// Bytes that were written and are not durable.
    pub fn undurable_bytes(&self) -> u64 {
        self.undurable_bytes
    }

    /// Whether a sync would have something to tell.
    pub fn wants_sync(&self) -> bool {
        self.undurable_bytes > 0
            || self.connections.values().any(|c| c.applied > c.acked || !c.barriers.is_empty())
            || self.volumes.iter().any(Volume::wants_sync)
    }

    /// Takes down what an fdatasync that begins after this call will make durable. One sync at a time.
    pub fn begin_sync(&mut self) -> SyncBatch {
        self.undurable_bytes = 0;
        self.volumes.iter_mut().for_each(Volume::begin_sync);
        let reached = self.connections.iter_mut();
        SyncBatch { reached: reached.map(|(id, c)| (*id, c.applied, std::mem::take(&mut c.barriers))).collect() }
    }

    /// The fdatasync of all volumes succeeded. A failed one must end the process: what it lost cannot be known.
    pub fn synced(&mut self, batch: SyncBatch, out: &mut Outbox) {
        self.volumes.iter_mut().for_each(Volume::synced);
        let unproved_chunks = self.unproved_chunks();
        for (id, applied, barriers) in batch.reached {
            let Some(connection) = self.connections.get_mut(&id) else { continue };
            self.link.questions = self.link.questions.saturating_sub(barriers.len());
            if applied > connection.acked {
                connection.acked = applied;
                out.push((id, Message::Ack { seq: applied, unproved_chunks }));
            }
            out.extend(barriers.into_iter().map(|seq| (id, Message::BarrierReached { seq })));
        }
    }

    /// What is the hash of this chunk on the medium? Answers at once or when the chunk has been read back.
    pub fn hash_request(
        &mut self,
        connection: ConnectionId,
        (device, chunk, seq): (DeviceId, ChunkIndex, u64),
        out: &mut Outbox,
    ) -> Result<(), Refusal> {
        self.connection(connection)?;
        let index = self.volume_of(device)?;
        match self.volumes[index].hash_or_wait(chunk, (connection, device, seq))? {
            Some(hash) => out.push((connection, Message::HashResponse { device, chunk, seq, hash })),
            None => asked(&mut self.link)?,
        }
        Ok(())
    }

    /// What is the root of this device? Answers when every chunk that may not be zeros has been read back.
    pub fn root_request(
        &mut self,
        connection: ConnectionId,
        (device, seq): (DeviceId, u64),
        out: &mut Outbox,
    ) -> Result<(), Refusal> {
        self.connection(connection)?;
        let index = self.volume_of(device)?;
        asked(&mut self.link)?;
        self.root_waiters.push((connection, device, seq, index));
        self.answer_roots(out);
        Ok(())
    }

    /// The next chunk to read back: one that is waited for, else one that has been quiet for long enough.
    pub fn next_read_back(&mut self, now_ms: u64) -> Option<ReadBack> {
        let ticket = self.next_ticket;
        let wanted: BTreeSet<usize> = self.root_waiters.iter().map(|(.., index)| *index).collect();
        let quiet = now_ms.checked_sub(self.config.quiet_ms);
        let mut volumes = self.volumes.iter_mut().enumerate();
        let (volume, (chunk, subtrees)) = volumes.find_map(|(index, volume)| {
            let until = if wanted.contains(&index) { Some(u64::MAX) } else { quiet };
            volume.next_read_back(until, ticket).map(|found| (index, found))
        })?;
        self.next_ticket += 1;
        let len = self.volumes[volume].spec.size.chunk_len(chunk);
        Some(ReadBack { volume, chunk, len, subtrees, ticket })
    }

    /// The chunk was read back, into the job's subtrees. Grains that were written to since it was handed out do not count.
    pub fn read_back(&mut self, job: ReadBack, out: &mut Outbox) {
        let ReadBack { volume, chunk, len: _, subtrees, ticket } = job;
        let Some((hash, waiters)) = self.volumes[volume].read_back(chunk, ticket, subtrees) else { return };
        self.link.questions = self.link.questions.saturating_sub(waiters.len());
        for (connection, device, seq) in waiters {
            out.push((connection, Message::HashResponse { device, chunk, seq, hash }));
        }
        self.answer_roots(out);
    }

    /// Chunks that would have to be read back before all roots are known.
    pub fn unproved_chunks(&self) -> u64 {
        self.volumes.iter().map(Volume::unproved_chunks).sum()
    }

    /// The volumes with their roots, for checking a record.
    pub fn own_volumes(&self) -> Vec<OwnVolume> {
        let own =
            |v: &Volume| OwnVolume { volume: v.spec.name.clone(), identity: v.spec.identity.clone(), root: v.root() };
        self.volumes.iter().map(own).collect()
    }

    /// The root of a volume; `None` while a chunk is not proved.
    pub fn root(&self, volume: usize) -> Option<DeviceRoot> {
        self.volumes.get(volume).and_then(Volume::root)
    }

    fn answer_roots(&mut self, out: &mut Outbox) {
        let (volumes, before) = (&self.volumes, self.root_waiters.len());
        self.root_waiters.retain(|(connection, device, seq, index)| match volumes[*index].root() {
            Some(root) => {
                out.push((*connection, Message::RootResponse { device: *device, seq: *seq, root }));
                false
            }
            None => true,
        });
        self.link.questions = self.link.questions.saturating_sub(before - self.root_waiters.len());
    }

    fn connection(&self, id: ConnectionId) -> Result<&Connection, Refusal> {
        self.connections.get(&id).ok_or(Refusal::NotGreeted)
    }

    fn volume_of(&self, device: DeviceId) -> Result<usize, Refusal> {
        self.link.devices.get(&device).copied().ok_or(Refusal::NotOpen { found: device.0 })
    }
}

/// Takes down one more question, unless too many wait already.
fn asked(link: &mut Link) -> Result<(), Refusal> {
    if link.questions >= MAX_QUESTIONS {
        return Err(Refusal::TooManyQuestions);
    }
    link.questions += 1;
    Ok(())
}

#[cfg(test)]
mod tests;
