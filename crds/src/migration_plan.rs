//! `MigrationPlan` (迁移计划): the city-wide list, made by the operator and issued by both offices.

use crate::bounds::{Date, Digest, Label, ObjectName, Ratio, Text, UserName};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};
use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The city's list of systems to migrate in a year's batch, issued by both offices (Art. 17, 23).
#[derive(CustomResource, KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[kube(
    group = "migration.qianyun.dev",
    version = "v1alpha1",
    kind = "MigrationPlan",
    shortname = "mp",
    category = "qianyun",
    status = "MigrationPlanStatus",
    derive = "PartialEq",
    validation = Rule::new("size(self.metadata.name) <= 63").message(
        "metadata.name is longer than 63 characters: choose a shorter name, other objects refer to it"
    ),
    doc = "The city's list of systems to migrate in a year's batch, issued by both offices.",
    printcolumn(name = "YEAR", type_ = "integer", json_path = ".spec.year"),
    printcolumn(name = "BATCH", type_ = "integer", json_path = ".spec.batch"),
    printcolumn(name = "SYSTEMS", type_ = "integer", json_path = ".status.counts.due"),
    printcolumn(name = "MIGRATED", type_ = "integer", json_path = ".status.counts.migrated"),
    printcolumn(name = "RATE", type_ = "string", json_path = ".status.migrationRate"),
    printcolumn(name = "OVERDUE", type_ = "integer", json_path = ".status.counts.overdue"),
    printcolumn(name = "ISSUED", type_ = "string", json_path = ".status.issuedBy"),
    printcolumn(name = "COMPLETED", type_ = "integer", json_path = ".status.counts.completed", priority = 1),
    printcolumn(name = "EXCLUDED", type_ = "integer", json_path = ".status.counts.excluded", priority = 1),
    printcolumn(name = "POLICY", type_ = "string", json_path = ".spec.policyRef", priority = 1),
    printcolumn(name = "AGE", type_ = "date", json_path = ".metadata.creationTimestamp")
)]
#[x_kube(validation = Rule::new("self.systems.all(s, !has(s.wave) || (has(self.waves) && self.waves.exists(w, w.name == s.wave)))").message(
    "a system of spec.systems names a wave that is not in spec.waves: add it there"
))]
#[serde(rename_all = "camelCase")]
pub struct MigrationPlanSpec {
    /// Year of the plan.
    #[schemars(range(min = 2018, max = 2100))]
    pub year: i32,
    /// Batch within the year, from 1.
    #[schemars(range(min = 1, max = 99))]
    pub batch: i32,
    /// Name of the `PolicyProfile` that the plan is made under.
    #[schemars(with = "ObjectName")]
    pub policy_ref: String,
    /// User name of the person who wrote the plan; that person cannot issue it.
    #[schemars(with = "UserName")]
    pub author: String,
    /// User names of all who were its author before, for neither do they issue it (Art. 23). Whoever takes the plan over adds the one
    /// before; nobody is taken off again.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(with = "Vec<UserName>", length(max = 64))]
    #[x_kube(merge_strategy = ListMerge::Set)]
    pub former_authors: Vec<String>,
    /// The systems, each with its due date.
    #[schemars(length(min = 1, max = 2000))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["namespace".into(), "name".into()]))]
    pub systems: Vec<PlannedSystem>,
    /// When groups of systems are cut over; absent if each has a window of its own choice.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 64))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["name".into()]))]
    pub waves: Vec<PlannedWave>,
    /// How many systems of the plan may be cut over at the same time, over all waves; absent if the waves' own numbers suffice.
    /// A further one begins when another serves from the cloud, or its attempt was aborted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 500))]
    pub cutovers_at_once: Option<i32>,
}

/// A group of systems that is cut over in one window (批次窗口).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, KubeSchema)]
#[x_kube(validation = Rule::new("self.until > self.from").message(
    "a wave's until is not after its from: enter the first and the last instant of its window"
))]
#[x_kube(validation = Rule::new("self.until <= self.from || (self.until - self.from).getMinutes() > self.lockoutMinutes").message(
    "a wave's lockoutMinutes leaves nothing of its window: shorten it, or lengthen the window"
))]
#[x_kube(validation = Rule::new("self.until <= self.from || (self.until - self.from).getMinutes() >= self.minutesEach").message(
    "a wave's window is shorter than minutesEach: lengthen it, or correct what one system is forecast to take"
))]
#[serde(rename_all = "camelCase")]
pub struct PlannedWave {
    /// Name, unique in the plan.
    #[schemars(with = "Label")]
    pub name: String,
    /// First instant of its window.
    pub from: Time,
    /// The instant that it lasts until.
    pub until: Time,
    /// How many systems may be cut over in it at the same time. A further one begins when another serves from the cloud, or its
    /// attempt was aborted.
    #[schemars(range(min = 1, max = 500))]
    pub capacity: i32,
    /// What one of them is forecast to take, minutes.
    #[schemars(range(min = 1, max = 10_080))]
    pub minutes_each: i32,
    /// Minutes before its end in which no cutover begins any more. One that has begun goes on.
    #[serde(default)]
    #[schemars(range(min = 0, max = 10_080))]
    pub lockout_minutes: i32,
}

/// A system on the list.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct PlannedSystem {
    /// Namespace of the `InformationSystem`.
    #[schemars(with = "Label")]
    pub namespace: String,
    /// Name of the `InformationSystem`.
    #[schemars(with = "ObjectName")]
    pub name: String,
    /// Acceptance is due on this day, YYYY-MM-DD.
    #[schemars(with = "Date")]
    pub due_date: String,
    /// Name of the wave that it is cut over in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<Label>")]
    pub wave: Option<String>,
    /// Why it does not have to move after all; then it is not counted as due.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exclusion: Option<PlanExclusion>,
}

/// Why a system on a plan does not have to move.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct PlanExclusion {
    /// Which of the two.
    pub kind: PlanExclusionKind,
    /// Number of the document that says so.
    #[schemars(with = "Text<128>")]
    pub document_no: String,
    /// Last day on which it holds, YYYY-MM-DD; absent if it has no end. After it the system is due again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<Date>")]
    pub valid_until: Option<String>,
}

/// Ways in which a system does not have to move.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
pub enum PlanExclusionKind {
    /// 依规保留: it stays where it is.
    Retained,
    /// 下线合并: it is switched off or becomes part of another.
    Retired,
}

/// What the controller says about a plan.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct MigrationPlanStatus {
    /// Generation of the spec that the status is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0))]
    pub observed_generation: Option<i64>,
    /// Digest of the spec; what an office issues.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<Digest>")]
    pub digest: Option<String>,
    /// How many of the offices issued this digest, as `1/2`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<Ratio>")]
    pub issued_by: Option<String>,
    /// Counts of systems.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub counts: Option<PlanCounts>,
    /// Migrated over due, as `62%`; its numerator and denominator are in `counts`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<Text<8>>")]
    pub migration_rate: Option<String>,
    /// Completed over due, as `12%`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<Text<8>>")]
    pub completion_rate: Option<String>,
    /// The first thing that is wrong with its waves, in one English sentence; absent if nothing is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<Text<1024>>")]
    pub wave_fault: Option<String>,
    /// `Issued`: both offices issued this digest. `WavesFit`: windows, capacity and freeze periods agree. `Ready`: issued, and
    /// every system on it exists.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(with = "crate::bounds::Conditions")]
    pub conditions: Vec<Condition>,
}

/// Counts of the systems on a plan.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct PlanCounts {
    /// On the list and bound by the duty to migrate.
    #[schemars(range(min = 0))]
    pub due: i32,
    /// In service on the cloud: `Trial` or later.
    #[schemars(range(min = 0))]
    pub migrated: i32,
    /// Not accepted and past the due date.
    #[schemars(range(min = 0))]
    pub overdue: i32,
    /// On the list, but not due: the sum of the three below.
    #[schemars(range(min = 0))]
    pub excluded: i32,
    /// Of them, not bound by the duty (counties, parks).
    #[serde(default)]
    #[schemars(range(min = 0))]
    pub not_bound: i32,
    /// Of them, kept in place by a document (依规保留).
    #[serde(default)]
    #[schemars(range(min = 0))]
    pub retained: i32,
    /// Of them, switched off or merged (下线合并).
    #[serde(default)]
    #[schemars(range(min = 0))]
    pub retired: i32,
    /// Accepted, and every old server's whereabouts settled (办结).
    #[serde(default)]
    #[schemars(range(min = 0))]
    pub completed: i32,
}
