//! From the trial run to 办结: what each gate asks, who signs what, and what an edit voids.
#![allow(clippy::unwrap_used)]

use crate::world::{World, custody_record, meeting, report};
use jiff::civil::date;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use qianyun_crds::{
    Acceptance, AcceptanceIssue, CatalogueRegistration, Conclusion, CustodyDisposition, CustodyRecord, Decision,
    GateName, Incident, IncidentGrade, Lamp, PartyRole, Phase,
};
use qianyun_planning::custody::{CustodyEffect, judge};
use qianyun_planning::phase::has_served;
use qianyun_planning::reason::{Reason, ReportKind, Verdict};
use qianyun_planning::{calendar, gate, phase};

#[track_caller]
fn found(world: &World, name: GateName) -> Verdict {
    gate::judge(name, &world.facts(), world.now)
}

fn phase_of(world: &World) -> Phase {
    phase::phase(&world.facts(), world.now)
}

/// In its trial run, which began on Mon 2026-11-23.
pub(crate) fn in_trial() -> World {
    let mut world = World::approved(&["db1"]);
    world.until("served", |w| has_served(&w.facts()));
    world.confirm();
    world.tick();
    assert_eq!(phase_of(&world), Phase::Trial);
    world
}

/// The trial run is over: it is noon of 2027-03-01.
fn after_trial() -> World {
    let mut world = in_trial();
    world = world.at("2027-03-01T04:00:00Z".parse().unwrap()).clone();
    world.tick();
    assert_eq!(phase_of(&world), Phase::Acceptance);
    world
}

/// All papers of an acceptance are there, and nobody signed yet.
pub(crate) fn with_papers() -> World {
    let mut world = after_trial();
    world.migration.spec.acceptance = Some(Acceptance {
        performance_test: Some(report(Conclusion::Passed, "2027-02-25")),
        security_assessment: None,
        meeting: Some(meeting("2027-03-01")),
        issues: Vec::new(),
    });
    world.system.spec.catalogue.as_mut().unwrap().registration = Some(CatalogueRegistration {
        number: "C-77".into(),
        registered_on: "2027-02-26".into(),
        confirmed_by: "Zhang".into(),
    });
    world
}

pub(crate) fn accepted() -> World {
    let mut world = with_papers();
    world.decide(GateName::Accepted, "department", "dept-li", Decision::Approve);
    world.tick();
    assert_eq!(phase_of(&world), Phase::Accepted);
    world
}

#[test]
fn a_trial_lasts_whole_calendar_months_and_its_last_day_counts() {
    let world = in_trial();
    assert_eq!(world.migration.status.as_ref().unwrap().trial_earliest_end.as_deref(), Some("2027-02-23"));
    for (at, open) in [("2027-02-23T15:59:59Z", false), ("2027-02-23T16:00:00Z", true)] {
        let later = world.clone().at(at.parse().unwrap()).clone();
        assert_eq!(found(&later, GateName::TrialElapsed).passes(), open, "{at}");
    }
}

#[test]
fn an_edit_in_the_trial_run_is_named_as_what_it_is_and_taken_back_without_loss() {
    let mut world = in_trial();
    let (carried_out, began) = (world.digest(), world.migration.status.as_ref().unwrap().trial_started_at.clone());
    world = world.at("2027-03-01T04:00:00Z".parse().unwrap()).clone();
    world.edit();
    world.migration.spec.acceptance = Some(Acceptance {
        performance_test: None,
        security_assessment: None,
        meeting: Some(meeting("2027-03-01")),
        issues: Vec::new(),
    });
    // Nor does it help to confirm the edited scheme: nobody carried that one out.
    for confirms_again in [false, true] {
        if confirms_again {
            world.confirm();
        }
        world.tick();
        for name in [GateName::CutoverConfirmed, GateName::TrialElapsed, GateName::Accepted] {
            let edited = Verdict::Closed(Reason::EditedAfterCommit { carried_out: carried_out.clone() });
            assert_eq!(found(&world, name), edited, "{name:?}");
        }
    }
    assert_eq!(phase_of(&world), Phase::Provisional);
    world.migration.spec.scheme.summary = world.migration.spec.scheme.summary.replace(" (edited)", "");
    world.tick();
    world.confirm();
    world.tick();
    assert_eq!(phase_of(&world), Phase::Acceptance);
    assert_eq!(world.migration.status.as_ref().unwrap().trial_started_at, began);
}

#[test]
fn a_grave_incident_begins_the_trial_again_only_where_the_policy_says_so() {
    let mut world = after_trial();
    let at = |text: &str| Time(text.parse().unwrap());
    world.migration.spec.incidents = vec![Incident {
        number: 1,
        occurred_at: at("2027-02-01T01:00:00Z"),
        grade: IncidentGrade::Major,
        impact: "no registration for a day".into(),
        action: "restored".into(),
        reported_to: Some("cyberspace office".into()),
        resolved_at: Some(at("2027-02-02T01:00:00Z")),
    }];
    assert!(found(&world, GateName::TrialElapsed).passes());
    let mut facts = world.facts();
    let qianyun_planning::facts::Known::Is(policy) = &mut facts.policy else { panic!() };
    policy.spec.numbers.trial_restarts_after_grave_incident = true;
    let Verdict::Closed(Reason::TrialNotOver { earliest_end, .. }) =
        gate::judge(GateName::TrialElapsed, &facts, world.now)
    else {
        panic!()
    };
    assert_eq!(earliest_end, "2027-05-02");
}

#[test]
fn each_paper_that_is_missing_or_failed_keeps_a_system_from_its_acceptance() {
    let closed = |change: fn(&mut World), name: GateName, reason: Reason| {
        let mut world = with_papers();
        change(&mut world);
        assert_eq!(found(&world, name), Verdict::Closed(reason), "{name:?}");
        world.decide(GateName::Accepted, "department", "dept-li", Decision::Approve);
        world.tick();
        assert_eq!(phase_of(&world), Phase::Acceptance, "{name:?}");
    };
    closed(
        |w| w.migration.spec.acceptance.as_mut().unwrap().performance_test = None,
        GateName::PerformanceTested,
        Reason::ReportMissing { kind: ReportKind::PerformanceTest },
    );
    closed(
        |w| {
            w.migration.spec.acceptance.as_mut().unwrap().performance_test =
                Some(report(Conclusion::Failed, "2027-02-25"));
        },
        GateName::PerformanceTested,
        Reason::ReportFailed { kind: ReportKind::PerformanceTest },
    );
    closed(
        |w| w.system.spec.catalogue.as_mut().unwrap().registration = None,
        GateName::CatalogueRegistered,
        Reason::CatalogueNotRegistered,
    );
    closed(
        |w| w.migration.spec.acceptance.as_mut().unwrap().meeting = None,
        GateName::Accepted,
        Reason::MeetingNotHeld,
    );
    closed(
        |w| w.migration.spec.acceptance.as_mut().unwrap().meeting = Some(meeting("2027-03-02")),
        GateName::Accepted,
        Reason::MeetingNotHeld,
    );
    closed(
        |w| w.migration.spec.acceptance.as_mut().unwrap().meeting = Some(meeting("2027-02-23")),
        GateName::Accepted,
        Reason::MeetingTooEarly { held_on: "2027-02-23".into(), earliest_end: "2027-02-23".into() },
    );
    closed(
        |w| drop(w.migration.spec.acceptance.as_mut().unwrap().meeting.as_mut().unwrap().participants.pop()),
        GateName::Accepted,
        Reason::ParticipantMissing { role: PartyRole::Supervisor },
    );
    closed(
        |w| w.migration.spec.acceptance.as_mut().unwrap().meeting.as_mut().unwrap().conclusion = Conclusion::Failed,
        GateName::Accepted,
        Reason::MeetingFailed,
    );
}

#[test]
fn a_report_of_a_day_to_come_or_a_test_before_the_trial_run_proves_nothing() {
    let day = |report_of: &str| {
        let mut world = with_papers();
        world.migration.spec.acceptance.as_mut().unwrap().performance_test =
            Some(report(Conclusion::Passed, report_of));
        found(&world, GateName::PerformanceTested)
    };
    let kind = ReportKind::PerformanceTest;
    let to_come = Reason::ReportNotIssuedYet { kind, issued_on: "2027-03-02".into() };
    let before = Reason::ReportBeforeTrial { kind, issued_on: "2026-11-22".into(), began_on: "2026-11-23".into() };
    assert_eq!((day("2027-03-02"), day("2026-11-22")), (Verdict::Closed(to_come), Verdict::Closed(before)));
    assert_eq!((day("2027-03-01"), day("2026-11-23")), (Verdict::Open, Verdict::Open));
}

#[test]
fn a_performance_test_counts_from_the_day_on_which_the_trial_run_is_recorded_to_have_begun_also_while_an_edit_hides_it()
{
    let mut world = with_papers();
    world.edit();
    world.tick();
    assert_eq!(found(&world, GateName::PerformanceTested), Verdict::Open);
    let mut world = World::approved(&["db1"]);
    world.migration.spec.acceptance = Some(Acceptance {
        performance_test: Some(report(Conclusion::Passed, "2026-11-20")),
        security_assessment: None,
        meeting: None,
        issues: Vec::new(),
    });
    assert_eq!(found(&world, GateName::PerformanceTested), Verdict::Closed(Reason::TrialNotBegun));
}

#[test]
fn security_works_need_the_assessment_of_an_authorised_body() {
    let mut world = with_papers();
    assert!(found(&world, GateName::SecurityAssessed).passes());
    world.migration.spec.scheme.security_works = true;
    let missing = Reason::ReportMissing { kind: ReportKind::SecurityAssessment };
    assert_eq!(found(&world, GateName::SecurityAssessed), Verdict::Closed(missing));
    world.migration.spec.acceptance.as_mut().unwrap().security_assessment =
        Some(report(Conclusion::Passed, "2027-02-27"));
    assert!(found(&world, GateName::SecurityAssessed).passes());
    let assessed_on = |day| {
        let mut world = world.clone();
        world.migration.spec.acceptance.as_mut().unwrap().security_assessment = Some(report(Conclusion::Passed, day));
        found(&world, GateName::SecurityAssessed)
    };
    assert_eq!(assessed_on("2026-11-02"), Verdict::Open, "the Measures do not say that it follows the cutover");
    let to_come = Reason::ReportNotIssuedYet { kind: ReportKind::SecurityAssessment, issued_on: "2027-03-02".into() };
    assert_eq!(assessed_on("2027-03-02"), Verdict::Closed(to_come));
}

#[test]
fn what_was_signed_is_void_once_it_is_edited_and_stands_whoever_holds_the_role_later() {
    let mut world = accepted();
    world.denied.insert("dept-li".into());
    world.tick();
    assert_eq!(phase_of(&world), Phase::Accepted);
    world.migration.spec.acceptance.as_mut().unwrap().issues = vec![AcceptanceIssue {
        number: 1,
        what: "label the cables".into(),
        due_on: "2027-04-01".into(),
        resolved_by: None,
    }];
    world.tick();
    assert_eq!(phase_of(&world), Phase::Acceptance);
    world.denied.clear();
    world.decide(GateName::Accepted, "department", "dept-li", Decision::Approve);
    world.tick();
    assert_eq!(phase_of(&world), Phase::Accepted);
    // That it was mended is no other acceptance.
    world.migration.spec.acceptance.as_mut().unwrap().issues[0].resolved_by = Some(format!("sha256:{:064}", 2));
    world.tick();
    assert_eq!(phase_of(&world), Phase::Accepted);
}

#[test]
fn the_author_cannot_sign_nor_can_a_signature_on_the_scheme_stand_for_one_on_the_acceptance() {
    let mut world = with_papers();
    world.decide(GateName::Accepted, "department", "op-wang", Decision::Approve);
    let digest = world.digest();
    world.decide_on(GateName::Accepted, "department", "dept-li", Decision::Approve, &digest);
    world.tick();
    assert_eq!(phase_of(&world), Phase::Acceptance);
    let effects: Vec<_> =
        world.migration.status.as_ref().unwrap().acceptance_decisions.iter().map(|d| d.effect).collect();
    assert_eq!(effects, [qianyun_crds::DecisionEffect::SelfApproval, qianyun_crds::DecisionEffect::DigestMismatch]);
}

#[test]
fn the_rules_of_2025_ask_for_an_approval_of_the_papers_before_the_meeting() {
    let mut world = with_papers();
    let qianyun_planning::facts::Known::Is(policy) = &mut world.policy else { panic!() };
    policy.spec.acceptance_approvers = vec!["smartCityOffice".into()];
    world.decide(GateName::Accepted, "department", "dept-li", Decision::Approve);
    world.tick();
    let Verdict::Closed(Reason::SignaturesMissing { have: 0, need: 1, .. }) =
        found(&world, GateName::PreAcceptanceApproved)
    else {
        panic!()
    };
    world.decide(GateName::PreAcceptanceApproved, "smartCityOffice", "sco-zhao", Decision::Approve);
    world.tick();
    assert_eq!(phase_of(&world), Phase::Accepted);
}

#[test]
fn an_approval_after_the_meeting_is_none_before_it() {
    let mut world = with_papers();
    let qianyun_planning::facts::Known::Is(policy) = &mut world.policy else { panic!() };
    policy.spec.acceptance_approvers = vec!["smartCityOffice".into()];
    let held_on = calendar::day(world.now);
    world.migration.spec.acceptance.as_mut().unwrap().meeting = Some(meeting(&held_on.to_string()));
    world.pass(24 * 3600);
    world.decide(GateName::PreAcceptanceApproved, "smartCityOffice", "sco-zhao", Decision::Approve);
    world.decide(GateName::Accepted, "department", "dept-li", Decision::Approve);
    let approved_on = held_on.tomorrow().unwrap().to_string();
    let reason = Reason::MeetingBeforeApproval { held_on: held_on.to_string(), approved_on: approved_on.clone() };
    assert_eq!(found(&world, GateName::Accepted), Verdict::Closed(reason));
    world.migration.spec.acceptance.as_mut().unwrap().meeting = Some(meeting(&approved_on));
    world.decide(GateName::Accepted, "department", "dept-li", Decision::Approve);
    assert_eq!(found(&world, GateName::Accepted), Verdict::Open);
    // Said once more on a later day, it was still said before.
    world.pass(24 * 3600);
    world.decide(GateName::PreAcceptanceApproved, "smartCityOffice", "sco-zhao", Decision::Approve);
    assert_eq!(found(&world, GateName::Accepted), Verdict::Open);
}

#[test]
fn a_system_is_closed_once_each_of_its_old_servers_is_where_a_record_says() {
    let mut world = accepted();
    assert_eq!(
        found(&world, GateName::AllHostsDisposed),
        Verdict::Closed(Reason::DeviceNotSettled { host: "db1".into() })
    );
    world.custody = vec![custody_record("r1", "db1", CustodyDisposition::InCustody, "2027-03-02")];
    world.tick();
    assert_eq!(phase_of(&world), Phase::Closed);
    let status = world.migration.status.as_ref().unwrap();
    assert_eq!(
        (status.devices.as_deref(), status.lamp, status.waiting.clone()),
        (Some("1/1"), Some(Lamp::Closed), None)
    );
    let succeeded = status.conditions.iter().find(|c| c.type_ == "Succeeded").unwrap();
    assert_eq!((succeeded.status.as_str(), succeeded.reason.as_str()), ("True", "Closed"));
}

#[test]
fn a_record_holds_for_this_server_its_serial_number_and_not_before_the_acceptance() {
    let world = accepted();
    let host = &world.servers[0].physical;
    let day = Some(date(2027, 3, 1));
    let effect = |change: fn(&mut CustodyRecord), accepted_on| {
        let mut one = custody_record("r1", "db1", CustodyDisposition::InCustody, "2027-03-02");
        change(&mut one);
        judge(&[one], "db1", Some(host), accepted_on)[0].1
    };
    assert_eq!(effect(|_| {}, day), CustodyEffect::Accepted);
    assert_eq!(effect(|r| r.spec.host_uid = "uid-of-another".into(), day), CustodyEffect::HostNotFound);
    assert_eq!(effect(|r| r.spec.device.serial = "S-web1".into(), day), CustodyEffect::SerialMismatch);
    assert_eq!(effect(|_| {}, None), CustodyEffect::NotAccepted);
    let early = |r: &mut CustodyRecord| r.spec.handover.as_mut().unwrap().date = "2027-02-28".into();
    assert_eq!(effect(early, day), CustodyEffect::NotAccepted);
    let both = [
        custody_record("r2", "db1", CustodyDisposition::Reused, "2027-03-05"),
        custody_record("r1", "db1", CustodyDisposition::InCustody, "2027-03-02"),
    ];
    let judged: Vec<_> = judge(&both, "db1", Some(host), day).into_iter().map(|(_, effect)| effect).collect();
    assert_eq!(judged, [CustodyEffect::Superseded, CustodyEffect::Accepted]);
}
