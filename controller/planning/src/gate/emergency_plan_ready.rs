//! 应急预案已备 (Art. 29): the emergency plan is attached to the scheme.
//!
//! Blocks the approval, and every action on hosts. Opened by the operator, who attaches it to the scheme.

use crate::facts::Facts;
use crate::reason::{Found, Reason, closed};
use jiff::Timestamp;
use qianyun_crds::PolicyProfileSpec;

pub(super) fn look(facts: &Facts, _policy: &PolicyProfileSpec, _now: Timestamp) -> Found {
    facts.migration.spec.scheme.emergency_plan.as_ref().map(|_| ()).ok_or_else(|| closed(Reason::EmergencyPlanMissing))
}
