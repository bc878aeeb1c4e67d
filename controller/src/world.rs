//! Everything that is known about one system's migration, gathered: from the watches where a moment's lag does no harm, from
//! the API server itself where something irreversible rests on it.
//!
//! It decides nothing, and what cannot be had it calls unknown.

use crate::gateway::agents::HostKey;
use crate::hosting::MigrationKey;
use crate::reconcile::Context;
use kube::api::ListParams;
use kube::core::{ClusterResourceScope, NamespaceResourceScope};
use kube::runtime::reflector::{ObjectRef, Store};
use kube::{Api, Resource, ResourceExt};
use qianyun_crds::{
    Approval, CloudPlatform, Department, HostMigration, InformationSystem, MigrationPlan, PhysicalHost, PolicyProfile,
    SystemMigration,
};
use qianyun_planning::facts::Known;
use serde::de::DeserializeOwned;
use std::fmt::Debug;
use std::sync::Arc;

/// Everything as the watches last saw it.
pub(crate) struct Stores {
    pub(crate) policies: Store<PolicyProfile>,
    pub(crate) platforms: Store<CloudPlatform>,
    pub(crate) departments: Store<Department>,
    pub(crate) systems: Store<InformationSystem>,
    pub(crate) plans: Store<MigrationPlan>,
    pub(crate) hosts: Store<PhysicalHost>,
    pub(crate) approvals: Store<Approval>,
    pub(crate) migrations: Store<SystemMigration>,
    pub(crate) journeys: Store<HostMigration>,
}

/// Where to read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Source {
    /// What the watch last saw.
    Watch,
    /// The API server, now.
    Server,
}

/// A kind whose objects are stored whole.
pub(crate) trait Kind:
    Resource<DynamicType = ()> + Clone + DeserializeOwned + Debug + Send + Sync + 'static
{
}
impl<K> Kind for K where K: Resource<DynamicType = ()> + Clone + DeserializeOwned + Debug + Send + Sync + 'static {}

/// One object of the whole cluster.
pub(crate) async fn city<K>(ctx: &Context, store: &Store<K>, name: &str, source: Source) -> Known<K>
where
    K: Kind + Resource<Scope = ClusterResourceScope>,
{
    match source {
        Source::Watch => watched(store, &ObjectRef::new(name)).await,
        Source::Server => asked(Api::<K>::all(ctx.client().clone()).get_opt(name).await, name),
    }
}

/// One object of a namespace.
pub(crate) async fn local<K>(ctx: &Context, store: &Store<K>, namespace: &str, name: &str, source: Source) -> Known<K>
where
    K: Kind + Resource<Scope = NamespaceResourceScope>,
{
    match source {
        Source::Watch => watched(store, &ObjectRef::new(name).within(namespace)).await,
        Source::Server => asked(Api::<K>::namespaced(ctx.client().clone(), namespace).get_opt(name).await, name),
    }
}

/// All objects of a kind, in one namespace or in all.
pub(crate) async fn all<K>(ctx: &Context, store: &Store<K>, namespace: Option<&str>, source: Source) -> Known<Vec<K>>
where
    K: Kind + Resource<Scope = NamespaceResourceScope>,
{
    let here = |object: &K| namespace.is_none() || object.namespace().as_deref() == namespace;
    match source {
        Source::Watch => {
            if store.wait_until_ready().await.is_err() {
                return Known::Unknown;
            }
            Known::Is(store.state().iter().filter(|o| here(o)).map(|o| K::clone(o)).collect())
        }
        Source::Server => {
            let api = match namespace {
                Some(namespace) => Api::<K>::namespaced(ctx.client().clone(), namespace),
                None => Api::<K>::all(ctx.client().clone()),
            };
            match api.list(&ListParams::default()).await {
                Ok(list) => Known::Is(list.items),
                Err(error) => {
                    tracing::warn!(kind = %K::kind(&()), %error, "a list cannot be had");
                    Known::Unknown
                }
            }
        }
    }
}

async fn watched<K: Kind>(store: &Store<K>, key: &ObjectRef<K>) -> Known<K> {
    if store.wait_until_ready().await.is_err() {
        return Known::Unknown;
    }
    store.get(key).map_or(Known::Absent, |object: Arc<K>| Known::Is(K::clone(&object)))
}

fn asked<K: Kind>(answer: Result<Option<K>, kube::Error>, name: &str) -> Known<K> {
    match answer {
        Ok(Some(object)) => Known::Is(object),
        Ok(None) => Known::Absent,
        Err(error) => {
            tracing::warn!(kind = %K::kind(&()), name, %error, "an object cannot be read");
            Known::Unknown
        }
    }
}

/// The key of a journey's volumes, receiver and machine.
pub(crate) fn journey_key(journey: &HostMigration) -> MigrationKey {
    MigrationKey::new(journey.namespace().unwrap_or_default(), journey.name_any())
}

/// The key of a journey's host.
pub(crate) fn host_key(journey: &HostMigration) -> HostKey {
    HostKey::new(journey.namespace().unwrap_or_default(), &journey.spec.host_ref)
}
