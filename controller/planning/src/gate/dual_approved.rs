//! 两办审批通过 (Art. 23): each office approved exactly this scheme, by different persons, none of them its author, each
//! of them allowed to at this moment.
//!
//! Blocks every action on hosts, traffic and power, and stops what runs if it closes. Opened by the offices. It cannot be
//! switched off, and a policy that names fewer than two offices does not open it.

use super::need;
use crate::approval::{distinct, judge, party_of, scheme_subject, tally};
use crate::facts::Facts;
use crate::reason::{Asked, Found, Reason, closed, unknown};
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
    let judged = judge(&subject, policy, need(&facts.approvals, Asked::Approvals, "")?);
    let tally = tally(&subject, GateName::DualApproved, &judged);
    if let Some((by, opinion)) = tally.returned {
        return Err(closed(Reason::Returned { by, opinion }));
    }
    if tally.unknown {
        return Err(unknown(Asked::Permission));
    }
    if tally.missing.is_empty() {
        return Ok(());
    }
    Err(closed(Reason::ApprovalsMissing {
        have: tally.have,
        need: tally.need,
        party: party_of(policy, tally.missing.first()),
        missing: tally.missing.join(", "),
    }))
}
