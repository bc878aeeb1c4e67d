//! Gathers what is known about a plan: its policy, the decisions on it, and how far each of its systems is.

use crate::reconcile::Context;
use crate::reconcile::driver::LookError;
use crate::reconcile::permission::{Freshness, judge_all};
use crate::world::{Source, all, city, local, owned, whole_city};
use kube::ResourceExt;
use qianyun_crds::{Approval, MigrationPlan, PlannedSystem, SubjectKind, SystemMigration};
use qianyun_planning::facts::{ApprovalFact, Known};
use qianyun_planning::plan_status::{PlanFacts, PlannedSystemFacts};

/// The facts about a plan.
pub(crate) async fn facts(ctx: &Context, plan: &MigrationPlan) -> Result<PlanFacts, LookError> {
    let digest =
        ctx.memory().plan_digest(plan).map_err(|source| LookError::Digest { what: "the plan".to_string(), source })?;
    let policy = city(ctx, &ctx.stores().policies, &plan.spec.policy_ref, Source::Watch).await;
    let approvals = approvals(ctx, plan).await;
    let systems = plan.spec.systems.iter().map(|planned| system(ctx, planned));
    let systems = futures::future::join_all(systems).await;
    let freezes = whole_city(ctx, &ctx.stores().freezes, Source::Watch).await;
    let zone = crate::calendar::zone(policy.get());
    Ok(PlanFacts { plan: plan.clone(), digest, policy, approvals, systems, freezes, zone })
}

async fn approvals(ctx: &Context, plan: &MigrationPlan) -> Known<Vec<ApprovalFact>> {
    let name = plan.name_any();
    let names_it = |a: &Approval| a.spec.subject.kind == SubjectKind::MigrationPlan && a.spec.subject.name == name;
    match all(ctx, &ctx.stores().approvals, None, Source::Watch, names_it).await {
        Known::Is(list) => Known::Is(judge_all(ctx, owned(list), Freshness::Recent).await),
        Known::Absent => Known::Absent,
        Known::Unknown => Known::Unknown,
    }
}

async fn system(ctx: &Context, planned: &PlannedSystem) -> PlannedSystemFacts {
    let system = local(ctx, &ctx.stores().systems, &planned.namespace, &planned.name, Source::Watch).await;
    let department = match &system {
        Known::Is(s) => city(ctx, &ctx.stores().departments, &s.spec.department_ref, Source::Watch).await,
        Known::Absent | Known::Unknown => Known::Unknown,
    };
    let of_system = |migration: &SystemMigration| migration.spec.system_ref == planned.name;
    let stores = ctx.stores();
    let migrations = all(ctx, &stores.migrations, Some(&planned.namespace), Source::Watch, of_system).await;
    PlannedSystemFacts {
        phase: migrations.get().into_iter().flatten().filter_map(|m| m.status.as_ref()?.phase).max(),
        department: department.get().map(|d| d.spec.kind),
        exists: system.map(|_| ()),
    }
}
