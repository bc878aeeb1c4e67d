//! 割接确认 (practice): the operator confirmed, naming the digest that was carried out.
//!
//! Blocks the trial run. Opened by the operator. Never by a confirmation of a scheme that was edited since: nobody carried
//! that one out.

use crate::facts::Facts;
use crate::reason::{Found, Reason, closed};
use jiff::Timestamp;
use qianyun_crds::PolicyProfileSpec;

pub(super) fn look(facts: &Facts, _policy: &PolicyProfileSpec, _now: Timestamp) -> Found {
    if let Some(carried_out) = facts.edited_after_commit() {
        return Err(closed(Reason::EditedAfterCommit { carried_out: carried_out.into() }));
    }
    match &facts.migration.spec.confirmation {
        None => Err(closed(Reason::CutoverNotConfirmed)),
        Some(c) if c.by.is_empty() => Err(closed(Reason::CutoverNotConfirmed)),
        Some(c) if c.digest != facts.digest => {
            Err(closed(Reason::ConfirmationOfAnotherDigest { digest: c.digest.clone() }))
        }
        Some(_) => Ok(()),
    }
}
