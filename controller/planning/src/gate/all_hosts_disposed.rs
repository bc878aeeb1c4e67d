//! 设备全部落实去向 (Art. 22): the latest record of every old server says where it went, and holds.
//!
//! Blocks 办结. Opened by the operator, who records the handover.

use crate::custody;
use crate::facts::Facts;
use crate::reason::{Found, Reason, closed};
use jiff::Timestamp;
use qianyun_crds::PolicyProfileSpec;

pub(super) fn look(facts: &Facts, _policy: &PolicyProfileSpec, _now: Timestamp) -> Found {
    let records = super::need(&facts.custody, crate::reason::Asked::Custody, "")?;
    for scheme in &facts.migration.spec.scheme.hosts {
        let host = &scheme.host_ref;
        match custody::of_host(records, facts, host) {
            Some(_) => {}
            None => return Err(closed(Reason::DeviceNotSettled { host: host.clone() })),
        }
    }
    Ok(())
}
