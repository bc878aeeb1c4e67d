//! `PolicyProfile`: says whether it is consistent and in force. An expired one is shown as such and blocks nothing (Art. 37).

mod apply;
mod observe;
mod status;

use super::Context;
use super::driver::{Later, LookError};
use qianyun_crds::PolicyProfile;
use std::sync::Arc;
use std::time::Duration;

/// Days begin and end; nothing else changes it but an edit, which wakes.
const AGAIN: Duration = Duration::from_secs(600);

/// One look.
pub(super) async fn reconcile(profile: Arc<PolicyProfile>, ctx: Arc<Context>) -> Result<Later, LookError> {
    let now = (ctx.clock)();
    apply::apply(&ctx, &profile, &status::status(&profile, observe::day(&profile, now), now)).await?;
    Ok(Later(AGAIN))
}
