//! 清查完成 (Art. 22): every host of the scheme sent an inventory, none longer ago than the policy allows; and every other server
//! that is enrolled for the system has its place in another scheme of it, or stays where it is by a document.
//!
//! Blocks the approval, and every action on hosts. Opened by the department; what is left out has its place in a scheme by the operator's edit.

use super::need;
use crate::calendar::seconds_between;
use crate::custody;
use crate::facts::Facts;
use crate::reason::{Asked, Found, Reason, closed, unknown};
use jiff::Timestamp;
use qianyun_crds::{HostIntent, PolicyProfileSpec};

const DAY_SECONDS: i64 = 86_400;

pub(super) fn look(facts: &Facts, policy: &PolicyProfileSpec, now: Timestamp) -> Found {
    for scheme in &facts.migration.spec.scheme.hosts {
        let name = &scheme.host_ref;
        let Some(host) = facts.host(name) else { return Err(unknown(Asked::Host)) };
        let host = need(&host.host, Asked::Host, name)?;
        let status = host.status.as_ref();
        let taken = status.filter(|s| s.inventory.is_some()).and_then(|s| s.inventory_at.as_ref());
        let Some(taken) = taken else { return Err(closed(Reason::HostNeverReported { host: name.clone() })) };
        let days = seconds_between(taken.0, now) / DAY_SECONDS;
        let limit_days = i64::from(policy.numbers.inventory_max_age_days);
        if days > limit_days {
            return Err(closed(Reason::InventoryTooOld { host: name.clone(), days, limit_days }));
        }
    }
    if is_in_an_attempt(facts) { Ok(()) } else { nothing_left_out(facts) }
}

/// Whether an attempt is under way, or was committed: whoever enrols then is heard of at the next one and at 办结, and does not tear
/// a system into halves.
fn is_in_an_attempt(facts: &Facts) -> bool {
    let intents = facts.hosts.iter().filter_map(|h| h.journey.get()).map(|j| j.spec.intent);
    intents.into_iter().any(|i| matches!(i, HostIntent::Cutover | HostIntent::Fence | HostIntent::Serve))
}

/// Whether no server of the system is forgotten. One that a record disposes of already is not.
fn nothing_left_out(facts: &Facts) -> Found {
    let names = need(&facts.left_out, Asked::LeftOut, "")?.iter().filter_map(|host| host.metadata.name.as_ref());
    for host in names {
        if custody::of_host(need(&facts.custody, Asked::Custody, "")?, facts, host).is_none() {
            return Err(closed(Reason::HostLeftOut { host: host.clone() }));
        }
    }
    Ok(())
}
