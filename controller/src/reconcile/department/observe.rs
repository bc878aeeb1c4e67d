//! Looks for the department's namespace.

use crate::reconcile::Context;
use k8s_openapi::api::core::v1::Namespace;
use kube::Api;
use qianyun_planning::facts::Known;

/// Whether the namespace is there.
pub(super) async fn namespace(ctx: &Context, name: &str) -> Known<()> {
    match Api::<Namespace>::all(ctx.client().clone()).get_opt(name).await {
        Ok(Some(_)) => Known::Is(()),
        Ok(None) => Known::Absent,
        Err(error) => {
            tracing::warn!(namespace = name, %error, "a namespace cannot be read");
            Known::Unknown
        }
    }
}
