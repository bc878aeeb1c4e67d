//! 关联系统就绪 (practice): each system that this one cannot do without serves from the cloud, or can be reached across the
//! boundary.
//!
//! Blocks the beginning of a cutover. Opened by the operator: move the other first, or have the way to it opened.

use super::need;
use crate::facts::Facts;
use crate::facts::Known;
use crate::reason::{Asked, Found, Reason, closed, unknown};
use jiff::Timestamp;
use qianyun_crds::PolicyProfileSpec;

pub(super) fn look(facts: &Facts, _policy: &PolicyProfileSpec, _now: Timestamp) -> Found {
    let system = need(&facts.system, Asked::System, &facts.migration.spec.system_ref)?;
    for wanted in system.spec.dependencies.iter().filter(|d| !d.reachable_across_boundary) {
        let name = format!("{}/{}", wanted.namespace, wanted.name);
        let found = facts.dependencies.iter().find(|d| d.namespace == wanted.namespace && d.name == wanted.name);
        match found.map(|d| &d.serves) {
            Some(Known::Is(true)) => {}
            Some(Known::Is(false)) => return Err(closed(Reason::DependencyNotMoved { system: name })),
            Some(Known::Absent) => return Err(closed(Reason::NotFound { what: Asked::System, name })),
            Some(Known::Unknown) | None => return Err(unknown(Asked::System)),
        }
    }
    Ok(())
}
