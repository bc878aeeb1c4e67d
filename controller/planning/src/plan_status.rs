//! What a plan of the whole city (迁移计划) says about itself: who issued it, how many systems have moved, which are late.

use crate::approval::{Judged, judge, plan_subject, tally};
use crate::calendar::{day, parse_day};
use crate::facts::{ApprovalFact, Known};
use crate::report::condition;
use jiff::Timestamp;
use qianyun_crds::{
    DepartmentKind, GateName, MigrationPlan, MigrationPlanStatus, Phase, PlanCounts, PlannedSystem, PolicyProfile,
};

/// What is known about a plan.
pub struct PlanFacts {
    /// The plan.
    pub plan: MigrationPlan,
    /// Its digest as it stands now.
    pub digest: String,
    /// The policy that it is made under.
    pub policy: Known<PolicyProfile>,
    /// Decisions that name it.
    pub approvals: Known<Vec<ApprovalFact>>,
    /// What is known about each system on it, in its order.
    pub systems: Vec<PlannedSystemFacts>,
}

/// What is known about one system on a plan.
pub struct PlannedSystemFacts {
    /// Whether it exists.
    pub exists: Known<()>,
    /// Kind of the department that owns it.
    pub department: Option<DepartmentKind>,
    /// Phase of its newest migration.
    pub phase: Option<Phase>,
}

/// Judges the decisions on a plan.
pub fn decisions(facts: &PlanFacts) -> Vec<Judged> {
    match (&facts.policy, &facts.approvals) {
        (Known::Is(policy), Known::Is(approvals)) => {
            judge(&plan_subject(&facts.plan, &facts.digest, &policy.spec), &policy.spec, approvals)
        }
        _ => Vec::new(),
    }
}

/// The status of a plan.
pub fn status(facts: &PlanFacts, now: Timestamp) -> MigrationPlanStatus {
    let before = facts.plan.status.clone().unwrap_or_default();
    let generation = facts.plan.metadata.generation;
    let judged = decisions(facts);
    let policy = facts.policy.get().filter(|_| facts.approvals.get().is_some());
    let tally =
        policy.map(|p| tally(&plan_subject(&facts.plan, &facts.digest, &p.spec), GateName::PlanIssued, &judged));
    let issued = match &tally {
        None => None,
        Some(t) if t.unknown => None,
        Some(t) => Some(t.missing.is_empty() && t.need > 0 && t.returned.is_none()),
    };
    let missing = facts.systems.iter().zip(&facts.plan.spec.systems).find(|(f, _)| !matches!(f.exists, Known::Is(())));
    let counts = counts(facts, now);
    let (ready, reason, message) = match (issued, missing) {
        (Some(true), None) => (Some(true), "Ready", String::new()),
        (Some(true), Some((_, s))) => {
            (Some(false), "SystemNotFound", format!("the system {}/{} is not there", s.namespace, s.name))
        }
        (Some(false), _) => (Some(false), "NotIssued", "offices have still to issue this plan".to_string()),
        (None, _) => (None, "NotKnown", "the policy profile, the approvals or a permission is not known".to_string()),
    };
    let issued_reason = match issued {
        Some(true) => "Issued",
        Some(false) => "NotIssued",
        None => "NotKnown",
    };
    MigrationPlanStatus {
        observed_generation: generation,
        digest: Some(facts.digest.clone()),
        issued_by: tally.map(|t| format!("{}/{}", t.have, t.need)),
        migration_rate: Some(rate(&counts)),
        counts: Some(counts),
        conditions: vec![
            condition(&before.conditions, "Ready", ready, reason, &message, generation, now),
            condition(&before.conditions, "Issued", issued, issued_reason, "", generation, now),
        ],
    }
}

fn counts(facts: &PlanFacts, now: Timestamp) -> PlanCounts {
    let mut counts = PlanCounts::default();
    for (system, planned) in facts.systems.iter().zip(&facts.plan.spec.systems) {
        if !bound(system) {
            counts.excluded += 1;
            continue;
        }
        counts.due += 1;
        if system.phase.is_some_and(in_service) {
            counts.migrated += 1;
        } else if overdue(planned, now) {
            counts.overdue += 1;
        }
    }
    counts
}

/// Art. 22 and 23 bind municipal departments; others may migrate, and are never late. One whose department is not known
/// is counted as bound, so that it is not forgotten.
fn bound(system: &PlannedSystemFacts) -> bool {
    system.department.is_none_or(|kind| match kind {
        DepartmentKind::MunicipalDepartment => true,
        DepartmentKind::County
        | DepartmentKind::Park
        | DepartmentKind::IndustryUnit
        | DepartmentKind::PublicInstitution => false,
    })
}

fn in_service(phase: Phase) -> bool {
    phase >= Phase::Trial
}

fn overdue(planned: &PlannedSystem, now: Timestamp) -> bool {
    parse_day(&planned.due_date).is_some_and(|due| due < day(now))
}

fn rate(counts: &PlanCounts) -> String {
    if counts.due == 0 { "-".to_string() } else { format!("{}%", counts.migrated * 100 / counts.due) }
}
