//! Which of the two offices a policy leaves out: the municipal government office and the smart-city office issue the plan together,
//! and each approves a scheme (Art. 23). A city may bind others by its own rules, and answers for it: this tells, and no gate rests on
//! the answer.

use crate::report::party::party;
use crate::report::{Words, words};
use qianyun_crds::{Party, PolicyProfileSpec};

/// Whom Art. 23 asks. What a role is called, and who holds it, is the city's affair: the data bureau may be the smart-city office.
const OFFICES: [Party; 2] = [Party::MunicipalGovernmentOffice, Party::SmartCityOffice];

/// An office that a list of the policy leaves out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LeftOut {
    /// The list, as a field of the profile.
    pub field: &'static str,
    /// The office.
    pub office: Party,
}

/// The offices that issue no plan or approve no scheme by this policy. Who confirms for the department is not heard as an office
/// as well.
pub fn left_out(policy: &PolicyProfileSpec) -> Vec<LeftOut> {
    let lists = [("spec.planIssuers", &policy.plan_issuers), ("spec.schemeApprovers", &policy.scheme_approvers)];
    let of = |(field, roles): (&'static str, &Vec<String>)| {
        let is_asked = |office: Party| {
            let asked = policy.roles.iter().filter(|role| roles.contains(&role.name));
            asked.filter(|role| role.name != policy.scheme_confirmer).any(|role| role.party == office)
        };
        let missing = OFFICES.into_iter().filter(|office| !is_asked(*office));
        missing.map(|office| LeftOut { field, office }).collect::<Vec<_>>()
    };
    lists.into_iter().flat_map(of).collect()
}

impl LeftOut {
    /// The office and where it is missing.
    pub fn words(&self) -> Words {
        let (office, field) = (party(self.office), self.field);
        words(format!("{} in {field}", office.en), format!("{field} 中的{}", office.zh))
    }
}
