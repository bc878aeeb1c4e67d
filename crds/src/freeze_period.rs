//! `FreezePeriod` (重保期 / 封网期): between two instants no cutover happens, or only with a warning.

use crate::bounds::{Label, ObjectName, Text, UserName};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};
use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A time in which no cutover begins or goes on, or only with a warning. Dates are always entered by people: the law names
/// none. An exception is not made here: both offices would have to approve it.
#[derive(CustomResource, KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[kube(
    group = "migration.qianyun.dev",
    version = "v1alpha1",
    kind = "FreezePeriod",
    shortname = "freeze",
    category = "qianyun",
    status = "FreezePeriodStatus",
    derive = "PartialEq",
    validation = Rule::new("size(self.metadata.name) <= 63").message(
        "metadata.name is longer than 63 characters: choose a shorter name, other objects refer to it"
    ),
    doc = "A time in which no cutover happens, or only with a warning.",
    printcolumn(name = "FROM", type_ = "string", json_path = ".spec.from"),
    printcolumn(name = "TO", type_ = "string", json_path = ".spec.until"),
    printcolumn(name = "MODE", type_ = "string", json_path = ".spec.mode"),
    printcolumn(name = "SCOPE", type_ = "string", json_path = ".spec.scope.kind"),
    printcolumn(name = "ACTIVE", type_ = "string", json_path = ".status.conditions[?(@.type==\"Active\")].status"),
    printcolumn(name = "OCCASION", type_ = "string", json_path = ".spec.occasion", priority = 1),
    printcolumn(name = "TITLE", type_ = "string", json_path = ".spec.title", priority = 1),
    printcolumn(name = "BY", type_ = "string", json_path = ".spec.enteredBy", priority = 1),
    printcolumn(name = "AGE", type_ = "date", json_path = ".metadata.creationTimestamp")
)]
#[x_kube(validation = Rule::new("self.until > self.from").message(
    "spec.until is not after spec.from: correct one of the two; the period ends right before spec.until"
))]
#[x_kube(validation = Rule::new("self.until - self.from <= duration('8784h')").message(
    "the period is longer than 366 days: correct the year of spec.until, or enter one period for each year"
))]
#[serde(rename_all = "camelCase")]
pub struct FreezePeriodSpec {
    /// What people are shown, as 2026年全国两会; a neutral label where the notice is internal.
    #[schemars(with = "Text<128>")]
    pub title: String,
    /// Why (practice).
    pub occasion: FreezeOccasion,
    /// First instant of it, RFC 3339 with its offset, as `2026-03-03T00:00:00+08:00`.
    pub from: Time,
    /// The instant that it lasts until, itself no longer part of it: `2026-03-13T00:00:00+08:00` after a last day of 12 March.
    pub until: Time,
    /// What it does to cutovers.
    pub mode: FreezeEffect,
    /// Whom it concerns.
    pub scope: FreezeScope,
    /// The notice that it follows from, by number or title; absent where the notice itself is not to be named.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<Text<256>>")]
    pub source_document: Option<String>,
    /// User name of the person who entered or last changed it; must be the caller.
    #[schemars(with = "UserName")]
    pub entered_by: String,
}

/// What a freeze period does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
pub enum FreezeEffect {
    /// No cutover.
    Block,
    /// Cutovers may happen, and are shown with a warning: there must be a duty table (值守表).
    Warn,
}

/// What a freeze period is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
pub enum FreezeOccasion {
    /// 全国两会; about 3 to 15 March.
    NationalTwoSessions,
    /// 省、市两会; January or February.
    LocalTwoSessions,
    /// 党代会、中央全会、重大活动; by notice.
    MajorEvent,
    /// 网络攻防演练(护网); by notice.
    AttackDefenceExercise,
    /// 春节、五一、国庆; by the work calendar.
    LongHoliday,
    /// 年终决算; late December to early January.
    FiscalYearEnd,
    /// 中高考报名查分; June and July.
    Examination,
    /// 防汛期; by notice.
    FloodSeason,
    /// What none of these is; the title says what.
    Other,
}

/// Whom a freeze period concerns. By name and never by label: a department may label its own systems, and would label itself
/// out of the period.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[x_kube(validation = Rule::new(
    "(self.kind == 'Departments') == (has(self.departments) && size(self.departments) > 0)"
).message(
    "scope.departments does not fit scope.kind: name at least one department for kind Departments, and none for another"
))]
#[x_kube(validation = Rule::new("(self.kind == 'Systems') == (has(self.systems) && size(self.systems) > 0)").message(
    "scope.systems does not fit scope.kind: name at least one system for kind Systems, and none for another"
))]
#[serde(rename_all = "camelCase")]
pub struct FreezeScope {
    /// How they are told. For both departments and systems of others enter two periods.
    pub kind: FreezeScopeKind,
    /// Names of the `Department`s whose systems it concerns.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(with = "Vec<ObjectName>", length(max = 500))]
    #[x_kube(merge_strategy = ListMerge::Set)]
    pub departments: Vec<String>,
    /// The systems that it concerns.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 2000))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["namespace".into(), "name".into()]))]
    pub systems: Vec<FrozenSystem>,
}

/// Ways to tell whom a freeze period concerns.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
pub enum FreezeScopeKind {
    /// Every system.
    Everything,
    /// Every system of some departments.
    Departments,
    /// Some systems.
    Systems,
}

/// A system that a freeze period concerns.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct FrozenSystem {
    /// Namespace of the `InformationSystem`.
    #[schemars(with = "Label")]
    pub namespace: String,
    /// Name of the `InformationSystem`.
    #[schemars(with = "ObjectName")]
    pub name: String,
}

/// What the controller says about a freeze period.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct FreezePeriodStatus {
    /// Generation of the spec that the status is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0))]
    pub observed_generation: Option<i64>,
    /// `Ready`: every department and system that it names exists. `Active`: it holds now.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(with = "crate::bounds::Conditions")]
    pub conditions: Vec<Condition>,
}
