//! What a system's journey is called, from facts alone, and what comes next in each phase.
#![allow(clippy::unwrap_used)]

use crate::world::World;
use qianyun_crds::{Decision, DiskPhase, GateName, HostIntent, Phase};
use qianyun_planning::facts::{Facts, Known, Machine};
use qianyun_planning::phase::{has_served, hosts_in_sync, is_returned, phase};
use qianyun_planning::reason::Obstacle;
use qianyun_planning::sequence::Step;
use qianyun_planning::system_migration::{next_obstacle, next_step, plan};
use qianyun_planning::{Action, Reason, WaitingOn};

fn of(world: &World) -> (Phase, Option<Step>) {
    let facts = world.facts();
    (phase(&facts, world.now), next_step(&facts, world.now))
}

fn set_intent(facts: &mut Facts, host: usize, intent: HostIntent) {
    let Known::Is(journey) = &mut facts.hosts[host].journey else { panic!() };
    journey.spec.intent = intent;
}

#[test]
fn every_phase_of_the_normal_course_is_reached_in_its_order_and_never_left_backwards() {
    let mut world = World::new();
    let mut seen = vec![phase(&world.facts(), world.now)];
    let mut look = |world: &World| {
        let now = phase(&world.facts(), world.now);
        if seen.last() != Some(&now) {
            seen.push(now);
        }
        now
    };
    world.decide(GateName::DepartmentConfirmed, "department", "dept-li", Decision::Approve);
    look(&world);
    world.sign_all();
    look(&world);
    for _ in 0..12 {
        world.tick();
        look(&world);
    }
    let start = world.migration.spec.scheme.window.start.0;
    world.at(start).tick();
    while look(&world) != Phase::Provisional {
        world.tick();
    }
    world.confirm();
    look(&world);
    let expected = [
        Phase::Drafting,
        Phase::Review,
        Phase::Approved,
        Phase::Replicating,
        Phase::Scheduled,
        Phase::CuttingOver,
        Phase::Provisional,
        Phase::Trial,
    ];
    assert_eq!(seen, expected);
}

#[test]
fn on_paper_a_return_goes_before_everything_and_the_offices_before_the_department_are_a_draft() {
    let mut world = World::new();
    assert_eq!(of(&world), (Phase::Drafting, Some(Step::Replicate)));
    for (role, person) in crate::world::APPROVERS {
        world.decide(GateName::DualApproved, role, person, Decision::Approve);
    }
    assert_eq!(of(&world), (Phase::Drafting, Some(Step::Replicate)));
    world.decide(GateName::DepartmentConfirmed, "department", "dept-li", Decision::Approve);
    assert_eq!(of(&world), (Phase::Approved, Some(Step::Replicate)));
    world.pass(1);
    world.decide(GateName::DepartmentConfirmed, "department", "dept-li", Decision::Return);
    assert_eq!(of(&world), (Phase::Returned, Some(Step::Replicate)));
    assert!(is_returned(&world.facts()));
    let mut facts = world.facts();
    facts.approvals = Known::Unknown;
    assert!(!is_returned(&facts));
    assert_eq!(phase(&facts, world.now), Phase::Drafting);
}

#[test]
fn a_return_by_somebody_who_may_not_decide_returns_nothing() {
    let mut world = World::new();
    world.decide(GateName::DualApproved, "smartCityOffice", crate::world::AUTHOR, Decision::Return);
    world.decide(GateName::DualApproved, "department", "dept-li", Decision::Return);
    assert!(!is_returned(&world.facts()));
}

#[test]
fn the_intents_of_the_hosts_name_the_phase_the_furthest_first() {
    let world = World::in_sync(&["db1", "web1"]);
    use HostIntent::{Cutover, Fence, Idle, Replicate, Resume, Serve};
    for (db1, web1, expected) in [
        (Idle, Idle, Phase::Approved),
        (Idle, Replicate, Phase::Replicating),
        (Replicate, Replicate, Phase::Scheduled),
        (Replicate, Resume, Phase::RollingBack),
        (Resume, Resume, Phase::RollingBack),
        (Resume, Cutover, Phase::CuttingOver),
        (Replicate, Cutover, Phase::CuttingOver),
        (Replicate, Fence, Phase::CuttingOver),
        (Replicate, Serve, Phase::CuttingOver),
    ] {
        for (first, second) in [(db1, web1), (web1, db1)] {
            let mut facts = world.facts();
            set_intent(&mut facts, 0, first);
            set_intent(&mut facts, 1, second);
            assert_eq!(phase(&facts, world.now), expected, "{first:?} {second:?}");
        }
    }
}

#[test]
fn each_phase_has_its_next_step() {
    let mut world = World::in_sync(&["db1"]);
    assert_eq!(of(&world), (Phase::Scheduled, Some(Step::Cutover)));
    world.server("db1").gives_up = true;
    world.until("an attempt", |w| w.intent("db1") == Some(HostIntent::Cutover));
    assert_eq!(of(&world), (Phase::CuttingOver, Some(Step::Commit)));
    world.until("an abort", |w| w.intent("db1") == Some(HostIntent::Resume));
    assert_eq!(of(&world), (Phase::RollingBack, Some(Step::Cutover)));
    world.server("db1").gives_up = false;
    world.until("a commit", |w| w.facts().any_committed());
    assert_eq!(of(&world), (Phase::CuttingOver, Some(Step::Launch)));
    world.until("launched", |w| w.facts().hosts[0].launched_at().is_some());
    assert_eq!(of(&world), (Phase::CuttingOver, Some(Step::Trial)));
    let probes = next_obstacle(&world.facts(), world.now).map(|o| o.gate);
    assert_eq!(probes, Some(GateName::ProbesPassed));
    world.until("served", |w| has_served(&w.facts()));
    assert_eq!(of(&world), (Phase::Provisional, Some(Step::Trial)));
    world.confirm();
    assert_eq!(of(&world), (Phase::Trial, Some(Step::Accept)));
    let trial = next_obstacle(&world.facts(), world.now).map(|o| o.gate);
    assert_eq!(trial, Some(GateName::TrialElapsed));
}

#[test]
fn an_edit_after_the_confirmation_leaves_the_trial_and_a_machine_that_restarts_does_not() {
    let mut world = World::fenced(&["db1"]);
    world.until("served", |w| has_served(&w.facts()));
    world.confirm();
    assert_eq!(phase(&world.facts(), world.now), Phase::Trial);
    for machine in [Machine::Stopped, Machine::Unknown, Machine::Absent] {
        let mut facts = world.facts();
        facts.hosts[0].hosting.machine = machine;
        assert_eq!(phase(&facts, world.now), Phase::Trial);
    }
    world.edit();
    assert_eq!(phase(&world.facts(), world.now), Phase::Provisional);
}

#[test]
fn a_system_has_served_when_every_host_is_adapted_and_every_probe_has_passed() {
    let mut world = World::fenced(&["db1", "web1"]);
    world.until("served", |w| has_served(&w.facts()));
    let facts = world.facts();
    let not = |change: &dyn Fn(&mut Facts)| {
        let mut facts = facts.clone();
        change(&mut facts);
        assert!(!has_served(&facts));
    };
    not(&|f| f.hosts[1].probes[0].passed = false);
    not(&|f| f.hosts[1].probes.clear());
    not(&|f| {
        let probe = f.migration.spec.scheme.probes[0].clone();
        f.migration.spec.scheme.probes.push(qianyun_crds::Probe { name: "archive".into(), ..probe });
    });
    not(&|f| f.hosts[0].journey = Known::Unknown);
    not(&|f| {
        f.hosts[0].arrival = None;
        let Known::Is(journey) = &mut f.hosts[0].journey else { panic!() };
        journey.status.as_mut().unwrap().target = None;
    });
    not(&|f| drop(f.hosts.remove(0)));
    not(&|f| f.migration.spec.scheme.hosts.clear());
}

#[test]
fn hosts_are_counted_as_in_sync_over_those_of_the_scheme() {
    let world = World::in_sync(&["db1", "web1"]);
    let mut facts = world.facts();
    assert_eq!(hosts_in_sync(&facts), "2/2");
    facts.hosts[1].agent.as_mut().unwrap().disks[0].phase = DiskPhase::Verifying;
    assert_eq!(hosts_in_sync(&facts), "1/2");
    facts.hosts[0].agent = None;
    assert_eq!(hosts_in_sync(&facts), "0/2");
    facts.migration.spec.scheme.hosts.truncate(1);
    assert_eq!(hosts_in_sync(&facts), "0/1");
    let mut committed = World::fenced(&["db1"]).facts();
    committed.hosts[0].agent = None;
    assert_eq!(hosts_in_sync(&committed), "1/1");
}

#[test]
fn journeys_are_made_for_hosts_that_have_none_once_nothing_is_in_the_way() {
    let world = World::approved(&["db1", "web1"]);
    let mut facts = world.facts();
    let made = |facts: &Facts| -> Vec<String> {
        plan(facts, world.now)
            .actions
            .into_iter()
            .map(|a| match a {
                Action::CreateJourney { host, digest } if digest == facts.digest => host,
                other => panic!("{other:?}"),
            })
            .collect()
    };
    assert_eq!(made(&facts), ["db1", "web1"]);
    facts.hosts[0].journey = Known::Unknown;
    assert_eq!(made(&facts), ["web1"]);
    facts.migration.spec.suspend = true;
    assert_eq!(made(&facts), Vec::<String>::new());
    assert_eq!(plan(&facts, world.now).waiting, Some(WaitingOn::Resumption));
    facts.migration.spec.suspend = false;
    facts.digest = "sha256:other".into();
    assert_eq!(made(&facts), Vec::<String>::new());
    assert!(matches!(plan(&facts, world.now).waiting, Some(WaitingOn::Gate(_))));
}

#[test]
fn a_host_that_is_added_when_another_one_serves_is_begun_once_the_new_scheme_is_signed() {
    let mut world = World::with_servers(&["db1", "web1"]);
    let added = world.migration.spec.scheme.hosts.pop().unwrap();
    world.sign_all();
    world.until("served", |w| has_served(&w.facts()));
    world.migration.spec.scheme.hosts.push(added);
    world.tick();
    let waiting = world.migration.status.clone().unwrap().waiting.unwrap();
    assert_eq!((waiting.waiting_for.as_str(), world.intent("web1")), ("DepartmentConfirmed", None));
    world.sign_all();
    world.until("both served", |w| has_served(&w.facts()));
    assert!(world.servers.iter().all(|s| !s.on && s.serves_from_cloud()));
}

#[test]
fn a_host_that_the_scheme_dropped_is_not_what_a_served_system_waits_for() {
    let mut world = World::in_sync(&["db1", "web1"]);
    world.migration.spec.scheme.hosts.truncate(1);
    world.sign_all();
    world.until("served", |w| has_served(&w.facts()));
    world.tick();
    let Some(WaitingOn::Gate(obstacle)) = plan(&world.facts(), world.now).waiting else { panic!() };
    assert_eq!(obstacle.reason, Reason::CutoverNotConfirmed);
}

#[test]
fn a_trial_waits_for_its_last_day_counted_from_when_it_began() {
    let mut world = World::fenced(&["db1"]);
    world.until("served", |w| has_served(&w.facts()));
    world.confirm();
    world.tick();
    let began = world.now;
    world.pass(40 * 86_400);
    let trial = Reason::TrialNotOver {
        earliest_end: "2027-02-23".into(),
        opens_at: Some("2027-02-23T16:00:00Z".parse().unwrap()),
    };
    let end = WaitingOn::Gate(Obstacle { gate: GateName::TrialElapsed, known: true, reason: trial });
    assert_eq!(plan(&world.facts(), world.now).waiting, Some(end.clone()));
    assert_eq!(world.migration.status.as_ref().unwrap().trial_started_at.as_ref().unwrap().0, began);
    let mut facts = world.facts();
    facts.migration.spec.suspend = true;
    assert_eq!(plan(&facts, world.now).waiting, Some(end));
}
