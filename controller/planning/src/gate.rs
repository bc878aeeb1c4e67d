//! The gates: one table, one file each. A gate looks at facts and says whether the journey may pass, and if not, why.
//!
//! A gate never acts. What is not known never passes. Which steps a gate blocks is in [`crate::sequence`].
//!
//! Acceptance and custody come after the irreversible: a gate there holds up papers and hardware, never a service.
//!
//! A city switches a gate of the *regulation* off in its policy profile. The gates of the *sequence* cannot be switched
//! off: without the office's approvals nothing may touch a server at all (Art. 23, and what this product stands for), and
//! without sync, window, record, fence and probes the sequence would not be the one that is safe.

mod accepted;
mod all_hosts_disposed;
mod assessment_passed;
mod catalogue_prepared;
mod catalogue_registered;
mod cutover_confirmed;
mod department_confirmed;
mod dependencies_ready;
mod downtime_within_budget;
mod dual_approved;
mod emergency_plan_ready;
mod hosts_ready;
mod in_window;
mod inventory_complete;
mod non_classified_declared;
mod parties_qualified;
mod performance_tested;
mod plan_issued;
mod pre_acceptance_approved;
mod probes_passed;
mod record_verified;
mod rehearsal_passed;
mod replication_in_sync;
mod rollback_ready;
mod scheme_valid;
mod security_assessed;
mod security_in_use;
mod source_fenced;
mod system_graded;
mod target_level_sufficient;
mod trial_elapsed;

pub(crate) use downtime_within_budget::forecast as downtime_forecast;
pub(crate) use in_window::{attempt_seconds as attempt_limit_seconds, frozen_by, room_for_attempt, window};
pub(crate) use probes_passed::serves as target_serves;
pub(crate) use replication_in_sync::REPORT_FRESH_MS;
pub(crate) use scheme_valid::volumes_to_make;
pub(crate) use source_fenced::{acknowledged as fence_acknowledged, of_host as host_fenced};

use crate::approval::{self, Returned, Subject, Tally, party_of, tally};
use crate::calendar::parse_day;
use crate::facts::{Facts, Known};
use crate::reason::{Asked, Found, Obstacle, Reason, ReportKind, Verdict, closed, unknown};
use crate::report::{Words, words};
use jiff::Timestamp;
use jiff::civil::Date;
use qianyun_crds::{Conclusion, GateName, Party, PolicyProfileSpec, Report};

/// A gate of the table.
pub struct Definition {
    /// Name in the API.
    pub name: GateName,
    /// Name in Chinese.
    pub zh: &'static str,
    /// Article it comes from, or `practice`.
    pub basis: &'static str,
    /// Who can usually open it.
    pub party: Party,
    /// Whether a policy profile can switch it off.
    pub switchable: bool,
    look: fn(&Facts, &PolicyProfileSpec, Timestamp) -> Found,
}

macro_rules! gates {
    ($($name:ident $file:ident $zh:literal $basis:literal $party:ident $switchable:literal;)*) => {
        /// All gates, in the order of the journey.
        pub const GATES: &[Definition] = &[$(Definition {
            name: GateName::$name, zh: $zh, basis: $basis, party: Party::$party, switchable: $switchable, look: $file::look,
        }),*];
    };
}

gates! {
    // name                  file                    Chinese        basis       who opens it               can be switched off
    PlanIssued               plan_issued             "计划下达"     "Art. 23"   MunicipalGovernmentOffice  true;
    NonClassifiedDeclared    non_classified_declared "非涉密声明"   "Art. 22"   Department                 false;
    InventoryComplete        inventory_complete      "清查完成"     "Art. 22"   Department                 true;
    HostsReady               hosts_ready             "迁移就绪"     "practice"  Department                 true;
    SchemeValid              scheme_valid            "方案有效"     "Art. 34"   Operator                   false;
    SystemGraded             system_graded           "定级备案"     "Art. 29"   Department                 true;
    TargetLevelSufficient    target_level_sufficient "平台等保满足" "Art. 28"   Operator                   true;
    EmergencyPlanReady       emergency_plan_ready    "应急预案已备" "Art. 29"   Operator                   true;
    RollbackReady            rollback_ready          "回退条件具备" "practice"  Operator                   true;
    CataloguePrepared        catalogue_prepared      "目录已预编"   "Art. 27"   Department                 true;
    PartiesQualified         parties_qualified       "参建单位资质有效" "Art. 19" Operator                 true;
    AssessmentPassed         assessment_passed       "论证评估通过" "Art. 18, 33" Operator                 true;
    DepartmentConfirmed      department_confirmed    "部门确认方案" "Art. 23"   Department                 true;
    DualApproved             dual_approved           "两办审批通过" "Art. 23"   MunicipalGovernmentOffice  false;
    ReplicationInSync        replication_in_sync     "数据同步"     "practice"  Nobody                     false;
    DependenciesReady        dependencies_ready      "关联系统就绪" "practice"  Operator                   true;
    RehearsalPassed          rehearsal_passed        "演练通过"     "practice"  Operator                   true;
    DowntimeWithinBudget     downtime_within_budget  "停机时长可控" "practice"  Operator                   true;
    SecurityInUse            security_in_use         "安全措施同步投用" "Art. 31" Operator                 true;
    InWindow                 in_window               "在割接窗口内" "practice"  Operator                   false;
    RecordVerified           record_verified         "数据一致"     "practice"  Operator                   false;
    SourceFenced             source_fenced           "源端已隔离"   "practice"  Department                 false;
    ProbesPassed             probes_passed           "业务验证"     "practice"  Operator                   false;
    CutoverConfirmed         cutover_confirmed       "割接确认"     "practice"  Operator                   false;
    TrialElapsed             trial_elapsed           "试运行期满"   "Art. 20"   Nobody                     true;
    PerformanceTested        performance_tested      "性能测试"     "Art. 20"   Department                 true;
    SecurityAssessed         security_assessed       "安全测评"     "Art. 20"   Department                 true;
    CatalogueRegistered      catalogue_registered    "目录已纳入"   "Art. 27"   Department                 true;
    PreAcceptanceApproved    pre_acceptance_approved "履约验收前置核准" "2025 rules" SmartCityOffice       true;
    Accepted                 accepted                "验收通过"     "Art. 20"   Department                 true;
    AllHostsDisposed         all_hosts_disposed      "设备全部落实去向" "Art. 22" Operator                 true;
}

/// The table's entry for a gate.
pub fn definition(name: GateName) -> &'static Definition {
    GATES.iter().find(|d| d.name == name).expect("every gate name has an entry in the table, as a test checks")
}

/// Judges one gate.
pub fn judge(name: GateName, facts: &Facts, now: Timestamp) -> Verdict {
    let gate = definition(name);
    let policy = match (&facts.policy, &facts.plan) {
        (Known::Is(policy), _) => &policy.spec,
        (Known::Unknown, _) => return unknown(Asked::Policy),
        (Known::Absent, Known::Absent) => {
            return Verdict::Closed(Reason::NotFound {
                what: Asked::Plan,
                name: facts.migration.spec.plan_ref.clone(),
            });
        }
        (Known::Absent, plan) => {
            let name = plan.get().map(|p| p.spec.policy_ref.clone()).unwrap_or_default();
            return Verdict::Closed(Reason::NotFound { what: Asked::Policy, name });
        }
    };
    if gate.switchable && !is_asked(policy, name) {
        return Verdict::Off;
    }
    match (gate.look)(facts, policy, now) {
        Ok(()) => Verdict::Open,
        Err(verdict) => verdict,
    }
}

/// Whether the policy does not switch a gate off.
fn is_asked(policy: &PolicyProfileSpec, gate: GateName) -> bool {
    !policy.gates.iter().any(|switch| switch.name == gate && !switch.enabled)
}

/// The first of `gates` that does not pass: a closed one before one that is not known, because it can be acted on.
pub fn first_obstacle(gates: &[GateName], facts: &Facts, now: Timestamp) -> Option<Obstacle> {
    let mut not_known = None;
    for &gate in gates {
        match judge(gate, facts, now).at(gate) {
            Some(obstacle) if obstacle.known => return Some(obstacle),
            obstacle => not_known = not_known.or(obstacle),
        }
    }
    not_known
}

/// The value, or why there is none.
fn need<'a, T>(known: &'a Known<T>, what: Asked, name: &str) -> Result<&'a T, Verdict> {
    match known {
        Known::Is(value) => Ok(value),
        Known::Absent => Err(Verdict::Closed(Reason::NotFound { what, name: name.to_string() })),
        Known::Unknown => Err(unknown(what)),
    }
}

/// The day of a report that is there, and passed.
fn report_passed(facts: &Facts, report: Option<&Report>, kind: ReportKind, now: Timestamp) -> Result<Date, Verdict> {
    let report = report.ok_or_else(|| closed(Reason::ReportMissing { kind }))?;
    match report.conclusion {
        Conclusion::Failed => Err(closed(Reason::ReportFailed { kind })),
        Conclusion::Passed => issued_on(facts, report, kind, now),
    }
}

/// The day of a report. One that is still to come proves nothing.
fn issued_on(facts: &Facts, report: &Report, kind: ReportKind, now: Timestamp) -> Result<Date, Verdict> {
    let issued_on = parse_day(&report.issued_on).filter(|on| *on <= facts.day(now));
    issued_on.ok_or_else(|| closed(Reason::ReportNotIssuedYet { kind, issued_on: report.issued_on.clone() }))
}

/// Whether every role that a gate asks decided for a subject; else what `returned` makes of the first return and of the party
/// that made it, or `missing` of the decisions so far, of the roles
/// that have still to decide, and of the party that is next.
fn decided(
    facts: &Facts,
    policy: &PolicyProfileSpec,
    subject: &Subject<'_>,
    gate: GateName,
    returned: fn(Returned, Party) -> Reason,
    missing: fn(&Tally, Words, Party) -> Reason,
) -> Found {
    let judged = approval::judge(subject, policy, need(&facts.approvals, Asked::Approvals, "")?);
    let mut tally = tally(subject, gate, &judged);
    if let Some(found) = tally.returned.take() {
        let party = party_of(policy, Some(&found.role));
        return Err(closed(returned(found, party)));
    }
    if tally.unknown {
        return Err(unknown(Asked::Permission));
    }
    if tally.missing.is_empty() && tally.need > 0 {
        return Ok(());
    }
    Err(closed(missing(&tally, named(policy, &tally.missing), party_of(policy, tally.missing.first()))))
}

/// Roles by the names that the policy knows them by, and as offices are called in Chinese.
fn named(policy: &PolicyProfileSpec, roles: &[String]) -> Words {
    let called = |role: &String| {
        let binding = policy.roles.iter().find(|binding| binding.name == *role);
        binding.map_or_else(|| role.clone(), |binding| binding.display_name_zh.clone())
    };
    words(roles.join(", "), roles.iter().map(called).collect::<Vec<_>>().join("、"))
}

/// What a returned scheme asks for: an edit, or a decision where it is not edited any more.
fn scheme_returned(subject: &Subject<'_>) -> fn(Returned, Party) -> Reason {
    if subject.is_carried_out {
        |Returned { by, opinion, .. }, party| Reason::ReturnedInExecution { by, opinion, party }
    } else {
        |Returned { by, opinion, .. }, _| Reason::Returned { by, opinion }
    }
}

/// The same for the papers of an acceptance.
fn signed(facts: &Facts, policy: &PolicyProfileSpec, subject: &Subject<'_>, gate: GateName) -> Found {
    let returned = |Returned { by, opinion, .. }, _| Reason::AcceptanceReturned { by, opinion };
    decided(facts, policy, subject, gate, returned, |tally, missing, party| Reason::SignaturesMissing {
        have: tally.have,
        need: tally.need,
        missing,
        party,
    })
}
