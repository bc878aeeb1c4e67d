//! Gathers the server that a waiver is for, and which day it is where the gate looks at it.

use crate::calendar;
use crate::reconcile::Context;
use crate::world::{Source, all, city, local};
use jiff::civil::Date;
use kube::ResourceExt;
use qianyun_crds::{CheckWaiver, PhysicalHost, PolicyProfile, SystemMigration};
use qianyun_planning::facts::Known;
use std::borrow::Borrow;

/// What is known beside the waiver.
pub(super) struct Found {
    /// The server.
    pub(super) host: Known<PhysicalHost>,
    /// Today, as the gate of the server's scheme counts it against `spec.until`.
    pub(super) today: Date,
}

/// Looks.
pub(super) async fn observe(ctx: &Context, waiver: &CheckWaiver) -> Found {
    let namespace = waiver.namespace().unwrap_or_default();
    let host = local(ctx, &ctx.stores().hosts, &namespace, &waiver.spec.host_ref, Source::Watch).await;
    let policy = policy(ctx, &namespace, &waiver.spec.host_ref).await;
    Found { host, today: calendar::zone(policy.as_ref()).day((ctx.clock)()) }
}

/// The policy that the server's scheme is judged by. Where none can be found, the gate too counts by the default zone.
async fn policy(ctx: &Context, namespace: &str, host: &str) -> Option<PolicyProfile> {
    let stores = ctx.stores();
    let found = all(ctx, &stores.migrations, Some(namespace), Source::Watch, |m| names(m, host)).await;
    let scheme = earliest(found.get()?)?;
    let plan = city(ctx, &stores.plans, &scheme.spec.plan_ref, Source::Watch).await;
    let policy = city(ctx, &stores.policies, &plan.get()?.spec.policy_ref, Source::Watch).await;
    policy.get().cloned()
}

fn names(migration: &SystemMigration, host: &str) -> bool {
    migration.spec.scheme.hosts.iter().any(|h| h.host_ref == host)
}

/// Of several schemes that name a server the one that was made first goes before the others.
fn earliest<M: Borrow<SystemMigration>>(named: &[M]) -> Option<&SystemMigration> {
    let age = |m: &&SystemMigration| (m.metadata.creation_timestamp.as_ref().map(|at| at.0), m.metadata.name.clone());
    named.iter().map(Borrow::borrow).min_by_key(age)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::reconcile::audit::tests::{context, facts};
    use serde_json::{Value, json};

    const API: &str = "/apis/migration.qianyun.dev/v1alpha1";

    fn scheme(name: &str, plan: &str, made: &str) -> Value {
        let mut scheme = json!(facts().migration);
        scheme["metadata"] = json!({"name": name, "namespace": "civil", "creationTimestamp": made});
        scheme["spec"]["planRef"] = json!(plan);
        let target = json!({"cpus": 1, "memoryMib": 1, "nics": []});
        let host = json!({"hostRef": "db1", "target": target, "disks": [], "quiesce": [], "serveUnits": []});
        scheme["spec"]["scheme"]["hosts"] = json!([host]);
        scheme
    }

    fn plan(name: &str, policy: &str) -> Value {
        json!({
            "apiVersion": "migration.qianyun.dev/v1alpha1", "kind": "MigrationPlan", "metadata": {"name": name},
            "spec": {"policyRef": policy, "author": "li", "year": 2026, "batch": 1, "systems": []},
        })
    }

    fn policy(name: &str, zone: &str) -> Value {
        let numbers = json!({"trialMonths": 3, "reviewTargetWorkingDays": 20, "inventoryMaxAgeDays": 30, "freezeLimitSeconds": 30});
        json!({
            "apiVersion": "migration.qianyun.dev/v1alpha1", "kind": "PolicyProfile", "metadata": {"name": name},
            "spec": {
                "title": "t", "titleZh": "t", "effectiveFrom": "2018-03-16", "planIssuers": [], "schemeConfirmer": "c",
                "roles": [], "schemeApprovers": [], "numbers": numbers, "timeZone": zone,
            },
        })
    }

    /// It is ten in the morning in Beijing, and nine in the evening before in New York.
    #[tokio::test]
    async fn the_day_is_the_one_by_which_the_gate_judges() {
        let (api, ctx) = context().await;
        let waiver: CheckWaiver = serde_json::from_value(json!({
            "apiVersion": "migration.qianyun.dev/v1alpha1", "kind": "CheckWaiver", "metadata": {"name": "w", "namespace": "civil"},
            "spec": {
                "hostRef": "db1", "hostUid": "u", "checkId": "ST-02", "reason": "r", "acceptedBy": "li", "until": "2026-11-23",
            },
        }))
        .unwrap();
        let today = async || observe(&ctx, &waiver).await.today.to_string();
        assert_eq!(today().await, "2026-11-24", "no scheme names the server");
        api.put(&format!("{API}/migrationplans"), plan("far", "of-new-york"));
        api.put(&format!("{API}/policyprofiles"), policy("of-new-york", "America/New_York"));
        let of_city = format!("{API}/namespaces/civil/systemmigrations");
        api.put(&of_city, scheme("first", "far", "2026-11-01T00:00:00Z"));
        assert_eq!(today().await, "2026-11-23");
        api.put(&of_city, scheme("another", "near", "2026-11-02T00:00:00Z"));
        assert_eq!(today().await, "2026-11-23", "the scheme that was made first goes before");
        api.remove(&format!("{API}/policyprofiles/of-new-york"));
        assert_eq!(today().await, "2026-11-24", "the gate falls back to Beijing too");
    }
}
