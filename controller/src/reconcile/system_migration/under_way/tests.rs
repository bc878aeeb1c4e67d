//! Who is counted as being cut over, as a watch shows it and before it does.

use super::*;
use crate::reconcile::audit::tests::{context, facts};
use crate::watch::Watch;
use crate::world::journey_key;
use kube::runtime::watcher::Event;
use qianyun_planning::facts::{HostFacts, HostingFacts, Machine, Receiver, Silence};
use serde_json::{Value, json};
use std::sync::atomic::Ordering;

fn migration(system: &str, plan: &str, phase: &str) -> SystemMigration {
    let mut migration = facts().migration;
    (migration.metadata.name, migration.metadata.namespace) = (Some(format!("{system}-move")), Some("civil".into()));
    (migration.spec.system_ref, migration.spec.plan_ref) = (system.into(), plan.into());
    migration.status = Some(serde_json::from_value(json!({"phase": phase})).unwrap());
    migration
}

fn journey(system: &str, intent: &str, attempt: i32, waiting: bool) -> HostMigration {
    let on = json!({
        "waitingFor": "Launch", "since": "2026-11-28T14:00:00Z", "whoCanUnblock": "-", "message": "m", "messageZh": "m"
    });
    let status = if waiting { json!({"waiting": on}) } else { Value::Null };
    serde_json::from_value(json!({
        "apiVersion": "migration.qianyun.dev/v1alpha1", "kind": "HostMigration",
        "metadata": {"name": format!("{system}.db1"), "namespace": "civil"},
        "spec": {
            "migrationRef": format!("{system}-move"), "hostRef": "db1", "schemeDigest": "d", "intent": intent, "session": 1,
            "attempt": attempt
        },
        "status": status,
    }))
    .unwrap()
}

/// The registry, about to begin, under a plan that takes one system at a time.
fn registry() -> Facts {
    let hosting = HostingFacts {
        volumes: Known::Is(()),
        receiver: Receiver::Absent,
        machine: Machine::Absent,
        trouble: String::new(),
    };
    let host = HostFacts {
        name: "db1".into(),
        host: Known::Unknown,
        journey: Known::Is(journey("registry", "Replicate", 0, false)),
        disks_in_scheme: 1,
        waivers: Known::Unknown,
        claimed_by: Known::Absent,
        agent: None,
        arrival: None,
        hosting,
        silence: Silence::Unknown,
        probes: Vec::new(),
    };
    let plan = json!({
        "apiVersion": "migration.qianyun.dev/v1alpha1", "kind": "MigrationPlan", "metadata": {"name": "plan"},
        "spec": {"year": 2026, "batch": 1, "policyRef": "p", "author": "li", "systems": [], "cutoversAtOnce": 1}
    });
    let mut facts = facts();
    facts.migration = migration("registry", "plan", "Scheduled");
    (facts.plan, facts.hosts) = (Known::Is(serde_json::from_value(plan).unwrap()), vec![host]);
    facts
}

#[tokio::test]
async fn a_system_is_counted_from_the_writing_of_its_attempt_until_it_serves_or_turns_back() {
    let (_, mut ctx) = context().await;
    let (mut journeys, mut migrations) = (Watch::new(), Watch::new());
    (ctx.stores.journeys, ctx.stores.migrations) = (journeys.objects(), migrations.objects());
    let registry = registry();
    assert_eq!(others(&ctx, &registry), Known::Unknown, "not everything was seen");
    ctx.stores.ready.store(true, Ordering::Release);
    let tax = || Known::Is(vec![UnderWay { namespace: "civil".into(), name: "tax".into() }]);
    let nobody = Known::Is(Vec::new());
    migrations.see(Event::Apply(migration("tax", "plan", "Scheduled")));
    migrations.see(Event::Apply(registry.migration.clone()));
    journeys.see(Event::Apply(journey("tax", "Replicate", 0, false)));
    assert_eq!(others(&ctx, &registry), nobody);
    ctx.memory().keep_begun(journey_key(&journey("tax", "Cutover", 1, false)), 1);
    assert_eq!(others(&ctx, &registry), tax(), "written, and not shown yet");
    for (intent, waiting, phase, counted) in [
        ("Cutover", false, "Scheduled", tax()),
        ("Fence", true, "CuttingOver", tax()),
        ("Serve", true, "CuttingOver", tax()),
        ("Serve", false, "Provisional", nobody.clone()),
        // A machine on the cloud that is started again, long after.
        ("Serve", true, "Trial", nobody.clone()),
        ("Resume", true, "CuttingOver", nobody.clone()),
        ("Replicate", false, "Scheduled", nobody.clone()),
    ] {
        migrations.see(Event::Apply(migration("tax", "plan", phase)));
        journeys.see(Event::Apply(journey("tax", intent, 1, waiting)));
        assert_eq!(others(&ctx, &registry), counted, "{intent}, {phase}");
    }
    journeys.see(Event::Apply(journey("tax", "Cutover", 2, false)));
    migrations.see(Event::Apply(migration("tax", "another", "CuttingOver")));
    assert_eq!(others(&ctx, &registry), nobody, "of another plan");
    journeys.see(Event::Apply(journey("registry", "Cutover", 1, false)));
    assert_eq!(others(&ctx, &registry), nobody, "itself");
}

#[tokio::test]
async fn nothing_is_asked_where_no_attempt_is_about_to_begin_or_nothing_limits_it() {
    let (_, ctx) = context().await;
    ctx.stores.ready.store(true, Ordering::Release);
    let mut idle = registry();
    idle.hosts[0].journey = Known::Is(journey("registry", "Idle", 0, false));
    let mut free = registry();
    free.plan = Known::Unknown;
    assert_eq!([others(&ctx, &idle), others(&ctx, &free)], [Known::Unknown, Known::Unknown]);
}
