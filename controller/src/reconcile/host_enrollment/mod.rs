//! `HostEnrollment`: makes the Secret with the token and the line to type, and counts who joined. The token is made once and
//! is in no log and no status.

mod apply;
mod observe;
mod status;

use super::Context;
use super::driver::{Later, LookError};
use qianyun_crds::HostEnrollment;
use std::sync::Arc;
use std::time::Duration;

/// Servers join and time passes; neither wakes it.
const AGAIN: Duration = Duration::from_secs(15);

/// One look.
pub(super) async fn reconcile(enrollment: Arc<HostEnrollment>, ctx: Arc<Context>) -> Result<Later, LookError> {
    let secret = apply::ensure_secret(&ctx, &enrollment).await?;
    let found = observe::observe(&ctx, &enrollment).await;
    let status = status::status(&enrollment, &secret, &found, (ctx.clock)());
    apply::write_status(&ctx, &enrollment, &status).await?;
    Ok(Later(AGAIN))
}
