//! 设备全部落实去向 (Art. 22): the latest record of every old server says where it went, and holds.
//!
//! Blocks 办结. Opened by the operator, who records the handover.

use super::need;
use crate::custody;
use crate::facts::Facts;
use crate::reason::{Asked, Found, Reason, closed};
use jiff::Timestamp;
use qianyun_crds::PolicyProfileSpec;

pub(super) fn look(facts: &Facts, _policy: &PolicyProfileSpec, _now: Timestamp) -> Found {
    let records = need(&facts.custody, Asked::Custody, "")?;
    let mut hosts = facts.migration.spec.scheme.hosts.iter().map(|h| &h.host_ref);
    match hosts.find(|host| custody::of_host(records, facts, host).is_none()) {
        Some(host) => Err(closed(Reason::DeviceNotSettled { host: host.clone() })),
        None => Ok(()),
    }
}
