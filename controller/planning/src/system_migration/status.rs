//! What a system's migration says about itself.

use super::{due, next_obstacle, next_step};
use crate::approval::{
    Judged, acceptance_subject, application_subject, judge as judge_approvals, scheme_subject, tally,
};
use crate::calendar::to_second;
use crate::facts::{Facts, HostFacts, Known};
use crate::gate::{definition, judge};
use crate::phase::{has_served, hosts_in_sync, phase};
use crate::reason::Verdict;
use crate::report::{Words, condition, phase as words, waiting};
use crate::sequence::{Step, needs};
use crate::waiting::WaitingOn;
use crate::{caution, custody, trial};
use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};
use qianyun_crds::{AcceptedRecord, DecisionRecord, GateName, GateStatus, GateVerdict, Phase, SystemMigrationStatus};

/// The status of a system's migration.
pub fn status(facts: &Facts, on: Option<&WaitingOn>, now: Timestamp) -> SystemMigrationStatus {
    let before = facts.migration.status.clone().unwrap_or_default();
    let phase = phase(facts, now);
    let judged = judged(facts);
    let trial_started_at = trial::started_at(facts, now).or_else(|| trial::recorded(facts));
    let policy = facts.policy.get().map(|p| &p.spec);
    let trial = policy.and_then(|policy| trial::period(facts, policy, now));
    let trial_end = trial.map(|t| t.earliest_end().to_string());
    let next_due = due::next(facts, phase, now);
    let waiting = on.map(|on| waiting(on, before.waiting.as_ref(), &facts.zone, now));
    let mut status = SystemMigrationStatus {
        observed_generation: facts.migration.metadata.generation,
        phase: Some(phase),
        department: facts.system.get().map(|s| s.spec.department_ref.clone()).or_else(|| before.department.clone()),
        digest: Some(facts.digest.clone()),
        approvals: approvals(facts, &judged),
        decisions: judged.iter().map(decision_record).collect(),
        lamp: Some(due::lamp(facts, phase, next_due.as_ref(), now)),
        next_due,
        blocked_by: next_obstacle(facts, now).map(|o| o.gate),
        gates: gates(facts, &before, now),
        cautions: caution::of(facts).iter().map(caution_record).collect(),
        hosts: Some(hosts_in_sync(facts)),
        trial_started_at: trial_started_at.map(|at| Time(to_second(at))),
        trial_earliest_end: trial_end,
        application_digest: (phase >= Phase::Trial).then(|| facts.application_digest.clone()),
        acceptance_digest: (phase >= Phase::Trial).then(|| facts.acceptance_digest.clone()),
        acceptance_decisions: acceptance_decisions(facts),
        accepted: (phase >= Phase::Accepted).then(|| accepted(facts, &before, now)),
        devices: (phase >= Phase::Trial).then(|| devices(facts)),
        audit: before.audit.clone(),
        message: Some(waiting.as_ref().map_or_else(|| format!("{phase:?}"), |w| w.message.clone())),
        message_zh: Some(waiting.as_ref().map_or_else(|| words::phase(phase).zh, |w| w.message_zh.clone())),
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

fn caution_record(caution: &caution::Caution) -> qianyun_crds::Caution {
    let Words { en, zh } = caution.words();
    qianyun_crds::Caution { kind: caution.kind(), message: en, message_zh: zh }
}

/// The gates of the next step.
fn gates(facts: &Facts, before: &SystemMigrationStatus, now: Timestamp) -> Vec<GateStatus> {
    // Of one that is closed, the last; an old server may yet be moved.
    let step = next_step(facts, now).unwrap_or(Step::Close);
    needs(step)
        .iter()
        .copied()
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
                message: found
                    .reason()
                    .map(|r| r.words(&facts.zone).en)
                    .unwrap_or_default()
                    .chars()
                    .take(1000)
                    .collect(),
                since: old.map_or(Time(to_second(now)), |g| g.since.clone()),
            }
        })
        .collect()
}

/// The record that the acceptance as it stands was reached, kept from when it was.
fn accepted(facts: &Facts, before: &SystemMigrationStatus, now: Timestamp) -> AcceptedRecord {
    let fresh = || AcceptedRecord { digest: facts.acceptance_digest.clone(), at: Time(to_second(now)) };
    before.accepted.clone().filter(|a| a.digest == facts.acceptance_digest).unwrap_or_else(fresh)
}

fn acceptance_decisions(facts: &Facts) -> Vec<DecisionRecord> {
    let (Known::Is(policy), Known::Is(approvals)) = (&facts.policy, &facts.approvals) else { return Vec::new() };
    let subjects = [application_subject(facts, &policy.spec), acceptance_subject(facts, &policy.spec)];
    let judged = subjects.iter().flat_map(|subject| judge_approvals(subject, &policy.spec, approvals));
    judged.map(|judged| decision_record(&judged)).collect()
}

/// Old servers whose whereabouts are settled, over all.
fn devices(facts: &Facts) -> String {
    let records = facts.custody.get().map(Vec::as_slice).unwrap_or_default();
    let settled = custody::servers(facts).filter(|host| custody::of_host(records, facts, host).is_some()).count();
    format!("{settled}/{}", custody::servers(facts).count())
}

fn conditions(facts: &Facts, phase: Phase, before: &SystemMigrationStatus, now: Timestamp) -> Vec<Condition> {
    let generation = facts.migration.metadata.generation;
    let of_gate = |kind: &str, gate: GateName| {
        let verdict = judge(gate, facts, now);
        let (status, reason, message) = match &verdict {
            Verdict::Open => (Some(true), "Open".to_string(), String::new()),
            Verdict::Off => (Some(true), "OffByPolicy".to_string(), String::new()),
            Verdict::Closed(reason) => (Some(false), name_of(reason), reason.words(&facts.zone).en),
            Verdict::Unknown(reason) => (None, name_of(reason), reason.words(&facts.zone).en),
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
        plain("CutOver", phase >= Phase::Accepted || has_served(facts), "ServesFromTheCloud", "NotYet"),
        plain("InService", phase >= Phase::Trial, "Confirmed", "NotConfirmed"),
        plain("Accepted", phase >= Phase::Accepted, "Accepted", "NotAccepted"),
        plain("DevicesSettled", phase == Phase::Closed, "AllSettled", "NotAllSettled"),
        condition(
            &before.conditions,
            "Succeeded",
            (phase == Phase::Closed).then_some(true),
            if phase == Phase::Closed { "Closed" } else { "UnderWay" },
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
