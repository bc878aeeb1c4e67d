//! What a system's migration says about itself: its decisions, its gates, what is due next.
#![allow(clippy::unwrap_used)]

use crate::world::World;
use qianyun_crds::{
    Decision, DepartmentKind, GateName, GateVerdict, Lamp, PlanExclusion, PlanExclusionKind, SystemMigrationStatus,
};
use qianyun_planning::facts::Known;
use qianyun_planning::sequence::{Step, needs};
use qianyun_planning::system_migration;

fn said<'a>(status: &'a SystemMigrationStatus, kind: &str) -> (&'a str, &'a str) {
    let condition = status.conditions.iter().find(|c| c.type_ == kind).unwrap();
    (condition.status.as_str(), condition.reason.as_str())
}

fn system(world: &World) -> SystemMigrationStatus {
    system_migration::status(&world.facts(), None, world.now)
}

#[test]
fn a_system_shows_its_decisions_its_count_and_the_gates_of_its_next_step() {
    let mut world = World::new();
    world.decide(GateName::DualApproved, "smartCityOffice", "sco-zhao", Decision::Approve);
    let status = system(&world);
    assert_eq!((status.approvals.as_deref(), status.hosts.as_deref()), (Some("1/2"), Some("0/1")));
    assert_eq!((status.decisions[0].by.as_str(), status.decisions[0].gate), ("sco-zhao", GateName::DualApproved));
    assert_eq!(status.blocked_by, Some(GateName::PlanIssued));
    assert_eq!(status.gates.len(), 14);
    let verdict = |name| status.gates.iter().find(|g| g.name == name).unwrap().verdict;
    assert_eq!(verdict(GateName::DualApproved), GateVerdict::Closed);
    assert_eq!(verdict(GateName::SchemeValid), GateVerdict::Open);
    assert_eq!(said(&status, "DualApproved"), ("False", "ApprovalsMissing"));
    assert_eq!(said(&status, "SchemeValid"), ("True", "Open"));
    assert_eq!((status.message.as_deref(), status.message_zh.as_deref()), (Some("Drafting"), Some("拟制")));
    world.authoriser_up = false;
    assert_eq!(said(&system(&world), "DualApproved"), ("Unknown", "NotKnown"));
    let mut facts = world.facts();
    facts.approvals = Known::Unknown;
    assert_eq!(system_migration::status(&facts, None, world.now).approvals, None);
}

#[test]
fn a_gate_keeps_its_time_until_its_verdict_changes() {
    let mut world = World::new();
    let first = system(&world);
    world.migration.status = Some(first.clone());
    world.pass(60);
    assert_eq!(system(&world).gates, first.gates);
    world.platform.spec.mlps.level = 2;
    for gate in system(&world).gates {
        let changed = gate.name == GateName::TargetLevelSufficient;
        assert_eq!(gate.since.0 == world.now, changed, "{:?}", gate.name);
    }
}

#[test]
fn what_is_due_next_follows_the_phase() {
    let due = |world: &World| system(world).next_due.map(|d| (d.date, d.what)).unwrap();
    let (window, rollback) = ("cutover window begins".to_string(), "latest moment to roll back".to_string());
    assert_eq!(due(&World::new()), ("2027-03-31".into(), "acceptance due by the migration plan".into()));
    assert_eq!(due(&World::approved(&["db1"])), ("2026-11-23".into(), window.clone()));
    assert_eq!(due(&World::in_sync(&["db1"])), ("2026-11-23".into(), window));
    let mut world = World::fenced(&["db1"]);
    assert_eq!(due(&world), ("2026-11-24".into(), rollback.clone()));
    world.until("served", |w| !w.servers[0].probes.is_empty());
    assert_eq!(due(&world), ("2026-11-24".into(), rollback));
    world.confirm();
    assert_eq!(due(&world), ("2027-02-23".into(), "earliest end of the trial run".into()));
    let status = system(&world);
    assert_eq!((said(&status, "InService").0, said(&status, "CutOver").0), ("True", "True"));
    assert_eq!(said(&status, "Succeeded"), ("Unknown", "UnderWay"));
    let names: Vec<GateName> = status.gates.iter().map(|g| g.name).collect();
    assert_eq!(names, needs(Step::Accept));
    let mut unlisted = World::new();
    unlisted.plan.spec.systems[0].namespace = "elsewhere".into();
    assert_eq!(system(&unlisted).next_due, None);
}

#[test]
fn a_system_that_need_not_move_is_never_late() {
    let mut world = World::new();
    world.at("2027-04-01T01:00:00Z".parse().unwrap());
    assert_eq!(system(&world).lamp, Some(Lamp::Overdue));
    let mut of_a_county = world.clone();
    of_a_county.department.spec.kind = DepartmentKind::County;
    let mut retained = world;
    let exclusion = |valid_until: Option<&str>| PlanExclusion {
        kind: PlanExclusionKind::Retained,
        document_no: "No. 7".into(),
        valid_until: valid_until.map(str::to_string),
    };
    retained.plan.spec.systems[0].exclusion = Some(exclusion(None));
    for world in [of_a_county, retained.clone()] {
        let status = system(&world);
        assert_eq!((status.lamp, status.next_due), (Some(Lamp::NotStarted), None));
    }
    retained.plan.spec.systems[0].exclusion = Some(exclusion(Some("2027-03-31")));
    assert_eq!(system(&retained).lamp, Some(Lamp::Overdue), "the exclusion has ended");
}
