//! Gathers everything that is known about one system's migration.

use super::under_way;
use crate::calendar;
use crate::reconcile::Context;
use crate::reconcile::driver::LookError;
use crate::reconcile::host_migration::observe as host;
use crate::reconcile::permission::{Freshness, judge_all};
use crate::world::{Source, all, city, local, owned, whole_city};
use kube::ResourceExt;
use qianyun_crds::{
    Approval, HostMigration, InformationSystem, MigrationPlan, Phase, PhysicalHost, PolicyProfile, SystemDependency,
    SystemMigration,
};
use qianyun_planning::claim::claimed_by;
use qianyun_planning::demand::Demand;
use qianyun_planning::facts::{ApprovalFact, DependencyFact, Facts, HostFacts, Known, carries_out, left_out};
use std::borrow::Borrow;
use std::sync::Arc;

/// The facts. With [`Freshness::Now`], from the API server itself, with every permission asked again.
pub(crate) async fn facts(
    ctx: &Context,
    migration: &SystemMigration,
    freshness: Freshness,
) -> Result<Facts, LookError> {
    let mut facts = papers(ctx, migration, freshness).await?;
    facts.hosts = hosts(ctx, &facts.migration, &facts.digest, source_of(freshness)).await;
    facts.under_way = under_way::others(ctx, &facts);
    Ok(facts)
}

/// The facts without the hosts: all that decisions of people are judged by.
pub(crate) async fn papers(
    ctx: &Context,
    migration: &SystemMigration,
    freshness: Freshness,
) -> Result<Facts, LookError> {
    let source = source_of(freshness);
    let namespace = migration.namespace().unwrap_or_default();
    let migration = match local(ctx, &ctx.stores().migrations, &namespace, &migration.name_any(), source).await {
        Known::Is(newer) => newer,
        Known::Absent | Known::Unknown => {
            return Err(LookError::Missing { what: format!("the migration {namespace}/{}", migration.name_any()) });
        }
    };
    let spec = &migration.spec;
    let digest = qianyun_crds::scheme_digest(&migration.uid().unwrap_or_default(), spec)
        .map_err(|source| LookError::Digest { what: "the scheme".to_string(), source })?;
    let (plan, plan_digest, policy) = plan_and_policy(ctx, &spec.plan_ref, source).await?;
    let platform = city(ctx, &ctx.stores().platforms, &spec.platform_ref, source).await;
    let system = local(ctx, &ctx.stores().systems, &namespace, &spec.system_ref, source).await;
    let department = match &system {
        Known::Is(system) => city(ctx, &ctx.stores().departments, &system.spec.department_ref, source).await,
        Known::Absent => Known::Absent,
        Known::Unknown => Known::Unknown,
    };
    let uid = migration.uid().unwrap_or_default();
    let digest_error = |what: &str| {
        let what = what.to_string();
        move |source| LookError::Digest { what, source }
    };
    let application_digest =
        qianyun_crds::application_digest(&uid, &digest, spec).map_err(digest_error("the application"))?;
    let acceptance_digest =
        qianyun_crds::acceptance_digest(&uid, &digest, spec).map_err(digest_error("the acceptance"))?;
    let approvals = approvals(ctx, &migration, freshness).await;
    let zone = calendar::zone(policy.get());
    let calendar = calendar::days(ctx, source).await;
    let freezes = whole_city(ctx, &ctx.stores().freezes, source).await;
    let custody = all(ctx, &ctx.stores().custody, Some(&namespace), source, |_| true).await.map(owned);
    let left_out = servers_left_out(ctx, &migration).await;
    let dependencies = dependencies(ctx, system.get(), source).await;
    let taken = taken(ctx, &migration);
    let free_storage_bytes = free_storage(ctx).await;
    let epoch = ctx.epoch_number();
    Ok(Facts {
        digest,
        plan,
        plan_digest,
        policy,
        platform,
        system,
        department,
        approvals,
        application_digest,
        acceptance_digest,
        calendar,
        zone,
        freezes,
        dependencies,
        left_out,
        custody,
        taken,
        under_way: Known::Unknown,
        free_storage_bytes,
        hosts: Vec::new(),
        epoch,
        migration,
    })
}

/// Whether the commit of any of its hosts was decided, of the scheme with this digest.
pub(crate) async fn is_carried_out(ctx: &Context, migration: &SystemMigration, digest: &str) -> bool {
    let name = migration.name_any();
    let committed = |j: &HostMigration| j.spec.migration_ref == name && carries_out(j, digest);
    let namespace = migration.namespace().unwrap_or_default();
    let journeys = all(ctx, &ctx.stores().journeys, Some(&namespace), Source::Watch, committed).await;
    journeys.get().is_some_and(|committed| !committed.is_empty())
}

/// Where facts of a freshness are read.
pub(crate) fn source_of(freshness: Freshness) -> Source {
    match freshness {
        Freshness::Recent => Source::Watch,
        Freshness::Now => Source::Server,
    }
}

type PlanAndPolicy = (Known<MigrationPlan>, String, Known<PolicyProfile>);

async fn plan_and_policy(ctx: &Context, name: &str, source: Source) -> Result<PlanAndPolicy, LookError> {
    let plan = city(ctx, &ctx.stores().plans, name, source).await;
    let (digest, policy) = match &plan {
        Known::Is(found) => {
            let digest = ctx
                .memory()
                .plan_digest(found)
                .map_err(|source| LookError::Digest { what: "the plan".to_string(), source })?;
            (digest, city(ctx, &ctx.stores().policies, &found.spec.policy_ref, source).await)
        }
        Known::Absent => (String::new(), Known::Absent),
        Known::Unknown => (String::new(), Known::Unknown),
    };
    Ok((plan, digest, policy))
}

/// Whether a decision names the migration, from its own namespace, or its plan, from any. Asked of every decision of the city at
/// every look, so it copies nothing.
pub(crate) fn concerns(approval: &Approval, migration: &SystemMigration) -> bool {
    let (subject, of) = (&approval.spec.subject, &migration.metadata);
    if subject.kind.is_of_migration() {
        return of.name.as_ref() == Some(&subject.name) && approval.metadata.namespace == of.namespace;
    }
    subject.name == migration.spec.plan_ref
}

/// The decisions that concern the migration, each with the answer about its maker.
async fn approvals(ctx: &Context, migration: &SystemMigration, freshness: Freshness) -> Known<Vec<ApprovalFact>> {
    let concerned = |approval: &Approval| concerns(approval, migration);
    match all(ctx, &ctx.stores().approvals, None, source_of(freshness), concerned).await {
        Known::Is(list) => Known::Is(judge_all(ctx, owned(list), freshness).await),
        Known::Absent => Known::Absent,
        Known::Unknown => Known::Unknown,
    }
}

/// Servers that are enrolled for the system and that no scheme of it names, as the watches show them.
async fn servers_left_out(ctx: &Context, migration: &SystemMigration) -> Known<Vec<PhysicalHost>> {
    let (namespace, system) = (migration.namespace().unwrap_or_default(), &migration.spec.system_ref);
    let (stores, source) = (ctx.stores(), Source::Watch);
    let hosts = all(ctx, &stores.hosts, Some(&namespace), source, |_| true).await;
    let migrations = all(ctx, &stores.migrations, Some(&namespace), source, |_| true).await;
    match (hosts, migrations) {
        (Known::Is(hosts), Known::Is(migrations)) => {
            Known::Is(left_out(hosts.iter().map(Arc::as_ref), &migrations, system))
        }
        (Known::Absent | Known::Unknown, _) | (_, Known::Absent | Known::Unknown) => Known::Unknown,
    }
}

/// Whether each system that this one needs serves from the cloud: the furthest of its migrations says so.
async fn dependencies(ctx: &Context, system: Option<&InformationSystem>, source: Source) -> Vec<DependencyFact> {
    let wanted = system.map(|s| s.spec.dependencies.as_slice()).unwrap_or_default();
    let looks = wanted.iter().map(|dependency| async move {
        let SystemDependency { namespace, name, .. } = dependency;
        let serves = match local(ctx, &ctx.stores().systems, namespace, name, source).await {
            Known::Is(_) => {
                let of_it = |m: &SystemMigration| m.spec.system_ref == *name && serves(m);
                match all(ctx, &ctx.stores().migrations, Some(namespace), source, of_it).await {
                    Known::Is(list) => Known::Is(!list.is_empty()),
                    Known::Absent | Known::Unknown => Known::Unknown,
                }
            }
            Known::Absent => Known::Absent,
            Known::Unknown => Known::Unknown,
        };
        DependencyFact { namespace: namespace.clone(), name: name.clone(), serves }
    });
    futures::future::join_all(looks).await
}

/// Whether a migration says that its system serves from the cloud.
pub(crate) fn serves(migration: &SystemMigration) -> bool {
    migration.status.as_ref().and_then(|s| s.phase).is_some_and(|phase| phase >= Phase::Provisional)
}

/// What the schemes of others that have begun take of the platform, as the watch last saw them: asked before anything is begun, and
/// never before something irreversible. Two that begin in the same moment do not see each other; their volumes find room, or are
/// not made.
fn taken(ctx: &Context, migration: &SystemMigration) -> Known<Demand> {
    let watched = &ctx.stores().migrations;
    if !watched.are_ready() {
        return Known::Unknown;
    }
    let has_begun = |m: &SystemMigration| m.status.as_ref().and_then(|s| s.phase) >= Some(Phase::Replicating);
    let on_platform = |m: &SystemMigration| m.spec.platform_ref == migration.spec.platform_ref;
    let others = watched.select(None, |m| on_platform(m) && has_begun(m) && m.metadata.uid != migration.metadata.uid);
    Known::Is(others.iter().map(|m| Demand::of(&m.spec.scheme)).fold(Demand::default(), Demand::and))
}

async fn free_storage(ctx: &Context) -> Known<u64> {
    match ctx.hosting.capabilities().await {
        Ok(can) => Known::Is(can.free_storage_bytes),
        Err(error) => {
            tracing::warn!(%error, "the site does not say what it can hold");
            Known::Unknown
        }
    }
}

/// The facts about each of [`host_names`].
async fn hosts(ctx: &Context, migration: &SystemMigration, digest: &str, source: Source) -> Vec<HostFacts> {
    let namespace = migration.namespace().unwrap_or_default();
    let journeys = all(ctx, &ctx.stores().journeys, Some(&namespace), source, |_| true).await;
    let names = host_names(&journeys, migration);
    let migrations = all(ctx, &ctx.stores().migrations, Some(&namespace), source, |m| shares_host(m, &names)).await;
    let looks = names.iter().map(|name| {
        let journey = journey_of(&journeys, migration, name);
        let claimed_by = claimed_by(&journeys, &migrations, migration, name);
        host::facts(ctx, migration, digest, name, journey, claimed_by, source)
    });
    futures::future::join_all(looks).await
}

fn shares_host(migration: &SystemMigration, names: &[String]) -> bool {
    migration.spec.scheme.hosts.iter().any(|host| names.contains(&host.host_ref))
}

/// Hosts of the scheme, in its order, then those that were begun and are in it no longer; each once.
pub(crate) fn host_names<J: Borrow<HostMigration>>(
    journeys: &Known<Vec<J>>,
    migration: &SystemMigration,
) -> Vec<String> {
    let name = migration.name_any();
    let journeys = journeys.get().into_iter().flatten().map(Borrow::borrow);
    let begun = journeys.filter(|j: &&HostMigration| j.spec.migration_ref == name).map(|j| j.spec.host_ref.as_str());
    let listed = migration.spec.scheme.hosts.iter().map(|h| h.host_ref.as_str());
    let mut names: Vec<String> = Vec::new();
    for host in listed.chain(begun) {
        if !names.iter().any(|known| known == host) {
            names.push(host.to_owned());
        }
    }
    names
}

/// The journey of a host in a migration.
pub(crate) fn journey_of<J: Borrow<HostMigration>>(
    journeys: &Known<Vec<J>>,
    migration: &SystemMigration,
    host: &str,
) -> Known<HostMigration> {
    match journeys {
        Known::Is(list) => {
            let name = migration.name_any();
            let mine = list
                .iter()
                .map(Borrow::borrow)
                .find(|j: &&HostMigration| j.spec.migration_ref == name && j.spec.host_ref == host);
            mine.cloned().map_or(Known::Absent, Known::Is)
        }
        Known::Absent => Known::Absent,
        Known::Unknown => Known::Unknown,
    }
}
