//! Looks who joined with an enrolment.

use crate::reconcile::Context;
use crate::world::{Source, all, local};
use kube::ResourceExt;
use qianyun_crds::{HostEnrollment, InformationSystem, PhysicalHost};
use qianyun_planning::facts::Known;

/// What is known beside the enrolment.
pub(super) struct Found {
    /// Names of the hosts that joined; `None` if not known.
    pub(super) hosts: Option<Vec<String>>,
    /// The system that they join.
    pub(super) system: Known<InformationSystem>,
}

/// Looks.
pub(super) async fn observe(ctx: &Context, enrollment: &HostEnrollment) -> Found {
    let namespace = enrollment.namespace().unwrap_or_default();
    let name = enrollment.name_any();
    let joined = |host: &PhysicalHost| host.spec.enrollment_ref == name;
    let hosts = all(ctx, &ctx.stores().hosts, Some(&namespace), Source::Watch, joined).await;
    let hosts = hosts.get().map(|list| {
        let mut names: Vec<String> = list.iter().map(|h| h.name_any()).collect();
        names.sort();
        names
    });
    let system = local(ctx, &ctx.stores().systems, &namespace, &enrollment.spec.system_ref, Source::Watch).await;
    Found { hosts, system }
}
