//! 回退条件具备 (practice; docs/regulation.md CO-05): the scheme says how a server that was switched off is switched on again. A
//! fenced source is off, so without an answer there is no way back however well it was rehearsed.
//!
//! Blocks every action on hosts, because it is part of what is approved. Opened by the operator.

use crate::facts::Facts;
use crate::reason::{Found, Reason, closed};
use jiff::Timestamp;
use qianyun_crds::PolicyProfileSpec;

pub(super) fn look(facts: &Facts, _policy: &PolicyProfileSpec, _now: Timestamp) -> Found {
    match facts.migration.spec.scheme.rollback.source_access {
        Some(_) => Ok(()),
        None => Err(closed(Reason::NoWayToSource)),
    }
}
