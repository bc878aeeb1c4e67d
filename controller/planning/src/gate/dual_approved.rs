//! 两办审批通过 (Art. 23): each office approved exactly this scheme, by different persons, none of them its author, each
//! of them allowed to at this moment.
//!
//! Blocks every action on hosts, traffic and power, and stops what runs if it closes. Opened by the offices. It cannot be
//! switched off, and a policy that names fewer than two offices does not open it.

use super::{decided, scheme_returned};
use crate::approval::{distinct, scheme_subject};
use crate::facts::Facts;
use crate::reason::{Found, Reason, closed};
use jiff::Timestamp;
use qianyun_crds::{GateName, PolicyProfileSpec};

/// Two offices: the regulation's 市政府办公室 and 市智慧办. A city may name others, and more, but never one alone.
const FEWEST_APPROVERS: usize = 2;

pub(super) fn look(facts: &Facts, policy: &PolicyProfileSpec, _now: Timestamp) -> Found {
    let found = distinct(&policy.scheme_approvers).len();
    if found < FEWEST_APPROVERS {
        return Err(closed(Reason::TooFewApprovers { found }));
    }
    let subject = scheme_subject(facts, policy);
    let returned = scheme_returned(&subject);
    decided(facts, policy, &subject, GateName::DualApproved, returned, |tally, missing, party| {
        Reason::ApprovalsMissing { have: tally.have, need: tally.need, missing, party }
    })
}
