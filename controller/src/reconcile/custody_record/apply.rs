//! Writes what was found.

use crate::reconcile::Context;
use crate::reconcile::driver::LookError;
use crate::reconcile::write;
use kube::Api;
use qianyun_crds::{CustodyRecord, CustodyRecordStatus};

/// Writes the status, if it says something new.
pub(super) async fn apply(
    ctx: &Context,
    object: &CustodyRecord,
    status: &CustodyRecordStatus,
) -> Result<(), LookError> {
    let api: Api<CustodyRecord> = write::beside(ctx.client(), object);
    write::status(&api, object, object.status.as_ref(), status).await
}
