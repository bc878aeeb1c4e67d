//! What to call where a system stands. A projection of facts; never remembered, so never wrong for long.
//!
//! ```text
//! Drafting → Review → Approved → Replicating ⇄ Scheduled → CuttingOver → Provisional → Trial → Acceptance → Accepted → Closed
//!     ↑ edit    ↓ return                ↑                       ↓ abort
//!     └────── Returned                  └────────────────── RollingBack
//! ```

use crate::facts::{Facts, HostFacts, Known};
use crate::gate::judge;
use crate::sequence::{Step, needs};
use crate::{approval, gate};
use jiff::Timestamp;
use qianyun_crds::{GateName, HostIntent, HostMigration, Phase};

/// The phase of a system's journey.
pub fn phase(facts: &Facts, now: Timestamp) -> Phase {
    // What was reached stands, whatever cannot be read at the moment.
    if facts.accepted_before() {
        return accepted(facts, now);
    }
    if facts.any_committed() {
        return after_commit(facts, now);
    }
    let intents: Vec<HostIntent> = facts.hosts.iter().filter_map(|h| h.journey.get()).map(|j| j.spec.intent).collect();
    let any = |wanted: HostIntent| intents.contains(&wanted);
    if any(HostIntent::Cutover) || any(HostIntent::Fence) || any(HostIntent::Serve) {
        return Phase::CuttingOver;
    }
    if any(HostIntent::Resume) {
        return Phase::RollingBack;
    }
    if any(HostIntent::Replicate) {
        let in_sync = judge(GateName::ReplicationInSync, facts, now).passes();
        return if in_sync { Phase::Scheduled } else { Phase::Replicating };
    }
    on_paper(facts, now)
}

fn after_commit(facts: &Facts, now: Timestamp) -> Phase {
    if !has_served(facts) {
        return Phase::CuttingOver;
    }
    let open = |gate| judge(gate, facts, now).passes();
    if !open(GateName::CutoverConfirmed) {
        return Phase::Provisional;
    }
    if needs(Step::Accept).iter().all(|gate| open(*gate)) {
        return accepted(facts, now);
    }
    if open(GateName::TrialElapsed) { Phase::Acceptance } else { Phase::Trial }
}

fn accepted(facts: &Facts, now: Timestamp) -> Phase {
    let settled = needs(Step::Close).iter().all(|gate| judge(*gate, facts, now).passes());
    if settled { Phase::Closed } else { Phase::Accepted }
}

/// Whether every host was committed, adapted itself, and every probe has passed since. Unlike the gate `ProbesPassed`, a
/// machine that is being restarted does not take it back.
pub fn has_served(facts: &Facts) -> bool {
    let scheme = &facts.migration.spec.scheme;
    let served = |name: &str| facts.host(name).is_some_and(|h| h.committed() && h.adapted());
    let passed = |probe: &str| facts.hosts.iter().flat_map(|h| &h.probes).any(|p| p.name == probe && p.passed);
    !scheme.hosts.is_empty()
        && scheme.hosts.iter().all(|h| served(&h.host_ref))
        && scheme.probes.iter().all(|p| passed(&p.name))
}

fn on_paper(facts: &Facts, now: Timestamp) -> Phase {
    if is_returned(facts) {
        return Phase::Returned;
    }
    let confirmed = gate::judge(GateName::DepartmentConfirmed, facts, now).passes();
    let approved = gate::judge(GateName::DualApproved, facts, now).passes();
    match (confirmed, approved) {
        (true, true) => Phase::Approved,
        (true, false) => Phase::Review,
        (false, _) => Phase::Drafting,
    }
}

/// Whether someone who may returned this digest.
pub fn is_returned(facts: &Facts) -> bool {
    let (Known::Is(policy), Known::Is(approvals)) = (&facts.policy, &facts.approvals) else { return false };
    let subject = approval::scheme_subject(facts, &policy.spec);
    let judged = approval::judge(&subject, &policy.spec, approvals);
    [GateName::DepartmentConfirmed, GateName::DualApproved]
        .into_iter()
        .any(|gate| approval::tally(&subject, gate, &judged).returned.is_some())
}

/// Hosts in sync or further over all of the scheme, as `1/1`.
pub fn hosts_in_sync(facts: &Facts) -> String {
    let hosts = &facts.migration.spec.scheme.hosts;
    let ready = |h: &HostFacts| h.committed() || h.replication().is_some_and(|p| p >= qianyun_crds::DiskPhase::InSync);
    let count = hosts.iter().filter(|h| facts.host(&h.host_ref).is_some_and(ready)).count();
    format!("{count}/{}", hosts.len())
}

/// Where something cannot be asked, or an agent has not reported since this controller began, the phase falls back until it is
/// known again; that is nothing that happened.
pub(crate) fn is_known(facts: &Facts, before: Option<Phase>, phase: Phase) -> bool {
    let asked = facts.policy.get().is_some() && facts.plan.get().is_some() && facts.approvals.get().is_some();
    let copied = |journey: &HostMigration| journey.spec.intent == HostIntent::Replicate;
    let unheard = facts.hosts.iter().any(|h| h.agent.is_none() && h.journey.get().is_some_and(copied));
    let journeys = journeys_are_known(facts);
    let falls_back = before == Some(Phase::Scheduled) && phase == Phase::Replicating;
    asked && journeys && !(falls_back && unheard)
}

/// Whether the journeys of all hosts could be read.
pub(crate) fn journeys_are_known(facts: &Facts) -> bool {
    facts.hosts.iter().all(|host| !matches!(host.journey, Known::Unknown))
}
