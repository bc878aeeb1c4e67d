//! 数据一致 (practice): every host voted, its record is signed by both ends, and the roots in it are equal.
//!
//! Blocks the commit. Nobody opens it but the machines.

use crate::facts::{Facts, HostFacts, Verification};
use crate::reason::{Asked, Found, Reason, closed, unknown};
use jiff::Timestamp;
use qianyun_crds::PolicyProfileSpec;

pub(super) fn look(facts: &Facts, _policy: &PolicyProfileSpec, _now: Timestamp) -> Found {
    facts.migration.spec.scheme.hosts.iter().try_for_each(|scheme| match facts.host(&scheme.host_ref) {
        Some(host) => of_host(host),
        None => Err(closed(Reason::NoRecord { host: scheme.host_ref.clone() })),
    })
}

/// A host's own record. One that was committed was verified before.
fn of_host(facts: &HostFacts) -> Found {
    if facts.committed() {
        return Ok(());
    }
    let host = facts.name.clone();
    match facts.vote().and_then(|v| v.record.as_ref()).map(|r| &r.verification) {
        Some(Verification::Verified) => Ok(()),
        Some(Verification::Refused(found)) => Err(closed(Reason::RecordRefused { host, found: found.clone() })),
        Some(Verification::Unknown) => Err(unknown(Asked::RecordCheck)),
        None => Err(closed(Reason::NoRecord { host })),
    }
}
