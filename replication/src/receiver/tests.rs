//! The receiver by example; the orderings that nobody thinks of are in `tests/simulation`.

use super::*;
use crate::digest::{device_root, zero_hash};
use crate::geometry::{CHUNK_BYTES, GrainMask};
use crate::subtree::{filled, hash_of};

const DISK: DeviceId = DeviceId(3);
const FIRST: ConnectionId = ConnectionId(1);

/// It keeps no subtrees.
const CONFIG: ReceiverConfig = ReceiverConfig { session: 7, window_bytes: 1 << 20, quiet_ms: 100, subtree_chunks: 0 };

fn identity() -> DeviceIdentity {
    DeviceIdentity {
        logical_block_bytes: 512,
        serial: "S1".to_owned(),
        size_bytes: 2 * CHUNK_BYTES,
        table_id: String::new(),
        wwn: String::new(),
    }
}

fn receiver(maybe_written: Vec<Range<u64>>) -> Receiver {
    receiver_with(CONFIG, maybe_written)
}

fn receiver_with(config: ReceiverConfig, maybe_written: Vec<Range<u64>>) -> Receiver {
    let size = DeviceSize::from_bytes(2 * CHUNK_BYTES).unwrap();
    let spec = VolumeSpec { name: "disk-0".to_owned(), identity: identity(), size, maybe_written };
    Receiver::new(config, 4, vec![spec])
}

/// A link with one lane and the volume open on it.
fn linked() -> Receiver {
    linked_with(CONFIG)
}

fn linked_with(config: ReceiverConfig) -> Receiver {
    let mut receiver = receiver_with(config, vec![]);
    assert_eq!(receiver.hello(FIRST, 7, 0, (0, 1)), Ok(5));
    receiver.open(FIRST, DISK, "disk-0", &identity()).unwrap();
    receiver
}

fn extent(offset: u64, zero: bool) -> Incoming {
    Incoming { device: DISK, epoch: 5, offset, raw_len: 4096, zero }
}

fn permit(receiver: &mut Receiver, offset: u64) -> Permit {
    match receiver.admit(FIRST, extent(offset, false), 0) {
        Ok(Admission::Write(permit)) => permit,
        other => panic!("{other:?}"),
    }
}

fn sync(receiver: &mut Receiver) -> Outbox {
    let mut out = Outbox::new();
    let batch = receiver.begin_sync();
    receiver.synced(batch, &mut out);
    out
}

/// The job done, where every grain that was missing holds `content`.
fn holding(mut job: ReadBack, content: &[u8]) -> ReadBack {
    job.subtrees = filled(job.subtrees.clone(), job.subtrees.missing(), content);
    job
}

#[test]
fn only_the_right_session_and_the_present_link_may_join() {
    let mut receiver = receiver(vec![]);
    assert!(matches!(receiver.hello(FIRST, 6, 0, (0, 2)), Err(Refusal::Session { expected: 7, found: 6 })));
    assert_eq!(receiver.hello(FIRST, 7, 0, (0, 2)), Ok(5));
    assert_eq!(receiver.hello(ConnectionId(2), 7, 5, (1, 2)), Ok(5));
    assert!(matches!(receiver.hello(ConnectionId(3), 7, 5, (1, 2)), Err(Refusal::Lane { lane: 1, .. })));
    assert_eq!(receiver.hello(ConnectionId(4), 7, 0, (0, 2)), Ok(6));
    assert_eq!(receiver.hello(ConnectionId(5), 7, 5, (1, 2)), Err(Refusal::Fenced { present: 6, found: 5 }));
    assert_eq!(
        (receiver.ensure_current(FIRST), receiver.ensure_current(ConnectionId(4))),
        (Err(Refusal::NotGreeted), Ok(()))
    );
}

#[test]
fn another_disk_does_not_get_the_volume() {
    let mut receiver = linked();
    let others = [
        DeviceIdentity { serial: "S2".to_owned(), ..identity() },
        DeviceIdentity { wwn: "W2".to_owned(), ..identity() },
        DeviceIdentity { table_id: "T2".to_owned(), ..identity() },
        DeviceIdentity { logical_block_bytes: 4096, ..identity() },
        DeviceIdentity { size_bytes: identity().size_bytes * 2, ..identity() },
    ];
    for other in others {
        let refusal = receiver.open(FIRST, DISK, "disk-0", &other).unwrap_err();
        assert_eq!(refusal.code(), ErrorCode::WrongDisk, "{other}");
    }
    let refusal = receiver.open(FIRST, DISK, "disk-1", &identity()).unwrap_err();
    assert_eq!(refusal.code(), ErrorCode::NoSuchVolume);
    assert!(matches!(receiver.open(ConnectionId(9), DISK, "disk-0", &identity()), Err(Refusal::NotGreeted)));
}

#[test]
fn what_is_written_is_acknowledged_after_the_sync_and_not_before() {
    let mut receiver = linked();
    let permit = permit(&mut receiver, 0);
    receiver.wrote(permit);
    assert_eq!((receiver.undurable_bytes(), receiver.wants_sync()), (4096, true));
    let early = receiver.begin_sync();
    receiver.applied(FIRST, 1);
    let mut out = Outbox::new();
    receiver.synced(early, &mut out);
    assert_eq!(out, vec![], "applied after the sync began");
    receiver.barrier(FIRST, 9).unwrap();
    let acked = (FIRST, Message::Ack { seq: 1, unproved_chunks: 1 });
    assert_eq!(sync(&mut receiver), vec![acked, (FIRST, Message::BarrierReached { seq: 9 })]);
    assert!(!receiver.wants_sync());
    assert_eq!(sync(&mut receiver), vec![]);
}

#[test]
fn a_new_link_waits_for_the_writes_of_the_old_one() {
    let mut receiver = linked();
    let permit = permit(&mut receiver, 0);
    assert_eq!(receiver.hello(ConnectionId(2), 7, 0, (0, 1)), Ok(6));
    assert!(!receiver.may_welcome(6));
    assert!(matches!(receiver.admit(FIRST, extent(0, false), 0), Err(Refusal::NotGreeted)));
    receiver.wrote(permit);
    assert!(receiver.may_welcome(6));
}

#[test]
fn what_an_older_link_decided_is_stale() {
    let mut receiver = linked();
    let old = Incoming { epoch: 4, ..extent(0, false) };
    assert_eq!(receiver.admit(FIRST, old, 0), Ok(Admission::Stale));
    assert_eq!(receiver.unproved_chunks(), 0);
}

#[test]
fn zeros_are_written_only_where_something_was() {
    let mut receiver = linked();
    assert_eq!(receiver.admit(FIRST, extent(4096, true), 0), Ok(Admission::Nothing));
    let written = permit(&mut receiver, 4096);
    receiver.wrote(written);
    assert!(matches!(receiver.admit(FIRST, extent(4096, true), 0), Ok(Admission::Write(_))));
    let mut dirty = self::receiver(std::iter::once(0..1).collect());
    dirty.hello(FIRST, 7, 0, (0, 1)).unwrap();
    dirty.open(FIRST, DISK, "disk-0", &identity()).unwrap();
    assert!(matches!(dirty.admit(FIRST, extent(0, true), 0), Ok(Admission::Write(_))));
    assert_eq!(dirty.admit(FIRST, extent(CHUNK_BYTES, true), 0), Ok(Admission::Nothing));
}

#[test]
fn extents_outside_the_device_are_refused() {
    let mut receiver = linked();
    let beyond = receiver.admit(FIRST, extent(2 * CHUNK_BYTES, false), 0).unwrap_err();
    assert_eq!(beyond.code(), ErrorCode::Protocol);
    let mut out = Outbox::new();
    assert!(receiver.hash_request(FIRST, (DISK, ChunkIndex(2), 1), &mut out).is_err());
    assert!(receiver.hash_request(FIRST, (DeviceId(9), ChunkIndex(0), 1), &mut out).is_err());
}

#[test]
fn a_chunk_is_read_back_only_when_its_last_write_is_durable_and_counts_only_if_none_came_since() {
    let mut receiver = linked();
    let mut out = Outbox::new();
    let first = permit(&mut receiver, 0);
    receiver.hash_request(FIRST, (DISK, ChunkIndex(0), 2), &mut out).unwrap();
    assert_eq!(receiver.next_read_back(0), None, "the write is on its way");
    receiver.wrote(first);
    assert_eq!(receiver.next_read_back(0), None, "the write is not durable");
    assert_eq!(sync(&mut receiver), vec![]);
    let early = receiver.next_read_back(0).unwrap();
    assert_eq!((early.chunk, early.len), (ChunkIndex(0), CHUNK_BYTES));
    let second = permit(&mut receiver, 4096);
    receiver.read_back(holding(early.clone(), b"early"), &mut out);
    assert_eq!(out, vec![], "written to meanwhile");
    receiver.wrote(second);
    assert_eq!(sync(&mut receiver), vec![]);
    let late = receiver.next_read_back(0).unwrap();
    receiver.read_back(holding(late.clone(), b"late"), &mut out);
    let answer = |hash| Message::HashResponse { device: DISK, chunk: ChunkIndex(0), seq: 2, hash };
    assert_eq!(out, vec![(FIRST, answer(hash_of(b"late")))]);
    out.clear();
    receiver.hash_request(FIRST, (DISK, ChunkIndex(0), 2), &mut out).unwrap();
    assert_eq!(out, vec![(FIRST, answer(hash_of(b"late")))]);
}

#[test]
fn a_quiet_chunk_is_read_back_without_being_asked_for() {
    let mut receiver = linked();
    let written = permit(&mut receiver, 0);
    receiver.wrote(written);
    assert_eq!(sync(&mut receiver), vec![]);
    assert_eq!(receiver.next_read_back(99), None);
    assert_eq!(receiver.next_read_back(100).unwrap().chunk, ChunkIndex(0));
    assert_eq!(receiver.next_read_back(100), None, "it is being read");
}

#[test]
fn the_root_is_told_when_every_chunk_is_proved() {
    let mut receiver = linked();
    let written = permit(&mut receiver, CHUNK_BYTES);
    receiver.wrote(written);
    assert_eq!(sync(&mut receiver), vec![]);
    let mut out = Outbox::new();
    receiver.root_request(FIRST, (DISK, 9), &mut out).unwrap();
    assert_eq!(out, vec![]);
    let job = receiver.next_read_back(0).unwrap();
    let hash = hash_of(b"x");
    receiver.read_back(holding(job.clone(), b"x"), &mut out);
    let size = DeviceSize::from_bytes(2 * CHUNK_BYTES).unwrap();
    let root = device_root(size, |c| Some(if c.0 == 1 { hash } else { zero_hash(CHUNK_BYTES) })).unwrap();
    assert_eq!(out, vec![(FIRST, Message::RootResponse { device: DISK, seq: 9, root })]);
    assert_eq!((receiver.root(0), receiver.own_volumes()[0].root), (Some(root), Some(root)));
}

#[test]
fn a_volume_that_is_not_fresh_says_what_it_may_hold() {
    let mut receiver = receiver(std::iter::once(1..2).collect());
    assert_eq!(receiver.hello(FIRST, 7, 0, (0, 1)), Ok(5));
    let opened = receiver.open(FIRST, DISK, "disk-0", &identity()).unwrap();
    assert_eq!(opened, Message::Opened { device: DISK, written: std::iter::once(1..2).collect() });
    assert_eq!((receiver.unproved_chunks(), receiver.root(0)), (1, None));
}

#[test]
fn near_runs_are_joined_until_they_fit_one_message() {
    let chunks = 4 * crate::message::MAX_OPENED_RUNS as u64;
    let bytes = chunks * CHUNK_BYTES;
    let size = DeviceSize::from_bytes(bytes).unwrap();
    let identity = DeviceIdentity { size_bytes: bytes, ..identity() };
    let every_other: Vec<Range<u64>> = (0..chunks / 2).map(|n| 2 * n..2 * n + 1).collect();
    let spec =
        VolumeSpec { name: "d".to_owned(), identity: identity.clone(), size, maybe_written: every_other.clone() };
    let mut receiver =
        Receiver::new(ReceiverConfig { session: 7, window_bytes: 1, quiet_ms: 0, subtree_chunks: 0 }, 0, vec![spec]);
    receiver.hello(FIRST, 7, 0, (0, 1)).unwrap();
    let Message::Opened { written, .. } = receiver.open(FIRST, DISK, "d", &identity).unwrap() else {
        panic!("not opened")
    };
    assert!(written.len() <= crate::message::MAX_OPENED_RUNS);
    let covers = |run: &Range<u64>| written.iter().any(|w| w.start <= run.start && run.end <= w.end);
    assert!(every_other.iter().all(covers), "a superset, never less");
}

#[test]
fn a_new_link_forgets_what_the_old_one_waited_for() {
    let mut receiver = linked();
    let written = permit(&mut receiver, 0);
    receiver.wrote(written);
    assert_eq!(sync(&mut receiver), vec![]);
    let mut out = Outbox::new();
    receiver.hash_request(FIRST, (DISK, ChunkIndex(0), 2), &mut out).unwrap();
    receiver.root_request(FIRST, (DISK, 1), &mut out).unwrap();
    receiver.barrier(FIRST, 1).unwrap();
    assert_eq!(receiver.hello(ConnectionId(2), 7, 0, (0, 1)), Ok(6));
    let job = receiver.next_read_back(1_000).unwrap();
    receiver.read_back(holding(job.clone(), b"x"), &mut out);
    assert_eq!(sync(&mut receiver), vec![]);
    assert_eq!(out, vec![]);
    assert!(matches!(receiver.root_request(FIRST, (DISK, 1), &mut out), Err(Refusal::NotGreeted)));
}

#[test]
fn a_reading_that_was_handed_out_before_another_does_not_count_for_it() {
    let mut receiver = linked();
    let written = permit(&mut receiver, 0);
    receiver.wrote(written);
    assert_eq!(sync(&mut receiver), vec![]);
    let first = receiver.next_read_back(100).unwrap();
    let mut out = Outbox::new();
    receiver.read_back(holding(first.clone(), b"x"), &mut out);
    assert_eq!(receiver.unproved_chunks(), 0);
    let written = permit(&mut receiver, 0);
    receiver.wrote(written);
    receiver.read_back(holding(first.clone(), b"x"), &mut out);
    assert_eq!((receiver.unproved_chunks(), receiver.root(0)), (1, None));
}

#[test]
fn a_failed_write_gives_its_permit_back_and_is_not_acknowledged() {
    let mut receiver = linked();
    let failed = permit(&mut receiver, 0);
    receiver.wrote(failed);
    receiver.disconnected(FIRST);
    assert_eq!(sync(&mut receiver), vec![]);
    assert!(receiver.may_welcome(6));
    assert_eq!(receiver.unproved_chunks(), 1, "what it holds must be read back");
}

/// Two volumes, of two chunks each.
fn of_two() -> Receiver {
    let size = DeviceSize::from_bytes(2 * CHUNK_BYTES).unwrap();
    let spec = |name: &str| VolumeSpec { name: name.to_owned(), identity: identity(), size, maybe_written: vec![] };
    let config = ReceiverConfig { session: 7, window_bytes: 1 << 20, quiet_ms: 100, subtree_chunks: 0 };
    let mut receiver = Receiver::new(config, 4, vec![spec("disk-0"), spec("disk-1")]);
    receiver.hello(FIRST, 7, 0, (0, 2)).unwrap();
    receiver.open(FIRST, DeviceId(1), "disk-1", &identity()).unwrap();
    receiver.open(FIRST, DeviceId(0), "disk-0", &identity()).unwrap();
    receiver
}

#[test]
fn a_connection_that_has_not_said_hello_gets_nothing_done() {
    let mut receiver = linked();
    let stranger = ConnectionId(9);
    let mut out = Outbox::new();
    let opened = receiver.open(stranger, DISK, "disk-0", &identity()).unwrap_err();
    let admitted = receiver.admit(stranger, extent(0, false), 0).unwrap_err();
    let hash = receiver.hash_request(stranger, (DISK, ChunkIndex(0), 1), &mut out).unwrap_err();
    let root = receiver.root_request(stranger, (DISK, 1), &mut out).unwrap_err();
    for refusal in [opened, admitted, hash, root] {
        assert_eq!((refusal.code(), &refusal), (ErrorCode::Fenced, &Refusal::NotGreeted));
    }
    receiver.applied(stranger, 5);
    receiver.barrier(stranger, 1).unwrap();
    assert!(out.is_empty() && !receiver.wants_sync());
}

#[test]
fn a_link_has_each_of_its_lanes_once_and_no_other() {
    let mut receiver = receiver(vec![]);
    assert_eq!(receiver.hello(FIRST, 7, 0, (0, 2)), Ok(5));
    let lane = |lane, lanes| Refusal::Lane { lane, lanes, expected: 2 };
    assert_eq!(receiver.hello(ConnectionId(2), 7, 5, (1, 3)), Err(lane(1, 3)));
    assert_eq!(receiver.hello(ConnectionId(2), 7, 5, (1, 2)), Ok(5));
    assert_eq!(lane(1, 3).code(), ErrorCode::Protocol);
    // Another lane cannot ask for a link, nor join one that is to come.
    assert_eq!(receiver.hello(ConnectionId(3), 7, 0, (1, 2)), Err(Refusal::Fenced { present: 5, found: 0 }));
    assert_eq!(receiver.hello(ConnectionId(3), 7, 6, (1, 2)), Err(Refusal::Fenced { present: 5, found: 6 }));
    assert_eq!(receiver.epoch(), 5);
}

#[test]
fn a_new_link_is_above_every_epoch_that_either_end_knows() {
    let mut receiver = receiver(vec![]);
    assert_eq!((receiver.hello(FIRST, 7, 4, (0, 2)), receiver.previous_epoch()), (Ok(5), 4));
    // The sender has seen 9: the ledger of it is lost, and stays so until the sender has heard it.
    for epoch in [10, 11] {
        assert_eq!((receiver.hello(FIRST, 7, 9, (0, 2)), receiver.previous_epoch()), (Ok(epoch), 5));
    }
    assert_eq!((receiver.hello(FIRST, 7, 11, (0, 2)), receiver.previous_epoch()), (Ok(12), 11));
    let full = receiver.hello(FIRST, 7, u32::MAX, (0, 2));
    assert_eq!(full, Err(Refusal::Fenced { present: 12, found: u32::MAX }));
    assert_eq!(receiver.epoch(), 12);
}

#[test]
fn a_lane_that_broke_does_not_come_back_to_its_link() {
    let mut receiver = linked();
    receiver.disconnected(FIRST);
    assert!(receiver.ensure_current(FIRST).is_err());
    assert_eq!(receiver.hello(ConnectionId(2), 7, 0, (0, 1)), Ok(6));
    let refusal = receiver.admit(ConnectionId(2), Incoming { epoch: 6, ..extent(0, false) }, 0).unwrap_err();
    assert_eq!(refusal, Refusal::NotOpen { found: 3 }, "what the old link opened is not open on the new one");
}

#[test]
fn each_device_writes_to_the_volume_it_was_opened_for() {
    let mut receiver = of_two();
    for (device, volume) in [(0, 0), (1, 1)] {
        let incoming = Incoming { device: DeviceId(device), ..extent(0, false) };
        let Ok(Admission::Write(permit)) = receiver.admit(FIRST, incoming, 0) else { panic!("not admitted") };
        assert_eq!(permit.volume, volume);
        receiver.wrote(permit);
    }
    let refused = receiver.admit(FIRST, Incoming { device: DeviceId(2), ..extent(0, false) }, 0);
    assert_eq!(refused, Err(Refusal::NotOpen { found: 2 }));
    assert_eq!((receiver.undurable_bytes(), receiver.unproved_chunks()), (8192, 2));
    assert_eq!(receiver.root(2), None);
}

#[test]
fn each_acknowledgement_is_told_once_and_covers_the_highest_number() {
    let mut receiver = linked();
    for seq in [2, 1] {
        let written = permit(&mut receiver, 0);
        receiver.wrote(written);
        receiver.applied(FIRST, seq);
    }
    assert!(receiver.wants_sync());
    assert_eq!(sync(&mut receiver), vec![(FIRST, Message::Ack { seq: 2, unproved_chunks: 1 })]);
    assert!(!receiver.wants_sync() && receiver.undurable_bytes() == 0);
    receiver.applied(FIRST, 1);
    assert_eq!(sync(&mut receiver), vec![]);
    receiver.barrier(FIRST, 4).unwrap();
    receiver.barrier(FIRST, 5).unwrap();
    assert!(receiver.wants_sync());
    let reached = |seq| (FIRST, Message::BarrierReached { seq });
    assert_eq!(sync(&mut receiver), vec![reached(4), reached(5)]);
    assert_eq!(sync(&mut receiver), vec![]);
}

#[test]
fn what_arrives_while_a_sync_runs_waits_for_the_next_one() {
    let mut receiver = linked();
    let first = permit(&mut receiver, 0);
    receiver.wrote(first);
    receiver.applied(FIRST, 1);
    let batch = receiver.begin_sync();
    let second = permit(&mut receiver, CHUNK_BYTES);
    receiver.wrote(second);
    receiver.applied(FIRST, 2);
    receiver.barrier(FIRST, 1).unwrap();
    assert_eq!(receiver.next_read_back(1_000), None, "one is being made durable, one is not durable");
    let mut out = Outbox::new();
    receiver.synced(batch, &mut out);
    assert_eq!(out, vec![(FIRST, Message::Ack { seq: 1, unproved_chunks: 2 })]);
    assert_eq!(receiver.next_read_back(1_000).map(|job| job.chunk), Some(ChunkIndex(0)));
    assert_eq!(receiver.next_read_back(1_000), None);
    assert_eq!(sync(&mut receiver).len(), 2);
    assert_eq!(receiver.next_read_back(1_000).map(|job| (job.chunk, job.len)), Some((ChunkIndex(1), CHUNK_BYTES)));
}

#[test]
fn a_hash_beyond_the_device_is_refused_and_one_of_zeros_is_told_at_once() {
    let mut receiver = linked();
    let mut out = Outbox::new();
    let refusal = receiver.hash_request(FIRST, (DISK, ChunkIndex(2), 1), &mut out).unwrap_err();
    assert!(matches!(refusal, Refusal::Extent(_)), "{refusal:?}");
    receiver.hash_request(FIRST, (DISK, ChunkIndex(1), 8), &mut out).unwrap();
    let (device, hash) = (DISK, zero_hash(CHUNK_BYTES));
    assert_eq!(out, vec![(FIRST, Message::HashResponse { device, chunk: ChunkIndex(1), seq: 8, hash })]);
}

#[test]
fn a_chunk_is_quiet_for_exactly_as_long_as_it_was_told() {
    let mut receiver = linked();
    let Ok(Admission::Write(written)) = receiver.admit(FIRST, extent(0, false), 50) else { panic!() };
    receiver.wrote(written);
    assert_eq!(sync(&mut receiver), vec![]);
    assert_eq!(receiver.next_read_back(99), None, "the clock itself is younger than that");
    assert_eq!(receiver.next_read_back(149), None);
    assert!(receiver.next_read_back(150).is_some());
}

#[test]
fn everybody_who_waits_for_a_hash_hears_it_once() {
    let mut receiver = linked();
    let written = permit(&mut receiver, 0);
    receiver.wrote(written);
    assert_eq!(sync(&mut receiver), vec![]);
    let mut out = Outbox::new();
    for seq in [1, 2] {
        receiver.hash_request(FIRST, (DISK, ChunkIndex(0), seq), &mut out).unwrap();
    }
    let job = receiver.next_read_back(0).unwrap();
    let hash = hash_of(b"x");
    receiver.read_back(holding(job.clone(), b"x"), &mut out);
    let told = |seq| (FIRST, Message::HashResponse { device: DISK, chunk: ChunkIndex(0), seq, hash });
    assert_eq!(out, vec![told(1), told(2)]);
    receiver.read_back(holding(job.clone(), b"y"), &mut out);
    assert_eq!(out.len(), 2);
}

#[test]
fn only_the_grains_that_were_written_to_are_read_back_again() {
    let mut receiver = linked_with(ReceiverConfig { subtree_chunks: 1, ..CONFIG });
    let mut out = Outbox::new();
    let written = permit(&mut receiver, 0);
    receiver.wrote(written);
    assert_eq!(sync(&mut receiver), vec![]);
    let job = receiver.next_read_back(100).unwrap();
    assert_eq!(job.subtrees.missing(), GrainMask::ALL);
    // Block 5 lies in the second grain; it is written while the first reading is under way.
    let written = permit(&mut receiver, 5 * 4096);
    receiver.read_back(holding(job, b"x"), &mut out);
    receiver.wrote(written);
    assert_eq!((sync(&mut receiver), receiver.unproved_chunks()), (vec![], 1));
    let job = receiver.next_read_back(100).unwrap();
    assert_eq!(job.subtrees.missing().runs(), vec![1..2]);
    receiver.read_back(holding(job, b"x"), &mut out);
    receiver.hash_request(FIRST, (DISK, ChunkIndex(0), 2), &mut out).unwrap();
    let hash = hash_of(b"x");
    assert_eq!(out, vec![(FIRST, Message::HashResponse { device: DISK, chunk: ChunkIndex(0), seq: 2, hash })]);
}

#[test]
fn a_sender_hears_what_is_left_to_read_back_without_sending_anything() {
    let mut receiver = linked();
    let written = permit(&mut receiver, 0);
    receiver.wrote(written);
    receiver.applied(FIRST, 3);
    let ack = |unproved_chunks| Message::Ack { seq: 3, unproved_chunks };
    assert_eq!(sync(&mut receiver), vec![(FIRST, ack(1))]);
    let job = receiver.next_read_back(100).unwrap();
    receiver.read_back(holding(job, b"x"), &mut Outbox::new());
    assert_eq!(receiver.standing(FIRST), Some(ack(0)));
    assert_eq!(receiver.standing(ConnectionId(9)), None);
}

#[test]
fn questions_without_end_and_more_numbers_than_volumes_are_refused_and_an_answer_makes_room() {
    let mut receiver = linked();
    let mut out = Outbox::new();
    let refusal = receiver.open(FIRST, DeviceId(4), "disk-0", &identity()).unwrap_err();
    assert_eq!(refusal, Refusal::TooManyDevices { found: 4, volumes: 1 });
    receiver.open(FIRST, DISK, "disk-0", &identity()).unwrap();

    let write = permit(&mut receiver, 0);
    receiver.wrote(write);
    let ask = |receiver: &mut Receiver, out: &mut Outbox, seq: usize| match seq % 3 {
        0 => receiver.hash_request(FIRST, (DISK, ChunkIndex(0), 1), out),
        1 => receiver.root_request(FIRST, (DISK, 1), out),
        _ => receiver.barrier(FIRST, 1),
    };
    for seq in 0..MAX_QUESTIONS {
        ask(&mut receiver, &mut out, seq).unwrap();
    }
    for seq in 0..3 {
        assert_eq!(ask(&mut receiver, &mut out, seq), Err(Refusal::TooManyQuestions));
    }
    assert_eq!(Refusal::TooManyQuestions.code(), ErrorCode::Protocol);
    let _ack = sync(&mut receiver);
    let read = receiver.next_read_back(0).unwrap();
    receiver.read_back(holding(read, b"late"), &mut out);
    assert_eq!(receiver.link.questions, 0, "all were answered");
    ask(&mut receiver, &mut out, 1).unwrap();
}
