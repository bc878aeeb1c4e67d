//! Says whether a period holds now.

use super::observe::Found;
use jiff::Timestamp;
use qianyun_crds::{FreezePeriod, FreezePeriodStatus};
use qianyun_planning::calendar::Freeze;
use qianyun_planning::facts::Known;
use qianyun_planning::report::condition;

/// The status of a period.
pub(super) fn status(period: &FreezePeriod, found: &Found, now: Timestamp) -> FreezePeriodStatus {
    let before = period.status.as_ref().map(|s| s.conditions.as_slice()).unwrap_or_default();
    let generation = period.metadata.generation;
    let freeze = Freeze::try_from(&period.spec);
    let (ready, reason, message) = match (&freeze, &found.missing) {
        (Err(error), _) => (Some(false), "Inconsistent", error.to_string()),
        (Ok(_), Known::Absent) => (Some(true), "Ready", String::new()),
        (Ok(_), Known::Is(what)) => {
            (Some(false), "NotFound", format!("{what} is not there; correct spec.scope. The rest of it holds"))
        }
        (Ok(_), Known::Unknown) => (None, "NotKnown", "what it names cannot be read just now".to_string()),
    };
    let active = freeze.is_ok_and(|freeze| freeze.holds(now));
    let holds = if active { "Holds" } else { "HoldsNotNow" };
    FreezePeriodStatus {
        observed_generation: generation,
        conditions: vec![
            condition(before, "Ready", ready, reason, &message, generation, now),
            condition(before, "Active", Some(active), holds, "", generation, now),
        ],
    }
}
