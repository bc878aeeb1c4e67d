//! 设备全部落实去向 (Art. 22): the latest record of every old server says where it went, and holds; also of one that is enrolled
//! for the system and that no scheme of it names.
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
    need(&facts.left_out, Asked::LeftOut, "")?;
    match custody::servers(facts).find(|host| custody::of_host(records, facts, host).is_none()) {
        Some(host) => Err(closed(Reason::DeviceNotSettled { host: host.into() })),
        None => Ok(()),
    }
}
