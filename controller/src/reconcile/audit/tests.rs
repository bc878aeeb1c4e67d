//! What may happen while nothing can be recorded, and what may not.

use super::*;
use crate::audit::Audit;
use crate::ca::tests::authority;
use crate::fake_api::FakeApi;
use crate::gateway::agents::Agents;
use crate::hosting::qemu::Qemu;
use crate::reconcile::memory::Memory;
use crate::watch::Watch;
use crate::world::Stores;
use qianyun_crds::{HostIntent, SystemMigration};
use qianyun_planning::facts::{Facts, Known};
use serde_json::{Value, json};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// A context that knows nothing yet, at an API server that has nothing.
pub(in crate::reconcile) async fn context() -> (FakeApi, Context) {
    let (api, client) = FakeApi::with_client().await;
    let authority = Arc::new(authority());
    let stores = Stores {
        policies: Watch::new().objects(),
        platforms: Watch::new().objects(),
        departments: Watch::new().objects(),
        systems: Watch::new().objects(),
        plans: Watch::new().objects(),
        hosts: Watch::new().objects(),
        approvals: Watch::new().objects(),
        migrations: Watch::new().objects(),
        journeys: Watch::new().objects(),
        calendars: Watch::new().objects(),
        freezes: Watch::new().objects(),
        waivers: Watch::new().objects(),
        custody: Watch::new().objects(),
        ready: Arc::default(),
    };
    let ctx = Context {
        audit: Audit::new(client.clone(), 3),
        client,
        agents: Arc::new(Agents::new()),
        hosting: Arc::new(Qemu::new("/nowhere".into(), "/nowhere".into(), Arc::clone(&authority))),
        authority,
        epoch: 3,
        server_url: String::new(),
        clock: || "2026-11-24T02:00:00Z".parse().unwrap(),
        memory: Memory::default(),
        beginning: tokio::sync::Mutex::default(),
        stores,
        _acting: tokio::sync::mpsc::channel(1).0,
    };
    (api, ctx)
}

pub(in crate::reconcile) fn facts() -> Facts {
    let migration: SystemMigration = serde_json::from_value(json!({
        "apiVersion": "migration.qianyun.dev/v1alpha1", "kind": "SystemMigration",
        "metadata": {"name": "registry", "namespace": "civil", "uid": "u"},
        "spec": {
            "systemRef": "registry", "planRef": "plan", "platformRef": "cloud", "author": "li",
            "scheme": {
                "summary": "s", "hosts": [], "probes": [], "downtimeBudgetMinutes": 30,
                "window": {"start": "2026-11-28T14:00:00Z", "end": "2026-11-28T18:00:00Z"},
                "rollback": {"triggers": "t", "decidedBy": "d", "latestAt": "2026-11-28T20:00:00Z"}
            }
        }
    }))
    .unwrap();
    Facts {
        migration,
        digest: "sha256:00".into(),
        plan: Known::Unknown,
        plan_digest: String::new(),
        policy: Known::Unknown,
        platform: Known::Unknown,
        system: Known::Unknown,
        department: Known::Unknown,
        approvals: Known::Unknown,
        application_digest: String::new(),
        acceptance_digest: String::new(),
        calendar: Known::Unknown,
        zone: qianyun_planning::calendar::Zone::default(),
        freezes: Known::Unknown,
        dependencies: Vec::new(),
        left_out: Known::Unknown,
        custody: Known::Unknown,
        taken: Known::Unknown,
        under_way: Known::Unknown,
        free_storage_bytes: Known::Unknown,
        hosts: Vec::new(),
        epoch: 3,
    }
}

fn intent(intent: HostIntent) -> Plan {
    let (host, digest) = ("db1".to_owned(), "sha256:00".to_owned());
    Plan { actions: vec![Action::SetIntent { host, intent, attempt: 1, digest }], waiting: None }
}

fn events(api: &FakeApi) -> Vec<Value> {
    let texts = api.all("configmaps").into_iter().flat_map(|map| map["data"].as_object().unwrap().clone());
    texts.map(|(_, text)| serde_json::from_str::<Value>(text.as_str().unwrap()).unwrap()["event"].take()).collect()
}

#[tokio::test]
async fn what_cannot_be_undone_is_on_record_before_it_is_done() {
    let (api, ctx) = context().await;
    let done = async {
        assert_eq!(events(&api)[0]["kind"], "Intended");
        assert_eq!(events(&api)[0]["deed"]["intent"], "Cutover");
        Ok(())
    };
    carried_out(&ctx, &facts(), &intent(HostIntent::Cutover), done).await.unwrap();
    let failed = async { Err(LookError::Missing { what: "the receiver".into() }) };
    carried_out(&ctx, &facts(), &intent(HostIntent::Cutover), failed).await.unwrap_err();
    let found = events(&api);
    assert_eq!(found.len(), 2, "the intention was open already: {found:?}");
    assert_eq!(found[1]["why"], "the receiver is not there");
}

#[tokio::test]
async fn while_nothing_can_be_recorded_the_way_back_is_open_and_no_other() {
    let (api, ctx) = context().await;
    api.set_down(true);
    for (wanted, may) in [
        (HostIntent::Replicate, false),
        (HostIntent::Cutover, false),
        (HostIntent::Serve, false),
        (HostIntent::Idle, true),
        (HostIntent::Resume, true),
        (HostIntent::Fence, true),
    ] {
        let touched = AtomicBool::new(false);
        let done = async {
            touched.store(true, Ordering::Relaxed);
            Ok(())
        };
        let found = carried_out(&ctx, &facts(), &intent(wanted), done).await;
        assert_eq!((found.is_ok(), touched.load(Ordering::Relaxed)), (may, may), "{wanted:?}: {found:?}");
    }
    system_seen(&ctx, &facts()).await;
    api.set_down(false);
    system_seen(&ctx, &facts()).await;
    assert_eq!(events(&api)[0]["kind"], "Begun", "a report waits for nothing, and the next one makes up for it");
}
