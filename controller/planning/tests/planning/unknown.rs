//! Unknown opens nothing: whatever is forgotten, no gate passes that did not pass before.
#![allow(clippy::unwrap_used)]

use crate::world::World;
use proptest::prelude::*;
use qianyun_crds::{CheckOutcome, GateName};
use qianyun_planning::facts::{Authorisation, Facts, Known, Machine, Receiver, Silence, Verification};
use qianyun_planning::gate::{self, GATES, first_obstacle, judge};
use qianyun_planning::reason::{Asked, Obstacle, Verdict};
use qianyun_planning::{Reason, host_migration, system_migration};

/// What is forgotten, and how.
type Forgetting = (&'static str, fn(&mut Facts));

/// Ways to know less. Each takes one thing out of the facts.
const FORGETTINGS: [Forgetting; 20] = [
    ("the plan", |f| f.plan = Known::Unknown),
    ("the policy", |f| f.policy = Known::Unknown),
    ("the platform", |f| f.platform = Known::Unknown),
    ("the system", |f| f.system = Known::Unknown),
    ("the department", |f| f.department = Known::Unknown),
    ("the approvals", |f| f.approvals = Known::Unknown),
    ("the permissions", |f| {
        if let Known::Is(approvals) = &mut f.approvals {
            approvals.iter_mut().for_each(|a| a.authorised = Authorisation::Unknown);
        }
    }),
    ("what others take", |f| f.taken = Known::Unknown),
    ("the servers left out", |f| f.left_out = Known::Unknown),
    ("the systems under way", |f| f.under_way = Known::Unknown),
    ("the free storage", |f| f.free_storage_bytes = Known::Unknown),
    ("the servers", |f| f.hosts.iter_mut().for_each(|h| h.host = Known::Unknown)),
    ("the journeys", |f| f.hosts.iter_mut().for_each(|h| h.journey = Known::Unknown)),
    ("the reports", |f| f.hosts.iter_mut().for_each(|h| h.agent = None)),
    ("the arrivals", |f| f.hosts.iter_mut().for_each(|h| h.arrival = None)),
    ("the volumes", |f| f.hosts.iter_mut().for_each(|h| h.hosting.volumes = Known::Unknown)),
    ("the machines", |f| f.hosts.iter_mut().for_each(|h| h.hosting.machine = Machine::Unknown)),
    ("the receivers", |f| f.hosts.iter_mut().for_each(|h| h.hosting.receiver = Receiver::Unknown)),
    ("the silence", |f| f.hosts.iter_mut().for_each(|h| h.silence = Silence::Unknown)),
    ("the answers of checks", |f| {
        for host in &mut f.hosts {
            if let Known::Is(host) = &mut host.host
                && let Some(status) = host.status.as_mut()
            {
                status.checks.iter_mut().for_each(|c| c.outcome = CheckOutcome::Unknown);
            }
        }
    }),
];

/// Worlds at every stage of the journey.
fn stages() -> Vec<(&'static str, World)> {
    let mut launched = World::fenced(&["db1", "web1"]);
    launched.until("launched", |w| w.servers.iter().all(|s| s.machine == Machine::Running));
    let mut served = launched.clone();
    served.until("served", |w| w.servers.iter().any(|s| !s.probes.is_empty()));
    served.confirm();
    vec![
        ("approved", World::approved(&["db1", "web1"])),
        ("in sync", World::in_sync(&["db1", "web1"])),
        ("voted", World::voted(&["db1", "web1"])),
        ("fenced", World::fenced(&["db1", "web1"])),
        ("launched", launched),
        ("served", served),
    ]
}

#[test]
fn no_single_thing_forgotten_opens_a_gate_or_moves_a_host() {
    for (stage, world) in stages() {
        let known = world.facts();
        for (what, forget) in FORGETTINGS {
            let mut facts = known.clone();
            forget(&mut facts);
            for gate in GATES {
                let (before, after) = (judge(gate.name, &known, world.now), judge(gate.name, &facts, world.now));
                assert!(before.passes() || !after.passes(), "{stage} without {what}: {:?} opened", gate.name);
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 40, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_set_of_things_forgotten_opens_a_gate(which in prop::collection::vec(any::<bool>(), FORGETTINGS.len())) {
        for (stage, world) in [("voted", World::voted(&["db1"])), ("fenced", World::fenced(&["db1"]))] {
            let known = world.facts();
            let mut facts = known.clone();
            FORGETTINGS.iter().zip(&which).filter(|(_, on)| **on).for_each(|((_, forget), _)| forget(&mut facts));
            for gate in GATES {
                let passed = judge(gate.name, &known, world.now).passes();
                prop_assert!(passed || !judge(gate.name, &facts, world.now).passes(), "{stage}: {:?}", gate.name);
            }
        }
    }
}

#[test]
fn each_gate_says_what_it_could_not_ask() {
    let world = World::fenced(&["db1"]);
    let facts = world.facts();
    for (forgotten, gate, asked) in [
        ("the plan", GateName::PlanIssued, Asked::Plan),
        ("the approvals", GateName::PlanIssued, Asked::Approvals),
        ("the permissions", GateName::PlanIssued, Asked::Permission),
        ("the system", GateName::NonClassifiedDeclared, Asked::System),
        ("the servers", GateName::NonClassifiedDeclared, Asked::Host),
        ("the servers", GateName::InventoryComplete, Asked::Host),
        ("the servers left out", GateName::AllHostsDisposed, Asked::LeftOut),
        ("the servers", GateName::HostsReady, Asked::Host),
        ("the servers", GateName::SchemeValid, Asked::Host),
        ("the platform", GateName::SchemeValid, Asked::Platform),
        ("the system", GateName::SystemGraded, Asked::System),
        ("the platform", GateName::TargetLevelSufficient, Asked::Platform),
        ("the system", GateName::TargetLevelSufficient, Asked::System),
        ("the approvals", GateName::DepartmentConfirmed, Asked::Approvals),
        ("the permissions", GateName::DepartmentConfirmed, Asked::Permission),
        ("the approvals", GateName::DualApproved, Asked::Approvals),
        ("the permissions", GateName::DualApproved, Asked::Permission),
        ("the silence", GateName::SourceFenced, Asked::SourceSilence),
        ("the machines", GateName::ProbesPassed, Asked::Machine),
    ] {
        let mut facts = facts.clone();
        let (_, forget) = FORGETTINGS.iter().find(|(what, _)| *what == forgotten).unwrap();
        forget(&mut facts);
        let unknown = Verdict::Unknown(Reason::NotKnown { what: asked });
        assert_eq!(judge(gate, &facts, world.now), unknown, "without {forgotten}");
        assert!(!unknown.passes());
    }
    // Asked as long as no attempt is under way.
    let mut facts = World::in_sync(&["db1"]).facts();
    facts.left_out = Known::Unknown;
    let unknown = Verdict::Unknown(Reason::NotKnown { what: Asked::LeftOut });
    assert_eq!(judge(GateName::InventoryComplete, &facts, world.now), unknown);
}

#[test]
fn room_that_is_not_known_matters_only_where_volumes_are_still_to_be_made() {
    let world = World::approved(&["db1"]);
    let mut facts = world.facts();
    for free in [Known::Unknown, Known::Absent] {
        facts.free_storage_bytes = free;
        let unknown = Verdict::Unknown(Reason::NotKnown { what: Asked::FreeStorage });
        assert_eq!(judge(GateName::SchemeValid, &facts, world.now), unknown);
    }
    facts.hosts[0].hosting.volumes = Known::Is(());
    assert_eq!(judge(GateName::SchemeValid, &facts, world.now), Verdict::Open);
}

#[test]
fn a_record_that_could_not_be_verified_is_not_known_and_one_that_was_committed_was_verified() {
    let world = World::voted(&["db1"]);
    let mut facts = world.facts();
    let record = facts.hosts[0].agent.as_mut().unwrap().vote.as_mut().unwrap().record.as_mut().unwrap();
    record.verification = Verification::Unknown;
    let unknown = Verdict::Unknown(Reason::NotKnown { what: Asked::RecordCheck });
    assert_eq!(judge(GateName::RecordVerified, &facts, world.now), unknown);
    let fenced = World::fenced(&["db1"]);
    let mut facts = fenced.facts();
    facts.hosts[0].agent = None;
    assert_eq!(judge(GateName::RecordVerified, &facts, fenced.now), Verdict::Open);
}

#[test]
fn a_host_of_the_scheme_that_nobody_looked_at_opens_no_gate_about_hosts() {
    let world = World::voted(&["db1"]);
    let mut facts = world.facts();
    facts.hosts.clear();
    for gate in [
        GateName::NonClassifiedDeclared,
        GateName::InventoryComplete,
        GateName::HostsReady,
        GateName::SchemeValid,
        GateName::ReplicationInSync,
        GateName::RecordVerified,
        GateName::SourceFenced,
        GateName::ProbesPassed,
    ] {
        assert!(!judge(gate, &facts, world.now).passes(), "{gate:?}");
    }
}

#[test]
fn a_journey_that_cannot_be_read_keeps_no_window_open() {
    let mut world = World::approved(&["db1"]);
    let end = world.migration.spec.scheme.window.end.0;
    let mut facts = world.at(end).facts();
    assert_eq!(judge(GateName::SchemeValid, &facts, end), Verdict::Closed(Reason::WindowOver { end }));
    facts.hosts[0].journey = Known::Unknown;
    let unknown = Verdict::Unknown(Reason::NotKnown { what: Asked::Journey });
    assert_eq!(judge(GateName::SchemeValid, &facts, end), unknown);
}

#[test]
fn a_journey_that_cannot_be_read_is_neither_made_nor_moved() {
    let world = World::voted(&["db1"]);
    let mut facts = world.facts();
    facts.hosts[0].journey = Known::Unknown;
    assert!(system_migration::plan(&facts, world.now).actions.is_empty());
    assert!(host_migration::plan(&facts, "db1", world.now).actions.is_empty());
}

#[test]
fn a_plan_or_policy_that_is_not_there_closes_every_gate_by_name() {
    let world = World::approved(&["db1"]);
    let mut facts = world.facts();
    facts.policy = Known::Absent;
    let policy = Reason::NotFound { what: Asked::Policy, name: "suining-2018".into() };
    assert!(GATES.iter().all(|g| judge(g.name, &facts, world.now) == Verdict::Closed(policy.clone())));
    facts.plan = Known::Absent;
    let plan = Reason::NotFound { what: Asked::Plan, name: "plan-2026".into() };
    assert!(GATES.iter().all(|g| judge(g.name, &facts, world.now) == Verdict::Closed(plan.clone())));
}

#[test]
fn a_closed_gate_is_named_before_one_that_is_not_known() {
    let world = World::approved(&["db1"]);
    let mut facts = world.facts();
    facts.platform = Known::Unknown;
    let gates = [GateName::TargetLevelSufficient, GateName::SystemGraded, GateName::InWindow];
    let start = facts.migration.spec.scheme.window.start.0;
    let in_way = |facts: &Facts, now| first_obstacle(&gates, facts, now);
    let reason = Reason::WindowNotYet { start };
    assert_eq!(in_way(&facts, world.now), Some(Obstacle { gate: GateName::InWindow, known: true, reason }));
    let reason = Reason::NotKnown { what: Asked::Platform };
    let first = Obstacle { gate: GateName::TargetLevelSufficient, known: false, reason };
    assert_eq!(in_way(&facts, start), Some(first.clone()));
    facts.system = Known::Unknown;
    assert_eq!(in_way(&facts, start), Some(first));
    assert_eq!(in_way(&world.facts(), start), None);
    assert_eq!(gate::definition(GateName::InWindow).name, GateName::InWindow);
}

#[test]
fn only_gates_of_the_regulation_can_be_switched_off() {
    let world = World::new();
    let mut facts = world.facts();
    let Known::Is(policy) = &mut facts.policy else { panic!() };
    policy.spec.gates =
        GATES.iter().map(|g| qianyun_crds::GateSwitch { name: g.name, enabled: false, basis: "x".into() }).collect();
    let off: Vec<GateName> =
        GATES.iter().map(|g| g.name).filter(|g| judge(*g, &facts, world.now) == Verdict::Off).collect();
    let expected = [
        GateName::PlanIssued,
        GateName::InventoryComplete,
        GateName::HostsReady,
        GateName::SystemGraded,
        GateName::TargetLevelSufficient,
        GateName::EmergencyPlanReady,
        GateName::RollbackReady,
        GateName::CataloguePrepared,
        GateName::PartiesQualified,
        GateName::AssessmentPassed,
        GateName::DepartmentConfirmed,
        GateName::DependenciesReady,
        GateName::RehearsalPassed,
        GateName::DowntimeWithinBudget,
        GateName::SecurityInUse,
        GateName::TrialElapsed,
        GateName::PerformanceTested,
        GateName::SecurityAssessed,
        GateName::CatalogueRegistered,
        GateName::PreAcceptanceApproved,
        GateName::Accepted,
        GateName::AllHostsDisposed,
    ];
    assert_eq!(off, expected);
    let Known::Is(policy) = &mut facts.policy else { panic!() };
    policy.spec.gates.iter_mut().for_each(|g| g.enabled = true);
    assert!(GATES.iter().all(|g| judge(g.name, &facts, world.now) != Verdict::Off));
}
