//! Says whether a decision counts.

use jiff::Timestamp;
use qianyun_crds::{Approval, ApprovalStatus, DecisionEffect};
use qianyun_planning::report::{self, condition};

/// The status of a decision.
pub(super) fn status(approval: &Approval, effect: Option<DecisionEffect>, now: Timestamp) -> ApprovalStatus {
    let before = approval.status.as_ref().map(|s| s.conditions.as_slice()).unwrap_or_default();
    let (holds, reason) = match effect {
        Some(DecisionEffect::Accepted) => (Some(true), "Accepted"),
        Some(DecisionEffect::SubjectNotFound) => (Some(false), "SubjectNotFound"),
        Some(DecisionEffect::DigestMismatch) => (Some(false), "DigestMismatch"),
        Some(DecisionEffect::SelfApproval) => (Some(false), "SelfApproval"),
        Some(DecisionEffect::NotAuthorized) => (Some(false), "NotAuthorized"),
        Some(DecisionEffect::SamePersonTwice) => (Some(false), "SamePersonTwice"),
        Some(DecisionEffect::RoleNotRequired) => (Some(false), "RoleNotRequired"),
        Some(DecisionEffect::Superseded) => (Some(false), "Superseded"),
        Some(DecisionEffect::AuthorizationUnknown) => (None, "AuthorizationUnknown"),
        None => (None, "NotKnown"),
    };
    let words = effect
        .map_or("the subject or its policy is not known just now".to_string(), |e| report::approval::effect(e).en);
    let generation = approval.metadata.generation;
    ApprovalStatus { conditions: vec![condition(before, "Effective", holds, reason, &words, generation, now)] }
}
