//! Writes what was found.

use crate::reconcile::Context;
use crate::reconcile::driver::LookError;
use crate::reconcile::write;
use kube::Api;
use qianyun_crds::{CloudPlatform, CloudPlatformStatus};

/// Writes the status, if it says something new.
pub(super) async fn apply(
    ctx: &Context,
    object: &CloudPlatform,
    status: &CloudPlatformStatus,
) -> Result<(), LookError> {
    let api: Api<CloudPlatform> = Api::all(ctx.client().clone());
    write::status(&api, object, object.status.as_ref(), status).await
}
