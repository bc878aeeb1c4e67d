//! `CloudPlatform`: a hosting site and its backend.

use crate::bounds::{Cidr, Date, Interface, IpAddress, Label, Text};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A hosting site of the government cloud: where volumes and machines are made.
#[derive(CustomResource, KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[kube(
    group = "migration.qianyun.dev",
    version = "v1alpha1",
    kind = "CloudPlatform",
    shortname = "cloud",
    category = "qianyun",
    status = "CloudPlatformStatus",
    derive = "PartialEq",
    validation = Rule::new("size(self.metadata.name) <= 63").message(
        "metadata.name is longer than 63 characters: choose a shorter name, other objects refer to it"
    ),
    doc = "A hosting site of the government cloud: where volumes and machines are made.",
    printcolumn(name = "LEVEL", type_ = "integer", json_path = ".spec.mlps.level"),
    printcolumn(name = "ASSESSED", type_ = "string", json_path = ".spec.mlps.lastAssessedAt"),
    printcolumn(name = "NEXTDUE", type_ = "string", json_path = ".spec.mlps.nextDue"),
    printcolumn(name = "CPUS", type_ = "integer", json_path = ".spec.capacity.cpus"),
    printcolumn(name = "OPERATOR", type_ = "string", json_path = ".spec.operator"),
    printcolumn(name = "READY", type_ = "string", json_path = ".status.conditions[?(@.type==\"Ready\")].status"),
    printcolumn(name = "MEM-MIB", type_ = "integer", json_path = ".spec.capacity.memoryMib", priority = 1),
    printcolumn(name = "ACCEL", type_ = "string", json_path = ".status.accelerator", priority = 1),
    printcolumn(name = "AGE", type_ = "date", json_path = ".metadata.creationTimestamp")
)]
#[x_kube(validation = Rule::new("!has(self.rehearsalNetwork) || !self.networks.exists(n, n.name == self.rehearsalNetwork)").message(
    "rehearsalNetwork is one of networks, which machines in service are put on: name one that is apart from them"
))]
#[serde(rename_all = "camelCase")]
pub struct CloudPlatformSpec {
    /// Display name in English.
    #[schemars(with = "Text<128>")]
    pub display_name: String,
    /// Display name in Chinese.
    #[schemars(with = "Text<128>")]
    pub display_name_zh: String,
    /// Who operates the site (云平台运维单位, Art. 9).
    #[schemars(with = "Text<128>")]
    pub operator: String,
    /// Who supervises it (Art. 9).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<Text<128>>")]
    pub supervisor: Option<String>,
    /// Whose platform it is; the city's if absent (Art. 5, 25).
    #[serde(default)]
    pub tier: PlatformTier,
    /// What makes volumes and machines.
    pub backend: Backend,
    /// Network for rehearsals, apart from all others; absent until there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<Label>")]
    pub rehearsal_network: Option<String>,
    /// Networks that target machines can be put on.
    #[schemars(length(min = 1, max = 32))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["name".into()]))]
    pub networks: Vec<PlatformNetwork>,
    /// Protection level of the site (Art. 28).
    pub mlps: PlatformProtection,
    /// What the site can hold.
    pub capacity: Capacity,
}

/// Whose platform a site is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
pub enum PlatformTier {
    /// 市级平台.
    #[default]
    City,
    /// 县级平台.
    County,
}

/// How a site runs its machines.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Accelerator {
    /// On the processor itself.
    Kvm,
    /// Emulated: some twenty times slower.
    Tcg,
}

/// What makes volumes and machines; exactly one.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum Backend {
    /// QEMU processes beside the controller, raw volumes, qcow2 overlays.
    Qemu(QemuBackend),
}

/// Settings of the `qemu` backend. Where it keeps its files is a flag of the controller, not of the API.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct QemuBackend {
    /// Address that receivers listen on, reachable from the servers; each takes a port of its own.
    #[schemars(with = "IpAddress")]
    pub receiver_address: String,
}

/// A network of the site.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct PlatformNetwork {
    /// Name that schemes refer to.
    #[schemars(with = "Label")]
    pub name: String,
    /// Range, as `10.77.0.0/24`.
    #[schemars(with = "Cidr")]
    pub cidr: String,
    /// Linux bridge that the `qemu` backend attaches machines to.
    #[schemars(with = "Interface")]
    pub bridge: String,
}

/// Classified protection of a site (等保).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, KubeSchema)]
#[x_kube(validation = Rule::new("self.nextDue > self.lastAssessedAt").message(
    "mlps.nextDue must be after mlps.lastAssessedAt: enter the date of the next assessment"
))]
#[serde(rename_all = "camelCase")]
pub struct PlatformProtection {
    /// Level, 1 to 5.
    #[schemars(range(min = 1, max = 5))]
    pub level: i32,
    /// Filing number with the public security organ.
    #[schemars(with = "Text<64>")]
    pub filing_no: String,
    /// Last assessment, YYYY-MM-DD.
    #[schemars(with = "Date")]
    pub last_assessed_at: String,
    /// Next assessment due, YYYY-MM-DD.
    #[schemars(with = "Date")]
    pub next_due: String,
}

/// What a site can hold.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Capacity {
    /// Virtual CPUs.
    #[schemars(range(min = 1))]
    pub cpus: i64,
    /// Memory, MiB.
    #[schemars(range(min = 1))]
    pub memory_mib: i64,
    /// Storage, bytes.
    #[schemars(range(min = 1))]
    pub storage_bytes: i64,
}

/// What the controller says about a site.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct CloudPlatformStatus {
    /// Generation of the spec that the status is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0))]
    pub observed_generation: Option<i64>,
    /// Bytes free for volumes, as the backend reports it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0))]
    pub free_storage_bytes: Option<i64>,
    /// How machines run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub accelerator: Option<Accelerator>,
    /// `Ready`: the backend answers and can make volumes and machines.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(with = "crate::bounds::Conditions")]
    pub conditions: Vec<Condition>,
}
