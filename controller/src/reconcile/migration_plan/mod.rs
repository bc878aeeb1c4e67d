//! `MigrationPlan`: says who issued it, how many of its systems have moved, and which are late.

mod apply;
pub(super) mod observe;
mod status;

use super::Context;
use super::driver::{Later, LookError};
use super::events::tell;
use qianyun_crds::MigrationPlan;
use qianyun_planning::report::notice;
use std::sync::Arc;
use std::time::Duration;

/// Decisions wake it; the progress of systems does not.
const AGAIN: Duration = Duration::from_secs(10);

/// One look.
pub(super) async fn reconcile(plan: Arc<MigrationPlan>, ctx: Arc<Context>) -> Result<Later, LookError> {
    let facts = observe::facts(&ctx, &plan).await?;
    let status = status::status(&facts, (ctx.clock)());
    apply::apply(&ctx, &plan, &status).await?;
    tell(&ctx, &*plan, notice::of_plan(plan.status.as_ref(), &status).into_iter().collect());
    Ok(Later(AGAIN))
}
