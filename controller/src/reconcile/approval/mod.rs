//! `Approval`: says whether a decision counts, and if not, why. The gates judge for themselves and never read this.

mod apply;
mod observe;
mod status;

use super::Context;
use super::audit;
use super::driver::{Later, LookError};
use qianyun_crds::Approval;
use std::sync::Arc;
use std::time::Duration;

/// Edits of the subject and lost permissions do not wake it.
const AGAIN: Duration = Duration::from_secs(15);

/// One look.
pub(super) async fn reconcile(approval: Arc<Approval>, ctx: Arc<Context>) -> Result<Later, LookError> {
    let effect = observe::effect(&ctx, &approval).await?;
    apply::apply(&ctx, &approval, &status::status(&approval, effect, (ctx.clock)())).await?;
    audit::approval_seen(&ctx, &approval, effect).await;
    Ok(Later(AGAIN))
}
