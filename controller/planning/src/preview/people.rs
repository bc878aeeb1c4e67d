//! Who is meant: by the names that the policy profile gives its offices, and the department itself.

use crate::approval::{Subject, judge, subjects, tally};
use crate::facts::{Facts, Known};
use crate::reason::{Obstacle, Reason};
use crate::report::{Words, party as standard, words};
use qianyun_crds::{GateName, Party, PolicyProfileSpec, RoleBinding};

/// What people call a party: an office by the first role that the policy gives it, since offices move.
pub(super) fn party(facts: &Facts, party: Party) -> Words {
    let named = match party {
        Party::Department => facts.department.get().map(|d| words(&d.spec.display_name, &d.spec.display_name_zh)),
        Party::MunicipalGovernmentOffice | Party::SmartCityOffice => {
            let roles = facts.policy.get().map(|p| p.spec.roles.as_slice()).unwrap_or_default();
            roles.iter().find(|r| r.party == party).map(of_binding)
        }
        Party::Operator | Party::Nobody => None,
    };
    named.unwrap_or_else(|| standard::party(party))
}

/// What people call a role.
pub(super) fn role(facts: &Facts, policy: &PolicyProfileSpec, name: &str) -> Words {
    match policy.roles.iter().find(|r| r.name == name) {
        Some(binding) if binding.party == Party::Department => party(facts, Party::Department),
        Some(binding) => of_binding(binding),
        None => words(name, name),
    }
}

fn of_binding(binding: &RoleBinding) -> Words {
    words(&binding.display_name, &binding.display_name_zh)
}

/// Everybody who can open a gate: each role that has still to decide, where it is people's to decide.
pub(super) fn who(facts: &Facts, obstacle: &Obstacle) -> Vec<Words> {
    if let Reason::NotInEffect { waits_for, .. } = &obstacle.reason {
        let mut all: Vec<Words> = Vec::new();
        for name in waits_for.iter().filter(|on| on.known).flat_map(|on| who(facts, on)) {
            if !all.contains(&name) {
                all.push(name);
            }
        }
        return all;
    }
    let missing = if obstacle.reason.is_of_decisions() { missing(facts, obstacle.gate) } else { Vec::new() };
    if missing.is_empty() {
        return vec![party(facts, obstacle.party())];
    }
    missing
}

fn missing(facts: &Facts, gate: GateName) -> Vec<Words> {
    let (Known::Is(policy), Known::Is(approvals)) = (&facts.policy, &facts.approvals) else { return Vec::new() };
    let policy = &policy.spec;
    let asks = |subject: &Subject<'_>| subject.asked.iter().any(|(asked, _)| *asked == gate);
    let Some(subject) = subjects(facts, policy).into_iter().find(asks) else { return Vec::new() };
    let tally = tally(&subject, gate, &judge(&subject, policy, approvals));
    tally.missing.iter().map(|name| role(facts, policy, name)).collect()
}

/// Names in a row.
pub(super) fn listed(names: &[Words]) -> Words {
    let joined = |of: fn(&Words) -> &str, between: &str| names.iter().map(of).collect::<Vec<_>>().join(between);
    words(joined(|w| &w.en, ", "), joined(|w| &w.zh, "、"))
}
