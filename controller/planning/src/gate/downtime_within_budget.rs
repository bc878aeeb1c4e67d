//! 停机时长可控 (practice; migration-systems.md CO-02): the interruption that users are to expect fits what the department accepts.
//!
//! Blocks the beginning of a cutover. Opened by the operator: shorter deadlines, or a larger budget that is confirmed and
//! approved anew. It forecasts from what was rehearsed, or else from the deadlines that the scheme itself allows.

use crate::facts::Facts;
use crate::reason::{Found, Reason, closed};
use jiff::Timestamp;
use qianyun_crds::PolicyProfileSpec;

const MINUTE_SECONDS: i64 = 60;

pub(super) fn look(facts: &Facts, _policy: &PolicyProfileSpec, _now: Timestamp) -> Found {
    let scheme = &facts.migration.spec.scheme;
    let budget_minutes = i64::from(scheme.downtime_budget_minutes);
    let rehearsed = facts.migration.spec.rehearsal.as_ref().filter(|r| r.digest == facts.digest);
    let forecast_minutes = rehearsed.map_or_else(|| allowed_minutes(facts), |r| i64::from(r.downtime_minutes));
    if forecast_minutes <= budget_minutes {
        return Ok(());
    }
    Err(closed(Reason::DowntimeOverBudget { forecast_minutes, budget_minutes }))
}

/// The longest that the scheme allows: one whole attempt, then the probes' deadlines after the launch.
fn allowed_minutes(facts: &Facts) -> i64 {
    let probes = facts.migration.spec.scheme.probes.iter().map(|p| i64::from(p.deadline_seconds));
    let seconds = super::attempt_limit_seconds(facts).saturating_add(probes.max().unwrap_or(0));
    (seconds + MINUTE_SECONDS - 1) / MINUTE_SECONDS
}
