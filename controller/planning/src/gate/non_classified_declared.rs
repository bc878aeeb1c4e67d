//! 非涉密声明 (Art. 22, 24): declared by a named person, on a day, for the system; and at the terminal of every host.
//!
//! Blocks the approval, and every action on hosts. Opened by the department.

use super::need;
use crate::calendar::parse_day;
use crate::facts::Facts;
use crate::reason::{Asked, Found, Reason, closed, unknown};
use jiff::Timestamp;
use qianyun_crds::{Classification, PolicyProfileSpec};

pub(super) fn look(facts: &Facts, _policy: &PolicyProfileSpec, now: Timestamp) -> Found {
    let system = need(&facts.system, Asked::System, &facts.migration.spec.system_ref)?;
    let declaration = &system.spec.declaration;
    match declaration.classification {
        Classification::NonClassified => {}
    }
    let declared_on = parse_day(&declaration.declared_on).filter(|_| !declaration.declared_by.trim().is_empty());
    let declared_on = declared_on.ok_or_else(|| closed(Reason::SystemNotDeclared))?;
    // Nobody has declared anything on a day that is still to come.
    if declared_on > facts.day(now) {
        return Err(closed(Reason::DeclarationNotYet { declared_on: declared_on.to_string() }));
    }
    for scheme in &facts.migration.spec.scheme.hosts {
        let Some(host) = facts.host(&scheme.host_ref) else { return Err(unknown(Asked::Host)) };
        let host = need(&host.host, Asked::Host, &scheme.host_ref)?;
        let declared = &host.spec.declaration;
        if declared.statement.trim().is_empty() || declared.name.trim().is_empty() {
            return Err(closed(Reason::HostNotDeclared { host: scheme.host_ref.clone() }));
        }
    }
    Ok(())
}
