//! Says where the whole stands.

use crate::reconcile::Context;
use crate::reconcile::audit;
use crate::reconcile::driver::LookError;
use crate::reconcile::events::tell;
use crate::reconcile::write;
use jiff::Timestamp;
use qianyun_planning::report::notice;
use qianyun_planning::{Facts, Plan, system_migration};

/// Writes the status, if it says something new.
pub(super) async fn write(ctx: &Context, facts: &Facts, plan: &Plan, now: Timestamp) -> Result<(), LookError> {
    let mut status = system_migration::status(facts, plan.waiting.as_ref(), now);
    // Before this leadership has read the record, what was noted stands.
    if let Some(head) = audit::head(ctx, &facts.migration).await {
        status.audit = Some(head);
    }
    let api = write::beside(ctx.client(), &facts.migration);
    if facts.migration.status.as_ref().and_then(|s| s.phase) != status.phase {
        let name = facts.migration.metadata.name.as_deref().unwrap_or_default();
        tracing::info!(migration = name, phase = ?status.phase, "phase");
    }
    let before = facts.migration.status.as_ref();
    write::status(&api, &facts.migration, before, &status).await?;
    tell(ctx, &facts.migration, notice::of_system(facts, plan, &status));
    Ok(())
}
