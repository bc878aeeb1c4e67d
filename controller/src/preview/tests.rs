//! The command against a small API server: what it shows of what lies there, what it calls unknown, and that it writes nothing.

use super::*;
use crate::fake_api::FakeApi;
use serde_json::{Value, json};

const GROUP: &str = "/apis/migration.qianyun.dev/v1alpha1";

fn at() -> Timestamp {
    "2026-11-23T06:00:00Z".parse().unwrap()
}

fn object(kind: &str, name: &str, uid: &str, spec: Value) -> Value {
    json!({
        "apiVersion": "migration.qianyun.dev/v1alpha1",
        "kind": kind,
        "metadata": {"name": name, "uid": uid},
        "spec": spec,
    })
}

fn migration() -> Value {
    let scheme = json!({
        "summary": "Move the marriage register",
        "hosts": [{
            "hostRef": "db1",
            "target": {"cpus": 2, "memoryMib": 2048, "nics": [{"takesPlaceOf": "eno1", "network": "office"}]},
            "disks": [{"volume": "system", "serial": "SN-1", "sizeBytes": 1_u64 << 30, "volumeBytes": 1_u64 << 30}],
        }],
        "window": {"start": "2026-12-11T12:00:00Z", "end": "2026-12-11T22:00:00Z"},
        "probes": [{"name": "registry", "address": "10.77.0.10", "tcpPort": 5432, "deadlineSeconds": 300}],
        "downtimeBudgetMinutes": 30,
        "rollback": {"triggers": "a probe fails", "decidedBy": "director", "latestAt": "2026-12-12T00:00:00Z", "sourceAccess": "OnSite"},
    });
    let spec = json!({
        "systemRef": "registry", "planRef": "plan-2026", "platformRef": "suining", "author": "op-wang", "scheme": scheme,
    });
    object("SystemMigration", "registry", "uid-1", spec)
}

/// The policy: the plan is the one office's, the scheme both offices' to approve.
fn policy() -> Value {
    let role = |name: &str, en: &str, zh: &str, party: &str| json!({"name": name, "displayName": en, "displayNameZh": zh, "party": party});
    let spec = json!({
        "title": "Measures", "titleZh": "办法", "basis": [], "effectiveFrom": "2018-03-16",
        "roles": [
            role("government", "Government office", "市政府办公室", "mgo"),
            role("smart", "Smart-city office", "市智慧办", "sco"),
            role("department", "Department", "使用单位", "dept"),
        ],
        "planIssuers": ["government"], "schemeConfirmer": "department", "schemeApprovers": ["government", "smart"],
        "numbers": {
            "trialMonths": 3, "reviewTargetWorkingDays": 20, "inventoryMaxAgeDays": 30, "freezeLimitSeconds": 30,
            "assessmentWorkingDays": 20, "platformLevel": 3, "rehearsalMaxAgeDays": 30, "custodyTargetWorkingDays": 20,
        },
    });
    object("PolicyProfile", "policy", "uid-2", spec)
}

fn plan() -> Value {
    let systems = json!([{"namespace": "civil", "name": "registry", "dueDate": "2027-03-31"}]);
    let spec = json!({"year": 2026, "batch": 1, "policyRef": "policy", "author": "op-wang", "systems": systems});
    object("MigrationPlan", "plan-2026", "uid-3", spec)
}

/// The issue of the plan as it lies there; `found` is what the controller last wrote of it.
fn issue(found: Option<&str>) -> Value {
    let spec: qianyun_crds::MigrationPlanSpec = serde_json::from_value(plan()["spec"].clone()).unwrap();
    let mut approval = object(
        "Approval",
        "a1",
        "uid-4",
        json!({
            "gate": "PlanIssued", "role": "government", "digest": qianyun_crds::plan_digest("uid-3", &spec).unwrap(),
            "subject": {"kind": "MigrationPlan", "name": "plan-2026", "uid": "uid-3"},
            "decision": "Approve", "approvedBy": "zhang",
        }),
    );
    if let Some(reason) = found {
        let time = "2026-11-20T00:00:00Z";
        approval["status"] = json!({"conditions": [
            {"type": "Effective", "status": "True", "reason": reason, "message": "", "lastTransitionTime": time},
        ]});
    }
    approval
}

async fn asked(client: Client, lang: &str) -> Result<String, PreviewError> {
    let args = PreviewArgs::parse_from(["preview", "civil/registry", "--lang", lang]);
    let mut out = Vec::new();
    print(client, &args, at(), &mut out).await?;
    // As a reader sees it: where lines break is the terminal's affair.
    Ok(String::from_utf8(out).unwrap().split_whitespace().collect::<Vec<_>>().join(" "))
}

async fn city(found: Option<&str>) -> (FakeApi, Client) {
    let (api, client) = FakeApi::with_client().await;
    api.put(&format!("{GROUP}/namespaces/civil/systemmigrations"), migration());
    api.put(&format!("{GROUP}/policyprofiles"), policy());
    api.put(&format!("{GROUP}/migrationplans"), plan());
    api.put(&format!("{GROUP}/namespaces/civil/approvals"), issue(found));
    (api, client)
}

#[tokio::test]
async fn a_preview_shows_what_lies_in_the_cluster_in_both_languages_and_writes_nothing() {
    let (api, client) = city(Some("Accepted")).await;
    let kinds = ["systemmigrations", "policyprofiles", "migrationplans", "approvals"];
    let before = kinds.map(|plural| api.all(plural));
    let en = asked(client.clone(), "en").await.unwrap();
    assert!(en.contains("Phase Drafting") && en.contains("as of 2026-11-23 14:00"), "{en}");
    assert!(en.contains("Who: Government office, Smart-city office"), "{en}");
    assert!(!en.contains("PlanIssued"), "what the controller accepted is in the way: {en}");
    let zh = asked(client, "zh").await.unwrap();
    assert!(zh.contains("责任方:市政府办公室、市智慧办") && zh.contains("应急预案已备"), "{zh}");
    assert_eq!(kinds.map(|plural| api.all(plural)), before);
}

#[tokio::test]
async fn a_permission_that_the_controller_has_not_found_yet_is_not_known() {
    for (found, expected) in [
        (None, "PlanIssued, the migration plan is issued (Art. 23): not known"),
        (Some("NotAuthorized"), "PlanIssued, the migration plan is issued (Art. 23): closed"),
    ] {
        let (_api, client) = city(found).await;
        let told = asked(client, "en").await.unwrap();
        assert!(told.contains(expected), "{found:?}: {told}");
        assert!(told.contains("as the controller last wrote it"), "{told}");
    }
}

#[tokio::test]
async fn without_the_migration_or_the_cluster_there_is_no_preview() {
    let (api, client) = FakeApi::with_client().await;
    let missing = asked(client.clone(), "en").await.unwrap_err();
    assert_eq!(missing.to_string(), "there is no SystemMigration civil/registry; kubectl get sysmig -A lists them");
    api.set_down(true);
    assert!(matches!(asked(client, "en").await, Err(PreviewError::Unreadable { .. })));
}
