//! Servers of one system that cannot work without each other: who stops before whom, that none is frozen early, who is launched
//! after whom, and how long that may take. The worlds of the other tests have such servers too, and assert the first two.
#![allow(clippy::unwrap_used)]

use crate::world::World;
use jiff::{Timestamp, ToSpan};
use qianyun_crds::{DiskPhase, GateName, HostIntent, SourceCutover};
use qianyun_planning::calendar::WindowReason;
use qianyun_planning::facts::{AgentFacts, Authorisation, Facts, Known, VoteFacts};
use qianyun_planning::gate::judge;
use qianyun_planning::host_migration::{self, Stage, stage};
use qianyun_planning::reason::Verdict;
use qianyun_planning::{Action, Reason, WaitingOn};

/// Servers in an attempt that has just begun, none of which has stopped; the first depends on the second, that on the third.
fn begun(names: &[&str]) -> (Facts, Timestamp) {
    let world = World::voted(names);
    let (mut facts, now) = (world.facts(), world.now);
    for (host, needed) in (0..).zip(&names[1..]) {
        facts.migration.spec.scheme.hosts[host].depends_on = vec![(*needed).to_string()];
    }
    for host in &mut facts.hosts {
        host.agent.as_mut().unwrap().vote = None;
    }
    (facts, now)
}

/// What the agent says: it has begun, and has its services down or not.
fn says(facts: &mut Facts, host: usize, stopped: bool) {
    let vote = VoteFacts {
        attempt: 1,
        state: SourceCutover::Working,
        stopped,
        frozen_ms: 0,
        freeze_remaining_ms: 0,
        record: None,
        message: String::new(),
    };
    facts.hosts[host].agent.as_mut().unwrap().vote = Some(vote);
}

fn stages(facts: &Facts, now: Timestamp) -> Vec<Option<Stage>> {
    facts.hosts.iter().map(|h| stage(facts, &h.name, now)).collect()
}

const WAIT: Option<Stage> = Some(Stage::Wait);
const STOP: Option<Stage> = Some(Stage::Stop);
const FREEZE: Option<Stage> = Some(Stage::Freeze);

#[test]
fn what_depends_on_a_server_stops_before_it_and_all_before_one_is_frozen() {
    let (mut facts, now) = begun(&["web1", "app1", "db1"]);
    assert_eq!(stages(&facts, now), [STOP, WAIT, WAIT]);
    says(&mut facts, 0, false);
    assert_eq!(stages(&facts, now), [STOP, WAIT, WAIT], "it has begun and is not down yet");
    says(&mut facts, 0, true);
    assert_eq!(stages(&facts, now), [STOP, STOP, WAIT]);
    says(&mut facts, 1, true);
    assert_eq!(stages(&facts, now), [STOP, STOP, STOP]);
    says(&mut facts, 2, false);
    assert_eq!(stages(&facts, now), [STOP, STOP, STOP]);
    says(&mut facts, 2, true);
    assert_eq!(stages(&facts, now), [FREEZE, FREEZE, FREEZE]);
}

#[test]
fn one_server_and_its_freeze_wait_for_nobody() {
    let world = World::in_sync(&["db1"]);
    let mut facts = world.facts();
    assert_eq!(stages(&facts, world.now), [FREEZE]);
    facts.approvals = Known::Unknown;
    facts.hosts[0].agent = None;
    assert_eq!(stages(&facts, world.now), [FREEZE]);
}

#[test]
fn servers_that_do_not_depend_on_each_other_stop_together() {
    let (mut facts, now) = begun(&["web1", "db1"]);
    facts.migration.spec.scheme.hosts[0].depends_on.clear();
    assert_eq!(stages(&facts, now), [STOP, STOP]);
}

#[test]
fn one_that_has_begun_is_never_told_to_wait_and_of_one_that_is_not_heard_nothing_new_is_said() {
    let (mut facts, now) = begun(&["web1", "db1"]);
    says(&mut facts, 0, true);
    says(&mut facts, 1, false);
    // The first one gave up, and runs again.
    says(&mut facts, 0, false);
    assert_eq!(stages(&facts, now), [STOP, STOP]);
    facts.hosts[1].agent = None;
    assert_eq!(stages(&facts, now), [STOP, None]);
}

#[test]
fn nothing_more_is_begun_while_it_is_not_known_that_both_offices_still_approve() {
    let (mut facts, now) = begun(&["web1", "db1"]);
    says(&mut facts, 0, true);
    let known = facts.clone();
    let Known::Is(approvals) = &mut facts.approvals else { panic!() };
    approvals.last_mut().unwrap().authorised = Authorisation::Unknown;
    assert_eq!((stages(&known, now), stages(&facts, now)), (vec![STOP, STOP], vec![STOP, WAIT]));
    let (mut stopped, mut unknown) = (known, facts);
    says(&mut stopped, 1, true);
    says(&mut unknown, 1, true);
    assert_eq!((stages(&stopped, now), stages(&unknown, now)), (vec![FREEZE, FREEZE], vec![STOP, STOP]));
}

#[test]
fn no_service_is_stopped_before_every_server_is_in_the_attempt() {
    let (mut facts, now) = begun(&["web1", "db1"]);
    let Known::Is(journey) = &mut facts.hosts[1].journey else { panic!() };
    journey.spec.intent = HostIntent::Replicate;
    assert_eq!(stage(&facts, "web1", now), WAIT);
}

#[test]
fn a_server_that_stopped_and_fell_silent_holds_the_others_up_because_it_would_not_hear_to_freeze() {
    let (mut facts, now) = begun(&["web1", "db1"]);
    says(&mut facts, 0, true);
    says(&mut facts, 1, true);
    facts.hosts[0].agent.as_mut().unwrap().age_ms = 5_000;
    assert_eq!(stages(&facts, now), [FREEZE, FREEZE]);
    facts.hosts[0].agent.as_mut().unwrap().age_ms = 5_001;
    assert_eq!(stages(&facts, now)[1], STOP);
}

#[test]
fn a_server_that_stopped_does_not_wait_for_one_that_cannot_begin() {
    let aborted = |change: &dyn Fn(&mut AgentFacts)| {
        let (mut facts, now) = begun(&["web1", "db1"]);
        says(&mut facts, 0, true);
        change(facts.hosts[1].agent.as_mut().unwrap());
        let plan = host_migration::plan(&facts, "web1", now);
        plan.actions
            .iter()
            .any(|a| matches!(a, Action::Decide { decision, .. } if decision.reason.contains("cannot take part")))
    };
    assert!(!aborted(&|_| {}));
    assert!(!aborted(&|agent| agent.disks[0].phase = DiskPhase::CatchingUp));
    assert!(aborted(&|agent| agent.disks[0].phase = DiskPhase::Suspect));
    assert!(aborted(&|agent| agent.age_ms = 60_001));
    assert!(aborted(&|agent| agent.local_refusal = Some("not at this hour".into())));
}

#[test]
fn where_the_first_to_stop_gives_up_the_others_are_never_stopped() {
    let mut world = World::with_servers(&["web1", "db1"]);
    world.migration.spec.scheme.hosts[0].depends_on = vec!["db1".into()];
    world.sign_all();
    world.server("web1").gives_up = true;
    let aborted = |w: &World| w.servers.iter().all(|s| w.intent(&s.name) == Some(HostIntent::Resume));
    while !aborted(&world) {
        world.tick();
        assert!(world.servers[1].serves_users());
    }
    world.until("both follow", |w| w.servers.iter().all(|s| w.intent(&s.name) == Some(HostIntent::Replicate)));
    assert!(world.servers.iter().all(|s| s.serves_users()));
}

#[test]
fn people_read_whose_stop_is_waited_for_and_the_limit_counts_from_the_beginning() {
    let (mut facts, now) = begun(&["web1", "db1"]);
    let waits = |facts: &Facts, host: &str| host_migration::plan(facts, host, now).waiting.unwrap();
    let other = |host: &str, other: &str| WaitingOn::OtherStop { host: host.into(), other: other.into() };
    assert_eq!(waits(&facts, "db1"), other("db1", "web1"));
    assert_eq!(waits(&facts, "web1"), WaitingOn::Vote { host: "web1".into() });
    says(&mut facts, 0, true);
    assert_eq!(waits(&facts, "web1"), other("web1", "db1"));
    assert_eq!(waits(&facts, "db1"), WaitingOn::Vote { host: "db1".into() });
    assert_eq!(other("db1", "web1").name(), WaitingOn::Vote { host: "db1".into() }.name());
}

#[test]
fn an_attempt_may_take_as_long_as_the_stops_one_after_the_other() {
    let world = World::in_sync(&["web1", "app1", "db1"]);
    let needed = |needs: &[(usize, &str)]| {
        let mut facts = world.facts();
        for (host, needed) in needs {
            facts.migration.spec.scheme.hosts[*host].depends_on.push((*needed).to_string());
        }
        let end = facts.migration.spec.scheme.window.end.0;
        let waiting = host_migration::plan(&facts, "web1", end.checked_sub(1.second()).unwrap()).waiting;
        match waiting {
            Some(WaitingOn::Gate(obstacle)) => match obstacle.reason {
                Reason::WindowUnfit { reason: WindowReason::TooShort { needed_seconds, .. } } => needed_seconds,
                other => panic!("{other:?}"),
            },
            other => panic!("{other:?}"),
        }
    };
    // Each stops in 30 s; 90 s are the freeze and the margin, 5 s each turn.
    assert_eq!(needed(&[]), 30 + 90);
    assert_eq!(needed(&[(0, "db1"), (1, "db1")]), 2 * 30 + 5 + 90);
    assert_eq!(needed(&[(0, "app1"), (1, "db1")]), 3 * 30 + 2 * 5 + 90);
}

#[test]
fn servers_that_depend_on_each_other_in_a_circle_make_no_scheme_and_those_in_it_are_named() {
    let world = World::with_servers(&["mon1", "web1", "app1", "db1"]);
    let mut facts = world.facts();
    for (host, needed) in [(0, "web1"), (1, "app1"), (2, "db1"), (3, "web1")] {
        facts.migration.spec.scheme.hosts[host].depends_on = vec![needed.into()];
    }
    let hosts = ["web1", "app1", "db1"].map(String::from).to_vec();
    let circle = Verdict::Closed(Reason::DependencyCircle { hosts });
    assert_eq!(judge(GateName::SchemeValid, &facts, world.now), circle);
    facts.migration.spec.scheme.hosts[3].depends_on.clear();
    assert!(judge(GateName::SchemeValid, &facts, world.now).passes());
}

#[test]
fn what_depends_on_a_server_is_launched_after_it_whatever_the_order_of_the_list() {
    let mut world = World::with_servers(&["web1", "app1", "db1"]);
    world.migration.spec.scheme.hosts[0].depends_on = vec!["db1".into()];
    world.sign_all();
    let mut launched: Vec<String> = Vec::new();
    world.until("all launched", |w| w.servers.iter().all(|s| w.intent(&s.name) == Some(HostIntent::Fence)));
    while launched.len() < 3 {
        world.tick();
        let new = world.servers.iter().filter(|s| s.serves_from_cloud() && !launched.contains(&s.name));
        launched.extend(new.map(|s| s.name.clone()).collect::<Vec<_>>());
    }
    assert_eq!(launched, ["app1", "db1", "web1"]);
}
