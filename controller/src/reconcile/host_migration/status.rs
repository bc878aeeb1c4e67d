//! Says where a host stands. Written whole with the version that was read: a writer that is behind writes nothing, so a
//! decision can never be overwritten by it.

use super::apply::params;
use crate::reconcile::Context;
use crate::reconcile::driver::LookError;
use crate::reconcile::write::beside;
use crate::world;
use kube::{Api, ResourceExt};
use qianyun_crds::{HostMigration, HostMigrationStatus};
use qianyun_planning::facts::Known;
use qianyun_planning::{Facts, Plan, host_migration};
use std::time::Duration;

/// Numbers that only count up are written this often, for people who watch; anything else at once.
const PROGRESS_EVERY: Duration = Duration::from_secs(5);

/// Writes the status if it says something new; gives the journey as it is then.
pub(super) async fn write(ctx: &Context, facts: &Facts, host: &str, plan: &Plan) -> Result<HostMigration, LookError> {
    let missing = || LookError::Missing { what: format!("the journey of {host}") };
    let journey = match facts.host(host).map(|h| &h.journey) {
        Some(Known::Is(journey)) => journey,
        Some(Known::Absent | Known::Unknown) | None => return Err(missing()),
    };
    let next = host_migration::status(facts, host, plan.waiting.as_ref(), (ctx.clock)()).ok_or_else(missing)?;
    let key = world::journey_key(journey);
    let same = journey.status.as_ref() == Some(&next);
    let only_progress = journey.status.as_ref().is_some_and(|before| coarse(before) == coarse(&next));
    if same || (only_progress && ctx.memory().written_ago(&key) < PROGRESS_EVERY) {
        return Ok(journey.clone());
    }
    let mut changed = journey.clone();
    changed.status = Some(next);
    let journeys: Api<HostMigration> = beside(ctx.client(), journey);
    let name = journey.name_any();
    match journeys.replace_status(&name, &params(), &changed).await {
        Ok(written) => {
            ctx.memory().keep_written(key);
            Ok(written)
        }
        Err(kube::Error::Api(status)) if status.is_conflict() => {
            Err(LookError::Behind { what: format!("the status of {name}") })
        }
        Err(error) => Err(LookError::api(format!("writing the status of {name}"))(error)),
    }
}

/// A status without what only counts.
fn coarse(status: &HostMigrationStatus) -> HostMigrationStatus {
    let mut coarse = status.clone();
    (coarse.left, coarse.sent, coarse.eta) = (None, None, None);
    for disk in &mut coarse.disks {
        let (volume, phase) = (disk.volume.clone(), disk.phase);
        *disk = qianyun_crds::DiskStatus {
            volume,
            phase,
            size_bytes: 0,
            read_bytes: 0,
            skipped_bytes: 0,
            zero_bytes: 0,
            sent_bytes: 0,
            wire_bytes: 0,
            remaining_bytes: 0,
            send_bytes_per_second: 0,
            change_bytes_per_second: 0,
            lag_ms: 0,
            eta_low_seconds: None,
            eta_high_seconds: None,
            message: String::new(),
        };
    }
    coarse
}
