//! `SystemMigration`: one system's scheme (迁移方案) and its journey.

use crate::bounds::{
    Date, Digest, HostAddress, Interface, Label, LongName, Maybe, ObjectName, Ratio, RoleName, Text, Unit, UserName,
};
use crate::{GateName, Waiting};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};
use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// One system's migration: the scheme that is approved, and how far it has come.
#[derive(CustomResource, KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[kube(
    group = "migration.qianyun.dev",
    version = "v1alpha1",
    kind = "SystemMigration",
    namespaced,
    shortname = "sysmig",
    category = "qianyun",
    status = "SystemMigrationStatus",
    derive = "PartialEq",
    validation = Rule::new("size(self.metadata.name) <= 63").message(
        "metadata.name is longer than 63 characters: choose a shorter name, other objects refer to it"
    ),
    doc = "One system's migration: the scheme that is approved, and how far it has come.",
    selectable = ".spec.systemRef",
    printcolumn(name = "DEPT", type_ = "string", json_path = ".status.department"),
    printcolumn(name = "PHASE", type_ = "string", json_path = ".status.phase"),
    printcolumn(name = "APPROVED", type_ = "string", json_path = ".status.approvals"),
    printcolumn(name = "DUE", type_ = "string", json_path = ".status.nextDue.date"),
    printcolumn(name = "BLOCKEDBY", type_ = "string", json_path = ".status.blockedBy"),
    printcolumn(name = "WAITFOR", type_ = "string", json_path = ".status.waiting.whoCanUnblock"),
    printcolumn(name = "HOSTS", type_ = "string", json_path = ".status.hosts", priority = 1),
    printcolumn(name = "WINDOW", type_ = "string", json_path = ".spec.scheme.window.start", priority = 1),
    printcolumn(name = "TRIALEND", type_ = "string", json_path = ".status.trialEarliestEnd", priority = 1),
    printcolumn(name = "DIGEST", type_ = "string", json_path = ".status.digest", priority = 1),
    printcolumn(name = "PLAN", type_ = "string", json_path = ".spec.planRef", priority = 1),
    printcolumn(name = "AGE", type_ = "date", json_path = ".metadata.creationTimestamp")
)]
#[x_kube(validation = Rule::new("!has(oldSelf.confirmation) || (has(self.confirmation) && (self.confirmation == oldSelf.confirmation || self.confirmation.digest != oldSelf.confirmation.digest))").message(
    "spec.confirmation was given and is never taken back: it can only be replaced by one for another digest"
))]
#[serde(rename_all = "camelCase")]
pub struct SystemMigrationSpec {
    /// Name of the `InformationSystem` in the same namespace.
    #[schemars(with = "ObjectName")]
    #[x_kube(validation = Rule::new("self == oldSelf").message(
        "spec.systemRef cannot be changed: make a new object"
    ))]
    pub system_ref: String,
    /// Name of the `MigrationPlan` that names the system.
    #[schemars(with = "ObjectName")]
    #[x_kube(validation = Rule::new("self == oldSelf").message(
        "spec.planRef cannot be changed: make a new object"
    ))]
    pub plan_ref: String,
    /// Name of the `CloudPlatform` to migrate to.
    #[schemars(with = "ObjectName")]
    pub platform_ref: String,
    /// User name of the person who wrote the scheme; that person approves nothing of it.
    #[schemars(with = "UserName")]
    pub author: String,
    /// The scheme. Its digest, with the references above and the author, is what is confirmed and approved; an edit voids both.
    pub scheme: Scheme,
    /// Hold the journey where it is. Nothing new is begun; a decision that was made is still carried out.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub suspend: bool,
    /// The operator's confirmation that the system serves well from the cloud; opens `CutoverConfirmed`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub confirmation: Option<CutoverConfirmation>,
}

/// The operator's confirmation of a cutover.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct CutoverConfirmation {
    /// User name of the person who confirms; must be the caller.
    #[schemars(with = "UserName")]
    pub by: String,
    /// Digest of the scheme that was carried out.
    #[schemars(with = "Digest")]
    pub digest: String,
}

/// A scheme (迁移方案).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, KubeSchema)]
#[x_kube(validation = Rule::new("size(self.hosts) > 0").message(
    "a scheme needs at least one host: list the PhysicalHosts of the system in scheme.hosts"
))]
#[x_kube(validation = Rule::new("size(self.probes) > 0").message(
    "a scheme needs at least one probe: say in scheme.probes how its users reach the system"
))]
#[x_kube(validation = Rule::new("self.rollback.latestAt > self.window.start").message(
    "rollback.latestAt is not after window.start: the rollback is decided once the cutover has begun"
))]
#[serde(rename_all = "camelCase")]
pub struct Scheme {
    /// What is to be done and why, for the people who approve it.
    #[schemars(with = "Text<4000>")]
    pub summary: String,
    /// The hosts, each with its disks and its target machine.
    #[schemars(length(max = 32))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["hostRef".into()]))]
    pub hosts: Vec<SchemeHost>,
    /// When the cutover may begin and must be over.
    pub window: CutoverWindow,
    /// What proves that the system serves.
    #[schemars(length(max = 32))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["name".into()]))]
    pub probes: Vec<Probe>,
    /// Longest interruption that the department accepts, minutes.
    #[schemars(range(min = 1, max = 1440))]
    pub downtime_budget_minutes: i32,
    /// What is done if it fails, who decides, and by when.
    pub rollback: RollbackPlan,
    /// Supporting papers, each with the digest of the file.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 64))]
    #[x_kube(merge_strategy = ListMerge::Atomic)]
    pub evidence: Vec<Evidence>,
}

/// A host of a scheme.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, KubeSchema)]
#[x_kube(validation = Rule::new("size(self.disks) > 0").message(
    "a host needs at least one disk: list every disk that the running system lies on, kubectl get ph -o yaml shows them"
))]
#[serde(rename_all = "camelCase")]
pub struct SchemeHost {
    /// Name of the `PhysicalHost` in the same namespace.
    #[schemars(with = "ObjectName")]
    pub host_ref: String,
    /// The machine on the cloud.
    pub target: TargetMachine,
    /// The disks to copy; every disk that the running system lies on.
    #[schemars(length(max = 32))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["volume".into()]))]
    pub disks: Vec<SchemeDisk>,
    /// Services to stop before the freeze, in this order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 64))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["unit".into()]))]
    pub quiesce: Vec<QuiesceStep>,
    /// Units that must be active on the target.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(with = "Vec<Unit>", length(max = 128))]
    #[x_kube(merge_strategy = ListMerge::Set)]
    pub serve_units: Vec<String>,
}

/// A machine on the cloud.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct TargetMachine {
    /// Virtual CPUs.
    #[schemars(range(min = 1, max = 256))]
    pub cpus: i32,
    /// Memory, MiB.
    #[schemars(range(min = 256, max = 16_777_216))]
    pub memory_mib: i64,
    /// NICs, each in the place of one on the server, with its address.
    #[schemars(length(min = 1, max = 16))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["takesPlaceOf".into()]))]
    pub nics: Vec<TargetNic>,
}

/// A NIC of a machine on the cloud.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct TargetNic {
    /// Interface on the server whose place it takes, as `eno1`.
    #[schemars(with = "Interface")]
    pub takes_place_of: String,
    /// Network of the platform.
    #[schemars(with = "Label")]
    pub network: String,
}

/// A disk of a scheme: named by what does not change, so that a swapped disk is refused.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, KubeSchema)]
#[x_kube(validation = Rule::new("self.volumeBytes >= self.sizeBytes").message(
    "volumeBytes is smaller than sizeBytes: the whole disk must fit in the volume"
))]
#[x_kube(validation = Rule::new("size(self.serial) > 0 || (has(self.wwn) && size(self.wwn) > 0)").message(
    "a disk needs its serial or its wwn: without one of them a swapped disk could not be noticed"
))]
#[serde(rename_all = "camelCase")]
pub struct SchemeDisk {
    /// Name of the volume, unique in the host, as `system`.
    #[schemars(with = "Label")]
    pub volume: String,
    /// Serial number of the disk; empty if it has none.
    #[schemars(with = "Maybe<128>")]
    pub serial: String,
    /// World-wide name; empty if it has none.
    #[serde(default)]
    #[schemars(with = "Maybe<128>")]
    pub wwn: String,
    /// Size of the disk, bytes.
    #[schemars(range(min = 1_048_576))]
    pub size_bytes: i64,
    /// Size of the volume, bytes; at least that of the disk.
    #[schemars(range(min = 1_048_576))]
    pub volume_bytes: i64,
}

/// A service to stop.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct QuiesceStep {
    /// systemd unit.
    #[schemars(with = "Unit")]
    pub unit: String,
    /// It must be down within this many seconds; else the attempt is given up and the services are started again.
    #[schemars(range(min = 1, max = 1800))]
    pub deadline_seconds: i32,
}

/// When a cutover may happen.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, KubeSchema)]
#[x_kube(validation = Rule::new("self.end > self.start").message(
    "window.end is not after window.start: enter the instant after which no attempt begins"
))]
#[serde(rename_all = "camelCase")]
pub struct CutoverWindow {
    /// It may begin from here.
    pub start: Time,
    /// No attempt begins after this.
    pub end: Time,
}

/// Something that proves that the system serves, tried from the cloud platform.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Probe {
    /// Name, unique in the scheme.
    #[schemars(with = "Label")]
    pub name: String,
    /// Address of the service, as the users know it.
    #[schemars(with = "HostAddress")]
    pub address: String,
    /// TCP port that must accept a connection.
    #[schemars(range(min = 1, max = 65535))]
    pub tcp_port: i32,
    /// It must pass within this many seconds after the launch.
    #[schemars(range(min = 1, max = 3600))]
    pub deadline_seconds: i32,
}

/// What is done if it fails (回退方案).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct RollbackPlan {
    /// What triggers it.
    #[schemars(with = "Text<2000>")]
    pub triggers: String,
    /// Who decides (指挥长).
    #[schemars(with = "Text<128>")]
    pub decided_by: String,
    /// Latest moment to decide (最迟回退时间点).
    pub latest_at: Time,
}

/// A supporting paper (佐证材料).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Evidence {
    /// Title.
    #[schemars(with = "Text<256>")]
    pub title: String,
    /// Document number; empty if it has none.
    #[serde(default)]
    #[schemars(with = "Maybe<128>")]
    pub document_no: String,
    /// Digest of the file, `sha256:<hex>`.
    #[schemars(with = "Digest")]
    pub digest: String,
}

/// The phase of a system's journey: computed from facts each time, never remembered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
pub enum Phase {
    /// 拟制: the scheme is incomplete, or waits for the department.
    Drafting,
    /// 审批: with the offices.
    Review,
    /// 已退回: an office or the department returned it.
    Returned,
    /// 已批准.
    Approved,
    /// 同步中: the disks are copied while the servers work.
    Replicating,
    /// 演练中.
    Rehearsing,
    /// 已演练.
    Rehearsed,
    /// 待割接: in sync, waiting for the window.
    Scheduled,
    /// 割接中.
    CuttingOver,
    /// 回退中.
    RollingBack,
    /// 待确认: serves from the cloud, not yet confirmed.
    Provisional,
    /// 试运行.
    Trial,
    /// 验收中.
    Acceptance,
    /// 已验收.
    Accepted,
    /// 办结.
    Closed,
}

/// What the controller says about a migration.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct SystemMigrationStatus {
    /// Generation of the spec that the status is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0))]
    pub observed_generation: Option<i64>,
    /// Phase.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub phase: Option<Phase>,
    /// Department of the system.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<ObjectName>")]
    pub department: Option<String>,
    /// Digest of what is to be confirmed and approved.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<Digest>")]
    pub digest: Option<String>,
    /// How many of the offices approved this digest, as `1/2`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<Ratio>")]
    pub approvals: Option<String>,
    /// Decisions on this digest, and why each counts or does not.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 256))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["approval".into()]))]
    pub decisions: Vec<DecisionRecord>,
    /// The next day that matters.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next_due: Option<NextDue>,
    /// The gate that is in the way; absent if none is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub blocked_by: Option<GateName>,
    /// What is waited for; absent if nothing is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub waiting: Option<Waiting>,
    /// Every gate that was looked at, in the order of the journey.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 64))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["name".into()]))]
    pub gates: Vec<GateStatus>,
    /// Hosts in sync or further over all, as `1/1`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<Ratio>")]
    pub hosts: Option<String>,
    /// When the trial run began: the cutover's confirmation.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trial_started_at: Option<Time>,
    /// Earliest end of the trial run, YYYY-MM-DD (Art. 20).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<Date>")]
    pub trial_earliest_end: Option<String>,
    /// Where it stands, in one English sentence.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<Maybe<4096>>")]
    pub message: Option<String>,
    /// The same in Chinese.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<Maybe<4096>>")]
    pub message_zh: Option<String>,
    /// `SchemeValid`, `DepartmentConfirmed`, `DualApproved`, `InSync`, `CutOver`, `InService`, `Succeeded`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(with = "crate::bounds::Conditions")]
    pub conditions: Vec<Condition>,
}

/// A day that matters.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct NextDue {
    /// The day, YYYY-MM-DD.
    #[schemars(with = "Date")]
    pub date: String,
    /// What is due.
    #[schemars(with = "Text<256>")]
    pub what: String,
}

/// One decision and whether it counts.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct DecisionRecord {
    /// Name of the `Approval`.
    #[schemars(with = "LongName")]
    pub approval: String,
    /// Gate.
    pub gate: GateName,
    /// Role.
    #[schemars(with = "RoleName")]
    pub role: String,
    /// Person.
    #[schemars(with = "UserName")]
    pub by: String,
    /// When it was made.
    pub at: Time,
    /// Decision.
    pub decision: crate::Decision,
    /// Whether it counts, or why not.
    pub effect: DecisionEffect,
}

/// Whether a decision counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
pub enum DecisionEffect {
    /// It counts.
    Accepted,
    /// The subject is not there, or another object of the same name.
    SubjectNotFound,
    /// It was made on another digest: the subject was edited since.
    DigestMismatch,
    /// The person wrote the subject.
    SelfApproval,
    /// The person does not hold the role now.
    NotAuthorized,
    /// The person has already decided in another role.
    SamePersonTwice,
    /// The policy asks nothing of this role at this gate.
    RoleNotRequired,
    /// The same role decided again later.
    Superseded,
    /// Whether the person holds the role could not be asked.
    AuthorizationUnknown,
}

/// One gate.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct GateStatus {
    /// The gate.
    pub name: GateName,
    /// Whether it is open.
    pub verdict: GateVerdict,
    /// Article or practice it comes from.
    #[schemars(with = "Maybe<256>")]
    pub basis: String,
    /// Why, in one English sentence.
    #[schemars(with = "Maybe<4096>")]
    pub message: String,
    /// Since when it has this verdict.
    pub since: Time,
}

/// Whether a gate is open; `Unknown` never lets anything through.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
pub enum GateVerdict {
    /// It lets the journey through.
    Open,
    /// It does not.
    Closed,
    /// The facts are not known.
    Unknown,
    /// The policy does not ask for it.
    Off,
}
