//! Gathers the server that a waiver is for, and which day it is.

use crate::reconcile::Context;
use crate::world::{Source, local};
use jiff::civil::Date;
use kube::ResourceExt;
use qianyun_crds::{CheckWaiver, PhysicalHost};
use qianyun_planning::facts::Known;

/// What is known beside the waiver.
pub(super) struct Found {
    /// The server.
    pub(super) host: Known<PhysicalHost>,
    /// Today, in Beijing, as `spec.until` is.
    pub(super) today: Date,
}

/// Looks.
pub(super) async fn observe(ctx: &Context, waiver: &CheckWaiver) -> Found {
    let namespace = waiver.namespace().unwrap_or_default();
    let host = local(ctx, &ctx.stores().hosts, &namespace, &waiver.spec.host_ref, Source::Watch).await;
    Found { host, today: qianyun_planning::calendar::day((ctx.clock)()) }
}
