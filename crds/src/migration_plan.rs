//! `MigrationPlan` (迁移计划): the city-wide list, made by the operator and issued by both offices.

use crate::bounds::{Date, Digest, Label, ObjectName, Ratio, Text, UserName};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
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
    printcolumn(name = "POLICY", type_ = "string", json_path = ".spec.policyRef", priority = 1),
    printcolumn(name = "AGE", type_ = "date", json_path = ".metadata.creationTimestamp")
)]
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
    /// The systems, each with its due date.
    #[schemars(length(min = 1, max = 2000))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["namespace".into(), "name".into()]))]
    pub systems: Vec<PlannedSystem>,
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
    /// Migrated over due, as `62%`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<Text<8>>")]
    pub migration_rate: Option<String>,
    /// `Issued`: both offices issued this digest. `Ready`: issued, and every system on it exists.
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
    /// Not migrated and past the due date.
    #[schemars(range(min = 0))]
    pub overdue: i32,
    /// On the list, but not bound by the duty (counties, parks).
    #[schemars(range(min = 0))]
    pub excluded: i32,
}
