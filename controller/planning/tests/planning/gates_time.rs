//! Gates that time opens and closes: on which side of each instant, age and length they stand, to the millisecond.
#![allow(clippy::unwrap_used)]

use crate::world::World;
use jiff::{Timestamp, ToSpan};
use qianyun_crds::{DiskPhase, GateName, HookMoment, HookStep, HostIntent};
use qianyun_planning::calendar::WindowReason;
use qianyun_planning::facts::{Facts, Known, Machine, ProbeFact, Silence};
use qianyun_planning::gate::judge;
use qianyun_planning::reason::{Obstacle, Verdict};
use qianyun_planning::{Reason, WaitingOn, host_migration};

fn before(at: Timestamp, ms: i64) -> Timestamp {
    at.checked_sub(ms.milliseconds()).unwrap()
}

#[test]
fn the_window_holds_its_first_instant_and_not_its_last() {
    let facts = World::approved(&["db1"]).facts();
    let window = facts.migration.spec.scheme.window.clone();
    let at = |now: Timestamp| judge(GateName::InWindow, &facts, now);
    let (start, end) = (window.start.0, window.end.0);
    assert_eq!(at(before(start, 1)), Verdict::Closed(Reason::WindowNotYet { start }));
    assert_eq!(at(start), Verdict::Open);
    assert_eq!(at(before(end, 1)), Verdict::Open);
    assert_eq!(at(end), Verdict::Closed(Reason::WindowOver { end }));
}

#[test]
fn a_scheme_that_has_not_begun_can_be_signed_until_the_last_instant_of_its_window() {
    let facts = World::approved(&["db1"]).facts();
    let end = facts.migration.spec.scheme.window.end.0;
    assert!(judge(GateName::SchemeValid, &facts, before(end, 1)).passes());
    assert_eq!(judge(GateName::SchemeValid, &facts, end), Verdict::Closed(Reason::WindowOver { end }));
}

#[test]
fn a_window_of_no_length_is_reversed() {
    let mut facts = World::approved(&["db1"]).facts();
    let window = &mut facts.migration.spec.scheme.window;
    window.end = window.start.clone();
    let start = window.start.0;
    assert_eq!(judge(GateName::SchemeValid, &facts, start), Verdict::Closed(Reason::WindowReversed));
}

/// The world's attempt takes 30 s to stop its one service, 30 s of freeze by its policy, and a minute of margin.
const ATTEMPT_SECONDS: i64 = 30 + 30 + 60;

#[test]
fn an_attempt_begins_if_exactly_its_longest_course_is_left_and_not_with_a_second_less() {
    let world = World::in_sync(&["db1"]);
    let mut facts = world.facts();
    let end = facts.migration.spec.scheme.window.end.0;
    facts.hosts[0].agent.as_mut().unwrap().age_ms = 0;
    let waits = |facts: &Facts, left_ms: i64| host_migration::plan(facts, "db1", before(end, left_ms)).waiting;
    assert_eq!(waits(&facts, ATTEMPT_SECONDS * 1000), Some(WaitingOn::Vote { host: "db1".into() }));
    let (left_seconds, needed_seconds) = (ATTEMPT_SECONDS - 1, ATTEMPT_SECONDS);
    let reason = Reason::WindowUnfit { reason: WindowReason::TooShort { left_seconds, needed_seconds } };
    let obstacle = Obstacle { gate: GateName::InWindow, known: true, reason };
    assert_eq!(waits(&facts, ATTEMPT_SECONDS * 1000 - 1), Some(WaitingOn::Gate(obstacle)));
}

#[test]
fn the_longest_course_is_that_of_the_host_that_stops_longest() {
    let world = World::in_sync(&["db1", "web1"]);
    let mut facts = world.facts();
    let steps = &mut facts.migration.spec.scheme.hosts[1].quiesce;
    steps.push(steps[0].clone());
    steps[1].deadline_seconds = 100;
    let end = facts.migration.spec.scheme.window.end.0;
    let plan = host_migration::plan(&facts, "db1", before(end, 1000));
    let text = format!("{:?}", plan.waiting);
    assert!(text.contains("needed_seconds: 220"), "{text}");
}

#[test]
fn hooks_take_their_time_of_an_attempt_whenever_they_run() {
    let world = World::in_sync(&["db1"]);
    let mut facts = world.facts();
    let hook = |(name, at): (&str, HookMoment)| HookStep { name: name.into(), at, deadline_seconds: 100 };
    let moments = [HookMoment::BeforeStop, HookMoment::BeforeFreeze, HookMoment::AfterResume];
    facts.migration.spec.scheme.hosts[0].hooks = ["dump", "flush", "tell"].into_iter().zip(moments).map(hook).collect();
    let Known::Is(host) = &mut facts.hosts[0].host else { panic!("no host") };
    host.status.as_mut().unwrap().inventory.as_mut().unwrap().hooks =
        ["dump", "flush", "tell"].map(String::from).into();
    let end = facts.migration.spec.scheme.window.end.0;
    let text = format!("{:?}", host_migration::plan(&facts, "db1", before(end, 1000)).waiting);
    assert!(text.contains("needed_seconds: 420"), "{text}");
}

#[test]
fn a_report_counts_as_fresh_for_exactly_a_minute() {
    let world = World::in_sync(&["db1"]);
    let mut facts = world.facts();
    for (age_ms, fresh) in [(59_999, true), (60_000, true), (60_001, false), (61_000, false)] {
        facts.hosts[0].agent.as_mut().unwrap().age_ms = age_ms;
        let found = judge(GateName::ReplicationInSync, &facts, world.now);
        assert_eq!(found.passes(), fresh, "{age_ms}: {found:?}");
        let plan = host_migration::plan(&facts, "db1", world.now);
        let silent = plan.waiting == Some(WaitingOn::AgentReport { host: "db1".into() });
        assert_eq!(silent, !fresh, "{age_ms}: {plan:?}");
    }
    let silent = Reason::AgentSilent { host: "db1".into(), seconds: 61 };
    assert_eq!(judge(GateName::ReplicationInSync, &facts, world.now), Verdict::Closed(silent));
}

#[test]
fn an_inventory_is_too_old_on_the_day_after_its_last() {
    let world = World::approved(&["db1"]);
    let facts = world.facts();
    let after = |seconds: i64| {
        judge(GateName::InventoryComplete, &facts, world.now.checked_add(seconds.seconds()).unwrap()).passes()
    };
    assert!(after(0) && after(31 * 86_400 - 1));
    assert!(!after(31 * 86_400));
    // A clock that stands before the inventory's finds it fresh.
    assert!(after(-3600));
}

#[test]
fn an_assessment_is_in_date_until_midnight_in_beijing() {
    let mut facts = World::approved(&["db1"]).facts();
    let qianyun_planning::facts::Known::Is(platform) = &mut facts.platform else { panic!() };
    platform.spec.mlps.next_due = "2026-11-23".into();
    let at = |now: &str| judge(GateName::TargetLevelSufficient, &facts, now.parse().unwrap());
    assert_eq!(at("2026-11-23T15:59:59.999Z"), Verdict::Open);
    let overdue = Reason::AssessmentOverdue { due: "2026-11-23".into() };
    assert_eq!(at("2026-11-23T16:00:00Z"), Verdict::Closed(overdue));
}

#[test]
fn five_seconds_of_silence_are_enough_and_anything_less_is_not() {
    let world = World::fenced(&["db1"]);
    let mut facts = world.facts();
    for (ms, seconds) in [(0, 0), (1_000, 1), (4_000, 4), (4_001, 4), (4_999, 4)] {
        facts.hosts[0].silence = Silence::Since(before(world.now, ms));
        let reason = Reason::SilentTooShort { host: "db1".into(), seconds, needed_seconds: 5 };
        assert_eq!(judge(GateName::SourceFenced, &facts, world.now), Verdict::Closed(reason), "{ms} ms");
    }
    facts.hosts[0].silence = Silence::Since(before(world.now, 5_000));
    assert_eq!(judge(GateName::SourceFenced, &facts, world.now), Verdict::Open);
}

#[test]
fn silence_is_measured_from_its_own_instant_and_not_from_the_second_it_lies_in() {
    let mut world = World::fenced(&["db1"]);
    let second = world.now;
    world.at(second.checked_add(100.milliseconds()).unwrap());
    let mut facts = world.facts();
    facts.hosts[0].silence = Silence::Since(before(world.now, 4_200));
    assert!(!judge(GateName::SourceFenced, &facts, world.now).passes(), "4.2 s were taken for 5");
}

#[test]
fn silence_that_began_in_the_future_is_none() {
    let world = World::fenced(&["db1"]);
    let mut facts = world.facts();
    facts.hosts[0].silence = Silence::Since(before(world.now, -10_000));
    assert!(!judge(GateName::SourceFenced, &facts, world.now).passes());
}

#[test]
fn a_probe_is_overdue_only_after_the_time_that_the_scheme_gives_it_since_the_launch() {
    let mut world = World::fenced(&["db1"]);
    world.until("launched", |w| w.servers[0].machine == Machine::Running);
    world.until("arrived", |w| w.facts().hosts[0].adapted());
    let mut facts = world.facts();
    let launched = facts.hosts[0].launched_at().unwrap();
    let after = |facts: &Facts, seconds: i64| {
        judge(GateName::ProbesPassed, facts, launched.checked_add(seconds.seconds()).unwrap())
    };
    let not_tried = Reason::ProbeNotPassed { probe: "registry".into(), found: "not tried yet".into() };
    facts.hosts[0].probes.clear();
    assert_eq!(after(&facts, 300), Verdict::Closed(not_tried));
    let fact = |at: i64, passed: bool, message: &str| ProbeFact {
        name: "registry".into(),
        passed,
        at: Timestamp::from_second(at).unwrap(),
        message: message.into(),
    };
    facts.hosts[0].probes = vec![fact(2, false, "refused"), fact(1, false, "no route")];
    let overdue = |found: &str| {
        Verdict::Closed(Reason::ProbeOverdue { probe: "registry".into(), found: found.into(), deadline_seconds: 300 })
    };
    assert_eq!(after(&facts, 301), overdue("refused"));
    facts.hosts[0].probes.push(fact(1, true, "connected"));
    assert_eq!(after(&facts, 301), Verdict::Open);
}

#[test]
fn a_host_is_in_sync_when_its_last_disk_is() {
    let world = World::in_sync(&["db1"]);
    let mut facts = world.facts();
    let disk = facts.hosts[0].agent.as_ref().unwrap().disks[0].clone();
    for phase in [
        DiskPhase::Idle,
        DiskPhase::InitialCopy,
        DiskPhase::Suspect,
        DiskPhase::CatchingUp,
        DiskPhase::Verifying,
        DiskPhase::InSync,
        DiskPhase::Final,
        DiskPhase::Committed,
    ] {
        let disks = &mut facts.hosts[0].agent.as_mut().unwrap().disks;
        *disks = vec![disk.clone(), disk.clone()];
        disks[1].phase = phase;
        let found = judge(GateName::ReplicationInSync, &facts, world.now);
        let behind = Verdict::Closed(Reason::NotInSync { host: "db1".into(), phase });
        assert_eq!(found, if phase >= DiskPhase::InSync { Verdict::Open } else { behind });
    }
}

#[test]
fn a_disk_of_which_the_agent_says_nothing_is_not_in_sync() {
    let world = World::in_sync(&["db1"]);
    let mut facts = world.facts();
    facts.hosts[0].disks_in_scheme = 2;
    let behind = Reason::NotInSync { host: "db1".into(), phase: DiskPhase::Idle };
    assert_eq!(judge(GateName::ReplicationInSync, &facts, world.now), Verdict::Closed(behind));
    facts.hosts[0].disks_in_scheme = 0;
    facts.hosts[0].agent.as_mut().unwrap().disks.clear();
    let nothing = Reason::NotReplicating { host: "db1".into() };
    assert_eq!(judge(GateName::ReplicationInSync, &facts, world.now), Verdict::Closed(nothing));
}

#[test]
fn a_host_past_the_copy_is_not_asked_for_it_again() {
    let world = World::in_sync(&["db1"]);
    let mut facts = world.facts();
    facts.hosts[0].agent = None;
    for (intent, passes) in [
        (HostIntent::Idle, false),
        (HostIntent::Replicate, false),
        (HostIntent::Resume, false),
        (HostIntent::Cutover, true),
        (HostIntent::Fence, true),
        (HostIntent::Serve, true),
    ] {
        let qianyun_planning::facts::Known::Is(journey) = &mut facts.hosts[0].journey else { panic!() };
        journey.spec.intent = intent;
        let found = judge(GateName::ReplicationInSync, &facts, world.now);
        assert_eq!(found.passes(), passes, "{intent:?}: {found:?}");
    }
}
