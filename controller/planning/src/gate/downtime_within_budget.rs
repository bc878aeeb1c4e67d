//! 停机时长可控 (practice; docs/regulation.md CO-02): the interruption that users are to expect fits what the department accepts.
//!
//! Blocks the beginning of a cutover. Opened by the operator: shorter deadlines, or a larger budget that is confirmed and
//! approved anew. It forecasts from what was rehearsed, or else from the deadlines that the scheme itself allows.

use crate::facts::Facts;
use crate::reason::{Found, Reason, closed};
use jiff::Timestamp;
use qianyun_crds::{DiskPhase, PolicyProfileSpec};

const MINUTE_SECONDS: i64 = 60;
/// At most nine tenths of what is accepted are planned with: a forecast is none without a reserve.
const PLANNED: i64 = 9;
const WHOLE: i64 = 10;

pub(super) fn look(facts: &Facts, _policy: &PolicyProfileSpec, _now: Timestamp) -> Found {
    let (forecast_minutes, budget_minutes) = forecast(facts);
    if forecast_minutes * WHOLE <= budget_minutes * PLANNED {
        return Ok(());
    }
    Err(closed(Reason::DowntimeOverBudget { forecast_minutes, budget_minutes }))
}

/// Minutes without the system that are to be expected, and that the department accepts: what was rehearsed, or else what the
/// scheme allows, and what the copy is behind at this moment.
pub(crate) fn forecast(facts: &Facts) -> (i64, i64) {
    let spec = &facts.migration.spec;
    let rehearsed = spec.rehearsal.as_ref().filter(|r| r.digest == facts.digest);
    let seconds = rehearsed.map_or_else(|| allowed_seconds(facts), |r| i64::from(r.downtime_minutes) * MINUTE_SECONDS);
    let minutes = seconds.saturating_add(behind_seconds(facts)).saturating_add(MINUTE_SECONDS - 1) / MINUTE_SECONDS;
    (minutes, i64::from(spec.scheme.downtime_budget_minutes))
}

/// The longest that the scheme allows: until the decision, then the probes' deadlines after the launch.
fn allowed_seconds(facts: &Facts) -> i64 {
    let probes = facts.migration.spec.scheme.probes.iter().map(|p| i64::from(p.deadline_seconds));
    super::in_window::down_until_decided(facts).saturating_add(probes.max().unwrap_or(0))
}

/// How far the furthest disk of those in sync is behind: about what it takes to send the rest. One that is not in sync is another
/// gate's business.
fn behind_seconds(facts: &Facts) -> i64 {
    let disks = facts.hosts.iter().filter_map(|h| h.agent.as_ref()).flat_map(|agent| &agent.disks);
    let lags = disks.filter(|disk| disk.phase >= DiskPhase::InSync).map(|disk| disk.lag_ms / 1000);
    lags.max().unwrap_or(0)
}
