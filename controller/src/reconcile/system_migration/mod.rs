//! `SystemMigration`: makes the journeys of its hosts, and says where the whole stands. Touches no host itself.

mod apply;
pub(super) mod observe;
mod status;
mod under_way;

use super::Context;
use super::audit;
use super::driver::{Later, LookError};
use super::permission::Freshness;
use qianyun_crds::SystemMigration;
use qianyun_planning::{lint, system_migration};
use std::sync::Arc;
use std::time::Duration;

/// A net under the wake-ups: plan, policy, platform and servers do not wake it.
const AGAIN: Duration = Duration::from_secs(10);
/// While hosts are under way, people watch.
const AGAIN_SOON: Duration = Duration::from_secs(3);

/// One look.
pub(super) async fn reconcile(migration: Arc<SystemMigration>, ctx: Arc<Context>) -> Result<Later, LookError> {
    let now = (ctx.clock)();
    let mut facts = observe::facts(&ctx, &migration, Freshness::Recent).await?;
    let mut plan = system_migration::plan(&facts, now);
    if !plan.actions.is_empty() {
        // A journey begins only on approvals that hold now: an answer of a moment ago may be older than a withdrawal.
        facts = observe::facts(&ctx, &migration, Freshness::Now).await?;
        plan = system_migration::plan(&facts, now);
    }
    // Before the status, which says where the record ends.
    audit::system_seen(&ctx, &facts).await;
    status::write(&ctx, &facts, &plan, now).await?;
    let what = || format!("the migration {}", facts.migration.metadata.name.clone().unwrap_or_default());
    match lint::check(&facts, &plan, now) {
        Some(rule) => return Err(LookError::Refused { what: what(), rule }),
        None => audit::carried_out(&ctx, &facts, &plan, apply::carry_out(&ctx, &facts, &plan)).await?,
    }
    let under_way = facts.hosts.iter().any(|h| h.journey.get().is_some());
    Ok(Later(if under_way { AGAIN_SOON } else { AGAIN }))
}
