//! The decision on an attempt: what is committed, what is aborted and why, and when the next attempt may begin.
#![allow(clippy::unwrap_used)]

use crate::world::{World, both};
use jiff::{Timestamp, ToSpan};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use qianyun_crds::{
    CutoverDecision, CutoverStatus, DecisionKind, GateName, HostIntent, HostMigrationStatus, SourceCutover, Waiting,
};
use qianyun_planning::facts::{Authorisation, Facts, HostFacts, Known, Receiver, Verification, VoteFacts};
use qianyun_planning::reason::{Asked, Obstacle};
use qianyun_planning::{Action, Plan, Reason, WaitingOn, gate, host_migration};

fn db1() -> String {
    "db1".into()
}

/// The facts of a world in which every server has voted and nothing is decided.
fn voted(names: &[&str]) -> (Facts, Timestamp) {
    let world = World::voted(names);
    (world.facts(), world.now)
}

fn vote(facts: &mut Facts, host: usize) -> &mut VoteFacts {
    facts.hosts[host].agent.as_mut().unwrap().vote.as_mut().unwrap()
}

fn status(host: &mut HostFacts) -> &mut HostMigrationStatus {
    let Known::Is(journey) = &mut host.journey else { panic!("no journey") };
    journey.status.as_mut().unwrap()
}

fn set_intent(host: &mut HostFacts, intent: HostIntent) {
    let Known::Is(journey) = &mut host.journey else { panic!("no journey") };
    journey.spec.intent = intent;
}

fn decide(host: &mut HostFacts, kind: DecisionKind, at: Timestamp) {
    let Known::Is(journey) = &mut host.journey else { panic!("no journey") };
    let attempt = journey.spec.attempt;
    let decision = CutoverDecision {
        kind,
        attempt,
        record_digest: None,
        epoch: 7,
        at: Time(at),
        reason: "it did not stop".into(),
        reason_zh: "it did not stop".into(),
    };
    journey.status.get_or_insert_default().cutover = Some(CutoverStatus {
        attempt,
        attempt_in_window: 1,
        source: SourceCutover::Working,
        frozen_ms: None,
        decision: Some(decision),
        record: None,
        fence_acknowledged_at: None,
        silent_since: None,
        message: String::new(),
    });
}

/// What a plan decides; panics where it decides nothing.
#[track_caller]
fn decided(plan: &Plan) -> (DecisionKind, &str, Option<Timestamp>) {
    match plan.actions.as_slice() {
        [Action::Decide { decision, not_after, .. }] => (decision.kind, decision.reason.as_str(), *not_after),
        other => panic!("{other:?}, waiting for {:?}", plan.waiting),
    }
}

#[track_caller]
fn assert_aborts(facts: &Facts, now: Timestamp, why: &str) {
    let plan = host_migration::plan(facts, "db1", now);
    let (kind, reason, not_after) = decided(&plan);
    assert_eq!((kind, not_after), (DecisionKind::Abort, None));
    assert!(reason.contains(why), "{reason}");
    assert_eq!(plan.waiting, Some(WaitingOn::SourceResumption { host: db1() }));
}

#[track_caller]
fn assert_waits(facts: &Facts, now: Timestamp, on: WaitingOn) {
    assert_eq!(host_migration::plan(facts, "db1", now), Plan { actions: vec![], waiting: Some(on) });
}

#[test]
fn a_live_verified_vote_is_committed_with_its_record_and_a_time_after_which_it_is_not_written() {
    let (facts, now) = voted(&["db1"]);
    let plan = host_migration::plan(&facts, "db1", now);
    let [Action::Decide { host, decision, not_after }] = plan.actions.as_slice() else { panic!("{plan:?}") };
    assert_eq!((host.as_str(), decision.kind, decision.attempt), ("db1", DecisionKind::Commit, 1));
    assert_eq!((decision.epoch, decision.at.0), (7, now));
    assert_eq!(decision.record_digest.as_deref(), Some(format!("sha256:{:064}", 1).as_str()));
    // 30 s of freeze are left by this vote; five of them are kept back.
    assert_eq!(*not_after, Some(now.checked_add(25.seconds()).unwrap()));
    assert_eq!(plan.waiting, Some(WaitingOn::FenceAcknowledgement { host: db1() }));
}

#[test]
fn a_commit_needs_five_seconds_of_the_freeze_and_aborts_with_a_millisecond_less() {
    let (mut facts, now) = voted(&["db1"]);
    vote(&mut facts, 0).freeze_remaining_ms = 5_000;
    let plan = host_migration::plan(&facts, "db1", now);
    assert_eq!(decided(&plan), (DecisionKind::Commit, "voted, verified, approved, in its window", Some(now)));
    vote(&mut facts, 0).freeze_remaining_ms = 4_999;
    assert_aborts(&facts, now, "4999 ms of the freeze were left");
}

#[test]
fn what_has_passed_since_the_vote_was_received_is_taken_off_the_freeze() {
    let (mut facts, now) = voted(&["db1"]);
    vote(&mut facts, 0).freeze_remaining_ms = 20_000;
    facts.hosts[0].agent.as_mut().unwrap().age_ms = 12_000;
    let plan = host_migration::plan(&facts, "db1", now);
    assert_eq!(decided(&plan).2, Some(now.checked_add(3.seconds()).unwrap()));
    facts.hosts[0].agent.as_mut().unwrap().age_ms = 15_001;
    assert_aborts(&facts, now, "4999 ms");
    facts.hosts[0].agent.as_mut().unwrap().age_ms = 26_000;
    assert_aborts(&facts, now, "-6000 ms");
}

#[test]
fn the_first_commit_of_a_system_leaves_two_seconds_more_for_each_host_still_to_be_decided() {
    for (names, needed) in [(&["db1"][..], 5_000), (&["db1", "web1"], 7_000), (&["db1", "web1", "web2"], 9_000)] {
        let (mut facts, now) = voted(names);
        vote(&mut facts, 0).freeze_remaining_ms = needed;
        assert_eq!(decided(&host_migration::plan(&facts, "db1", now)).0, DecisionKind::Commit, "{names:?}");
        vote(&mut facts, 0).freeze_remaining_ms = needed - 1;
        assert_aborts(&facts, now, "too little to commit safely");
    }
}

#[test]
fn a_later_commit_of_the_system_needs_its_own_five_seconds_only() {
    let (mut facts, now) = voted(&["db1", "web1", "web2"]);
    decide(&mut facts.hosts[1], DecisionKind::Commit, now);
    set_intent(&mut facts.hosts[1], HostIntent::Fence);
    vote(&mut facts, 0).freeze_remaining_ms = 5_000;
    assert_eq!(decided(&host_migration::plan(&facts, "db1", now)).0, DecisionKind::Commit);
}

#[test]
fn a_host_waits_for_the_others_as_long_as_their_votes_could_still_be_committed() {
    let (mut facts, now) = voted(&["db1", "web1"]);
    let waits = WaitingOn::OtherVotes { host: db1(), others: "web1".into() };
    vote(&mut facts, 1).freeze_remaining_ms = 4_999;
    assert_waits(&facts, now, waits.clone());
    vote(&mut facts, 1).freeze_remaining_ms = 5_000;
    assert_eq!(decided(&host_migration::plan(&facts, "db1", now)).0, DecisionKind::Commit);
    facts.hosts[1].agent.as_mut().unwrap().age_ms = 1;
    assert_waits(&facts, now, waits.clone());
    facts.hosts[1].agent.as_mut().unwrap().age_ms = 0;
    for state in [SourceCutover::Working, SourceCutover::PreparedButThawed, SourceCutover::GivenUp] {
        vote(&mut facts, 1).state = state;
        assert_waits(&facts, now, waits.clone());
    }
    facts.hosts[1].agent = None;
    assert_waits(&facts, now, waits);
}

#[test]
fn a_host_that_the_scheme_dropped_holds_nobody_up() {
    let mut world = World::in_sync(&["db1", "web1"]);
    world.migration.spec.scheme.hosts.truncate(1);
    world.sign_all();
    world.until("the commit", |w| w.intent("db1") == Some(HostIntent::Serve));
    assert_eq!(world.intent("web1"), Some(HostIntent::Idle));
    let attempt = world.servers[0].journey.as_ref().unwrap().spec.attempt;
    assert_eq!(attempt, 1, "earlier attempts were aborted");
}

#[test]
fn every_state_of_the_source_but_a_live_vote_waits_or_aborts() {
    let (mut facts, now) = voted(&["db1"]);
    vote(&mut facts, 0).message = "postgresql did not stop in 30 s".into();
    vote(&mut facts, 0).state = SourceCutover::Working;
    assert_waits(&facts, now, WaitingOn::Vote { host: db1() });
    for state in [SourceCutover::GivenUp, SourceCutover::Resumed] {
        vote(&mut facts, 0).state = state;
        assert_aborts(&facts, now, "gave the attempt up: postgresql did not stop in 30 s");
    }
    vote(&mut facts, 0).state = SourceCutover::PreparedButThawed;
    assert_aborts(&facts, now, "the freeze reached its limit");
    vote(&mut facts, 0).state = SourceCutover::Fencing;
    assert_waits(&facts, now, WaitingOn::FenceAcknowledgement { host: db1() });
}

#[test]
fn a_vote_on_another_attempt_is_none() {
    let (mut facts, now) = voted(&["db1"]);
    for attempt in [0, 2] {
        vote(&mut facts, 0).attempt = attempt;
        assert_waits(&facts, now, WaitingOn::Vote { host: db1() });
    }
}

#[test]
fn a_record_that_is_refused_aborts_and_one_that_cannot_be_verified_waits_for_the_end_of_the_freeze() {
    let (mut facts, now) = voted(&["db1"]);
    let verification = |facts: &mut Facts, v| vote(facts, 0).record.as_mut().unwrap().verification = v;
    verification(&mut facts, Verification::Refused("the roots of system differ".into()));
    assert_aborts(&facts, now, "the roots of system differ");
    verification(&mut facts, Verification::Unknown);
    let reason = Reason::NotKnown { what: Asked::RecordCheck };
    assert_waits(&facts, now, WaitingOn::Gate(Obstacle { gate: GateName::RecordVerified, known: false, reason }));
    vote(&mut facts, 0).freeze_remaining_ms = 4_999;
    assert_aborts(&facts, now, "too little");
}

#[test]
fn a_vote_without_record_is_aborted() {
    let (mut facts, now) = voted(&["db1"]);
    vote(&mut facts, 0).record = None;
    assert_aborts(&facts, now, "");
}

#[test]
fn before_the_vote_a_suspension_an_edit_or_a_closed_gate_aborts_at_once() {
    let (mut facts, now) = voted(&["db1"]);
    vote(&mut facts, 0).state = SourceCutover::Working;
    let mut suspended = facts.clone();
    suspended.migration.spec.suspend = true;
    assert_aborts(&suspended, now, "suspended before the decision");
    let mut edited = facts.clone();
    edited.digest = "sha256:other".into();
    assert_aborts(&edited, now, "edited");
    let end = facts.migration.spec.scheme.window.end.0;
    assert_aborts(&facts, end, "window");
    let Known::Is(approvals) = &mut facts.approvals else { panic!() };
    approvals.last_mut().unwrap().authorised = Authorisation::Denied;
    assert_aborts(&facts, now, "1 of 2");
}

#[test]
fn what_is_only_not_known_does_not_abort_before_the_vote_and_commits_nothing_after_it() {
    let (mut facts, now) = voted(&["db1"]);
    let Known::Is(approvals) = &mut facts.approvals else { panic!() };
    approvals.last_mut().unwrap().authorised = Authorisation::Unknown;
    let reason = Reason::NotKnown { what: Asked::Permission };
    assert_waits(&facts, now, WaitingOn::Gate(Obstacle { gate: GateName::DualApproved, known: false, reason }));
    vote(&mut facts, 0).state = SourceCutover::Working;
    assert_waits(&facts, now, WaitingOn::Vote { host: db1() });
}

#[test]
fn the_rest_of_a_system_follows_its_first_commit_through_a_suspension() {
    let (mut facts, now) = voted(&["db1", "web1"]);
    facts.migration.spec.suspend = true;
    assert_aborts(&facts, now, "suspended");
    decide(&mut facts.hosts[1], DecisionKind::Commit, now);
    set_intent(&mut facts.hosts[1], HostIntent::Fence);
    assert_eq!(decided(&host_migration::plan(&facts, "db1", now)).0, DecisionKind::Commit);
}

#[test]
fn the_abort_of_another_host_aborts_this_one_from_the_writing_of_it_on() {
    let (mut facts, now) = voted(&["db1", "web1"]);
    decide(&mut facts.hosts[1], DecisionKind::Abort, now);
    assert_aborts(&facts, now, "the attempt on web1 of the same system was aborted");
    set_intent(&mut facts.hosts[1], HostIntent::Resume);
    assert_aborts(&facts, now, "the attempt on web1");
    // One that follows again is a host that has not voted.
    set_intent(&mut facts.hosts[1], HostIntent::Replicate);
    let plan = host_migration::plan(&facts, "db1", now);
    assert!(
        plan.actions
            .iter()
            .all(|a| !matches!(a, Action::Decide { decision, .. } if decision.kind == DecisionKind::Commit)),
        "{plan:?}"
    );
}

#[test]
fn a_vote_is_waited_for_as_long_as_an_attempt_may_take_and_two_minutes_more() {
    let (mut facts, now) = voted(&["db1"]);
    facts.hosts[0].agent.as_mut().unwrap().vote = None;
    let since = |facts: &mut Facts, seconds: i64| {
        let waiting = Waiting {
            waiting_for: "Vote".into(),
            since: Time(now.checked_sub(seconds.seconds()).unwrap()),
            next_attempt: None,
            who_can_unblock: qianyun_crds::Party::Nobody,
            message: String::new(),
            message_zh: String::new(),
        };
        status(&mut facts.hosts[0]).waiting = Some(waiting);
    };
    since(&mut facts, 120 + 120);
    assert_waits(&facts, now, WaitingOn::Vote { host: db1() });
    since(&mut facts, 120 + 121);
    assert_aborts(&facts, now, "no vote came within 241 s");
    // What was waited for before the attempt does not count.
    status(&mut facts.hosts[0]).waiting.as_mut().unwrap().waiting_for = "InWindow".into();
    assert_waits(&facts, now, WaitingOn::Vote { host: db1() });
    status(&mut facts.hosts[0]).waiting = None;
    assert_waits(&facts, now, WaitingOn::Vote { host: db1() });
}

#[test]
fn a_receiver_is_started_again_before_the_vote_only_and_only_while_both_offices_are_known_to_approve() {
    let (mut facts, now) = voted(&["db1"]);
    vote(&mut facts, 0).state = SourceCutover::Working;
    let waits = WaitingOn::Vote { host: db1() };
    for receiver in [Receiver::Absent, Receiver::Failed("killed".into())] {
        facts.hosts[0].hosting.receiver = receiver;
        let plan = host_migration::plan(&facts, "db1", now);
        assert_eq!(plan, Plan { actions: vec![Action::EnsureReceiver { host: db1() }], waiting: Some(waits.clone()) });
    }
    for receiver in [Receiver::Starting, Receiver::Unknown] {
        facts.hosts[0].hosting.receiver = receiver;
        assert_waits(&facts, now, waits.clone());
    }
    facts.hosts[0].hosting.receiver = Receiver::Absent;
    let Known::Is(approvals) = &mut facts.approvals else { panic!() };
    approvals.last_mut().unwrap().authorised = Authorisation::Unknown;
    assert_waits(&facts, now, waits);
}

#[test]
fn a_written_decision_is_carried_out_whatever_else_has_changed() {
    let (mut facts, now) = voted(&["db1"]);
    facts.digest = "sha256:other".into();
    facts.migration.spec.suspend = true;
    facts.approvals = Known::Unknown;
    facts.hosts[0].agent = None;
    for (kind, intent) in [(DecisionKind::Commit, HostIntent::Fence), (DecisionKind::Abort, HostIntent::Resume)] {
        decide(&mut facts.hosts[0], kind, now);
        let plan = host_migration::plan(&facts, "db1", now);
        let [Action::SetIntent { intent: set, attempt: 1, .. }] = plan.actions.as_slice() else { panic!("{plan:?}") };
        assert_eq!(*set, intent);
    }
}

#[test]
fn a_decision_on_an_earlier_attempt_decides_nothing() {
    let (mut facts, now) = voted(&["db1"]);
    decide(&mut facts.hosts[0], DecisionKind::Commit, now);
    status(&mut facts.hosts[0]).cutover.as_mut().unwrap().decision.as_mut().unwrap().attempt = 0;
    assert!(!facts.any_committed());
    assert_eq!(decided(&host_migration::plan(&facts, "db1", now)).0, DecisionKind::Commit);
}

#[test]
fn a_second_journey_begins_after_the_attempts_of_the_first() {
    let mut world = World::in_sync(&["db1"]);
    world.servers[0].attempt = 4;
    world.until("the vote", |w| w.facts().hosts[0].vote().is_some_and(|v| v.state == SourceCutover::Prepared));
    assert_eq!(world.servers[0].journey.as_ref().unwrap().spec.attempt, 5);
}

#[test]
fn the_words_of_a_source_that_gives_up_are_cut_to_what_the_schema_takes() {
    let (mut facts, now) = voted(&["db1"]);
    *vote(&mut facts, 0) =
        VoteFacts { state: SourceCutover::GivenUp, message: "婚".repeat(2000), ..vote(&mut facts, 0).clone() };
    let plan = host_migration::plan(&facts, "db1", now);
    let (_, reason, _) = decided(&plan);
    assert_eq!(reason.chars().count(), 250);
    assert!(reason.len() <= 1024);
}

/// A world in sync in its window, whose last attempt, of this number and of that in its window, was aborted at this instant.
fn aborted(attempt: i32, in_window: i32, at: Timestamp) -> Facts {
    let mut world = World::in_sync(&["db1"]);
    world.until("the attempt", |w| w.intent("db1") == Some(HostIntent::Cutover));
    let mut facts = world.facts();
    set_intent(&mut facts.hosts[0], HostIntent::Replicate);
    let Known::Is(journey) = &mut facts.hosts[0].journey else { panic!() };
    journey.spec.attempt = attempt;
    facts.hosts[0].agent.as_mut().unwrap().vote = None;
    decide(&mut facts.hosts[0], DecisionKind::Abort, at);
    status(&mut facts.hosts[0]).cutover.as_mut().unwrap().attempt_in_window = in_window;
    facts
}

#[test]
fn the_second_attempt_comes_a_minute_after_the_first_and_the_third_two_minutes_after_the_second() {
    let at: Timestamp = "2026-11-23T14:20:00Z".parse().unwrap();
    for (attempt, in_window, seconds) in [(1, 1, 60), (2, 2, 120), (3, 1, 60), (9, 2, 120)] {
        let facts = aborted(attempt, in_window, at);
        let next = at.checked_add(seconds.seconds()).unwrap();
        let on = WaitingOn::NextAttempt { host: db1(), at: next, why: both("it did not stop") };
        assert_waits(&facts, next.checked_sub(1.millisecond()).unwrap(), on);
        let plan = host_migration::plan(&facts, "db1", next);
        let [Action::SetIntent { intent: HostIntent::Cutover, attempt: begun, digest, .. }] = plan.actions.as_slice()
        else {
            panic!("{plan:?}")
        };
        assert_eq!((*begun, digest), (attempt + 1, &facts.digest));
        assert_eq!(plan.waiting, Some(WaitingOn::Vote { host: db1() }));
    }
}

#[test]
fn a_third_failure_in_one_window_waits_for_another_window_and_never_for_time() {
    let at: Timestamp = "2026-11-23T14:20:00Z".parse().unwrap();
    for attempt in [3, 7] {
        let facts = aborted(attempt, 3, at);
        let on = WaitingOn::NewWindow { host: db1(), attempts: 3, why: both("it did not stop") };
        assert_waits(&facts, at.checked_add(100.minutes()).unwrap(), on);
    }
}

#[test]
fn failures_before_the_window_hold_nothing_off() {
    let start: Timestamp = "2026-11-23T14:10:00Z".parse().unwrap();
    let facts = aborted(3, 3, start.checked_sub(1.second()).unwrap());
    assert_eq!(facts.migration.spec.scheme.window.start.0, start);
    let plan = host_migration::plan(&facts, "db1", start);
    assert!(
        matches!(plan.actions[..], [Action::SetIntent { intent: HostIntent::Cutover, attempt: 4, .. }]),
        "{plan:?}"
    );
    let plan = host_migration::plan(&aborted(3, 3, start), "db1", start);
    assert!(matches!(plan.waiting, Some(WaitingOn::NewWindow { .. })), "{plan:?}");
}

#[test]
fn attempts_are_counted_anew_in_every_window() {
    let start: Timestamp = "2026-11-23T14:10:00Z".parse().unwrap();
    for (aborted_at, expected) in [(start, 3), (start.checked_sub(1.second()).unwrap(), 1)] {
        let mut facts = aborted(5, 2, aborted_at);
        let Known::Is(journey) = &mut facts.hosts[0].journey else { panic!() };
        journey.spec.attempt = 6;
        let cutover = host_migration::status(&facts, "db1", None, start).unwrap().cutover.unwrap();
        assert_eq!((cutover.attempt, cutover.attempt_in_window), (6, expected));
    }
}

#[test]
fn no_host_begins_while_another_of_its_system_goes_back_to_work_or_has_to_hold_off() {
    let mut world = World::in_sync(&["db1", "web1"]);
    world.until("the attempt", |w| w.intent("db1") == Some(HostIntent::Cutover));
    let (mut facts, now) = (world.facts(), world.now);
    set_intent(&mut facts.hosts[0], HostIntent::Replicate);
    set_intent(&mut facts.hosts[1], HostIntent::Resume);
    assert_waits(&facts, now, WaitingOn::SourceResumption { host: "web1".into() });
    set_intent(&mut facts.hosts[1], HostIntent::Replicate);
    let Known::Is(journey) = &mut facts.hosts[1].journey else { panic!() };
    journey.spec.attempt = 1;
    decide(&mut facts.hosts[1], DecisionKind::Abort, now);
    let at = now.checked_add(60.seconds()).unwrap();
    assert_waits(&facts, now, WaitingOn::NextAttempt { host: "web1".into(), at, why: both("it did not stop") });
}

#[test]
fn a_source_counts_as_back_at_work_by_what_it_says_now_before_what_is_on_record() {
    let (mut facts, now) = voted(&["db1"]);
    set_intent(&mut facts.hosts[0], HostIntent::Resume);
    let waits = WaitingOn::SourceResumption { host: db1() };
    for (state, at_work) in [
        (SourceCutover::Working, false),
        (SourceCutover::Prepared, false),
        (SourceCutover::PreparedButThawed, false),
        (SourceCutover::Fencing, false),
        (SourceCutover::GivenUp, true),
        (SourceCutover::Resumed, true),
    ] {
        status(&mut facts.hosts[0]).cutover.as_mut().unwrap().source = SourceCutover::Resumed;
        vote(&mut facts, 0).state = state;
        let live = host_migration::plan(&facts, "db1", now);
        let mut silent = facts.clone();
        silent.hosts[0].agent = None;
        status(&mut silent.hosts[0]).cutover.as_mut().unwrap().source = state;
        let recorded = host_migration::plan(&silent, "db1", now);
        for plan in [live, recorded] {
            if at_work {
                let follows = matches!(plan.actions[..], [Action::SetIntent { intent: HostIntent::Replicate, .. }]);
                assert!(follows, "{state:?}: {plan:?}");
            } else {
                assert_eq!(plan, Plan { actions: vec![], waiting: Some(waits.clone()) }, "{state:?}");
            }
        }
    }
}

#[test]
fn after_an_abort_an_edited_scheme_stops_the_copy() {
    let (mut facts, now) = voted(&["db1"]);
    set_intent(&mut facts.hosts[0], HostIntent::Resume);
    vote(&mut facts, 0).state = SourceCutover::Resumed;
    facts.digest = "sha256:other".into();
    let plan = host_migration::plan(&facts, "db1", now);
    assert!(matches!(plan.actions[..], [Action::SetIntent { intent: HostIntent::Idle, .. }]), "{plan:?}");
    assert!(!gate::judge(GateName::DualApproved, &facts, now).passes());
}
