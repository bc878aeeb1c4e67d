//! Judges a profile by itself: whether its roles exist, its days are days, and two offices approve.

use jiff::Timestamp;
use jiff::civil::Date;
use qianyun_crds::{PolicyProfile, PolicyProfileSpec, PolicyProfileStatus};
use qianyun_planning::approval::distinct;
use qianyun_planning::calendar::parse_day;
use qianyun_planning::report::condition;

/// The status of a profile.
pub(super) fn status(profile: &PolicyProfile, today: Date, now: Timestamp) -> PolicyProfileStatus {
    let before = profile.status.as_ref().map(|s| s.conditions.as_slice()).unwrap_or_default();
    let generation = profile.metadata.generation;
    let fault = fault(&profile.spec);
    let ready = fault.is_none();
    let reason = if ready { "Ready" } else { "Inconsistent" };
    let from = parse_day(&profile.spec.effective_from);
    let until = profile.spec.effective_until.as_deref().map(parse_day);
    let in_force = from.is_some_and(|d| d <= today) && until.is_none_or(|d| d.is_some_and(|d| today <= d));
    let (force_reason, words) = if in_force {
        ("InForce", "")
    } else {
        ("NotInForce", "today lies outside its period; check which rules apply now. It blocks nothing")
    };
    PolicyProfileStatus {
        observed_generation: generation,
        conditions: vec![
            condition(before, "Ready", Some(ready), reason, &fault.unwrap_or_default(), generation, now),
            condition(before, "InForce", Some(in_force), force_reason, words, generation, now),
        ],
    }
}

/// The first thing that makes a profile useless, in words that say how to fix it.
fn fault(spec: &PolicyProfileSpec) -> Option<String> {
    let approvers = distinct(&spec.scheme_approvers).len();
    if approvers < 2 {
        return Some(format!("spec.schemeApprovers names {approvers} different roles; name at least 2"));
    }
    if spec.plan_issuers.is_empty() {
        return Some("spec.planIssuers is empty; name at least 1 role".to_string());
    }
    let named = spec.plan_issuers.iter().chain(&spec.scheme_approvers).chain([&spec.scheme_confirmer]);
    let unknown = |role: &&String| !spec.roles.iter().any(|r| r.name == **role);
    if let Some(role) = named.into_iter().find(unknown) {
        return Some(format!("the role {role:?} is not in spec.roles; add it there"));
    }
    if let Some(Err(fault)) = spec.time_zone.as_deref().map(crate::calendar::named) {
        return Some(format!("spec.timeZone: {fault}"));
    }
    if parse_day(&spec.effective_from).is_none() {
        return Some(format!("spec.effectiveFrom is {:?}; write YYYY-MM-DD", spec.effective_from));
    }
    None
}
