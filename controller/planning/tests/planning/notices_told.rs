//! What is told once: a new phase, a new waiting and a decision; not a status that says the same, nor what only cannot be asked, and
//! never more than an event holds.
#![allow(clippy::unwrap_used)]

use crate::world::World;
use qianyun_planning::report::notice::{Notice, of_decision, of_system};
use qianyun_planning::system_migration;

/// What would be told at this moment, before the status is written.
fn notices(world: &World) -> Vec<Notice> {
    let facts = world.facts();
    let plan = system_migration::plan(&facts, world.now);
    of_system(&facts, &plan, &system_migration::status(&facts, plan.waiting.as_ref(), world.now))
}

fn told(world: &World) -> Vec<String> {
    notices(world).into_iter().map(|notice| notice.reason).collect()
}

#[test]
fn a_phase_and_a_waiting_are_told_once() {
    let mut world = World::new();
    assert_eq!(told(&world), ["Drafting", "WaitingForPlanIssued"]);
    world.tick();
    assert_eq!(told(&world), [] as [&str; 0]);
    world.sign_all();
    assert_eq!(told(&world), ["Approved", "WaitingForJourney"]);
    world.tick();
    assert_eq!(told(&world), ["WaitingForReceiver"], "the phase is the same");
}

#[test]
fn what_cannot_be_asked_is_not_told_as_if_it_had_happened() {
    let mut world = World::in_sync(&["db1"]);
    world.tick();
    world.servers[0].forget_reports();
    assert!(!told(&world).contains(&"Replicating".to_string()), "{:?}", told(&world));
    world.authoriser_up = false;
    world.unread.policy = true;
    assert_eq!(told(&world), [] as [&str; 0]);
}

#[test]
fn a_decision_is_told_with_its_reason() {
    let mut world = World::in_sync(&["db1"]);
    world.until("a commit", |w| w.facts().any_committed());
    let facts = world.facts();
    let notice = of_decision(facts.hosts[0].decision().unwrap());
    assert_eq!((notice.reason.as_str(), notice.is_warning), ("Commit", false));
    assert!(notice.note.starts_with("attempt 1: "), "{}", notice.note);
}

#[test]
fn a_long_sentence_is_cut_between_two_characters() {
    let world = World::new();
    let facts = world.facts();
    let plan = system_migration::plan(&facts, world.now);
    let mut status = system_migration::status(&facts, plan.waiting.as_ref(), world.now);
    status.waiting.as_mut().unwrap().message_zh = "界".repeat(500);
    let note = of_system(&facts, &plan, &status).pop().unwrap().note;
    assert!((998..=1000).contains(&note.len()), "{}", note.len());
}
