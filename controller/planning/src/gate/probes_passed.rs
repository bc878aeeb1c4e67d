//! 业务验证 (practice): every machine runs and says that it is adapted, and every declared probe passed.
//!
//! Blocks the trial run. Opened by the machines; the operator looks into it where they do not.

use crate::calendar::seconds_between;
use crate::facts::{Facts, HostFacts, Machine};
use crate::reason::{Asked, Found, Reason, closed, unknown};
use jiff::Timestamp;
use qianyun_crds::{PolicyProfileSpec, Probe};

pub(super) fn look(facts: &Facts, _policy: &PolicyProfileSpec, now: Timestamp) -> Found {
    let scheme = &facts.migration.spec.scheme;
    for scheme_host in &scheme.hosts {
        match facts.host(&scheme_host.host_ref) {
            Some(host) => serves(host)?,
            None => return Err(closed(Reason::TargetNotRunning { host: scheme_host.host_ref.clone() })),
        }
    }
    scheme.probes.iter().try_for_each(|probe| passed(facts, probe, now))
}

/// Whether the machine of a host runs and says that it is adapted.
pub(crate) fn serves(facts: &HostFacts) -> Found {
    let host = || facts.name.clone();
    match facts.hosting.machine {
        Machine::Running => {}
        Machine::Stopped | Machine::Absent => return Err(closed(Reason::TargetNotRunning { host: host() })),
        Machine::Unknown => return Err(unknown(Asked::Machine)),
    }
    if facts.adapted() {
        return Ok(());
    }
    let message = facts.arrival.as_ref().map(|a| {
        let down =
            if a.units_down.is_empty() { String::new() } else { format!("not active: {}", a.units_down.join(", ")) };
        [a.message.clone(), down].into_iter().filter(|m| !m.is_empty()).collect::<Vec<_>>().join("; ")
    });
    Err(closed(Reason::TargetNotAdapted { host: host(), message: message.unwrap_or_default() }))
}

fn passed(facts: &Facts, probe: &Probe, now: Timestamp) -> Found {
    let results = || facts.hosts.iter().flat_map(|h| &h.probes).filter(|r| r.name == probe.name);
    if results().any(|r| r.passed) {
        return Ok(());
    }
    let found = results().max_by_key(|r| r.at).map_or_else(|| "not tried yet".to_string(), |r| r.message.clone());
    let launched = facts.hosts.iter().filter_map(HostFacts::launched_at).max();
    let deadline_seconds = i64::from(probe.deadline_seconds);
    if launched.is_some_and(|at| seconds_between(at, now) > deadline_seconds) {
        return Err(closed(Reason::ProbeOverdue { probe: probe.name.clone(), found, deadline_seconds }));
    }
    Err(closed(Reason::ProbeNotPassed { probe: probe.name.clone(), found }))
}
