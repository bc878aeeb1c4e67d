//! 目录已纳入 (Art. 27): the system's catalogue has a number and a day of registration.
//!
//! Blocks the acceptance. Opened by the department.

use super::need;
use crate::calendar::parse_day;
use crate::facts::Facts;
use crate::reason::{Asked, Found, Reason, closed};
use jiff::Timestamp;
use qianyun_crds::PolicyProfileSpec;

pub(super) fn look(facts: &Facts, _policy: &PolicyProfileSpec, now: Timestamp) -> Found {
    let system = need(&facts.system, Asked::System, &facts.migration.spec.system_ref)?;
    let registration = system.spec.catalogue.as_ref().and_then(|c| c.registration.as_ref());
    let today = facts.day(now);
    match registration.and_then(|r| parse_day(&r.registered_on)) {
        Some(on) if on <= today => Ok(()),
        Some(_) | None => Err(closed(Reason::CatalogueNotRegistered)),
    }
}
