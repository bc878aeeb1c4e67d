//! What is waited for, in the API's form: since when, until when, and who can end it.
#![allow(clippy::unwrap_used)]

use crate::world::both;
use jiff::{Timestamp, ToSpan};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use qianyun_crds::{DiskPhase, GateName, Party, Waiting};
use qianyun_planning::calendar::Zone;
use qianyun_planning::gate::GATES;
use qianyun_planning::reason::{Asked, Obstacle};
use qianyun_planning::report::{self, Words, condition};
use qianyun_planning::{Reason, WaitingOn, calendar};

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

fn waiting(on: &WaitingOn, before: Option<&Waiting>, now: Timestamp) -> Waiting {
    report::waiting(on, before, &Zone::default(), now)
}

fn h() -> String {
    "db1".into()
}

fn gate(gate: GateName, reason: Reason) -> WaitingOn {
    WaitingOn::Gate(Obstacle { gate, known: true, reason })
}

#[test]
fn only_what_passes_with_time_ends_by_itself() {
    let when = at("2026-11-23T14:00:00Z");
    let next = WaitingOn::NextAttempt { host: h(), at: when, why: both("h") };
    assert_eq!(next.ends_at(), Some(when));
    assert_eq!(gate(GateName::InWindow, Reason::WindowNotYet { start: when }).ends_at(), Some(when));
    assert_eq!(gate(GateName::InWindow, Reason::Frozen { freeze: h(), until: when }).ends_at(), Some(when));
    let trial = Reason::TrialNotOver { earliest_end: "2027-02-23".into(), opens_at: Some(when) };
    assert_eq!(gate(GateName::TrialElapsed, trial).ends_at(), Some(when));
    for on in [
        gate(GateName::InWindow, Reason::WindowOver { end: when }),
        gate(GateName::DualApproved, Reason::TooFewApprovers { found: 1 }),
        WaitingOn::NewWindow { host: h(), attempts: 3, why: both("h") },
        WaitingOn::Vote { host: h() },
        WaitingOn::Resumption,
    ] {
        assert_eq!(on.ends_at(), None, "{on:?}");
    }
}

#[test]
fn a_gate_is_opened_by_whom_its_reason_names_and_else_by_whom_the_table_names() {
    for definition in GATES {
        let party = gate(definition.name, Reason::SystemNotGraded).party();
        assert_eq!(party, definition.party, "{:?}", definition.name);
    }
    let nobody = [
        Reason::NotKnown { what: Asked::Host },
        Reason::NotReplicating { host: h() },
        Reason::NotInSync { host: h(), phase: DiskPhase::Idle },
        Reason::WindowNotYet { start: at("2026-11-23T14:00:00Z") },
        Reason::SilentTooShort { host: h(), seconds: 1, needed_seconds: 5 },
        Reason::NoRecord { host: h() },
        Reason::NotCommitted { host: h() },
        Reason::TargetNotRunning { host: h() },
    ];
    let department = [
        Reason::HostNotDeclared { host: h() },
        Reason::HostNeverReported { host: h() },
        Reason::AgentSilent { host: h(), seconds: 61 },
        Reason::CheckBlocks { host: h(), check: h(), observed: h(), required: h(), party: Party::Department },
        Reason::CheckNotKnown { host: h(), check: h(), party: Party::Department },
        Reason::NotConfirmed { party: Party::Department },
    ];
    let operator = [
        Reason::Returned { by: h(), opinion: h() },
        Reason::PlanReturned { by: h(), opinion: h() },
        Reason::SystemNotOnPlan { plan: h() },
        Reason::NotFound { what: Asked::Plan, name: h() },
        Reason::NotFound { what: Asked::Policy, name: h() },
        Reason::SchemeEdited { host: h() },
        Reason::TooFewApprovers { found: 1 },
    ];
    let office = [
        Reason::ReturnedInExecution { by: h(), opinion: h(), party: Party::SmartCityOffice },
        Reason::PlanNotIssued { have: 1, need: 2, missing: Words { en: h(), zh: h() }, party: Party::SmartCityOffice },
        Reason::ApprovalsMissing {
            have: 1,
            need: 2,
            missing: Words { en: h(), zh: h() },
            party: Party::SmartCityOffice,
        },
    ];
    for (reasons, party) in [
        (&nobody[..], Party::Nobody),
        (&department, Party::Department),
        (&operator, Party::Operator),
        (&office, Party::SmartCityOffice),
    ] {
        for reason in reasons {
            // Of a gate that another party usually opens.
            assert_eq!(gate(GateName::PlanIssued, reason.clone()).party(), party, "{reason:?}");
        }
    }
}

#[test]
fn what_failed_at_the_site_is_the_operators_and_what_only_takes_time_is_nobodys() {
    let site = |trouble: &str| {
        let trouble = trouble.to_string();
        [
            WaitingOn::Volumes { host: h(), trouble: trouble.clone() },
            WaitingOn::Receiver { host: h(), trouble: trouble.clone() },
            WaitingOn::Launch { host: h(), trouble },
        ]
    };
    assert!(site("").iter().all(|on| on.party() == Party::Nobody));
    assert!(site("no room").iter().all(|on| on.party() == Party::Operator));
    for on in [
        WaitingOn::AgentReport { host: h() },
        WaitingOn::LocalPermission { host: h(), refusal: h() },
        WaitingOn::FenceAcknowledgement { host: h() },
        WaitingOn::SourceResumption { host: h() },
    ] {
        assert_eq!(on.party(), Party::Department, "{on:?}");
    }
    for on in [WaitingOn::Resumption, WaitingOn::NewWindow { host: h(), attempts: 3, why: both("h") }] {
        assert_eq!(on.party(), Party::Operator, "{on:?}");
    }
}

#[test]
fn a_waiting_keeps_its_beginning_until_something_else_is_waited_for() {
    let began = at("2026-11-23T14:00:00.700Z");
    let first = waiting(&WaitingOn::Vote { host: h() }, None, began);
    assert_eq!(first.since.0, at("2026-11-23T14:00:00Z"), "to the second, as it is stored");
    let later = began.checked_add(30.seconds()).unwrap();
    let again = waiting(&WaitingOn::Vote { host: "web1".into() }, Some(&first), later);
    assert_eq!(again.since, first.since);
    let other = waiting(&WaitingOn::Arrival { host: h() }, Some(&first), later);
    assert_eq!((other.waiting_for.as_str(), other.since.0), ("Arrival", at("2026-11-23T14:00:30Z")));
}

#[test]
fn a_waiting_says_when_it_ends_who_can_end_it_and_no_more_than_the_schema_takes() {
    let when = at("2026-11-23T14:01:00.5Z");
    let on = WaitingOn::NextAttempt { host: h(), at: when, why: both(&"婚".repeat(3000)) };
    let written = waiting(&on, None, at("2026-11-23T14:00:00Z"));
    assert_eq!(written.next_attempt.unwrap().0, at("2026-11-23T14:01:00Z"));
    assert_eq!(written.who_can_unblock, Party::Nobody);
    assert_eq!((written.message.chars().count(), written.message_zh.chars().count()), (1000, 1000));
}

#[test]
fn a_condition_keeps_its_time_through_new_words_and_not_through_a_new_status() {
    let (first, later) = (at("2026-11-23T14:00:00Z"), at("2026-11-23T15:00:00Z"));
    let make = |before: &[Condition], kind: &str, status, now| condition(before, kind, status, "R", "m", Some(3), now);
    let before = [make(&[], "Ready", Some(false), first)];
    assert_eq!((before[0].status.as_str(), before[0].observed_generation), ("False", Some(3)));
    assert_eq!(make(&before, "Ready", Some(false), later).last_transition_time.0, first);
    assert_eq!(make(&before, "Ready", Some(true), later).last_transition_time.0, later);
    assert_eq!(make(&before, "Ready", None, later).status, "Unknown");
    assert_eq!(make(&before, "Ready", None, later).last_transition_time.0, later);
    assert_eq!(make(&before, "Issued", Some(false), later).last_transition_time.0, later);
}

#[test]
fn times_are_read_in_beijing_and_kept_to_the_second() {
    assert_eq!(Zone::default().minute(at("2026-11-30T16:05:59Z")), "2026-12-01 00:05");
    assert_eq!(calendar::to_second(at("2026-11-30T16:05:59.999Z")), at("2026-11-30T16:05:59Z"));
    assert_eq!(calendar::plus_seconds(at("2026-11-30T16:05:59Z"), 61), at("2026-11-30T16:07:00Z"));
    assert_eq!(calendar::plus_seconds(Timestamp::MAX, 1), Timestamp::MAX);
    assert_eq!(calendar::parse_day("2026-02-28").map(|d| d.to_string()).as_deref(), Some("2026-02-28"));
    for text in ["", "2026-02-30", "tomorrow", "2026-13-01", " 2026-01-01", "20260101", "2026-01-01T00:00"] {
        assert_eq!(calendar::parse_day(text), None, "{text:?}");
    }
}

#[test]
fn seconds_between_are_those_that_have_passed() {
    let between = |a: &str, b: &str| calendar::seconds_between(at(a), at(b));
    assert_eq!(between("2026-11-23T14:00:00.900Z", "2026-11-23T14:00:05.100Z"), 4);
    assert_eq!(between("2026-11-23T14:00:00.900Z", "2026-11-23T14:00:05.900Z"), 5);
    assert_eq!(between("2026-11-23T14:00:05Z", "2026-11-23T14:00:00Z"), -5);
    assert_eq!(between("2026-11-23T14:00:00.001Z", "2026-11-23T14:00:00Z"), -1, "what is over is not zero");
}
