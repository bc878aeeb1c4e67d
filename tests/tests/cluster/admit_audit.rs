//! The audit record against the people who would like it otherwise, on a real API server: who may write it, that it only grows,
//! and that inspectors read it. What the controller writes into it is pinned by the controller's own tests.

use crate::admit::audit_log::refused;
use crate::admit::objects::{self, NO_UID, with};
use crate::admit::people::{CIVIL, person};
use crate::admit::{Cluster, Said, User};
use anyhow::{Context, Result};
use serde_json::{Value, json};
use std::sync::LazyLock;

static WORLD: LazyLock<World> = LazyLock::new(|| World::make().expect("a control plane with the chart on it"));

struct World {
    cluster: Cluster,
    controller: User,
    /// Someone whom an administrator in a hurry gave every verb on ConfigMaps.
    careless: User,
}

impl World {
    fn make() -> Result<Self> {
        let cluster = Cluster::start("audit")?;
        let api = "rbac.authorization.k8s.io/v1";
        let rules = json!([{"apiGroups": [""], "resources": ["configmaps"], "verbs": ["*"]}]);
        let role = json!({"apiVersion": api, "kind": "ClusterRole", "metadata": {"name": "maps"}, "rules": rules});
        cluster.create(&cluster.admin, &role)?.done()?;
        let bind = ["create", "clusterrolebinding", "maps", "--clusterrole", "maps", "--user", "careless"];
        cluster.kubectl(&cluster.admin, &bind, None)?.done()?;
        let (controller, careless) = (cluster.controller()?, cluster.user("careless", &[])?);
        Ok(Self { cluster, controller, careless })
    }

    /// A record of two entries, as the controller makes it.
    fn record(&self, migration: &str) -> Result<String> {
        self.cluster.create(&self.controller, &objects::audit_segment(migration, 2))?.done()?;
        Ok(format!("configmap/{migration}-audit-00001"))
    }

    fn patch(&self, user: &User, object: &str, change: &Value) -> Result<Said> {
        self.cluster.patch(user, CIVIL, object, change, false)
    }

    fn kubectl(&self, user: &User, arguments: &[&str]) -> Result<Said> {
        self.cluster.kubectl(user, &[arguments, &["--namespace", CIVIL]].concat(), None)
    }
}

#[test]
fn nobody_but_the_controller_writes_a_record_not_even_an_administrator() -> Result<()> {
    let world = &*WORLD;
    let object = world.record("edited")?;
    for user in [&world.cluster.admin, &world.careless] {
        for change in [
            json!({"data": {"00000001": "nothing happened"}}),
            json!({"data": {"00000002": null}}),
            json!({"data": {"00000003": "all is well"}}),
            json!({"metadata": {"labels": {"migration.qianyun.dev/audit-of": null}}}),
            json!({"metadata": {"annotations": {"migration.qianyun.dev/audit-head": "sha256:00"}}}),
            json!({"immutable": true}),
        ] {
            refused(&world.patch(user, &object, &change)?, "an audit record is written by the controller alone");
        }
    }
    for user in ["li", "wang", "chen", "zhou", "nobody"] {
        let said = world.patch(&person(&world.cluster, user)?, &object, &json!({"data": {"00000001": "no"}}))?;
        refused(&said, "configmaps \"edited-audit-00001\" is forbidden");
    }
    Ok(())
}

#[test]
fn nobody_deletes_a_record() -> Result<()> {
    let world = &*WORLD;
    let object = world.record("deleted")?;
    for user in [&world.cluster.admin, &world.careless] {
        refused(&world.kubectl(user, &["delete", &object, "--wait=false"])?, "an audit record is never deleted");
        let all = ["delete", "configmaps", "-l", "migration.qianyun.dev/audit-of=deleted", "--wait=false"];
        refused(&world.kubectl(user, &all)?, "an audit record is never deleted");
    }
    refused(&world.kubectl(&world.controller, &["delete", &object, "--wait=false"])?, "cannot delete resource");
    world.kubectl(&world.controller, &["get", &object])?.done()
}

#[test]
fn nobody_takes_the_name_of_a_record_before_the_controller_does() -> Result<()> {
    let world = &*WORLD;
    let labelled = objects::audit_segment("taken", 1);
    let unlabelled = with(labelled.clone(), "/metadata/labels", Value::Null);
    for object in [labelled, unlabelled] {
        for user in [&world.cluster.admin, &world.careless] {
            refused(&world.cluster.create(user, &object)?, "names that end in -audit-<five digits> are reserved");
        }
    }
    let other = with(objects::audit_segment("other", 1), "/metadata/name", json!("k8s-audit-policy"));
    world.cluster.create(&world.careless, &with(other, "/metadata/labels", Value::Null))?.done()
}

#[test]
fn the_controller_only_adds_to_a_record() -> Result<()> {
    let world = &*WORLD;
    let object = world.record("grown")?;
    // kubectl patches; the controller may only replace.
    let replace = |change: &dyn Fn(&mut Value)| {
        let mut found = world.kubectl(&world.controller, &["get", &object, "-o", "json"])?.json()?;
        change(&mut found);
        world.cluster.kubectl(&world.controller, &["replace", "-f", "-", "-o", "json"], Some(&found))
    };
    replace(&|map| map["data"]["00000003"] = json!("entry 3"))?.done()?;
    refused(&replace(&|map| map["data"]["00000002"] = json!("another"))?, "never changed or removed");
    refused(&replace(&|map| map["data"] = json!({"00000001": "entry 1"}))?, "never changed or removed");
    refused(&replace(&|map| map["data"] = Value::Null)?, "never changed or removed");
    refused(&replace(&|map| map["data"]["00000000"] = json!("before"))?, "added after the last one");
    refused(&replace(&|map| map["data"]["note"] = json!("aside"))?, "added after the last one");
    refused(&replace(&|map| map["binaryData"] = json!({"00000004": "AAAA"}))?, "no binaryData");
    refused(&replace(&|map| map["metadata"]["labels"] = json!({}))?, "only ConfigMaps of an audit record");
    let owner = json!([{"apiVersion": "v1", "kind": "ConfigMap", "name": "mine", "uid": NO_UID}]);
    refused(&replace(&|map| map["metadata"]["ownerReferences"] = owner.clone())?, "no owner and no finalizer");
    replace(&|map| (map["data"]["00000004"], map["immutable"]) = (json!("entry 4"), json!(true)))?.done()?;
    refused(&replace(&|map| map["data"]["00000005"] = json!("entry 5"))?, "field is immutable when `immutable` is set");
    let found = world.kubectl(&world.controller, &["get", &object, "-o", "json"])?.json()?;
    assert_eq!(found["data"].as_object().context("data")?.len(), 4);
    Ok(())
}

#[test]
fn the_controller_writes_no_other_config_map_and_lists_none() -> Result<()> {
    let world = &*WORLD;
    let plain = json!({
        "apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "settings", "namespace": CIVIL}, "data": {"a": "b"}
    });
    world.cluster.create(&world.careless, &plain)?.done()?;
    let other = with(plain.clone(), "/metadata/name", json!("settings-two"));
    refused(&world.cluster.create(&world.controller, &other)?, "only ConfigMaps of an audit record");
    let said =
        world.cluster.kubectl(&world.controller, &["replace", "-f", "-"], Some(&with(plain, "/data/a", json!("c"))))?;
    refused(&said, "only ConfigMaps of an audit record");
    let wrong = with(objects::audit_segment("wrong", 1), "/metadata/name", json!("right-audit-00001"));
    refused(&world.cluster.create(&world.controller, &wrong)?, "only ConfigMaps of an audit record");
    refused(&world.kubectl(&world.controller, &["get", "configmaps"])?, "cannot list resource");
    Ok(())
}

#[test]
fn inspectors_read_the_records_and_change_nothing() -> Result<()> {
    let world = &*WORLD;
    world.record("read")?;
    let select = ["get", "configmaps", "-l", "migration.qianyun.dev/audit-of=read", "-o", "json"];
    let found = world.kubectl(&person(&world.cluster, "zhou")?, &select)?.json()?;
    assert_eq!(found["items"].as_array().context("items")?.len(), 1);
    refused(&world.kubectl(&person(&world.cluster, "nobody")?, &select)?, "cannot list resource");
    Ok(())
}

#[test]
fn the_cluster_still_takes_a_record_away_with_its_namespace() -> Result<()> {
    let world = &*WORLD;
    world.cluster.kubectl(&world.cluster.admin, &["create", "namespace", "given-up"], None)?.done()?;
    let there = with(objects::audit_segment("last", 1), "/metadata/namespace", json!("given-up"));
    world.cluster.create(&world.controller, &there)?.done()?;
    let delete = ["delete", "namespace", "given-up", "--timeout=60s"];
    world.cluster.kubectl(&world.cluster.admin, &delete, None)?.done()
}
