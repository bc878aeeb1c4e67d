//! Writes what was found.

use crate::reconcile::Context;
use crate::reconcile::driver::LookError;
use crate::reconcile::write;
use kube::Api;
use qianyun_crds::{Department, DepartmentStatus};

/// Writes the status, if it says something new.
pub(super) async fn apply(ctx: &Context, object: &Department, status: &DepartmentStatus) -> Result<(), LookError> {
    let api: Api<Department> = Api::all(ctx.client().clone());
    write::status(&api, object, object.status.as_ref(), status).await
}
