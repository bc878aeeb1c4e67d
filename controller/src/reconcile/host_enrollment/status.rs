//! Says whether a host can join now.

use super::observe::Found;
use jiff::Timestamp;
use qianyun_crds::{HostEnrollment, HostEnrollmentStatus};
use qianyun_planning::facts::Known;
use qianyun_planning::report::condition;

/// The status of an enrolment.
pub(super) fn status(enrollment: &HostEnrollment, secret: &str, found: &Found, now: Timestamp) -> HostEnrollmentStatus {
    let before = enrollment.status.clone().unwrap_or_default();
    let generation = enrollment.metadata.generation;
    let places = usize::try_from(enrollment.spec.max_hosts).unwrap_or(0);
    let hosts = found.hosts.clone().unwrap_or(before.hosts);
    let (ready, reason, message) = if now >= enrollment.spec.expires_at.0 {
        (
            Some(false),
            "Expired",
            "spec.expiresAt has passed: make a new HostEnrollment for hosts that have not joined".to_string(),
        )
    } else if hosts.len() >= places {
        (
            Some(false),
            "Exhausted",
            "the places of spec.maxHosts are taken: make a new HostEnrollment for more hosts".to_string(),
        )
    } else {
        match found.system {
            Known::Is(_) => (Some(true), "Open", String::new()),
            Known::Absent => {
                let words = format!(
                    "the system {:?} is not there: declare it, or make a new HostEnrollment with another spec.systemRef",
                    enrollment.spec.system_ref
                );
                (Some(false), "SystemNotFound", words)
            }
            Known::Unknown => (None, "NotKnown", "the system cannot be read just now".to_string()),
        }
    };
    HostEnrollmentStatus {
        observed_generation: generation,
        token_secret: Some(secret.to_string()),
        used: Some(format!("{}/{places}", hosts.len())),
        hosts,
        conditions: vec![condition(&before.conditions, "Ready", ready, reason, &message, generation, now)],
    }
}
