//! Says what the site can do.

use crate::hosting::Capabilities;
use jiff::Timestamp;
use qianyun_crds::{CloudPlatform, CloudPlatformStatus};
use qianyun_planning::report::condition;

/// Free room is told anew when it has changed by so much, so that the status is not written for every block: 1 GiB.
const STEP_BYTES: i64 = 1 << 30;

/// The status of a site.
pub(super) fn status(
    platform: &CloudPlatform,
    can: &Result<Capabilities, String>,
    now: Timestamp,
) -> CloudPlatformStatus {
    let before = platform.status.clone().unwrap_or_default();
    let generation = platform.metadata.generation;
    let free = can.as_ref().ok().and_then(|c| i64::try_from(c.free_storage_bytes).ok());
    let (reason, message) = match can {
        Ok(_) => ("BackendAnswers", String::new()),
        Err(error) => ("BackendSilent", error.clone()),
    };
    CloudPlatformStatus {
        observed_generation: generation,
        free_storage_bytes: free_storage(before.free_storage_bytes, free),
        accelerator: can.as_ref().ok().map(|c| c.accelerator).or(before.accelerator),
        conditions: vec![condition(&before.conditions, "Ready", Some(can.is_ok()), reason, &message, generation, now)],
    }
}

/// What was said of the free room, until it is wrong by a step. Who asks whether a scheme fits asks the site itself.
fn free_storage(before: Option<i64>, now: Option<i64>) -> Option<i64> {
    match (before, now) {
        (Some(before), Some(now)) if before.abs_diff(now) < STEP_BYTES.unsigned_abs() => Some(before),
        (before, now) => now.or(before),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_comes_and_goes_by_less_than_a_step_is_not_told() {
        let gib = |n: i64| Some(n << 30);
        assert_eq!(free_storage(None, gib(7)), gib(7));
        assert_eq!(free_storage(gib(7), Some((8 << 30) - 1)), gib(7), "across a boundary, by less than a step");
        assert_eq!(free_storage(gib(7), gib(6)), gib(6));
        assert_eq!(free_storage(gib(7), None), gib(7), "the site does not answer");
    }
}
