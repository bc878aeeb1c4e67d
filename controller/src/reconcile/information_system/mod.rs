//! `InformationSystem`: says whether its department exists and this is its namespace, and counts its servers.

mod apply;
mod observe;
mod status;

use super::Context;
use super::driver::{Later, LookError};
use qianyun_crds::InformationSystem;
use std::sync::Arc;
use std::time::Duration;

/// Servers enrol and departments are made by hand; neither wakes it.
const AGAIN: Duration = Duration::from_secs(20);

/// One look.
pub(super) async fn reconcile(system: Arc<InformationSystem>, ctx: Arc<Context>) -> Result<Later, LookError> {
    let found = observe::observe(&ctx, &system).await;
    apply::apply(&ctx, &system, &status::status(&system, &found, (ctx.clock)())).await?;
    Ok(Later(AGAIN))
}
