//! Says whether a system can be worked with.

use super::observe::Found;
use jiff::Timestamp;
use kube::ResourceExt;
use qianyun_crds::{InformationSystem, InformationSystemStatus};
use qianyun_planning::facts::Known;
use qianyun_planning::report::condition;

/// The status of a system.
pub(super) fn status(system: &InformationSystem, found: &Found, now: Timestamp) -> InformationSystemStatus {
    let before = system.status.as_ref().map(|s| s.conditions.as_slice()).unwrap_or_default();
    let generation = system.metadata.generation;
    let namespace = system.namespace().unwrap_or_default();
    let (ready, reason, message) = match &found.department {
        Known::Is(d) if d.spec.namespace == namespace => (Some(true), "DepartmentExists", String::new()),
        Known::Is(d) => {
            let words =
                format!("the department {:?} has the namespace {:?}, not this one", d.name_any(), d.spec.namespace);
            (Some(false), "NamespaceOfAnother", words)
        }
        Known::Absent => {
            let words = format!("the department {:?} is not there; create it", system.spec.department_ref);
            (Some(false), "DepartmentNotFound", words)
        }
        Known::Unknown => (None, "NotKnown", "departments cannot be read just now".to_string()),
    };
    InformationSystemStatus {
        observed_generation: generation,
        hosts: found.hosts,
        conditions: vec![condition(before, "Ready", ready, reason, &message, generation, now)],
    }
}
