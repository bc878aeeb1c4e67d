//! `CloudPlatform`: says whether the site answers, and what it can still hold.

mod apply;
mod observe;
mod status;

use super::Context;
use super::driver::{Later, LookError};
use qianyun_crds::CloudPlatform;
use std::sync::Arc;
use std::time::Duration;

/// Room is used up by people's doing, within minutes.
const AGAIN: Duration = Duration::from_secs(60);

/// One look.
pub(super) async fn reconcile(platform: Arc<CloudPlatform>, ctx: Arc<Context>) -> Result<Later, LookError> {
    let can = observe::capabilities(&ctx).await;
    apply::apply(&ctx, &platform, &status::status(&platform, &can, (ctx.clock)())).await?;
    Ok(Later(AGAIN))
}
