//! The second opinion on plans: each rule refuses the action that breaks it, and lets the same action pass where it is right.
#![allow(clippy::unwrap_used)]

use crate::world::World;
use jiff::Timestamp;
use qianyun_crds::{CutoverDecision, DecisionKind, HostIntent, SourceCutover};
use qianyun_planning::facts::{Authorisation, Facts, Known, Machine, Receiver, Silence, Verification};
use qianyun_planning::lint::{Violation, check};
use qianyun_planning::{Action, Plan, calendar};

fn host() -> String {
    "db1".into()
}

fn found(facts: &Facts, action: Action, now: Timestamp) -> Option<Violation> {
    check(facts, &Plan { actions: vec![action], waiting: None }, now)
}

fn set(facts: &Facts, intent: HostIntent, attempt: i32) -> Action {
    Action::SetIntent { host: host(), intent, attempt, digest: facts.digest.clone() }
}

fn decide(kind: DecisionKind, now: Timestamp) -> Action {
    let at = k8s_openapi::apimachinery::pkg::apis::meta::v1::Time(now);
    let decision = CutoverDecision {
        kind,
        attempt: 1,
        record_digest: None,
        epoch: 7,
        at,
        reason: String::new(),
        reason_zh: String::new(),
    };
    Action::Decide { host: host(), decision, not_after: None }
}

fn without_approval(mut facts: Facts) -> Facts {
    let Known::Is(approvals) = &mut facts.approvals else { panic!() };
    approvals.last_mut().unwrap().authorised = Authorisation::Denied;
    facts
}

#[test]
fn nothing_touches_a_server_without_both_offices_or_under_another_digest() {
    let world = World::in_sync(&["db1"]);
    let (facts, start) = (world.facts(), world.migration.spec.scheme.window.start.0);
    let denied = without_approval(facts.clone());
    let other = |intent| Action::SetIntent { host: host(), intent, attempt: 1, digest: "sha256:other".into() };
    let create = |digest: &str| Action::CreateJourney { host: host(), digest: digest.into() };
    for action in [
        create(&facts.digest),
        set(&facts, HostIntent::Replicate, 0),
        set(&facts, HostIntent::Cutover, 1),
        Action::EnsureVolumes { host: host() },
        Action::EnsureReceiver { host: host() },
    ] {
        assert_eq!(found(&facts, action.clone(), start), None, "{action:?}");
        let violation = Some(Violation::TouchesWithoutApproval);
        assert_eq!(found(&denied, action.clone(), start), violation, "{action:?}");
    }
    for action in [create("sha256:other"), other(HostIntent::Replicate), other(HostIntent::Cutover)] {
        assert_eq!(found(&facts, action, start), Some(Violation::TouchesWithoutApproval));
    }
    for intent in [HostIntent::Idle, HostIntent::Resume] {
        assert_eq!(found(&denied, set(&facts, intent, 0), start), None, "{intent:?} is a way back");
    }
}

#[test]
fn an_attempt_begins_in_its_window_under_the_next_number_and_not_while_suspended() {
    let world = World::in_sync(&["db1"]);
    let mut facts = world.facts();
    let start = facts.migration.spec.scheme.window.start.0;
    let early = Some(Violation::BeginsTooEarly);
    assert_eq!(found(&facts, set(&facts, HostIntent::Cutover, 1), world.now), early);
    assert_eq!(found(&facts, set(&facts, HostIntent::Cutover, 1), start), None);
    for attempt in [0, 2] {
        assert_eq!(found(&facts, set(&facts, HostIntent::Cutover, attempt), start), early);
    }
    facts.migration.spec.suspend = true;
    assert_eq!(found(&facts, set(&facts, HostIntent::Cutover, 1), start), early);
}

#[test]
fn a_commit_needs_a_live_verified_vote_and_every_gate_and_an_abort_needs_nothing() {
    let world = World::voted(&["db1"]);
    let (facts, now) = (world.facts(), world.now);
    assert_eq!(found(&facts, decide(DecisionKind::Commit, now), now), None);
    let mut broken = vec![without_approval(facts.clone())];
    for change in [
        (|f| f.hosts[0].agent = None) as fn(&mut Facts),
        |f| f.hosts[0].agent.as_mut().unwrap().vote.as_mut().unwrap().state = SourceCutover::PreparedButThawed,
        |f| f.hosts[0].agent.as_mut().unwrap().vote.as_mut().unwrap().record = None,
        |f| {
            let vote = f.hosts[0].agent.as_mut().unwrap().vote.as_mut().unwrap();
            vote.record.as_mut().unwrap().verification = Verification::Unknown;
        },
    ] {
        let mut facts = facts.clone();
        change(&mut facts);
        broken.push(facts);
    }
    for facts in broken {
        assert_eq!(found(&facts, decide(DecisionKind::Commit, now), now), Some(Violation::CommitsTooEarly));
        assert_eq!(found(&facts, decide(DecisionKind::Abort, now), now), None);
    }
    let end = facts.migration.spec.scheme.window.end.0;
    assert_eq!(found(&facts, decide(DecisionKind::Commit, now), end), Some(Violation::CommitsTooEarly));
}

#[test]
fn an_attempt_is_decided_once() {
    let world = World::fenced(&["db1"]);
    for kind in [DecisionKind::Commit, DecisionKind::Abort] {
        let second = found(&world.facts(), decide(kind, world.now), world.now);
        assert_eq!(second, Some(Violation::DecidesTwice));
    }
}

#[test]
fn after_a_commit_there_is_no_way_back_and_before_it_none_forward() {
    let (voted, fenced) = (World::voted(&["db1"]), World::fenced(&["db1"]));
    for intent in [HostIntent::Idle, HostIntent::Resume, HostIntent::Replicate, HostIntent::Cutover] {
        let back = found(&fenced.facts(), set(&fenced.facts(), intent, 1), fenced.now);
        assert_eq!(back, Some(Violation::TurnsBack), "{intent:?}");
    }
    for intent in [HostIntent::Fence, HostIntent::Serve] {
        assert_eq!(found(&fenced.facts(), set(&fenced.facts(), intent, 1), fenced.now), None);
        let forward = found(&voted.facts(), set(&voted.facts(), intent, 1), voted.now);
        assert_eq!(forward, Some(Violation::CommitsTooEarly), "{intent:?}");
    }
}

#[test]
fn the_machine_on_the_cloud_is_not_to_serve_without_both_offices() {
    let fenced = World::fenced(&["db1"]);
    let serve = |facts: &Facts| found(facts, set(facts, HostIntent::Serve, 1), fenced.now);
    assert_eq!(serve(&fenced.facts()), None);
    assert_eq!(serve(&without_approval(fenced.facts())), Some(Violation::TouchesWithoutApproval));
}

#[test]
fn a_launch_needs_a_commit_an_acknowledgement_a_silence_no_receiver_and_no_machine_that_runs() {
    let world = World::fenced(&["db1"]);
    let (mut facts, now) = (world.facts(), world.now);
    facts.hosts[0].hosting.receiver = Receiver::Absent;
    let silent_for = |seconds: i64| Silence::Since(calendar::plus_seconds(now, -seconds));
    facts.hosts[0].silence = silent_for(5);
    let launch = |facts: &Facts| found(facts, Action::EnsureTarget { host: host() }, now);
    assert_eq!(launch(&facts), None);
    for receiver in [Receiver::Unknown, Receiver::Starting, Receiver::Failed(String::new())] {
        let mut facts = facts.clone();
        facts.hosts[0].hosting.receiver = receiver;
        assert_eq!(launch(&facts), Some(Violation::LaunchesUnderReceiver));
    }
    for silence in [silent_for(4), Silence::Answers("agent".into()), Silence::Unknown] {
        let mut facts = facts.clone();
        facts.hosts[0].silence = silence;
        assert_eq!(launch(&facts), Some(Violation::LaunchesUnfenced));
    }
    let mut running = facts.clone();
    running.hosts[0].hosting.machine = Machine::Running;
    assert_eq!(launch(&running), Some(Violation::LaunchesUnfenced));
    let mut unacknowledged = facts.clone();
    unacknowledged.hosts[0].agent = None;
    let Known::Is(journey) = &mut unacknowledged.hosts[0].journey else { panic!() };
    journey.status.as_mut().unwrap().cutover.as_mut().unwrap().fence_acknowledged_at = None;
    assert_eq!(launch(&unacknowledged), Some(Violation::LaunchesUnfenced));
    let mut voted = World::voted(&["db1"]).facts();
    voted.hosts[0].hosting.receiver = Receiver::Absent;
    assert_eq!(launch(&voted), Some(Violation::LaunchesUnfenced));
    facts.hosts.clear();
    assert_eq!(launch(&facts), Some(Violation::LaunchesUnfenced));
}

#[test]
fn a_first_launch_needs_both_offices_and_no_other_paper_and_a_second_one_needs_nobody() {
    let world = World::fenced(&["db1"]);
    let (mut facts, now) = (world.facts(), world.now);
    facts.hosts[0].hosting.receiver = Receiver::Absent;
    facts.hosts[0].silence = Silence::Since(calendar::plus_seconds(now, -5));
    let launch = |facts: &Facts| found(facts, Action::EnsureTarget { host: host() }, now);
    let denied = without_approval(facts.clone());
    assert_eq!((launch(&facts), launch(&denied)), (None, Some(Violation::TouchesWithoutApproval)));
    let mut lapsed = facts.clone();
    let Known::Is(platform) = &mut lapsed.platform else { panic!() };
    platform.spec.mlps.next_due = "2026-11-01".into();
    assert_eq!(launch(&lapsed), None, "a paper that lapses after the commit holds up nothing");
    let mut launched = World::fenced(&["db1"]);
    launched.until("launched", |w| w.facts().hosts[0].launched_at().is_some());
    let mut again = without_approval(launched.facts());
    again.hosts[0].hosting.machine = Machine::Stopped;
    assert_eq!(found(&again, Action::EnsureTarget { host: host() }, launched.now), None);
}

#[test]
fn receivers_are_stopped_and_probes_tried_after_a_commit_only() {
    let (voted, fenced) = (World::voted(&["db1"]), World::fenced(&["db1"]));
    for action in [Action::StopReceiver { host: host() }, Action::RunProbes { host: host() }] {
        assert_eq!(found(&fenced.facts(), action.clone(), fenced.now), None);
        assert_eq!(found(&voted.facts(), action, voted.now), Some(Violation::LaunchesUnfenced));
    }
}

#[test]
fn the_first_rule_that_is_broken_is_named_wherever_in_the_plan_it_is() {
    let world = World::voted(&["db1"]);
    let facts = world.facts();
    let actions = vec![decide(DecisionKind::Abort, world.now), set(&facts, HostIntent::Serve, 1)];
    let plan = Plan { actions, waiting: None };
    assert_eq!(check(&facts, &plan, world.now), Some(Violation::CommitsTooEarly));
    assert_eq!(check(&facts, &Plan::default(), world.now), None);
}

#[test]
fn permission_is_asked_again_before_what_cannot_be_taken_back_and_not_before_a_way_back() {
    let world = World::voted(&["db1"]);
    let facts = world.facts();
    let irreversible = [
        set(&facts, HostIntent::Replicate, 1),
        set(&facts, HostIntent::Cutover, 1),
        set(&facts, HostIntent::Serve, 1),
        decide(DecisionKind::Commit, world.now),
        Action::EnsureTarget { host: host() },
    ];
    let repeatable = [
        set(&facts, HostIntent::Idle, 1),
        set(&facts, HostIntent::Resume, 1),
        set(&facts, HostIntent::Fence, 1),
        decide(DecisionKind::Abort, world.now),
        Action::CreateJourney { host: host(), digest: facts.digest.clone() },
        Action::EnsureVolumes { host: host() },
        Action::EnsureReceiver { host: host() },
        Action::StopReceiver { host: host() },
        Action::RunProbes { host: host() },
    ];
    assert!(irreversible.iter().all(Action::is_irreversible));
    assert!(!repeatable.iter().any(Action::is_irreversible));
    assert!(irreversible.iter().chain(&repeatable).all(|a| a.host() == "db1"));
}
