//! What every look puts on record, and when. Reports go on where nothing can be recorded; what cannot be undone does not.

use super::Context;
use super::driver::{LookError, chain};
use super::permission::Freshness;
use kube::ResourceExt;
use qianyun_crds::{Approval, AuditHead, DecisionEffect, SystemMigration};
use qianyun_planning::audit::found;
use qianyun_planning::audit::{Draft, State};
use qianyun_planning::{Action, Facts, Plan};

/// Records what a look at a system found.
pub(super) async fn system_seen(ctx: &Context, facts: &Facts) {
    let now = (ctx.clock)();
    // A failure was said; the next look finds the same again.
    let _ = record(ctx, facts, |state| found::of_system(state, facts, now)).await;
}

/// Records what a look at a host found.
pub(super) async fn host_seen(ctx: &Context, facts: &Facts, host: &str, plan: &Plan, freshness: Freshness) {
    let fresh = freshness == Freshness::Now;
    // As above.
    let _ = record(ctx, facts, |state| found::of_host(state, facts, host, plan, fresh)).await;
}

/// Carries a plan out: not before what it intends is on record, if it cannot be undone. What can, is a way back more often than
/// not, and is not held up: the next look records what it then finds.
pub(super) async fn carried_out(
    ctx: &Context,
    facts: &Facts,
    plan: &Plan,
    carry_out: impl Future<Output = Result<(), LookError>>,
) -> Result<(), LookError> {
    let recorded = record(ctx, facts, |state| found::intended(state, facts, plan)).await;
    if plan.actions.iter().any(Action::is_irreversible) {
        recorded?;
    }
    let done = carry_out.await;
    if let Err(error) = &done {
        let why = chain(error);
        let _ = record(ctx, facts, |state| found::failed(state, facts, plan, &why)).await;
    }
    done
}

/// Records a decision that names a scheme by its UID from where it is not. Any other is seen by the look at its system.
pub(super) async fn approval_seen(ctx: &Context, approval: &Approval, effect: Option<DecisionEffect>) {
    let subject = &approval.spec.subject;
    let Some(effect @ DecisionEffect::SubjectNotFound) = effect else { return };
    let is_meant = |m: &SystemMigration| m.metadata.uid.as_ref() == Some(&subject.uid);
    let meant = ctx.stores().migrations.select(None, is_meant).into_iter().next();
    let Some(migration) = meant.filter(|_| subject.kind.is_of_migration()) else { return };
    let (namespace, name) = (migration.namespace().unwrap_or_default(), migration.name_any());
    if approval.namespace().as_ref() == Some(&namespace) && subject.name == name {
        return;
    }
    let from_elsewhere = |state: &State| found::from_elsewhere(state, approval, effect);
    let _ = record_for(ctx, &migration, from_elsewhere).await;
}

/// The end of the record, for the status: who reads it next knows from when on nothing may be missing.
pub(super) async fn head(ctx: &Context, migration: &SystemMigration) -> Option<AuditHead> {
    let (namespace, name) = (migration.namespace().unwrap_or_default(), migration.name_any());
    ctx.audit.head(&namespace, &name).await
}

async fn record(ctx: &Context, facts: &Facts, decide: impl Fn(&State) -> Vec<Draft>) -> Result<(), LookError> {
    record_for(ctx, &facts.migration, decide).await
}

async fn record_for(
    ctx: &Context,
    migration: &SystemMigration,
    decide: impl Fn(&State) -> Vec<Draft>,
) -> Result<(), LookError> {
    let (namespace, name) = (migration.namespace().unwrap_or_default(), migration.name_any());
    let noted = migration.status.as_ref().and_then(|status| status.audit.as_ref());
    ctx.audit.record((&namespace, &name), noted, (ctx.clock)(), decide).await.map_err(|source| {
        tracing::error!(migration = %format!("{namespace}/{name}"), error = %chain(&source), "nothing can be recorded");
        LookError::Audit { source }
    })
}

#[cfg(test)]
pub(super) mod tests;
