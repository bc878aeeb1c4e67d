//! `Approval`: says whether a decision counts, and if not, why. The gates judge for themselves and never read this.

mod apply;
mod observe;
mod status;

use super::Context;
use super::audit;
use super::driver::{Later, LookError};
use super::events::tell;
use qianyun_crds::Approval;
use qianyun_planning::report::notice;
use std::sync::Arc;
use std::time::Duration;

/// Edits of the subject and lost permissions do not wake it.
const AGAIN: Duration = Duration::from_secs(15);

/// One look.
pub(super) async fn reconcile(approval: Arc<Approval>, ctx: Arc<Context>) -> Result<Later, LookError> {
    let effect = observe::effect(&ctx, &approval).await?;
    let status = status::status(&approval, effect, (ctx.clock)());
    apply::apply(&ctx, &approval, &status).await?;
    tell(&ctx, &*approval, notice::of_approval(&approval, effect, &status).into_iter().collect());
    audit::approval_seen(&ctx, &approval, effect).await;
    Ok(Later(AGAIN))
}
