//! Every reason and everything that can be waited for has a sentence in both languages, written by a person.

use crate::world::both;
use jiff::civil::date;
use qianyun_crds::{DecisionEffect, DiskPhase, GateName, Party, PartyRole};
use qianyun_planning::calendar::{Answer, Standing, WindowReason, Zone};
use qianyun_planning::host_migration::AbortReason;
use qianyun_planning::reason::{Asked, Obstacle, RehearsalFault, ReportKind};
use qianyun_planning::report::{Words, approval};
use qianyun_planning::{Reason, WaitingOn};

fn reasons() -> Vec<Reason> {
    let s = || "db1".to_string();
    let at = "2026-11-23T14:00:00Z".parse().expect("a time in the right form");
    let asked = [
        Asked::Policy,
        Asked::Plan,
        Asked::Platform,
        Asked::System,
        Asked::Host,
        Asked::Journey,
        Asked::Approvals,
        Asked::Permission,
        Asked::Freezes,
        Asked::Waivers,
        Asked::Custody,
        Asked::FreeStorage,
        Asked::SourceSilence,
        Asked::Machine,
        Asked::RecordCheck,
    ];
    let mut all: Vec<Reason> = asked.into_iter().map(|what| Reason::NotKnown { what }).collect();
    all.extend([
        Reason::NotFound { what: Asked::Host, name: s() },
        Reason::SystemNotOnPlan { plan: s() },
        Reason::PlanNotIssued { have: 1, need: 2, missing: Words { en: s(), zh: s() }, party: Party::SmartCityOffice },
        Reason::PlanReturned { by: s(), opinion: s() },
        Reason::SystemNotDeclared,
        Reason::DeclarationNotYet { declared_on: s() },
        Reason::HostNotDeclared { host: s() },
        Reason::HostOfAnotherSystem { host: s(), system: s() },
        Reason::HostNeverReported { host: s() },
        Reason::InventoryTooOld { host: s(), days: 40, limit_days: 30 },
        Reason::CheckBlocks { host: s(), check: s(), observed: s(), required: s(), party: Party::Department },
        Reason::CheckNotKnown { host: s(), check: s(), party: Party::Department },
        Reason::NoHosts,
        Reason::NamedTwice { what: "probe", name: s() },
        Reason::HostTaken { host: s(), migration: s() },
        Reason::DiskNotFound { host: s(), volume: s(), serial: s() },
        Reason::DiskNotUnique { host: s(), volume: s(), serial: s() },
        Reason::DiskSizeDiffers { host: s(), volume: s(), expected: 1, found: 2 },
        Reason::DiskLeftOut { host: s(), disk: s() },
        Reason::VolumeTooSmall { host: s(), volume: s(), volume_bytes: 1, disk_bytes: 2 },
        Reason::NetworkNotFound { host: s(), network: s() },
        Reason::NicNotFound { host: s(), nic: s() },
        Reason::TooManyDevices { host: s(), devices: 29, limit: 28 },
        Reason::DependencyCircle { hosts: vec![s(), s()] },
        Reason::HookNotAllowed { host: s(), hook: s() },
        Reason::PlatformTooSmall { what: "CPUs", needed: 2, available: 1 },
        Reason::WindowReversed,
        Reason::NoProbes,
        Reason::SystemNotGraded,
        Reason::PlatformLevelTooLow { level: 2, needed: 3 },
        Reason::AssessmentOverdue { due: s() },
        Reason::HostLeftOut { host: s() },
        Reason::EmergencyPlanMissing,
        Reason::NoWayToSource,
        Reason::CatalogueNotPrepared,
        Reason::CatalogueNotRegistered,
        Reason::CertificateExpired { party: s(), certificate: s(), until: s(), needed_on: s() },
        Reason::ProjectNotSaid,
        Reason::AssessmentNotFiled,
        Reason::AssessmentUnderWay { standing: None },
        Reason::AssessmentUnderWay {
            standing: Some(Answer::Official(Standing::Running { due: date(2026, 12, 31), left_working_days: 3 })),
        },
        Reason::AssessmentUnderWay {
            standing: Some(Answer::Estimated {
                value: Standing::Overdue { due: date(2027, 1, 4), late_working_days: 3 },
                years: vec![2027],
            }),
        },
        Reason::AssessmentFailed,
        Reason::CityApprovalMissing,
        Reason::DependencyNotMoved { system: s() },
        Reason::NotRehearsed,
        Reason::RehearsalOfAnotherDigest { digest: s() },
        Reason::RehearsalFailed { what: RehearsalFault::DidNotPass },
        Reason::RehearsalFailed { what: RehearsalFault::ServicesNotStopped },
        Reason::RehearsalFailed { what: RehearsalFault::RollbackNotRehearsed },
        Reason::RehearsalTooOld { days: 40, limit_days: 30 },
        Reason::RehearsalFailed { what: RehearsalFault::LeakFound },
        Reason::HostNotRehearsed { host: s() },
        Reason::BootChanged { host: s() },
        Reason::NoRehearsalNetwork { platform: s() },
        Reason::DowntimeOverBudget { forecast_minutes: 40, budget_minutes: 30 },
        Reason::SecurityNotInUse,
        Reason::SecurityOfAnotherDigest { digest: s() },
        Reason::Frozen { freeze: s(), until: at },
        Reason::FreezeUnreadable { freeze: s() },
        Reason::WindowUnfit { reason: WindowReason::Over { end: at } },
        Reason::WindowOutsideWave { wave: s() },
        Reason::HeldByWave { wave: s(), reason: WindowReason::LockedOut { since: at, end: at } },
        Reason::PlanIsFull { busy: 2, at_once: 2 },
        Reason::EditedAfterCommit { carried_out: s() },
        Reason::TrialNotBegun,
        Reason::TrialNotOver { earliest_end: s(), opens_at: Some(at) },
        Reason::ReportMissing { kind: ReportKind::PerformanceTest },
        Reason::ReportFailed { kind: ReportKind::SecurityAssessment },
        Reason::ReportNotIssuedYet { kind: ReportKind::Evaluation, issued_on: s() },
        Reason::ReportBeforeTrial { kind: ReportKind::PerformanceTest, issued_on: s(), began_on: s() },
        Reason::SignaturesMissing { have: 0, need: 1, missing: Words { en: s(), zh: s() }, party: Party::Department },
        Reason::AcceptanceReturned { by: s(), opinion: s() },
        Reason::MeetingNotHeld,
        Reason::MeetingBeforeApproval { held_on: s(), approved_on: s() },
        Reason::MeetingTooEarly { held_on: s(), earliest_end: s() },
        Reason::MeetingFailed,
        Reason::IncidentOpen { number: 1 },
        Reason::DeviceNotSettled { host: s() },
        Reason::NotConfirmed { party: Party::Department },
        Reason::ApprovalsMissing {
            have: 1,
            need: 2,
            missing: Words { en: s(), zh: s() },
            party: Party::SmartCityOffice,
        },
        Reason::NotInEffect { offices: 2, waits_for: vec![no_hosts(GateName::HostsReady)] },
        Reason::Returned { by: s(), opinion: s() },
        Reason::ReturnedInExecution { by: s(), opinion: s(), party: Party::SmartCityOffice },
        Reason::SchemeEdited { host: s() },
        Reason::TooFewApprovers { found: 1 },
        Reason::NotReplicating { host: s() },
        Reason::NotInSync { host: s(), phase: DiskPhase::InitialCopy },
        Reason::AgentSilent { host: s(), seconds: 90 },
        Reason::WindowNotYet { start: at },
        Reason::WindowOver { end: at },
        Reason::NoRecord { host: s() },
        Reason::RecordRefused { host: s(), found: s() },
        Reason::NotCommitted { host: s() },
        Reason::FenceNotAcknowledged { host: s() },
        Reason::SourceAnswers { host: s(), what: s() },
        Reason::SilentTooShort { host: s(), seconds: 1, needed_seconds: 5 },
        Reason::TargetNotRunning { host: s() },
        Reason::TargetNotAdapted { host: s(), message: String::new() },
        Reason::TargetNotAdapted { host: s(), message: s() },
        Reason::ProbeNotPassed { probe: s(), found: s() },
        Reason::ProbeOverdue { probe: s(), found: s(), deadline_seconds: 60 },
        Reason::CutoverNotConfirmed,
        Reason::ConfirmationOfAnotherDigest { digest: s() },
    ]);
    for role in
        [PartyRole::Owner, PartyRole::Designer, PartyRole::Contractor, PartyRole::Supervisor, PartyRole::TenderAgent]
    {
        all.extend([Reason::PartyMissing { role }, Reason::ParticipantMissing { role }]);
    }
    all
}

fn no_hosts(gate: GateName) -> Obstacle {
    Obstacle { gate, known: true, reason: Reason::NoHosts }
}

fn waitings() -> Vec<WaitingOn> {
    let host = || "db1".to_string();
    let at = "2026-11-23T14:00:00Z".parse().expect("a time in the right form");
    let obstacle = no_hosts(GateName::HostsReady);
    vec![
        WaitingOn::Gate(obstacle),
        WaitingOn::Resumption,
        WaitingOn::AgentReport { host: host() },
        WaitingOn::LocalPermission { host: host(), refusal: host() },
        WaitingOn::Journey { host: host() },
        WaitingOn::Volumes { host: host(), trouble: String::new() },
        WaitingOn::Volumes { host: host(), trouble: "no room".into() },
        WaitingOn::Receiver { host: host(), trouble: String::new() },
        WaitingOn::Receiver { host: host(), trouble: "no room".into() },
        WaitingOn::Copy { host: host(), phase: DiskPhase::CatchingUp },
        WaitingOn::Vote { host: host() },
        WaitingOn::OtherStop { host: host(), other: host() },
        WaitingOn::OtherVotes { host: host(), others: host() },
        WaitingOn::NextAttempt { host: host(), at, why: both("h") },
        WaitingOn::NewWindow { host: host(), attempts: 3, why: both("h") },
        WaitingOn::SourceResumption { host: host() },
        WaitingOn::FenceAcknowledgement { host: host() },
        WaitingOn::ReceiverStop { host: host() },
        WaitingOn::EarlierHosts { host: host(), earlier: host() },
        WaitingOn::Launch { host: host(), trouble: String::new() },
        WaitingOn::Launch { host: host(), trouble: "no bridge".into() },
        WaitingOn::Arrival { host: host() },
        WaitingOn::Probes { host: host() },
    ]
}

fn assert_written_by_a_person(words: &Words) {
    assert!(words.en.is_ascii() && words.en.len() > 10, "{words:?}");
    assert!(words.zh.chars().filter(|c| !c.is_ascii()).count() > 3, "{words:?}");
    assert!(!words.en.contains(" { "), "a program's form of a value: {words:?}");
}

#[test]
fn every_reason_has_a_sentence_in_both_languages() {
    for reason in reasons() {
        assert_written_by_a_person(&reason.words(&Zone::default()));
    }
}

#[test]
fn everything_waited_for_has_a_sentence_in_both_languages_and_a_name_that_fits_the_api() {
    for on in waitings() {
        assert_written_by_a_person(&on.words(&Zone::default()));
        let name = on.name();
        assert!(name.len() <= 64 && name.chars().all(|c| c.is_ascii_alphanumeric()), "{name}");
    }
}

#[test]
fn every_abort_has_a_sentence_in_both_languages() {
    let obstacle = no_hosts(GateName::InWindow);
    for reason in [
        AbortReason::Suspended,
        AbortReason::Gate(obstacle),
        AbortReason::GivenUp { message: String::new() },
        AbortReason::GivenUp { message: "postgresql did not stop".into() },
        AbortReason::Thawed,
        AbortReason::TooLate { left_ms: 900 },
        AbortReason::OtherHost { host: "web1".into() },
        AbortReason::NoVote { seconds: 300 },
    ] {
        assert_written_by_a_person(&reason.words(&Zone::default()));
    }
}

#[test]
fn every_reason_why_a_decision_does_not_count_has_a_sentence_in_both_languages() {
    for effect in [
        DecisionEffect::SubjectNotFound,
        DecisionEffect::DigestMismatch,
        DecisionEffect::SelfApproval,
        DecisionEffect::NotAuthorized,
        DecisionEffect::SamePersonTwice,
        DecisionEffect::RoleNotRequired,
        DecisionEffect::Superseded,
        DecisionEffect::AuthorizationUnknown,
    ] {
        assert_written_by_a_person(&approval::effect(effect));
    }
}

#[test]
fn whoever_reads_that_a_plan_was_returned_reads_what_to_do_about_it() {
    let words = Reason::PlanReturned { by: "sco-zhao".into(), opinion: "too early".into() }.words(&Zone::default());
    assert_eq!(words.en, "sco-zhao returned the plan: too early; edit it, and have it issued again");
    assert_eq!(words.zh, "sco-zhao 退回了迁移计划:too early;修改后重新下达");
}

#[test]
fn what_is_named_twice_has_a_chinese_name() {
    for what in ["server", "probe", "volume", "disk", "hook", "network interface"] {
        let zh = Reason::NamedTwice { what, name: "一".into() }.words(&Zone::default()).zh;
        assert!(!zh.chars().any(|c| c.is_ascii_alphabetic()), "{zh}");
    }
}
