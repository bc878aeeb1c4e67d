//! The papers that an approval needs: both offices may decide before they are complete, what they decided is counted, and nothing
//! is in effect until they are.
#![allow(clippy::unwrap_used)]

use crate::world::World;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use qianyun_crds::{Decision, GateName, HostIntent, Party, Phase};
use qianyun_planning::calendar::Zone;
use qianyun_planning::facts::{Facts, Known};
use qianyun_planning::gate::judge;
use qianyun_planning::reason::{Asked, Reason, Verdict};
use qianyun_planning::sequence::APPROVAL_NEEDS;
use qianyun_planning::{WaitingOn, host_migration, lint, phase, system_migration};

/// Closes one of the gates, without the decisions.
type Close = (GateName, Phase, fn(&mut World));

/// Each gate that an approval needs, the phase while it alone is closed, and how it closes.
const CLOSES: [Close; 9] = [
    (GateName::NonClassifiedDeclared, Phase::Review, |w| w.system.spec.declaration.declared_by.clear()),
    (GateName::InventoryComplete, Phase::Review, |w| {
        w.server("db1").physical.status.as_mut().unwrap().inventory_at =
            Some(Time("2026-10-01T00:00:00Z".parse().unwrap()));
    }),
    (GateName::SystemGraded, Phase::Review, |w| w.system.spec.mlps = None),
    (GateName::TargetLevelSufficient, Phase::Review, |w| w.platform.spec.mlps.level = 2),
    (GateName::EmergencyPlanReady, Phase::Review, |w| w.migration.spec.scheme.emergency_plan = None),
    (GateName::CataloguePrepared, Phase::Review, |w| w.system.spec.catalogue = None),
    (GateName::PartiesQualified, Phase::Review, |w| {
        let project = w.migration.spec.scheme.project.as_mut().unwrap();
        project.contained = true;
        w.migration.spec.assessment = Some(passed());
    }),
    (GateName::AssessmentPassed, Phase::Review, |w| w.migration.spec.scheme.project = None),
    (GateName::DepartmentConfirmed, Phase::Drafting, |_| {}),
];

fn passed() -> qianyun_crds::Assessment {
    qianyun_crds::Assessment {
        submitted_on: "2026-10-01".into(),
        accepted_on: None,
        pauses: Vec::new(),
        report: Some(crate::world::report(qianyun_crds::Conclusion::Passed, "2026-10-12")),
        city_approval_no: Some("2026-88".into()),
    }
}

/// Signed by everybody as it is, but for a department that has still to confirm.
fn signed(mut world: World, but_department: bool) -> World {
    world.sign_all();
    if but_department {
        world.approvals.retain(|a| a.spec.gate != GateName::DepartmentConfirmed);
    }
    world
}

fn approved(facts: &Facts, world: &World) -> Verdict {
    judge(GateName::DualApproved, facts, world.now)
}

fn waits_for(verdict: &Verdict) -> Vec<GateName> {
    let Verdict::Closed(Reason::NotInEffect { waits_for, .. }) = verdict else { panic!("{verdict:?}") };
    waits_for.iter().map(|obstacle| obstacle.gate).collect()
}

#[test]
fn each_paper_holds_the_approval_back_and_the_decisions_are_counted_all_the_same() {
    assert_eq!(CLOSES.map(|(gate, ..)| gate), APPROVAL_NEEDS);
    for (gate, expected, close) in CLOSES {
        let mut world = World::new();
        close(&mut world);
        let mut world = signed(world, gate == GateName::DepartmentConfirmed);
        let facts = world.facts();
        assert_eq!(waits_for(&approved(&facts, &world)), [gate]);
        assert_eq!(phase::phase(&facts, world.now), expected, "{gate:?}");
        let status = system_migration::status(&facts, None, world.now);
        assert_eq!((status.approvals.as_deref(), status.blocked_by), (Some("2/2"), Some(gate)));
        let condition = status.conditions.iter().find(|c| c.type_ == "DualApproved").unwrap();
        assert_eq!((condition.status.as_str(), condition.reason.as_str()), ("False", "NotInEffect"));
        assert!(condition.message.contains(&format!("{gate:?} (")), "{}", condition.message);
        for _ in 0..5 {
            assert_eq!(world.tick(), [], "{gate:?}");
        }
    }
}

#[test]
fn with_every_paper_there_the_same_decisions_take_effect_by_themselves() {
    let mut world = World::new();
    let (mlps, catalogue) = (world.system.spec.mlps.take(), world.system.spec.catalogue.take());
    world.platform.spec.mlps.level = 2;
    let mut world = signed(world, false);
    let on = [GateName::SystemGraded, GateName::TargetLevelSufficient, GateName::CataloguePrepared];
    assert_eq!(waits_for(&approved(&world.facts(), &world)), on);
    world.system.spec.mlps = mlps;
    world.platform.spec.mlps.level = 3;
    assert_eq!(waits_for(&approved(&world.facts(), &world)), [GateName::CataloguePrepared]);
    assert_eq!(phase::phase(&world.facts(), world.now), Phase::Review);
    world.system.spec.catalogue = catalogue;
    assert_eq!(approved(&world.facts(), &world), Verdict::Open);
    assert_eq!(phase::phase(&world.facts(), world.now), Phase::Approved);
}

#[test]
fn what_an_approval_waits_for_names_each_gate_and_who_opens_it_in_both_languages() {
    let mut world = World::new();
    world.system.spec.mlps = None;
    world.platform.spec.mlps.level = 2;
    let world = signed(world, false);
    let Verdict::Closed(reason) = approved(&world.facts(), &world) else { panic!() };
    assert_eq!(reason.party(), Some(Party::Department));
    let words = reason.words(&Zone::default());
    let en = "SystemGraded (the department), TargetLevelSufficient (the cloud platform operator)";
    assert!(words.en.starts_with("2 of 2 offices approved this scheme") && words.en.contains(en), "{}", words.en);
    let zh = "定级备案(使用单位)、平台等保满足(云平台运维单位)";
    assert!(words.zh.starts_with("两办审批 2/2,但审批尚未生效") && words.zh.contains(zh), "{}", words.zh);
}

#[test]
fn the_clock_of_the_review_stops_when_both_offices_have_decided() {
    let mut world = World::new();
    world.system.spec.mlps = None;
    let mut world = signed(world, false);
    let received_on = "2026-11-23".to_string();
    world.migration.spec.receipt =
        Some(qianyun_crds::SchemeReceipt { received_on, digest: world.digest(), pauses: Vec::new() });
    let due = |world: &World| system_migration::status(&world.facts(), None, world.now).next_due.unwrap().what;
    assert_eq!(due(&world), "acceptance due by the migration plan");
    world.approvals.pop();
    assert_eq!(due(&world), "service target of the offices' review");
}

#[test]
fn as_long_as_offices_have_to_decide_that_is_what_the_gate_says() {
    let mut world = World::new();
    world.system.spec.mlps = None;
    let mut world = signed(world, false);
    world.approvals.pop();
    assert!(matches!(approved(&world.facts(), &world), Verdict::Closed(Reason::ApprovalsMissing { have: 1, .. })));
    world.decide(GateName::DualApproved, "smartCityOffice", "sco-zhao", Decision::Return);
    assert!(matches!(approved(&world.facts(), &world), Verdict::Closed(Reason::Returned { .. })));
}

#[test]
fn a_paper_that_cannot_be_read_lets_no_approval_take_effect() {
    let world = World::approved(&["db1"]);
    for (what, forget) in [
        (Asked::System, (|f| f.system = Known::Unknown) as fn(&mut Facts)),
        (Asked::Platform, |f| f.platform = Known::Unknown),
        (Asked::Host, |f| f.hosts[0].host = Known::Unknown),
        (Asked::LeftOut, |f| f.left_out = Known::Unknown),
    ] {
        let mut facts = world.facts();
        forget(&mut facts);
        assert_eq!(approved(&facts, &world), Verdict::Unknown(Reason::NotKnown { what }));
        assert_eq!(phase::phase(&facts, world.now), Phase::Review);
        // One that is known to be missing is said first: somebody can act on it.
        facts.migration.spec.scheme.emergency_plan = None;
        assert!(waits_for(&approved(&facts, &world)).contains(&GateName::EmergencyPlanReady), "{what:?}");
    }
    let mut facts = world.facts();
    facts.system = Known::Absent;
    let of_the_system = [
        GateName::NonClassifiedDeclared,
        GateName::SystemGraded,
        GateName::TargetLevelSufficient,
        GateName::CataloguePrepared,
    ];
    assert_eq!(waits_for(&approved(&facts, &world)), of_the_system);
}

#[test]
fn no_plan_that_begins_something_passes_the_lint_before_the_papers_are_there() {
    let world = World::approved(&["db1"]);
    let plan = system_migration::plan(&world.facts(), world.now);
    assert!(!plan.actions.is_empty());
    assert_eq!(lint::check(&world.facts(), &plan, world.now), None);
    let mut facts = world.facts();
    facts.system = Known::Absent;
    assert_eq!(lint::check(&facts, &plan, world.now), Some(lint::Violation::TouchesWithoutApproval));
}

#[test]
fn a_paper_that_lapses_stops_no_copy_and_lets_no_cutover_begin() {
    let mut world = World::in_sync(&["db1"]);
    world.platform.spec.mlps.level = 2;
    world.at(world.migration.spec.scheme.window.start.0);
    for _ in 0..5 {
        assert_eq!(world.tick(), []);
    }
    assert_eq!(world.intent("db1"), Some(HostIntent::Replicate));
    let waiting = host_migration::plan(&world.facts(), "db1", world.now).waiting;
    let Some(WaitingOn::Gate(obstacle)) = waiting else { panic!("{waiting:?}") };
    assert_eq!(obstacle.gate, GateName::TargetLevelSufficient);
    // Once the copy is stopped for another reason, it begins anew with all papers only.
    world.decide(GateName::DualApproved, "smartCityOffice", "sco-zhao", Decision::Return);
    world.until("stopped", |w| w.intent("db1") == Some(HostIntent::Idle));
    world.approvals.pop();
    assert_eq!(waits_for(&approved(&world.facts(), &world)), [GateName::TargetLevelSufficient]);
    assert_eq!(phase::phase(&world.facts(), world.now), Phase::Review);
}

#[test]
fn a_paper_that_lapses_after_the_commit_holds_up_no_launch() {
    let mut world = World::fenced(&["db1"]);
    world.system.spec.mlps = None;
    world.platform.spec.mlps.level = 2;
    world.until("served", |w| phase::phase(&w.facts(), w.now) == Phase::Provisional);
}
