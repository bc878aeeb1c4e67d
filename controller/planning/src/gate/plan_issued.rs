//! 计划下达 (Art. 23): every office that the policy names issued the plan as it stands now, and it lists the system.
//!
//! Blocks every action on hosts. Opened by the offices.

use super::{decided, need};
use crate::approval::{Returned, plan_subject};
use crate::facts::Facts;
use crate::reason::{Asked, Found, Reason, closed};
use jiff::Timestamp;
use qianyun_crds::{GateName, PolicyProfileSpec};

pub(super) fn look(facts: &Facts, policy: &PolicyProfileSpec, _now: Timestamp) -> Found {
    let spec = &facts.migration.spec;
    let plan = need(&facts.plan, Asked::Plan, &spec.plan_ref)?;
    if facts.planned().is_none() {
        return Err(closed(Reason::SystemNotOnPlan { plan: spec.plan_ref.clone() }));
    }
    let subject = plan_subject(plan, &facts.plan_digest, policy);
    let returned = |Returned { by, opinion, .. }, _| Reason::PlanReturned { by, opinion };
    decided(facts, policy, &subject, GateName::PlanIssued, returned, |tally, missing, party| Reason::PlanNotIssued {
        have: tally.have,
        need: tally.need,
        missing,
        party,
    })
}
