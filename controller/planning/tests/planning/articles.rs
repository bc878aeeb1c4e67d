//! The articles of the Measures that this product carries out, one test each or more, named after the article. What each says, and
//! why some are left to people, is in `docs/regulation.md`.
#![allow(clippy::unwrap_used)]

use crate::world::{World, custody_record, meeting, report};
use jiff::ToSpan;
use qianyun_crds::{
    Acceptance, Assessment, Certificate, Conclusion, CustodyDisposition, CustodyState, Decision, DepartmentKind,
    GateName, HardwareExemption, Incident, IncidentGrade, Lamp, Party, PartyRole, Phase, PlanCounts, ProjectParty,
};
use qianyun_planning::calendar::Zone;
use qianyun_planning::facts::Known;
use qianyun_planning::gate::{GATES, judge};
use qianyun_planning::new_hardware::{self, Hardware};
use qianyun_planning::plan_status::{self, PlanFacts, PlannedSystemFacts};
use qianyun_planning::preview::{Language, preview};
use qianyun_planning::reason::{Reason, ReportKind, Verdict};
use qianyun_planning::sequence::{Step, needs};
use qianyun_planning::{Action, calendar, phase, system_migration};

#[track_caller]
fn found(world: &World, name: GateName) -> Verdict {
    judge(name, &world.facts(), world.now)
}

#[track_caller]
fn assert_closed(world: &World, name: GateName, expected: &Reason) {
    assert_eq!(found(world, name), Verdict::Closed(expected.clone()), "{name:?}");
}

fn is_open(world: &World, name: GateName) -> bool {
    found(world, name).passes()
}

/// Everything is signed; this is what the controller then does to the server in five seconds.
fn actions_when_signed(mut world: World) -> Vec<Action> {
    world.sign_all();
    (0..5).flat_map(|_| world.tick()).collect()
}

/// In its trial run since 2026-11-23.
fn in_trial() -> World {
    let mut world = World::in_sync(&["db1"]);
    world.until("served", |w| phase::phase(&w.facts(), w.now) == Phase::Provisional);
    world.confirm();
    world.tick();
    world
}

/// The trial run is over, and all papers of the acceptance are there, but for a signature.
fn before_acceptance() -> World {
    let mut world = in_trial();
    world.at("2027-03-01T04:00:00Z".parse().unwrap());
    world.migration.spec.acceptance = Some(Acceptance {
        performance_test: Some(report(Conclusion::Passed, "2027-02-25")),
        security_assessment: None,
        meeting: Some(meeting("2027-03-01")),
        issues: Vec::new(),
    });
    world.tick();
    world
}

/// What the plan says of systems in these phases, each of a department of this kind.
fn counts_of(systems: &[(DepartmentKind, Phase)]) -> (PlanCounts, String) {
    let world = World::approved(&["db1"]);
    let facts = world.facts();
    let Known::Is(mut plan) = facts.plan else { panic!() };
    plan.spec.systems = vec![plan.spec.systems[0].clone(); systems.len()];
    let of = |(kind, phase): &(DepartmentKind, Phase)| PlannedSystemFacts {
        exists: Known::Is(()),
        department: Some(*kind),
        phase: Some(*phase),
    };
    let facts = PlanFacts {
        plan,
        digest: facts.plan_digest,
        policy: facts.policy,
        approvals: facts.approvals,
        systems: systems.iter().map(of).collect(),
        freezes: facts.freezes,
        zone: facts.zone,
    };
    let status = plan_status::status(&facts, "2028-01-01T00:00:00Z".parse().unwrap());
    (status.counts.unwrap(), status.migration_rate.unwrap())
}

#[test]
fn article_2_others_than_municipal_departments_may_migrate_and_are_never_late() {
    use DepartmentKind::{County, IndustryUnit, MunicipalDepartment, Park, PublicInstitution};
    let late = [MunicipalDepartment, County, Park, IndustryUnit, PublicInstitution].map(|k| (k, Phase::Drafting));
    let (counts, _) = counts_of(&late);
    assert_eq!((counts.due, counts.overdue, counts.not_bound), (1, 1, 4));
    let mut world = World::new();
    world.at("2028-01-01T00:00:00Z".parse().unwrap());
    world.department.spec.kind = IndustryUnit;
    let status = system_migration::status(&world.facts(), None, world.now);
    assert_ne!(status.lamp, Some(Lamp::Overdue));
}

#[test]
fn article_4_which_body_is_an_office_is_said_by_the_policy() {
    let mut world = World::new();
    let Known::Is(policy) = &mut world.policy else { panic!() };
    policy.spec.scheme_approvers = vec!["municipalGovernmentOffice".into(), "dataBureau".into()];
    let mut bureau = policy.spec.roles[1].clone();
    bureau.name = "dataBureau".into();
    policy.spec.roles.push(bureau);
    world.sign_all();
    assert!(!is_open(&world, GateName::DualApproved));
    world.decide(GateName::DualApproved, "dataBureau", "bureau-sun", Decision::Approve);
    assert!(is_open(&world, GateName::DualApproved));
}

#[test]
fn article_5_counties_are_counted_apart_from_the_rate_of_the_city() {
    let moved = [(DepartmentKind::MunicipalDepartment, Phase::Trial), (DepartmentKind::County, Phase::Drafting)];
    let (counts, rate) = counts_of(&moved);
    assert_eq!((counts.due, counts.migrated, counts.not_bound, rate.as_str()), (1, 1, 1, "100%"));
}

#[test]
fn article_9_what_the_platform_lacks_is_addressed_to_its_operator() {
    let mut world = World::new();
    world.platform.spec.mlps.level = 2;
    world.decide(GateName::PlanIssued, "municipalGovernmentOffice", "mgo-zhang", Decision::Approve);
    world.decide(GateName::PlanIssued, "smartCityOffice", "sco-zhao", Decision::Approve);
    let waiting = system_migration::plan(&world.facts(), world.now).waiting.unwrap();
    assert_eq!((waiting.name().as_str(), waiting.party()), ("TargetLevelSufficient", Party::Operator));
}

fn exemption(serial: &str, until: &str) -> HardwareExemption {
    HardwareExemption {
        serial: serial.into(),
        basis: "Regulation on registers, article 9".into(),
        document_no: "No. 3".into(),
        issued_by: "Ministry".into(),
        valid_until: until.into(),
    }
}

/// What is said of a server with this firmware, while this policy is known and the system has these exemptions.
fn said_of(firmware: Option<&str>, custody: CustodyState, exemptions: &[HardwareExemption]) -> Hardware {
    let world = World::approved(&["db1"]);
    let mut inventory = world.servers[0].physical.status.clone().unwrap().inventory.unwrap();
    inventory.firmware_date = firmware.map(str::to_owned);
    let today = calendar::day(world.now);
    new_hardware::judge(
        Some(&inventory),
        custody,
        &world.policy.get().cloned().into_iter().collect::<Vec<_>>(),
        exemptions,
        |_| today,
    )
}

#[test]
fn article_10_a_server_made_under_the_policy_is_to_be_explained_and_an_older_one_is_not() {
    let of = |firmware| said_of(firmware, CustodyState::InService, &[]).name();
    // In force from 2018-03-16 to 2020-03-15.
    let days = ["2018-03-15", "2018-03-16", "2020-03-15", "2020-03-16"].map(|day| of(Some(day)));
    assert_eq!(days, ["OlderThanPolicy", "NewerThanPolicy", "NewerThanPolicy", "OlderThanPolicy"]);
    assert_eq!((of(None), of(Some("soon"))), ("DayUnknown", "DayUnknown"));
    assert_eq!(said_of(Some("2019-01-01"), CustodyState::InCustody, &[]).name(), "NotInUseOutside");
    assert_eq!(said_of(Some("2019-01-01"), CustodyState::RetainedInPlace, &[]).name(), "NewerThanPolicy");
}

#[test]
fn article_10_an_exemption_that_holds_clears_it_and_one_that_ended_is_told() {
    let of = |exemption| said_of(Some("2019-01-01"), CustodyState::InService, &[exemption]);
    assert_eq!(of(exemption("S-db1", "2030-01-01")), Hardware::Exempted { document_no: "No. 3".into() });
    assert_eq!(of(exemption("another", "2030-01-01")).name(), "NewerThanPolicy");
    let words = of(exemption("S-db1", "2020-01-01")).words();
    assert!(words.en.starts_with("to be verified") && words.en.contains("until 2020-01-01 has ended"), "{}", words.en);
    assert!(words.zh.starts_with("待核实") && words.zh.contains("原豁免至2020-01-01"), "{}", words.zh);
}

#[test]
fn article_10_an_exemption_for_hardware_is_noted_and_holds_nothing_up() {
    let plain = World::approved(&["db1"]);
    let mut noted = plain.clone();
    noted.system.spec.hardware_exemptions = vec![exemption("S-db1", "2026-01-01")];
    for gate in GATES {
        assert_eq!(found(&plain, gate.name), found(&noted, gate.name), "{:?}", gate.name);
    }
}

#[test]
fn article_12_a_system_moves_to_the_platform_that_is_there_and_to_no_other() {
    let mut world = World::approved(&["db1"]);
    assert!(is_open(&world, GateName::TargetLevelSufficient));
    let mut facts = world.facts();
    facts.platform = Known::Absent;
    assert!(matches!(
        judge(GateName::TargetLevelSufficient, &facts, world.now),
        Verdict::Closed(Reason::NotFound { .. })
    ));
    // Another platform is another scheme: nobody approved it.
    world.migration.spec.platform_ref = "another".into();
    assert!(!is_open(&world, GateName::DualApproved));
}

#[test]
fn article_14_an_opinion_on_the_scheme_reaches_its_author() {
    let mut world = World::new();
    world.decide(GateName::DualApproved, "smartCityOffice", "sco-zhao", Decision::Return);
    let opinion = "the rollback is not described".to_string();
    assert_closed(&world, GateName::DualApproved, &Reason::Returned { by: "sco-zhao".into(), opinion });
}

#[test]
fn article_17_the_plan_is_of_a_year_and_another_year_is_another_plan() {
    let mut world = World::approved(&["db1"]);
    assert!(is_open(&world, GateName::PlanIssued));
    world.plan.spec.year = 2027;
    assert!(!is_open(&world, GateName::PlanIssued));
}

fn with_project(assessment: Option<Assessment>) -> World {
    let mut world = World::new();
    world.migration.spec.scheme.project.as_mut().unwrap().contained = true;
    for role in [PartyRole::Designer, PartyRole::Contractor, PartyRole::Supervisor] {
        world.migration.spec.scheme.parties.push(party(role, "2027-12-31"));
    }
    world.migration.spec.assessment = assessment;
    world
}

fn party(role: PartyRole, valid_until: &str) -> ProjectParty {
    let certificate =
        Certificate { name: "Grade A".into(), number: "C-1".into(), grade: None, valid_until: valid_until.into() };
    let name = format!("{role:?}");
    ProjectParty { role, name, credit_code: None, certificate: Some(certificate), no_certificate_basis: None }
}

fn accepted_on(day: &str) -> Assessment {
    Assessment {
        submitted_on: day.into(),
        accepted_on: Some(day.into()),
        pauses: Vec::new(),
        report: None,
        city_approval_no: None,
    }
}

#[test]
fn article_18_a_project_is_evaluated_within_twenty_working_days() {
    for (accepted, due) in [("2026-02-05", "2026-03-11"), ("2026-05-08", "2026-06-04"), ("2026-09-15", "2026-10-19")] {
        let mut world = with_project(Some(accepted_on(accepted)));
        world.at(format!("{accepted}T01:00:00Z").parse().unwrap());
        let Verdict::Closed(reason) = found(&world, GateName::AssessmentPassed) else { panic!() };
        let expected = format!("due on {due}, 20 working days left");
        assert!(reason.words(&Zone::default()).en.contains(&expected), "{}", reason.words(&Zone::default()).en);
        assert!(reason.words(&Zone::default()).zh.contains(due));
    }
}

#[test]
fn article_19_parties_hold_valid_certificates_on_the_day_of_the_cutover() {
    let mut world = with_project(None);
    assert!(is_open(&world, GateName::PartiesQualified));
    world.migration.spec.scheme.parties[2] = party(PartyRole::Supervisor, "2026-11-22");
    assert!(matches!(found(&world, GateName::PartiesQualified), Verdict::Closed(Reason::CertificateExpired { .. })));
    world.migration.spec.scheme.parties.pop();
    assert_closed(&world, GateName::PartiesQualified, &Reason::PartyMissing { role: PartyRole::Supervisor });
}

#[test]
fn article_20_a_trial_lasts_three_calendar_months() {
    let mut world = in_trial();
    for (at, open) in [("2027-02-23T15:59:59Z", false), ("2027-02-23T16:00:00Z", true)] {
        world.at(at.parse().unwrap());
        assert_eq!(is_open(&world, GateName::TrialElapsed), open, "{at}");
    }
}

#[test]
fn article_20_an_acceptance_needs_its_tests_and_the_units_that_built() {
    let mut world = before_acceptance();
    assert!(is_open(&world, GateName::PerformanceTested));
    assert!(is_open(&world, GateName::SecurityAssessed));
    let papers = world.migration.spec.acceptance.as_mut().unwrap();
    papers.performance_test = None;
    papers.meeting.as_mut().unwrap().participants.clear();
    let missing = Reason::ReportMissing { kind: ReportKind::PerformanceTest };
    assert_closed(&world, GateName::PerformanceTested, &missing);
    assert_closed(&world, GateName::Accepted, &Reason::ParticipantMissing { role: PartyRole::Designer });
    world.migration.spec.scheme.security_works = true;
    let missing = Reason::ReportMissing { kind: ReportKind::SecurityAssessment };
    assert_closed(&world, GateName::SecurityAssessed, &missing);
}

#[test]
fn article_21_the_plan_counts_and_gives_no_score() {
    use DepartmentKind::MunicipalDepartment as Of;
    let (counts, rate) = counts_of(&[(Of, Phase::Closed), (Of, Phase::Trial), (Of, Phase::Review)]);
    assert_eq!((counts.due, counts.migrated, counts.completed, counts.overdue), (3, 2, 1, 2));
    assert_eq!(rate, "66%");
}

#[test]
fn article_22_only_what_is_declared_non_classified_moves() {
    let mut world = World::new();
    world.system.spec.declaration.declared_by.clear();
    assert_closed(&world, GateName::NonClassifiedDeclared, &Reason::SystemNotDeclared);
    assert_eq!(actions_when_signed(world), []);
}

#[test]
fn article_22_a_system_is_closed_when_its_old_servers_are_in_custody() {
    let mut world = before_acceptance();
    assert_closed(&world, GateName::AllHostsDisposed, &Reason::DeviceNotSettled { host: "db1".into() });
    world.system.spec.catalogue.as_mut().unwrap().registration = Some(qianyun_crds::CatalogueRegistration {
        number: "C-77".into(),
        registered_on: "2027-02-26".into(),
        confirmed_by: "Zhang".into(),
    });
    world.decide(GateName::Accepted, "department", "dept-li", Decision::Approve);
    world.tick();
    world.custody = vec![custody_record("r1", "db1", CustodyDisposition::InCustody, "2027-03-02")];
    world.tick();
    assert_eq!(phase::phase(&world.facts(), world.now), Phase::Closed);
}

#[test]
fn article_23_nothing_touches_a_server_before_both_offices_approved_this_scheme() {
    for step in [Step::Replicate, Step::Cutover, Step::Commit, Step::Launch] {
        assert!(needs(step).contains(&GateName::DualApproved), "{step:?}");
    }
    let mut world = World::approved(&["db1"]);
    world.approvals.pop();
    assert!((0..5).flat_map(|_| world.tick()).next().is_none());
    world.decide(GateName::DualApproved, "smartCityOffice", "op-wang", Decision::Approve);
    assert!((0..5).flat_map(|_| world.tick()).next().is_none(), "the author approved");
    world.decide(GateName::DualApproved, "smartCityOffice", "sco-zhao", Decision::Approve);
    assert!((0..5).flat_map(|_| world.tick()).next().is_some());
}

#[test]
fn article_27_the_catalogue_is_drafted_before_and_registered_after() {
    let mut world = World::new();
    world.system.spec.catalogue.as_mut().unwrap().item_count = 0;
    assert_closed(&world, GateName::CataloguePrepared, &Reason::CatalogueNotPrepared);
    assert_closed(&world, GateName::CatalogueRegistered, &Reason::CatalogueNotRegistered);
    assert!(needs(Step::Replicate).contains(&GateName::CataloguePrepared));
    assert!(needs(Step::Accept).contains(&GateName::CatalogueRegistered));
}

#[test]
fn article_28_the_platform_is_of_level_three_and_assessed() {
    let mut world = World::new();
    assert_eq!(world.system.spec.mlps.as_ref().unwrap().level, 2);
    world.platform.spec.mlps.level = 2;
    let too_low = Reason::PlatformLevelTooLow { level: 2, needed: 3 };
    assert_closed(&world, GateName::TargetLevelSufficient, &too_low);
    world.platform.spec.mlps.level = 3;
    world.platform.spec.mlps.next_due = "2026-11-22".into();
    let overdue = Reason::AssessmentOverdue { due: "2026-11-22".into() };
    assert_closed(&world, GateName::TargetLevelSufficient, &overdue);
    assert!(needs(Step::Cutover).contains(&GateName::TargetLevelSufficient));
}

#[test]
fn article_29_a_system_is_graded_and_has_an_emergency_plan() {
    let mut world = World::new();
    world.system.spec.mlps = None;
    world.migration.spec.scheme.emergency_plan = None;
    assert_closed(&world, GateName::SystemGraded, &Reason::SystemNotGraded);
    assert_closed(&world, GateName::EmergencyPlanReady, &Reason::EmergencyPlanMissing);
    assert_eq!(actions_when_signed(world), []);
}

#[test]
fn article_31_security_is_in_use_before_the_first_user() {
    let mut world = World::in_sync(&["db1"]);
    world.migration.spec.security_in_use = None;
    assert_closed(&world, GateName::SecurityInUse, &Reason::SecurityNotInUse);
    world.pass(5);
    assert!((0..5).flat_map(|_| world.tick()).next().is_none());
}

#[test]
fn article_32_an_incident_is_on_record_and_resolved_before_the_acceptance() {
    let mut world = before_acceptance();
    let at = k8s_openapi::apimachinery::pkg::apis::meta::v1::Time(world.now.checked_sub(48.hours()).unwrap());
    world.migration.spec.incidents = vec![Incident {
        number: 1,
        occurred_at: at,
        grade: IncidentGrade::General,
        impact: "slow".into(),
        action: "restarted".into(),
        reported_to: None,
        resolved_at: None,
    }];
    assert_closed(&world, GateName::Accepted, &Reason::IncidentOpen { number: 1 });
}

#[test]
fn article_33_a_project_that_was_not_evaluated_and_passed_is_not_built() {
    let mut failed = accepted_on("2026-10-12");
    failed.report = Some(report(Conclusion::Failed, "2026-11-02"));
    let mut not_approved = accepted_on("2026-10-12");
    not_approved.report = Some(report(Conclusion::Passed, "2026-11-02"));
    for assessment in [None, Some(failed), Some(not_approved.clone())] {
        assert_eq!(actions_when_signed(with_project(assessment)), []);
    }
    not_approved.city_approval_no = Some("No. 10".into());
    assert_ne!(actions_when_signed(with_project(Some(not_approved))), []);
}

#[test]
fn article_34_what_is_carried_out_is_what_was_approved() {
    let mut world = World::in_sync(&["db1"]);
    world.edit();
    world.tick();
    assert_eq!(world.intent("db1"), Some(qianyun_crds::HostIntent::Idle));
    assert!(!is_open(&world, GateName::DualApproved));
    assert!(!is_open(&world, GateName::DepartmentConfirmed));
}

#[test]
fn article_37_measures_that_have_expired_are_shown_and_block_nothing() {
    let mut world = World::approved(&["db1"]);
    assert_eq!(world.policy.get().unwrap().spec.effective_until.as_deref(), Some("2020-03-15"));
    assert!(needs(Step::Replicate).iter().all(|gate| is_open(&world, *gate)));
    let told = Told::of(&world);
    assert_eq!(told.en.len(), 1, "{told:?}");
    assert!(told.en[0].starts_with("[!] The rules of the policy profile expired on 2020-03-15"), "{told:?}");
    assert!(told.zh[0].starts_with("[!] 制度依据已过有效期(至 2020-03-15),请核实现行规定"), "{told:?}");
    policy(&mut world).effective_from = "2027-01-01".into();
    policy(&mut world).effective_until = None;
    assert!(Told::of(&world).en[0].contains("are in force from 2027-01-01 only"), "{:?}", Told::of(&world));
    policy(&mut world).effective_from = "2018-03-16".into();
    assert_eq!(Told::of(&world), Told::default());
}

#[test]
fn article_37_an_office_that_the_policy_does_not_ask_is_shown_and_blocks_nothing() {
    let mut world = World::new();
    policy(&mut world).effective_until = None;
    policy(&mut world).plan_issuers.pop();
    let told = Told::of(&world);
    let en = "[!] The policy profile leaves out whom Art. 23 asks: the smart-city office in spec.planIssuers.";
    assert!(told.en.len() == 1 && told.en[0].starts_with(en), "{told:?}");
    let zh = "[!] 制度配置缺少第二十三条要求的单位:spec.planIssuers 中的市智慧办;";
    assert!(told.zh[0].starts_with(zh), "{told:?}");
    assert!(is_open(&world, GateName::SchemeValid));
}

#[test]
fn article_37_gates_of_the_law_that_are_switched_off_are_shown_and_block_nothing() {
    let mut world = World::new();
    policy(&mut world).effective_until = None;
    for name in [GateName::SystemGraded, GateName::RehearsalPassed, GateName::DualApproved] {
        let basis = "minutes No. 12".to_string();
        policy(&mut world).gates.push(qianyun_crds::GateSwitch { name, enabled: false, basis });
    }
    world.system.spec.mlps = None;
    // Practice is the city's own affair, and the two offices cannot be switched off.
    let told = Told::of(&world);
    assert_eq!(told.en.len(), 1, "{told:?}");
    let en = "[!] The policy profile switches off what the law asks for: SystemGraded (Art. 29) by minutes No. 12.";
    assert!(told.en[0].starts_with(en), "{told:?}");
    let zh = "[!] 制度配置关闭了法规要求的条件:定级备案(办法第29条,依据:minutes No. 12)";
    assert!(told.zh[0].starts_with(zh), "{told:?}");
    assert!(!actions_when_signed(world).is_empty());
}

#[test]
fn article_37_numbers_that_ask_less_than_the_law_are_shown_and_block_nothing() {
    let mut world = World::new();
    policy(&mut world).effective_until = None;
    let numbers = &mut policy(&mut world).numbers;
    (numbers.assessment_working_days, numbers.trial_months, numbers.platform_level) = (30, 0, 2);
    // Numbers of practice are the city's own affair.
    (numbers.rehearsal_max_age_days, numbers.review_target_working_days) = (365, 250);
    let told = Told::of(&world);
    let en = "[!] The policy profile asks less than the law: spec.numbers.assessmentWorkingDays is 30, where Art. 18 gives 20 working \
              days for the evaluation of a project; spec.numbers.trialMonths is 0, where Art. 20 asks for a trial run of 3 months; \
              spec.numbers.platformLevel is 2, where Art. 28 asks for a platform of level 3. It blocks nothing.";
    assert_eq!(told.en, [en]);
    let zh = "[!] 制度配置的数值宽于法规要求:spec.numbers.assessmentWorkingDays 为 30(办法第18条:论证评估 20 个工作日内)、\
              spec.numbers.trialMonths 为 0(办法第20条:试运行 3 个月以上)、\
              spec.numbers.platformLevel 为 2(办法第28条:平台等保第 3 级);不阻断办理。";
    // Where a line is broken there may have been a space.
    let without_spaces = |text: &str| text.replace(' ', "");
    assert_eq!((told.zh.len(), without_spaces(&told.zh[0])), (1, without_spaces(zh)));
    let numbers = &mut policy(&mut world).numbers;
    (numbers.assessment_working_days, numbers.trial_months, numbers.platform_level) = (10, 6, 4);
    assert_eq!(Told::of(&world), Told::default(), "more than the law asks is the city's to ask");
    policy(&mut world).numbers.platform_level = 1;
    assert!(!actions_when_signed(world).is_empty());
}

fn policy(world: &mut World) -> &mut qianyun_crds::PolicyProfileSpec {
    let Known::Is(policy) = &mut world.policy else { panic!() };
    &mut policy.spec
}

/// What the preview tells of the rules, above everything else: one paragraph each.
#[derive(Debug, Default, PartialEq)]
struct Told {
    en: Vec<String>,
    zh: Vec<String>,
}

impl Told {
    fn of(world: &World) -> Self {
        let preview = preview(&world.facts(), world.now);
        let told = |language, between: &str| {
            let text = preview.text(language);
            let top = text.split("\n\n").next().unwrap().replace("\n    ", between);
            top.lines().filter(|line| line.starts_with("[!] ")).map(str::to_owned).collect()
        };
        Told { en: told(Language::English, " "), zh: told(Language::Chinese, "") }
    }
}

#[test]
fn every_article_has_its_row_and_each_that_is_in_has_its_test() {
    let table = include_str!("../../../../docs/regulation.md");
    let tests = include_str!("articles.rs");
    for article in 1..=37 {
        let row = table.lines().find(|line| line.starts_with(&format!("| {article} |"))).unwrap();
        let scope = row.split('|').nth(2).unwrap().trim();
        assert!(["IN", "PART", "OUT"].contains(&scope), "{row}");
        let tested = tests.contains(&format!("fn article_{article}_"));
        assert_eq!(scope == "IN", tested, "article {article}");
    }
}
