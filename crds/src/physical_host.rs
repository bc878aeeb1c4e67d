//! `PhysicalHost`: one enrolled server and what it last said about itself.

use crate::Party;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};
use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// One enrolled server.
#[derive(CustomResource, KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[kube(
    group = "migration.qianyun.dev",
    version = "v1alpha1",
    kind = "PhysicalHost",
    namespaced,
    shortname = "ph",
    category = "qianyun",
    status = "PhysicalHostStatus",
    derive = "PartialEq",
    doc = "One enrolled server.",
    selectable = ".spec.systemRef",
    printcolumn(name = "DEPT", type_ = "string", json_path = ".spec.departmentRef"),
    printcolumn(name = "SYSTEM", type_ = "string", json_path = ".spec.systemRef"),
    printcolumn(name = "ARCH", type_ = "string", json_path = ".status.inventory.arch"),
    printcolumn(name = "READY", type_ = "string", json_path = ".status.ready"),
    printcolumn(name = "SEEN", type_ = "string", json_path = ".status.seen"),
    printcolumn(name = "CUSTODY", type_ = "string", json_path = ".status.custody"),
    printcolumn(name = "SERIAL", type_ = "string", json_path = ".status.inventory.serial", priority = 1),
    printcolumn(name = "MODEL", type_ = "string", json_path = ".status.inventory.model", priority = 1),
    printcolumn(name = "OS", type_ = "string", json_path = ".status.inventory.osName", priority = 1),
    printcolumn(name = "CPU", type_ = "integer", json_path = ".status.inventory.cpus", priority = 1),
    printcolumn(name = "MEM-MIB", type_ = "integer", json_path = ".status.inventory.memoryMib", priority = 1),
    printcolumn(name = "AGENT", type_ = "string", json_path = ".status.agentVersion", priority = 1),
    printcolumn(name = "AGE", type_ = "date", json_path = ".metadata.creationTimestamp")
)]
#[serde(rename_all = "camelCase")]
pub struct PhysicalHostSpec {
    /// Name of the `Department` that owns it.
    pub department_ref: String,
    /// Name of the `InformationSystem` it serves.
    pub system_ref: String,
    /// Name of the `HostEnrollment` it joined with.
    pub enrollment_ref: String,
    /// Hardware identity at enrolment; never the MAC.
    pub hardware: HardwareIdentity,
    /// SHA-256 of the public key that the host made for itself, `sha256:<hex>`.
    pub public_key_digest: String,
    /// What was declared at the terminal before anything was read (Art. 22, 24).
    pub declaration: HostDeclaration,
}

/// Hardware identity.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct HardwareIdentity {
    /// DMI system UUID.
    pub system_uuid: String,
    /// DMI system serial number.
    pub system_serial: String,
    /// DMI board serial number.
    pub board_serial: String,
}

/// The declaration for a host.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct HostDeclaration {
    /// The sentence, as typed.
    pub statement: String,
    /// Who typed it.
    pub name: String,
    /// That person's telephone.
    pub phone: String,
    /// When.
    pub declared_at: Time,
}

/// What the gateway says about a host.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct PhysicalHostStatus {
    /// Generation of the spec that the status is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// When the agent last reported; written at most once a minute.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_seen: Option<Time>,
    /// Age of the last report, as `4m`; `never` before the first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seen: Option<String>,
    /// Version of the agent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub agent_version: Option<String>,
    /// `Ready`, or how many checks stand in the way, as `3 issues`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ready: Option<String>,
    /// Where the device is: `InService` until it is handed over.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub custody: Option<CustodyState>,
    /// What the machine is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub inventory: Option<HostInventory>,
    /// When the inventory was taken.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub inventory_at: Option<Time>,
    /// Checks, in the order of the catalogue.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub checks: Vec<HostCheck>,
    /// `AgentConnected`, `Inventoried`, `Ready`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub conditions: Vec<Condition>,
}

/// Where a device is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
pub enum CustodyState {
    /// In the department's machine room, serving.
    InService,
    /// Fenced: its system runs on the cloud, the device waits for handover.
    Retired,
}

/// What a machine is.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct HostInventory {
    /// Host name.
    pub hostname: String,
    /// Manufacturer.
    pub vendor: String,
    /// Product.
    pub model: String,
    /// Serial number.
    pub serial: String,
    /// Architecture, as `x86_64`.
    pub arch: String,
    /// `Bios` or `Uefi`.
    pub firmware: HostFirmware,
    /// Operating system, as `Debian GNU/Linux 12 (bookworm)`.
    pub os_name: String,
    /// Kernel release.
    pub kernel: String,
    /// Logical CPUs.
    pub cpus: i64,
    /// Memory, MiB.
    pub memory_mib: i64,
    /// Whole disks.
    pub disks: Vec<HostDisk>,
    /// Mounted local filesystems.
    pub filesystems: Vec<HostFilesystem>,
    /// Network interfaces.
    pub nics: Vec<HostNic>,
    /// Running or failed service units.
    pub units: Vec<HostUnit>,
    /// Listening sockets.
    pub listeners: Vec<HostListener>,
}

/// How a machine was started.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
pub enum HostFirmware {
    /// Legacy BIOS.
    Bios,
    /// UEFI.
    Uefi,
}

/// A whole disk.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct HostDisk {
    /// Kernel name at the last report, as `sda`.
    pub name: String,
    /// Serial number.
    pub serial: String,
    /// World-wide name.
    pub wwn: String,
    /// Size, bytes.
    pub size_bytes: i64,
    /// Logical sector size, bytes.
    pub logical_block_bytes: i64,
    /// MBR signature or GPT GUID.
    pub table_id: String,
    /// Model.
    pub model: String,
    /// What lies above it, bottom first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub stack: Vec<String>,
}

/// A mounted filesystem.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct HostFilesystem {
    /// Mount point; `[swap]` for swap.
    pub mount: String,
    /// Type.
    pub kind: String,
    /// Disk it lies on.
    pub disk: String,
    /// Size, bytes.
    pub size_bytes: i64,
    /// Free, bytes.
    pub free_bytes: i64,
}

/// A network interface.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct HostNic {
    /// Name.
    pub name: String,
    /// MAC address.
    pub mac: String,
    /// Driver.
    pub driver: String,
    /// Addresses with prefix length.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub addresses: Vec<String>,
}

/// A service unit.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct HostUnit {
    /// Name.
    pub name: String,
    /// Active state.
    pub state: String,
}

/// A listening socket.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct HostListener {
    /// `tcp` or `udp`.
    pub protocol: String,
    /// Local address.
    pub address: String,
    /// Port.
    pub port: i32,
    /// Process name.
    pub process: String,
}

/// A check's result.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct HostCheck {
    /// Catalogue id, as `BT-02`.
    pub id: String,
    /// Title.
    pub title: String,
    /// How it came out.
    pub outcome: CheckOutcome,
    /// What was found.
    pub observed: String,
    /// What is required.
    pub required: String,
    /// How to fix it, English.
    pub fix: String,
    /// How to fix it, Chinese.
    pub fix_zh: String,
    /// Who can.
    pub who: Party,
}

/// Outcomes; `Unknown` is never a pass.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
pub enum CheckOutcome {
    /// Met.
    Pass,
    /// Worth seeing.
    Info,
    /// Someone should look.
    Warn,
    /// Must not go on.
    Block,
    /// Not known.
    Unknown,
}
