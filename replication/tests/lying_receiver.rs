//! A receiver that says anything at any time, also what no receiver may say: the sender never panics nor loses sight of a
//! chunk, calls nothing proved that the receiver has another root of, and gives the next receiver a right copy.
#![allow(clippy::unwrap_used)]

use proptest::prelude::*;
use proptest::sample::Index;
use qianyun_replication::block_set::BlockSet;
use qianyun_replication::digest::{ChunkHash, DeviceRoot, device_root, hash_bytes};
use qianyun_replication::geometry::{BLOCK_BYTES, CHUNK_BYTES, ChunkIndex, DeviceId, DeviceSize};
use qianyun_replication::progress::Counters;
use qianyun_replication::sender::{Audit, Copied, Job, Sender, SenderConfig, Work};
use qianyun_replication::subtree::Subtrees;
use std::ops::Range;

const DISK: DeviceId = DeviceId(0);
const LANES: u16 = 2;
/// The last chunk is a short one.
const BYTES: u64 = 2 * CHUNK_BYTES + 5 * BLOCK_BYTES;
/// Blocks that no filesystem calls free.
const USED: [Range<u64>; 3] = [0..3, 200..260, 512..515];
const AUDIT: Audit = Audit { traced_sectors: 8, counted_sectors: 8 };

/// What the receiver says, and what happens at the source meanwhile.
#[derive(Debug, Clone)]
enum Event {
    Link {
        epoch: u32,
        previous: u32,
        window_bytes: u64,
    },
    LinkDown,
    Opened(Vec<Range<u64>>),
    Acked {
        lane: u16,
        seq: u64,
        unproved: u64,
    },
    Stale {
        lane: u16,
        seq: u64,
    },
    Hash {
        lane: u16,
        seq: u64,
        is_right: bool,
    },
    Reached {
        lane: u16,
        seq: u64,
    },
    Root {
        is_right: bool,
    },
    Job(u16),
    /// Jobs that are done and answered as they should be, in passing.
    Well(usize),
    Done(Index),
    Failed(Index),
    Changed(Range<u64>),
    Final(bool),
}

fn number() -> impl Strategy<Value = u64> {
    prop_oneof![8 => 0..12u64, 1 => any::<u64>(), 1 => Just(u64::MAX)]
}

fn event() -> impl Strategy<Value = Event> {
    let lane = || 0..LANES + 1;
    let run = (0..5u64, 0..5u64).prop_map(|(start, len)| start..start + len);
    prop_oneof![
        1 => (0..8u32, 0..3u32, number())
            .prop_map(|(epoch, previous, window_bytes)| Event::Link { epoch, previous, window_bytes }),
        1 => Just(Event::LinkDown),
        3 => proptest::collection::vec(run, 0..3).prop_map(Event::Opened),
        4 => (lane(), number(), number()).prop_map(|(lane, seq, unproved)| Event::Acked { lane, seq, unproved }),
        2 => (lane(), number()).prop_map(|(lane, seq)| Event::Stale { lane, seq }),
        4 => (lane(), number(), any::<bool>()).prop_map(|(lane, seq, is_right)| Event::Hash { lane, seq, is_right }),
        2 => (lane(), number()).prop_map(|(lane, seq)| Event::Reached { lane, seq }),
        2 => any::<bool>().prop_map(|is_right| Event::Root { is_right }),
        6 => lane().prop_map(Event::Job),
        4 => (1..9usize).prop_map(Event::Well),
        6 => any::<Index>().prop_map(Event::Done),
        1 => any::<Index>().prop_map(Event::Failed),
        2 => (0..600u64, 1..9u64).prop_map(|(block, len)| Event::Changed(block..block + len)),
        1 => any::<bool>().prop_map(Event::Final),
    ]
}

/// The source: a disk, its sender, and the jobs that are being done.
struct Source {
    sender: Sender,
    disk: Vec<u8>,
    out: Vec<Job>,
}

impl Source {
    fn new() -> Self {
        let mut sender = Sender::new(SenderConfig { stripe_chunks: 1, quiet_ms: 0, ..SenderConfig::default() });
        sender.add_disk(DISK, size(), &USED.into_iter().collect::<BlockSet>());
        let disk = (0..BYTES).map(|byte| u8::try_from(byte / BLOCK_BYTES % 100 + 1).unwrap()).collect();
        Self { sender, disk, out: Vec::new() }
    }

    fn digest(&self, job: &Job) -> Subtrees {
        job.digest(&mut self.disk[place(job.chunk)].to_vec())
    }

    /// A worker comes to the end of its job.
    fn done(&mut self, job: &Job) {
        let subtrees = self.digest(job);
        match job.work {
            Work::Copy { .. } => self.sender.copied(job, Copied { subtrees, counters: Counters::default() }, 0),
            Work::Compare => self.sender.compared(job, subtrees, 0),
            Work::Prove => self.sender.proved(job, subtrees, 0),
        }
    }

    /// Our own hash of what a job that is out is about.
    fn own_hash(&self, lane: u16, seq: u64) -> Option<ChunkHash> {
        let job = self.out.iter().find(|job| (job.lane, job.seq) == (lane, seq))?;
        self.digest(job).hash()
    }

    fn apply(&mut self, event: Event) {
        let sender = &mut self.sender;
        match event {
            Event::Link { epoch, previous, window_bytes } => sender.link_up((epoch, previous), window_bytes, LANES),
            Event::LinkDown => sender.link_down(),
            Event::Opened(written) => sender.opened(DISK, &written),
            Event::Acked { lane, seq, unproved } => sender.acked(lane, seq, unproved, 0),
            Event::Stale { lane, seq } => sender.stale(lane, seq),
            Event::Hash { lane, seq, is_right } => {
                let hash = self.own_hash(lane, seq).filter(|_| is_right);
                self.sender.target_hash(lane, seq, hash.unwrap_or(hash_bytes(b"a lie")), 0);
            }
            Event::Reached { lane, seq } => sender.barrier_reached(lane, seq),
            Event::Root { is_right } => self.proved_only_if_equal(is_right),
            Event::Job(lane) => self.out.extend(sender.next_job(lane, 0)),
            Event::Well(jobs) => (0..jobs).for_each(|_| self.one_well()),
            Event::Done(which) => self.taken(which).iter().for_each(|job| self.done(job)),
            Event::Failed(which) => self.taken(which).iter().for_each(|job| self.sender.failed(job)),
            Event::Changed(blocks) => self.change(&blocks),
            Event::Final(true) => sender.begin_final(),
            Event::Final(false) => sender.end_final(),
        }
    }

    /// One of the jobs that are out.
    fn taken(&mut self, which: Index) -> Option<Job> {
        (!self.out.is_empty()).then(|| self.out.remove(which.index(self.out.len())))
    }

    fn one_well(&mut self) {
        let Some(job) = (0..LANES).find_map(|lane| self.sender.next_job(lane, 0)) else { return };
        let own = self.digest(&job).hash();
        self.done(&job);
        self.sender.acked(job.lane, job.seq, 0, 0);
        if let Some(own) = own {
            self.sender.target_hash(job.lane, job.seq, own, 0);
        }
    }

    fn change(&mut self, blocks: &Range<u64>) {
        self.disk[bytes_of(blocks)].iter_mut().for_each(|byte| *byte = byte.wrapping_add(1));
        self.sender.changed(DISK, blocks.clone(), 0);
    }

    /// A final attempt, as far as it comes.
    fn proved_only_if_equal(&mut self, is_right: bool) {
        self.sender.begin_final();
        std::mem::take(&mut self.out).iter().for_each(|job| self.done(job));
        (0..9).for_each(|_| self.one_well());
        let (own, barrier) = (self.sender.root(DISK), self.sender.begin_barrier().unwrap_or(0));
        (0..LANES).for_each(|lane| self.sender.barrier_reached(lane, barrier));
        let claimed = own.filter(|_| is_right).unwrap_or(DeviceRoot([7; 32]));
        if self.sender.prove(DISK, claimed, AUDIT).is_ok() {
            assert_eq!(claimed, self.actual_root(), "what is proved is what is on the disk");
        }
    }

    /// The root of what the disk holds in the domain now.
    fn actual_root(&self) -> DeviceRoot {
        let mut bytes = vec![0; self.disk.len()];
        for run in self.sender.domain(DISK).unwrap().runs().map(|run| bytes_of(&run)) {
            bytes[run.clone()].copy_from_slice(&self.disk[run]);
        }
        root_of(&bytes)
    }
}

fn size() -> DeviceSize {
    DeviceSize::from_bytes(BYTES).unwrap()
}

fn root_of(bytes: &[u8]) -> DeviceRoot {
    device_root(size(), |chunk| Some(hash_bytes(&bytes[place(chunk)]))).unwrap()
}

fn place(chunk: ChunkIndex) -> Range<usize> {
    bytes_of(&size().blocks_of_chunk(chunk))
}

fn bytes_of(blocks: &Range<u64>) -> Range<usize> {
    let byte = |block: u64| usize::try_from((block * BLOCK_BYTES).min(BYTES)).unwrap();
    byte(blocks.start)..byte(blocks.end)
}

/// Does all there is to do with a receiver that is what it says, and proves it; what that receiver has then.
fn copied_to_an_honest_one(source: &mut Source) -> Vec<u8> {
    let mut target = vec![0; source.disk.len()];
    let out = std::mem::take(&mut source.out);
    out.iter().for_each(|job| source.sender.failed(job));
    let sender = &mut source.sender;
    sender.link_up((sender.highest_epoch().saturating_add(1), 0), 1 << 30, LANES);
    sender.opened(DISK, &[]);
    sender.begin_final();
    while let Some(job) = (0..LANES).find_map(|lane| source.sender.next_job(lane, 0)) {
        source.done(&job);
        match job.work {
            Work::Copy { blocks } => {
                for block in blocks.runs().into_iter().flatten().map(|block| job.chunk.blocks().start + block) {
                    let bytes = bytes_of(&(block..block + 1));
                    target[bytes.clone()].copy_from_slice(&source.disk[bytes]);
                }
                source.sender.acked(job.lane, job.seq, 0, 0);
            }
            Work::Compare => {
                source.sender.target_hash(job.lane, job.seq, hash_bytes(&target[place(job.chunk)]), 0);
            }
            Work::Prove => {}
        }
    }
    let barrier = source.sender.begin_barrier().unwrap();
    (0..LANES).for_each(|lane| source.sender.barrier_reached(lane, barrier));
    source.sender.prove(DISK, root_of(&target), AUDIT).unwrap();
    target
}

proptest! {
    #[test]
    fn whatever_a_receiver_says_the_next_one_gets_a_right_copy(events in proptest::collection::vec(event(), 0..80)) {
        let mut source = Source::new();
        source.sender.link_up((1, 0), 1 << 30, LANES);
        for event in events {
            source.apply(event);
            prop_assert!(source.sender.is_accounted_for());
            source.sender.progress(DISK, 1_000).unwrap();
        }
        let target = copied_to_an_honest_one(&mut source);
        let domain = source.sender.domain(DISK).unwrap();
        prop_assert!(USED.into_iter().flatten().all(|block| domain.contains(block)));
        for block in domain.runs().flatten() {
            let bytes = bytes_of(&(block..block + 1));
            prop_assert_eq!(&target[bytes.clone()], &source.disk[bytes], "block {}", block);
        }
    }
}
