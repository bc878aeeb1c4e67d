//! 平台等保满足 (Art. 28): the platform's protection level suffices for the system, and its assessment is in date.
//!
//! Blocks the approval, every action on hosts, and the cutover. Opened by the operator.

use super::need;
use crate::calendar::parse_day;
use crate::facts::Facts;
use crate::reason::{Asked, Found, Reason, closed};
use jiff::Timestamp;
use qianyun_crds::PolicyProfileSpec;

pub(super) fn look(facts: &Facts, policy: &PolicyProfileSpec, now: Timestamp) -> Found {
    let spec = &facts.migration.spec;
    let platform = need(&facts.platform, Asked::Platform, &spec.platform_ref)?;
    let system = need(&facts.system, Asked::System, &spec.system_ref)?;
    // Whatever runs on it, Art. 28 asks the platform itself for level-3 protection capability; the number is the policy's.
    let lowest = policy.numbers.platform_level;
    let needed = system.spec.mlps.as_ref().map_or(lowest, |m| m.level.max(lowest));
    let mlps = &platform.spec.mlps;
    if mlps.level < needed {
        return Err(closed(Reason::PlatformLevelTooLow { level: mlps.level, needed }));
    }
    match parse_day(&mlps.next_due) {
        Some(due) if due >= facts.day(now) => Ok(()),
        Some(_) | None => Err(closed(Reason::AssessmentOverdue { due: mlps.next_due.clone() })),
    }
}
