//! 演练通过 (practice; migration-systems.md CO-01, CO-05, CO-06): this digest was rehearsed, its stops and its way back too, and
//! not longer ago than the policy allows.
//!
//! Blocks the beginning of a cutover. Opened by the operator.

use crate::calendar::parse_day;
use crate::facts::Facts;
use crate::reason::{Found, Reason, RehearsalFault, closed};
use jiff::Timestamp;
use qianyun_crds::{Conclusion, PolicyProfileSpec, RehearsalRecord};

pub(super) fn look(facts: &Facts, policy: &PolicyProfileSpec, now: Timestamp) -> Found {
    let Some(rehearsal) = &facts.migration.spec.rehearsal else { return Err(closed(Reason::NotRehearsed)) };
    if rehearsal.digest != facts.digest {
        return Err(closed(Reason::RehearsalOfAnotherDigest { digest: rehearsal.digest.clone() }));
    }
    if let Some(what) = failing(rehearsal) {
        return Err(closed(Reason::RehearsalFailed { what }));
    }
    let limit_days = i64::from(policy.numbers.rehearsal_max_age_days);
    let held_on = parse_day(&rehearsal.held_on);
    let age = held_on.map(|on| i64::from((facts.day(now) - on).get_days()));
    match age {
        // One that is still to come proves nothing.
        Some(days) if (0..=limit_days).contains(&days) => Ok(()),
        Some(days) if days > limit_days => Err(closed(Reason::RehearsalTooOld { days, limit_days })),
        Some(_) | None => Err(closed(Reason::NotRehearsed)),
    }
}

fn failing(rehearsal: &RehearsalRecord) -> Option<RehearsalFault> {
    match rehearsal.conclusion {
        Conclusion::Failed => Some(RehearsalFault::DidNotPass),
        Conclusion::Passed if !rehearsal.services_stopped => Some(RehearsalFault::ServicesNotStopped),
        Conclusion::Passed if !rehearsal.rollback_rehearsed => Some(RehearsalFault::RollbackNotRehearsed),
        Conclusion::Passed => None,
    }
}
