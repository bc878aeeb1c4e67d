//! The reconcilers: one folder for each kind, each of `observe` (gathers facts), `apply` (does) and `status` (says).
//!
//! A wake-up carries no data: whoever is woken looks at the whole object again. What is decided is decided by
//! `qianyun-planning`; nothing here decides about a journey. Nothing here runs on a replica that does not lead.

mod approval;
mod cloud_platform;
mod department;
mod driver;
mod host_enrollment;
mod host_migration;
mod information_system;
mod memory;
mod migration_plan;
mod permission;
mod physical_host;
mod policy_profile;
mod system_migration;
mod write;

use crate::ca::Authority;
use crate::gateway::agents::Agents;
use crate::hosting::Hosting;
use crate::world::Stores;
use driver::drive;
use futures::StreamExt;
use futures::stream::poll_fn;
use kube::runtime::Controller;
use kube::runtime::reflector::ObjectRef;
use kube::runtime::watcher;
use kube::{Api, Client, ResourceExt};
use memory::Memory;
use qianyun_crds::{
    Approval, CloudPlatform, Department, HostEnrollment, HostMigration, InformationSystem, MigrationPlan, PhysicalHost,
    PolicyProfile, SubjectKind, SystemMigration,
};
use std::sync::Arc;

/// What every reconciler works with.
pub(crate) struct Context {
    /// The cluster.
    pub(crate) client: Client,
    /// What agents said and are to be.
    pub(crate) agents: Arc<Agents>,
    /// The hosting site.
    pub(crate) hosting: Arc<dyn Hosting>,
    /// Who names hosts and receivers.
    pub(crate) authority: Arc<Authority>,
    /// Epoch of this leadership.
    pub(crate) epoch: u64,
    /// URL of the gateway as servers reach it, for the line that an admin types.
    pub(crate) server_url: String,
    /// The time.
    pub(crate) clock: fn() -> jiff::Timestamp,
    /// What is remembered between two looks; losing it costs time, never safety.
    memory: Memory,
    /// Everything as the watches last saw it.
    stores: Stores,
}

impl Context {
    /// The cluster.
    pub(crate) fn client(&self) -> &Client {
        &self.client
    }

    /// Everything as the watches last saw it.
    pub(crate) fn stores(&self) -> &Stores {
        &self.stores
    }

    /// What is remembered between two looks.
    pub(crate) fn memory(&self) -> &Memory {
        &self.memory
    }

    /// Epoch of this leadership, as the API writes it.
    pub(crate) fn epoch_number(&self) -> i64 {
        i64::try_from(self.epoch).unwrap_or(i64::MAX)
    }
}

/// The parts of a [`Context`] that come from outside.
pub(crate) struct Parts {
    /// The cluster.
    pub(crate) client: Client,
    /// What agents said and are to be.
    pub(crate) agents: Arc<Agents>,
    /// The hosting site.
    pub(crate) hosting: Arc<dyn Hosting>,
    /// Who names hosts and receivers.
    pub(crate) authority: Arc<Authority>,
    /// Epoch of this leadership.
    pub(crate) epoch: u64,
    /// URL of the gateway as servers reach it.
    pub(crate) server_url: String,
    /// The time.
    pub(crate) clock: fn() -> jiff::Timestamp,
}

/// Runs all reconcilers. Returns only when one of them ended, which none does by itself: end the process then.
pub(crate) async fn run(parts: Parts) {
    let client = parts.client.clone();
    let policies = Controller::new(Api::<PolicyProfile>::all(client.clone()), watcher::Config::default());
    let platforms = Controller::new(Api::<CloudPlatform>::all(client.clone()), watcher::Config::default());
    let departments = Controller::new(Api::<Department>::all(client.clone()), watcher::Config::default());
    let systems = Controller::new(Api::<InformationSystem>::all(client.clone()), watcher::Config::default());
    let plans = Controller::new(Api::<MigrationPlan>::all(client.clone()), watcher::Config::default());
    let enrollments = Controller::new(Api::<HostEnrollment>::all(client.clone()), watcher::Config::default());
    let hosts = Controller::new(Api::<PhysicalHost>::all(client.clone()), watcher::Config::default());
    let approvals = Controller::new(Api::<Approval>::all(client.clone()), watcher::Config::default());
    let migrations = Controller::new(Api::<SystemMigration>::all(client.clone()), watcher::Config::default());
    let journeys = Controller::new(Api::<HostMigration>::all(client.clone()), watcher::Config::default());
    let stores = Stores {
        policies: policies.store(),
        platforms: platforms.store(),
        departments: departments.store(),
        systems: systems.store(),
        plans: plans.store(),
        hosts: hosts.store(),
        approvals: approvals.store(),
        migrations: migrations.store(),
        journeys: journeys.store(),
        ready: Arc::default(),
    };
    let hosts = hosts.reconcile_on(host_wakes(&parts.agents));
    let journeys = journeys.reconcile_on(journey_wakes(&parts.agents, &stores)).watches(
        Api::<SystemMigration>::all(client.clone()),
        watcher::Config::default(),
        journeys_of_migration(&stores),
    );
    let migrations = migrations
        .watches(Api::<Approval>::all(client.clone()), watcher::Config::default(), |a| subject_migration(&a))
        .watches(Api::<HostMigration>::all(client.clone()), watcher::Config::default(), |j| migration_of(&j));
    let plans = plans.watches(Api::<Approval>::all(client.clone()), watcher::Config::default(), |a| subject_plan(&a));
    let approvals = approvals
        .watches(Api::<SystemMigration>::all(client.clone()), watcher::Config::default(), decisions_on_edited(&stores))
        .watches(Api::<MigrationPlan>::all(client.clone()), watcher::Config::default(), decisions_on_edited(&stores));
    let Parts { client, agents, hosting, authority, epoch, server_url, clock } = parts;
    let memory = Memory::default();
    let ctx = Arc::new(Context { client, agents, hosting, authority, epoch, server_url, clock, memory, stores });
    let readiness = Stores::watch_readiness(Arc::clone(&ctx.stores.ready), ctx.stores.readiness());
    tokio::select! {
        () = readiness => {}
        () = drive(policies, "policy-profile", &ctx, policy_profile::reconcile) => {}
        () = drive(platforms, "cloud-platform", &ctx, cloud_platform::reconcile) => {}
        () = drive(departments, "department", &ctx, department::reconcile) => {}
        () = drive(systems, "information-system", &ctx, information_system::reconcile) => {}
        () = drive(plans, "migration-plan", &ctx, migration_plan::reconcile) => {}
        () = drive(enrollments, "host-enrollment", &ctx, host_enrollment::reconcile) => {}
        () = drive(hosts, "physical-host", &ctx, physical_host::reconcile) => {}
        () = drive(approvals, "approval", &ctx, approval::reconcile) => {}
        () = drive(migrations, "system-migration", &ctx, system_migration::reconcile) => {}
        () = drive(journeys, "host-migration", &ctx, host_migration::reconcile) => {}
    }
}

/// A host each time that its agent said something new.
fn host_wakes(agents: &Agents) -> impl futures::Stream<Item = ObjectRef<PhysicalHost>> + Send + use<> {
    let mut wakes = agents.wakes();
    poll_fn(move |cx| wakes.poll_recv(cx))
}

/// The journeys of such a host.
fn journey_wakes(
    agents: &Agents,
    stores: &Stores,
) -> impl futures::Stream<Item = ObjectRef<HostMigration>> + Send + use<> {
    let journeys = stores.journeys.clone();
    host_wakes(agents).flat_map(move |host| {
        let of_host = journeys
            .state()
            .into_iter()
            .filter(|j| j.spec.host_ref == host.name && j.namespace().as_deref() == host.namespace.as_deref());
        futures::stream::iter(of_host.map(|j| ObjectRef::from_obj(&*j)).collect::<Vec<_>>())
    })
}

fn journeys_of_migration(
    stores: &Stores,
) -> impl Fn(SystemMigration) -> Vec<ObjectRef<HostMigration>> + Send + Sync + 'static + use<> {
    let journeys = stores.journeys.clone();
    move |migration| {
        let (name, namespace) = (migration.name_any(), migration.namespace());
        let mine = journeys.state().into_iter().filter(|j| j.spec.migration_ref == name && j.namespace() == namespace);
        mine.map(|j| ObjectRef::from_obj(&*j)).collect()
    }
}

/// Something that people decide on, and whether its newest edit has been looked at.
trait Subject: ResourceExt {
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
fn decisions_on_edited<S: Subject>(
    stores: &Stores,
) -> impl Fn(S) -> Vec<ObjectRef<Approval>> + Send + Sync + 'static + use<S> {
    let approvals = stores.approvals.clone();
    move |subject| {
        if subject.observed_generation() == subject.meta().generation {
            return Vec::new();
        }
        let (name, namespace) = (subject.name_any(), subject.namespace());
        let on_it = |approval: &Arc<Approval>| {
            let about = &approval.spec.subject;
            about.kind == S::KIND && about.name == name && (namespace.is_none() || approval.namespace() == namespace)
        };
        approvals.state().into_iter().filter(on_it).map(|approval| ObjectRef::from_obj(&*approval)).collect()
    }
}

fn subject_migration(approval: &Approval) -> Option<ObjectRef<SystemMigration>> {
    let subject = &approval.spec.subject;
    (subject.kind == SubjectKind::SystemMigration)
        .then(|| ObjectRef::new(&subject.name).within(&approval.namespace().unwrap_or_default()))
}

fn subject_plan(approval: &Approval) -> Option<ObjectRef<MigrationPlan>> {
    let subject = &approval.spec.subject;
    (subject.kind == SubjectKind::MigrationPlan).then(|| ObjectRef::new(&subject.name))
}

fn migration_of(journey: &HostMigration) -> Option<ObjectRef<SystemMigration>> {
    Some(ObjectRef::new(&journey.spec.migration_ref).within(&journey.namespace()?))
}
