//! `CloudPlatform`: a hosting site and its backend.

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
    doc = "A hosting site of the government cloud: where volumes and machines are made."
)]
#[serde(rename_all = "camelCase")]
pub struct CloudPlatformSpec {
    /// Display name in English.
    pub display_name: String,
    /// Display name in Chinese.
    pub display_name_zh: String,
    /// Who operates the site (云平台运维单位, Art. 9).
    pub operator: String,
    /// What makes volumes and machines.
    pub backend: Backend,
    /// Networks that target machines can be put on.
    pub networks: Vec<PlatformNetwork>,
    /// Protection level of the site (Art. 28).
    pub mlps: PlatformProtection,
    /// What the site can hold.
    pub capacity: Capacity,
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
    #[schemars(length(min = 1, max = 64))]
    pub receiver_address: String,
}

/// A network of the site.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct PlatformNetwork {
    /// Name that schemes refer to.
    #[schemars(length(min = 1, max = 63))]
    pub name: String,
    /// Range, as `10.77.0.0/24`.
    pub cidr: String,
    /// Linux bridge that the `qemu` backend attaches machines to.
    #[schemars(length(min = 1, max = 15))]
    pub bridge: String,
}

/// Classified protection of a site (等保).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct PlatformProtection {
    /// Level, 1 to 5.
    #[schemars(range(min = 1, max = 5))]
    pub level: i32,
    /// Filing number with the public security organ.
    pub filing_no: String,
    /// Last assessment, YYYY-MM-DD.
    pub last_assessed_at: String,
    /// Next assessment due, YYYY-MM-DD.
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
    pub observed_generation: Option<i64>,
    /// Bytes free for volumes, as the backend reports it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub free_storage_bytes: Option<i64>,
    /// How machines run: `kvm` or `tcg`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub accelerator: Option<String>,
    /// `Ready`: the backend answers and can make volumes and machines.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub conditions: Vec<Condition>,
}
