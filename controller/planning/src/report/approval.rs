//! Words for whether a decision of a person counts. Never judges it: that is `approval.rs` of this crate.

use super::{Words, words};
use qianyun_crds::DecisionEffect;

/// Why a decision does not count, and what to do about it; empty where it counts.
pub fn effect(effect: DecisionEffect) -> Words {
    match effect {
        DecisionEffect::Accepted => words("", ""),
        DecisionEffect::SubjectNotFound => words(
            "spec.subject is not there, or is another object of the same name: decide on the one that is meant, by its UID",
            "spec.subject 不存在,或为同名的另一对象,请按 UID 对所指对象重新决定",
        ),
        DecisionEffect::DigestMismatch => words(
            "spec.digest is not the subject's, which was edited since: decide again on its present one",
            "spec.digest 与审批对象现行摘要不一致(对象已被修改),请按现行摘要重新决定",
        ),
        DecisionEffect::SelfApproval => words(
            "spec.approvedBy is the author of the subject, or was it before (spec.author, spec.formerAuthors): somebody else has to decide",
            "审批人现为或曾为编制人(spec.author、spec.formerAuthors),须由他人决定",
        ),
        DecisionEffect::NotAuthorized => words(
            "spec.approvedBy does not hold spec.role now, by name and not through a group: somebody who does has to decide",
            "审批人目前未以本人名义持有 spec.role(用户组不算),须由持有该角色的人决定",
        ),
        DecisionEffect::SamePersonTwice => words(
            "spec.approvedBy has decided in another role already: somebody else has to decide in this one",
            "审批人已以另一角色作出决定,本角色须由他人决定",
        ),
        DecisionEffect::RoleNotRequired => words(
            "the policy does not ask spec.role at spec.gate: a decision of a role that it asks is needed",
            "制度未要求 spec.role 在 spec.gate 作决定,须由所要求的角色决定",
        ),
        DecisionEffect::Superseded => words(
            "the same role decided again, or had returned this digest before",
            "同一角色已重新决定,或此前已退回该摘要",
        ),
        DecisionEffect::AuthorizationUnknown => {
            words("whether the person holds the role could not be asked", "暂时无法核实审批人是否持有该角色")
        }
    }
}
