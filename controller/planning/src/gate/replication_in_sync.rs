//! 数据同步 (practice): every disk of every host is in sync, by a report that is fresh.
//!
//! Blocks the beginning of a cutover. Time opens it. A host whose attempt is under way, or whose commit was decided, is
//! past this gate: its copy is being finished, or is finished.

use crate::facts::{Facts, HostFacts};
use crate::reason::{Found, Reason, closed};
use jiff::Timestamp;
use qianyun_crds::{DiskPhase, HostIntent, PolicyProfileSpec};

/// A report older than this says nothing about now. Agents report every few seconds while they copy and at least every
/// 20 s (the long poll) otherwise; three missed in a row are more than a hiccup.
pub(crate) const REPORT_FRESH_MS: u64 = 60_000;

pub(super) fn look(facts: &Facts, _policy: &PolicyProfileSpec, _now: Timestamp) -> Found {
    facts.migration.spec.scheme.hosts.iter().try_for_each(|scheme| match facts.host(&scheme.host_ref) {
        Some(host) => of_host(host),
        None => Err(closed(Reason::NotReplicating { host: scheme.host_ref.clone() })),
    })
}

fn of_host(facts: &HostFacts) -> Found {
    let host = || facts.name.clone();
    let Some(journey) = facts.journey.get() else { return Err(closed(Reason::NotReplicating { host: host() })) };
    match journey.spec.intent {
        HostIntent::Cutover | HostIntent::Fence | HostIntent::Serve => return Ok(()),
        HostIntent::Idle => return Err(closed(Reason::NotReplicating { host: host() })),
        HostIntent::Replicate | HostIntent::Resume => {}
    }
    let Some(agent) = &facts.agent else { return Err(closed(Reason::NotReplicating { host: host() })) };
    if agent.age_ms > REPORT_FRESH_MS {
        let seconds = i64::try_from(agent.age_ms / 1000).unwrap_or(i64::MAX);
        return Err(closed(Reason::AgentSilent { host: host(), seconds }));
    }
    if facts.disks_in_scheme > agent.disks.len() {
        return Err(closed(Reason::NotInSync { host: host(), phase: DiskPhase::Idle }));
    }
    match facts.replication() {
        Some(phase) if phase >= DiskPhase::InSync => Ok(()),
        Some(phase) => Err(closed(Reason::NotInSync { host: host(), phase })),
        None => Err(closed(Reason::NotReplicating { host: host() })),
    }
}
