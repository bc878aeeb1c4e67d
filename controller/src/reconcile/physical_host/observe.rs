//! Gathers what the agents of a host said and which journey it is on.

use crate::gateway::agents::{Heard, HostKey, Inventoried};
use crate::reconcile::Context;
use crate::reconcile::driver::LookError;
use crate::world::{Source, all, city, local, whole_city};
use kube::ResourceExt;
use qianyun_agent_api::report::{JourneyView, Role};
use qianyun_crds::{
    CustodyDisposition, CustodyRecord, HostMigration, InformationSystem, PhysicalHost, PolicyProfile, SystemMigration,
};
use qianyun_planning::facts::{Known, is_committed};
use std::collections::HashSet;
use std::sync::Arc;

/// What is known about a host.
pub(super) struct Found {
    pub(super) key: HostKey,
    /// What the agent on the server last said.
    pub(super) source: Option<Heard>,
    /// Its newest inventory.
    pub(super) inventory: Option<Arc<Inventoried>>,
    /// Whether its commit was decided.
    pub(super) retired: bool,
    /// Where the device went, by the record of it that holds.
    pub(super) disposed: Option<CustodyDisposition>,
    /// The system that it serves.
    pub(super) system: Known<InformationSystem>,
    /// All policies, also those not in force any more.
    pub(super) policies: Known<Vec<PolicyProfile>>,
    /// No journey is there, by the API server's own word, and nothing was handed out yet.
    pub(super) without_journey: bool,
    /// What the agent shows to the admin.
    pub(super) view: JourneyView,
}

/// Looks.
pub(super) async fn observe(ctx: &Context, host: &PhysicalHost) -> Result<Found, LookError> {
    let key = HostKey::new(host.namespace().unwrap_or_default(), host.name_any());
    let committed = |j: &HostMigration| j.spec.host_ref == key.name && is_committed(j);
    let journeys = all(ctx, &ctx.stores().journeys, Some(&key.namespace), Source::Watch, committed).await;
    let retired = journeys.get().is_some_and(|committed| !committed.is_empty());
    let source = ctx.agents.latest(&key, Role::Source);
    let system = local(ctx, &ctx.stores().systems, &key.namespace, &host.spec.system_ref, Source::Watch).await;
    Ok(Found {
        inventory: ctx.agents.inventory(&key),
        without_journey: without_journey(ctx, &key, source.is_some()).await,
        source,
        view: view(ctx, host, system.get()).await,
        system,
        policies: whole_city(ctx, &ctx.stores().policies, Source::Watch).await,
        retired,
        disposed: disposed(ctx, &key).await,
        key,
    })
}

/// What the records' own conditions say, a moment later than they: nothing rests on it.
async fn disposed(ctx: &Context, key: &HostKey) -> Option<CustodyDisposition> {
    let holds = |record: &CustodyRecord| {
        let mut conditions = record.status.iter().flat_map(|s| &s.conditions);
        record.spec.host_ref == key.name && conditions.any(|c| c.type_ == "Effective" && c.status == "True")
    };
    let records = all(ctx, &ctx.stores().custody, Some(&key.namespace), Source::Watch, holds).await;
    records.get()?.first().map(|record| record.spec.disposition)
}

/// `Idle` stops a copy, so it is never said out of ignorance: the API server itself has to say that there is no journey. Who
/// was never heard is told nothing yet.
async fn without_journey(ctx: &Context, key: &HostKey, heard: bool) -> bool {
    if !heard || ctx.agents.desired(key, Role::Source).is_some() {
        return false;
    }
    if let Some(travels) = ctx.memory().travels(key) {
        return !travels;
    }
    match all(ctx, &ctx.stores().journeys, Some(&key.namespace), Source::Server, |_| true).await {
        Known::Is(list) => {
            let hosts: HashSet<String> = list.iter().map(|journey| journey.spec.host_ref.clone()).collect();
            let travels = hosts.contains(&key.name);
            ctx.memory().keep_travellers(&key.namespace, hosts);
            !travels
        }
        Known::Absent | Known::Unknown => false,
    }
}

async fn view(ctx: &Context, host: &PhysicalHost, system: Option<&InformationSystem>) -> JourneyView {
    let namespace = host.namespace().unwrap_or_default();
    let department = city(ctx, &ctx.stores().departments, &host.spec.department_ref, Source::Watch).await;
    let name = host.name_any();
    let lists_it = |m: &SystemMigration| m.spec.scheme.hosts.iter().any(|h| h.host_ref == name);
    let migrations = all(ctx, &ctx.stores().migrations, Some(&namespace), Source::Watch, lists_it).await;
    let status = migrations.get().and_then(|list| list.first()).and_then(|m| m.status.clone()).unwrap_or_default();
    JourneyView {
        department: department
            .get()
            .map_or_else(|| host.spec.department_ref.clone(), |d| d.spec.display_name_zh.clone()),
        system: system.map_or_else(|| host.spec.system_ref.clone(), |s| s.spec.display_name_zh.clone()),
        phase: status.phase.map(|p| format!("{p:?}")).unwrap_or_default(),
        approvals: status.approvals.unwrap_or_default(),
        waiting: status.waiting.as_ref().map(|w| w.message.clone()).unwrap_or_default(),
        waiting_zh: status.waiting.map(|w| w.message_zh).unwrap_or_default(),
    }
}
