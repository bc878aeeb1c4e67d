//! 部门确认方案 (Art. 23): the department confirmed exactly this scheme.
//!
//! Blocks the offices' approval, which is not in effect before, and every action on hosts. Opened by the department.

use super::{decided, scheme_returned};
use crate::approval::{Tally, scheme_subject};
use crate::facts::Facts;
use crate::reason::{Found, Reason};
use jiff::Timestamp;
use qianyun_crds::{GateName, PolicyProfileSpec};

pub(super) fn look(facts: &Facts, policy: &PolicyProfileSpec, _now: Timestamp) -> Found {
    let subject = scheme_subject(facts, policy);
    let returned = scheme_returned(&subject);
    let missing = |_: &Tally, _, party| Reason::NotConfirmed { party };
    decided(facts, policy, &subject, GateName::DepartmentConfirmed, returned, missing)
}
