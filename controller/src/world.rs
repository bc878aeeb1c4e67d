//! Everything that is known about one system's migration, gathered: from the watches where a moment's lag does no harm, from
//! the API server itself where something irreversible rests on it.
//!
//! It decides nothing, and what cannot be had it calls unknown.

use crate::gateway::agents::HostKey;
use crate::hosting::MigrationKey;
use crate::reconcile::Context;
use crate::watch::Objects;
use kube::api::ListParams;
use kube::core::{ClusterResourceScope, NamespaceResourceScope};
use kube::runtime::reflector::ObjectRef;
use kube::{Api, Resource, ResourceExt};
use qianyun_crds::{
    Approval, CheckWaiver, CloudPlatform, CustodyRecord, Department, FreezePeriod, HostMigration, InformationSystem,
    MigrationPlan, PhysicalHost, PolicyProfile, SystemMigration, WorkCalendar,
};
use qianyun_planning::facts::Known;
use serde::de::DeserializeOwned;
use std::borrow::Cow;
use std::fmt::Debug;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// Everything as the watches last saw it.
pub(crate) struct Stores {
    pub(crate) policies: Objects<PolicyProfile>,
    pub(crate) platforms: Objects<CloudPlatform>,
    pub(crate) departments: Objects<Department>,
    pub(crate) systems: Objects<InformationSystem>,
    pub(crate) plans: Objects<MigrationPlan>,
    pub(crate) hosts: Objects<PhysicalHost>,
    pub(crate) approvals: Objects<Approval>,
    pub(crate) migrations: Objects<SystemMigration>,
    pub(crate) journeys: Objects<HostMigration>,
    pub(crate) calendars: Objects<WorkCalendar>,
    pub(crate) freezes: Objects<FreezePeriod>,
    pub(crate) waivers: Objects<CheckWaiver>,
    pub(crate) custody: Objects<CustodyRecord>,
    /// Whether every watch has seen everything once. Until then, the server is asked.
    pub(crate) ready: Arc<AtomicBool>,
}

/// Until the watches are ready, which are not is said so often.
const READY_SAID_EVERY: Duration = Duration::from_secs(30);
/// Between two looks whether the watches are ready.
const READY_LOOK: Duration = Duration::from_millis(100);

impl Stores {
    /// Waits until every watch has seen everything once: a new leader of a large city would otherwise ask the server for all of
    /// it many times over, and be served the later for it.
    pub(crate) async fn wait_until_ready(&self) {
        let mut next = tokio::time::interval(READY_LOOK);
        while !self.are_ready() {
            next.tick().await;
        }
    }

    /// Whether every watch has seen everything once.
    pub(crate) fn are_ready(&self) -> bool {
        self.ready.load(Ordering::Acquire)
    }

    /// Notes when the watches are ready, and says which are not. Never ends.
    pub(crate) async fn watch_readiness(ready: Arc<AtomicBool>, mut waiting: Vec<Readiness>) {
        let (began, mut said) = (Instant::now(), Instant::now());
        loop {
            waiting.retain(|one| !(one.is_ready)());
            if waiting.is_empty() && !ready.swap(true, Ordering::AcqRel) {
                tracing::info!(seconds = began.elapsed().as_secs_f32(), "the watches have seen everything once");
            } else if !waiting.is_empty() && said.elapsed() >= READY_SAID_EVERY {
                let kinds: Vec<_> = waiting.iter().map(|one| one.kind.as_ref()).collect();
                let kinds = kinds.join(", ");
                tracing::warn!(kinds, "not everything of these kinds was listed yet; little is done before it is");
                said = Instant::now();
            }
            tokio::time::sleep(READY_LOOK * if waiting.is_empty() { 50 } else { 1 }).await;
        }
    }

    /// What [`Stores::watch_readiness`] looks at.
    pub(crate) fn readiness(&self) -> Vec<Readiness> {
        vec![
            readiness(&self.policies),
            readiness(&self.platforms),
            readiness(&self.departments),
            readiness(&self.systems),
            readiness(&self.plans),
            readiness(&self.hosts),
            readiness(&self.approvals),
            readiness(&self.migrations),
            readiness(&self.journeys),
            readiness(&self.calendars),
            readiness(&self.freezes),
            readiness(&self.waivers),
            readiness(&self.custody),
        ]
    }

    fn source(&self, wanted: Source) -> Source {
        if self.are_ready() { wanted } else { Source::Server }
    }
}

/// Whether a watch has seen everything once.
pub(crate) struct Readiness {
    kind: Cow<'static, str>,
    is_ready: Box<dyn Fn() -> bool + Send + Sync>,
}

fn readiness<K: Kind>(store: &Objects<K>) -> Readiness {
    let store = store.clone();
    let is_ready = Box::new(move || store.are_ready());
    Readiness { kind: K::kind(&()), is_ready }
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
pub(crate) async fn city<K>(ctx: &Context, store: &Objects<K>, name: &str, source: Source) -> Known<K>
where
    K: Kind + Resource<Scope = ClusterResourceScope>,
{
    match ctx.stores().source(source) {
        Source::Watch => watched(store, &ObjectRef::new(name)),
        Source::Server => asked(Api::<K>::all(ctx.client().clone()).get_opt(name).await, name),
    }
}

/// One object of a namespace.
pub(crate) async fn local<K>(ctx: &Context, store: &Objects<K>, namespace: &str, name: &str, source: Source) -> Known<K>
where
    K: Kind + Resource<Scope = NamespaceResourceScope>,
{
    match ctx.stores().source(source) {
        Source::Watch => watched(store, &ObjectRef::new(name).within(namespace)),
        Source::Server => asked(Api::<K>::namespaced(ctx.client().clone(), namespace).get_opt(name).await, name),
    }
}

/// All objects of a kind of the whole cluster.
pub(crate) async fn whole_city<K>(ctx: &Context, store: &Objects<K>, source: Source) -> Known<Vec<K>>
where
    K: Kind + Resource<Scope = ClusterResourceScope>,
{
    match ctx.stores().source(source) {
        Source::Watch => Known::Is(owned(store.select(None, |_| true))),
        Source::Server => listed(Api::<K>::all(ctx.client().clone())).await,
    }
}

/// The objects of a kind, in one namespace or in all, that `wanted` wants. Shared with the watch, not copied: every look asks.
pub(crate) async fn all<K>(
    ctx: &Context,
    store: &Objects<K>,
    namespace: Option<&str>,
    source: Source,
    wanted: impl Fn(&K) -> bool,
) -> Known<Vec<Arc<K>>>
where
    K: Kind + Resource<Scope = NamespaceResourceScope>,
{
    match ctx.stores().source(source) {
        Source::Watch => Known::Is(store.select(namespace, wanted)),
        Source::Server => {
            let api = match namespace {
                Some(namespace) => Api::<K>::namespaced(ctx.client().clone(), namespace),
                None => Api::<K>::all(ctx.client().clone()),
            };
            listed(api).await.map(|list| list.into_iter().filter(|o| wanted(o)).map(Arc::new).collect())
        }
    }
}

/// Objects of one's own.
pub(crate) fn owned<K: Kind>(shared: Vec<Arc<K>>) -> Vec<K> {
    shared.into_iter().map(Arc::unwrap_or_clone).collect()
}

/// All that a list holds; not known where it cannot be had.
pub(crate) async fn listed<K: Kind>(api: Api<K>) -> Known<Vec<K>> {
    match api.list(&ListParams::default()).await {
        Ok(list) => Known::Is(list.items),
        Err(error) => {
            tracing::warn!(kind = %K::kind(&()), %error, "a list cannot be had");
            Known::Unknown
        }
    }
}

fn watched<K: Kind>(store: &Objects<K>, key: &ObjectRef<K>) -> Known<K> {
    store.get(key).map_or(Known::Absent, |object: Arc<K>| Known::Is(K::clone(&object)))
}

/// What an answer of the API server says.
pub(crate) fn asked<K: Kind>(answer: Result<Option<K>, kube::Error>, name: &str) -> Known<K> {
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
