//! Writes what was found.

use crate::reconcile::Context;
use crate::reconcile::driver::LookError;
use crate::reconcile::write;
use kube::Api;
use qianyun_crds::{Approval, ApprovalStatus};

/// Writes the status, if it says something new.
pub(super) async fn apply(ctx: &Context, object: &Approval, status: &ApprovalStatus) -> Result<(), LookError> {
    let api: Api<Approval> = write::beside(ctx.client(), object);
    write::status(&api, object, object.status.as_ref(), status).await
}
