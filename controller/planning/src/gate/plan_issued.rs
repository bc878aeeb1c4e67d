//! 计划下达 (Art. 23): every office that the policy names issued the plan as it stands now, and it lists the system.
//!
//! Blocks every action on hosts. Opened by the offices.

use super::need;
use crate::approval::{judge, party_of, plan_subject, tally};
use crate::facts::Facts;
use crate::reason::{Asked, Found, Reason, closed, unknown};
use jiff::Timestamp;
use qianyun_crds::{GateName, PolicyProfileSpec};

pub(super) fn look(facts: &Facts, policy: &PolicyProfileSpec, _now: Timestamp) -> Found {
    let spec = &facts.migration.spec;
    let plan = need(&facts.plan, Asked::Plan, &spec.plan_ref)?;
    let namespace = facts.migration.metadata.namespace.as_deref();
    let listed = |s: &qianyun_crds::PlannedSystem| Some(s.namespace.as_str()) == namespace && s.name == spec.system_ref;
    if !plan.spec.systems.iter().any(listed) {
        return Err(closed(Reason::SystemNotOnPlan { plan: spec.plan_ref.clone() }));
    }
    let subject = plan_subject(plan, &facts.plan_digest, policy);
    let judged = judge(&subject, policy, need(&facts.approvals, Asked::Approvals, "")?);
    let tally = tally(&subject, GateName::PlanIssued, &judged);
    if let Some((by, opinion)) = tally.returned {
        return Err(closed(Reason::PlanReturned { by, opinion }));
    }
    if tally.unknown {
        return Err(unknown(Asked::Permission));
    }
    if tally.missing.is_empty() && tally.need > 0 {
        return Ok(());
    }
    Err(closed(Reason::PlanNotIssued {
        have: tally.have,
        need: tally.need,
        party: party_of(policy, tally.missing.first()),
        missing: tally.missing.join(", "),
    }))
}
