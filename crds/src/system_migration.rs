//! `SystemMigration`: one system's scheme (迁移方案) and its journey.

use crate::bounds::{Date, Digest, LongName, Maybe, ObjectName, Ratio, RoleName, Text, UserName};
use crate::{
    Acceptance, Assessment, Caution, GateName, Incident, RehearsalRecord, Scheme, SchemeReceipt, SecurityInUse, Waiting,
};
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
    selectable = ".spec.planRef",
    printcolumn(name = "DEPT", type_ = "string", json_path = ".status.department"),
    printcolumn(name = "PHASE", type_ = "string", json_path = ".status.phase"),
    printcolumn(name = "APPROVED", type_ = "string", json_path = ".status.approvals"),
    printcolumn(name = "DUE", type_ = "string", json_path = ".status.nextDue.date"),
    printcolumn(name = "LEFT", type_ = "string", json_path = ".status.nextDue.workingDaysLeft"),
    printcolumn(name = "BLOCKEDBY", type_ = "string", json_path = ".status.blockedBy"),
    printcolumn(name = "WAITFOR", type_ = "string", json_path = ".status.waiting.whoCanUnblock"),
    printcolumn(name = "HOSTS", type_ = "string", json_path = ".status.hosts", priority = 1),
    printcolumn(name = "WINDOW", type_ = "string", json_path = ".spec.scheme.window.start", priority = 1),
    printcolumn(name = "TRIALEND", type_ = "string", json_path = ".status.trialEarliestEnd", priority = 1),
    printcolumn(name = "DEVICES", type_ = "string", json_path = ".status.devices", priority = 1),
    printcolumn(name = "LAMP", type_ = "string", json_path = ".status.lamp", priority = 1),
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
    /// User names of all who were its author before, for neither do they approve anything of it (Art. 23). Whoever takes the scheme
    /// over adds the one before; nobody is taken off again.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(with = "Vec<UserName>", length(max = 64))]
    #[x_kube(merge_strategy = ListMerge::Set)]
    pub former_authors: Vec<String>,
    /// The scheme. Its digest, with the references above and all authors, is what is confirmed and approved; an edit voids both.
    pub scheme: Scheme,
    /// Hold the journey where it is. Nothing new is begun; a decision that was made is still carried out.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub suspend: bool,
    /// The operator's confirmation that the system serves well from the cloud; opens `CutoverConfirmed`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub confirmation: Option<CutoverConfirmation>,
    /// When both offices received the complete scheme.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub receipt: Option<SchemeReceipt>,
    /// The evaluation of the project in it (论证评估), where there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub assessment: Option<Assessment>,
    /// The latest rehearsal; opens `RehearsalPassed`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rehearsal: Option<RehearsalRecord>,
    /// The word that the security products are in use; opens `SecurityInUse`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub security_in_use: Option<SecurityInUse>,
    /// What went wrong in the trial run.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 256))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["number".into()]))]
    pub incidents: Vec<Incident>,
    /// The acceptance. Its digest is what is signed; an edit voids it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub acceptance: Option<Acceptance>,
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
    /// What passes, but only just, and is worth a look before the cutover; nothing waits for it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["kind".into()]))]
    pub cautions: Vec<Caution>,
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
    /// Digest of the papers for the acceptance as they stand; what is approved before the meeting.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<Digest>")]
    pub application_digest: Option<String>,
    /// Digest of the acceptance as it stands; what is signed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<Digest>")]
    pub acceptance_digest: Option<String>,
    /// Decisions on the acceptance, and why each counts or does not.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 256))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["approval".into()]))]
    pub acceptance_decisions: Vec<DecisionRecord>,
    /// That the acceptance was reached, and on which papers; who holds a role later does not take it back.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub accepted: Option<AcceptedRecord>,
    /// Old servers whose whereabouts are settled over all, as `1/2`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<Ratio>")]
    pub devices: Option<String>,
    /// How it stands against its next day.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lamp: Option<Lamp>,
    /// The end of the audit record as it was last seen: one that is shorter, or another, was tampered with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub audit: Option<AuditHead>,
    /// Where it stands, in one English sentence.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<Maybe<4096>>")]
    pub message: Option<String>,
    /// The same in Chinese.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<Maybe<4096>>")]
    pub message_zh: Option<String>,
    /// `SchemeValid`, `DepartmentConfirmed`, `DualApproved`, `InSync`, `CutOver`, `InService`, `Accepted`, `DevicesSettled`, `Succeeded`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(with = "crate::bounds::Conditions")]
    pub conditions: Vec<Condition>,
}

/// That an acceptance was reached.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct AcceptedRecord {
    /// Digest of the acceptance.
    #[schemars(with = "Digest")]
    pub digest: String,
    /// When the last signature was seen.
    pub at: Time,
}

/// The end of an audit record.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct AuditHead {
    /// How many entries it has.
    #[schemars(range(min = 1))]
    pub entries: i64,
    /// Hash of the last one.
    #[schemars(with = "Digest")]
    pub head: String,
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
    /// The same in Chinese.
    #[serde(default)]
    #[schemars(with = "Maybe<256>")]
    pub what_zh: String,
    /// Working days left, negative once it is over; with `~` before it where a year without a notice is counted in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<Text<8>>")]
    pub working_days_left: Option<String>,
    /// Whether it is a duty or a service target (目标, not 法定).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub binding: Option<DueBinding>,
}

/// How much a day binds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
pub enum DueBinding {
    /// 法定: the regulation names it.
    Duty,
    /// 目标: a service target.
    Target,
}

/// How something stands against a day. Always shown with its word, since reports are printed in black and white.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
pub enum Lamp {
    /// 未启动: grey.
    NotStarted,
    /// 正常: green.
    OnTime,
    /// 临期: amber, five working days or fewer.
    DueSoon,
    /// 超期: red.
    Overdue,
    /// 已办结: blue.
    Closed,
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
