//! What a host's journey says about itself: what was seen for the first time is kept, the rest is as it is now.

use crate::calendar::to_second;
use crate::facts::{Facts, HostFacts, Machine, Receiver, Silence};
use crate::gate::{fence_acknowledged, judge};
use crate::report::{condition, length, size, waiting};
use crate::waiting::WaitingOn;
use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use qianyun_crds::{
    CutoverStatus, DiskPhase, DiskStatus, GateName, HostMigration, HostMigrationStatus, ProbeStatus, ReceiverStatus,
    SourceCutover, StepName, StepProgress, StepStatus, TargetState, TargetStatus,
};

/// Since when a vote has been waited for.
pub fn vote_started(journey: &HostMigration) -> Option<Timestamp> {
    let waiting = journey.status.as_ref()?.waiting.as_ref()?;
    (waiting.waiting_for == "Vote").then_some(waiting.since.0)
}

/// The status of a host's journey. `None` where there is no journey.
pub fn status(facts: &Facts, name: &str, on: Option<&WaitingOn>, now: Timestamp) -> Option<HostMigrationStatus> {
    let host = facts.host(name)?;
    let journey = host.journey.get()?;
    let before = journey.status.clone().unwrap_or_default();
    let disks = disks(host, &before);
    let cutover = cutover(facts, host, journey, &before, now);
    let mut steps = steps(host, &before);
    close_fence(&mut steps, cutover.as_ref());
    let target = target(host, &before, now);
    let waiting = on.map(|on| waiting(on, before.waiting.as_ref(), &facts.zone, now));
    let message = waiting.as_ref().map_or_else(|| "nothing is waited for".to_string(), |w| w.message.clone());
    let mut status = HostMigrationStatus {
        observed_generation: journey.metadata.generation,
        epoch: Some(facts.epoch),
        step: current_step(&steps),
        steps,
        replication: disks.iter().map(|d| d.phase).min(),
        left: totals(&disks, |d| d.remaining_bytes).map(size),
        sent: totals(&disks, |d| d.sent_bytes).map(size),
        eta: eta(&disks),
        disks,
        receiver: receiver(host, journey, &before),
        cutover,
        target,
        waiting,
        message: Some(message),
        conditions: Vec::new(),
    };
    status.conditions = conditions(facts, host, &status, &before, now);
    Some(status)
}

fn disks(host: &HostFacts, before: &HostMigrationStatus) -> Vec<DiskStatus> {
    match host.agent.as_ref().filter(|a| !a.disks.is_empty()) {
        Some(agent) => agent.disks.clone(),
        None => before.disks.clone(),
    }
}

/// The agent reports the steps of its present intent; those of earlier ones are kept, so that the story stays whole.
fn steps(host: &HostFacts, before: &HostMigrationStatus) -> Vec<StepStatus> {
    let mut steps = before.steps.clone();
    let arrived = host.arrival.iter().flat_map(|a| &a.steps);
    for new in host.agent.iter().flat_map(|a| &a.steps).chain(arrived) {
        match steps.iter_mut().find(|s| s.name == new.name) {
            Some(old) => *old = new.clone(),
            None => steps.push(new.clone()),
        }
    }
    steps.sort_by_key(|s| s.name);
    steps
}

/// A machine that has powered itself off cannot say so; its silence does.
fn close_fence(steps: &mut [StepStatus], cutover: Option<&CutoverStatus>) {
    let acknowledged = cutover.filter(|c| c.fence_acknowledged_at.is_some());
    let Some(silent) = acknowledged.and_then(|c| c.silent_since.clone()) else { return };
    for step in steps.iter_mut().filter(|s| s.name == StepName::Fence && s.state == StepProgress::Running) {
        step.state = StepProgress::Done;
        step.finished_at = Some(silent.clone());
    }
}

/// What runs, else what was begun last. The target's clock may differ from the source's, so its steps come after by name.
fn current_step(steps: &[StepStatus]) -> Option<String> {
    let running = steps.iter().find(|s| s.state == StepProgress::Running);
    let order = |s: &&StepStatus| (s.name > StepName::Fence, s.started_at.clone(), s.name);
    let newest = || steps.iter().filter(|s| s.started_at.is_some()).max_by_key(order);
    running.or_else(newest).map(|s| format!("{:?}", s.name))
}

fn totals(disks: &[DiskStatus], field: impl Fn(&DiskStatus) -> i64) -> Option<i64> {
    (!disks.is_empty()).then(|| disks.iter().fold(0_i64, |sum, d| sum.saturating_add(field(d))))
}

/// The slowest disk's estimate; nothing once all are in sync, or while one has none.
fn eta(disks: &[DiskStatus]) -> Option<String> {
    let behind: Vec<&DiskStatus> = disks.iter().filter(|d| d.phase < DiskPhase::InSync).collect();
    let low = behind.iter().map(|d| d.eta_low_seconds).collect::<Option<Vec<_>>>()?.into_iter().max()?;
    let high = behind.iter().map(|d| d.eta_high_seconds).collect::<Option<Vec<_>>>()?.into_iter().max()?;
    Some(format!("{}-{}", length(low), length(high)))
}

fn receiver(host: &HostFacts, journey: &HostMigration, before: &HostMigrationStatus) -> Option<ReceiverStatus> {
    match &host.hosting.receiver {
        Receiver::Ready { address, name } => {
            Some(ReceiverStatus { address: address.clone(), name: name.clone(), session: journey.spec.session })
        }
        Receiver::Absent => None,
        Receiver::Starting | Receiver::Failed(_) | Receiver::Unknown => before.receiver.clone(),
    }
}

fn cutover(
    facts: &Facts,
    host: &HostFacts,
    journey: &HostMigration,
    before: &HostMigrationStatus,
    now: Timestamp,
) -> Option<CutoverStatus> {
    let attempt = journey.spec.attempt;
    if attempt == 0 {
        return None;
    }
    let mut cutover = before.cutover.clone().filter(|c| c.attempt == attempt).unwrap_or_else(|| CutoverStatus {
        attempt,
        attempt_in_window: attempt_in_window(facts, before.cutover.as_ref()),
        source: SourceCutover::Working,
        frozen_ms: None,
        decision: None,
        record: None,
        fence_acknowledged_at: None,
        silent_since: None,
        message: String::new(),
    });
    let committed = host.committed();
    if let Some(vote) = host.vote().filter(|_| cutover.source != SourceCutover::Fencing) {
        cutover.source = vote.state;
        cutover.frozen_ms = i64::try_from(vote.frozen_ms).ok().filter(|ms| *ms > 0).or(cutover.frozen_ms);
        cutover.message = vote.message.chars().take(1000).collect();
        if let Some(record) = vote.record.as_ref().filter(|_| !committed) {
            cutover.record = Some(record.record.clone());
        }
    }
    if committed && cutover.fence_acknowledged_at.is_none() && fence_acknowledged(host) {
        cutover.fence_acknowledged_at = Some(Time(to_second(now)));
    }
    if committed && host.hosting.machine != Machine::Running {
        match &host.silence {
            Silence::Since(since) => cutover.silent_since = Some(Time(to_second(*since))),
            Silence::Answers(_) => cutover.silent_since = None,
            Silence::Unknown => {}
        }
    }
    Some(cutover)
}

/// The attempt after `last`: the first of its window, or one more.
fn attempt_in_window(facts: &Facts, last: Option<&CutoverStatus>) -> i32 {
    let window = facts.migration.spec.scheme.window.start.0;
    let in_this = last.filter(|c| c.decision.as_ref().is_some_and(|d| d.at.0 >= window));
    in_this.map_or(1, |c| c.attempt_in_window.saturating_add(1))
}

fn target(host: &HostFacts, before: &HostMigrationStatus, now: Timestamp) -> Option<TargetStatus> {
    if !host.committed() {
        return None;
    }
    let old = before.target.clone();
    let once = |old: Option<Time>, seen: bool| old.or_else(|| seen.then(|| Time(to_second(now))));
    let running = host.hosting.machine == Machine::Running;
    Some(TargetStatus {
        state: match host.hosting.machine {
            Machine::Running => TargetState::Running,
            Machine::Stopped => TargetState::Stopped,
            Machine::Absent => TargetState::Absent,
            Machine::Unknown => TargetState::Unknown,
        },
        launched_at: once(old.as_ref().and_then(|t| t.launched_at.clone()), running),
        arrived_at: once(old.as_ref().and_then(|t| t.arrived_at.clone()), host.arrival.is_some()),
        adapted_at: once(old.as_ref().and_then(|t| t.adapted_at.clone()), host.adapted()),
        probes: host
            .probes
            .iter()
            .map(|p| ProbeStatus {
                name: p.name.clone(),
                passed: p.passed,
                at: Time(to_second(p.at)),
                message: p.message.chars().take(256).collect(),
            })
            .collect(),
        message: host.arrival.as_ref().map_or_else(String::new, |a| a.message.clone()),
    })
}

fn conditions(
    facts: &Facts,
    host: &HostFacts,
    status: &HostMigrationStatus,
    before: &HostMigrationStatus,
    now: Timestamp,
) -> Vec<k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition> {
    let make = |kind: &str, holds: bool, yes: &str, no: &str, message: &str| {
        let reason = if holds { yes } else { no };
        condition(&before.conditions, kind, Some(holds), reason, message, status.observed_generation, now)
    };
    let in_sync = host.committed() || status.replication.is_some_and(|p| p >= DiskPhase::InSync);
    let fenced = status
        .cutover
        .as_ref()
        .is_some_and(|c| c.fence_acknowledged_at.is_some() && c.silent_since.is_some() && host.committed());
    let serves = host.adapted() && judge(GateName::ProbesPassed, facts, now).passes();
    vec![
        make("InSync", in_sync, "InSync", "NotInSync", status.message.as_deref().unwrap_or_default()),
        make("Committed", host.committed(), "Committed", "NotCommitted", decision_words(host).as_str()),
        make("Fenced", fenced, "AcknowledgedAndSilent", "NotFenced", ""),
        make("InService", serves, "ProbesPassed", "NotInService", ""),
    ]
}

fn decision_words(host: &HostFacts) -> String {
    host.decision().map(|d| format!("{:?} of attempt {}: {}", d.kind, d.attempt, d.reason)).unwrap_or_default()
}
