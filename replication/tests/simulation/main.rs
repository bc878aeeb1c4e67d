//! Both engines in a seeded world: writes in flight, lanes that break, lanes whose far end lives on, processes that die,
//! syncs that never came, trackers that lose events and notice or do not, and trackers that outlive their process. Named invariants are checked after every event; at the end the
//! world calms down and the copy must be proved. A wrong world, one that breaks a rule of the protocol on purpose,
//! must be caught.
// A world that does not fit into its own numbers is a mistake in the test.
#![allow(clippy::unwrap_used)]

mod source;
mod target;
mod world;

use std::ops::Range;
use world::{Mutation, Violation, World};

/// In every test run; `cargo xtask sim` asks for more. A seed takes about ten milliseconds.
const SEEDS: u64 = 1_000;
/// First seed and number of seeds, `first+count`, instead of the usual ones.
const ASKED: &str = "QIANYUN_SIM_SEEDS";

/// How often a process went on from a checkpoint, and how often only the audit told of a loss.
fn run(seed: u64, mutation: Mutation) -> Result<(u64, u64), Violation> {
    let mut world = World::new(seed, mutation);
    world.run_faulty(1_500)?;
    world.run_calm()?;
    Ok(world.survived())
}

fn seeds() -> Range<u64> {
    let Ok(asked) = std::env::var(ASKED) else { return 0..SEEDS };
    let numbers = asked.split_once('+').and_then(|(first, count)| Some((first.parse().ok()?, count.parse().ok()?)));
    let (first, count): (u64, u64) =
        numbers.unwrap_or_else(|| panic!("{ASKED} is {asked:?}, expected two numbers as 0+1000"));
    first..first.saturating_add(count)
}

#[test]
fn whatever_breaks_the_copy_is_proved_in_the_end_and_no_clean_block_ever_differs() {
    let (mut worlds, mut restored, mut audited) = (0, 0, 0);
    for seed in seeds() {
        match run(seed, Mutation::None) {
            Ok(times) => (worlds, restored, audited) = (worlds + 1, restored + times.0, audited + times.1),
            Err(violation) => {
                panic!("seed {seed}: {violation}; `cargo xtask sim --first {seed} --count 1` plays it again")
            }
        }
    }
    // A few worlds may go without; a thousand that do would say nothing about checkpoints.
    assert!(worlds < 100 || restored > worlds, "{restored} checkpoints were gone on from in {worlds} worlds");
    assert!(worlds < 100 || audited > worlds / 100, "the audit alone told of {audited} losses in {worlds} worlds");
}

fn assert_caught(mutation: Mutation) {
    let caught = (0..SEEDS).find_map(|seed| run(seed, mutation).err().map(|violation| (seed, violation)));
    let Some((seed, violation)) = caught else { panic!("{mutation:?} went through {SEEDS} seeds unnoticed") };
    println!("{mutation:?} is caught by seed {seed}: {violation}");
}

#[test]
fn marking_a_write_when_it_is_issued_is_caught() {
    assert_caught(Mutation::MarkAtIssue);
}

#[test]
fn taking_only_what_is_called_a_write_for_a_change_is_caught() {
    assert_caught(Mutation::FilterW);
}

#[test]
fn reading_what_is_used_before_the_tracker_is_armed_is_caught() {
    assert_caught(Mutation::MapBeforeTracking);
}

#[test]
fn clearing_pending_before_the_durable_acknowledgement_is_caught() {
    assert_caught(Mutation::AckBeforeSync);
}

#[test]
fn applying_what_an_older_epoch_decided_is_caught() {
    assert_caught(Mutation::NoEpochCheck);
}

#[test]
fn letting_an_older_link_write_is_caught() {
    assert_caught(Mutation::NoFencing);
}

#[test]
fn going_on_after_a_tracker_loss_is_caught() {
    assert_caught(Mutation::IgnoreTrackerLoss);
}

#[test]
fn welcoming_a_link_while_the_old_one_still_writes_is_caught() {
    assert_caught(Mutation::WelcomeEarly);
}

#[test]
fn a_checkpoint_that_forgets_what_is_in_flight_is_caught() {
    assert_caught(Mutation::ForgetInFlight);
}

#[test]
fn a_target_that_answers_with_a_wrong_hash_is_caught() {
    assert_caught(Mutation::WrongReadBack);
}

#[test]
fn proving_a_copy_without_the_disks_own_count_is_caught() {
    assert_caught(Mutation::NoAudit);
}
