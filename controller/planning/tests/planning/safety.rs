//! The two-phase commit under whatever may happen: random edits, lost permissions, suspensions, crashes of controller and
//! server, lost networks. Named invariants are checked after every second.

use crate::events::{Event, event};
use crate::world::{Stage, World};
use proptest::prelude::*;
use qianyun_crds::{DecisionKind, HostIntent, Phase};
use qianyun_planning::facts::{Machine, Receiver};
use qianyun_planning::{Action, phase};

/// Lets it happen, and checks the world at every plan and at the end.
fn happen(world: &mut World, event: &Event) {
    crate::events::happen(world, event, &mut |world, _, _| check(world));
    check(world);
}

fn decision(world: &World, i: usize) -> Option<(i32, DecisionKind)> {
    let journey = world.servers[i].journey.as_ref()?;
    let decision = journey.status.as_ref()?.cutover.as_ref()?.decision.as_ref()?;
    (decision.attempt == journey.spec.attempt).then_some((decision.attempt, decision.kind))
}

/// The invariants.
fn check(world: &World) {
    world.assert_never_two_sides();
    let digest = world.digest();
    let approved_once = world.approvals.iter().any(|a| a.spec.digest == digest);
    for (i, server) in world.servers.iter().enumerate() {
        let committed = matches!(decision(world, i), Some((_, DecisionKind::Commit)));
        // A target runs only after a commit.
        assert!(server.machine != Machine::Running || committed, "launched without a commit: {server:?}");
        // A source that voted does not serve before it is told to.
        if matches!(server.stage, Stage::Voted(_) | Stage::Thawed | Stage::Fencing) {
            assert!(!server.services, "a source that voted serves: {server:?}");
        }
        // A committed source never serves again.
        assert!(!committed || !server.serves_users(), "a committed source serves: {server:?}");
        // Nothing is copied of a scheme that nobody ever approved, for longer than one look.
        let intent = server.journey.as_ref().map(|j| j.spec.intent);
        if server.journey.as_ref().is_some_and(|j| j.spec.scheme_digest == digest)
            && intent == Some(HostIntent::Replicate)
        {
            assert!(approved_once, "replicates an unapproved scheme");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, max_shrink_iters: 300, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn never_two_sides_whatever_happens(two in any::<bool>(), events in prop::collection::vec(event(), 1..60)) {
        let names: &[&str] = if two { &["db1", "web1"] } else { &["db1"] };
        let mut world = World::approved(names);
        for event in &events {
            happen(&mut world, event);
        }
    }

    #[test]
    fn after_any_trouble_the_journey_goes_on_or_says_why_it_waits(events in prop::collection::vec(event(), 1..30)) {
        let mut world = World::approved(&["db1"]);
        for event in &events {
            happen(&mut world, event);
        }
        for (name, plan) in world.plans() {
            let over = phase::phase(&world.facts(), world.now) >= Phase::Provisional;
            prop_assert!(plan.waiting.is_some() || over, "{name} neither acts nor waits: {plan:?}");
        }
    }

    #[test]
    fn once_carried_out_a_plan_asks_for_nothing_more(events in prop::collection::vec(event(), 1..30)) {
        let mut world = World::approved(&["db1"]);
        for event in &events {
            happen(&mut world, event);
        }
        // With agents, time and people standing still, the plans come to rest: no oscillation.
        for _ in 0..12 {
            world.reconcile();
        }
        let again: Vec<Action> = world.reconcile().into_iter().filter(|a| !matches!(a, Action::RunProbes { .. })).collect();
        prop_assert!(again.is_empty(), "still acts: {again:?}");
    }
}

#[test]
fn a_receiver_that_dies_before_the_vote_is_started_again_and_the_attempt_goes_on() {
    let mut world = World::approved(&["db1"]);
    world.until("an attempt", |w| w.intent("db1") == Some(HostIntent::Cutover));
    world.servers[0].receiver = Receiver::Absent;
    let actions = world.reconcile();
    assert!(matches!(actions[..], [Action::EnsureReceiver { .. }]), "{actions:?}");
    world.until("a commit", |w| w.intent("db1") == Some(HostIntent::Fence));
    let decision = world.facts().host("db1").and_then(|h| h.decision().map(|d| d.attempt));
    assert_eq!(decision, Some(1));
}

#[test]
fn the_normal_course_ends_in_trial_with_the_source_off() {
    let mut world = World::approved(&["db1", "web1"]);
    world.until("provisional", |w| phase::phase(&w.facts(), w.now) == Phase::Provisional);
    assert!(world.servers.iter().all(|s| !s.on && s.serves_from_cloud()));
    world.confirm();
    world.tick();
    assert_eq!(phase::phase(&world.facts(), world.now), Phase::Trial);
    let status = world.migration.status.clone().unwrap();
    assert_eq!(status.trial_earliest_end.as_deref(), Some("2027-02-23"));
}

#[test]
fn a_source_that_lost_power_after_the_commit_is_fenced_when_it_comes_back() {
    let mut world = World::approved(&["db1"]);
    world.until("the vote", |w| matches!(w.servers[0].stage, Stage::Voted(_)));
    world.until("the commit", |w| decision(w, 0).is_some());
    let now = world.now;
    world.servers[0].power_off(now);
    for _ in 0..120 {
        world.tick();
        assert_ne!(world.servers[0].machine, Machine::Running, "launched without an acknowledgement");
    }
    world.servers[0].power_on();
    world.until("launched", |w| w.servers[0].machine == Machine::Running);
}

#[test]
fn while_permissions_cannot_be_asked_an_aborted_source_works_and_follows() {
    let mut world = World::approved(&["db1"]);
    world.server("db1").gives_up = true;
    world.until("the abort", |w| matches!(decision(w, 0), Some((1, DecisionKind::Abort))));
    world.authoriser_up = false;
    for _ in 0..30 {
        world.tick();
    }
    assert_eq!(world.intent("db1"), Some(HostIntent::Resume));
    assert!(world.servers[0].serves_users());
    world.authoriser_up = true;
    world.until("following", |w| w.intent("db1") == Some(HostIntent::Replicate));
}

#[test]
fn one_host_is_not_committed_while_another_has_not_voted() {
    let mut world = World::approved(&["db1", "web1"]);
    world.server("web1").gives_up = true;
    world.until("an abort of both", |w| {
        [0, 1].iter().all(|i| matches!(decision(w, *i), Some((1, DecisionKind::Abort))))
    });
    assert!(world.servers.iter().all(|s| s.machine == Machine::Absent));
    world.server("web1").gives_up = false;
    world.until("the second attempt", |w| phase::phase(&w.facts(), w.now) == Phase::Provisional);
}

#[test]
fn three_failed_attempts_use_up_a_window() {
    let mut world = World::approved(&["db1"]);
    world.server("db1").gives_up = true;
    world.until("three aborts", |w| matches!(decision(w, 0), Some((3, DecisionKind::Abort))));
    for _ in 0..600 {
        world.tick();
    }
    assert_eq!(world.servers[0].journey.as_ref().unwrap().spec.attempt, 3);
    let waiting = world.migration.status.as_ref().unwrap().waiting.clone().unwrap();
    assert_eq!(waiting.waiting_for, "NewWindow");
    assert!(world.servers[0].serves_users());
}

#[test]
fn an_edit_during_the_freeze_aborts_and_the_services_come_back() {
    let mut world = World::approved(&["db1"]);
    world.until("the attempt", |w| w.servers[0].stage == Stage::Stopping);
    world.edit();
    world.until("services again", |w| w.servers[0].serves_users());
    world.until("idle", |w| w.intent("db1") == Some(HostIntent::Idle));
    assert_eq!(phase::phase(&world.facts(), world.now), Phase::Drafting);
}
