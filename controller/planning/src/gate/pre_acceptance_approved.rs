//! 履约验收前置核准 (rules of 2025): the roles that the policy names approved the papers before the meeting.
//!
//! Blocks the acceptance. Opened by them. A policy that names nobody, as that of 2018, does not ask for it.

use super::signed;
use crate::approval::application_subject;
use crate::facts::Facts;
use crate::reason::Found;
use jiff::Timestamp;
use qianyun_crds::{GateName, PolicyProfileSpec};

pub(super) fn look(facts: &Facts, policy: &PolicyProfileSpec, _now: Timestamp) -> Found {
    if policy.acceptance_approvers.is_empty() {
        return Ok(());
    }
    signed(facts, policy, &application_subject(facts, policy), GateName::PreAcceptanceApproved)
}
