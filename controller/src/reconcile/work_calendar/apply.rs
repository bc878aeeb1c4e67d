//! Writes what was found.

use crate::reconcile::Context;
use crate::reconcile::driver::LookError;
use crate::reconcile::write;
use kube::Api;
use qianyun_crds::{WorkCalendar, WorkCalendarStatus};

/// Writes the status, if it says something new.
pub(super) async fn apply(ctx: &Context, object: &WorkCalendar, status: &WorkCalendarStatus) -> Result<(), LookError> {
    let api: Api<WorkCalendar> = Api::all(ctx.client().clone());
    write::status(&api, object, object.status.as_ref(), status).await
}
