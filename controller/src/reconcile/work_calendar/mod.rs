//! `WorkCalendar`: says whether a copy of a notice holds together, and that time limits are counted by it.

mod apply;
mod observe;
mod status;

use super::Context;
use super::driver::{Later, LookError};
use qianyun_crds::WorkCalendar;
use std::sync::Arc;
use std::time::Duration;

/// Another calendar may be entered for the same year, or leave a gap; neither wakes it.
const AGAIN: Duration = Duration::from_secs(60);

/// One look.
pub(super) async fn reconcile(calendar: Arc<WorkCalendar>, ctx: Arc<Context>) -> Result<Later, LookError> {
    let found = observe::observe(&ctx, &calendar).await;
    apply::apply(&ctx, &calendar, &status::status(&calendar, &found, (ctx.clock)())).await?;
    Ok(Later(AGAIN))
}
