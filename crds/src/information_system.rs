//! `InformationSystem`: a department's system, as the department answers for it.

use crate::Contact;
use crate::bounds::{Date, ObjectName, Text, UserName};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A department's information system (信息系统).
#[derive(CustomResource, KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[kube(
    group = "migration.qianyun.dev",
    version = "v1alpha1",
    kind = "InformationSystem",
    namespaced,
    shortname = "isys",
    category = "qianyun",
    status = "InformationSystemStatus",
    derive = "PartialEq",
    validation = Rule::new("size(self.metadata.name) <= 63").message(
        "metadata.name is longer than 63 characters: choose a shorter name, other objects refer to it"
    ),
    doc = "A department's information system.",
    printcolumn(name = "DEPT", type_ = "string", json_path = ".spec.departmentRef"),
    printcolumn(name = "CATEGORY", type_ = "string", json_path = ".spec.category"),
    printcolumn(name = "MLPS", type_ = "integer", json_path = ".spec.mlps.level"),
    printcolumn(name = "HOSTS", type_ = "integer", json_path = ".status.hosts"),
    printcolumn(name = "READY", type_ = "string", json_path = ".status.conditions[?(@.type==\"Ready\")].status"),
    printcolumn(name = "AGE", type_ = "date", json_path = ".metadata.creationTimestamp")
)]
#[serde(rename_all = "camelCase")]
pub struct InformationSystemSpec {
    /// Display name in English.
    #[schemars(with = "Text<128>")]
    pub display_name: String,
    /// Display name in Chinese.
    #[schemars(with = "Text<128>")]
    pub display_name_zh: String,
    /// Name of the `Department` that owns it.
    #[schemars(with = "ObjectName")]
    #[x_kube(validation = Rule::new("self == oldSelf").message(
        "spec.departmentRef cannot be changed: make a new object"
    ))]
    pub department_ref: String,
    /// What kind of system it is.
    pub category: SystemCategory,
    /// Person answerable for the business (Art. 15).
    pub business_contact: Contact,
    /// Person answerable for the technology (Art. 15).
    pub technical_contact: Contact,
    /// Grading under the classified protection scheme (Art. 29); absent until graded.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mlps: Option<SystemProtection>,
    /// The department's declaration that the system is not classified (Art. 22). Nothing about a classified one may be stored.
    pub declaration: SystemDeclaration,
}

/// Kinds of system.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
pub enum SystemCategory {
    /// 门户网站.
    Portal,
    /// 业务系统.
    Business,
    /// 内部办公.
    Office,
    /// 数据平台.
    DataPlatform,
}

/// Grading of a system (定级备案).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct SystemProtection {
    /// Level, 1 to 5.
    #[schemars(range(min = 1, max = 5))]
    pub level: i32,
    /// Filing number.
    #[schemars(with = "Text<64>")]
    pub filing_no: String,
}

/// The declaration for a system.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct SystemDeclaration {
    /// Must be `NonClassified`.
    pub classification: Classification,
    /// Who declared it.
    #[schemars(with = "UserName")]
    pub declared_by: String,
    /// When, YYYY-MM-DD.
    #[schemars(with = "Date")]
    pub declared_on: String,
}

/// The only classification that may be stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
pub enum Classification {
    /// 非涉密.
    NonClassified,
}

/// What the controller says about a system.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct InformationSystemStatus {
    /// Generation of the spec that the status is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0))]
    pub observed_generation: Option<i64>,
    /// How many hosts are enrolled for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0))]
    pub hosts: Option<i32>,
    /// `Ready`: the department exists and this is its namespace.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(with = "crate::bounds::Conditions")]
    pub conditions: Vec<Condition>,
}
