//! After the commit: what each host waits for on its way from fenced to serving, and in which order hosts are launched.
#![allow(clippy::unwrap_used)]

use crate::world::World;
use jiff::{Timestamp, ToSpan};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use qianyun_crds::{GateName, HostIntent, Party, SourceCutover, TargetState, TargetStatus};
use qianyun_planning::facts::{ArrivalFacts, Authorisation, Facts, HostFacts, Known, Machine, Receiver, Silence};
use qianyun_planning::reason::{Asked, Obstacle};
use qianyun_planning::{Action, Plan, Reason, WaitingOn, gate, host_migration};

fn name(host: &str) -> String {
    host.into()
}

/// Facts in which every source is off and has been silent for a minute, the receivers stopped, nothing launched.
fn fenced(names: &[&str]) -> (Facts, Timestamp) {
    let world = World::fenced(names);
    let mut facts = world.facts();
    for host in &mut facts.hosts {
        host.silence = Silence::Since(world.now.checked_sub(1.minute()).unwrap());
        host.hosting.receiver = Receiver::Absent;
    }
    (facts, world.now)
}

fn set_intent(host: &mut HostFacts, intent: HostIntent) {
    let Known::Is(journey) = &mut host.journey else { panic!() };
    journey.spec.intent = intent;
}

fn launched(host: &mut HostFacts, at: Timestamp) {
    let Known::Is(journey) = &mut host.journey else { panic!() };
    journey.status.as_mut().unwrap().target = Some(TargetStatus {
        state: TargetState::Running,
        launched_at: Some(Time(at)),
        arrived_at: None,
        adapted_at: None,
        probes: Vec::new(),
        message: String::new(),
    });
}

fn arrival(adapted: bool, down: &[&str]) -> Option<ArrivalFacts> {
    let units_down = down.iter().map(|u| (*u).to_string()).collect();
    Some(ArrivalFacts { steps: Vec::new(), adapted, units_down, message: String::new() })
}

fn plan(facts: &Facts, host: &str, now: Timestamp) -> Plan {
    host_migration::plan(facts, host, now)
}

#[track_caller]
fn assert_waits(facts: &Facts, host: &str, now: Timestamp, on: WaitingOn) {
    assert_eq!(plan(facts, host, now), Plan { actions: vec![], waiting: Some(on) });
}

#[track_caller]
fn assert_serves_next(facts: &Facts, host: &str, now: Timestamp) {
    let plan = plan(facts, host, now);
    let serves = matches!(plan.actions[..], [Action::SetIntent { intent: HostIntent::Serve, .. }]);
    assert!(serves, "{plan:?}");
    assert_eq!(plan.waiting, Some(WaitingOn::Launch { host: name(host), trouble: String::new() }));
}

fn of_fence(known: bool, reason: Reason) -> WaitingOn {
    WaitingOn::Gate(Obstacle { gate: GateName::SourceFenced, known, reason })
}

#[test]
fn a_source_that_has_not_acknowledged_is_waited_for_however_silent_it_is() {
    let (mut facts, now) = fenced(&["db1"]);
    facts.hosts[0].agent = None;
    let Known::Is(journey) = &mut facts.hosts[0].journey else { panic!() };
    let cutover = journey.status.as_mut().unwrap().cutover.as_mut().unwrap();
    let acknowledged = cutover.fence_acknowledged_at.take();
    assert!(acknowledged.is_some());
    assert_waits(&facts, "db1", now, WaitingOn::FenceAcknowledgement { host: name("db1") });
    // What it says at this moment is as good as the record of it.
    let mut world = World::voted(&["db1"]);
    world.until("fencing", |w| w.servers[0].stage == crate::world::Stage::Fencing);
    let vote = world.facts().hosts[0].vote().cloned().unwrap();
    assert_eq!(vote.state, SourceCutover::Fencing);
    facts.hosts[0].agent = world.facts().hosts[0].agent.clone();
    assert_serves_next(&facts, "db1", now);
}

#[test]
fn a_source_that_answers_or_cannot_be_asked_is_not_fenced() {
    let (mut facts, now) = fenced(&["db1"]);
    facts.hosts[0].silence = Silence::Answers("tcp 5432".into());
    let answers = Reason::SourceAnswers { host: name("db1"), what: "tcp 5432".into() };
    assert_waits(&facts, "db1", now, of_fence(true, answers));
    facts.hosts[0].silence = Silence::Unknown;
    assert_waits(&facts, "db1", now, of_fence(false, Reason::NotKnown { what: Asked::SourceSilence }));
}

#[test]
fn without_a_commit_nothing_is_fenced() {
    let (mut facts, now) = fenced(&["db1"]);
    let Known::Is(journey) = &mut facts.hosts[0].journey else { panic!() };
    journey.status.as_mut().unwrap().cutover.as_mut().unwrap().decision = None;
    assert_waits(&facts, "db1", now, of_fence(true, Reason::NotCommitted { host: name("db1") }));
}

#[test]
fn the_receiver_is_stopped_before_anything_is_launched_in_whatever_state_it_is() {
    let (mut facts, now) = fenced(&["db1"]);
    let waits = WaitingOn::ReceiverStop { host: name("db1") };
    let ready = Receiver::Ready { address: "10.77.0.1:7000".into(), name: "s1.receiver".into() };
    for intent in [HostIntent::Fence, HostIntent::Serve] {
        set_intent(&mut facts.hosts[0], intent);
        for receiver in [ready.clone(), Receiver::Starting, Receiver::Failed("no room".into())] {
            facts.hosts[0].hosting.receiver = receiver;
            let stops =
                Plan { actions: vec![Action::StopReceiver { host: name("db1") }], waiting: Some(waits.clone()) };
            assert_eq!(plan(&facts, "db1", now), stops);
        }
        facts.hosts[0].hosting.receiver = Receiver::Unknown;
        assert_waits(&facts, "db1", now, waits.clone());
    }
}

#[test]
fn the_first_launch_asks_for_the_approvals_and_a_second_one_does_not() {
    let (mut facts, now) = fenced(&["db1"]);
    set_intent(&mut facts.hosts[0], HostIntent::Serve);
    let Known::Is(approvals) = &mut facts.approvals else { panic!() };
    approvals.last_mut().unwrap().authorised = Authorisation::Unknown;
    let reason = Reason::NotKnown { what: Asked::Permission };
    let unknown = WaitingOn::Gate(Obstacle { gate: GateName::DualApproved, known: false, reason });
    assert_waits(&facts, "db1", now, unknown);
    launched(&mut facts.hosts[0], now);
    facts.hosts[0].hosting.machine = Machine::Stopped;
    let plan = plan(&facts, "db1", now);
    assert_eq!(plan.actions, vec![Action::EnsureTarget { host: name("db1") }]);
}

#[test]
fn a_committed_host_that_an_edit_dropped_is_not_launched() {
    let (mut facts, now) = fenced(&["db1", "web1"]);
    facts.migration.spec.scheme.hosts.truncate(1);
    let reason = Reason::SchemeEdited { host: name("web1") };
    let obstacle = Obstacle { gate: GateName::DualApproved, known: true, reason };
    assert_waits(&facts, "web1", now, WaitingOn::Gate(obstacle));
}

#[test]
fn a_suspension_does_not_hold_a_launch_up() {
    let (mut facts, now) = fenced(&["db1"]);
    facts.migration.spec.suspend = true;
    assert_serves_next(&facts, "db1", now);
    set_intent(&mut facts.hosts[0], HostIntent::Serve);
    assert_eq!(plan(&facts, "db1", now).actions, vec![Action::EnsureTarget { host: name("db1") }]);
}

#[test]
fn hosts_are_launched_in_the_order_of_the_scheme_each_when_the_one_before_is_adapted() {
    let (mut facts, now) = fenced(&["db1", "app1", "web1"]);
    let earlier = |host: &str, before: &str| WaitingOn::EarlierHosts { host: name(host), earlier: name(before) };
    assert_serves_next(&facts, "db1", now);
    assert_waits(&facts, "app1", now, earlier("app1", "db1"));
    assert_waits(&facts, "web1", now, earlier("web1", "db1"));
    for not_there_yet in [arrival(false, &[]), arrival(true, &["postgresql.service"])] {
        facts.hosts[0].arrival = not_there_yet;
        assert_waits(&facts, "app1", now, earlier("app1", "db1"));
    }
    facts.hosts[0].arrival = arrival(true, &[]);
    assert_serves_next(&facts, "app1", now);
    assert_waits(&facts, "web1", now, earlier("web1", "app1"));
    facts.hosts[1].arrival = arrival(true, &[]);
    assert_serves_next(&facts, "web1", now);
    // In the scheme's order, not in that of the facts.
    facts.migration.spec.scheme.hosts.reverse();
    facts.hosts[2].arrival = None;
    assert_waits(&facts, "db1", now, earlier("db1", "web1"));
}

#[test]
fn a_machine_that_is_stopped_or_gone_is_started_and_one_that_cannot_be_asked_is_waited_for() {
    let (mut facts, now) = fenced(&["db1"]);
    set_intent(&mut facts.hosts[0], HostIntent::Serve);
    facts.hosts[0].hosting.trouble = "no bridge br0".into();
    let launch = WaitingOn::Launch { host: name("db1"), trouble: "no bridge br0".into() };
    for machine in [Machine::Stopped, Machine::Absent] {
        facts.hosts[0].hosting.machine = machine;
        let starts = Plan { actions: vec![Action::EnsureTarget { host: name("db1") }], waiting: Some(launch.clone()) };
        assert_eq!(plan(&facts, "db1", now), starts);
    }
    facts.hosts[0].hosting.machine = Machine::Unknown;
    assert_waits(&facts, "db1", now, launch);
}

#[test]
fn a_running_machine_is_waited_for_until_it_says_that_it_is_adapted() {
    let (mut facts, now) = fenced(&["db1"]);
    set_intent(&mut facts.hosts[0], HostIntent::Serve);
    facts.hosts[0].hosting.machine = Machine::Running;
    for not_there_yet in [None, arrival(false, &[]), arrival(true, &["postgresql.service"])] {
        facts.hosts[0].arrival = not_there_yet;
        assert_waits(&facts, "db1", now, WaitingOn::Arrival { host: name("db1") });
    }
    facts.hosts[0].arrival = arrival(true, &[]);
    let probes = Plan {
        actions: vec![Action::RunProbes { host: name("db1") }],
        waiting: Some(WaitingOn::Probes { host: name("db1") }),
    };
    assert_eq!(plan(&facts, "db1", now), probes);
}

#[test]
fn what_does_not_serve_within_the_longest_deadline_of_a_probe_is_the_operators_to_look_at() {
    let (mut facts, now) = fenced(&["db1"]);
    set_intent(&mut facts.hosts[0], HostIntent::Serve);
    facts.hosts[0].hosting.machine = Machine::Running;
    launched(&mut facts.hosts[0], now);
    let (last, late) = (now.checked_add(300.seconds()).unwrap(), now.checked_add(301.seconds()).unwrap());
    let waits = |facts: &Facts, now| plan(facts, "db1", now).waiting.unwrap();
    let ill = |reason| WaitingOn::Gate(Obstacle { gate: GateName::ProbesPassed, known: true, reason });
    let down = Reason::TargetNotAdapted { host: name("db1"), message: "not active: a.service".into() };
    facts.hosts[0].arrival = arrival(true, &["a.service"]);
    assert_eq!(waits(&facts, last), WaitingOn::Arrival { host: name("db1") });
    assert_eq!(waits(&facts, late), ill(down));
    facts.hosts[0].arrival = arrival(true, &[]);
    let found = "not tried yet".to_string();
    let overdue = Reason::ProbeOverdue { probe: name("registry"), found, deadline_seconds: 300 };
    assert_eq!(waits(&facts, last), WaitingOn::Probes { host: name("db1") });
    assert_eq!(waits(&facts, late), ill(overdue));
    assert_eq!(waits(&facts, late).party(), Party::Operator);
    assert_eq!(plan(&facts, "db1", late).actions, [Action::RunProbes { host: name("db1") }], "it is tried on");
}

#[test]
fn the_last_host_tries_the_probes_once_all_are_adapted_and_until_each_has_passed() {
    let mut world = World::fenced(&["db1", "web1"]);
    world.until("served", |w| !w.servers[1].probes.is_empty());
    let (mut facts, now) = (world.facts(), world.now);
    let tries = |facts: &Facts, host: &str| matches!(plan(facts, host, now).actions[..], [Action::RunProbes { .. }]);
    let results = std::mem::take(&mut facts.hosts[1].probes);
    assert!(tries(&facts, "web1") && !tries(&facts, "db1"));
    assert_eq!(plan(&facts, "db1", now), Plan::default());
    let mut failed = results.clone();
    failed[0].passed = false;
    facts.hosts[1].probes = failed;
    assert!(tries(&facts, "web1"));
    facts.hosts[1].probes = results;
    assert_eq!(plan(&facts, "web1", now), Plan::default());
    let mut second = facts.migration.spec.scheme.probes[0].clone();
    second.name = "archive".into();
    facts.migration.spec.scheme.probes.push(second);
    assert!(tries(&facts, "web1"), "a probe that was never tried counts as passed");
    facts.hosts[0].arrival = None;
    let Known::Is(journey) = &mut facts.hosts[0].journey else { panic!() };
    journey.status.as_mut().unwrap().target.as_mut().unwrap().adapted_at = None;
    assert!(!tries(&facts, "web1"), "tried before all are adapted");
}

#[test]
fn a_machine_that_stops_after_it_served_is_started_again_and_the_system_has_still_served() {
    let mut world = World::fenced(&["db1"]);
    world.until("served", |w| !w.servers[0].probes.is_empty());
    world.servers[0].machine = Machine::Stopped;
    let actions = world.reconcile();
    assert!(actions.contains(&Action::EnsureTarget { host: name("db1") }), "{actions:?}");
    assert!(qianyun_planning::phase::has_served(&world.facts()));
}

#[test]
fn what_a_machine_says_is_wrong_is_told_with_the_units_that_are_down() {
    let (mut facts, now) = fenced(&["db1"]);
    facts.hosts[0].hosting.machine = Machine::Running;
    let mut said = arrival(true, &["a.service", "b.service"]).unwrap();
    let told = |facts: &Facts| match gate::judge(GateName::ProbesPassed, facts, now).reason() {
        Some(Reason::TargetNotAdapted { message, .. }) => message.clone(),
        other => panic!("{other:?}"),
    };
    assert_eq!(told(&facts), "");
    facts.hosts[0].arrival = Some(said.clone());
    assert_eq!(told(&facts), "not active: a.service, b.service");
    said.message = "no NIC for eno1".into();
    facts.hosts[0].arrival = Some(said.clone());
    assert_eq!(told(&facts), "no NIC for eno1; not active: a.service, b.service");
    (said.units_down, said.adapted) = (Vec::new(), false);
    facts.hosts[0].arrival = Some(said);
    assert_eq!(told(&facts), "no NIC for eno1");
}
