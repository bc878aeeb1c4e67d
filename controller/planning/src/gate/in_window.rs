//! 在割接窗口内 (practice): now lies in the window of the scheme.
//!
//! Blocks the beginning of a cutover and its commit. Time opens it; after the window, only a new scheme does.

use crate::calendar::seconds_between;
use crate::facts::Facts;
use crate::reason::{Found, Obstacle, Reason, closed};
use jiff::Timestamp;
use qianyun_crds::{GateName, PolicyProfileSpec};

/// What an attempt takes beside its stop deadlines and its freeze: hearing of it, thawing, writing the decision. Measured
/// in seconds; a minute leaves room for a slow API server.
const MARGIN_SECONDS: i64 = 60;

pub(super) fn look(facts: &Facts, _policy: &PolicyProfileSpec, now: Timestamp) -> Found {
    let window = &facts.migration.spec.scheme.window;
    if now < window.start.0 {
        return Err(closed(Reason::WindowNotYet { start: window.start.0 }));
    }
    if now >= window.end.0 {
        return Err(closed(Reason::WindowOver { end: window.end.0 }));
    }
    Ok(())
}

/// How long one attempt may take at most, seconds: the longest host's stop deadlines, the freeze, and a margin.
pub(crate) fn attempt_seconds(facts: &Facts) -> i64 {
    let hosts = &facts.migration.spec.scheme.hosts;
    let stops = |h: &qianyun_crds::SchemeHost| h.quiesce.iter().map(|q| i64::from(q.deadline_seconds)).sum::<i64>();
    let freeze = facts.policy.get().map_or(60, |p| i64::from(p.spec.numbers.freeze_limit_seconds));
    hosts.iter().map(stops).max().unwrap_or(0) + freeze + MARGIN_SECONDS
}

/// Whether the rest of the window has room for a whole attempt; asked only before one begins.
pub(crate) fn room_for_attempt(facts: &Facts, now: Timestamp) -> Result<(), Obstacle> {
    let left_seconds = seconds_between(now, facts.migration.spec.scheme.window.end.0);
    let needed_seconds = attempt_seconds(facts);
    if left_seconds >= needed_seconds {
        return Ok(());
    }
    let reason = Reason::WindowTooShort { left_seconds, needed_seconds };
    Err(Obstacle { gate: GateName::InWindow, known: true, reason })
}
