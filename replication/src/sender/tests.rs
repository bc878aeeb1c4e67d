//! The sender by example; the orderings that nobody thinks of are in `tests/simulation`.

use super::*;
use crate::digest::{device_root, hash_bytes, zero_hash};
use crate::geometry::{BLOCKS_PER_CHUNK, ChunkIndex, GrainMask};
use crate::subtree::{filled, hash_of};

const DISK: DeviceId = DeviceId(0);
const AUDIT: Audit = Audit { traced_sectors: 8, counted_sectors: 8 };

fn size() -> DeviceSize {
    DeviceSize::from_bytes(4 * CHUNK_BYTES).unwrap()
}

fn used(ranges: &[Range<u64>]) -> BlockSet {
    ranges.iter().cloned().collect()
}

/// A sender whose disk uses `ranges`, linked by one lane to a volume of zeros. It keeps no subtrees.
fn following(ranges: &[Range<u64>]) -> Sender {
    linked(ranges, SenderConfig { quiet_ms: 100, subtree_chunks: 0, ..SenderConfig::default() })
}

fn linked(ranges: &[Range<u64>], config: SenderConfig) -> Sender {
    let mut sender = Sender::new(config);
    sender.add_disk(DISK, size(), &used(ranges));
    sender.link_up((1, 0), 1 << 30, 1);
    sender.opened(DISK, &[]);
    sender
}

/// What a job digests where every grain holds `content`.
fn digested(job: &Job, content: &[u8]) -> Subtrees {
    filled(job.subtrees.clone(), job.grains(), content)
}

fn copied(job: &Job, content: &[u8]) -> Copied {
    let counters = crate::progress::Counters { sent_bytes: 4096, ..Default::default() };
    Copied { subtrees: digested(job, content), counters }
}

/// A copy of a part of what the chunk has.
fn is_partial(job: &Job) -> bool {
    matches!(job.work, Work::Copy { blocks } if blocks != job.domain)
}

/// Does every job there is, with `content` in every grain, and has all of it acknowledged.
fn do_all(sender: &mut Sender, content: &[u8], now_ms: u64) -> Vec<Job> {
    let mut done = Vec::new();
    while let Some(job) = sender.next_job(0, now_ms) {
        match job.work {
            Work::Copy { .. } => sender.copied(&job, copied(&job, content), now_ms),
            Work::Compare => {
                sender.compared(&job, digested(&job, content), now_ms);
                sender.target_hash(0, job.seq, hash_of(content), now_ms);
            }
            Work::Prove => sender.proved(&job, digested(&job, content), now_ms),
        }
        sender.acked(0, job.seq, 0, now_ms);
        done.push(job);
    }
    done
}

#[test]
fn the_first_copy_sends_what_is_used_and_nothing_else() {
    let mut sender = following(&[0..256, 300..310]);
    let jobs = do_all(&mut sender, b"x", 0);
    assert_eq!(jobs.iter().map(|j| j.chunk).collect::<Vec<_>>(), vec![ChunkIndex(0), ChunkIndex(1)]);
    assert!(jobs.iter().all(|job| matches!(job.work, Work::Copy { .. }) && !is_partial(job)));
    assert!(sender.is_drained());
    let progress = sender.progress(DISK, 1_000).unwrap();
    assert_eq!(progress.counters.skipped_bytes, 4 * CHUNK_BYTES - 266 * BLOCK_BYTES);
    assert_eq!((progress.state, progress.remaining_bytes), (ReplicationState::InSync, 0));
}

#[test]
fn nothing_is_clean_before_it_is_durable() {
    let mut sender = following(std::slice::from_ref(&(0..1)));
    assert!(!sender.is_clean(DISK, BlockIndex(0)));
    let job = sender.next_job(0, 0).unwrap();
    sender.copied(&job, copied(&job, b"x"), 0);
    assert!(!sender.is_clean(DISK, BlockIndex(0)));
    assert_eq!(sender.pending(DISK).unwrap().count(), 1);
    sender.acked(0, job.seq, 0, 0);
    assert!(sender.is_clean(DISK, BlockIndex(0)));
}

#[test]
fn the_target_owes_an_answer_from_the_first_job_to_the_last_acknowledgement() {
    let mut sender = following(std::slice::from_ref(&(0..1)));
    assert_eq!(sender.awaited_after(), None);
    let job = sender.next_job(0, 0).unwrap();
    sender.copied(&job, copied(&job, b"x"), 0);
    assert_eq!(sender.awaited_after(), Some(0));
    sender.acked(0, 0, 0, 0);
    assert_eq!(sender.awaited_after(), Some(0), "that it lives is no answer");
    sender.acked(0, job.seq, 0, 0);
    assert_eq!(sender.awaited_after(), None);
    sender.changed(DISK, 0..1, 5);
    let _on_the_way = sender.next_job(0, 5).unwrap();
    assert_eq!(sender.awaited_after(), Some(1));
}

#[test]
fn a_target_that_claims_to_have_more_to_read_back_than_there_is_is_not_believed() {
    let mut sender = following(std::slice::from_ref(&(0..1)));
    let job = sender.next_job(0, 0).unwrap();
    sender.copied(&job, copied(&job, b"x"), 0);
    sender.acked(0, job.seq, 1 << 44, 0);
    let progress = sender.progress(DISK, 0).unwrap();
    assert_ne!(progress.state, ReplicationState::InSync, "as a product of 64 bits it would be none");
}

#[test]
fn a_change_during_a_copy_is_sent_again_but_never_at_the_same_time() {
    let mut sender = following(std::slice::from_ref(&(0..1)));
    let first = sender.next_job(0, 0).unwrap();
    sender.changed(DISK, 0..1, 5);
    assert_eq!(sender.next_job(0, 5), None);
    sender.copied(&first, copied(&first, b"old"), 5);
    sender.acked(0, first.seq, 0, 5);
    assert!(!sender.is_clean(DISK, BlockIndex(0)));
    assert_eq!(sender.progress(DISK, 25).unwrap().lag_ms, 20);
    let second = sender.next_job(0, 25).unwrap();
    assert_eq!((second.chunk, second.seq), (ChunkIndex(0), 2));
}

#[test]
fn a_lost_link_gives_back_and_a_late_report_does_not_count() {
    let mut sender = following(std::slice::from_ref(&(0..1)));
    let job = sender.next_job(0, 0).unwrap();
    sender.link_down();
    assert_eq!((sender.dirty(DISK).unwrap().count(), sender.pending(DISK).unwrap().count()), (1, 0));
    sender.copied(&job, copied(&job, b"x"), 0);
    sender.link_up((2, 1), 1 << 30, 1);
    assert_eq!(sender.next_job(0, 0), None, "not before the volume is open again");
    sender.opened(DISK, &[]);
    sender.acked(0, job.seq, 0, 0);
    assert!(!sender.is_clean(DISK, BlockIndex(0)));
    assert_eq!(sender.next_job(0, 0).unwrap().epoch, 2);
}

#[test]
fn what_the_receiver_calls_stale_is_sent_again() {
    let mut sender = following(std::slice::from_ref(&(0..1)));
    let job = sender.next_job(0, 0).unwrap();
    sender.stale(0, job.seq);
    sender.copied(&job, copied(&job, b"x"), 0);
    assert_eq!(sender.next_job(0, 0).unwrap().chunk, ChunkIndex(0));
}

#[test]
fn a_block_that_was_free_joins_the_domain_when_it_changes() {
    let mut sender = following(std::slice::from_ref(&(0..1)));
    do_all(&mut sender, b"x", 0);
    sender.changed(DISK, 700..702, 1);
    let jobs = do_all(&mut sender, b"x", 1);
    assert_eq!(jobs.len(), 1);
    assert_eq!(sender.domain(DISK).unwrap().count(), 3);
}

#[test]
fn after_a_doubt_only_what_differs_is_sent() {
    let mut sender = following(&[0..256, 256..300]);
    let same = hash_of(b"same");
    do_all(&mut sender, b"same", 0);
    sender.suspect(DISK, &used(std::slice::from_ref(&(600..601))), "ring lost");
    assert!(sender.is_doubted(DISK) && !sender.is_clean(DISK, BlockIndex(0)));
    assert_eq!(sender.progress(DISK, 0).unwrap().state, ReplicationState::Suspect);
    while let Some(job) = sender.next_job(0, 0) {
        assert_eq!(job.work, Work::Compare);
        let theirs = if job.chunk == ChunkIndex(1) { hash_of(b"other") } else { same };
        sender.target_hash(0, job.seq, theirs, 0);
        sender.compared(&job, digested(&job, b"same"), 0);
        if sender.dirty(DISK).unwrap().count() > 0 {
            break;
        }
    }
    assert_eq!(sender.dirty(DISK).unwrap().runs().collect::<Vec<_>>(), vec![256..300]);
    do_all(&mut sender, b"same", 0);
    assert!(sender.is_drained() && !sender.is_doubted(DISK));
}

#[test]
fn a_sender_that_starts_again_compares_what_the_volume_holds_and_sends_the_rest() {
    let mut sender = Sender::new(SenderConfig::default());
    sender.add_disk(DISK, size(), &used(&[0..1, 600..601]));
    sender.link_up((5, 4), 1 << 30, 1);
    sender.opened(DISK, std::slice::from_ref(&(0..2)));
    let works: Vec<(u64, bool)> = std::iter::from_fn(|| sender.next_job(0, 0))
        .map(|job| (job.chunk.0, matches!(job.work, Work::Compare)))
        .collect();
    assert_eq!(works, vec![(2, false), (0, true), (1, true)]);
    assert_eq!(sender.domain(DISK).unwrap().count(), 2 * BLOCKS_PER_CHUNK + 1);
}

#[test]
fn a_receiver_that_forgot_is_not_believed() {
    let mut sender = following(std::slice::from_ref(&(0..1)));
    do_all(&mut sender, b"x", 0);
    sender.link_down();
    assert_eq!(sender.highest_epoch(), 1);
    sender.link_up((2, 0), 1 << 30, 1);
    assert!(!sender.is_drained());
    sender.opened(DISK, &[]);
    assert!(sender.is_doubted(DISK));
    let job = sender.next_job(0, 0).unwrap();
    assert_eq!(job.work, Work::Compare);
    sender.compared(&job, digested(&job, b"x"), 0);
    sender.target_hash(0, job.seq, zero_hash(CHUNK_BYTES), 0);
    assert_eq!(sender.dirty(DISK).unwrap().count(), 1);
}

#[test]
fn a_hot_chunk_is_proved_only_when_it_rests_or_when_it_is_final() {
    let mut sender = following(&[0..1, 8..9]);
    do_all(&mut sender, b"x", 0);
    sender.changed(DISK, 0..1, 1_000);
    let jobs = do_all(&mut sender, b"x", 1_000);
    assert!(jobs.len() == 1 && is_partial(&jobs[0]));
    assert!(!sender.is_drained() && sender.next_job(0, 1_099).is_none());
    sender.begin_final();
    assert_eq!(sender.next_job(0, 1_099).unwrap().work, Work::Prove);
}

#[test]
fn the_window_holds_copies_back() {
    let mut sender = Sender::new(SenderConfig::default());
    sender.add_disk(DISK, size(), &used(&[0..1, 300..301, 600..601]));
    sender.link_up((1, 0), 2 * BLOCK_BYTES, 1);
    sender.opened(DISK, &[]);
    let jobs: Vec<Job> = std::iter::from_fn(|| sender.next_job(0, 0)).collect();
    assert_eq!(jobs.len(), 2);
    sender.acked(0, jobs[0].seq, 0, 0);
    assert!(sender.next_job(0, 0).is_some());
}

#[test]
fn a_job_that_failed_is_done_again() {
    let mut sender = following(std::slice::from_ref(&(0..1)));
    let job = sender.next_job(0, 0).unwrap();
    sender.failed(&job);
    let again = sender.next_job(0, 0).unwrap();
    assert_eq!((again.chunk, again.work), (job.chunk, job.work));
}

/// A final attempt up to the barrier.
fn finishing() -> (Sender, ChunkHash) {
    let mut sender = following(std::slice::from_ref(&(0..1)));
    let hash = hash_of(b"x");
    do_all(&mut sender, b"x", 0);
    sender.begin_final();
    assert_eq!(sender.join_used(DISK, &used(&[0..1, 300..301])), 1);
    do_all(&mut sender, b"x", 0);
    let seq = sender.begin_barrier().unwrap();
    sender.barrier_reached(0, seq);
    (sender, hash)
}

#[test]
fn equal_roots_and_an_exact_audit_prove_a_disk() {
    let (mut sender, hash) = finishing();
    let root = device_root(size(), |c| Some(if c.0 < 2 { hash } else { zero_hash(CHUNK_BYTES) })).unwrap();
    assert_eq!(sender.root(DISK), Some(root));
    let proof = sender.prove(DISK, root, AUDIT).unwrap();
    assert_eq!((proof.source_root, proof.target_root, proof.domain_bytes), (root, root, 2 * BLOCK_BYTES));
    sender.committed();
    assert_eq!(sender.progress(DISK, 0).unwrap().state, ReplicationState::Committed);
}

#[test]
fn a_mismatch_is_an_error_and_a_rescan() {
    let (mut sender, _) = finishing();
    let other = crate::digest::DeviceRoot([0; 32]);
    assert!(matches!(sender.prove(DISK, other, AUDIT), Err(FinalError::RootMismatch { .. })));
    assert!(sender.is_doubted(DISK) && !sender.is_drained());
    sender.end_final();
    assert_eq!(sender.next_job(0, 0).unwrap().work, Work::Compare);
}

#[test]
fn an_audit_that_does_not_agree_is_never_a_success() {
    let (mut sender, _) = finishing();
    let root = sender.root(DISK).unwrap();
    let missed = Audit { traced_sectors: 7, counted_sectors: 8 };
    assert!(matches!(sender.prove(DISK, root, missed), Err(FinalError::Audit { traced: 7, counted: 8, .. })));
    assert!(sender.is_doubted(DISK));
}

#[test]
fn nothing_is_proved_out_of_order() {
    let (mut sender, _) = finishing();
    let root = sender.root(DISK).unwrap();
    sender.changed(DISK, 0..1, 0);
    assert!(matches!(sender.prove(DISK, root, AUDIT), Err(FinalError::NotReady { .. })));
    let (mut sender, _) = finishing();
    sender.end_final();
    assert!(matches!(sender.prove(DISK, root, AUDIT), Err(FinalError::NotReady { .. })));
    let (mut sender, _) = finishing();
    sender.begin_barrier().unwrap();
    assert!(matches!(sender.prove(DISK, root, AUDIT), Err(FinalError::NotReady { .. })));
    assert!(matches!(sender.prove(DeviceId(9), root, AUDIT), Err(FinalError::NotReady { .. })));
}

#[test]
fn a_copy_that_was_under_way_at_a_doubt_does_not_prove_its_chunk() {
    let mut sender = following(std::slice::from_ref(&(0..1)));
    let job = sender.next_job(0, 0).unwrap();
    sender.suspect(DISK, &BlockSet::new(), "ring lost");
    sender.copied(&job, copied(&job, b"old"), 0);
    sender.acked(0, job.seq, 0, 0);
    assert!(!sender.is_clean(DISK, BlockIndex(0)) && !sender.is_drained());
    assert_eq!(sender.next_job(0, 0).unwrap().work, Work::Compare);
}

#[test]
fn a_comparison_that_was_under_way_at_a_doubt_is_done_again() {
    let mut sender = following(std::slice::from_ref(&(0..1)));
    do_all(&mut sender, b"x", 0);
    sender.suspect(DISK, &BlockSet::new(), "first");
    let old = sender.next_job(0, 0).unwrap();
    sender.suspect(DISK, &BlockSet::new(), "second");
    sender.compared(&old, digested(&old, b"x"), 0);
    sender.target_hash(0, old.seq, hash_of(b"x"), 0);
    assert!(sender.is_doubted(DISK));
    let again = sender.next_job(0, 0).unwrap();
    assert_eq!((again.work, again.chunk), (Work::Compare, old.chunk));
    assert!(again.seq > old.seq);
}

#[test]
fn a_change_during_a_comparison_is_sent_whatever_the_hashes_say() {
    let mut sender = following(std::slice::from_ref(&(0..2)));
    let hash = hash_of(b"x");
    do_all(&mut sender, b"x", 0);
    sender.suspect(DISK, &BlockSet::new(), "ring lost");
    let job = sender.next_job(0, 0).unwrap();
    sender.changed(DISK, 1..2, 0);
    sender.compared(&job, digested(&job, b"x"), 0);
    sender.target_hash(0, job.seq, hash, 0);
    assert!(sender.is_clean(DISK, BlockIndex(0)) && !sender.is_clean(DISK, BlockIndex(1)));
    assert_eq!(sender.dirty(DISK).unwrap().runs().collect::<Vec<_>>().first(), Some(&(1..2)));
}

#[test]
fn a_change_during_a_proof_makes_it_worthless() {
    let mut sender = following(&[0..1, 8..9]);
    do_all(&mut sender, b"x", 0);
    sender.changed(DISK, 0..1, 0);
    do_all(&mut sender, b"x", 0);
    sender.begin_final();
    let proof = sender.next_job(0, 0).unwrap();
    assert_eq!(proof.work, Work::Prove);
    sender.changed(DISK, 0..1, 0);
    sender.proved(&proof, digested(&proof, b"old"), 0);
    assert!(!sender.is_drained() && sender.root(DISK).is_none());
    let jobs = do_all(&mut sender, b"new", 0);
    assert!(is_partial(&jobs[0]) && jobs[1].work == Work::Prove);
    assert!(sender.root(DISK).is_some());
}

#[test]
fn all_disks_are_served_and_drained_only_together() {
    let (first, second) = (DeviceId(1), DeviceId(2));
    let mut sender = Sender::new(SenderConfig::default());
    sender.add_disk(first, size(), &used(std::slice::from_ref(&(0..1))));
    sender.add_disk(second, size(), &used(std::slice::from_ref(&(5..6))));
    sender.link_up((1, 0), 1 << 30, 1);
    sender.opened(first, &[]);
    assert_eq!(do_all(&mut sender, b"x", 0).len(), 1);
    assert!(!sender.is_drained(), "the second volume is not open");
    sender.opened(second, &[]);
    let jobs = do_all(&mut sender, b"x", 0);
    assert_eq!(jobs.iter().map(|job| job.device).collect::<Vec<_>>(), vec![second]);
    assert!(sender.is_drained());
    assert_eq!(sender.domain(second).unwrap().runs().next(), Some(5..6));
}

#[test]
fn the_state_follows_the_copy_and_is_never_in_sync_without_a_link() {
    let mut sender = Sender::new(SenderConfig::default());
    sender.add_disk(DISK, size(), &used(std::slice::from_ref(&(0..1))));
    let state = |sender: &mut Sender| sender.progress(DISK, 1_000).unwrap().state;
    assert_eq!(state(&mut sender), ReplicationState::Idle);
    sender.link_up((1, 0), 1 << 30, 1);
    sender.opened(DISK, &[]);
    assert_eq!(state(&mut sender), ReplicationState::InitialCopy);
    do_all(&mut sender, b"x", 1_000);
    assert_eq!(state(&mut sender), ReplicationState::InSync);
    sender.link_down();
    assert_eq!(state(&mut sender), ReplicationState::CatchingUp);
    sender.begin_final();
    assert_eq!(state(&mut sender), ReplicationState::Verifying);
    sender.changed(DISK, 0..1, 1_000);
    assert_eq!(state(&mut sender), ReplicationState::Final);
    assert_eq!(sender.progress(DeviceId(9), 0), None);
}

const READ: ReadUpTo = ReadUpTo { subject: [0; 32], generation: [1; 16], batch: 5 };

/// As another process goes on from `sender`, through the bytes of its checkpoint.
fn restored(sender: &Sender) -> Sender {
    let bytes = sender.checkpoint(READ).encode();
    Sender::restored(sender.config, &Checkpoint::decode(&bytes).unwrap())
}

#[test]
fn a_restored_sender_owes_what_was_on_its_way_and_compares_nothing_that_it_knew() {
    let mut before = following(&[0..256, 300..310]);
    do_all(&mut before, b"x", 0);
    before.changed(DISK, 0..2, 1);
    let lost = before.next_job(0, 1).unwrap();
    before.copied(&lost, copied(&lost, b"x"), 1);
    let mut after = restored(&before);
    assert!(after.is_accounted_for());
    assert_eq!(after.dirty(DISK).unwrap().runs().collect::<Vec<_>>(), vec![0..2]);
    after.changed(DISK, 305..306, 0);
    after.link_up((2, 1), 1 << 30, 1);
    after.opened(DISK, &[0..1, 1..2]);
    assert!(after.is_clean(DISK, BlockIndex(300)));
    after.begin_final();
    let works: Vec<(u64, bool)> =
        do_all(&mut after, b"x", 0).iter().map(|job| (job.chunk.0, is_partial(job))).collect();
    assert_eq!(works, vec![(0, true), (1, true), (0, false), (1, false)], "two copies, then two proofs");
    assert!(after.is_drained() && after.domain(DISK) == before.domain(DISK));
}

#[test]
fn a_restored_first_copy_compares_what_may_have_arrived_and_sends_the_rest() {
    let before = following(&[0..256, 300..310]);
    let mut after = restored(&before);
    after.changed(DISK, 400..401, 0);
    after.link_up((2, 1), 1 << 30, 1);
    after.opened(DISK, std::slice::from_ref(&(1..2)));
    let jobs = do_all(&mut after, b"x", 0);
    let works: Vec<(u64, bool)> = jobs.iter().map(|job| (job.chunk.0, job.work == Work::Compare)).collect();
    assert_eq!(works, vec![(0, false), (1, true)]);
    assert!(jobs[1].domain.contains(400 - BLOCKS_PER_CHUNK), "the change counts for the hash");
    assert!(after.is_drained() && after.is_clean(DISK, BlockIndex(400)));
}

#[test]
fn a_restored_sender_believes_only_the_link_right_after_its_own() {
    let mut before = following(std::slice::from_ref(&(0..1)));
    do_all(&mut before, b"x", 0);
    // Links that a process saw after its checkpoint may have shown that the receiver forgot: previous is not 1.
    for (welcome, believed) in [((2, 1), true), ((3, 2), false), ((2, 0), false)] {
        let mut after = restored(&before);
        after.link_up(welcome, 1 << 30, 1);
        after.opened(DISK, std::slice::from_ref(&(0..1)));
        assert_eq!(after.is_doubted(DISK), !believed, "{welcome:?}");
        after.link_down();
        after.link_up((9, 7), 1 << 30, 1);
        assert_eq!(after.is_doubted(DISK), !believed, "a link that it has seen itself is believed as ever");
    }
}

#[test]
fn what_was_being_compared_or_never_opened_is_compared_by_the_next_process() {
    let mut before = following(std::slice::from_ref(&(0..1)));
    do_all(&mut before, b"x", 0);
    before.suspect(DISK, &used(std::slice::from_ref(&(600..601))), "ring lost");
    assert_eq!(before.next_job(0, 0).unwrap().work, Work::Compare);
    let mut after = restored(&before);
    assert_eq!(after.progress(DISK, 0).unwrap().doubt, "ring lost");
    after.link_up((2, 1), 1 << 30, 1);
    after.opened(DISK, &[]);
    let compared = std::iter::from_fn(|| after.next_job(0, 0)).filter(|job| job.work == Work::Compare).count();
    assert_eq!(compared, 2);

    let mut never = Sender::new(SenderConfig::default());
    never.add_disk(DISK, size(), &used(std::slice::from_ref(&(0..1))));
    let mut after = restored(&never);
    after.link_up((1, 0), 1 << 30, 1);
    after.opened(DISK, std::slice::from_ref(&(0..1)));
    assert_eq!(after.next_job(0, 0).unwrap().work, Work::Compare);
}

proptest::proptest! {
    #![proptest_config(proptest::prelude::ProptestConfig::with_cases(64))]

    #[test]
    fn every_chunk_goes_to_exactly_one_lane_and_every_block_is_sent_once(
        blocks in proptest::collection::btree_set(0..64 * BLOCKS_PER_CHUNK, 1..60), lanes in 1..5u16,
    ) {
        let size = DeviceSize::from_bytes(64 * CHUNK_BYTES).unwrap();
        let dirty: BlockSet = blocks.iter().map(|block| *block..block + 1).collect();
        let mut sender = Sender::new(SenderConfig { stripe_chunks: 4, ..SenderConfig::default() });
        sender.add_disk(DISK, size, &dirty);
        sender.link_up((1, 0), 1 << 40, lanes);
        sender.opened(DISK, &[]);
        let mut sent = BlockSet::new();
        for lane in 0..lanes {
            let mut seqs = Vec::new();
            while let Some(job) = sender.next_job(lane, 0) {
                proptest::prop_assert_eq!(job.chunk.0 / 4 % u64::from(lanes), u64::from(lane));
                let Work::Copy { blocks, .. } = job.work else { panic!("{job:?}") };
                let base = job.chunk.blocks().start;
                for run in blocks.runs() {
                    let run = run.start + base..run.end + base;
                    proptest::prop_assert_eq!(sent.insert(run.clone()), run.end - run.start);
                }
                seqs.push(job.seq);
            }
            proptest::prop_assert!(seqs.iter().copied().eq(1..=seqs.len() as u64));
        }
        proptest::prop_assert_eq!(sent, dirty);
    }
}

#[test]
fn disks_and_lanes_that_do_not_exist_are_nobodys() {
    let mut sender = following(std::slice::from_ref(&(0..1)));
    let other = DeviceId(9);
    sender.changed(other, 0..1, 0);
    sender.suspect(other, &used(&[]), "x");
    sender.opened(other, &[]);
    assert_eq!((sender.join_used(other, &used(&[])), sender.root(other)), (0, None));
    assert!(sender.dirty(other).is_none() && sender.pending(other).is_none() && sender.domain(other).is_none());
    assert!(!sender.is_clean(other, BlockIndex(0)) && !sender.is_doubted(other));
    assert_eq!(sender.next_job(1, 0), None);
    sender.acked(1, 5, 0, 0);
    sender.stale(1, 5);
    sender.target_hash(1, 5, hash_of(b"x"), 0);
    assert_eq!(sender.dirty(DISK).unwrap().count(), 1);
}

#[test]
fn without_a_link_there_is_no_job_no_barrier_and_no_epoch() {
    let mut sender = following(std::slice::from_ref(&(0..1)));
    assert_eq!(sender.epoch(), Some(1));
    sender.link_down();
    assert_eq!((sender.epoch(), sender.begin_barrier(), sender.next_job(0, 0)), (None, None, None));
    sender.acked(0, 1, 0, 0);
    sender.barrier_reached(0, 1);
    assert!(!sender.barrier_passed() && !sender.is_drained());
}

#[test]
fn blocks_beyond_the_end_of_the_disk_are_none() {
    let mut sender = following(&[0..1, 4 * BLOCKS_PER_CHUNK - 1..5 * BLOCKS_PER_CHUNK]);
    assert_eq!(sender.domain(DISK).unwrap().count(), 2);
    sender.changed(DISK, 4 * BLOCKS_PER_CHUNK..9 * BLOCKS_PER_CHUNK, 0);
    sender.suspect(DISK, &used(std::slice::from_ref(&(4 * BLOCKS_PER_CHUNK..9 * BLOCKS_PER_CHUNK))), "x");
    assert_eq!(sender.join_used(DISK, &used(std::slice::from_ref(&(9_000..9_001)))), 0);
    assert_eq!((sender.domain(DISK).unwrap().count(), sender.remaining_bytes()), (2, 2 * BLOCK_BYTES));
}

#[test]
fn the_lag_is_the_age_of_the_oldest_change_that_is_not_durable() {
    let mut sender = following(std::slice::from_ref(&(0..1)));
    do_all(&mut sender, b"x", 0);
    let lag = |sender: &mut Sender, now_ms| sender.progress(DISK, now_ms).unwrap().lag_ms;
    assert_eq!(lag(&mut sender, 1_000), 0);
    sender.changed(DISK, 0..1, 2_000);
    sender.changed(DISK, 0..1, 2_900);
    sender.changed(DISK, 600..601, 2_500);
    assert_eq!(lag(&mut sender, 3_000), 1_000);
    let job = sender.next_job(0, 3_000).unwrap();
    sender.copied(&job, copied(&job, b"x"), 3_000);
    assert_eq!(lag(&mut sender, 3_000), 1_000, "sent is not durable");
    sender.acked(0, job.seq, 0, 3_000);
    assert_eq!(lag(&mut sender, 3_000), 500);
    do_all(&mut sender, b"y", 3_000);
    assert_eq!(lag(&mut sender, 9_000), 0);
}

#[test]
fn changes_are_counted_once_until_they_are_sent() {
    let mut sender = following(&[]);
    sender.changed(DISK, 0..10, 1_000);
    sender.changed(DISK, 5..10, 1_000);
    let progress = sender.progress(DISK, 1_000).unwrap();
    assert_eq!((progress.change_bytes_per_second, progress.remaining_bytes), (10 * BLOCK_BYTES, 10 * BLOCK_BYTES));
    let job = sender.next_job(0, 1_000).unwrap();
    assert_eq!(sender.progress(DISK, 1_000).unwrap().remaining_bytes, 10 * BLOCK_BYTES, "on its way");
    sender.copied(&job, copied(&job, b"x"), 1_000);
    sender.acked(0, job.seq, 0, 1_000);
    assert_eq!(sender.progress(DISK, 1_000).unwrap().remaining_bytes, 0);
}

#[test]
fn a_chunk_is_proved_after_exactly_its_rest() {
    let mut sender = following(&[0..1, 8..9]);
    do_all(&mut sender, b"x", 0);
    sender.changed(DISK, 0..1, 1_000);
    assert_eq!(do_all(&mut sender, b"x", 1_000).len(), 1);
    assert_eq!(sender.next_job(0, 99), None);
    assert_eq!(sender.next_job(0, 1_099), None);
    assert!(matches!(sender.next_job(0, 1_100).map(|job| job.work), Some(Work::Prove)));
}

#[test]
fn what_the_target_has_to_read_back_belongs_to_the_forecast_of_a_freeze() {
    let mut sender = following(std::slice::from_ref(&(0..1)));
    do_all(&mut sender, b"x", 1_000);
    let freeze = |sender: &mut Sender| sender.progress(DISK, 1_000).unwrap().freeze_forecast_ms.unwrap();
    assert_eq!(freeze(&mut sender), 500);
    sender.acked(0, 0, 300, 1_000);
    // 300 MiB at the 20 MiB/s of the slowest disk: 4 KiB/s were seen only because there was no more to send.
    assert_eq!(freeze(&mut sender), 500 + 15_000);
    assert_eq!(sender.progress(DISK, 1_000).unwrap().state, ReplicationState::CatchingUp);
}

#[test]
fn no_more_comparisons_are_out_than_the_receiver_reads_ahead() {
    let mut sender = Sender::new(SenderConfig::default());
    let size = DeviceSize::from_bytes(40 * CHUNK_BYTES).unwrap();
    sender.add_disk(DISK, size, &used(&[]));
    sender.link_up((1, 0), 1 << 30, 1);
    sender.opened(DISK, std::slice::from_ref(&(0..40)));
    let jobs: Vec<Job> = std::iter::from_fn(|| sender.next_job(0, 0)).collect();
    assert_eq!(jobs.len(), 16);
    assert!(jobs.iter().all(|job| job.work == Work::Compare));
    sender.target_hash(0, jobs[3].seq, hash_of(b"x"), 0);
    assert_eq!(sender.next_job(0, 0).map(|job| job.chunk), Some(ChunkIndex(16)));
    assert_eq!(sender.next_job(0, 0), None);
}

#[test]
fn a_freeze_that_is_given_up_follows_again_and_a_record_ends_the_copy() {
    let mut sender = following(std::slice::from_ref(&(0..1)));
    do_all(&mut sender, b"x", 0);
    let state = |sender: &mut Sender| sender.progress(DISK, 1_000).unwrap().state;
    sender.begin_final();
    assert_eq!(state(&mut sender), ReplicationState::Verifying);
    sender.end_final();
    assert_eq!(state(&mut sender), ReplicationState::InSync);
    let root = sender.root(DISK).unwrap();
    let FinalError::NotReady { what, .. } = sender.prove(DISK, root, AUDIT).unwrap_err() else { panic!() };
    assert_eq!(what, "the filesystems are not frozen");
    sender.committed();
    assert_eq!(state(&mut sender), ReplicationState::Committed);
}

/// As [`following`], with room for subtrees; everything is copied and acknowledged.
fn keeping() -> Sender {
    let mut sender = linked(&[0..256, 300..310], SenderConfig { quiet_ms: 100, ..SenderConfig::default() });
    do_all(&mut sender, b"x", 0);
    sender
}

/// Where the only run begins and ends.
fn ends(runs: Vec<Range<u64>>) -> (u64, u64) {
    assert_eq!(runs.len(), 1, "{runs:?}");
    (runs[0].start, runs[0].end)
}

#[test]
fn a_change_costs_the_reading_of_its_grain_and_no_proof_where_the_others_are_known() {
    let mut sender = keeping();
    sender.changed(DISK, 9..10, 1);
    let job = sender.next_job(0, 1).unwrap();
    assert_eq!((ends(job.reads().runs()), ends(job.grains().runs())), ((8, 12), (2, 3)));
    sender.copied(&job, copied(&job, b"y"), 1);
    sender.acked(0, job.seq, 0, 1);
    assert!(sender.is_drained());
    let mut first = Subtrees::new(CHUNK_BYTES);
    (0..64).for_each(|grain| first.put_value(grain, hash_bytes(if grain == 2 { b"y" } else { b"x" }).0));
    assert_eq!(sender.disks[&DISK].hash(ChunkIndex(0)), first.hash());
}

#[test]
fn a_grain_that_changes_while_it_is_read_must_be_read_again_and_no_other() {
    let mut sender = keeping();
    sender.changed(DISK, 9..10, 1);
    let job = sender.next_job(0, 1).unwrap();
    sender.changed(DISK, 200..201, 2);
    sender.copied(&job, copied(&job, b"x"), 2);
    sender.acked(0, job.seq, 0, 2);
    let job = sender.next_job(0, 2).unwrap();
    assert_eq!(ends(job.grains().runs()), (50, 51), "the first is known");
    sender.changed(DISK, 201..202, 3);
    sender.copied(&job, copied(&job, b"x"), 3);
    sender.acked(0, job.seq, 0, 3);
    assert_eq!(ends(sender.next_job(0, 3).unwrap().grains().runs()), (50, 51), "what was read is not what is there");
}

#[test]
fn after_a_doubt_every_grain_is_read_again() {
    let mut sender = keeping();
    sender.changed(DISK, 9..10, 1);
    let job = sender.next_job(0, 1).unwrap();
    sender.suspect(DISK, &BlockSet::new(), "lost");
    sender.copied(&job, copied(&job, b"x"), 1);
    sender.acked(0, job.seq, 0, 1);
    let compare = sender.next_job(0, 1).unwrap();
    assert_eq!((compare.work, compare.chunk, compare.grains()), (Work::Compare, ChunkIndex(0), GrainMask::ALL));
}
