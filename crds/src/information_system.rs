//! `InformationSystem`: a department's system, as the department answers for it.

use crate::Contact;
use crate::bounds::{Date, Label, ObjectName, Text, UserName};
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
    selectable = ".spec.departmentRef",
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
    /// Its entry in the catalogue of government information resources (Art. 27); absent until it is prepared.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub catalogue: Option<Catalogue>,
    /// Systems that it cannot do without (关联系统).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 64))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["namespace".into(), "name".into()]))]
    pub dependencies: Vec<SystemDependency>,
    /// Who uses it (服务对象).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub users: Option<SystemUsers>,
    /// Whether it holds personal information (个人信息).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub personal_information: Option<bool>,
    /// Base database that it feeds (基础数据库, Art. 11); absent if none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub base_database: Option<BaseDatabase>,
    /// Devices newer than the regulation that may stand outside the centre, each by its document (Art. 10).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 64))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["serial".into()]))]
    pub hardware_exemptions: Vec<HardwareExemption>,
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
    /// Day of the filing, YYYY-MM-DD.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<Date>")]
    pub filed_on: Option<String>,
    /// Day of the last assessment, YYYY-MM-DD.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<Date>")]
    pub assessed_on: Option<String>,
}

/// An entry in the catalogue of government information resources (政务信息资源目录).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, KubeSchema)]
#[x_kube(validation = Rule::new("!has(self.registration) || self.itemCount > 0").message(
    "catalogue.registration needs catalogue.itemCount above 0: an empty catalogue is not registered"
))]
#[serde(rename_all = "camelCase")]
pub struct Catalogue {
    /// The draft (预编目录), prepared before the scheme is approved.
    pub draft: crate::Evidence,
    /// How many entries it has.
    #[schemars(range(min = 0, max = 100_000))]
    pub item_count: i32,
    /// Its registration in the catalogue system; absent until then. A condition of acceptance.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub registration: Option<CatalogueRegistration>,
}

/// The registration of a catalogue.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct CatalogueRegistration {
    /// Number.
    #[schemars(with = "Text<128>")]
    pub number: String,
    /// Day, YYYY-MM-DD.
    #[schemars(with = "Date")]
    pub registered_on: String,
    /// Who confirmed it for the municipal government office (Art. 26).
    #[schemars(with = "Text<128>")]
    pub confirmed_by: String,
}

/// A system that another cannot do without.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct SystemDependency {
    /// Namespace of the `InformationSystem`.
    #[schemars(with = "Label")]
    pub namespace: String,
    /// Name of the `InformationSystem`.
    #[schemars(with = "ObjectName")]
    pub name: String,
    /// Whether it can be reached from the cloud while it still runs in its machine room; else it has to move before.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub reachable_across_boundary: bool,
}

/// Who uses a system.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
pub enum SystemUsers {
    /// 公众.
    Public,
    /// 企业.
    Enterprises,
    /// 内部.
    Internal,
}

/// Base databases (基础数据库).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
pub enum BaseDatabase {
    /// 人口.
    Population,
    /// 法人.
    LegalPersons,
    /// 自然资源和空间地理.
    Geography,
    /// 宏观经济.
    Economy,
}

/// A document that allows a new device outside the centre (豁免).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct HardwareExemption {
    /// Serial number of the device.
    #[schemars(with = "Text<128>")]
    pub serial: String,
    /// Law, rule or state document that says so.
    #[schemars(with = "Text<512>")]
    pub basis: String,
    /// Number of the document.
    #[schemars(with = "Text<128>")]
    pub document_no: String,
    /// Who issued it.
    #[schemars(with = "Text<128>")]
    pub issued_by: String,
    /// Last day on which it holds, YYYY-MM-DD.
    #[schemars(with = "Date")]
    pub valid_until: String,
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
    /// `Ready`: the department exists and this is its namespace. `DependenciesKnown`: every system that it needs exists.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(with = "crate::bounds::Conditions")]
    pub conditions: Vec<Condition>,
}
