//! The trial run (试运行, Art. 20): when it began, and when it may be over. Remembers nothing itself: that a system went into its
//! trial run is a record in the status, because it cannot be observed again.

use crate::calendar::TrialPeriod;
use crate::facts::Facts;
use crate::gate::judge;
use crate::phase::{has_served, journeys_are_known};
use crate::reason::Reason;
use jiff::Timestamp;
use jiff::civil::Date;
use qianyun_crds::{GateName, IncidentGrade, PolicyProfileSpec};

/// The trial run; `None` before it began, and where the months of the policy lead out of the calendar.
pub fn period(facts: &Facts, policy: &PolicyProfileSpec, now: Timestamp) -> Option<TrialPeriod> {
    TrialPeriod::new(began_on(facts, policy, now)?, policy.numbers.trial_months).ok()
}

/// When it began: as recorded, or now where it begins with this look; `None` before.
pub(crate) fn started_at(facts: &Facts, now: Timestamp) -> Option<Timestamp> {
    if !has_served(facts) || !judge(GateName::CutoverConfirmed, facts, now).passes() {
        return None;
    }
    Some(recorded(facts).unwrap_or(now))
}

/// When it began as recorded, also while an edit of the scheme or a mistaken confirmation hides it, or the journeys cannot be read:
/// all of it may be taken back, and then the months that have passed count.
pub(crate) fn recorded(facts: &Facts) -> Option<Timestamp> {
    let stands = facts.any_committed() || facts.accepted_before() || !journeys_are_known(facts);
    let status = facts.migration.status.as_ref().filter(|_| stands)?;
    Some(status.trial_started_at.as_ref()?.0)
}

/// Why there is no trial run.
pub(crate) fn why_none(facts: &Facts) -> Reason {
    match facts.edited_after_commit() {
        Some(carried_out) => Reason::EditedAfterCommit { carried_out: carried_out.into() },
        None => Reason::TrialNotBegun,
    }
}

/// The first instant at which it has elapsed.
pub(crate) fn opens_at(facts: &Facts, period: TrialPeriod) -> Option<Timestamp> {
    facts.zone.end_of(period.earliest_end()).ok()
}

/// The day from which it counts: of the cutover's confirmation, or, where the policy says so, of the last grave incident.
fn began_on(facts: &Facts, policy: &PolicyProfileSpec, now: Timestamp) -> Option<Date> {
    let started = started_at(facts, now)?;
    let grave = facts.migration.spec.incidents.iter().filter(|i| i.grade >= IncidentGrade::Major);
    let last_grave = grave.map(|i| i.resolved_at.as_ref().map_or(i.occurred_at.0, |at| at.0)).max();
    let restarts = last_grave.filter(|_| policy.numbers.trial_restarts_after_grave_incident);
    Some(facts.day(restarts.map_or(started, |at| at.max(started))))
}
