//! The world: a clock, a dice, two machines, the network between them, and the invariants.

use crate::source::Source;
use crate::target::Target;
use qianyun_replication::digest::hash_bytes;
use qianyun_replication::geometry::{
    BLOCK_BYTES, BLOCKS_PER_CHUNK, BlockIndex, CHUNK_BYTES, ChunkIndex, DeviceId, DeviceSize, GRAIN_BYTES, GrainMask,
};
use qianyun_replication::message::Message;
use qianyun_replication::subtree::Subtrees;
use std::collections::{BTreeMap, VecDeque};
use std::sync::LazyLock;

pub(crate) const DEVICE: DeviceId = DeviceId(0);
pub(crate) const SESSION: u64 = 7;
pub(crate) const LANES: u16 = 2;
const CHUNKS: u64 = 5;
/// Blocks that a lane may have sent and that are not durable: a little more than what happens to one chunk.
pub(crate) const WINDOW_BLOCKS: u64 = 8;
/// Blocks of each chunk that anything ever happens to: few, so that events meet; three of one grain, and its neighbour.
const HOT: [u64; 6] = [0, 1, 3, 4, 120, 240];
/// Chunks of which an end keeps the subtrees: fewer than there are, so that some are forgotten.
pub(crate) const SUBTREE_CHUNKS: usize = 3;

/// A rule of the protocol that the world breaks on purpose.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mutation {
    None,
    MarkAtIssue,
    /// Only events whose kind contains a `W` count: a write of zeros is an `N`.
    FilterW,
    /// The map of what is used is read before the tracker is armed.
    MapBeforeTracking,
    AckBeforeSync,
    NoEpochCheck,
    NoFencing,
    IgnoreTrackerLoss,
    WelcomeEarly,
    WrongReadBack,
    /// A checkpoint does not count what was on its way as owed.
    ForgetInFlight,
    /// The end is proved without the disk's own count of what was written.
    NoAudit,
}

/// A named invariant that did not hold.
#[derive(Debug)]
pub(crate) struct Violation {
    pub(crate) invariant: &'static str,
    pub(crate) detail: String,
}

impl std::fmt::Display for Violation {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}: {}", self.invariant, self.detail)
    }
}

pub(crate) fn violated<T>(invariant: &'static str, detail: impl Into<String>) -> Result<T, Violation> {
    Err(Violation { invariant, detail: detail.into() })
}

/// splitmix64: small, and the same on every machine.
pub(crate) struct Dice(u64);

impl Dice {
    pub(crate) fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) % bound
    }

    pub(crate) fn one_in(&mut self, n: u64) -> bool {
        self.below(n) == 0
    }

    pub(crate) fn pick(&mut self, len: usize) -> usize {
        usize::try_from(self.below(len as u64)).unwrap()
    }
}

/// What a block holds. A block is a number here; 0 is a block of zeros.
pub(crate) type Token = u64;

/// A disk of tokens.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(crate) struct Medium(BTreeMap<u64, Token>);

impl Medium {
    pub(crate) fn read(&self, block: u64) -> Token {
        self.0.get(&block).copied().unwrap_or(0)
    }

    pub(crate) fn write(&mut self, block: u64, token: Token) {
        self.0.insert(block, token);
    }

    /// Takes in what `grains` of a chunk hold, where only the blocks that `counts` says are not zeros.
    pub(crate) fn digest(
        &self,
        subtrees: &mut Subtrees,
        chunk: ChunkIndex,
        grains: GrainMask,
        counts: impl Fn(u64) -> bool,
    ) {
        for grain in grains.iter() {
            let first = chunk.blocks().start + grain * (GRAIN_BYTES / BLOCK_BYTES);
            let blocks = first..first + GRAIN_BYTES / BLOCK_BYTES;
            let held = self.0.range(blocks).filter(|(block, token)| **token != 0 && counts(**block));
            let bytes: Vec<u8> =
                held.flat_map(|(block, token)| [block.to_le_bytes(), token.to_le_bytes()].concat()).collect();
            match bytes.is_empty() {
                true => subtrees.put_zeros(grain),
                false => subtrees.put_value(grain, hash_bytes(&bytes).0),
            }
        }
    }

    /// Runs of chunks that hold something.
    pub(crate) fn written_chunks(&self) -> Vec<std::ops::Range<u64>> {
        let chunks = 0..size().chunks();
        let holds =
            |chunk: &u64| self.0.range(size().blocks_of_chunk(ChunkIndex(*chunk))).any(|(_, token)| *token != 0);
        chunks.filter(holds).map(|chunk| chunk..chunk + 1).collect()
    }
}

pub(crate) fn size() -> DeviceSize {
    DeviceSize::from_bytes((CHUNKS - 1) * CHUNK_BYTES + 2 * BLOCK_BYTES + 512).unwrap()
}

/// The blocks that anything ever happens to.
pub(crate) fn hot_blocks() -> &'static [u64] {
    static HOT_BLOCKS: LazyLock<Vec<u64>> = LazyLock::new(make_hot_blocks);
    &HOT_BLOCKS
}

fn make_hot_blocks() -> Vec<u64> {
    (0..CHUNKS)
        .flat_map(|chunk| HOT.map(|place| chunk * BLOCKS_PER_CHUNK + place))
        .chain([size().blocks() - 2, size().blocks() - 1])
        .filter(|block| *block < size().blocks())
        .collect()
}

/// From sender to receiver.
#[derive(Debug, Clone)]
pub(crate) enum Up {
    Hello { epoch: u32, lane: u16 },
    Open,
    Blocks { epoch: u32, seq: u64, first: u64, tokens: Vec<Token>, last: bool },
    HashRequest { chunk: ChunkIndex, seq: u64 },
    Barrier { seq: u64 },
    RootRequest { seq: u64 },
}

/// From receiver to sender.
#[derive(Debug, Clone)]
pub(crate) enum Down {
    Welcome { epoch: u32, previous: u32 },
    Message(Message<'static>),
}

/// A connection. Each end may live on without knowing that the other is gone.
#[derive(Debug, Default)]
pub(crate) struct Connection {
    pub(crate) lane: u16,
    pub(crate) up: VecDeque<Up>,
    pub(crate) down: VecDeque<Down>,
    pub(crate) sender_alive: bool,
    pub(crate) receiver_alive: bool,
}

/// Frames of one lane keep their order, as over TCP; those of different lanes overtake each other.
pub(crate) struct Network {
    pub(crate) connections: BTreeMap<u64, Connection>,
    next: u64,
}

impl Network {
    pub(crate) fn connect(&mut self, lane: u16) -> u64 {
        self.next += 1;
        let fresh = Connection { lane, sender_alive: true, receiver_alive: true, ..Connection::default() };
        self.connections.insert(self.next, fresh);
        self.next
    }

    /// Puts a frame on the wire, if the sender still has the connection.
    pub(crate) fn send(&mut self, connection: u64, up: Up) {
        if let Some(c) = self.connections.get_mut(&connection).filter(|c| c.sender_alive) {
            c.up.push_back(up);
        }
    }

    pub(crate) fn reply(&mut self, connection: u64, down: Down) {
        if let Some(c) = self.connections.get_mut(&connection).filter(|c| c.receiver_alive) {
            c.down.push_back(down);
        }
    }
}

pub(crate) struct World {
    pub(crate) dice: Dice,
    pub(crate) now_ms: u64,
    pub(crate) network: Network,
    source: Source,
    target: Target,
    calm: bool,
}

impl World {
    pub(crate) fn new(seed: u64, mutation: Mutation) -> Self {
        let mut dice = Dice(seed);
        let source = Source::new(&mut dice, mutation);
        let network = Network { connections: BTreeMap::new(), next: 0 };
        Self { dice, now_ms: 0, network, source, target: Target::new(mutation), calm: false }
    }

    /// `events` events of every kind.
    pub(crate) fn run_faulty(&mut self, events: u64) -> Result<(), Violation> {
        for _ in 0..events {
            self.step()?;
        }
        Ok(())
    }

    /// No more faults and no more writes: the copy must come to its end, proved.
    pub(crate) fn run_calm(&mut self) -> Result<(), Violation> {
        self.calm = true;
        self.source.freeze();
        for _ in 0..60_000 {
            self.step()?;
            if let Some(root) = self.source.finished()? {
                return self.check_final(root);
            }
        }
        violated("progress", "a calm world does not come to its end")
    }

    /// How often a process of the source went on from a checkpoint, and how often only the audit told of a loss.
    pub(crate) fn survived(&self) -> (u64, u64) {
        (self.source.restored(), self.source.audited())
    }

    fn step(&mut self) -> Result<(), Violation> {
        self.now_ms += self.dice.below(20);
        match self.dice.below(100) {
            0..35 => self.source.step(&mut self.dice, &mut self.network, self.now_ms, self.calm),
            35..65 => self.deliver()?,
            65..95 => self.target.step(&mut self.dice, &mut self.network, self.now_ms, self.calm),
            95 => self.break_something(),
            _ if self.source.is_starting() => {}
            _ => self.source.connect_if_needed(&mut self.network),
        }
        self.check()
    }

    /// One message arrives, at either end of some connection.
    fn deliver(&mut self) -> Result<(), Violation> {
        let ids: Vec<u64> = self.network.connections.keys().copied().collect();
        if ids.is_empty() {
            return Ok(());
        }
        let id = ids[self.dice.pick(ids.len())];
        let Some(connection) = self.network.connections.get_mut(&id) else { return Ok(()) };
        let (lane, both_dead) = (connection.lane, !connection.sender_alive && !connection.receiver_alive);
        if both_dead || (!connection.receiver_alive && connection.down.is_empty() && connection.sender_alive) {
            self.network.connections.remove(&id);
            self.source.connection_lost(id, &mut self.network);
            return Ok(());
        }
        if self.dice.one_in(2) {
            let down = connection.down.pop_front().filter(|_| connection.sender_alive);
            if let Some(down) = down {
                self.source.receive(id, lane, down, &mut self.network, self.now_ms)?;
            }
        } else if !connection.receiver_alive {
            connection.up.clear();
        } else if !self.target.is_busy(id)
            && let Some(up) = connection.up.pop_front()
        {
            self.target.receive(id, lane, up, &mut self.network, self.now_ms);
        } else if !connection.sender_alive && connection.up.is_empty() && !self.target.is_busy(id) {
            connection.receiver_alive = false;
            self.target.connection_lost(id);
        }
        Ok(())
    }

    fn break_something(&mut self) {
        if self.calm {
            return;
        }
        match self.dice.below(15) {
            0..5 => self.source.drop_link(&mut self.network),
            5..7 => {
                self.target.crash(&mut self.dice, &mut self.network, false);
            }
            7 => self.target.crash(&mut self.dice, &mut self.network, true),
            8 => self.source.crash(&mut self.network),
            9..12 => self.source.restart(&mut self.network),
            12 | 13 => self.source.lose_event(),
            _ => self.source.try_to_finish(),
        }
    }

    fn check(&mut self) -> Result<(), Violation> {
        let sender = self.source.sender();
        if !sender.is_accounted_for() {
            return violated("every chunk has a place", "a chunk of the domain is nowhere");
        }
        if sender.epoch().is_none() && sender.pending(DEVICE).is_some_and(|pending| !pending.is_empty()) {
            return violated("I2 pending is given back", "there is no link, and blocks are pending");
        }
        // A lane whose window is not full may send one more job, which is a chunk at most.
        let most = u64::from(LANES) * (WINDOW_BLOCKS - 1 + BLOCKS_PER_CHUNK);
        if let Some(pending) = sender.pending(DEVICE).filter(|pending| pending.count() > most) {
            return violated("windows are kept", format!("{} blocks are on their way, {most} may be", pending.count()));
        }
        if !self.source.tracker_is_trusted() || self.source.is_starting() {
            return Ok(());
        }
        for &block in hot_blocks() {
            if self.source.is_used(block)
                && !self.source.has_write_in_flight(block)
                && !sender.domain(DEVICE).is_some_and(|domain| domain.contains(block))
                && !sender.dirty(DEVICE).is_some_and(|dirty| dirty.contains(block))
            {
                return violated("what is used is copied", format!("block {block} is used, and skipped"));
            }
            if !sender.is_clean(DEVICE, BlockIndex(block)) || self.source.has_write_in_flight(block) {
                continue;
            }
            let (here, there) = (self.source.medium().read(block), self.target.durable().read(block));
            if here != there {
                return violated("I1 clean means durable", format!("block {block} is {here} here and {there} there"));
            }
        }
        Ok(())
    }

    fn check_final(&mut self, roots_equal: bool) -> Result<(), Violation> {
        if !roots_equal {
            return violated("I5 a calm attempt succeeds", "the roots differ");
        }
        let sender = self.source.sender();
        let domain = sender.domain(DEVICE).ok_or(Violation { invariant: "domain", detail: "no disk".to_owned() })?;
        for block in 0..size().blocks() {
            let here = if domain.contains(block) { self.source.medium().read(block) } else { 0 };
            if here != self.target.durable().read(block) {
                return violated("final equality", format!("block {block}"));
            }
            if self.source.is_used(block) && !domain.contains(block) {
                return violated("final domain", format!("used block {block} is not in the domain"));
            }
        }
        Ok(())
    }
}
