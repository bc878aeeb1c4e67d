//! `Department`: says whether its namespace exists.

mod apply;
mod observe;
mod status;

use super::Context;
use super::driver::{Later, LookError};
use qianyun_crds::Department;
use std::sync::Arc;
use std::time::Duration;

/// Namespaces come and go by hand.
const AGAIN: Duration = Duration::from_secs(60);

/// One look.
pub(super) async fn reconcile(department: Arc<Department>, ctx: Arc<Context>) -> Result<Later, LookError> {
    let namespace = observe::namespace(&ctx, &department.spec.namespace).await;
    apply::apply(&ctx, &department, &status::status(&department, &namespace, (ctx.clock)())).await?;
    Ok(Later(AGAIN))
}
