//! The reconcilers: one folder for each kind, each of `observe` (gathers facts), `apply` (does) and `status` (says).
//!
//! A wake-up carries no data: whoever is woken looks at the whole object again. What is decided is decided by
//! `qianyun-planning`; nothing here decides about a journey. Nothing here runs on a replica that does not lead.

mod approval;
mod audit;
mod check_waiver;
mod cloud_platform;
mod custody_record;
mod department;
mod driver;
mod freeze_period;
mod host_enrollment;
mod host_migration;
mod information_system;
mod memory;
mod migration_plan;
mod permission;
mod physical_host;
mod policy_profile;
mod system_migration;
mod wakes;
mod work_calendar;
mod write;

use crate::audit::Audit;
use crate::ca::Authority;
use crate::gateway::agents::Agents;
use crate::hosting::Hosting;
use crate::world::Stores;
use driver::drive;
pub(crate) use host_migration::observe::recorded_probes;
use kube::runtime::Controller;
use kube::runtime::watcher;
use kube::{Api, Client};
use memory::Memory;
use qianyun_crds::{
    Approval, CheckWaiver, CloudPlatform, CustodyRecord, Department, FreezePeriod, HostEnrollment, HostMigration,
    InformationSystem, MigrationPlan, PhysicalHost, PolicyProfile, SystemMigration, WorkCalendar,
};
use std::sync::Arc;
pub(crate) use system_migration::observe::{claimed_by, concerns, host_names, journey_of, serves};
use wakes::{
    decisions_on_edited, host_of_device, host_wakes, journey_wakes, journeys_of_migration, migration_of,
    migrations_of_device, migrations_of_system, subject_migration, subject_plan,
};
pub(crate) use write::MANAGER;

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
    /// What is recorded of each system.
    audit: Audit,
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
///
/// Long because each of the fourteen kinds has its line in each of three lists.
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
    let calendars = Controller::new(Api::<WorkCalendar>::all(client.clone()), watcher::Config::default());
    let freezes = Controller::new(Api::<FreezePeriod>::all(client.clone()), watcher::Config::default());
    let waivers = Controller::new(Api::<CheckWaiver>::all(client.clone()), watcher::Config::default());
    let custody = Controller::new(Api::<CustodyRecord>::all(client.clone()), watcher::Config::default());
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
        calendars: calendars.store(),
        freezes: freezes.store(),
        waivers: waivers.store(),
        custody: custody.store(),
        ready: Arc::default(),
    };
    let hosts = hosts.reconcile_on(host_wakes(&parts.agents)).watches(
        Api::<CustodyRecord>::all(client.clone()),
        watcher::Config::default(),
        host_of_device,
    );
    let journeys = journeys.reconcile_on(journey_wakes(&parts.agents, &stores)).watches(
        Api::<SystemMigration>::all(client.clone()),
        watcher::Config::default(),
        journeys_of_migration(&stores),
    );
    let migrations = migrations
        .watches(Api::<Approval>::all(client.clone()), watcher::Config::default(), |a| subject_migration(&a))
        .watches(Api::<HostMigration>::all(client.clone()), watcher::Config::default(), |j| migration_of(&j))
        .watches(
            Api::<InformationSystem>::all(client.clone()),
            watcher::Config::default(),
            migrations_of_system(&stores),
        )
        .watches(Api::<CustodyRecord>::all(client.clone()), watcher::Config::default(), migrations_of_device(&stores));
    let plans = plans.watches(Api::<Approval>::all(client.clone()), watcher::Config::default(), |a| subject_plan(&a));
    let approvals = approvals
        .watches(Api::<SystemMigration>::all(client.clone()), watcher::Config::default(), decisions_on_edited(&stores))
        .watches(Api::<MigrationPlan>::all(client.clone()), watcher::Config::default(), decisions_on_edited(&stores));
    let Parts { client, agents, hosting, authority, epoch, server_url, clock } = parts;
    let memory = Memory::default();
    let audit = Audit::new(client.clone(), i64::try_from(epoch).unwrap_or(i64::MAX));
    let ctx = Arc::new(Context { client, agents, hosting, authority, epoch, server_url, clock, memory, audit, stores });
    let readiness = Stores::watch_readiness(Arc::clone(&ctx.stores.ready), ctx.stores.readiness());
    tokio::select! {
        () = readiness => {}
        () = drive(policies, "policy-profile", &ctx, policy_profile::reconcile, None) => {}
        () = drive(platforms, "cloud-platform", &ctx, cloud_platform::reconcile, None) => {}
        () = drive(departments, "department", &ctx, department::reconcile, None) => {}
        () = drive(systems, "information-system", &ctx, information_system::reconcile, None) => {}
        () = drive(plans, "migration-plan", &ctx, migration_plan::reconcile, None) => {}
        () = drive(enrollments, "host-enrollment", &ctx, host_enrollment::reconcile, None) => {}
        () = drive(hosts, "physical-host", &ctx, physical_host::reconcile, None) => {}
        () = drive(approvals, "approval", &ctx, approval::reconcile, None) => {}
        () = drive(migrations, "system-migration", &ctx, system_migration::reconcile, None) => {}
        () = drive(journeys, "host-migration", &ctx, host_migration::reconcile, Some(host_migration::is_urgent)) => {}
        () = drive(calendars, "work-calendar", &ctx, work_calendar::reconcile, None) => {}
        () = drive(freezes, "freeze-period", &ctx, freeze_period::reconcile, None) => {}
        () = drive(waivers, "check-waiver", &ctx, check_waiver::reconcile, None) => {}
        () = drive(custody, "custody-record", &ctx, custody_record::reconcile, None) => {}
    }
}
