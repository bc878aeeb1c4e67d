//! `PolicyProfile`: the regulation as data. Roles, gates and numbers change by decree; code does not.

use crate::GateName;
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
    printcolumn(name = "GATES", type_ = "string", json_path = ".status.conditions[?(@.type==\"GatesComplete\")].reason"),
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
#[x_kube(validation = Rule::new("!has(self.acceptanceSigners) || self.acceptanceSigners.all(r, self.roles.exists(x, x.name == r))").message(
    "spec.acceptanceSigners names a role that is not in spec.roles: add it there"
))]
#[x_kube(validation = Rule::new("!has(self.acceptanceApprovers) || self.acceptanceApprovers.all(r, self.roles.exists(x, x.name == r))").message(
    "spec.acceptanceApprovers names a role that is not in spec.roles: add it there"
))]
#[x_kube(validation = Rule::new("!has(self.gates) || self.gates.all(g, g.enabled || !(g.name in ['NonClassifiedDeclared', 'SchemeValid', 'DualApproved', 'ReplicationInSync', 'InWindow', 'RecordVerified', 'SourceFenced', 'ProbesPassed', 'CutoverConfirmed']))").message(
    "spec.gates switches off a gate that always holds: NonClassifiedDeclared, SchemeValid, DualApproved, ReplicationInSync, InWindow, RecordVerified, SourceFenced, ProbesPassed and CutoverConfirmed cannot be disabled"
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
    /// Roles that must each sign an acceptance (Art. 20); the scheme's confirmer alone if absent.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(with = "Vec<RoleName>", length(max = 8))]
    #[x_kube(merge_strategy = ListMerge::Set)]
    pub acceptance_signers: Vec<String>,
    /// Roles that must each approve before an acceptance is held (履约验收前置核准, rules of 2025).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(with = "Vec<RoleName>", length(max = 8))]
    #[x_kube(merge_strategy = ListMerge::Set)]
    pub acceptance_approvers: Vec<String>,
    /// Time zone in which days begin and end, of the IANA database; `Asia/Shanghai` if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<crate::bounds::ZoneName>")]
    pub time_zone: Option<String>,
    /// Gates and whether they hold. A gate that is not listed holds.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 64))]
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
    /// Evaluation of a project, working days from its acceptance to the report (Art. 18); 20 if absent.
    #[serde(default = "twenty_days")]
    #[schemars(range(min = 1, max = 250))]
    pub assessment_working_days: i32,
    /// Lowest protection level of a platform that systems are moved to (Art. 28); 3 if absent.
    #[serde(default = "level_three")]
    #[schemars(range(min = 1, max = 5))]
    pub platform_level: i32,
    /// A rehearsal older than this many days does not count (practice); 30 if absent.
    #[serde(default = "thirty_days")]
    #[schemars(range(min = 1, max = 365))]
    pub rehearsal_max_age_days: i32,
    /// Service target for the device to reach its custody, working days after the acceptance; 20 if absent.
    #[serde(default = "twenty_days")]
    #[schemars(range(min = 1, max = 250))]
    pub custody_target_working_days: i32,
    /// Whether a grave incident (grade `Major` or above) starts the trial run again; the regulation is silent.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub trial_restarts_after_grave_incident: bool,
}

/// Art. 18 for the evaluation; for custody the suggestion of government.md 1.4.
fn twenty_days() -> i32 {
    20
}

/// Art. 28: level-3 protection capability.
fn level_three() -> i32 {
    3
}

/// Practice: a month, as docs/regulation.md CO-01.
fn thirty_days() -> i32 {
    30
}

/// What the controller says about a profile.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct PolicyProfileStatus {
    /// Generation of the spec that the status is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0))]
    pub observed_generation: Option<i64>,
    /// `Ready`: the profile is consistent. `InForce`: today lies between its first and its last day. `GatesComplete`: no gate
    /// that an article asks for is off, both offices issue plans and approve schemes (Art. 23), and no number asks less than its
    /// article (Art. 18, 20, 28); else its reason is `OfficeMissing`, `GateOff` or `NumberLowered`, and its message names all. Neither of
    /// the last two blocks.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(with = "crate::bounds::Conditions")]
    pub conditions: Vec<Condition>,
}
