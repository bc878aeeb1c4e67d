//! `FreezePeriod`: says whether it holds now, and whether everything that it names exists.

mod apply;
mod observe;
mod status;

use super::Context;
use super::driver::{Later, LookError};
use qianyun_crds::FreezePeriod;
use std::sync::Arc;
use std::time::Duration;

/// Periods begin and end, and systems are made, without a wake-up.
const AGAIN: Duration = Duration::from_secs(20);

/// One look.
pub(super) async fn reconcile(period: Arc<FreezePeriod>, ctx: Arc<Context>) -> Result<Later, LookError> {
    let found = observe::observe(&ctx, &period).await;
    apply::apply(&ctx, &period, &status::status(&period, &found, (ctx.clock)())).await?;
    Ok(Later(AGAIN))
}
