//! `CheckWaiver`: says whether it holds. The gate judges for itself and never reads this.

mod apply;
mod observe;
mod status;

use super::Context;
use super::driver::{Later, LookError};
use qianyun_crds::CheckWaiver;
use std::sync::Arc;
use std::time::Duration;

/// Checks are done again and days end without a wake-up.
const AGAIN: Duration = Duration::from_secs(20);

/// One look.
pub(super) async fn reconcile(waiver: Arc<CheckWaiver>, ctx: Arc<Context>) -> Result<Later, LookError> {
    let found = observe::observe(&ctx, &waiver).await;
    apply::apply(&ctx, &waiver, &status::status(&waiver, &found, (ctx.clock)())).await?;
    Ok(Later(AGAIN))
}
