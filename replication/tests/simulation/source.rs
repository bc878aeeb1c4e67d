//! The machine that is moved: an application that writes, a tracker, workers, and the sender.

use crate::world::{
    DEVICE, Dice, Down, LANES, Medium, Mutation, Network, SUBTREE_CHUNKS, Token, Up, Violation, WINDOW_BLOCKS,
    hot_blocks, size, violated,
};
use qianyun_replication::block_set::BlockSet;
use qianyun_replication::checkpoint::{Checkpoint, ReadUpTo};
use qianyun_replication::digest::DeviceRoot;
use qianyun_replication::geometry::{BLOCK_BYTES, BLOCKS_PER_CHUNK};
use qianyun_replication::message::Message;
use qianyun_replication::progress::Counters;
use qianyun_replication::sender::{Audit, Copied, FinalError, Job, Sender, SenderConfig, Work};
use std::collections::BTreeMap;

/// A write of the application between submission and completion.
#[derive(Debug, Clone, Copy)]
struct Write {
    block: u64,
    token: Token,
    visible: bool,
    /// What becomes of its completion event.
    event: Event,
}

/// What becomes of the event of a completed write.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Event {
    Comes,
    /// It is lost, and the tracker's counters tell at the next drain.
    Lost,
    /// It is lost, and only the disk's own count knows.
    LostSilently,
}

/// As a tracker begins.
const NOTHING_WRITTEN: Audit = Audit { traced_sectors: 0, counted_sectors: 0 };

/// A worker that holds a job, perhaps longer than the link lives.
struct Held {
    job: Job,
    /// What was read, once it was.
    read: Option<Medium>,
    /// Takes its time: long enough for a link to break and another to come.
    slow: bool,
}

/// A process that has just begun, until it has the map and the tracker, in this order or, wrongly, in the other.
#[derive(Debug, Clone, Default)]
struct Starting {
    map: Option<BlockSet>,
    armed: bool,
}

/// How far an attempt to finish has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Finish {
    No,
    Draining,
    Barrier(u64),
    Root(u64),
    Done(bool),
}

/// What outlives a process of the source: the tracker's, and the checkpoint in memory.
#[derive(Debug, Default)]
struct Kept {
    /// The newest batch, and every block that was told in one that is not forgotten.
    batch: u64,
    told: Vec<(u64, u64)>,
    /// Being written, and written.
    writing: Option<Checkpoint>,
    written: Option<Vec<u8>>,
}

pub(crate) struct Source {
    mutation: Mutation,
    medium: Medium,
    used: BlockSet,
    writes: Vec<Write>,
    next_token: Token,
    /// Completed and not yet drained, and whether an event was lost that nobody has noticed yet.
    tracked: Vec<u64>,
    unnoticed_loss: bool,
    silent_loss: bool,
    next_event: Event,
    /// Not in most worlds: between such a loss and the audit no block can be held to anything.
    loses_silently: bool,
    /// Sectors since the tracker was armed, as it and as the disk count them.
    audit: Audit,
    starting: Option<Starting>,
    kept: Kept,
    /// How often a process went on from a checkpoint, and how often only the audit told of a loss.
    restored: u64,
    audited: u64,
    sender: Sender,
    lanes: BTreeMap<u16, u64>,
    welcomed: u16,
    held: Vec<Held>,
    frozen: bool,
    finish: Finish,
}

impl Source {
    pub(crate) fn new(dice: &mut Dice, mutation: Mutation) -> Self {
        let (mut medium, mut used) = (Medium::default(), BlockSet::new());
        for &block in hot_blocks() {
            if dice.one_in(2) {
                medium.write(block, if dice.one_in(4) { 0 } else { block + 1 });
                used.insert(block..block + 1);
            } else if dice.one_in(2) {
                // Free, with old content: must never be needed at the target.
                medium.write(block, 999);
            }
        }
        Self {
            mutation,
            medium,
            used,
            writes: Vec::new(),
            next_token: 10_000,
            tracked: Vec::new(),
            unnoticed_loss: false,
            silent_loss: false,
            next_event: Event::Comes,
            loses_silently: dice.one_in(8),
            audit: NOTHING_WRITTEN,
            starting: Some(Starting::default()),
            kept: Kept::default(),
            restored: 0,
            audited: 0,
            sender: fresh_sender(),
            lanes: BTreeMap::new(),
            welcomed: 0,
            held: Vec::new(),
            frozen: false,
            finish: Finish::No,
        }
    }

    pub(crate) fn sender(&self) -> &Sender {
        &self.sender
    }

    pub(crate) fn medium(&self) -> &Medium {
        &self.medium
    }

    pub(crate) fn is_used(&self, block: u64) -> bool {
        self.used.contains(block)
    }

    pub(crate) fn tracker_is_trusted(&self) -> bool {
        !self.unnoticed_loss && !self.silent_loss
    }

    pub(crate) fn is_starting(&self) -> bool {
        self.starting.is_some()
    }

    /// Written and not yet marked: allowed to differ.
    pub(crate) fn has_write_in_flight(&self, block: u64) -> bool {
        self.writes.iter().any(|w| w.block == block) || self.tracked.contains(&block)
    }

    pub(crate) fn step(&mut self, dice: &mut Dice, network: &mut Network, now_ms: u64, calm: bool) {
        if self.starting.is_some() {
            match dice.below(4) {
                0 if !calm && !self.frozen => self.submit(dice),
                1 | 2 => self.advance_write(dice),
                _ => self.go_on_starting(),
            }
            return;
        }
        if !calm && self.finish != Finish::No && dice.one_in(40) {
            // An attempt is given up, also one that was proved: the writes go on.
            self.give_up_finishing();
        }
        if dice.one_in(30) {
            self.keep();
        }
        match dice.below(10) {
            0 if !calm && !self.frozen => self.submit(dice),
            1 => self.advance_write(dice),
            2 => self.drain(now_ms),
            3..6 => self.take_job(dice, now_ms),
            6..9 => self.work(dice, network, now_ms, calm),
            _ => self.go_on_finishing(network, now_ms),
        }
        if calm && self.finish == Finish::No {
            self.try_to_finish();
        }
    }

    /// One thing at a time: the application goes on between any two.
    fn go_on_starting(&mut self) {
        let Some(starting) = self.starting.as_mut() else { return };
        let map_first = self.mutation == Mutation::MapBeforeTracking;
        if !starting.armed && (!map_first || starting.map.is_some()) {
            starting.armed = true;
        } else if starting.map.is_none() {
            starting.map = Some(self.used.clone());
        }
        if let Starting { map: Some(map), armed: true } = starting {
            self.sender.add_disk(DEVICE, size(), map);
            self.starting = None;
        }
    }

    fn submit(&mut self, dice: &mut Dice) {
        let blocks = hot_blocks();
        // Half of all writes go to the same few blocks, as to a journal: events must meet.
        let among = if dice.one_in(2) { 3 } else { blocks.len() };
        let block = blocks[dice.pick(among)];
        if self.writes.iter().any(|w| w.block == block) {
            return;
        }
        if dice.one_in(8) {
            // The file is deleted; what it held stays on the disk.
            self.used.remove(block..block + 1);
            return;
        }
        self.next_token += 1;
        let token = if dice.one_in(5) { 0 } else { self.next_token };
        self.used.insert(block..block + 1);
        let event = std::mem::replace(&mut self.next_event, Event::Comes);
        self.writes.push(Write { block, token, visible: false, event });
        if self.mutation == Mutation::MarkAtIssue {
            self.tracked.push(block);
        }
    }

    /// A write becomes visible on the medium, or a visible one completes.
    fn advance_write(&mut self, dice: &mut Dice) {
        if self.writes.is_empty() {
            return;
        }
        let at = dice.pick(self.writes.len());
        let write = &mut self.writes[at];
        if !write.visible {
            write.visible = true;
            self.medium.write(write.block, write.token);
            return;
        }
        let Write { block, token, event, .. } = self.writes.swap_remove(at);
        if self.starting.as_ref().is_some_and(|starting| !starting.armed) {
            // Nobody counts yet either.
            return;
        }
        if self.mutation == Mutation::FilterW && token == 0 {
            return;
        }
        self.audit.counted_sectors += BLOCK_BYTES / 512;
        match event {
            Event::Lost => self.unnoticed_loss = true,
            Event::LostSilently => self.silent_loss = true,
            Event::Comes => {
                self.audit.traced_sectors += BLOCK_BYTES / 512;
                if self.mutation != Mutation::MarkAtIssue {
                    self.tracked.push(block);
                }
            }
        }
    }

    /// Takes what the tracker has; a loss is noticed here, by its counters, or later by the audit.
    fn drain(&mut self, now_ms: u64) {
        self.kept.batch += 1;
        for block in std::mem::take(&mut self.tracked) {
            self.kept.told.push((self.kept.batch, block));
            self.sender.changed(DEVICE, block..block + 1, now_ms);
        }
        if std::mem::take(&mut self.unnoticed_loss) && self.mutation != Mutation::IgnoreTrackerLoss {
            self.doubt();
        }
    }

    /// A new tracker, and everything is compared.
    fn doubt(&mut self) {
        self.kept = Kept::default();
        (self.silent_loss, self.audit) = (false, NOTHING_WRITTEN);
        self.sender.suspect(DEVICE, &self.used, "an event was lost");
        self.give_up_finishing();
    }

    /// A checkpoint is taken, or the one that was taken is safe; only then is forgotten what came before it.
    fn keep(&mut self) {
        match self.kept.writing.take() {
            None => {
                let read = ReadUpTo { subject: [0; 32], generation: [0; 16], batch: self.kept.batch };
                let mut checkpoint = self.sender.checkpoint(read);
                if self.mutation == Mutation::ForgetInFlight {
                    let pending = self.sender.pending(DEVICE).cloned().unwrap_or_default();
                    checkpoint.disks.iter_mut().for_each(|disk| disk.owed.subtract(&pending));
                }
                self.kept.writing = Some(checkpoint);
            }
            Some(checkpoint) => {
                self.kept.told.retain(|(batch, _)| *batch > checkpoint.read.batch);
                self.kept.written = Some(checkpoint.encode());
            }
        }
    }

    pub(crate) fn lose_event(&mut self) {
        self.next_event = if self.loses_silently { Event::LostSilently } else { Event::Lost };
    }

    fn take_job(&mut self, dice: &mut Dice, now_ms: u64) {
        let lane = u16::try_from(dice.below(u64::from(LANES))).unwrap();
        if let Some(job) = self.sender.next_job(lane, now_ms) {
            self.held.push(Held { job, read: None, slow: dice.one_in(10) });
        }
    }

    /// Some worker reads, or sends what it has read. Jobs of the present link are sent in the order of their numbers.
    fn work(&mut self, dice: &mut Dice, network: &mut Network, now_ms: u64, calm: bool) {
        if self.held.is_empty() {
            return;
        }
        let at = dice.pick(self.held.len());
        if self.held[at].read.is_none() {
            if !calm && dice.one_in(40) {
                // The disk does not answer.
                let held = self.held.swap_remove(at);
                return self.sender.failed(&held.job);
            }
            self.held[at].read = Some(self.medium.clone());
            return;
        }
        if self.held[at].slow && !dice.one_in(20) {
            return;
        }
        let job = &self.held[at].job;
        let before = |h: &Held| h.job.lane == job.lane && h.job.epoch == job.epoch && h.job.seq < job.seq;
        if self.held.iter().any(before) {
            return;
        }
        let held = self.held.swap_remove(at);
        self.finish_job(held, network, now_ms);
    }

    fn finish_job(&mut self, held: Held, network: &mut Network, now_ms: u64) {
        let (job, read) = (held.job, held.read.unwrap_or_default());
        let mut subtrees = job.subtrees.clone();
        read.digest(&mut subtrees, job.chunk, job.grains(), |block| job.domain.contains(block % BLOCKS_PER_CHUNK));
        match job.work {
            Work::Prove => return self.sender.proved(&job, subtrees, now_ms),
            Work::Copy { .. } | Work::Compare => {}
        }
        let Some(connection) = self.lanes.get(&job.lane).copied() else { return self.sender.failed(&job) };
        match job.work {
            Work::Copy { blocks } => {
                let runs = blocks.runs();
                let base = job.chunk.blocks().start;
                for (n, run) in runs.iter().enumerate() {
                    let wanted = run.start + base..run.end + base;
                    let tokens = wanted.clone().map(|block| read.read(block)).collect();
                    let last = n + 1 == runs.len();
                    let frame = Up::Blocks { epoch: job.epoch, seq: job.seq, first: wanted.start, tokens, last };
                    network.send(connection, frame);
                }
                self.sender.copied(&job, Copied { subtrees, counters: Counters::default() }, now_ms);
            }
            Work::Compare => {
                network.send(connection, Up::HashRequest { chunk: job.chunk, seq: job.seq });
                self.sender.compared(&job, subtrees, now_ms);
            }
            Work::Prove => {}
        }
    }

    pub(crate) fn connect_if_needed(&mut self, network: &mut Network) {
        if self.lanes.is_empty() {
            let connection = network.connect(0);
            network.send(connection, Up::Hello { epoch: self.sender.highest_epoch(), lane: 0 });
            self.lanes.insert(0, connection);
            self.welcomed = 0;
        }
    }

    pub(crate) fn receive(
        &mut self,
        connection: u64,
        lane: u16,
        down: Down,
        network: &mut Network,
        now_ms: u64,
    ) -> Result<(), Violation> {
        if self.lanes.get(&lane) != Some(&connection) {
            return violated("world", "a dead connection was delivered to");
        }
        match down {
            Down::Welcome { epoch, previous } => self.welcome(epoch, previous, lane, network),
            Down::Message(Message::Opened { written, .. }) => self.sender.opened(DEVICE, &written),
            Down::Message(Message::Ack { seq, unproved_chunks }) => {
                self.sender.acked(lane, seq, unproved_chunks, now_ms)
            }
            Down::Message(Message::Stale { seq }) => self.sender.stale(lane, seq),
            Down::Message(Message::HashResponse { seq, hash, .. }) => self.sender.target_hash(lane, seq, hash, now_ms),
            Down::Message(Message::BarrierReached { seq }) => self.sender.barrier_reached(lane, seq),
            Down::Message(Message::RootResponse { seq, root, .. }) => self.target_root(seq, root)?,
            Down::Message(other) => return violated("world", format!("{other:?} was not expected")),
        }
        Ok(())
    }

    fn welcome(&mut self, epoch: u32, previous: u32, lane: u16, network: &mut Network) {
        self.welcomed += 1;
        if lane == 0 {
            for lane in 1..LANES {
                let connection = network.connect(lane);
                network.send(connection, Up::Hello { epoch, lane });
                self.lanes.insert(lane, connection);
            }
        }
        if self.welcomed == LANES {
            self.sender.link_up((epoch, previous), WINDOW_BLOCKS * BLOCK_BYTES, LANES);
            network.send(self.lanes[&0], Up::Open);
        }
    }

    pub(crate) fn connection_lost(&mut self, connection: u64, network: &mut Network) {
        if self.lanes.values().any(|c| *c == connection) {
            self.drop_link(network);
        }
    }

    /// Our end of every lane is gone. The far ends may go on for a while, and so may workers that hold jobs.
    pub(crate) fn drop_link(&mut self, network: &mut Network) {
        for connection in std::mem::take(&mut self.lanes).into_values() {
            if let Some(c) = network.connections.get_mut(&connection) {
                c.sender_alive = false;
            }
        }
        self.sender.link_down();
        if matches!(self.finish, Finish::Barrier(_) | Finish::Root(_)) {
            self.finish = Finish::Draining;
        }
    }

    /// SIGKILL and start again; the tracker's process lives, and has what it told and what it has not told yet.
    pub(crate) fn restart(&mut self, network: &mut Network) {
        let Some(written) = self.kept.written.clone() else { return self.crash(network) };
        self.drop_link(network);
        self.held.clear();
        self.kept.writing = None;
        self.give_up_finishing();
        let checkpoint = Checkpoint::decode(&written).unwrap();
        self.sender = Sender::restored(sender_config(), &checkpoint);
        for (_, block) in self.kept.told.iter().filter(|(batch, _)| *batch > checkpoint.read.batch) {
            self.sender.changed(DEVICE, *block..*block + 1, 0);
        }
        self.restored += 1;
    }

    pub(crate) fn restored(&self) -> u64 {
        self.restored
    }

    pub(crate) fn audited(&self) -> u64 {
        self.audited
    }

    /// SIGKILL and start again: a new tracker, so that nothing is known but what the filesystems use now.
    pub(crate) fn crash(&mut self, network: &mut Network) {
        self.drop_link(network);
        self.held.clear();
        self.tracked.clear();
        self.kept = Kept::default();
        (self.unnoticed_loss, self.silent_loss, self.audit) = (false, false, NOTHING_WRITTEN);
        self.starting = Some(Starting::default());
        self.sender = fresh_sender();
        self.give_up_finishing();
    }

    pub(crate) fn freeze(&mut self) {
        self.frozen = true;
    }

    pub(crate) fn try_to_finish(&mut self) {
        if self.finish == Finish::No && self.starting.is_none() {
            self.frozen = true;
            self.sender.begin_final();
            // What joins the domain without a change must be known to the next process too.
            let domain = self.sender.domain(DEVICE).cloned().unwrap_or_default();
            self.kept.batch += 1;
            let joins = self.used.runs().flatten().filter(|block| !domain.contains(*block));
            self.kept.told.extend(joins.map(|block| (self.kept.batch, block)));
            self.sender.join_used(DEVICE, &self.used);
            self.finish = Finish::Draining;
        }
    }

    fn give_up_finishing(&mut self) {
        if self.finish != Finish::No {
            self.frozen = false;
            self.finish = Finish::No;
            self.sender.end_final();
        }
    }

    fn go_on_finishing(&mut self, network: &mut Network, now_ms: u64) {
        let quiet = self.writes.is_empty() && self.tracked.is_empty() && !self.unnoticed_loss;
        match self.finish {
            Finish::No | Finish::Root(_) | Finish::Done(_) => {}
            Finish::Draining if !quiet => self.drain(now_ms),
            Finish::Draining if self.sender.is_drained() => {
                if let Some(seq) = self.sender.begin_barrier() {
                    self.lanes.values().for_each(|c| network.send(*c, Up::Barrier { seq }));
                    self.finish = Finish::Barrier(seq);
                }
            }
            Finish::Draining => {}
            Finish::Barrier(seq) if self.sender.barrier_passed() => {
                network.send(self.lanes[&0], Up::RootRequest { seq });
                self.finish = Finish::Root(seq);
            }
            Finish::Barrier(_) => {}
        }
    }

    fn target_root(&mut self, seq: u64, root: DeviceRoot) -> Result<(), Violation> {
        if self.finish != Finish::Root(seq) {
            return Ok(());
        }
        let agree = self.audit.traced_sectors == self.audit.counted_sectors;
        let audit = if self.mutation == Mutation::NoAudit { NOTHING_WRITTEN } else { self.audit };
        match self.sender.prove(DEVICE, root, audit) {
            Ok(_) if !agree || self.silent_loss => return violated("I3 a loss is never proved", format!("{audit:?}")),
            Ok(_) => self.finish = Finish::Done(true),
            Err(FinalError::Audit { .. }) if !agree => {
                self.audited += 1;
                self.doubt();
            }
            Err(FinalError::RootMismatch { .. }) => return violated("I5 drained means equal", "the roots differ"),
            Err(other) => return violated("I5 finishing is in order", other.to_string()),
        }
        Ok(())
    }

    /// Whether the roots were equal, once they have been compared.
    pub(crate) fn finished(&mut self) -> Result<Option<bool>, Violation> {
        match self.finish {
            Finish::Done(equal) => Ok(Some(equal)),
            Finish::No | Finish::Draining | Finish::Barrier(_) | Finish::Root(_) => Ok(None),
        }
    }
}

fn sender_config() -> SenderConfig {
    SenderConfig { stripe_chunks: 2, quiet_ms: 300, freeze_budget_ms: 1_000, subtree_chunks: SUBTREE_CHUNKS }
}

fn fresh_sender() -> Sender {
    Sender::new(sender_config())
}
