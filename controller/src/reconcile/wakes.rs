//! Whom a change wakes: which objects are looked at again when another one changed, or when an agent said something. Carries no
//! data and decides nothing.

use super::Agents;
use crate::watch::Objects;
use crate::world::{Kind, Stores};
use futures::StreamExt;
use futures::stream::poll_fn;
use kube::ResourceExt;
use kube::runtime::reflector::ObjectRef;
use qianyun_crds::{
    Approval, CustodyRecord, HostMigration, InformationSystem, MigrationPlan, PhysicalHost, SubjectKind,
    SystemMigration,
};
use std::sync::Arc;

/// A host each time that its agent said something new.
pub(super) fn host_wakes(agents: &Agents) -> impl futures::Stream<Item = ObjectRef<PhysicalHost>> + Send + use<> {
    let mut wakes = agents.wakes();
    poll_fn(move |cx| wakes.poll_recv(cx))
}

/// The journeys of such a host.
pub(super) fn journey_wakes(
    agents: &Agents,
    stores: &Stores,
) -> impl futures::Stream<Item = ObjectRef<HostMigration>> + Send + use<> {
    let journeys = stores.journeys.clone();
    host_wakes(agents).flat_map(move |host| {
        let of_host = |j: &HostMigration| j.spec.host_ref == host.name;
        futures::stream::iter(names(journeys.select(host.namespace.as_deref(), of_host)))
    })
}

/// The migrations of a system, whose catalogue, grading or dependencies may have changed.
pub(super) fn migrations_of_system(
    stores: &Stores,
) -> impl Fn(&InformationSystem) -> Vec<ObjectRef<SystemMigration>> + Send + Sync + 'static + use<> {
    let migrations = stores.migrations.clone();
    move |system| of_system(&migrations, &system.name_any(), system.namespace().as_deref())
}

/// The migrations of the system that an old server served.
pub(super) fn migrations_of_device(
    stores: &Stores,
) -> impl Fn(&CustodyRecord) -> Vec<ObjectRef<SystemMigration>> + Send + Sync + 'static + use<> {
    let migrations = stores.migrations.clone();
    move |record| of_system(&migrations, &record.spec.system_ref, record.namespace().as_deref())
}

/// The server that was disposed of.
pub(super) fn host_of_device(record: &CustodyRecord) -> Option<ObjectRef<PhysicalHost>> {
    Some(ObjectRef::new(&record.spec.host_ref).within(&record.namespace()?))
}

fn of_system(
    migrations: &Objects<SystemMigration>,
    system: &str,
    namespace: Option<&str>,
) -> Vec<ObjectRef<SystemMigration>> {
    names(migrations.select(namespace, |m| m.spec.system_ref == system))
}

fn names<K: Kind>(objects: Vec<Arc<K>>) -> Vec<ObjectRef<K>> {
    objects.iter().map(|object| ObjectRef::from_obj(&**object)).collect()
}

pub(super) fn journeys_of_migration(
    stores: &Stores,
) -> impl Fn(&SystemMigration) -> Vec<ObjectRef<HostMigration>> + Send + Sync + 'static + use<> {
    let journeys = stores.journeys.clone();
    move |migration| {
        let name = migration.name_any();
        names(journeys.select(migration.namespace().as_deref(), |j| j.spec.migration_ref == name))
    }
}

/// Something that people decide on, and whether its newest edit has been looked at.
pub(super) trait Subject: ResourceExt {
    const KIND: SubjectKind;
    fn observed_generation(&self) -> Option<i64>;
}

impl Subject for SystemMigration {
    const KIND: SubjectKind = SubjectKind::SystemMigration;
    fn observed_generation(&self) -> Option<i64> {
        self.status.as_ref()?.observed_generation
    }
}

impl Subject for MigrationPlan {
    const KIND: SubjectKind = SubjectKind::MigrationPlan;
    fn observed_generation(&self) -> Option<i64> {
        self.status.as_ref()?.observed_generation
    }
}

/// The decisions on a subject that was just edited: whoever signed it reads at once that it does not count any more. What
/// changes in its status, every few seconds of a copy, wakes none of them.
pub(super) fn decisions_on_edited<S: Subject>(
    stores: &Stores,
) -> impl Fn(&S) -> Vec<ObjectRef<Approval>> + Send + Sync + 'static + use<S> {
    let approvals = stores.approvals.clone();
    move |subject| {
        if subject.observed_generation() == subject.meta().generation {
            return Vec::new();
        }
        let (name, namespace) = (subject.name_any(), subject.namespace());
        let on_it = |approval: &Approval| {
            let about = &approval.spec.subject;
            about.kind.is_of_migration() == S::KIND.is_of_migration() && about.name == name
        };
        names(approvals.select(namespace.as_deref(), on_it))
    }
}

pub(super) fn subject_migration(approval: &Approval) -> Option<ObjectRef<SystemMigration>> {
    let subject = &approval.spec.subject;
    subject
        .kind
        .is_of_migration()
        .then(|| ObjectRef::new(&subject.name).within(&approval.namespace().unwrap_or_default()))
}

pub(super) fn subject_plan(approval: &Approval) -> Option<ObjectRef<MigrationPlan>> {
    let subject = &approval.spec.subject;
    (subject.kind == SubjectKind::MigrationPlan).then(|| ObjectRef::new(&subject.name))
}

pub(super) fn migration_of(journey: &HostMigration) -> Option<ObjectRef<SystemMigration>> {
    Some(ObjectRef::new(&journey.spec.migration_ref).within(&journey.namespace()?))
}
