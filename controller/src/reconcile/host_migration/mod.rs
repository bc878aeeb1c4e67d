//! `HostMigration`: drives one host. It looks, plans, writes what it saw, and then does what the plan asks; whatever cannot
//! be taken back is planned a second time, on facts from the API server and permissions asked at this moment.

mod apply;
mod intent;
pub(super) mod observe;
mod report;
mod status;

use super::Context;
use super::audit;
use super::driver::{Later, LookError};
use super::permission::Freshness;
use super::system_migration::observe::facts;
use crate::world;
use kube::ResourceExt;
use qianyun_crds::{HostIntent, HostMigration, SystemMigration};
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

/// Rounds of one look: from the volumes to the intent are three, from the decision to the launch five.
const ROUNDS: u32 = 6;

/// One look.
pub(super) async fn reconcile(journey: Arc<HostMigration>, ctx: Arc<Context>) -> Result<Later, LookError> {
    let namespace = journey.namespace().unwrap_or_default();
    let migrations = &ctx.stores().migrations;
    let source = world::Source::Watch;
    let migration = match world::local(&ctx, migrations, &namespace, &journey.spec.migration_ref, source).await {
        Known::Is(migration) => migration,
        Known::Absent => return abandoned(&ctx, &journey).await,
        Known::Unknown => return Err(missing(&journey)),
    };
    let host = journey.spec.host_ref.clone();
    let mut freshness = Freshness::Recent;
    for _ in 0..ROUNDS {
        match Box::pin(round(&ctx, &migration, &host, freshness)).await? {
            Round::Acted => freshness = Freshness::Now,
            Round::Waits(after) => return Ok(Later(after)),
        }
    }
    Ok(Later(AGAIN_CUTTING))
}

/// Whether users may be without their system: then a new leader does not wait until it knows the whole city.
pub(super) fn is_urgent(journey: &HostMigration) -> bool {
    match journey.spec.intent {
        HostIntent::Cutover | HostIntent::Resume | HostIntent::Fence => true,
        HostIntent::Serve => journey.status.as_ref().is_some_and(|status| status.waiting.is_some()),
        HostIntent::Idle | HostIntent::Replicate => false,
    }
}

/// How a round ended.
enum Round {
    /// Something was done: look again at once, at the server itself, because the watch does not show it yet.
    Acted,
    /// Nothing was to be done.
    Waits(Duration),
}

/// Looks, says, and does what the plan asks.
async fn round(
    ctx: &Context,
    migration: &SystemMigration,
    host: &str,
    freshness: Freshness,
) -> Result<Round, LookError> {
    let mut seen = facts(ctx, migration, freshness).await?;
    intent::hand_out(ctx, &seen, host);
    let plan = host_migration::plan(&seen, host, (ctx.clock)());
    let written = status::write(ctx, &seen, host, &plan).await?;
    audit::host_seen(ctx, &seen, host, &plan, freshness).await;
    if plan.actions.is_empty() {
        return Ok(Round::Waits(again(&seen, host, &plan)));
    }
    // One attempt at a time is planned and written: a plan that limits them counts those that began before. Who finds another one
    // there comes again: to wait here would take a place from those that have begun, whose freeze runs.
    let begins = plan.actions.iter().any(Action::begins_attempt);
    let turn = begins.then(|| ctx.beginning.try_lock()).transpose();
    let Ok(_turn) = turn else { return Ok(Round::Waits(AGAIN_CUTTING)) };
    let irreversible = plan.actions.iter().any(Action::is_irreversible);
    if begins || (irreversible && freshness != Freshness::Now) {
        seen = facts(ctx, migration, Freshness::Now).await?;
    } else if let Some(this) = seen.hosts.iter_mut().find(|h| h.name == host) {
        this.journey = Known::Is(written);
    }
    let now = (ctx.clock)();
    let plan = host_migration::plan(&seen, host, now);
    if let Some(rule) = lint::check(&seen, &plan, now) {
        return Err(LookError::Refused { what: format!("the host {host}"), rule });
    }
    if plan.actions.is_empty() {
        return Ok(Round::Waits(AGAIN_CUTTING));
    }
    audit::carried_out(ctx, &seen, &plan, apply::carry_out(ctx, &seen, host, &plan)).await?;
    Ok(if plan.actions.iter().all(|a| matches!(a, Action::RunProbes { .. })) {
        Round::Waits(AGAIN_CUTTING)
    } else {
        Round::Acted
    })
}

fn missing(journey: &HostMigration) -> LookError {
    let namespace = journey.namespace().unwrap_or_default();
    LookError::Missing { what: format!("the SystemMigration {namespace}/{}", journey.spec.migration_ref) }
}

/// Its scheme was deleted, so nothing permits what it does: a copy stops. An attempt that is under way, and what follows a
/// commit, wait for the scheme to be made again: without it nobody can say what the host is to be.
async fn abandoned(ctx: &Context, journey: &HostMigration) -> Result<Later, LookError> {
    let namespace = journey.namespace().unwrap_or_default();
    let migrations = &ctx.stores().migrations;
    let name = &journey.spec.migration_ref;
    match world::local(ctx, migrations, &namespace, name, world::Source::Server).await {
        Known::Absent => {}
        Known::Is(_) | Known::Unknown => return Err(missing(journey)),
    }
    match journey.spec.intent {
        HostIntent::Replicate => apply::stop_copying(ctx, journey).await?,
        HostIntent::Idle => intent::hand_out_idle(ctx, journey),
        HostIntent::Cutover | HostIntent::Resume | HostIntent::Fence | HostIntent::Serve => {
            return Err(missing(journey));
        }
    }
    Ok(Later(AGAIN))
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
