//! 演练通过 (practice; docs/regulation.md CO-01, CO-05, CO-06, TG-05): this digest was rehearsed, on a network apart, its stops and
//! its way back too; not longer ago than the policy allows, and on servers that boot as they do now.
//!
//! Blocks the beginning of a cutover. Opened by the operator.

use super::need;
use crate::boot;
use crate::calendar::parse_day;
use crate::facts::Facts;
use crate::reason::{Asked, Found, Reason, RehearsalFault, closed, unknown};
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
    apart(facts)?;
    facts
        .migration
        .spec
        .scheme
        .hosts
        .iter()
        .try_for_each(|host| boots_as_rehearsed(facts, rehearsal, &host.host_ref))?;
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

/// Whether there is a network that a rehearsal can have been held on.
fn apart(facts: &Facts) -> Found {
    let platform = &facts.migration.spec.platform_ref;
    match need(&facts.platform, Asked::Platform, platform)?.spec.rehearsal_network {
        Some(_) => Ok(()),
        None => Err(closed(Reason::NoRehearsalNetwork { platform: platform.clone() })),
    }
}

fn boots_as_rehearsed(facts: &Facts, rehearsal: &RehearsalRecord, name: &str) -> Found {
    let Some(rehearsed) = rehearsal.hosts.iter().find(|h| h.host_ref == name) else {
        return Err(closed(Reason::HostNotRehearsed { host: name.to_string() }));
    };
    let of_host = facts.host(name).ok_or_else(|| unknown(Asked::Host))?;
    let host = need(&of_host.host, Asked::Host, name)?;
    let inventory = host.status.as_ref().and_then(|s| s.inventory.as_ref());
    let inventory = inventory.ok_or_else(|| closed(Reason::HostNeverReported { host: name.to_string() }))?;
    let now = boot::digest(inventory).ok();
    if now.as_ref() == Some(&rehearsed.boot_digest) {
        return Ok(());
    }
    Err(closed(Reason::BootChanged { host: name.to_string() }))
}

fn failing(rehearsal: &RehearsalRecord) -> Option<RehearsalFault> {
    match rehearsal.conclusion {
        Conclusion::Failed => Some(RehearsalFault::DidNotPass),
        Conclusion::Passed if !rehearsal.services_stopped => Some(RehearsalFault::ServicesNotStopped),
        Conclusion::Passed if !rehearsal.rollback_rehearsed => Some(RehearsalFault::RollbackNotRehearsed),
        Conclusion::Passed if rehearsal.leak_found => Some(RehearsalFault::LeakFound),
        Conclusion::Passed => None,
    }
}
