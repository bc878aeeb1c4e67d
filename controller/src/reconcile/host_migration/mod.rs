//! `HostMigration`: drives one host. It looks, plans, writes what it saw, and then does what the plan asks; whatever cannot
//! be taken back is planned a second time, on facts from the API server and permissions asked at this moment.

mod apply;
mod intent;
pub(super) mod observe;
mod report;
mod status;

use super::Context;
use super::driver::{Later, LookError};
use super::permission::Freshness;
use super::system_migration::observe::facts;
use crate::world;
use kube::ResourceExt;
use qianyun_crds::{HostIntent, HostMigration};
use qianyun_planning::facts::Known;
use qianyun_planning::{Action, Facts, Plan, host_migration, lint};
use std::sync::Arc;
use std::time::Duration;

/// During a cutover each second is one without service.
const AGAIN_CUTTING: Duration = Duration::from_millis(700);
/// While it is copied, a report wakes it anyway.
const AGAIN_COPYING: Duration = Duration::from_secs(5);
/// Otherwise.
const AGAIN: Duration = Duration::from_secs(15);

/// One look.
pub(super) async fn reconcile(journey: Arc<HostMigration>, ctx: Arc<Context>) -> Result<Later, LookError> {
    let namespace = journey.namespace().unwrap_or_default();
    let migrations = &ctx.stores().migrations;
    let source = world::Source::Watch;
    let migration = match world::local(&ctx, migrations, &namespace, &journey.spec.migration_ref, source).await {
        Known::Is(migration) => migration,
        Known::Absent | Known::Unknown => {
            let what = format!("the SystemMigration {namespace}/{}", journey.spec.migration_ref);
            return Err(LookError::Missing { what });
        }
    };
    let host = journey.spec.host_ref.clone();
    let seen = facts(&ctx, &migration, Freshness::Recent).await?;
    intent::hand_out(&ctx, &seen, &host);
    let plan = host_migration::plan(&seen, &host, (ctx.clock)());
    let written = status::write(&ctx, &seen, &host, &plan).await?;
    if plan.actions.is_empty() {
        return Ok(Later(again(&seen, &host, &plan)));
    }
    // What was just written is not in the watch yet, so whatever is done rests on a second look at the server.
    let sure = if plan.actions.iter().any(Action::is_irreversible) { Freshness::Now } else { Freshness::Recent };
    let (seen, plan) = second_look(&ctx, &migration, &host, sure, written).await?;
    apply::carry_out(&ctx, &seen, &host, &plan).await?;
    Ok(Later(Duration::from_millis(200)))
}

/// Looks again and plans again. Only what is planned now is done.
async fn second_look(
    ctx: &Context,
    migration: &qianyun_crds::SystemMigration,
    host: &str,
    freshness: Freshness,
    written: HostMigration,
) -> Result<(Facts, Plan), LookError> {
    let mut seen = facts(ctx, migration, freshness).await?;
    if let Some(this) = seen.hosts.iter_mut().find(|h| h.name == host) {
        let newer = match (&this.journey, freshness) {
            (Known::Is(_), Freshness::Now) => None,
            _ => Some(written),
        };
        if let Some(newer) = newer {
            this.journey = Known::Is(newer);
        }
    }
    let now = (ctx.clock)();
    let plan = host_migration::plan(&seen, host, now);
    match lint::check(&seen, &plan, now) {
        Some(rule) => Err(LookError::Refused { what: format!("the host {host}"), rule }),
        None => Ok((seen, plan)),
    }
}

fn again(facts: &Facts, host: &str, plan: &Plan) -> Duration {
    let intent = facts.host(host).and_then(|h| h.journey.get()).map(|j| j.spec.intent);
    let usual = match intent {
        Some(HostIntent::Cutover | HostIntent::Resume | HostIntent::Fence) => AGAIN_CUTTING,
        Some(HostIntent::Serve) if plan.waiting.is_some() => AGAIN_CUTTING,
        Some(HostIntent::Replicate) => AGAIN_COPYING,
        Some(HostIntent::Idle | HostIntent::Serve) | None => AGAIN,
    };
    // A window that opens, or a pause that ends, is met to the second.
    let at = plan.waiting.as_ref().and_then(qianyun_planning::WaitingOn::ends_at);
    let left = at.map(|at| qianyun_planning::calendar::seconds_between(jiff::Timestamp::now(), at) + 1);
    match left.and_then(|s| u64::try_from(s).ok()) {
        Some(seconds) => usual.min(Duration::from_secs(seconds.max(1))),
        None => usual,
    }
}
