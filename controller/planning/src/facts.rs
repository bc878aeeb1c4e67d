//! What is known when a decision is made: objects, reports, observations, permissions. Gathered by `observe`, never here.
//!
//! Unknown is a value. A fact that could not be had is [`Known::Unknown`], and nothing is ever permitted by it.

use crate::calendar::{Calendar, Zone};
use crate::demand::Demand;
use jiff::Timestamp;
use jiff::civil::Date;
use qianyun_crds::{
    Approval, CheckWaiver, CloudPlatform, CustodyRecord, CutoverDecision, CutoverStatus, DecisionKind, Department,
    DiskPhase, DiskStatus, FreezePeriod, HostIntent, HostMigration, InformationSystem, MigrationPlan, Phase,
    PhysicalHost, PlannedSystem, PlannedWave, PolicyProfile, RecordStatus, SchemeHost, SourceCutover, StepStatus,
    SystemMigration,
};
use std::borrow::Borrow;
use std::sync::Arc;

/// A fact that may be missing for two reasons that must not be confused.
#[derive(Clone, Debug, PartialEq)]
pub enum Known<T> {
    /// It was read.
    Is(T),
    /// It was looked for, and is not there.
    Absent,
    /// It could not be asked.
    Unknown,
}

impl<T> Known<T> {
    /// What follows from the value, where there is one.
    pub fn map<U>(self, follow: impl FnOnce(T) -> U) -> Known<U> {
        match self {
            Known::Is(value) => Known::Is(follow(value)),
            Known::Absent => Known::Absent,
            Known::Unknown => Known::Unknown,
        }
    }

    /// The value, if there is one.
    pub fn get(&self) -> Option<&T> {
        match self {
            Known::Is(value) => Some(value),
            Known::Absent | Known::Unknown => None,
        }
    }
}

/// Everything that is known about one system's migration.
#[derive(Clone, Debug, PartialEq)]
pub struct Facts {
    /// The migration.
    pub migration: SystemMigration,
    /// Digest of its scheme as it stands now.
    pub digest: String,
    /// The plan that it refers to.
    pub plan: Known<MigrationPlan>,
    /// Digest of that plan as it stands now; empty where there is no plan.
    pub plan_digest: String,
    /// The policy that the plan is made under.
    pub policy: Known<PolicyProfile>,
    /// The platform to migrate to.
    pub platform: Known<CloudPlatform>,
    /// The system.
    pub system: Known<InformationSystem>,
    /// The department that owns it.
    pub department: Known<Department>,
    /// Decisions that name the migration or its plan.
    pub approvals: Known<Vec<ApprovalFact>>,
    /// Digest of the papers for the acceptance as they stand now.
    pub application_digest: String,
    /// Digest of the acceptance as it stands now.
    pub acceptance_digest: String,
    /// Which days are worked: the notices that the program brings along, and those that operators entered.
    pub calendar: Known<Arc<Calendar>>,
    /// Where days begin and end.
    pub zone: Zone,
    /// The freeze periods of the city.
    pub freezes: Known<Vec<FreezePeriod>>,
    /// What is known about each system that this one cannot do without.
    pub dependencies: Vec<DependencyFact>,
    /// Servers that are enrolled for the system and that no scheme of it names.
    pub left_out: Known<Vec<PhysicalHost>>,
    /// What was recorded of old servers in the department's namespace.
    pub custody: Known<Vec<CustodyRecord>>,
    /// What the schemes of others that have begun take of the platform.
    pub taken: Known<Demand>,
    /// Other systems of the plan that are being cut over now; asked only where an attempt may be about to begin, and the plan
    /// limits how many may be under way.
    pub under_way: Known<Vec<UnderWay>>,
    /// Bytes free for new volumes at the platform.
    pub free_storage_bytes: Known<u64>,
    /// Hosts of the scheme, in its order, then hosts that were begun and are no longer in the scheme.
    pub hosts: Vec<HostFacts>,
    /// Epoch of the controller that decides.
    pub epoch: i64,
}

impl Facts {
    /// What the scheme says about a host.
    pub fn scheme_host(&self, name: &str) -> Option<&SchemeHost> {
        self.migration.spec.scheme.hosts.iter().find(|h| h.host_ref == name)
    }

    /// What is known about a host.
    pub fn host(&self, name: &str) -> Option<&HostFacts> {
        self.hosts.iter().find(|h| h.name == name)
    }

    /// What the plan says about the system; `None` where it does not list it.
    pub fn planned(&self) -> Option<&PlannedSystem> {
        let (namespace, name) = (self.migration.metadata.namespace.as_deref(), &self.migration.spec.system_ref);
        self.plan.get()?.spec.systems.iter().find(|s| Some(s.namespace.as_str()) == namespace && s.name == *name)
    }

    /// The wave that the plan puts the system into.
    pub fn wave(&self) -> Option<&PlannedWave> {
        let wave = self.planned()?.wave.as_deref()?;
        self.plan.get()?.spec.waves.iter().find(|w| w.name == wave)
    }

    /// The day that an instant lies in, where the offices are.
    pub fn day(&self, at: Timestamp) -> Date {
        self.zone.day(at)
    }

    /// Whether the acceptance as it stands was reached before, as the status remembers: who holds a role later does not
    /// take it back.
    pub fn accepted_before(&self) -> bool {
        let accepted = self.migration.status.as_ref().and_then(|s| s.accepted.as_ref());
        accepted.is_some_and(|a| a.digest == self.acceptance_digest)
    }

    /// Digest of the scheme that was carried out, where it was edited since: what people confirm and sign is no longer what
    /// was done.
    pub fn edited_after_commit(&self) -> Option<&str> {
        let committed = self.hosts.iter().filter(|h| h.committed()).filter_map(|h| h.journey.get());
        committed.map(|j| j.spec.scheme_digest.as_str()).find(|digest| *digest != self.digest)
    }

    /// Whether the scheme as it stands now is being carried out: a commit of exactly it was decided, so nobody edits it any more.
    pub fn is_carried_out(&self) -> bool {
        self.hosts.iter().any(|h| h.journey.get().is_some_and(|journey| carries_out(journey, &self.digest)))
    }

    /// Whether a server is under way by exactly this scheme: the offices' approval of it took effect.
    pub fn is_begun(&self) -> bool {
        let mut journeys = self.hosts.iter().filter_map(|h| h.journey.get());
        journeys.any(|j| j.spec.scheme_digest == self.digest && j.spec.intent != HostIntent::Idle)
    }

    /// Whether any host's commit was decided; from then on a scheme is being carried out, of which this may be an edit.
    pub fn any_committed(&self) -> bool {
        self.hosts.iter().any(HostFacts::committed)
    }
}

/// The servers that are enrolled for a system and that no scheme of it names.
pub fn left_out<'a>(
    hosts: impl IntoIterator<Item = &'a PhysicalHost>,
    migrations: &[impl Borrow<SystemMigration>],
    system: &str,
) -> Vec<PhysicalHost> {
    let of_system = || migrations.iter().map(Borrow::borrow).filter(|m| m.spec.system_ref == system);
    let named = |name: &String| of_system().any(|m| m.spec.scheme.hosts.iter().any(|h| h.host_ref == *name));
    let is_left_out = |host: &&PhysicalHost| host.spec.system_ref == system && !host.metadata.name.iter().any(named);
    hosts.into_iter().filter(is_left_out).cloned().collect()
}

/// A decision of a person, and whether that person may decide now.
#[derive(Clone, Debug, PartialEq)]
pub struct ApprovalFact {
    /// The object.
    pub approval: Approval,
    /// The answer of the API server's authoriser, asked for this role.
    pub authorised: Authorisation,
}

/// What the API server's authoriser says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Authorisation {
    /// The person holds the permission.
    Allowed,
    /// The person does not.
    Denied,
    /// It could not be asked.
    Unknown,
}

/// A system that another cannot do without.
#[derive(Clone, Debug, PartialEq)]
pub struct DependencyFact {
    /// Namespace of the `InformationSystem`.
    pub namespace: String,
    /// Name of the `InformationSystem`.
    pub name: String,
    /// Whether it serves from the cloud: `Absent` where there is no such system.
    pub serves: Known<bool>,
}

/// A system that is being cut over, by the name that a plan calls it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct UnderWay {
    /// Namespace of the `InformationSystem`.
    pub namespace: String,
    /// Name of the `InformationSystem`.
    pub name: String,
}

impl UnderWay {
    /// The system of a migration.
    pub fn of(migration: &SystemMigration) -> Self {
        let namespace = migration.metadata.namespace.clone().unwrap_or_default();
        Self { namespace, name: migration.spec.system_ref.clone() }
    }
}

/// Whether a host's journey shows that its system is being cut over: an attempt is under way, or is committed and the system
/// does not serve from the cloud yet.
pub fn is_cut_over(journey: &HostMigration, migration: &SystemMigration) -> bool {
    let phase = migration.status.as_ref().and_then(|s| s.phase);
    match journey.spec.intent {
        HostIntent::Cutover | HostIntent::Fence => true,
        HostIntent::Serve => phase.is_none_or(|phase| phase < Phase::Provisional),
        HostIntent::Idle | HostIntent::Replicate | HostIntent::Resume => false,
    }
}

/// What is known about one host.
#[derive(Clone, Debug, PartialEq)]
pub struct HostFacts {
    /// Name of the `PhysicalHost`.
    pub name: String,
    /// The server.
    pub host: Known<PhysicalHost>,
    /// Its journey, once begun.
    pub journey: Known<HostMigration>,
    /// How many disks of it the scheme names.
    pub disks_in_scheme: usize,
    /// Waivers of its checks.
    pub waivers: Known<Vec<CheckWaiver>>,
    /// Another migration that has this host in hand, or named it before: see [`crate::claim`].
    pub claimed_by: Known<String>,
    /// What the agent on the server last said; `None` if nothing since the controller started.
    pub agent: Option<AgentFacts>,
    /// What the agent on the machine on the cloud last said.
    pub arrival: Option<ArrivalFacts>,
    /// What the hosting backend says.
    pub hosting: HostingFacts,
    /// Whether the source is silent; asked only while it matters.
    pub silence: Silence,
    /// Probes of the target, newest result each; tried only while it matters.
    pub probes: Vec<ProbeFact>,
}

impl HostFacts {
    /// The journey's cutover status, if it is about the present attempt.
    pub fn cutover(&self) -> Option<&CutoverStatus> {
        let journey = self.journey.get()?;
        let cutover = journey.status.as_ref()?.cutover.as_ref()?;
        (cutover.attempt == journey.spec.attempt && cutover.attempt > 0).then_some(cutover)
    }

    /// The decision on the present attempt.
    pub fn decision(&self) -> Option<&CutoverDecision> {
        decision(self.journey.get()?)
    }

    /// Whether the commit of this host was decided.
    pub fn committed(&self) -> bool {
        self.journey.get().is_some_and(is_committed)
    }

    /// The highest attempt ever begun, in this journey or, as the server remembers, in an earlier one: it votes on none
    /// twice.
    pub fn last_attempt(&self) -> i32 {
        let here = self.journey.get().map_or(0, |journey| journey.spec.attempt);
        self.agent.as_ref().map_or(here, |agent| agent.last_attempt.max(here))
    }

    /// The live vote on the present attempt.
    pub fn vote(&self) -> Option<&VoteFacts> {
        let attempt = self.journey.get()?.spec.attempt;
        self.agent.as_ref()?.vote.as_ref().filter(|v| v.attempt == attempt && attempt > 0)
    }

    /// Whether the present attempt has its services down, and what has to be done before the freeze behind it.
    pub fn stopped(&self) -> bool {
        self.committed() || self.vote().is_some_and(|v| v.stopped)
    }

    /// When the machine on the cloud was launched.
    pub fn launched_at(&self) -> Option<Timestamp> {
        Some(self.journey.get()?.status.as_ref()?.target.as_ref()?.launched_at.as_ref()?.0)
    }

    /// Whether the agent on the machine on the cloud says that it is adapted and every unit asked for is active; on record,
    /// or at this moment.
    pub fn adapted(&self) -> bool {
        let status = self.journey.get().and_then(|j| j.status.as_ref());
        let recorded = status.and_then(|s| s.target.as_ref()).is_some_and(|t| t.adapted_at.is_some());
        recorded || self.arrival.as_ref().is_some_and(|a| a.adapted && a.units_down.is_empty())
    }

    /// Replication over all disks, as the agent says; `None` where it says nothing.
    pub fn replication(&self) -> Option<DiskPhase> {
        self.agent.as_ref()?.disks.iter().map(|d| d.phase).min()
    }
}

/// The decision on the present attempt of a journey.
fn decision(journey: &HostMigration) -> Option<&CutoverDecision> {
    let decision = journey.status.as_ref()?.cutover.as_ref()?.decision.as_ref()?;
    (decision.attempt == journey.spec.attempt).then_some(decision)
}

/// Whether a journey's commit was decided.
pub fn is_committed(journey: &HostMigration) -> bool {
    decision(journey).is_some_and(|d| d.kind == DecisionKind::Commit)
}

/// Whether a journey's commit was decided, of the scheme with this digest.
pub fn carries_out(journey: &HostMigration, digest: &str) -> bool {
    is_committed(journey) && journey.spec.scheme_digest == digest
}

/// The newest report of the agent on a server.
#[derive(Clone, Debug, PartialEq)]
pub struct AgentFacts {
    /// Milliseconds since it was received.
    pub age_ms: u64,
    /// What the admin's own file forbids.
    pub local_refusal: Option<String>,
    /// Steps.
    pub steps: Vec<StepStatus>,
    /// Replication of each disk.
    pub disks: Vec<DiskStatus>,
    /// Highest attempt ever begun on the server, also in earlier journeys: it begins none twice.
    pub last_attempt: i32,
    /// The cutover attempt at hand.
    pub vote: Option<VoteFacts>,
}

/// Where the source stands in an attempt.
#[derive(Clone, Debug, PartialEq)]
pub struct VoteFacts {
    /// Which attempt.
    pub attempt: i32,
    /// Where it stands.
    pub state: SourceCutover,
    /// Whether the services are down, and the freeze could begin or has begun.
    pub stopped: bool,
    /// How long the filesystems were frozen, milliseconds.
    pub frozen_ms: u64,
    /// Milliseconds until the thaw when the report was received.
    pub freeze_remaining_ms: u64,
    /// The signed record, and what its verification found.
    pub record: Option<RecordFacts>,
    /// Why the attempt was given up.
    pub message: String,
}

/// A record and what its verification found.
#[derive(Clone, Debug, PartialEq)]
pub struct RecordFacts {
    /// The record as it would be kept.
    pub record: RecordStatus,
    /// The result.
    pub verification: Verification,
}

/// What the verification of a record found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verification {
    /// Both signatures hold, the roots are equal, and it is about this host, scheme, session and attempt.
    Verified,
    /// It does not hold; what differs, one English sentence.
    Refused(String),
    /// It could not be verified now.
    Unknown,
}

/// How the machine on the cloud is, in its own words.
#[derive(Clone, Debug, PartialEq)]
pub struct ArrivalFacts {
    /// Steps.
    pub steps: Vec<StepStatus>,
    /// Whether adaptation is finished.
    pub adapted: bool,
    /// Units asked for that are not active.
    pub units_down: Vec<String>,
    /// What is wrong.
    pub message: String,
}

/// What the hosting backend says about one host.
#[derive(Clone, Debug, PartialEq)]
pub struct HostingFacts {
    /// Whether all volumes of the scheme are there.
    pub volumes: Known<()>,
    /// The receiver.
    pub receiver: Receiver,
    /// The machine.
    pub machine: Machine,
    /// Why the site last refused or failed to do what was asked for this host; empty if it did it.
    pub trouble: String,
}

/// A receiver.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Receiver {
    /// It listens.
    Ready {
        /// `address:port`.
        address: String,
        /// Name in its certificate.
        name: String,
    },
    /// It was started and does not listen yet.
    Starting,
    /// It cannot be started; why.
    Failed(String),
    /// There is none.
    Absent,
    /// It could not be asked.
    Unknown,
}

/// A machine on the cloud.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Machine {
    /// It runs.
    Running,
    /// Made, not running.
    Stopped,
    /// Not made.
    Absent,
    /// It could not be asked.
    Unknown,
}

/// Whether the source still answers its users or the gateway.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Silence {
    /// Nothing answers since then.
    Since(Timestamp),
    /// Something answers: what.
    Answers(String),
    /// It was not asked, or could not be.
    Unknown,
}

/// A probe's newest result.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProbeFact {
    /// Name in the scheme.
    pub name: String,
    /// Whether it passed.
    pub passed: bool,
    /// When it was tried.
    pub at: Timestamp,
    /// What was found.
    pub message: String,
}
