//! One system's journey: which hosts' journeys to make, and what to say about the whole. Each host's next act is planned by
//! [`crate::host_migration`]; nothing here touches a host.

pub(crate) mod due;
mod status;

pub use status::status;

use crate::action::{Action, Plan};
use crate::facts::{Facts, HostFacts, Known};
use crate::gate::first_obstacle;
use crate::host_migration;
use crate::phase::phase;
use crate::reason::Obstacle;
use crate::sequence::{Step, needs};
use crate::waiting::WaitingOn;
use jiff::Timestamp;
use qianyun_crds::{HostIntent, Party, Phase};

/// Plans one system.
pub fn plan(facts: &Facts, now: Timestamp) -> Plan {
    let without = hosts_without_journey(facts);
    // A host that was added to the scheme is begun like any other, however far the rest of the system is.
    let unmade = if without.is_empty() { None } else { first_obstacle(needs(Step::Replicate), facts, now) };
    let make = unmade.is_none() && !facts.migration.spec.suspend;
    let create = |host: String| Action::CreateJourney { host, digest: facts.digest.clone() };
    let actions = if make { without.into_iter().map(create).collect() } else { Vec::new() };
    Plan { actions, waiting: waiting(facts, unmade, now) }
}

/// Hosts of the scheme whose journey is yet to be made.
fn hosts_without_journey(facts: &Facts) -> Vec<String> {
    let hosts = facts.migration.spec.scheme.hosts.iter().map(|h| &h.host_ref);
    let absent = |h: &&String| facts.host(h).is_some_and(|f| matches!(f.journey, Known::Absent));
    hosts.filter(absent).cloned().collect()
}

/// The step that comes next for the system as a whole; `None` once it is closed.
pub fn next_step(facts: &Facts, now: Timestamp) -> Option<Step> {
    let intents = || facts.hosts.iter().filter_map(|h| h.journey.get()).map(|j| j.spec.intent);
    match phase(facts, now) {
        Phase::Drafting | Phase::Review | Phase::Returned | Phase::Approved => Some(Step::Replicate),
        Phase::Replicating | Phase::Scheduled | Phase::RollingBack => Some(Step::Cutover),
        Phase::CuttingOver if launched(facts) => Some(Step::Trial),
        Phase::CuttingOver if facts.any_committed() => Some(Step::Launch),
        Phase::CuttingOver if intents().any(|i| i == HostIntent::Cutover) => Some(Step::Commit),
        Phase::CuttingOver => Some(Step::Launch),
        Phase::Provisional => Some(Step::Trial),
        Phase::Trial | Phase::Acceptance => Some(Step::Accept),
        Phase::Accepted => Some(Step::Close),
        Phase::Rehearsing | Phase::Rehearsed | Phase::Closed => None,
    }
}

/// Whether every machine of the scheme was launched: from then on the approvals are not what it waits for.
fn launched(facts: &Facts) -> bool {
    let hosts = &facts.migration.spec.scheme.hosts;
    hosts.iter().all(|h| facts.host(&h.host_ref).is_some_and(|f| f.committed() && f.launched_at().is_some()))
}

/// What stands between the system and its next step.
pub fn next_obstacle(facts: &Facts, now: Timestamp) -> Option<Obstacle> {
    let step = next_step(facts, now)?;
    first_obstacle(needs(step), facts, now)
}

/// What the whole system waits for: where hosts are under way, the first of what they wait for that somebody can end, or
/// else the first at all; without them, the gate.
fn waiting(facts: &Facts, unmade: Option<Obstacle>, now: Timestamp) -> Option<WaitingOn> {
    let phase = phase(facts, now);
    let blocked = next_obstacle(facts, now);
    let on_paper = phase <= Phase::Approved;
    if let (true, Some(obstacle)) = (on_paper, &blocked) {
        return Some(WaitingOn::Gate(obstacle.clone()));
    }
    if phase >= Phase::Trial {
        return blocked.map(WaitingOn::Gate);
    }
    if facts.migration.spec.suspend && !facts.any_committed() {
        return Some(WaitingOn::Resumption);
    }
    // One that an edit dropped from the scheme waits for nothing that the system would wait for, once it is idle.
    let idle = |h: &HostFacts| h.journey.get().is_none_or(|j| j.spec.intent == HostIntent::Idle);
    let concerned = |h: &&HostFacts| facts.scheme_host(&h.name).is_some() || !idle(h);
    let hosts = facts.hosts.iter().filter(concerned);
    let of_host = |h: &HostFacts| match (&h.journey, &unmade) {
        (Known::Absent, Some(obstacle)) => Some(WaitingOn::Gate(obstacle.clone())),
        (Known::Absent | Known::Is(_) | Known::Unknown, _) => host_migration::plan(facts, &h.name, now).waiting,
    };
    let of_hosts: Vec<_> = hosts.filter_map(of_host).collect();
    // One that only waits for another host would say that nobody can end it.
    let actionable = of_hosts.iter().find(|on| on.party() != Party::Nobody);
    actionable.or(of_hosts.first()).cloned().or(blocked.map(WaitingOn::Gate))
}
