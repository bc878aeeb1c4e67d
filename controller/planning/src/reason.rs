//! Why a gate is not open, as data. The words for it are in `report/`.

use crate::calendar::{Answer, Standing, WindowReason};
use crate::gate::definition;
use crate::report::Words;
use jiff::Timestamp;
use qianyun_crds::{DiskPhase, GateName, Party, PartyRole};

/// Why a gate is closed, or cannot be judged.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reason {
    /// Something could not be asked.
    NotKnown { what: Asked },
    /// An object that is referred to is not there.
    NotFound { what: Asked, name: String },
    /// The plan does not list the system.
    SystemNotOnPlan { plan: String },
    /// Offices have still to issue the plan.
    PlanNotIssued { have: usize, need: usize, missing: Words, party: Party },
    /// An office returned the plan.
    PlanReturned { by: String, opinion: String },
    /// The declaration of the system is not complete.
    SystemNotDeclared,
    /// The declaration of the system is of a day that is still to come.
    DeclarationNotYet { declared_on: String },
    /// The host has no declaration.
    HostNotDeclared { host: String },
    /// The host belongs to another system.
    HostOfAnotherSystem { host: String, system: String },
    /// The host has never sent an inventory.
    HostNeverReported { host: String },
    /// The host's inventory is too old.
    InventoryTooOld { host: String, days: i64, limit_days: i64 },
    /// The server is enrolled for the system, and no scheme of it names it.
    HostLeftOut { host: String },
    /// A check of the host stands in the way.
    CheckBlocks { host: String, check: String, observed: String, required: String, party: Party },
    /// A check of the host has no answer.
    CheckNotKnown { host: String, check: String, party: Party },
    /// The scheme names no host.
    NoHosts,
    /// The scheme names a host, volume or probe twice.
    NamedTwice { what: &'static str, name: String },
    /// Another migration has the host in hand, or named it before.
    HostTaken { host: String, migration: String },
    /// The scheme names a disk that the host does not have.
    DiskNotFound { host: String, volume: String, serial: String },
    /// More than one disk of the host is what the scheme names.
    DiskNotUnique { host: String, volume: String, serial: String },
    /// The disk has another size than the scheme says.
    DiskSizeDiffers { host: String, volume: String, expected: i64, found: i64 },
    /// The running system lies on a disk that the scheme leaves out.
    DiskLeftOut { host: String, disk: String },
    /// The volume is smaller than the disk.
    VolumeTooSmall { host: String, volume: String, volume_bytes: i64, disk_bytes: i64 },
    /// The scheme names a network that the platform does not have.
    NetworkNotFound { host: String, network: String },
    /// The scheme names a NIC that the host does not have.
    NicNotFound { host: String, nic: String },
    /// The machine on the cloud has no slot for so many disks and NICs.
    TooManyDevices { host: String, devices: usize, limit: usize },
    /// Servers of the scheme depend on each other in a circle.
    DependencyCircle { hosts: Vec<String> },
    /// The scheme names a hook that the host's admin does not allow.
    HookNotAllowed { host: String, hook: String },
    /// The platform cannot hold what the scheme asks for.
    PlatformTooSmall { what: &'static str, needed: i64, available: i64 },
    /// The window ends before it begins.
    WindowReversed,
    /// The scheme declares no probe, so nothing could prove that the system serves.
    NoProbes,
    /// The system has no level or filing number.
    SystemNotGraded,
    /// The platform's level is too low.
    PlatformLevelTooLow { level: i32, needed: i32 },
    /// The platform's assessment is out of date.
    AssessmentOverdue { due: String },
    /// The scheme has no emergency plan.
    EmergencyPlanMissing,
    /// The scheme does not say how a server that is off is switched on again.
    NoWayToSource,
    /// The catalogue of the system has no draft with entries.
    CatalogueNotPrepared,
    /// The catalogue of the system is not registered.
    CatalogueNotRegistered,
    /// A project needs a party of this role.
    PartyMissing { role: PartyRole },
    /// The certificate of a party is not valid on the day of the cutover.
    CertificateExpired { party: String, certificate: String, until: String, needed_on: String },
    /// The scheme does not say whether it contains a project.
    ProjectNotSaid,
    /// The project was not filed for its evaluation.
    AssessmentNotFiled,
    /// The evaluation has no report yet.
    AssessmentUnderWay { standing: Option<Answer<Standing>> },
    /// The evaluation did not pass.
    AssessmentFailed,
    /// The city government has still to approve the project.
    CityApprovalMissing,
    /// The department has still to confirm this digest.
    NotConfirmed { party: Party },
    /// Offices have still to approve this digest.
    ApprovalsMissing { have: usize, need: usize, missing: Words, party: Party },
    /// All offices approved this digest, and papers that an approval needs are not complete: the gates that do not pass, at least
    /// one of them closed.
    NotInEffect { offices: usize, waits_for: Vec<Obstacle> },
    /// Someone returned this digest.
    Returned { by: String, opinion: String },
    /// Somebody returned it while it is carried out.
    ReturnedInExecution { by: String, opinion: String, party: Party },
    /// The scheme was edited after its approvals.
    SchemeEdited { host: String },
    /// The policy names fewer than two offices to approve a scheme.
    TooFewApprovers { found: usize },
    /// The host is not being replicated.
    NotReplicating { host: String },
    /// The least advanced disk of the host is not in sync.
    NotInSync { host: String, phase: DiskPhase },
    /// The agent has not reported for a while.
    AgentSilent { host: String, seconds: i64 },
    /// A system that this one cannot do without does not serve from the cloud yet.
    DependencyNotMoved { system: String },
    /// There is no record of a rehearsal.
    NotRehearsed,
    /// The rehearsal was of another digest.
    RehearsalOfAnotherDigest { digest: String },
    /// The rehearsal proves nothing.
    RehearsalFailed { what: RehearsalFault },
    /// The rehearsal says nothing about a host of the scheme.
    HostNotRehearsed { host: String },
    /// What decides how the host boots has changed since the rehearsal.
    BootChanged { host: String },
    /// The platform has no network for rehearsals, so none can have been apart.
    NoRehearsalNetwork { platform: String },
    /// The rehearsal is too old.
    RehearsalTooOld { days: i64, limit_days: i64 },
    /// The interruption to be expected is longer than the department accepts.
    DowntimeOverBudget { forecast_minutes: i64, budget_minutes: i64 },
    /// Nobody said that the security products are in use.
    SecurityNotInUse,
    /// It was said of another digest.
    SecurityOfAnotherDigest { digest: String },
    /// A freeze period holds.
    Frozen { freeze: String, until: Timestamp },
    /// A freeze period cannot be read.
    FreezeUnreadable { freeze: String },
    /// No attempt can be carried out in the window, or in what is left of it.
    WindowUnfit { reason: WindowReason },
    /// The window does not lie in that of the wave which the plan puts the system into.
    WindowOutsideWave { wave: String },
    /// The wave that the plan puts the system into lets no attempt begin.
    HeldByWave { wave: String, reason: WindowReason },
    /// As many systems of the plan as it allows are being cut over.
    PlanIsFull { busy: u32, at_once: u32 },
    /// The window has not begun.
    WindowNotYet { start: Timestamp },
    /// The window is over.
    WindowOver { end: Timestamp },
    /// There is no record of this attempt yet.
    NoRecord { host: String },
    /// The record does not hold.
    RecordRefused { host: String, found: String },
    /// No commit was decided for the host.
    NotCommitted { host: String },
    /// The source has not acknowledged the fence.
    FenceNotAcknowledged { host: String },
    /// Something of the source still answers.
    SourceAnswers { host: String, what: String },
    /// The source has not been silent long enough.
    SilentTooShort { host: String, seconds: i64, needed_seconds: i64 },
    /// The machine on the cloud does not run.
    TargetNotRunning { host: String },
    /// The agent on the machine on the cloud has not finished.
    TargetNotAdapted { host: String, message: String },
    /// A probe has not passed.
    ProbeNotPassed { probe: String, found: String },
    /// A probe has not passed in the time that the scheme gives it.
    ProbeOverdue { probe: String, found: String, deadline_seconds: i64 },
    /// The operator has still to confirm the cutover.
    CutoverNotConfirmed,
    /// The confirmation names another digest.
    ConfirmationOfAnotherDigest { digest: String },
    /// The scheme was edited after it was carried out.
    EditedAfterCommit { carried_out: String },
    /// The trial run has not begun.
    TrialNotBegun,
    /// The trial run is not over.
    TrialNotOver { earliest_end: String, opens_at: Option<Timestamp> },
    /// A report for the acceptance is missing.
    ReportMissing { kind: ReportKind },
    /// A report for the acceptance says that it failed.
    ReportFailed { kind: ReportKind },
    /// A report is of a day that is still to come.
    ReportNotIssuedYet { kind: ReportKind, issued_on: String },
    /// A report is of a day before the trial run, so it is not about the system that serves from the cloud.
    ReportBeforeTrial { kind: ReportKind, issued_on: String, began_on: String },
    /// Roles have still to sign.
    SignaturesMissing { have: usize, need: usize, missing: Words, party: Party },
    /// Somebody returned the papers.
    AcceptanceReturned { by: String, opinion: String },
    /// The meeting was not held.
    MeetingNotHeld,
    /// The meeting was held before the trial run was over.
    MeetingTooEarly { held_on: String, earliest_end: String },
    /// The meeting was held before its papers were approved.
    MeetingBeforeApproval { held_on: String, approved_on: String },
    /// The minutes say nothing about a unit that has to be there.
    ParticipantMissing { role: PartyRole },
    /// The meeting did not accept the system.
    MeetingFailed,
    /// An incident is not over.
    IncidentOpen { number: i32 },
    /// No record that holds says where an old server went.
    DeviceNotSettled { host: String },
}

/// A report that the evaluation of a project or an acceptance needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ReportKind {
    /// 论证评估报告.
    Evaluation,
    /// 性能测试报告.
    PerformanceTest,
    /// 安全测评报告.
    SecurityAssessment,
}

/// Why a rehearsal proves nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum RehearsalFault {
    /// It did not pass.
    DidNotPass,
    /// The services were not stopped in their deadlines.
    ServicesNotStopped,
    /// The way back was not rehearsed.
    RollbackNotRehearsed,
    /// It reached another network.
    LeakFound,
}

/// What was asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Asked {
    /// A `PolicyProfile`.
    Policy,
    /// A `MigrationPlan`.
    Plan,
    /// A `CloudPlatform`.
    Platform,
    /// An `InformationSystem`.
    System,
    /// A `PhysicalHost`.
    Host,
    /// A `HostMigration`.
    Journey,
    /// The list of `Approval`s.
    Approvals,
    /// A person's permission.
    Permission,
    /// The list of `FreezePeriod`s, or one of them.
    Freezes,
    /// The list of `CheckWaiver`s.
    Waivers,
    /// The servers of the system that no scheme names.
    LeftOut,
    /// The list of `CustodyRecord`s.
    Custody,
    /// Which other systems are being cut over.
    UnderWay,
    /// The room left at the platform.
    FreeStorage,
    /// Whether the source is silent.
    SourceSilence,
    /// The state of the machine on the cloud.
    Machine,
    /// The verification of a record.
    RecordCheck,
}

impl Reason {
    /// Who can end it, where that is not the one whom the gate names.
    pub fn party(&self) -> Option<Party> {
        if let Reason::PlanNotIssued { party, .. }
        | Reason::CheckBlocks { party, .. }
        | Reason::CheckNotKnown { party, .. }
        | Reason::NotConfirmed { party }
        | Reason::SignaturesMissing { party, .. }
        | Reason::ReturnedInExecution { party, .. }
        | Reason::ApprovalsMissing { party, .. } = self
        {
            return Some(*party);
        }
        if let Reason::NotInEffect { waits_for, .. } = self {
            return waits_for.iter().find(|obstacle| obstacle.known).map(Obstacle::party);
        }
        let is_one = |reasons: bool, party| reasons.then_some(party);
        is_one(self.ends_by_itself(), Party::Nobody)
            .or_else(|| is_one(self.is_of_the_server(), Party::Department))
            .or_else(|| is_one(self.asks_for_an_edit(), Party::Operator))
            .or_else(|| is_one(self.is_of_the_evaluation(), Party::SmartCityOffice))
    }

    /// Roles have still to decide, and which is known from the decisions.
    pub(crate) fn is_of_decisions(&self) -> bool {
        matches!(
            self,
            Reason::PlanNotIssued { .. }
                | Reason::NotConfirmed { .. }
                | Reason::ApprovalsMissing { .. }
                | Reason::SignaturesMissing { .. }
        )
    }

    /// Nobody needs to act: the machines are at work, something is asked again, or time has to pass.
    fn ends_by_itself(&self) -> bool {
        matches!(
            self,
            Reason::NotKnown { .. }
                | Reason::NotReplicating { .. }
                | Reason::NotInSync { .. }
                | Reason::WindowNotYet { .. }
                | Reason::Frozen { .. }
                | Reason::HeldByWave { reason: WindowReason::NotYet { .. } | WindowReason::Full { .. }, .. }
                | Reason::PlanIsFull { .. }
                | Reason::TrialNotOver { .. }
                | Reason::SilentTooShort { .. }
                | Reason::NoRecord { .. }
                | Reason::NotCommitted { .. }
                | Reason::TargetNotRunning { .. }
        )
    }

    /// The admin of the server has to look at it.
    fn is_of_the_server(&self) -> bool {
        matches!(
            self,
            Reason::HostNotDeclared { .. }
                | Reason::HostNeverReported { .. }
                | Reason::HookNotAllowed { .. }
                | Reason::AgentSilent { .. }
        )
    }

    /// The papers have to be edited, or the policy, or what they refer to has to be made: all of it is the operator's to write.
    pub(crate) fn asks_for_an_edit(&self) -> bool {
        matches!(
            self,
            Reason::Returned { .. }
                | Reason::PlanReturned { .. }
                | Reason::SystemNotOnPlan { .. }
                | Reason::NotFound { what: Asked::Policy | Asked::Plan | Asked::Platform | Asked::Freezes, .. }
                | Reason::SchemeEdited { .. }
                | Reason::HostLeftOut { .. }
                | Reason::EditedAfterCommit { .. }
                | Reason::AcceptanceReturned { .. }
                | Reason::TooFewApprovers { .. }
        )
    }

    /// The smart-city office has to issue its report, or to change it.
    fn is_of_the_evaluation(&self) -> bool {
        matches!(self, Reason::AssessmentUnderWay { .. } | Reason::AssessmentFailed)
    }

    /// When the passing of time alone may end it.
    pub fn ends_at(&self) -> Option<Timestamp> {
        if let Reason::WindowNotYet { start: at }
        | Reason::HeldByWave { reason: WindowReason::NotYet { start: at }, .. }
        | Reason::Frozen { until: at, .. } = self
        {
            return Some(*at);
        }
        if let Reason::TrialNotOver { opens_at, .. } = self { *opens_at } else { None }
    }
}

/// Whether a gate lets the journey through.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It does.
    Open,
    /// It does not.
    Closed(Reason),
    /// The facts are not known; nothing is let through.
    Unknown(Reason),
    /// The policy does not ask for it.
    Off,
}

impl Verdict {
    /// Whether the journey may pass.
    pub fn passes(&self) -> bool {
        match self {
            Verdict::Open | Verdict::Off => true,
            Verdict::Closed(_) | Verdict::Unknown(_) => false,
        }
    }

    /// Why not, if not.
    pub fn reason(&self) -> Option<&Reason> {
        match self {
            Verdict::Closed(reason) | Verdict::Unknown(reason) => Some(reason),
            Verdict::Open | Verdict::Off => None,
        }
    }

    /// What it is to whoever wants to pass the gate.
    pub(crate) fn at(self, gate: GateName) -> Option<Obstacle> {
        match self {
            Verdict::Open | Verdict::Off => None,
            Verdict::Closed(reason) => Some(Obstacle { gate, known: true, reason }),
            Verdict::Unknown(reason) => Some(Obstacle { gate, known: false, reason }),
        }
    }
}

/// `Ok` if nothing is in the way, else the first thing that is.
pub type Found = Result<(), Verdict>;

/// Closed, as the error of a look.
pub(crate) fn closed(reason: Reason) -> Verdict {
    Verdict::Closed(reason)
}

/// Not known, as the error of a look.
pub(crate) fn unknown(what: Asked) -> Verdict {
    Verdict::Unknown(Reason::NotKnown { what })
}

/// A gate that stands in the way, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Obstacle {
    /// The gate.
    pub gate: GateName,
    /// Whether it is closed for good reason, or only not known.
    pub known: bool,
    /// Why.
    pub reason: Reason,
}

impl Obstacle {
    /// Who can remove it.
    pub fn party(&self) -> Party {
        self.reason.party().unwrap_or_else(|| definition(self.gate).party)
    }
}
