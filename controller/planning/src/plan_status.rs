//! What a plan of the whole city (迁移计划) says about itself: who issued it, how many systems have moved, which are late.

use crate::approval::{Judged, judge, plan_subject, tally};
use crate::calendar::{Freeze, Wave, Window, WindowError, Zone, parse_day, wave};
use crate::facts::{ApprovalFact, Known};
use crate::report::{Words, condition, words};
use jiff::Timestamp;
use jiff::civil::Date;
use qianyun_crds::{
    DepartmentKind, FreezePeriod, FreezeScopeKind, GateName, MigrationPlan, MigrationPlanStatus, Phase, PlanCounts,
    PlanExclusionKind, PlannedSystem, PlannedWave, PolicyProfile,
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
    /// The freeze periods of the city.
    pub freezes: Known<Vec<FreezePeriod>>,
    /// Where days begin and end.
    pub zone: Zone,
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
    let counts = counts(facts, now);
    let (ready, reason, message) = readiness(facts, issued);
    let issued_reason = match issued {
        Some(true) => "Issued",
        Some(false) => "NotIssued",
        None => "NotKnown",
    };
    let fault = waves_fault(facts);
    let (fit, fit_reason) = match &fault {
        Known::Is(_) => (Some(false), "WavesDoNotFit"),
        Known::Absent => (Some(true), "WavesFit"),
        Known::Unknown => (None, "NotKnown"),
    };
    let fault = fault.get().map(|f| format!("spec.waves: {}", f.en));
    let conditions = vec![
        condition(&before.conditions, "Ready", ready, reason, &message, generation, now),
        condition(&before.conditions, "Issued", issued, issued_reason, "", generation, now),
        condition(
            &before.conditions,
            "WavesFit",
            fit,
            fit_reason,
            fault.as_deref().unwrap_or_default(),
            generation,
            now,
        ),
    ];
    MigrationPlanStatus {
        observed_generation: generation,
        digest: Some(facts.digest.clone()),
        issued_by: tally.map(|t| format!("{}/{}", t.have, t.need)),
        migration_rate: Some(rate(counts.migrated, counts.due)),
        completion_rate: Some(rate(counts.completed, counts.due)),
        wave_fault: fault.map(|f| f.chars().take(1000).collect()),
        counts: Some(counts),
        conditions,
    }
}

/// Whether systems can go by the plan. What it refers to and is not there is said before the offices issue it.
fn readiness(facts: &PlanFacts, issued: Option<bool>) -> (Option<bool>, &'static str, String) {
    let systems = || facts.systems.iter().zip(&facts.plan.spec.systems);
    let missing = systems().find(|(found, _)| matches!(found.exists, Known::Absent)).map(|(_, planned)| planned);
    let unread = systems().any(|(found, _)| matches!(found.exists, Known::Unknown));
    match (&facts.policy, missing, issued) {
        (Known::Absent, _, _) => {
            let name = &facts.plan.spec.policy_ref;
            let words = format!("the policy profile {name:?} is not there; create it, or correct spec.policyRef");
            (Some(false), "PolicyNotFound", words)
        }
        (_, Some(s), _) => {
            let words =
                format!("the system {}/{} is not there; declare it, or correct spec.systems", s.namespace, s.name);
            (Some(false), "SystemNotFound", words)
        }
        (_, None, Some(false)) => (Some(false), "NotIssued", "offices have still to issue this plan".to_string()),
        (_, None, Some(true)) if !unread => (Some(true), "Ready", String::new()),
        (_, None, Some(true) | None) => {
            let words = "the policy profile, a system, the approvals or a permission is not known just now";
            (None, "NotKnown", words.to_string())
        }
    }
}

fn counts(facts: &PlanFacts, now: Timestamp) -> PlanCounts {
    let mut counts = PlanCounts::default();
    let today = facts.zone.day(now);
    for (system, planned) in facts.systems.iter().zip(&facts.plan.spec.systems) {
        match excluded(system.department, planned, today) {
            Some(Excluded::NotBound) => counts.not_bound += 1,
            Some(Excluded::Retained) => counts.retained += 1,
            Some(Excluded::Retired) => counts.retired += 1,
            None => count_due(&mut counts, system, planned, today),
        }
    }
    counts.excluded = counts.not_bound + counts.retained + counts.retired;
    counts
}

/// A system in its trial run has moved (上云率), and is not completed (办结率).
fn count_due(counts: &mut PlanCounts, system: &PlannedSystemFacts, planned: &PlannedSystem, today: Date) {
    counts.due += 1;
    if system.phase.is_some_and(|phase| phase >= Phase::Trial) {
        counts.migrated += 1;
    }
    if system.phase == Some(Phase::Closed) {
        counts.completed += 1;
    }
    let accepted = system.phase.is_some_and(|phase| phase >= Phase::Accepted);
    let due = parse_day(&planned.due_date);
    if !accepted && due.is_some_and(|due| due < today) {
        counts.overdue += 1;
    }
}

/// Whether the plan's day binds a system: its department has to move it, and the plan does not say that it may stay.
pub(crate) fn is_due(department: Option<DepartmentKind>, planned: &PlannedSystem, today: Date) -> bool {
    excluded(department, planned, today).is_none()
}

/// Why a system is not counted as due.
enum Excluded {
    NotBound,
    Retained,
    Retired,
}

fn excluded(department: Option<DepartmentKind>, planned: &PlannedSystem, today: Date) -> Option<Excluded> {
    if !bound(department) {
        return Some(Excluded::NotBound);
    }
    let exclusion = planned.exclusion.as_ref()?;
    let ended = exclusion.valid_until.as_deref().is_some_and(|day| parse_day(day).is_none_or(|day| day < today));
    match exclusion.kind {
        _ if ended => None,
        PlanExclusionKind::Retained => Some(Excluded::Retained),
        PlanExclusionKind::Retired => Some(Excluded::Retired),
    }
}

/// The first thing that is wrong with the waves: `Absent` if nothing is.
fn waves_fault(facts: &PlanFacts) -> Known<Words> {
    let Known::Is(periods) = &facts.freezes else { return Known::Unknown };
    // A period that cannot be read says so itself; that it cannot be held against a plan is no fault of the plan.
    let everybody = periods.iter().filter(|p| p.spec.scope.kind == FreezeScopeKind::Everything);
    let freezes: Vec<Freeze> = everybody.filter_map(|p| Freeze::try_from(&p.spec).ok()).collect();
    let spec = &facts.plan.spec;
    let waves: Result<Vec<Wave>, WindowError> = spec.waves.iter().map(|wave| of_plan(wave, &spec.systems)).collect();
    let waves = match waves {
        Ok(waves) => waves,
        Err(error) => return Known::Is(words(error.to_string(), "批次窗口起止有误")),
    };
    let at_once = spec.cutovers_at_once.and_then(|n| u32::try_from(n).ok()).unwrap_or(u32::MAX);
    match wave::check(&waves, &freezes, at_once) {
        Ok(()) => Known::Absent,
        Err(reasons) => reasons.first().map_or(Known::Absent, |reason| Known::Is(reason.words(&facts.zone))),
    }
}

fn of_plan(planned: &PlannedWave, systems: &[PlannedSystem]) -> Result<Wave, WindowError> {
    let members = systems.iter().filter(|s| s.wave.as_deref() == Some(planned.name.as_str())).count();
    Ok(Wave {
        name: planned.name.clone(),
        window: Window::try_from(planned)?,
        systems: u32::try_from(members).unwrap_or(u32::MAX),
        seconds_each: i64::from(planned.minutes_each) * 60,
    })
}

/// Art. 22 and 23 bind municipal departments; others may migrate, and are never late. One whose department is not known
/// is counted as bound, so that it is not forgotten.
fn bound(department: Option<DepartmentKind>) -> bool {
    department.is_none_or(|kind| match kind {
        DepartmentKind::MunicipalDepartment => true,
        DepartmentKind::County
        | DepartmentKind::Park
        | DepartmentKind::IndustryUnit
        | DepartmentKind::PublicInstitution => false,
    })
}

fn rate(part: i32, whole: i32) -> String {
    if whole == 0 { "-".to_string() } else { format!("{}%", part * 100 / whole) }
}
