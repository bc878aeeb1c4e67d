//! `CustodyRecord`: says whether it holds. The gate judges for itself and never reads this.

mod apply;
mod observe;
mod status;

use super::Context;
use super::driver::{Later, LookError};
use qianyun_crds::CustodyRecord;
use std::sync::Arc;
use std::time::Duration;

/// Later records and acceptances do not wake it.
const AGAIN: Duration = Duration::from_secs(20);

/// One look.
pub(super) async fn reconcile(record: Arc<CustodyRecord>, ctx: Arc<Context>) -> Result<Later, LookError> {
    let found = observe::observe(&ctx, &record).await;
    apply::apply(&ctx, &record, &status::status(&record, &found, (ctx.clock)())).await?;
    Ok(Later(AGAIN))
}
