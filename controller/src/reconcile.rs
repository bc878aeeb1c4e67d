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
mod events;
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
use crate::run::Acting;
use crate::watch::Watch;
use crate::world::Stores;
use driver::{chain, drive};
pub(crate) use host_migration::observe::recorded_probes;
use kube::Client;
use memory::Memory;
use qianyun_crds::{HostEnrollment, HostMigration};
use std::sync::Arc;
pub(crate) use system_migration::observe::{concerns, host_names, journey_of, serves};
use tokio::task::JoinSet;
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
    /// Held while an attempt is planned a second time and written, so that of two systems the second counts the first.
    beginning: tokio::sync::Mutex<()>,
    /// What is recorded of each system.
    audit: Audit,
    /// Everything as the watches last saw it.
    stores: Stores,
    /// Dropped with the last task that has this context.
    _acting: Acting,
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
    /// Held until no task acts any more.
    pub(crate) acting: Acting,
}

/// Runs all reconcilers. Returns only when one of them ended or panicked, which none does by itself: end the process then.
///
/// Long because each of the fourteen kinds has its line in each of three lists.
pub(crate) async fn run(parts: Parts) {
    let watching = &parts.client.clone();
    let (policies, platforms, departments) = (Watch::new(), Watch::new(), Watch::new());
    let (mut systems, mut plans, hosts) = (Watch::new(), Watch::new(), Watch::new());
    let (mut approvals, mut migrations, mut journeys) = (Watch::new(), Watch::new(), Watch::new());
    let (calendars, freezes, waivers, mut custody) = (Watch::new(), Watch::new(), Watch::new(), Watch::new());
    let enrollments = Watch::<HostEnrollment>::new();
    let stores = Stores {
        policies: policies.objects(),
        platforms: platforms.objects(),
        departments: departments.objects(),
        systems: systems.objects(),
        plans: plans.objects(),
        hosts: hosts.objects(),
        approvals: approvals.objects(),
        migrations: migrations.objects(),
        journeys: journeys.objects(),
        calendars: calendars.objects(),
        freezes: freezes.objects(),
        waivers: waivers.objects(),
        custody: custody.objects(),
        ready: Arc::default(),
    };
    let of_system = systems.wakes(migrations_of_system(&stores));
    let of_device = (custody.wakes(host_of_device), custody.wakes(migrations_of_device(&stores)));
    let of_decision = (approvals.wakes(subject_migration), approvals.wakes(subject_plan));
    let of_journey = journeys.wakes(migration_of);
    let of_migration =
        (migrations.wakes(journeys_of_migration(&stores)), migrations.wakes(decisions_on_edited(&stores)));
    let of_plan = plans.wakes(decisions_on_edited(&stores));
    let hosts = hosts.controller(watching).reconcile_on(host_wakes(&parts.agents)).reconcile_on(of_device.0);
    let journeys =
        journeys.controller(watching).reconcile_on(journey_wakes(&parts.agents, &stores)).reconcile_on(of_migration.0);
    let migrations = migrations
        .controller(watching)
        .reconcile_on(of_decision.0)
        .reconcile_on(of_journey)
        .reconcile_on(of_system)
        .reconcile_on(of_device.1);
    let plans = plans.controller(watching).reconcile_on(of_decision.1);
    let approvals = approvals.controller(watching).reconcile_on(of_migration.1).reconcile_on(of_plan);
    let Parts { client, agents, hosting, authority, epoch, server_url, clock, acting } = parts;
    let memory = Memory::default();
    let audit = Audit::new(client.clone(), i64::try_from(epoch).unwrap_or(i64::MAX));
    let ctx = Arc::new(Context {
        client,
        agents,
        hosting,
        authority,
        epoch,
        server_url,
        clock,
        memory,
        beginning: tokio::sync::Mutex::default(),
        audit,
        stores,
        _acting: acting,
    });
    let mut running = JoinSet::new();
    running.spawn(Stores::watch_readiness(Arc::clone(&ctx.stores.ready), ctx.stores.readiness()));
    // A task each: kinds that have much to look at leave the others their turn, and the machine's processors are used.
    running.spawn(drive(policies.controller(watching), "policy-profile", &ctx, policy_profile::reconcile, None));
    running.spawn(drive(platforms.controller(watching), "cloud-platform", &ctx, cloud_platform::reconcile, None));
    running.spawn(drive(departments.controller(watching), "department", &ctx, department::reconcile, None));
    running.spawn(drive(systems.controller(watching), "information-system", &ctx, information_system::reconcile, None));
    running.spawn(drive(plans, "migration-plan", &ctx, migration_plan::reconcile, None));
    running.spawn(drive(enrollments.controller(watching), "host-enrollment", &ctx, host_enrollment::reconcile, None));
    running.spawn(drive(hosts, "physical-host", &ctx, physical_host::reconcile, None));
    running.spawn(drive(approvals, "approval", &ctx, approval::reconcile, None));
    running.spawn(drive(migrations, "system-migration", &ctx, system_migration::reconcile, None));
    let is_urgent = Some(host_migration::is_urgent as fn(&HostMigration) -> bool);
    running.spawn(drive(journeys, "host-migration", &ctx, host_migration::reconcile, is_urgent));
    running.spawn(drive(calendars.controller(watching), "work-calendar", &ctx, work_calendar::reconcile, None));
    running.spawn(drive(freezes.controller(watching), "freeze-period", &ctx, freeze_period::reconcile, None));
    running.spawn(drive(waivers.controller(watching), "check-waiver", &ctx, check_waiver::reconcile, None));
    running.spawn(drive(custody.controller(watching), "custody-record", &ctx, custody_record::reconcile, None));
    if let Some(Err(panicked)) = running.join_next().await {
        tracing::error!(error = %chain(&panicked), "a reconciler panicked");
    }
}
