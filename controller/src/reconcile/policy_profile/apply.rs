//! Writes what was found.

use crate::reconcile::Context;
use crate::reconcile::driver::LookError;
use crate::reconcile::write;
use kube::Api;
use qianyun_crds::{PolicyProfile, PolicyProfileStatus};

/// Writes the status, if it says something new.
pub(super) async fn apply(
    ctx: &Context,
    object: &PolicyProfile,
    status: &PolicyProfileStatus,
) -> Result<(), LookError> {
    let api: Api<PolicyProfile> = Api::all(ctx.client().clone());
    write::status(&api, object, object.status.as_ref(), status).await
}
