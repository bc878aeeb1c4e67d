//! Says whether a system can be worked with, and whether what it needs is there.

use super::observe::Found;
use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
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
            let words = format!(
                "the department {:?} has the namespace {:?}, not this one: correct spec.departmentRef, or declare the system there",
                d.name_any(),
                d.spec.namespace
            );
            (Some(false), "NamespaceOfAnother", words)
        }
        Known::Absent => {
            let words = format!(
                "the department {:?} is not there: create it, or correct spec.departmentRef",
                system.spec.department_ref
            );
            (Some(false), "DepartmentNotFound", words)
        }
        Known::Unknown => (None, "NotKnown", "departments cannot be read just now".to_string()),
    };
    InformationSystemStatus {
        observed_generation: generation,
        hosts: found.hosts,
        conditions: vec![
            condition(before, "Ready", ready, reason, &message, generation, now),
            dependencies(before, found.missing.as_deref(), generation, now),
        ],
    }
}

fn dependencies(
    before: &[Condition],
    missing: Option<&[String]>,
    generation: Option<i64>,
    now: Timestamp,
) -> Condition {
    let (known, reason, message) = match missing {
        Some([]) => (Some(true), "AllExist", String::new()),
        Some(missing) => {
            let names = missing.join(", ");
            let words = format!("{names} not found: create what is missing, or correct spec.dependencies");
            (Some(false), "SystemNotFound", words)
        }
        None => (None, "NotKnown", "systems cannot be read just now".to_string()),
    };
    condition(before, "DependenciesKnown", known, reason, &message, generation, now)
}
