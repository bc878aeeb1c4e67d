//! `PolicyProfile`: the regulation as data. Roles, gates and numbers change by decree; code does not.

use crate::bounds::{Date, RoleName, Text, UserName};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The regulation under which systems are migrated: who approves, which gates hold, and the numbers.
#[derive(CustomResource, KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[kube(
    group = "migration.qianyun.dev",
    version = "v1alpha1",
    kind = "PolicyProfile",
    shortname = "pol",
    category = "qianyun",
    status = "PolicyProfileStatus",
    derive = "PartialEq",
    validation = Rule::new("size(self.metadata.name) <= 63").message(
        "metadata.name is longer than 63 characters: choose a shorter name, other objects refer to it"
    ),
    doc = "The regulation under which systems are migrated: who approves, which gates hold, and the numbers.",
    printcolumn(name = "TITLE", type_ = "string", json_path = ".spec.titleZh"),
    printcolumn(name = "FROM", type_ = "string", json_path = ".spec.effectiveFrom"),
    printcolumn(name = "UNTIL", type_ = "string", json_path = ".spec.effectiveUntil"),
    printcolumn(name = "INFORCE", type_ = "string", json_path = ".status.conditions[?(@.type==\"InForce\")].status"),
    printcolumn(name = "READY", type_ = "string", json_path = ".status.conditions[?(@.type==\"Ready\")].status"),
    printcolumn(name = "AGE", type_ = "date", json_path = ".metadata.creationTimestamp")
)]
#[x_kube(validation = Rule::new("!has(self.effectiveUntil) || self.effectiveUntil >= self.effectiveFrom").message(
    "spec.effectiveUntil is before spec.effectiveFrom: enter the last day in force, or leave it out"
))]
#[x_kube(validation = Rule::new("self.planIssuers.all(r, self.roles.exists(x, x.name == r))").message(
    "spec.planIssuers names a role that is not in spec.roles: add it there"
))]
#[x_kube(validation = Rule::new("self.roles.exists(x, x.name == self.schemeConfirmer)").message(
    "spec.schemeConfirmer names a role that is not in spec.roles: add it there"
))]
#[x_kube(validation = Rule::new("self.schemeApprovers.all(r, self.roles.exists(x, x.name == r))").message(
    "spec.schemeApprovers names a role that is not in spec.roles: add it there"
))]
#[x_kube(validation = Rule::new("size(self.schemeApprovers) >= 2").message(
    "spec.schemeApprovers needs at least two roles: a scheme is approved by two offices (Art. 23)"
))]
#[x_kube(validation = Rule::new("!(self.schemeConfirmer in self.schemeApprovers)").message(
    "spec.schemeConfirmer is also in spec.schemeApprovers: the department confirms, the offices approve"
))]
#[x_kube(validation = Rule::new("!has(self.gates) || self.gates.all(g, g.enabled || !(g.name in ['NonClassifiedDeclared', 'DualApproved', 'RecordVerified', 'SourceFenced']))").message(
    "spec.gates switches off a gate that always holds: NonClassifiedDeclared, DualApproved, RecordVerified and SourceFenced cannot be disabled"
))]
#[serde(rename_all = "camelCase")]
pub struct PolicyProfileSpec {
    /// Title of the regulation in English.
    #[schemars(with = "Text<256>")]
    pub title: String,
    /// Title of the regulation in Chinese.
    #[schemars(with = "Text<256>")]
    pub title_zh: String,
    /// Documents the profile rests on; printed as 依据 at the head of plans and reports (Art. 1).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 32))]
    #[x_kube(merge_strategy = ListMerge::Atomic)]
    pub basis: Vec<LegalBasis>,
    /// First day in force, YYYY-MM-DD (Art. 37).
    #[schemars(with = "Date")]
    pub effective_from: String,
    /// Last day in force, YYYY-MM-DD; absent if it has no end. An expired profile is shown with a warning and never blocks (Art. 37).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<Date>")]
    pub effective_until: Option<String>,
    /// The roles that the profile knows, and who holds them (Art. 4).
    #[schemars(length(min = 1, max = 16))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["name".into()]))]
    pub roles: Vec<RoleBinding>,
    /// Roles that must each issue the migration plan (Art. 23).
    #[schemars(with = "Vec<RoleName>", length(min = 1, max = 8))]
    #[x_kube(merge_strategy = ListMerge::Set)]
    pub plan_issuers: Vec<String>,
    /// Role that confirms a scheme for the department (Art. 23).
    #[schemars(with = "RoleName")]
    pub scheme_confirmer: String,
    /// Roles that must each approve a scheme, by different persons (Art. 23).
    #[schemars(with = "Vec<RoleName>", length(max = 8))]
    #[x_kube(merge_strategy = ListMerge::Set)]
    pub scheme_approvers: Vec<String>,
    /// Gates and whether they hold. A gate that is not listed holds.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 32))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["name".into()]))]
    pub gates: Vec<GateSwitch>,
    /// The numbers.
    pub numbers: PolicyNumbers,
}

/// A document that a profile rests on.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct LegalBasis {
    /// Title, in Chinese as published.
    #[schemars(with = "Text<256>")]
    pub title: String,
    /// Document number (发文字号), as 遂府办发〔2025〕6号.
    #[schemars(with = "Text<128>")]
    pub document_no: String,
    /// Date of issue, YYYY-MM-DD.
    #[schemars(with = "Date")]
    pub date: String,
}

/// A role and the people who hold it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct RoleBinding {
    /// Name, as `municipalGovernmentOffice`; the name that RBAC grants verb `approve` on in `approvalgates`.
    #[schemars(with = "RoleName")]
    pub name: String,
    /// Display name in English.
    #[schemars(with = "Text<128>")]
    pub display_name: String,
    /// Display name in Chinese.
    #[schemars(with = "Text<128>")]
    pub display_name_zh: String,
    /// Which party of the waiting columns this role is.
    pub party: crate::Party,
    /// User names that hold the role. Both this list and RBAC must name a person; an empty list leaves it to RBAC alone.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(with = "Vec<UserName>", length(max = 64))]
    #[x_kube(merge_strategy = ListMerge::Set)]
    pub subjects: Vec<String>,
}

/// A gate of the journey (government.md 1.2). The planner has one file for each that it knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
pub enum GateName {
    /// 计划下达: both offices issued the plan that names the system (Art. 23).
    PlanIssued,
    /// 非涉密声明: declared for the system and each host (Art. 22, 24).
    NonClassifiedDeclared,
    /// 清查完成: every host reported, none longer ago than allowed (Art. 22).
    InventoryComplete,
    /// 迁移就绪: no check of any host blocks or is unknown (practice).
    HostsReady,
    /// 方案有效: hosts, disks, networks and window of the scheme exist and fit (Art. 34).
    SchemeValid,
    /// 定级备案: level and filing number present (Art. 29).
    SystemGraded,
    /// 平台等保满足: platform level sufficient and assessment in date (Art. 28).
    TargetLevelSufficient,
    /// 部门确认方案: the department confirmed this digest (Art. 23).
    DepartmentConfirmed,
    /// 两办审批通过: both offices approved this digest, different persons (Art. 23).
    DualApproved,
    /// 数据同步: every disk of every host is in sync (practice).
    ReplicationInSync,
    /// 在割接窗口内: the window is open (practice).
    InWindow,
    /// 数据一致: the record is signed by both ends, and its roots are equal (practice).
    RecordVerified,
    /// 源端已隔离: the source acknowledged the fence and is silent (practice).
    SourceFenced,
    /// 业务验证: every declared probe passed on the target (practice).
    ProbesPassed,
    /// 割接确认: the operator confirmed the cutover (practice).
    CutoverConfirmed,
}

/// Whether a gate holds.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct GateSwitch {
    /// The gate.
    pub name: GateName,
    /// Whether it holds.
    pub enabled: bool,
    /// Article or document that says so.
    #[schemars(with = "Text<256>")]
    pub basis: String,
}

/// The numbers of a regulation.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct PolicyNumbers {
    /// Shortest trial run, calendar months (Art. 20).
    #[schemars(range(min = 0, max = 60))]
    pub trial_months: i32,
    /// Service target for reviewing a scheme, working days; shown as a target, not as law.
    #[schemars(range(min = 1, max = 250))]
    pub review_target_working_days: i32,
    /// An inventory older than this many days does not count.
    #[schemars(range(min = 1, max = 365))]
    pub inventory_max_age_days: i32,
    /// Filesystems of a source are thawed this many seconds after the freeze at the latest.
    #[schemars(range(min = 5, max = 60))]
    pub freeze_limit_seconds: i32,
}

/// What the controller says about a profile.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct PolicyProfileStatus {
    /// Generation of the spec that the status is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0))]
    pub observed_generation: Option<i64>,
    /// `Ready`: the profile is consistent. `InForce`: today lies between its first and its last day.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(with = "crate::bounds::Conditions")]
    pub conditions: Vec<Condition>,
}
