//! Looks for the system's department and servers.

use crate::reconcile::Context;
use crate::world::{Source, all, city};
use kube::ResourceExt;
use qianyun_crds::{Department, InformationSystem};
use qianyun_planning::facts::Known;

/// What is known beside the system.
pub(super) struct Found {
    /// Its department.
    pub(super) department: Known<Department>,
    /// How many servers are enrolled for it.
    pub(super) hosts: Option<i32>,
}

/// Looks.
pub(super) async fn observe(ctx: &Context, system: &InformationSystem) -> Found {
    let department = city(ctx, &ctx.stores().departments, &system.spec.department_ref, Source::Watch).await;
    let hosts = all(ctx, &ctx.stores().hosts, system.namespace().as_deref(), Source::Watch).await;
    let name = system.name_any();
    let count = hosts.get().map(|list| list.iter().filter(|h| h.spec.system_ref == name).count());
    Found { department, hosts: count.and_then(|n| i32::try_from(n).ok()) }
}
