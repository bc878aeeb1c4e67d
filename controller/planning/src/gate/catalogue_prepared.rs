//! 目录已预编 (Art. 27): the draft of the system's resource catalogue is attached, and not empty.
//!
//! Blocks the approval, and every action on hosts. Opened by the department. That the catalogue is registered is asked for the acceptance.

use super::need;
use crate::facts::Facts;
use crate::reason::{Asked, Found, Reason, closed};
use jiff::Timestamp;
use qianyun_crds::PolicyProfileSpec;

pub(super) fn look(facts: &Facts, _policy: &PolicyProfileSpec, _now: Timestamp) -> Found {
    let system = need(&facts.system, Asked::System, &facts.migration.spec.system_ref)?;
    let prepared = system.spec.catalogue.as_ref().is_some_and(|c| c.item_count > 0);
    if prepared { Ok(()) } else { Err(closed(Reason::CatalogueNotPrepared)) }
}
