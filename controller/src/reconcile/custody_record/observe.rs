//! Gathers the server, its records, and whether its system was accepted; and has the records judged together.

use crate::reconcile::Context;
use crate::world::{Source, all, local, owned};
use kube::ResourceExt;
use qianyun_crds::{CustodyRecord, SystemMigration};
use qianyun_planning::custody::{CustodyEffect, judge, met_on};
use qianyun_planning::facts::Known;

/// Whether the record holds; `None` while that is not known.
pub(super) async fn observe(ctx: &Context, record: &CustodyRecord) -> Option<CustodyEffect> {
    let namespace = record.namespace().unwrap_or_default();
    let spec = &record.spec;
    let host = local(ctx, &ctx.stores().hosts, &namespace, &spec.host_ref, Source::Watch).await;
    if matches!(host, Known::Unknown) {
        return None;
    }
    let of_host = |other: &CustodyRecord| other.spec.host_ref == spec.host_ref;
    let records = all(ctx, &ctx.stores().custody, Some(&namespace), Source::Watch, of_host).await.map(owned);
    let accepted = |m: &SystemMigration| m.spec.system_ref == spec.system_ref && is_accepted(m);
    let migrations = all(ctx, &ctx.stores().migrations, Some(&namespace), Source::Watch, accepted).await;
    let accepted = migrations.get()?.iter().filter_map(|m| met_on(m)).max();
    let judged = judge(records.get()?, &spec.host_ref, host.get(), accepted);
    judged.into_iter().find(|(other, _)| other.uid() == record.uid()).map(|(_, effect)| effect)
}

/// Whether the acceptance as it stands was reached.
fn is_accepted(migration: &SystemMigration) -> bool {
    let status = migration.status.as_ref();
    let accepted = status.and_then(|s| s.accepted.as_ref()).map(|a| &a.digest);
    accepted.is_some() && accepted == status.and_then(|s| s.acceptance_digest.as_ref())
}
