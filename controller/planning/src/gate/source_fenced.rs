//! 源端已隔离 (practice): the source acknowledged that it goes out of service, and nothing of it answers any more.
//!
//! Blocks the launch. If the source lost its power before it could acknowledge, it does so when it is switched on again;
//! until then nothing is launched, because nothing proves that it is out of service. Opened by the department.

use crate::calendar::seconds_between;
use crate::facts::{Facts, HostFacts, Machine, Silence};
use crate::reason::{Asked, Found, Reason, closed, unknown};
use jiff::Timestamp;
use qianyun_crds::{PolicyProfileSpec, SourceCutover};

/// The acknowledgement is the proof; silence only confirms that the power went off. Two rounds of probes with a time-out
/// of 2 s each fit into five seconds, and every second more is one without service.
const SILENT_SECONDS: i64 = 5;

pub(super) fn look(facts: &Facts, _policy: &PolicyProfileSpec, now: Timestamp) -> Found {
    facts.migration.spec.scheme.hosts.iter().try_for_each(|scheme| match facts.host(&scheme.host_ref) {
        Some(host) => of_host(host, now),
        None => Err(closed(Reason::NotCommitted { host: scheme.host_ref.clone() })),
    })
}

/// Whether the source acknowledged the fence: by the record of it, or by what it says at this moment.
pub(crate) fn acknowledged(facts: &HostFacts) -> bool {
    let recorded = facts.cutover().is_some_and(|c| c.fence_acknowledged_at.is_some());
    recorded || facts.vote().is_some_and(|v| v.state == SourceCutover::Fencing)
}

pub(crate) fn of_host(facts: &HostFacts, now: Timestamp) -> Found {
    let host = || facts.name.clone();
    if !facts.committed() {
        return Err(closed(Reason::NotCommitted { host: host() }));
    }
    if !acknowledged(facts) {
        return Err(closed(Reason::FenceNotAcknowledged { host: host() }));
    }
    // Once the target runs, it is the target that answers; the silence before it is on record.
    let recorded = facts.cutover().is_some_and(|c| c.silent_since.is_some());
    if recorded && facts.hosting.machine == Machine::Running {
        return Ok(());
    }
    match &facts.silence {
        Silence::Since(since) => {
            let seconds = seconds_between(*since, now);
            if seconds >= SILENT_SECONDS {
                return Ok(());
            }
            Err(closed(Reason::SilentTooShort { host: host(), seconds, needed_seconds: SILENT_SECONDS }))
        }
        Silence::Answers(what) => Err(closed(Reason::SourceAnswers { host: host(), what: what.clone() })),
        Silence::Unknown => Err(unknown(Asked::SourceSilence)),
    }
}
