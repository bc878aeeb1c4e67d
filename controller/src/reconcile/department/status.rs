//! Says whether a department can be worked with.

use jiff::Timestamp;
use qianyun_crds::{Department, DepartmentStatus};
use qianyun_planning::facts::Known;
use qianyun_planning::report::condition;

/// The status of a department.
pub(super) fn status(department: &Department, namespace: &Known<()>, now: Timestamp) -> DepartmentStatus {
    let before = department.status.as_ref().map(|s| s.conditions.as_slice()).unwrap_or_default();
    let generation = department.metadata.generation;
    let name = &department.spec.namespace;
    let (ready, reason, message) = match namespace {
        Known::Is(()) => (Some(true), "NamespaceExists", String::new()),
        Known::Absent => (
            Some(false),
            "NamespaceNotFound",
            format!("the namespace {name:?} is not there: create it, or correct spec.namespace"),
        ),
        Known::Unknown => (None, "NotKnown", "namespaces cannot be read just now".to_string()),
    };
    DepartmentStatus {
        observed_generation: generation,
        conditions: vec![condition(before, "Ready", ready, reason, &message, generation, now)],
    }
}
