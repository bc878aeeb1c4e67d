//! Writes what was found.

use crate::reconcile::Context;
use crate::reconcile::driver::LookError;
use crate::reconcile::write;
use kube::Api;
use qianyun_crds::{FreezePeriod, FreezePeriodStatus};

/// Writes the status, if it says something new.
pub(super) async fn apply(ctx: &Context, object: &FreezePeriod, status: &FreezePeriodStatus) -> Result<(), LookError> {
    let api: Api<FreezePeriod> = Api::all(ctx.client().clone());
    write::status(&api, object, object.status.as_ref(), status).await
}
