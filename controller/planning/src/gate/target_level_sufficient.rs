//! 平台等保满足 (Art. 28): the platform's protection level suffices for the system, and its assessment is in date.
//!
//! Blocks every action on hosts, and the cutover. Opened by the operator.

use super::need;
use crate::calendar::{day, parse_day};
use crate::facts::Facts;
use crate::reason::{Asked, Found, Reason, closed};
use jiff::Timestamp;
use qianyun_crds::PolicyProfileSpec;

/// Art. 28 asks the cloud platform for "level-3 protection capability", whatever runs on it.
const PLATFORM_LEVEL: i32 = 3;

pub(super) fn look(facts: &Facts, _policy: &PolicyProfileSpec, now: Timestamp) -> Found {
    let spec = &facts.migration.spec;
    let platform = need(&facts.platform, Asked::Platform, &spec.platform_ref)?;
    let system = need(&facts.system, Asked::System, &spec.system_ref)?;
    let needed = system.spec.mlps.as_ref().map_or(PLATFORM_LEVEL, |m| m.level.max(PLATFORM_LEVEL));
    let mlps = &platform.spec.mlps;
    if mlps.level < needed {
        return Err(closed(Reason::PlatformLevelTooLow { level: mlps.level, needed }));
    }
    match parse_day(&mlps.next_due) {
        Some(due) if due >= day(now) => Ok(()),
        Some(_) | None => Err(closed(Reason::AssessmentOverdue { due: mlps.next_due.clone() })),
    }
}
