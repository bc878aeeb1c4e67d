//! What people do: sign, return, suspend, confirm, lose a role.

use crate::world::World;
use qianyun_crds::{CutoverConfirmation, Decision, GateName};

/// Carries out a command; `false` if it is none of these.
pub(super) fn command(world: &mut World, words: &[&str]) -> bool {
    match words {
        ["issue", role, person] => world.decide(GateName::PlanIssued, role, person, Decision::Approve),
        ["return-plan", role, person] => world.decide(GateName::PlanIssued, role, person, Decision::Return),
        ["confirm-scheme", person] => {
            world.decide(GateName::DepartmentConfirmed, "department", person, Decision::Approve);
        }
        ["department-returns", person] => {
            world.decide(GateName::DepartmentConfirmed, "department", person, Decision::Return);
        }
        ["approve", role, person] => world.decide(GateName::DualApproved, role, person, Decision::Approve),
        ["return", role, person] => world.decide(GateName::DualApproved, role, person, Decision::Return),
        // What the person read before the scheme was edited.
        ["approve-before-edit", role, person] => {
            let mut before = world.clone();
            before.migration.spec.scheme.summary = before.migration.spec.scheme.summary.replace(" (edited)", "");
            world.decide_on(GateName::DualApproved, role, person, Decision::Approve, &before.digest());
        }
        ["sign-all"] => world.sign_all(),
        ["sign-papers", role, person] => {
            world.decide(GateName::PreAcceptanceApproved, role, person, Decision::Approve);
        }
        ["sign-acceptance", person] => world.decide(GateName::Accepted, "department", person, Decision::Approve),
        ["return-acceptance", person] => world.decide(GateName::Accepted, "department", person, Decision::Return),
        ["edit"] => world.edit(),
        ["restore"] => {
            let summary = &mut world.migration.spec.scheme.summary;
            *summary = summary.replace(" (edited)", "");
        }
        ["suspend"] => world.migration.spec.suspend = true,
        ["lift"] => world.migration.spec.suspend = false,
        ["confirm"] => world.confirm(),
        ["confirm-another-scheme"] => {
            let digest = format!("sha256:{:064}", 9);
            world.migration.spec.confirmation = Some(CutoverConfirmation { by: "op-wang".into(), digest });
        }
        ["deny", person] => drop(world.denied.insert((*person).to_string())),
        ["allow", person] => drop(world.denied.remove(*person)),
        ["permissions-unknown"] => world.authoriser_up = false,
        ["permissions-known"] => world.authoriser_up = true,
        _ => return false,
    }
    true
}
