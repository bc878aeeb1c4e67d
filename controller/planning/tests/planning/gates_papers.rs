//! What closes the gates of the papers before an approval, and those of the proofs before a cutover, and that each says so.
#![allow(clippy::unwrap_used)]

use crate::world::{World, freeze_period, report, waiver};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use qianyun_crds::{
    Assessment, Certificate, CheckOutcome, ClockPause, Conclusion, FreezeEffect, FreezeException, FreezePeriod,
    GateName, PartyRole, PlannedWave, ProjectParty, SystemDependency,
};
use qianyun_planning::calendar::{WindowReason, Zone};
use qianyun_planning::facts::{DependencyFact, Known};
use qianyun_planning::gate;
use qianyun_planning::reason::{Asked, Reason, RehearsalFault, ReportKind, Verdict};

#[track_caller]
fn found(world: &World, name: GateName) -> Verdict {
    gate::judge(name, &world.facts(), world.now)
}

#[track_caller]
fn assert_closed(world: &World, name: GateName, expected: &Reason) {
    assert_eq!(found(world, name), Verdict::Closed(expected.clone()), "{name:?}");
}

#[test]
fn without_an_emergency_plan_nothing_begins() {
    let mut world = World::new();
    world.migration.spec.scheme.emergency_plan = None;
    world.sign_all();
    assert_closed(&world, GateName::EmergencyPlanReady, &Reason::EmergencyPlanMissing);
    world.tick();
    assert!(world.servers[0].journey.is_none());
}

#[test]
fn without_a_way_to_switch_the_servers_on_again_nothing_begins() {
    let mut world = World::new();
    world.migration.spec.scheme.rollback.source_access = None;
    world.sign_all();
    assert_closed(&world, GateName::RollbackReady, &Reason::NoWayToSource);
    world.tick();
    assert!(world.servers[0].journey.is_none());
}

#[test]
fn a_catalogue_without_entries_is_not_prepared() {
    let mut world = World::new();
    world.system.spec.catalogue.as_mut().unwrap().item_count = 0;
    assert_closed(&world, GateName::CataloguePrepared, &Reason::CatalogueNotPrepared);
    world.system.spec.catalogue = None;
    assert_closed(&world, GateName::CataloguePrepared, &Reason::CatalogueNotPrepared);
}

fn party(role: PartyRole, valid_until: Option<&str>) -> ProjectParty {
    let certificate = valid_until.map(|day| Certificate {
        name: "Supervision".into(),
        number: "C-1".into(),
        grade: None,
        valid_until: day.into(),
    });
    let no_certificate_basis = certificate.is_none().then(|| "abolished".to_string());
    ProjectParty { role, name: "Unit".into(), credit_code: None, certificate, no_certificate_basis }
}

#[test]
fn a_certificate_must_be_valid_on_the_day_of_the_cutover_in_beijing() {
    let mut world = World::new();
    // The window opens at 22:10 in Beijing on the 23rd.
    world.migration.spec.scheme.parties = vec![party(PartyRole::Supervisor, Some("2026-11-23"))];
    assert_eq!(found(&world, GateName::PartiesQualified), Verdict::Open);
    world.migration.spec.scheme.parties = vec![party(PartyRole::Supervisor, Some("2026-11-22"))];
    let expired = Reason::CertificateExpired {
        party: "Unit".into(),
        certificate: "Supervision".into(),
        until: "2026-11-22".into(),
        needed_on: "2026-11-23".into(),
    };
    assert_closed(&world, GateName::PartiesQualified, &expired);
}

#[test]
fn a_project_needs_design_construction_and_supervision_and_its_evaluation() {
    let mut world = World::new();
    world.migration.spec.scheme.project.as_mut().unwrap().contained = true;
    for role in [PartyRole::Designer, PartyRole::Contractor, PartyRole::Supervisor] {
        assert_closed(&world, GateName::PartiesQualified, &Reason::PartyMissing { role });
        world.migration.spec.scheme.parties.push(party(role, None));
    }
    assert_eq!(found(&world, GateName::PartiesQualified), Verdict::Open);
    assert_closed(&world, GateName::AssessmentPassed, &Reason::AssessmentNotFiled);
    let mut assessment = Assessment {
        submitted_on: "2026-09-14".into(),
        accepted_on: Some("2026-09-15".into()),
        pauses: Vec::new(),
        report: None,
        city_approval_no: None,
    };
    let mut judge = |assessment: &Assessment| {
        world.migration.spec.assessment = Some(assessment.clone());
        found(&world, GateName::AssessmentPassed)
    };
    let Verdict::Closed(under_way) = judge(&assessment) else { panic!() };
    // 20 working days after 15 September, over the two holidays: 19 October.
    assert!(
        under_way.words(&Zone::default()).en.contains("was due on 2026-10-19, 25 working days ago"),
        "{}",
        under_way.words(&Zone::default()).en
    );
    assessment.pauses =
        vec![ClockPause { from: "2026-09-20".into(), until: None, reason: "papers are corrected".into() }];
    let Verdict::Closed(paused) = judge(&assessment) else { panic!() };
    assert!(
        paused.words(&Zone::default()).en.contains("paused since 2026-09-20: papers are corrected"),
        "{}",
        paused.words(&Zone::default()).en
    );
    assessment.pauses.clear();
    assessment.report = Some(report(Conclusion::Failed, "2026-10-10"));
    assert_eq!(judge(&assessment), Verdict::Closed(Reason::AssessmentFailed));
    assessment.report = Some(report(Conclusion::Passed, "2026-10-10"));
    assert_eq!(judge(&assessment), Verdict::Closed(Reason::CityApprovalMissing));
    assessment.city_approval_no = Some("遂府函〔2026〕10号".into());
    assessment.report = Some(report(Conclusion::Passed, "2026-11-24"));
    let to_come = Reason::ReportNotIssuedYet { kind: ReportKind::Evaluation, issued_on: "2026-11-24".into() };
    assert_eq!(judge(&assessment), Verdict::Closed(to_come));
    assessment.report = Some(report(Conclusion::Passed, "2026-10-10"));
    assert_eq!(judge(&assessment), Verdict::Open);
}

#[test]
fn a_scheme_has_to_say_whether_it_contains_a_project() {
    let mut world = World::new();
    world.migration.spec.scheme.project = None;
    assert_closed(&world, GateName::AssessmentPassed, &Reason::ProjectNotSaid);
}

#[test]
fn a_system_waits_for_those_that_it_needs_unless_they_can_be_reached_from_the_cloud() {
    let mut world = World::new();
    let needed = |reachable| SystemDependency {
        namespace: "minzheng".into(),
        name: "relief".into(),
        reachable_across_boundary: reachable,
    };
    let fact = |serves| vec![DependencyFact { namespace: "minzheng".into(), name: "relief".into(), serves }];
    let system = || "minzheng/relief".to_string();
    world.system.spec.dependencies = vec![needed(false)];
    world.dependencies = fact(Known::Is(false));
    assert_closed(&world, GateName::DependenciesReady, &Reason::DependencyNotMoved { system: system() });
    world.dependencies = fact(Known::Absent);
    let missing = Reason::NotFound { what: Asked::System, name: system() };
    assert_closed(&world, GateName::DependenciesReady, &missing);
    world.dependencies = fact(Known::Unknown);
    let unknown = Verdict::Unknown(Reason::NotKnown { what: Asked::System });
    assert_eq!(found(&world, GateName::DependenciesReady), unknown);
    world.dependencies = fact(Known::Is(true));
    assert_eq!(found(&world, GateName::DependenciesReady), Verdict::Open);
    world.dependencies = fact(Known::Is(false));
    world.system.spec.dependencies = vec![needed(true)];
    assert_eq!(found(&world, GateName::DependenciesReady), Verdict::Open);
}

#[test]
fn a_rehearsal_counts_for_its_digest_for_a_month_and_with_its_way_back() {
    let mut world = World::approved(&["db1"]);
    assert_eq!(found(&world, GateName::RehearsalPassed), Verdict::Open);
    world.pass(30 * 86_400);
    assert_eq!(found(&world, GateName::RehearsalPassed), Verdict::Open);
    world.pass(86_400);
    assert_closed(&world, GateName::RehearsalPassed, &Reason::RehearsalTooOld { days: 31, limit_days: 30 });
    world.prove();
    let proved = world.migration.spec.rehearsal.clone().unwrap();
    for (what, spoil) in [
        (RehearsalFault::DidNotPass, (|r| r.conclusion = Conclusion::Failed) as fn(&mut qianyun_crds::RehearsalRecord)),
        (RehearsalFault::ServicesNotStopped, |r| r.services_stopped = false),
        (RehearsalFault::RollbackNotRehearsed, |r| r.rollback_rehearsed = false),
    ] {
        let mut spoilt = proved.clone();
        spoil(&mut spoilt);
        world.migration.spec.rehearsal = Some(spoilt);
        assert_closed(&world, GateName::RehearsalPassed, &Reason::RehearsalFailed { what });
    }
    world.migration.spec.rehearsal = Some(proved.clone());
    world.migration.spec.rehearsal.as_mut().unwrap().held_on = "2027-01-31".into();
    assert_closed(&world, GateName::RehearsalPassed, &Reason::NotRehearsed);
    world.migration.spec.rehearsal = Some(proved.clone());
    world.edit();
    let digest = proved.digest;
    assert_closed(&world, GateName::RehearsalPassed, &Reason::RehearsalOfAnotherDigest { digest: digest.clone() });
    assert_closed(&world, GateName::SecurityInUse, &Reason::SecurityOfAnotherDigest { digest });
    (world.migration.spec.rehearsal, world.migration.spec.security_in_use) = (None, None);
    assert_closed(&world, GateName::RehearsalPassed, &Reason::NotRehearsed);
    assert_closed(&world, GateName::SecurityInUse, &Reason::SecurityNotInUse);
}

#[test]
fn an_interruption_longer_than_the_department_accepts_is_not_begun() {
    let mut world = World::approved(&["db1"]);
    world.migration.spec.scheme.downtime_budget_minutes = 6;
    world.migration.spec.rehearsal = None;
    // 30 s of stops, 30 s frozen, a minute's margin, and 300 s until the probe has to pass.
    let over = Reason::DowntimeOverBudget { forecast_minutes: 7, budget_minutes: 6 };
    assert_closed(&world, GateName::DowntimeWithinBudget, &over);
    world.prove();
    assert_eq!(found(&world, GateName::DowntimeWithinBudget), Verdict::Open);
}

fn freeze(from: &str, until: &str, mode: FreezeEffect) -> FreezePeriod {
    let mut period = freeze_period("sessions", from.parse().unwrap(), until.parse().unwrap(), mode);
    period.spec.title = "两会".into();
    period
}

#[test]
fn a_window_inside_a_freeze_period_is_refused_on_paper_and_an_exception_is_part_of_what_is_approved() {
    let mut world = World::new();
    world.freezes = vec![freeze("2026-11-23T00:00:00Z", "2026-11-25T00:00:00Z", FreezeEffect::Block)];
    let Verdict::Closed(Reason::WindowUnfit { reason: WindowReason::InsideFreeze { freeze: name, .. } }) =
        found(&world, GateName::SchemeValid)
    else {
        panic!("{:?}", found(&world, GateName::SchemeValid))
    };
    assert_eq!(name, "两会");
    let before = world.digest();
    let exception = |name: &str| FreezeException { freeze_ref: name.into(), reason: "a leaking roof".into() };
    world.migration.spec.scheme.freeze_exceptions = vec![exception("other")];
    let missing = Reason::NotFound { what: Asked::Freezes, name: "other".into() };
    assert_closed(&world, GateName::SchemeValid, &missing);
    world.migration.spec.scheme.freeze_exceptions = vec![exception("sessions")];
    assert_eq!(found(&world, GateName::SchemeValid), Verdict::Open);
    assert_ne!(world.digest(), before);
}

#[test]
fn a_freeze_period_that_is_entered_later_holds_the_cutover_and_says_until_when() {
    let mut world = World::in_sync(&["db1"]);
    let until = "2026-11-23T15:00:00Z";
    world.freezes = vec![freeze("2026-11-23T14:00:00Z", until, FreezeEffect::Block)];
    world.pass(60);
    let frozen = Reason::Frozen { freeze: "两会".into(), until: until.parse().unwrap() };
    assert_closed(&world, GateName::InWindow, &frozen);
    world.freezes[0].spec.mode = FreezeEffect::Warn;
    assert_eq!(found(&world, GateName::InWindow), Verdict::Open);
    let mut facts = world.facts();
    facts.freezes = Known::Unknown;
    let unknown = Verdict::Unknown(Reason::NotKnown { what: Asked::Freezes });
    assert_eq!(gate::judge(GateName::InWindow, &facts, world.now), unknown);
}

#[test]
fn no_attempt_runs_into_a_freeze_period() {
    let mut world = World::in_sync(&["db1"]);
    // The window opens at 14:10; the attempt may take two minutes, and a minute is left.
    world.freezes = vec![freeze("2026-11-23T14:11:00Z", "2026-11-23T18:00:00Z", FreezeEffect::Block)];
    for _ in 0..60 {
        world.tick();
    }
    let waiting = world.servers[0].journey.as_ref().unwrap().spec.intent;
    assert_eq!(waiting, qianyun_crds::HostIntent::Replicate);
}

#[test]
fn the_window_lies_in_that_of_the_wave_which_the_plan_names() {
    let mut world = World::new();
    let wave = |until: &str| PlannedWave {
        name: "november".into(),
        from: Time(world.now),
        until: Time(until.parse().unwrap()),
        capacity: 2,
        minutes_each: 60,
        lockout_minutes: 0,
    };
    let (short, long) = (wave("2026-11-23T15:00:00Z"), wave("2026-11-24T00:00:00Z"));
    world.plan.spec.systems[0].wave = Some("november".into());
    world.plan.spec.waves = vec![short];
    assert_closed(&world, GateName::SchemeValid, &Reason::WindowOutsideWave { wave: "november".into() });
    world.plan.spec.waves = vec![long];
    assert_eq!(found(&world, GateName::SchemeValid), Verdict::Open);
}

#[test]
fn a_failed_check_is_waived_by_name_for_this_server_until_a_day_and_not_every_check_can_be() {
    let mut world = World::new();
    let host = &mut world.servers[0].physical;
    host.status.as_mut().unwrap().checks = vec![qianyun_crds::HostCheck {
        id: "ST-02".into(),
        outcome: CheckOutcome::Block,
        ..host.status.as_ref().unwrap().checks[0].clone()
    }];
    let closed = |world: &World| matches!(found(world, GateName::HostsReady), Verdict::Closed(_));
    assert!(closed(&world));
    for (check, uid, until, opens) in [
        ("ST-02", "uid-db1", "2026-11-23", true),
        ("ST-02", "uid-db1", "2026-11-22", false),
        ("ST-02", "uid-of-another", "2026-12-31", false),
        ("ST-01", "uid-db1", "2026-12-31", false),
    ] {
        world.waivers = vec![waiver("db1", check, uid, until)];
        assert_eq!(!closed(&world), opens, "{check} {uid} {until}");
    }
    let checks = &mut world.servers[0].physical.status.as_mut().unwrap().checks;
    checks[0].id = "CT-01".into();
    world.waivers = vec![waiver("db1", "CT-01", "uid-db1", "2026-12-31")];
    assert!(closed(&world));
    let checks = &mut world.servers[0].physical.status.as_mut().unwrap().checks;
    (checks[0].id, checks[0].outcome) = ("ST-02".into(), CheckOutcome::Unknown);
    world.waivers = vec![waiver("db1", "ST-02", "uid-db1", "2026-12-31")];
    assert!(closed(&world));
}
