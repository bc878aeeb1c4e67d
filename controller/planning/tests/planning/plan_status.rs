//! What a plan of the whole city says about itself.
#![allow(clippy::unwrap_used)]

use crate::world::World;
use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use qianyun_crds::{
    Decision, DepartmentKind, GateName, MigrationPlanStatus, Phase, PlanCounts, PlanExclusion, PlanExclusionKind,
    PlannedSystem, PlannedWave,
};
use qianyun_planning::facts::{Authorisation, Known};
use qianyun_planning::plan_status::{PlanFacts, PlannedSystemFacts, decisions, status};

/// Systems due on these days, with the kind of their department and their phase.
type Systems<'a> = &'a [(&'a str, Option<DepartmentKind>, Option<Phase>)];

fn facts_of(world: &World, systems: Systems<'_>) -> PlanFacts {
    let facts = world.facts();
    let Known::Is(mut plan) = facts.plan else { panic!() };
    plan.spec.systems = systems
        .iter()
        .enumerate()
        .map(|(i, (due, ..))| PlannedSystem {
            namespace: "minzheng".into(),
            name: format!("s{i}"),
            due_date: (*due).into(),
            wave: None,
            exclusion: None,
        })
        .collect();
    let known = |(_, department, phase): &(&str, Option<DepartmentKind>, Option<Phase>)| PlannedSystemFacts {
        exists: Known::Is(()),
        department: *department,
        phase: *phase,
    };
    PlanFacts {
        plan,
        digest: facts.plan_digest,
        policy: facts.policy,
        approvals: facts.approvals,
        systems: systems.iter().map(known).collect(),
        freezes: facts.freezes,
        zone: facts.zone,
    }
}

fn issued() -> World {
    World::approved(&["db1"])
}

fn now() -> Timestamp {
    World::new().now
}

fn said<'a>(status: &'a MigrationPlanStatus, kind: &str) -> (&'a str, &'a str) {
    let condition = status.conditions.iter().find(|c| c.type_ == kind).unwrap();
    (condition.status.as_str(), condition.reason.as_str())
}

const MUNICIPAL: Option<DepartmentKind> = Some(DepartmentKind::MunicipalDepartment);

#[test]
fn a_plan_is_ready_once_every_office_issued_it_and_every_system_is_there() {
    let mut facts = facts_of(&issued(), &[("2027-03-31", MUNICIPAL, None)]);
    let ready = status(&facts, now());
    assert_eq!((said(&ready, "Ready"), said(&ready, "Issued")), (("True", "Ready"), ("True", "Issued")));
    assert_eq!(ready.issued_by.as_deref(), Some("2/2"));
    assert_eq!(ready.digest.as_deref(), Some(facts.digest.as_str()));
    facts.systems[0].exists = Known::Unknown;
    assert_eq!(said(&status(&facts, now()), "Ready"), ("Unknown", "NotKnown"));
}

#[test]
fn what_a_plan_refers_to_and_is_not_there_is_said_before_it_is_issued() {
    for world in [World::new(), issued()] {
        let mut facts = facts_of(&world, &[("2027-03-31", MUNICIPAL, None)]);
        facts.systems[0].exists = Known::Absent;
        let missing = status(&facts, now());
        assert_eq!(said(&missing, "Ready"), ("False", "SystemNotFound"));
        assert!(missing.conditions[0].message.contains("minzheng/s0"), "{:?}", missing.conditions);
        facts.policy = Known::Absent;
        let missing = status(&facts, now());
        assert_eq!(said(&missing, "Ready"), ("False", "PolicyNotFound"));
        assert!(missing.conditions[0].message.contains("spec.policyRef"), "{:?}", missing.conditions);
    }
}

#[test]
fn a_plan_of_one_office_or_one_that_was_returned_is_not_issued() {
    let mut world = World::new();
    world.decide(GateName::PlanIssued, "smartCityOffice", "sco-zhao", Decision::Approve);
    let one = status(&facts_of(&world, &[]), now());
    assert_eq!((said(&one, "Ready"), said(&one, "Issued")), (("False", "NotIssued"), ("False", "NotIssued")));
    assert_eq!(one.issued_by.as_deref(), Some("1/2"));
    world.decide(GateName::PlanIssued, "municipalGovernmentOffice", "mgo-zhang", Decision::Return);
    assert_eq!(said(&status(&facts_of(&world, &[]), now()), "Issued"), ("False", "NotIssued"));
    let mut none_asked = facts_of(&issued(), &[]);
    let Known::Is(policy) = &mut none_asked.policy else { panic!() };
    policy.spec.plan_issuers.clear();
    assert_eq!(said(&status(&none_asked, now()), "Issued").0, "False");
}

#[test]
fn what_is_not_known_is_neither_issued_nor_not_issued() {
    let mut unasked = facts_of(&issued(), &[]);
    let Known::Is(approvals) = &mut unasked.approvals else { panic!() };
    approvals[0].authorised = Authorisation::Unknown;
    let mut no_policy = facts_of(&issued(), &[]);
    no_policy.policy = Known::Unknown;
    let mut no_approvals = facts_of(&issued(), &[]);
    no_approvals.approvals = Known::Unknown;
    assert!(decisions(&no_approvals).is_empty());
    for (what, facts) in [("permission", unasked), ("policy", no_policy), ("approvals", no_approvals)] {
        let status = status(&facts, now());
        assert_eq!(said(&status, "Ready"), ("Unknown", "NotKnown"), "{what}");
        assert_eq!(said(&status, "Issued"), ("Unknown", "NotKnown"), "{what}");
        if what != "permission" {
            assert_eq!(status.issued_by, None, "{what}");
        }
    }
}

#[test]
fn municipal_systems_are_due_and_those_of_others_are_not_counted_among_them() {
    let kinds =
        [DepartmentKind::County, DepartmentKind::Park, DepartmentKind::IndustryUnit, DepartmentKind::PublicInstitution];
    let others: Vec<_> = kinds.iter().map(|k| ("2020-01-01", Some(*k), Some(Phase::Closed))).collect();
    let counted = status(&facts_of(&issued(), &others), now());
    assert_eq!(counted.counts, Some(PlanCounts { excluded: 4, not_bound: 4, ..PlanCounts::default() }));
    assert_eq!(counted.migration_rate.as_deref(), Some("-"));
    // One whose department is not known is not forgotten.
    let counted = status(&facts_of(&issued(), &[("2020-01-01", None, None), ("2020-01-01", MUNICIPAL, None)]), now());
    assert_eq!(counted.counts, Some(PlanCounts { due: 2, overdue: 2, ..PlanCounts::default() }));
}

#[test]
fn a_system_has_migrated_from_its_trial_on_is_due_until_it_is_accepted_and_completed_when_it_is_closed() {
    for (phase, migrated, overdue, completed) in [
        (Phase::Drafting, 0, 1, 0),
        (Phase::CuttingOver, 0, 1, 0),
        (Phase::RollingBack, 0, 1, 0),
        (Phase::Provisional, 0, 1, 0),
        (Phase::Trial, 1, 1, 0),
        (Phase::Acceptance, 1, 1, 0),
        (Phase::Accepted, 1, 0, 0),
        (Phase::Closed, 1, 0, 1),
    ] {
        let counts = status(&facts_of(&issued(), &[("2020-01-01", MUNICIPAL, Some(phase))]), now()).counts.unwrap();
        assert_eq!((counts.migrated, counts.overdue, counts.completed), (migrated, overdue, completed), "{phase:?}");
    }
}

#[test]
fn a_system_that_may_stay_or_goes_out_of_use_is_not_due_while_its_document_holds() {
    let counted = |kind, valid_until: Option<&str>| {
        let mut facts = facts_of(&issued(), &[("2020-01-01", MUNICIPAL, None)]);
        let document_no = "遂数函〔2026〕3号".into();
        let valid_until = valid_until.map(str::to_string);
        facts.plan.spec.systems[0].exclusion = Some(PlanExclusion { kind, document_no, valid_until });
        let counts = status(&facts, now()).counts.unwrap();
        (counts.due, counts.excluded, counts.retained, counts.retired)
    };
    assert_eq!(counted(PlanExclusionKind::Retained, None), (0, 1, 1, 0));
    assert_eq!(counted(PlanExclusionKind::Retired, Some("2026-11-23")), (0, 1, 0, 1));
    assert_eq!(counted(PlanExclusionKind::Retained, Some("2026-11-22")), (1, 0, 0, 0));
    assert_eq!(counted(PlanExclusionKind::Retained, Some("no day")), (1, 0, 0, 0));
}

#[test]
fn waves_that_do_not_fit_are_a_fault_of_the_plan_with_its_words() {
    let wave = |name: &str, capacity| PlannedWave {
        name: name.into(),
        from: Time("2026-12-05T14:00:00Z".parse().unwrap()),
        until: Time("2026-12-05T22:00:00Z".parse().unwrap()),
        capacity,
        minutes_each: 120,
        lockout_minutes: 0,
    };
    let mut facts = facts_of(&issued(), &[("2027-01-01", MUNICIPAL, None); 4]);
    facts.plan.spec.waves = vec![wave("a", 2), wave("b", 2)];
    for (i, system) in facts.plan.spec.systems.iter_mut().enumerate() {
        system.wave = Some(if i < 2 { "a" } else { "b" }.into());
    }
    assert_eq!(said(&status(&facts, now()), "WavesFit"), ("True", "WavesFit"));
    facts.plan.spec.cutovers_at_once = Some(3);
    let over = status(&facts, now());
    assert_eq!(said(&over, "WavesFit"), ("False", "WavesDoNotFit"));
    assert!(over.wave_fault.unwrap().contains("the plan allows 3 at once"));
    facts.freezes = Known::Unknown;
    assert_eq!(said(&status(&facts, now()), "WavesFit"), ("Unknown", "NotKnown"));
}

#[test]
fn a_system_is_overdue_on_the_day_after_its_last_by_the_calendar_in_beijing() {
    let overdue = |due: &str, at: &str| {
        let facts = facts_of(&issued(), &[(due, MUNICIPAL, None)]);
        status(&facts, at.parse().unwrap()).counts.unwrap().overdue
    };
    assert_eq!(overdue("2026-11-23", "2026-11-23T15:59:59Z"), 0);
    assert_eq!(overdue("2026-11-23", "2026-11-23T16:00:00Z"), 1);
    assert_eq!(overdue("no day", "2026-11-23T16:00:00Z"), 0);
}

#[test]
fn the_rate_is_of_what_is_due_and_rounded_down() {
    let done = ("2027-01-01", MUNICIPAL, Some(Phase::Trial));
    let open = ("2027-01-01", MUNICIPAL, None);
    let other = ("2027-01-01", Some(DepartmentKind::County), None);
    for (systems, rate) in
        [(&[open][..], "0%"), (&[done, open, other], "50%"), (&[done, done, open], "66%"), (&[done, done], "100%")]
    {
        assert_eq!(status(&facts_of(&issued(), systems), now()).migration_rate.as_deref(), Some(rate));
    }
}

#[test]
fn a_condition_keeps_its_time_until_its_status_changes() {
    let mut facts = facts_of(&issued(), &[]);
    let first = status(&facts, now());
    let later = now().checked_add(jiff::ToSpan::hours(1)).unwrap();
    facts.plan.status = Some(first.clone());
    let same = status(&facts, later);
    assert_eq!(same.conditions, first.conditions);
    facts.policy = Known::Unknown;
    facts.freezes = Known::Unknown;
    let changed = status(&facts, later);
    assert!(changed.conditions.iter().all(|c| c.last_transition_time.0 == later), "{:?}", changed.conditions);
}
