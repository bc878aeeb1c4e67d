//! The machine that receives: connections that write one frame at a time, a syncing task, a reading-back task.

use crate::world::{
    DEVICE, Dice, Down, LANES, Medium, Mutation, Network, SESSION, SUBTREE_CHUNKS, Token, Up, WINDOW_BLOCKS, size,
};
use qianyun_replication::geometry::BLOCK_BYTES;
use qianyun_replication::identity::DeviceIdentity;
use qianyun_replication::message::Message;
use qianyun_replication::receiver::{
    Admission, ConnectionId, Incoming, Outbox, Permit, ReadBack, Receiver, ReceiverConfig, SyncBatch, VolumeSpec,
};
use std::collections::BTreeMap;

/// A frame on its way to the medium.
struct Writing {
    connection: u64,
    permit: Option<Permit>,
    first: u64,
    tokens: Vec<Token>,
    applied: Option<u64>,
    /// The medium takes its time: long enough for a link to break and another to come.
    slow: bool,
}

pub(crate) struct Target {
    mutation: Mutation,
    /// What reads see, and what survives a crash for certain.
    seen: Medium,
    durable: Medium,
    /// Blocks whose content in `seen` may or may not survive.
    unsynced: BTreeMap<u64, Token>,
    receiver: Receiver,
    /// On disk: the number of the last link.
    ledger: u32,
    writing: Vec<Writing>,
    frames: u64,
    syncing: Option<(SyncBatch, BTreeMap<u64, Token>)>,
    reading: Option<ReadBack>,
    /// Connections that wait to be welcomed.
    waiting: Vec<(u64, u32)>,
}

pub(crate) fn identity() -> DeviceIdentity {
    DeviceIdentity {
        logical_block_bytes: 512,
        serial: "S1".to_owned(),
        size_bytes: size().bytes(),
        table_id: "t".to_owned(),
        wwn: "w".to_owned(),
    }
}

fn fresh_receiver(last_epoch: u32, medium: &Medium) -> Receiver {
    let window_bytes = WINDOW_BLOCKS * BLOCK_BYTES;
    let config = ReceiverConfig { session: SESSION, window_bytes, quiet_ms: 300, subtree_chunks: SUBTREE_CHUNKS };
    let maybe_written = medium.written_chunks();
    let spec = VolumeSpec { name: "disk-0".to_owned(), identity: identity(), size: size(), maybe_written };
    Receiver::new(config, last_epoch, vec![spec])
}

impl Target {
    pub(crate) fn new(mutation: Mutation) -> Self {
        let empty = Medium::default();
        Self {
            mutation,
            receiver: fresh_receiver(0, &empty),
            seen: empty.clone(),
            durable: empty,
            unsynced: BTreeMap::new(),
            ledger: 0,
            writing: Vec::new(),
            frames: 0,
            syncing: None,
            reading: None,
            waiting: Vec::new(),
        }
    }

    pub(crate) fn durable(&self) -> &Medium {
        &self.durable
    }

    /// Whether the connection has a frame on its way to the medium, or waits to be welcomed.
    pub(crate) fn is_busy(&self, connection: u64) -> bool {
        self.writing.iter().any(|w| w.connection == connection) || self.waiting.iter().any(|(c, _)| *c == connection)
    }

    pub(crate) fn connection_lost(&mut self, connection: u64) {
        self.receiver.disconnected(ConnectionId(connection));
    }

    pub(crate) fn receive(&mut self, connection: u64, lane: u16, up: Up, network: &mut Network, now_ms: u64) {
        let id = ConnectionId(connection);
        let mut out = Outbox::new();
        let refused = match up {
            Up::Hello { epoch, lane: named } => {
                assert_eq!(named, lane);
                match self.receiver.hello(id, SESSION, epoch, (lane, LANES)) {
                    Ok(epoch) => {
                        self.ledger = self.ledger.max(epoch);
                        self.waiting.push((connection, epoch));
                        false
                    }
                    Err(_) => true,
                }
            }
            Up::Open => match self.receiver.open(id, DEVICE, "disk-0", &identity()) {
                Ok(opened) => {
                    out.push((id, opened));
                    false
                }
                Err(_) => true,
            },
            Up::Blocks { epoch, seq, first, tokens, last } => {
                self.blocks(connection, (epoch, seq, last), first, tokens, now_ms, &mut out)
            }
            Up::HashRequest { chunk, seq } => self.receiver.hash_request(id, (DEVICE, chunk, seq), &mut out).is_err(),
            Up::Barrier { seq } => self.receiver.barrier(id, seq).is_err(),
            Up::RootRequest { seq } => self.receiver.root_request(id, (DEVICE, seq), &mut out).is_err(),
        };
        flush(out, network);
        if refused && let Some(c) = network.connections.get_mut(&connection) {
            c.receiver_alive = false;
        }
    }

    /// One frame of data; true if the connection is refused.
    fn blocks(
        &mut self,
        connection: u64,
        (epoch, seq, last): (u32, u64, bool),
        first: u64,
        tokens: Vec<Token>,
        now_ms: u64,
        out: &mut Outbox,
    ) -> bool {
        let id = ConnectionId(connection);
        let offset = first * BLOCK_BYTES;
        let raw_len = (tokens.len() as u64 * BLOCK_BYTES).min(size().bytes() - offset);
        let zero = tokens.iter().all(|token| *token == 0);
        let raw_len = u32::try_from(raw_len).unwrap();
        let applied = last.then_some(seq);
        let incoming = Incoming { device: DEVICE, epoch, offset, raw_len, zero };
        let permit = match self.receiver.admit(id, incoming, now_ms) {
            Ok(Admission::Write(permit)) => Some(permit),
            Ok(Admission::Nothing) => {
                if let Some(seq) = applied {
                    self.receiver.applied(id, seq);
                }
                return false;
            }
            Ok(Admission::Stale) if self.mutation == Mutation::NoEpochCheck => None,
            Ok(Admission::Stale) => {
                out.push((id, Message::Stale { seq }));
                return false;
            }
            Err(_) if self.mutation == Mutation::NoFencing => None,
            Err(_) => return true,
        };
        let applied = applied.filter(|_| permit.is_some());
        let slow = self.frames.is_multiple_of(5);
        self.frames += 1;
        self.writing.push(Writing { connection, permit, first, tokens, applied, slow });
        false
    }

    pub(crate) fn step(&mut self, dice: &mut Dice, network: &mut Network, now_ms: u64, calm: bool) {
        match dice.below(8) {
            0..4 => self.finish_write(dice, network, calm),
            4 => self.sync(network),
            5 | 6 => self.read_back(network, now_ms),
            _ => self.welcome(network),
        }
    }

    fn finish_write(&mut self, dice: &mut Dice, network: &mut Network, calm: bool) {
        if self.writing.is_empty() {
            return;
        }
        let at = dice.pick(self.writing.len());
        if self.writing[at].slow && !calm && !dice.one_in(300) {
            return;
        }
        let Writing { connection, permit, first, tokens, applied, slow: _ } = self.writing.swap_remove(at);
        for (block, token) in (first..).zip(tokens) {
            self.seen.write(block, token);
            self.unsynced.insert(block, token);
        }
        if let Some(permit) = permit {
            self.receiver.wrote(permit);
        }
        let Some(seq) = applied else { return };
        if self.mutation == Mutation::AckBeforeSync {
            network.reply(connection, Down::Message(Message::Ack { seq, unproved_chunks: 0 }));
        }
        self.receiver.applied(ConnectionId(connection), seq);
    }

    /// A sync begins, or the one that began comes to its end.
    fn sync(&mut self, network: &mut Network) {
        match self.syncing.take() {
            None if self.receiver.wants_sync() => {
                let batch = self.receiver.begin_sync();
                self.syncing = Some((batch, std::mem::take(&mut self.unsynced)));
            }
            None => {}
            Some((batch, blocks)) => {
                blocks.into_iter().for_each(|(block, token)| self.durable.write(block, token));
                let mut out = Outbox::new();
                self.receiver.synced(batch, &mut out);
                flush(out, network);
            }
        }
    }

    /// A chunk is read, or one that was read is reported.
    fn read_back(&mut self, network: &mut Network, now_ms: u64) {
        match self.reading.take() {
            None => {
                self.reading = self.receiver.next_read_back(now_ms).map(|mut job| {
                    let missing = job.subtrees.missing();
                    self.seen.digest(&mut job.subtrees, job.chunk, missing, |_| true);
                    job
                });
            }
            Some(mut job) => {
                let wrong = self.mutation == Mutation::WrongReadBack;
                if wrong && job.subtrees.hash().is_some_and(|hash| hash.0[0] < 8) {
                    job.subtrees.put_zeros(0);
                }
                let mut out = Outbox::new();
                self.receiver.read_back(job, &mut out);
                flush(out, network);
            }
        }
    }

    fn welcome(&mut self, network: &mut Network) {
        let early = self.mutation == Mutation::WelcomeEarly;
        let receiver = &self.receiver;
        self.waiting.retain(|(connection, epoch)| {
            if !early && !receiver.may_welcome(*epoch) {
                return true;
            }
            let previous = receiver.previous_epoch();
            network.reply(*connection, Down::Welcome { epoch: *epoch, previous });
            false
        });
    }

    /// SIGKILL, or a power cut: each block that was not synced survives or not. With `forget`, the ledger is lost too.
    pub(crate) fn crash(&mut self, dice: &mut Dice, network: &mut Network, forget: bool) {
        let unsynced = std::mem::take(&mut self.unsynced);
        let syncing = self.syncing.take().map(|(_, blocks)| blocks).unwrap_or_default();
        for (block, token) in syncing.into_iter().chain(unsynced) {
            if dice.one_in(2) {
                self.durable.write(block, token);
            }
        }
        self.seen = self.durable.clone();
        self.writing.clear();
        self.waiting.clear();
        self.reading = None;
        network.connections.values_mut().for_each(|c| c.receiver_alive = false);
        if forget {
            self.ledger = 0;
        }
        self.receiver = fresh_receiver(self.ledger, &self.seen);
    }
}

fn flush(out: Outbox, network: &mut Network) {
    for (connection, message) in out {
        network.reply(connection.0, Down::Message(message));
    }
}
