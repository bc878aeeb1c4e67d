//! The API server as one person reaches it: many objects at once, which kubectl would not do.
//! Decides nothing and retries nothing.

use std::path::Path;

use anyhow::{Context, Result};
use futures::{StreamExt, TryStreamExt};
use kube::api::{DynamicObject, ListParams, Patch, PatchParams, PostParams};
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::core::{ApiResource, GroupVersionKind};
use kube::{Api, Client, Config};
use serde_json::Value;

/// Calls under way at the same time. Enough for the API server to be busy, and few enough for it to answer.
const AT_ONCE: usize = 24;

/// A kind of ours, as the API knows it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Kind {
    name: &'static str,
    plural: &'static str,
}

pub(super) const MIGRATIONS: Kind = Kind { name: "SystemMigration", plural: "systemmigrations" };
pub(super) const HOSTS: Kind = Kind { name: "PhysicalHost", plural: "physicalhosts" };
pub(super) const PLANS: Kind = Kind { name: "MigrationPlan", plural: "migrationplans" };
const KINDS: [Kind; 8] = [
    MIGRATIONS,
    HOSTS,
    PLANS,
    Kind { name: "PolicyProfile", plural: "policyprofiles" },
    Kind { name: "CloudPlatform", plural: "cloudplatforms" },
    Kind { name: "Department", plural: "departments" },
    Kind { name: "InformationSystem", plural: "informationsystems" },
    Kind { name: "Approval", plural: "approvals" },
];

impl Kind {
    fn of(object: &Value) -> Result<Self> {
        let name = object["kind"].as_str().unwrap_or_default();
        KINDS.into_iter().find(|kind| kind.name == name).with_context(|| format!("no kind is called {name:?}"))
    }

    fn resource(self) -> ApiResource {
        let kind = GroupVersionKind::gvk("migration.qianyun.dev", "v1alpha1", self.name);
        ApiResource::from_gvk_with_plural(&kind, self.plural)
    }
}

/// A person's way to the API server.
#[derive(Clone)]
pub(super) struct Person(Client);

impl Person {
    pub(super) async fn with(kubeconfig: &Path) -> Result<Self> {
        let file = Kubeconfig::read_from(kubeconfig).with_context(|| format!("reading {}", kubeconfig.display()))?;
        let config = Config::from_custom_kubeconfig(file, &KubeConfigOptions::default()).await?;
        Ok(Self(Client::try_from(config)?))
    }

    /// Everything of a kind, whoever's it is.
    pub(super) fn all(&self, kind: Kind) -> Api<DynamicObject> {
        Api::all_with(self.0.clone(), &kind.resource())
    }

    /// A kind's objects in a namespace; in none, of a kind that has none.
    pub(super) fn within(&self, kind: Kind, namespace: Option<&str>) -> Api<DynamicObject> {
        match namespace {
            Some(namespace) => Api::namespaced_with(self.0.clone(), namespace, &kind.resource()),
            None => self.all(kind),
        }
    }

    /// Creates them, many at once.
    pub(super) async fn create_all(&self, objects: impl IntoIterator<Item = Value>) -> Result<()> {
        let create = |object: Value| async move {
            let api = self.within(Kind::of(&object)?, object["metadata"]["namespace"].as_str());
            let what = format!("creating {} {}", object["kind"], object["metadata"]["name"]);
            let object: DynamicObject = serde_json::from_value(object)?;
            api.create(&PostParams::default(), &object).await.context(what)?;
            anyhow::Ok(())
        };
        futures::stream::iter(objects).map(create).buffer_unordered(AT_ONCE).try_collect().await
    }

    /// Merges what each names into its status, many at once.
    pub(super) async fn report_all(
        &self,
        kind: Kind,
        changes: impl IntoIterator<Item = (String, String, Value)>,
    ) -> Result<()> {
        let report = |(namespace, name, change): (String, String, Value)| async move {
            let api = self.within(kind, Some(&namespace));
            let done = api.patch_status(&name, &PatchParams::default(), &Patch::Merge(&change)).await;
            done.with_context(|| format!("the status of {name}"))?;
            anyhow::Ok(())
        };
        futures::stream::iter(changes).map(report).buffer_unordered(AT_ONCE).try_collect().await
    }

    /// Everything of a kind, now.
    pub(super) async fn list(&self, kind: Kind) -> Result<Vec<DynamicObject>> {
        let list = self.all(kind).list(&ListParams::default()).await;
        Ok(list.with_context(|| format!("listing {}", kind.plural))?.items)
    }
}
