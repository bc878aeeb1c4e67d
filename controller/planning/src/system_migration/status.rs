//! What a system's migration says about itself.

use super::{next_obstacle, next_step};
use crate::approval::{Judged, judge as judge_approvals, scheme_subject, tally};
use crate::calendar::{TrialPeriod, day, to_second};
use crate::facts::{Facts, HostFacts, Known};
use crate::gate::{GATES, definition, judge};
use crate::phase::{has_served, hosts_in_sync, phase};
use crate::reason::Verdict;
use crate::report::{condition, waiting};
use crate::sequence::needs;
use crate::waiting::WaitingOn;
use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};
use qianyun_crds::{DecisionRecord, GateName, GateStatus, GateVerdict, NextDue, Phase, SystemMigrationStatus};

/// The status of a system's migration.
pub fn status(facts: &Facts, on: Option<&WaitingOn>, now: Timestamp) -> SystemMigrationStatus {
    let before = facts.migration.status.clone().unwrap_or_default();
    let phase = phase(facts, now);
    let judged = judged(facts);
    let trial_started_at =
        (phase == Phase::Trial).then(|| before.trial_started_at.clone().unwrap_or(Time(to_second(now))));
    let months = facts.policy.get().map_or(0, |p| p.spec.numbers.trial_months);
    let trial = trial_started_at.as_ref().and_then(|t| TrialPeriod::new(day(t.0), months).ok());
    let trial_end = trial.map(|t| t.earliest_end().to_string());
    let waiting = on.map(|on| waiting(on, before.waiting.as_ref(), now));
    let mut status = SystemMigrationStatus {
        observed_generation: facts.migration.metadata.generation,
        phase: Some(phase),
        department: facts.system.get().map(|s| s.spec.department_ref.clone()).or_else(|| before.department.clone()),
        digest: Some(facts.digest.clone()),
        approvals: approvals(facts, &judged),
        decisions: judged.iter().map(decision_record).collect(),
        next_due: next_due(facts, phase, trial_end.as_deref()),
        blocked_by: next_obstacle(facts, now).map(|o| o.gate),
        gates: gates(facts, &before, now),
        hosts: Some(hosts_in_sync(facts)),
        trial_started_at,
        trial_earliest_end: trial_end,
        message: Some(waiting.as_ref().map_or_else(|| format!("{phase:?}"), |w| w.message.clone())),
        message_zh: Some(waiting.as_ref().map_or_else(|| zh(phase).to_string(), |w| w.message_zh.clone())),
        waiting,
        conditions: Vec::new(),
    };
    status.conditions = conditions(facts, phase, &before, now);
    status
}

fn judged(facts: &Facts) -> Vec<Judged> {
    match (&facts.policy, &facts.approvals) {
        (Known::Is(policy), Known::Is(approvals)) => {
            judge_approvals(&scheme_subject(facts, &policy.spec), &policy.spec, approvals)
        }
        _ => Vec::new(),
    }
}

fn approvals(facts: &Facts, judged: &[Judged]) -> Option<String> {
    let policy = facts.policy.get().filter(|_| facts.approvals.get().is_some())?;
    let tally = tally(&scheme_subject(facts, &policy.spec), GateName::DualApproved, judged);
    Some(format!("{}/{}", tally.have, tally.need))
}

fn decision_record(judged: &Judged) -> DecisionRecord {
    DecisionRecord {
        approval: judged.name.clone(),
        gate: judged.gate,
        role: judged.role.clone(),
        by: judged.by.clone(),
        at: Time(judged.at),
        decision: judged.decision,
        effect: judged.effect,
    }
}

/// The gates of the next step; once there is none, those of the whole approval, for the record.
fn gates(facts: &Facts, before: &SystemMigrationStatus, now: Timestamp) -> Vec<GateStatus> {
    let names: Vec<GateName> = match next_step(facts, now) {
        Some(step) => needs(step).to_vec(),
        None => GATES.iter().map(|g| g.name).filter(|g| needs(crate::sequence::Step::Trial).contains(g)).collect(),
    };
    names
        .into_iter()
        .map(|name| {
            let found = judge(name, facts, now);
            let verdict = match found {
                Verdict::Open => GateVerdict::Open,
                Verdict::Closed(_) => GateVerdict::Closed,
                Verdict::Unknown(_) => GateVerdict::Unknown,
                Verdict::Off => GateVerdict::Off,
            };
            let old = before.gates.iter().find(|g| g.name == name && g.verdict == verdict);
            GateStatus {
                name,
                verdict,
                basis: definition(name).basis.to_string(),
                message: found.reason().map(|r| r.words().en).unwrap_or_default().chars().take(1000).collect(),
                since: old.map_or(Time(to_second(now)), |g| g.since.clone()),
            }
        })
        .collect()
}

fn next_due(facts: &Facts, phase: Phase, trial_end: Option<&str>) -> Option<NextDue> {
    let scheme = &facts.migration.spec.scheme;
    let due = |date: String, what: &str| Some(NextDue { date, what: what.to_string() });
    match phase {
        Phase::Approved | Phase::Replicating | Phase::Scheduled | Phase::RollingBack => {
            due(day(scheme.window.start.0).to_string(), "cutover window begins")
        }
        Phase::CuttingOver | Phase::Provisional => {
            due(day(scheme.rollback.latest_at.0).to_string(), "latest moment to roll back")
        }
        Phase::Trial => due(trial_end?.to_string(), "earliest end of the trial run"),
        Phase::Drafting
        | Phase::Review
        | Phase::Returned
        | Phase::Rehearsing
        | Phase::Rehearsed
        | Phase::Acceptance
        | Phase::Accepted
        | Phase::Closed => due(plan_due(facts)?, "acceptance due by the migration plan"),
    }
}

fn plan_due(facts: &Facts) -> Option<String> {
    let namespace = facts.migration.metadata.namespace.as_deref();
    let systems = &facts.plan.get()?.spec.systems;
    let mine =
        systems.iter().find(|s| Some(s.namespace.as_str()) == namespace && s.name == facts.migration.spec.system_ref);
    mine.map(|s| s.due_date.clone())
}

fn conditions(facts: &Facts, phase: Phase, before: &SystemMigrationStatus, now: Timestamp) -> Vec<Condition> {
    let generation = facts.migration.metadata.generation;
    let of_gate = |kind: &str, gate: GateName| {
        let verdict = judge(gate, facts, now);
        let (status, reason, message) = match &verdict {
            Verdict::Open => (Some(true), "Open".to_string(), String::new()),
            Verdict::Off => (Some(true), "OffByPolicy".to_string(), String::new()),
            Verdict::Closed(reason) => (Some(false), name_of(reason), reason.words().en),
            Verdict::Unknown(reason) => (None, name_of(reason), reason.words().en),
        };
        condition(&before.conditions, kind, status, &reason, &message, generation, now)
    };
    let plain = |kind: &str, holds: bool, yes: &str, no: &str| {
        condition(&before.conditions, kind, Some(holds), if holds { yes } else { no }, "", generation, now)
    };
    let hosts = &facts.migration.spec.scheme.hosts;
    let far = |h: &HostFacts| h.committed() || h.replication().is_some_and(|p| p >= qianyun_crds::DiskPhase::InSync);
    let in_sync = !hosts.is_empty() && hosts.iter().all(|h| facts.host(&h.host_ref).is_some_and(far));
    vec![
        of_gate("SchemeValid", GateName::SchemeValid),
        of_gate("DepartmentConfirmed", GateName::DepartmentConfirmed),
        of_gate("DualApproved", GateName::DualApproved),
        plain("InSync", in_sync, "AllHostsInSync", "NotAllHostsInSync"),
        plain("CutOver", has_served(facts), "ServesFromTheCloud", "NotYet"),
        plain("InService", phase >= Phase::Trial, "Confirmed", "NotConfirmed"),
        condition(
            &before.conditions,
            "Succeeded",
            (phase == Phase::Closed).then_some(true),
            "UnderWay",
            "",
            generation,
            now,
        ),
    ]
}

/// The name of a reason, without its fields, as conditions want it.
fn name_of(reason: &crate::Reason) -> String {
    format!("{reason:?}").chars().take_while(char::is_ascii_alphanumeric).collect()
}

/// What a phase is called in Chinese.
pub(crate) fn zh(phase: Phase) -> &'static str {
    match phase {
        Phase::Drafting => "拟制",
        Phase::Review => "审批",
        Phase::Returned => "已退回",
        Phase::Approved => "已批准",
        Phase::Replicating => "同步中",
        Phase::Rehearsing => "演练中",
        Phase::Rehearsed => "已演练",
        Phase::Scheduled => "待割接",
        Phase::CuttingOver => "割接中",
        Phase::RollingBack => "回退中",
        Phase::Provisional => "待确认",
        Phase::Trial => "试运行",
        Phase::Acceptance => "验收中",
        Phase::Accepted => "已验收",
        Phase::Closed => "办结",
    }
}
