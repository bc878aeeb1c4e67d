//! 部门确认方案 (Art. 23): the department confirmed exactly this scheme.
//!
//! Blocks the offices' review and every action on hosts. Opened by the department.

use super::need;
use crate::approval::{judge, party_of, scheme_subject, tally};
use crate::facts::Facts;
use crate::reason::{Asked, Found, Reason, closed, unknown};
use jiff::Timestamp;
use qianyun_crds::{GateName, PolicyProfileSpec};

pub(super) fn look(facts: &Facts, policy: &PolicyProfileSpec, _now: Timestamp) -> Found {
    let subject = scheme_subject(facts, policy);
    let judged = judge(&subject, policy, need(&facts.approvals, Asked::Approvals, "")?);
    let tally = tally(&subject, GateName::DepartmentConfirmed, &judged);
    if let Some((by, opinion)) = tally.returned {
        return Err(closed(Reason::Returned { by, opinion }));
    }
    if tally.unknown {
        return Err(unknown(Asked::Permission));
    }
    if tally.missing.is_empty() && tally.need > 0 {
        return Ok(());
    }
    Err(closed(Reason::NotConfirmed { party: party_of(policy, tally.missing.first()) }))
}
