//! Gathers what the agents of a host said and which journey it is on.

use crate::gateway::agents::{Heard, HostKey, Inventoried};
use crate::reconcile::Context;
use crate::reconcile::driver::LookError;
use crate::world::{Source, all, city, local};
use kube::ResourceExt;
use qianyun_agent_api::report::{JourneyView, Role};
use qianyun_crds::{CustodyDisposition, CustodyRecord, DecisionKind, PhysicalHost, SystemMigration};
use qianyun_planning::facts::Known;
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
    /// No journey is there, by the API server's own word, and nothing was handed out yet.
    pub(super) without_journey: bool,
    /// What the agent shows to the admin.
    pub(super) view: JourneyView,
}

/// Looks.
pub(super) async fn observe(ctx: &Context, host: &PhysicalHost) -> Result<Found, LookError> {
    let key = HostKey::new(host.namespace().unwrap_or_default(), host.name_any());
    let journeys = all(ctx, &ctx.stores().journeys, Some(&key.namespace), Source::Watch).await;
    let mine = journeys.get().into_iter().flatten().filter(|j| j.spec.host_ref == key.name);
    let retired = mine.into_iter().any(|j| {
        let decision = j.status.as_ref().and_then(|s| s.cutover.as_ref()).and_then(|c| c.decision.as_ref());
        decision.is_some_and(|d| d.kind == DecisionKind::Commit)
    });
    Ok(Found {
        source: ctx.agents.latest(&key, Role::Source),
        inventory: ctx.agents.inventory(&key),
        without_journey: without_journey(ctx, &key).await,
        view: view(ctx, host).await,
        retired,
        disposed: disposed(ctx, &key).await,
        key,
    })
}

/// What the records' own conditions say, a moment later than they: nothing rests on it.
async fn disposed(ctx: &Context, key: &HostKey) -> Option<CustodyDisposition> {
    let records = all(ctx, &ctx.stores().custody, Some(&key.namespace), Source::Watch).await;
    let holds = |record: &&CustodyRecord| {
        let conditions = record.status.iter().flat_map(|s| &s.conditions);
        record.spec.host_ref == key.name && conditions.into_iter().any(|c| c.type_ == "Effective" && c.status == "True")
    };
    records.get()?.iter().find(holds).map(|record| record.spec.disposition)
}

/// `Idle` stops a copy, so it is never said out of ignorance: the API server itself has to say that there is no journey.
async fn without_journey(ctx: &Context, key: &HostKey) -> bool {
    if ctx.agents.desired(key, Role::Source).is_some() {
        return false;
    }
    match all(ctx, &ctx.stores().journeys, Some(&key.namespace), Source::Server).await {
        Known::Is(list) => !list.iter().any(|j| j.spec.host_ref == key.name),
        Known::Absent | Known::Unknown => false,
    }
}

async fn view(ctx: &Context, host: &PhysicalHost) -> JourneyView {
    let namespace = host.namespace().unwrap_or_default();
    let department = city(ctx, &ctx.stores().departments, &host.spec.department_ref, Source::Watch).await;
    let system = local(ctx, &ctx.stores().systems, &namespace, &host.spec.system_ref, Source::Watch).await;
    let migrations = all(ctx, &ctx.stores().migrations, Some(&namespace), Source::Watch).await;
    let name = host.name_any();
    let lists_it = |m: &&SystemMigration| m.spec.scheme.hosts.iter().any(|h| h.host_ref == name);
    let status = migrations.get().into_iter().flatten().find(lists_it).and_then(|m| m.status.clone());
    let status = status.unwrap_or_default();
    JourneyView {
        department: department
            .get()
            .map_or_else(|| host.spec.department_ref.clone(), |d| d.spec.display_name_zh.clone()),
        system: system.get().map_or_else(|| host.spec.system_ref.clone(), |s| s.spec.display_name_zh.clone()),
        phase: status.phase.map(|p| format!("{p:?}")).unwrap_or_default(),
        approvals: status.approvals.unwrap_or_default(),
        waiting: status.waiting.as_ref().map(|w| w.message.clone()).unwrap_or_default(),
        waiting_zh: status.waiting.map(|w| w.message_zh).unwrap_or_default(),
    }
}
