//! `MigrationPlan`: says who issued it, how many of its systems have moved, and which are late.

mod apply;
pub(super) mod observe;
mod status;

use super::Context;
use super::driver::{Later, LookError};
use qianyun_crds::MigrationPlan;
use std::sync::Arc;
use std::time::Duration;

/// Decisions wake it; the progress of systems does not.
const AGAIN: Duration = Duration::from_secs(10);

/// One look.
pub(super) async fn reconcile(plan: Arc<MigrationPlan>, ctx: Arc<Context>) -> Result<Later, LookError> {
    let facts = observe::facts(&ctx, &plan).await?;
    apply::apply(&ctx, &plan, &status::status(&facts, (ctx.clock)())).await?;
    Ok(Later(AGAIN))
}
