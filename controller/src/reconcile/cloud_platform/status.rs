//! Says what the site can do.

use crate::hosting::Capabilities;
use jiff::Timestamp;
use qianyun_crds::{CloudPlatform, CloudPlatformStatus};
use qianyun_planning::report::condition;

/// Free room is told in steps of this size, so that the status is not written for every block: 256 MiB.
const STEP_BYTES: u64 = 256 << 20;

/// The status of a site.
pub(super) fn status(
    platform: &CloudPlatform,
    can: &Result<Capabilities, String>,
    now: Timestamp,
) -> CloudPlatformStatus {
    let before = platform.status.clone().unwrap_or_default();
    let generation = platform.metadata.generation;
    let free = can.as_ref().ok().map(|c| c.free_storage_bytes / STEP_BYTES * STEP_BYTES);
    let (reason, message) = match can {
        Ok(_) => ("BackendAnswers", String::new()),
        Err(error) => ("BackendSilent", error.clone()),
    };
    CloudPlatformStatus {
        observed_generation: generation,
        free_storage_bytes: free.and_then(|b| i64::try_from(b).ok()).or(before.free_storage_bytes),
        accelerator: can.as_ref().ok().map(|c| c.accelerator.to_string()).or(before.accelerator),
        conditions: vec![condition(&before.conditions, "Ready", Some(can.is_ok()), reason, &message, generation, now)],
    }
}
