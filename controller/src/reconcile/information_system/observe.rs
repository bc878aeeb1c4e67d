//! Looks for the system's department and servers, and for the systems that it needs.

use crate::reconcile::Context;
use crate::world::{Source, all, city, local};
use kube::ResourceExt;
use qianyun_crds::{Department, InformationSystem, PhysicalHost, SystemDependency};
use qianyun_planning::facts::Known;

/// What is known beside the system.
pub(super) struct Found {
    /// Its department.
    pub(super) department: Known<Department>,
    /// How many servers are enrolled for it.
    pub(super) hosts: Option<i32>,
    /// Which of the systems that it needs do not exist, as `<namespace>/<name>`; `None` while that is not known.
    pub(super) missing: Option<Vec<String>>,
}

/// Looks.
pub(super) async fn observe(ctx: &Context, system: &InformationSystem) -> Found {
    let department = city(ctx, &ctx.stores().departments, &system.spec.department_ref, Source::Watch).await;
    let name = system.name_any();
    let of_system = |host: &PhysicalHost| host.spec.system_ref == name;
    let hosts = all(ctx, &ctx.stores().hosts, system.namespace().as_deref(), Source::Watch, of_system).await;
    let count = hosts.get().map(Vec::len);
    Found { department, hosts: count.and_then(|n| i32::try_from(n).ok()), missing: missing(ctx, system).await }
}

async fn missing(ctx: &Context, system: &InformationSystem) -> Option<Vec<String>> {
    let mut missing = Vec::new();
    for SystemDependency { namespace, name, .. } in &system.spec.dependencies {
        match local(ctx, &ctx.stores().systems, namespace, name, Source::Watch).await {
            Known::Is(_) => {}
            Known::Absent => missing.push(format!("{namespace}/{name}")),
            Known::Unknown => return None,
        }
    }
    Some(missing)
}
