//! 试运行满3个月 (Art. 20): the trial run has lasted the calendar months that the policy asks for.
//!
//! Blocks the acceptance. Time opens it, and nothing else.

use crate::facts::Facts;
use crate::reason::{Found, Reason, closed};
use crate::trial;
use jiff::Timestamp;
use qianyun_crds::PolicyProfileSpec;

pub(super) fn look(facts: &Facts, policy: &PolicyProfileSpec, now: Timestamp) -> Found {
    let Some(period) = trial::period(facts, policy, now) else { return Err(closed(trial::why_none(facts))) };
    if period.has_elapsed(facts.day(now)) {
        return Ok(());
    }
    let opens_at = trial::opens_at(facts, period);
    Err(closed(Reason::TrialNotOver { earliest_end: period.earliest_end().to_string(), opens_at }))
}
