//! 定级备案 (Art. 29): the system has a protection level and a filing number.
//!
//! Blocks the approval, and every action on hosts. Opened by the department.

use super::need;
use crate::facts::Facts;
use crate::reason::{Asked, Found, Reason, closed};
use jiff::Timestamp;
use qianyun_crds::PolicyProfileSpec;

pub(super) fn look(facts: &Facts, _policy: &PolicyProfileSpec, _now: Timestamp) -> Found {
    let system = need(&facts.system, Asked::System, &facts.migration.spec.system_ref)?;
    match &system.spec.mlps {
        Some(grading) if !grading.filing_no.trim().is_empty() => Ok(()),
        Some(_) | None => Err(closed(Reason::SystemNotGraded)),
    }
}
