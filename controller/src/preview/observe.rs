//! Gathers what a preview shows, with the rights of whoever asks. What only the controller can ask (whether a person holds a
//! role, what an agent says at this moment, how the site is) is taken from what it last wrote, and is unknown where it wrote
//! nothing.

use super::{Asked, PreviewError};
use crate::calendar;
use crate::reconcile::{concerns, host_names, journey_of, recorded_probes, serves};
use crate::world::{Kind, asked, listed};
use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube::core::{ClusterResourceScope, NamespaceResourceScope};
use kube::{Api, Client, Resource, ResourceExt};
use qianyun_crds::{
    Approval, CheckWaiver, CustodyRecord, FreezePeriod, HostIntent, HostMigration, InformationSystem, MigrationPlan,
    PhysicalHost, SystemMigration, TargetState, WorkCalendar,
};
use qianyun_planning::claim::claimed_by;
use qianyun_planning::facts::{
    AgentFacts, ApprovalFact, Authorisation, DependencyFact, Facts, HostFacts, HostingFacts, Known, Machine, Receiver,
    Silence, UnderWay, is_cut_over, left_out,
};
use std::sync::Arc;

/// Reads objects as the user may.
struct Reader {
    client: Client,
}

impl Reader {
    async fn city<K: Kind + Resource<Scope = ClusterResourceScope>>(&self, name: &str) -> Known<K> {
        asked(Api::<K>::all(self.client.clone()).get_opt(name).await, name)
    }

    async fn local<K: Kind + Resource<Scope = NamespaceResourceScope>>(&self, namespace: &str, name: &str) -> Known<K> {
        asked(Api::<K>::namespaced(self.client.clone(), namespace).get_opt(name).await, name)
    }

    async fn all_in<K: Kind + Resource<Scope = NamespaceResourceScope>>(&self, namespace: &str) -> Known<Vec<K>> {
        listed(Api::<K>::namespaced(self.client.clone(), namespace)).await
    }

    async fn everywhere<K: Kind>(&self) -> Known<Vec<K>> {
        listed(Api::<K>::all(self.client.clone())).await
    }
}

/// The facts as far as they can be read.
pub(super) async fn facts(client: Client, wanted: &Asked, now: Timestamp) -> Result<Facts, PreviewError> {
    let Asked { namespace, name } = wanted;
    let read = Reader { client };
    let called = || format!("{namespace}/{name}");
    let found = Api::<SystemMigration>::namespaced(read.client.clone(), namespace).get_opt(name).await;
    let migration = found
        .map_err(|source| PreviewError::Unreadable { migration: called(), source: Box::new(source) })?
        .ok_or_else(|| PreviewError::Missing { migration: called() })?;
    let (spec, uid) = (&migration.spec, migration.uid().unwrap_or_default());
    let digest_error = |what| move |source| PreviewError::Digest { what, source };
    let digest = qianyun_crds::scheme_digest(&uid, spec).map_err(digest_error("the scheme"))?;
    let application_digest =
        qianyun_crds::application_digest(&uid, &digest, spec).map_err(digest_error("the application"))?;
    let acceptance_digest =
        qianyun_crds::acceptance_digest(&uid, &digest, spec).map_err(digest_error("the acceptance"))?;
    let plan = read.city::<MigrationPlan>(&spec.plan_ref).await;
    let plan_digest = match plan.get() {
        Some(plan) => {
            qianyun_crds::plan_digest(&plan.uid().unwrap_or_default(), &plan.spec).map_err(digest_error("the plan"))?
        }
        None => String::new(),
    };
    let policy = match &plan {
        Known::Is(plan) => read.city(&plan.spec.policy_ref).await,
        Known::Absent => Known::Absent,
        Known::Unknown => Known::Unknown,
    };
    let system = read.local::<InformationSystem>(namespace, &spec.system_ref).await;
    let department = match &system {
        Known::Is(system) => read.city(&system.spec.department_ref).await,
        Known::Absent => Known::Absent,
        Known::Unknown => Known::Unknown,
    };
    Ok(Facts {
        digest,
        plan_digest,
        platform: read.city(&spec.platform_ref).await,
        department,
        approvals: approvals(&read, &migration).await,
        application_digest,
        acceptance_digest,
        calendar: read.everywhere::<WorkCalendar>().await.map(|entered| Arc::new(calendar::of(&entered))),
        zone: calendar::zone(policy.get()),
        freezes: read.everywhere::<FreezePeriod>().await,
        dependencies: dependencies(&read, system.get()).await,
        left_out: servers_left_out(&read, &migration).await,
        custody: read.all_in::<CustodyRecord>(namespace).await,
        taken: Known::Unknown,
        under_way: under_way(&read, &migration).await,
        free_storage_bytes: Known::Unknown,
        hosts: hosts(&read, &migration, now).await,
        epoch: 0,
        plan,
        policy,
        system,
        migration,
    })
}

/// Servers that are enrolled for the system and that no scheme of it names.
async fn servers_left_out(read: &Reader, migration: &SystemMigration) -> Known<Vec<PhysicalHost>> {
    let namespace = migration.namespace().unwrap_or_default();
    let hosts = read.all_in::<PhysicalHost>(&namespace).await;
    let migrations = read.all_in::<SystemMigration>(&namespace).await;
    match (&hosts, &migrations) {
        (Known::Is(hosts), Known::Is(migrations)) => Known::Is(left_out(hosts, migrations, &migration.spec.system_ref)),
        (Known::Absent | Known::Unknown, _) | (_, Known::Absent | Known::Unknown) => Known::Unknown,
    }
}

/// Other systems of the plan that are being cut over. Somebody who may not read those of other departments does not know.
async fn under_way(read: &Reader, migration: &SystemMigration) -> Known<Vec<UnderWay>> {
    let (journeys, migrations) = (read.everywhere::<HostMigration>().await, read.everywhere::<SystemMigration>().await);
    let (Known::Is(journeys), Known::Is(migrations)) = (journeys, migrations) else { return Known::Unknown };
    let is_other = |m: &SystemMigration| m.spec.plan_ref == migration.spec.plan_ref && m.uid() != migration.uid();
    let is_of = |j: &HostMigration, m: &SystemMigration| {
        j.namespace() == m.namespace() && j.spec.migration_ref == m.name_any() && is_cut_over(j, m)
    };
    let others = migrations.iter().filter(|m| is_other(m) && journeys.iter().any(|j| is_of(j, m)));
    Known::Is(others.map(UnderWay::of).collect())
}

/// Decisions on the migration and on its plan.
async fn approvals(read: &Reader, migration: &SystemMigration) -> Known<Vec<ApprovalFact>> {
    let concerned = |approval: &Approval| concerns(approval, migration);
    let fact = |approval: Approval| ApprovalFact { authorised: authorised(&approval), approval };
    read.everywhere::<Approval>().await.map(|list| list.into_iter().filter(concerned).map(fact).collect())
}

/// Whether the person held the role when the controller last asked. Somebody who may not ask for others has to take its word.
fn authorised(approval: &Approval) -> Authorisation {
    let conditions = approval.status.as_ref().map(|s| s.conditions.as_slice()).unwrap_or_default();
    match condition(conditions, "Effective").map(|c| c.reason.as_str()) {
        Some("Accepted" | "SamePersonTwice" | "Superseded") => Authorisation::Allowed,
        Some("NotAuthorized") => Authorisation::Denied,
        Some(_) | None => Authorisation::Unknown,
    }
}

fn condition<'a>(conditions: &'a [Condition], kind: &str) -> Option<&'a Condition> {
    conditions.iter().find(|c| c.type_ == kind)
}

async fn dependencies(read: &Reader, system: Option<&InformationSystem>) -> Vec<DependencyFact> {
    let mut found = Vec::new();
    for wanted in system.map(|s| s.spec.dependencies.as_slice()).unwrap_or_default() {
        let (namespace, name) = (&wanted.namespace, &wanted.name);
        let serves = match read.local::<InformationSystem>(namespace, name).await {
            Known::Is(_) => read
                .all_in::<SystemMigration>(namespace)
                .await
                .map(|list| list.iter().any(|m| m.spec.system_ref == *name && serves(m))),
            Known::Absent => Known::Absent,
            Known::Unknown => Known::Unknown,
        };
        found.push(DependencyFact { namespace: namespace.clone(), name: name.clone(), serves });
    }
    found
}

/// The hosts that the migration has to do with.
async fn hosts(read: &Reader, migration: &SystemMigration, now: Timestamp) -> Vec<HostFacts> {
    let namespace = migration.namespace().unwrap_or_default();
    let journeys = read.all_in::<HostMigration>(&namespace).await;
    let migrations = read.all_in::<SystemMigration>(&namespace).await;
    let waivers = read.all_in::<CheckWaiver>(&namespace).await;
    let mut hosts = Vec::new();
    for name in host_names(&journeys, migration) {
        let host = read.local::<PhysicalHost>(&namespace, &name).await;
        let journey = journey_of(&journeys, migration, &name);
        let in_scheme = migration.spec.scheme.hosts.iter().find(|h| h.host_ref == name);
        let of_host = |list: Vec<CheckWaiver>| list.into_iter().filter(|w| w.spec.host_ref == name).collect();
        hosts.push(HostFacts {
            disks_in_scheme: in_scheme.map_or(0, |h| h.disks.len()),
            waivers: waivers.clone().map(of_host),
            claimed_by: claimed_by(&journeys, &migrations, migration, &name),
            agent: agent(host.get(), journey.get(), now),
            arrival: None,
            hosting: hosting(journey.get()),
            silence: Silence::Unknown,
            probes: journey.get().map(recorded_probes).unwrap_or_default(),
            host,
            journey,
            name,
        });
    }
    hosts
}

/// What the agent reported, as the journey's status has it. How old it is only the controller knows to the second: while it
/// says that the agent is connected, the report is taken for fresh. A vote is for the controller alone to judge.
fn agent(host: Option<&PhysicalHost>, journey: Option<&HostMigration>, now: Timestamp) -> Option<AgentFacts> {
    let status = host?.status.as_ref()?;
    let connected = condition(&status.conditions, "AgentConnected").is_some_and(|c| c.status == "True");
    let silent_ms = now.as_millisecond() - status.last_seen.as_ref()?.0.as_millisecond();
    let said = journey?.status.as_ref();
    Some(AgentFacts {
        age_ms: if connected { 0 } else { u64::try_from(silent_ms).unwrap_or(0) },
        local_refusal: None,
        steps: said.map(|s| s.steps.clone()).unwrap_or_default(),
        disks: said.map(|s| s.disks.clone()).unwrap_or_default(),
        last_attempt: journey?.spec.attempt,
        vote: None,
    })
}

fn hosting(journey: Option<&HostMigration>) -> HostingFacts {
    let nothing = || HostingFacts {
        volumes: Known::Absent,
        receiver: Receiver::Absent,
        machine: Machine::Absent,
        trouble: String::new(),
    };
    let Some(journey) = journey else { return nothing() };
    let status = journey.status.as_ref();
    let receiver = status.and_then(|s| s.receiver.as_ref()).filter(|r| r.session == journey.spec.session);
    let machine = status.and_then(|s| s.target.as_ref()).map(|t| t.state);
    HostingFacts {
        volumes: if journey.spec.intent == HostIntent::Idle { Known::Unknown } else { Known::Is(()) },
        receiver: receiver
            .map_or(Receiver::Unknown, |r| Receiver::Ready { address: r.address.clone(), name: r.name.clone() }),
        machine: match machine {
            Some(TargetState::Running) => Machine::Running,
            Some(TargetState::Stopped) => Machine::Stopped,
            Some(TargetState::Absent) => Machine::Absent,
            Some(TargetState::Unknown) | None => Machine::Unknown,
        },
        trouble: String::new(),
    }
}
