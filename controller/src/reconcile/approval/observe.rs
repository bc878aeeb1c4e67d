//! Gathers the subject of a decision and all decisions on it, and has them judged together.

use crate::reconcile::Context;
use crate::reconcile::driver::LookError;
use crate::reconcile::permission::Freshness;
use crate::reconcile::{migration_plan, system_migration};
use crate::world::{Source, city, local};
use kube::ResourceExt;
use qianyun_crds::{Approval, DecisionEffect, SubjectKind};
use qianyun_planning::approval::{Judged, Subject, acceptance_subject, application_subject, judge, scheme_subject};
use qianyun_planning::facts::Known;
use qianyun_planning::plan_status;

/// Whether a decision counts; `None` while that is not known.
pub(super) async fn effect(ctx: &Context, approval: &Approval) -> Result<Option<DecisionEffect>, LookError> {
    let subject = &approval.spec.subject;
    let judged = match subject.kind {
        SubjectKind::MigrationPlan => match city(ctx, &ctx.stores().plans, &subject.name, Source::Watch).await {
            Known::Is(plan) => plan_status::decisions(&migration_plan::observe::facts(ctx, &plan).await?),
            Known::Absent => return Ok(Some(DecisionEffect::SubjectNotFound)),
            Known::Unknown => return Ok(None),
        },
        SubjectKind::SystemMigration | SubjectKind::AcceptanceApplication | SubjectKind::Acceptance => {
            let namespace = approval.namespace().unwrap_or_default();
            match local(ctx, &ctx.stores().migrations, &namespace, &subject.name, Source::Watch).await {
                Known::Is(migration) => {
                    let facts = system_migration::observe::papers(ctx, &migration, Freshness::Recent).await?;
                    let is_carried_out =
                        system_migration::observe::is_carried_out(ctx, &migration, &facts.digest).await;
                    of_migration(&facts, subject.kind, is_carried_out)
                }
                Known::Absent => return Ok(Some(DecisionEffect::SubjectNotFound)),
                Known::Unknown => return Ok(None),
            }
        }
    };
    let name = approval.name_any();
    Ok(judged.into_iter().find(|j| j.name == name && j.by == approval.spec.approved_by).map(|j| j.effect))
}

fn of_migration(facts: &qianyun_planning::Facts, kind: SubjectKind, is_carried_out: bool) -> Vec<Judged> {
    let (Known::Is(policy), Known::Is(approvals)) = (&facts.policy, &facts.approvals) else { return Vec::new() };
    let subject = match kind {
        SubjectKind::AcceptanceApplication => application_subject(facts, &policy.spec),
        SubjectKind::Acceptance => acceptance_subject(facts, &policy.spec),
        SubjectKind::SystemMigration | SubjectKind::MigrationPlan => {
            Subject { is_carried_out, ..scheme_subject(facts, &policy.spec) }
        }
    };
    judge(&subject, &policy.spec, approvals)
}
