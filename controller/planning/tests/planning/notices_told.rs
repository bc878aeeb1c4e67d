//! What is told once: a new phase, a new waiting and a decision; not a status that says the same, nor what only cannot be asked, and
//! never more than an event holds.
#![allow(clippy::unwrap_used)]

use crate::world::{APPROVERS, World};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use qianyun_crds::{Approval, ApprovalStatus, DecisionEffect, GateName, MigrationPlanStatus};
use qianyun_planning::report::condition;
use qianyun_planning::report::notice::{Notice, of_approval, of_decision, of_plan, of_system};
use qianyun_planning::system_migration;

/// What would be told at this moment, before the status is written.
fn notices(world: &World) -> Vec<Notice> {
    let facts = world.facts();
    let plan = system_migration::plan(&facts, world.now);
    of_system(&facts, &plan, &system_migration::status(&facts, plan.waiting.as_ref(), world.now))
}

fn told(world: &World) -> Vec<String> {
    notices(world).into_iter().map(|notice| notice.reason).collect()
}

#[test]
fn a_phase_and_a_waiting_are_told_once() {
    let mut world = World::new();
    assert_eq!(told(&world), ["Drafting", "WaitingForPlanIssued"]);
    world.tick();
    assert_eq!(told(&world), [] as [&str; 0]);
    world.sign_all();
    assert_eq!(told(&world), ["Approved", "WaitingForJourney"]);
    world.tick();
    assert_eq!(told(&world), ["WaitingForReceiver"], "the phase is the same");
}

#[test]
fn what_cannot_be_asked_is_not_told_as_if_it_had_happened() {
    let mut world = World::in_sync(&["db1"]);
    world.tick();
    world.servers[0].forget_reports();
    assert!(!told(&world).contains(&"Replicating".to_string()), "{:?}", told(&world));
    world.authoriser_up = false;
    world.unread.policy = true;
    assert_eq!(told(&world), [] as [&str; 0]);
}

#[test]
fn a_decision_is_told_with_its_reason() {
    let mut world = World::in_sync(&["db1"]);
    world.until("a commit", |w| w.facts().any_committed());
    let facts = world.facts();
    let notice = of_decision(facts.hosts[0].decision().unwrap());
    assert_eq!((notice.reason.as_str(), notice.is_warning), ("Commit", false));
    assert!(notice.note.starts_with("attempt 1: "), "{}", notice.note);
}

/// An approval whose status says what became of it.
fn approval(became: Option<bool>) -> Approval {
    let mut world = World::new();
    world.decide(GateName::DualApproved, APPROVERS[0].0, APPROVERS[0].1, qianyun_crds::Decision::Approve);
    let mut approval = world.approvals.remove(0);
    approval.status = Some(ApprovalStatus { conditions: vec![holds("Effective", became)] });
    approval
}

fn holds(kind: &str, became: Option<bool>) -> Condition {
    condition(&[], kind, became, "Reason", "", None, World::new().now)
}

/// What is told where the status said `before` and says `after`, because of an effect.
fn told_of(before: Option<bool>, after: Option<bool>, effect: DecisionEffect) -> Option<Notice> {
    let after = ApprovalStatus { conditions: vec![holds("Effective", after)] };
    of_approval(&approval(before), Some(effect), &after)
}

#[test]
fn what_becomes_of_an_approval_is_told_when_it_changes() {
    const YES: Option<bool> = Some(true);
    const NO: Option<bool> = Some(false);
    let cases = [
        (None, YES, DecisionEffect::Accepted, Some(("ApprovalRecorded", false))),
        (NO, YES, DecisionEffect::Accepted, Some(("ApprovalRecorded", false))),
        (YES, YES, DecisionEffect::Accepted, None),
        (None, NO, DecisionEffect::SelfApproval, Some(("ApprovalRejected", true))),
        (NO, NO, DecisionEffect::DigestMismatch, None),
        (YES, NO, DecisionEffect::DigestMismatch, Some(("ApprovalInvalidated", true))),
        (YES, NO, DecisionEffect::NotAuthorized, Some(("ApprovalInvalidated", true))),
        (YES, NO, DecisionEffect::Superseded, Some(("ApprovalInvalidated", false))),
        (YES, None, DecisionEffect::AuthorizationUnknown, None),
        (NO, None, DecisionEffect::AuthorizationUnknown, None),
    ];
    for (before, after, effect, expected) in cases {
        let told = told_of(before, after, effect);
        let found = told.as_ref().map(|notice| (notice.reason.as_str(), notice.is_warning));
        assert_eq!(found, expected, "{before:?} to {after:?}: {effect:?}");
    }
    let unjudged = ApprovalStatus { conditions: vec![holds("Effective", None)] };
    assert_eq!(of_approval(&approval(YES), None, &unjudged), None);
}

#[test]
fn an_approval_that_nothing_was_said_of_yet_is_told_with_who_decided_what() {
    let mut fresh = approval(None);
    fresh.status = None;
    let (counts, does_not) =
        ([Some(true), Some(false)]).map(|h| ApprovalStatus { conditions: vec![holds("Effective", h)] }).into();
    let note = |effect, after| of_approval(&fresh, Some(effect), after).unwrap().note;
    let (role, person) = APPROVERS[0];
    assert_eq!(
        note(DecisionEffect::Accepted, &counts),
        format!(
            "{person} approved civil-registry as {role} at DualApproved; it counts / {person} 以 {role} 身份就“两办审批通过”同意 \
             civil-registry,已生效"
        )
    );
    let rejected = note(DecisionEffect::SelfApproval, &does_not);
    assert!(
        rejected.contains("; it does not count: spec.approvedBy is the author of the subject, or was it before"),
        "{rejected}"
    );
    assert!(rejected.contains(",不生效:审批人现为或曾为编制人"), "{rejected}");
}

#[test]
fn the_issue_of_a_plan_is_told_once_and_so_is_its_end() {
    let status = |issued: Option<bool>, by: &str| MigrationPlanStatus {
        issued_by: Some(by.into()),
        conditions: vec![holds("Issued", issued)],
        ..MigrationPlanStatus::default()
    };
    let (open, issued, unknown) = (status(Some(false), "1/2"), status(Some(true), "2/2"), status(None, "1/2"));
    assert_eq!(
        [of_plan(None, &open), of_plan(Some(&open), &open), of_plan(Some(&issued), &issued)],
        [None, None, None]
    );
    for before in [None, Some(&open), Some(&unknown)] {
        let notice = of_plan(before, &issued).unwrap();
        assert_eq!((notice.reason.as_str(), notice.is_warning), ("PlanIssued", false));
        assert_eq!(notice.note, "the plan is issued (2/2) / 迁移计划已下达(2/2)");
    }
    let edited = of_plan(Some(&issued), &status(Some(false), "0/2")).unwrap();
    assert_eq!((edited.reason.as_str(), edited.is_warning), ("PlanIssueInvalidated", true));
    assert!(edited.note.contains("has to be issued again (0/2) / "), "{}", edited.note);
    assert_eq!(of_plan(Some(&issued), &unknown), None, "what cannot be asked is not told");
}

#[test]
fn a_long_sentence_is_cut_between_two_characters() {
    let world = World::new();
    let facts = world.facts();
    let plan = system_migration::plan(&facts, world.now);
    let mut status = system_migration::status(&facts, plan.waiting.as_ref(), world.now);
    status.waiting.as_mut().unwrap().message_zh = "界".repeat(500);
    let note = of_system(&facts, &plan, &status).pop().unwrap().note;
    assert!((998..=1000).contains(&note.len()), "{}", note.len());
}
