//! Says whether a decision counts.

use jiff::Timestamp;
use qianyun_crds::{Approval, ApprovalStatus, DecisionEffect};
use qianyun_planning::report::condition;

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
    let words = effect.map_or("the subject or its policy is not known just now", words);
    let generation = approval.metadata.generation;
    ApprovalStatus { conditions: vec![condition(before, "Effective", holds, reason, words, generation, now)] }
}

fn words(effect: DecisionEffect) -> &'static str {
    match effect {
        DecisionEffect::Accepted => "",
        DecisionEffect::SubjectNotFound => {
            "spec.subject is not there, or is another object of the same name: decide on the one that is meant, by its UID"
        }
        DecisionEffect::DigestMismatch => {
            "spec.digest is not the subject's, which was edited since: decide again on its present one"
        }
        DecisionEffect::SelfApproval => "spec.approvedBy is the author of the subject: somebody else has to decide",
        DecisionEffect::NotAuthorized => {
            "spec.approvedBy does not hold spec.role now, by name and not through a group: somebody who does has to decide"
        }
        DecisionEffect::SamePersonTwice => {
            "spec.approvedBy has decided in another role already: somebody else has to decide in this one"
        }
        DecisionEffect::RoleNotRequired => {
            "the policy does not ask spec.role at spec.gate: a decision of a role that it asks is needed"
        }
        DecisionEffect::Superseded => "the same role decided again, or had returned this digest before",
        DecisionEffect::AuthorizationUnknown => "whether the person holds the role could not be asked",
    }
}
