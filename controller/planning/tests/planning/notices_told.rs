//! What is told once: a new phase and a new waiting, not a status that says the same, and never more than an event holds.
#![allow(clippy::unwrap_used)]

use crate::world::World;
use qianyun_crds::SystemMigrationStatus;
use qianyun_planning::report::notice::{Notice, of_host, of_system};

fn told(before: Option<&SystemMigrationStatus>, after: &SystemMigrationStatus) -> Vec<String> {
    of_system(before, after).into_iter().map(|n| n.reason).collect()
}

#[test]
fn a_phase_and_a_waiting_are_told_once() {
    let mut world = World::new();
    world.tick();
    let first = world.migration.status.clone().unwrap();
    assert_eq!(told(None, &first), ["Drafting", "WaitingForPlanIssued"]);
    assert_eq!(told(Some(&first), &first), [] as [&str; 0]);
    world.sign_all();
    world.tick();
    let approved = world.migration.status.clone().unwrap();
    assert_eq!(told(Some(&first), &approved), ["Approved", "WaitingForJourney"]);
    let mut later = approved.clone();
    later.waiting.as_mut().unwrap().message = "said otherwise".into();
    assert_eq!(told(Some(&approved), &later), [] as [&str; 0], "the same is waited for");
}

#[test]
fn a_decision_is_told_with_its_reason_and_an_abort_as_a_warning() {
    let mut world = World::in_sync(&["db1"]);
    let before = world.servers[0].journey.as_ref().unwrap().status.clone();
    world.until("a commit", |w| w.facts().any_committed());
    let after = world.servers[0].journey.as_ref().unwrap().status.clone().unwrap();
    let [Notice { is_warning: false, reason, note }] = &of_host(before.as_ref(), &after)[..] else { panic!() };
    assert_eq!(reason, "Commit");
    assert!(note.starts_with("attempt 1: "), "{note}");
    assert!(of_host(Some(&after), &after).is_empty());
}

#[test]
fn a_long_sentence_is_cut_between_two_characters() {
    let mut world = World::new();
    world.tick();
    let mut status = world.migration.status.clone().unwrap();
    status.waiting.as_mut().unwrap().message_zh = "界".repeat(500);
    let note = of_system(None, &status).pop().unwrap().note;
    assert!((998..=1000).contains(&note.len()), "{}", note.len());
}
