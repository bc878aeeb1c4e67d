//! `Department`: a unit that owns systems.

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
    doc = "A unit that owns information systems."
)]
#[serde(rename_all = "camelCase")]
pub struct DepartmentSpec {
    /// Display name in English.
    pub display_name: String,
    /// Display name in Chinese.
    pub display_name_zh: String,
    /// Kind of unit; only municipal departments are bound by the duty to migrate (Art. 2, 22, 23).
    pub kind: DepartmentKind,
    /// Administrative division code, six digits (Art. 5).
    pub jurisdiction: String,
    /// Unified social credit code, 18 characters.
    pub credit_code: String,
    /// Namespace that holds the department's objects.
    #[schemars(length(min = 1, max = 63))]
    pub namespace: String,
    /// People to call.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
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
    pub name: String,
    /// Telephone.
    pub phone: String,
    /// What the person is responsible for.
    pub duty: String,
}

/// What the controller says about a department.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct DepartmentStatus {
    /// Generation of the spec that the status is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// `Ready`: the namespace exists.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub conditions: Vec<Condition>,
}
