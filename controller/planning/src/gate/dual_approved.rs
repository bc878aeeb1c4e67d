//! 两办审批通过 (Art. 23): each office approved exactly this scheme, by different persons, none of them its author, each
//! of them allowed to at this moment; and the papers that an approval needs are complete, before which it is not in effect.
//!
//! What was begun on an approval in effect is not stopped by a paper that lapses: the platform's assessment is due again each
//! year, and a copy that was stopped for it would be compared anew, block by block. The cutover and the commit ask for each paper
//! themselves. After a commit nobody is served before the launch, so nothing on paper holds that up.
//!
//! Blocks every action on hosts, traffic and power, and stops what runs if it closes. Opened by the offices. It cannot be
//! switched off, and a policy that names fewer than two offices does not open it.

use super::{decided, judge, scheme_returned};
use crate::approval::{distinct, scheme_subject};
use crate::facts::Facts;
use crate::reason::{Found, Obstacle, Reason, Verdict, closed};
use crate::sequence::APPROVAL_NEEDS;
use jiff::Timestamp;
use qianyun_crds::{GateName, PolicyProfileSpec};

/// Two offices: the regulation's 市政府办公室 and 市智慧办. A city may name others, and more, but never one alone.
const FEWEST_APPROVERS: usize = 2;

pub(super) fn look(facts: &Facts, policy: &PolicyProfileSpec, now: Timestamp) -> Found {
    let found = distinct(&policy.scheme_approvers).len();
    if found < FEWEST_APPROVERS {
        return Err(closed(Reason::TooFewApprovers { found }));
    }
    let subject = scheme_subject(facts, policy);
    let returned = scheme_returned(&subject);
    decided(facts, policy, &subject, GateName::DualApproved, returned, |tally, missing, party| {
        Reason::ApprovalsMissing { have: tally.have, need: tally.need, missing, party }
    })?;
    if facts.is_begun() || facts.any_committed() { Ok(()) } else { in_effect(facts, found, now) }
}

/// Whether nothing on paper holds back what all the offices decided.
fn in_effect(facts: &Facts, offices: usize, now: Timestamp) -> Found {
    let waits_for: Vec<Obstacle> = APPROVAL_NEEDS.iter().filter_map(|&gate| judge(gate, facts, now).at(gate)).collect();
    match waits_for.first() {
        None => Ok(()),
        Some(first) if waits_for.iter().all(|obstacle| !obstacle.known) => Err(Verdict::Unknown(first.reason.clone())),
        Some(_) => Err(closed(Reason::NotInEffect { offices, waits_for })),
    }
}
