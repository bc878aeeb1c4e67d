//! `Department`: a unit that owns systems.

use crate::bounds::{CreditCode, DivisionCode, Label, Phone, Text};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A unit that owns information systems (使用单位).
#[derive(CustomResource, KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[kube(
    group = "migration.qianyun.dev",
    version = "v1alpha1",
    kind = "Department",
    shortname = "dept",
    category = "qianyun",
    status = "DepartmentStatus",
    derive = "PartialEq",
    validation = Rule::new("size(self.metadata.name) <= 63").message(
        "metadata.name is longer than 63 characters: choose a shorter name, other objects refer to it"
    ),
    doc = "A unit that owns information systems.",
    printcolumn(name = "UNIT", type_ = "string", json_path = ".spec.displayNameZh"),
    printcolumn(name = "KIND", type_ = "string", json_path = ".spec.kind"),
    printcolumn(name = "NAMESPACE", type_ = "string", json_path = ".spec.namespace"),
    printcolumn(name = "READY", type_ = "string", json_path = ".status.conditions[?(@.type==\"Ready\")].status"),
    printcolumn(name = "JURISDICTION", type_ = "string", json_path = ".spec.jurisdiction", priority = 1),
    printcolumn(name = "AGE", type_ = "date", json_path = ".metadata.creationTimestamp")
)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("has(self.contacts) && size(self.contacts) > 0").message(
    "spec.contacts names nobody: enter at least one person to call, who can be asked about the systems"
))]
pub struct DepartmentSpec {
    /// Display name in English.
    #[schemars(with = "Text<128>")]
    pub display_name: String,
    /// Display name in Chinese.
    #[schemars(with = "Text<128>")]
    pub display_name_zh: String,
    /// Kind of unit; only municipal departments are bound by the duty to migrate (Art. 2, 22, 23).
    pub kind: DepartmentKind,
    /// Administrative division code, six digits (Art. 5).
    #[schemars(with = "DivisionCode")]
    pub jurisdiction: String,
    /// Unified social credit code, 18 characters.
    #[schemars(with = "CreditCode")]
    pub credit_code: String,
    /// Namespace that holds the department's objects.
    #[schemars(with = "Label")]
    #[x_kube(validation = Rule::new("self == oldSelf").message(
        "spec.namespace cannot be changed: make a new object"
    ))]
    pub namespace: String,
    /// People to call, at least one.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16))]
    #[x_kube(merge_strategy = ListMerge::Atomic)]
    pub contacts: Vec<Contact>,
}

/// Kinds of unit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
pub enum DepartmentKind {
    /// 市直部门.
    MunicipalDepartment,
    /// 县(市、区).
    County,
    /// 市直园区.
    Park,
    /// 行业单位.
    IndustryUnit,
    /// 事业单位.
    PublicInstitution,
}

/// A person to call.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Contact {
    /// Name.
    #[schemars(with = "Text<64>")]
    pub name: String,
    /// Telephone.
    #[schemars(with = "Phone")]
    pub phone: String,
    /// What the person is responsible for.
    #[schemars(with = "Text<128>")]
    pub duty: String,
}

/// What the controller says about a department.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct DepartmentStatus {
    /// Generation of the spec that the status is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0))]
    pub observed_generation: Option<i64>,
    /// `Ready`: the namespace exists.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(with = "crate::bounds::Conditions")]
    pub conditions: Vec<Condition>,
}
