//! 验收通过 (Art. 20): the meeting was held after the trial run, and after the papers were approved where the policy asks for that;
//! design, construction and supervision were there or are excused, it passed, no incident is open, and those whom the policy
//! names signed exactly these papers.
//!
//! Blocks the removal of hardware and its custody. Opened by the department; the operator enters its minutes. Once reached it
//! stands, whoever holds the roles later, until the papers are edited.

use super::parties_qualified::OF_A_PROJECT;
use super::{is_asked, signed};
use crate::approval::{Judged, acceptance_subject, application_subject, judge};
use crate::calendar::parse_day;
use crate::facts::{Facts, Known};
use crate::reason::{Found, Reason, closed};
use crate::trial;
use jiff::Timestamp;
use jiff::civil::Date;
use qianyun_crds::{AcceptanceMeeting, Conclusion, DecisionEffect, GateName, PolicyProfileSpec};

pub(super) fn look(facts: &Facts, policy: &PolicyProfileSpec, now: Timestamp) -> Found {
    let spec = &facts.migration.spec;
    if facts.accepted_before() {
        return Ok(());
    }
    let meeting = spec.acceptance.as_ref().and_then(|a| a.meeting.as_ref());
    let meeting = meeting.ok_or_else(|| closed(Reason::MeetingNotHeld))?;
    held_in_time(facts, policy, meeting, now)?;
    let named = |role| meeting.participants.iter().any(|p| p.role == role);
    if let Some(role) = OF_A_PROJECT.into_iter().find(|role| !named(*role)) {
        return Err(closed(Reason::ParticipantMissing { role }));
    }
    if meeting.conclusion == Conclusion::Failed {
        return Err(closed(Reason::MeetingFailed));
    }
    if let Some(open) = spec.incidents.iter().find(|i| i.resolved_at.is_none()) {
        return Err(closed(Reason::IncidentOpen { number: open.number }));
    }
    signed(facts, policy, &acceptance_subject(facts, policy), GateName::Accepted)
}

fn held_in_time(facts: &Facts, policy: &PolicyProfileSpec, meeting: &AcceptanceMeeting, now: Timestamp) -> Found {
    let held_on = parse_day(&meeting.held_on).filter(|on| *on <= facts.day(now));
    let Some(held_on) = held_on else { return Err(closed(Reason::MeetingNotHeld)) };
    let Some(period) = trial::period(facts, policy, now) else { return Err(closed(trial::why_none(facts))) };
    if held_on <= period.earliest_end() {
        let earliest_end = period.earliest_end().to_string();
        return Err(closed(Reason::MeetingTooEarly { held_on: held_on.to_string(), earliest_end }));
    }
    approved_before(facts, policy, held_on)
}

/// Where the policy asks for an approval of the papers before the meeting, one that came on a later day is none. That a role
/// approved once more does not make its first approval later.
fn approved_before(facts: &Facts, policy: &PolicyProfileSpec, held_on: Date) -> Found {
    // Where decisions cannot be read the signatures are not known either.
    let Known::Is(approvals) = &facts.approvals else { return Ok(()) };
    if !is_asked(policy, GateName::PreAcceptanceApproved) {
        return Ok(());
    }
    let judged = judge(&application_subject(facts, policy), policy, approvals);
    let first = |role: &str| {
        let held = |d: &&Judged| matches!(d.effect, DecisionEffect::Accepted | DecisionEffect::Superseded);
        judged.iter().filter(held).find(|d| d.role == role).map(|decision| facts.day(decision.at))
    };
    match policy.acceptance_approvers.iter().filter_map(|role| first(role)).max() {
        Some(approved_on) if held_on < approved_on => Err(closed(Reason::MeetingBeforeApproval {
            held_on: held_on.to_string(),
            approved_on: approved_on.to_string(),
        })),
        Some(_) | None => Ok(()),
    }
}
