//! 参建单位资质有效 (Art. 19): every certificate that the state requires is valid on the day of the cutover; and where the
//! migration contains a project, design, construction and supervision are named.
//!
//! Blocks the approval, and every action on hosts. Opened by the operator. Which certificates are required is said by people, with a basis.

use crate::calendar::parse_day;
use crate::facts::Facts;
use crate::reason::{Found, Reason, closed};
use jiff::Timestamp;
use qianyun_crds::{PartyRole, PolicyProfileSpec, Scheme};

/// Whom a project needs (工程监理制, Art. 19 and 20).
pub(super) const OF_A_PROJECT: [PartyRole; 3] = [PartyRole::Designer, PartyRole::Contractor, PartyRole::Supervisor];

pub(super) fn look(facts: &Facts, _policy: &PolicyProfileSpec, _now: Timestamp) -> Found {
    let scheme = &facts.migration.spec.scheme;
    if contains_project(scheme) {
        let named = |role: &PartyRole| scheme.parties.iter().any(|p| p.role == *role);
        if let Some(role) = OF_A_PROJECT.into_iter().find(|role| !named(role)) {
            return Err(closed(Reason::PartyMissing { role }));
        }
    }
    let needed_on = facts.day(scheme.window.start.0);
    for party in &scheme.parties {
        let Some(certificate) = &party.certificate else { continue };
        let valid = parse_day(&certificate.valid_until).is_some_and(|until| until >= needed_on);
        if !valid {
            return Err(closed(Reason::CertificateExpired {
                party: party.name.clone(),
                certificate: certificate.name.clone(),
                until: certificate.valid_until.clone(),
                needed_on: needed_on.to_string(),
            }));
        }
    }
    Ok(())
}

/// Whether something is built, rebuilt or bought.
pub(super) fn contains_project(scheme: &Scheme) -> bool {
    scheme.project.as_ref().is_some_and(|p| p.contained)
}
