//! `PhysicalHost`: one enrolled server and what it last said about itself.

use crate::Party;
use crate::bounds::{Date, Digest, Interface, Label, Maybe, ObjectName, Text};
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
    validation = Rule::new("size(self.metadata.name) <= 63").message(
        "metadata.name is longer than 63 characters: choose a shorter name, other objects refer to it"
    ),
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
    printcolumn(name = "DISK", type_ = "string", json_path = ".status.disk", priority = 1),
    printcolumn(name = "ROOM", type_ = "string", json_path = ".spec.room", priority = 1),
    printcolumn(name = "DOMESTIC", type_ = "string", json_path = ".status.domestic", priority = 1),
    printcolumn(
        name = "NEWHW",
        type_ = "string",
        json_path = ".status.conditions[?(@.type==\"NewHardwareToExplain\")].status",
        priority = 1
    ),
    printcolumn(name = "AGENT", type_ = "string", json_path = ".status.agentVersion", priority = 1),
    printcolumn(name = "AGE", type_ = "date", json_path = ".metadata.creationTimestamp")
)]
#[x_kube(validation = Rule::new("self == oldSelf").message(
    "what was declared at enrolment is never changed: enrol the server again"
))]
#[serde(rename_all = "camelCase")]
pub struct PhysicalHostSpec {
    /// Name of the `Department` that owns it.
    #[schemars(with = "ObjectName")]
    pub department_ref: String,
    /// Name of the `InformationSystem` it serves.
    #[schemars(with = "ObjectName")]
    pub system_ref: String,
    /// Name of the `HostEnrollment` it joined with.
    #[schemars(with = "ObjectName")]
    pub enrollment_ref: String,
    /// Machine room and rack (机房、机柜), as its `HostEnrollment` said when it joined.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<Text<128>>")]
    pub room: Option<String>,
    /// Hardware identity at enrolment; never the MAC.
    pub hardware: HardwareIdentity,
    /// SHA-256 of the public key that the host made for itself, `sha256:<hex>`.
    #[schemars(with = "Digest")]
    pub public_key_digest: String,
    /// What was declared at the terminal before anything was read (Art. 22, 24).
    pub declaration: HostDeclaration,
}

/// Hardware identity.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct HardwareIdentity {
    /// DMI system UUID.
    #[schemars(with = "Maybe<128>")]
    pub system_uuid: String,
    /// DMI system serial number.
    #[schemars(with = "Maybe<128>")]
    pub system_serial: String,
    /// DMI board serial number.
    #[schemars(with = "Maybe<128>")]
    pub board_serial: String,
}

/// The declaration for a host.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, KubeSchema)]
#[x_kube(validation = Rule::new("self.statement in ['本机不存储、不处理国家秘密', 'This machine neither stores nor processes state secrets']").message(
    "declaration.statement must be one of the two sentences of the non-classified declaration, word for word"
))]
#[serde(rename_all = "camelCase")]
pub struct HostDeclaration {
    /// The sentence, as typed.
    #[schemars(with = "Text<128>")]
    pub statement: String,
    /// Who typed it.
    #[schemars(with = "Text<64>")]
    pub name: String,
    /// That person's telephone.
    #[schemars(with = "Text<32>")]
    pub phone: String,
    /// When.
    pub declared_at: Time,
}

/// What the gateway says about a host.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct PhysicalHostStatus {
    /// Generation of the spec that the status is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0))]
    pub observed_generation: Option<i64>,
    /// When the agent last reported. Written once an hour while it is connected, and with the second when it falls silent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_seen: Option<Time>,
    /// Age of the last report, as `4m`; `never` before the first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<Text<32>>")]
    pub seen: Option<String>,
    /// Version of the agent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<Text<64>>")]
    pub agent_version: Option<String>,
    /// `Ready`, or how many checks stand in the way, as `3 issues`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<Text<32>>")]
    pub ready: Option<String>,
    /// Where the device is: `InService` until it is handed over.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub custody: Option<CustodyState>,
    /// Size of its whole disks together, for people, as `1.2 TiB`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<Text<32>>")]
    pub disk: Option<String>,
    /// Which of its layers are of the domestic stack (信创), by the names of its processor and its operating system; absent where
    /// the processor tells none. No gate rests on it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub domestic: Option<DomesticStack>,
    /// What the machine is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub inventory: Option<HostInventory>,
    /// When the inventory was taken.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub inventory_at: Option<Time>,
    /// Digest of what decides how it boots: kernel, firmware, disks, file systems, interfaces. A rehearsal names it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<Digest>")]
    pub boot_digest: Option<String>,
    /// Checks, in the order of the catalogue.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 128))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["id".into()]))]
    pub checks: Vec<HostCheck>,
    /// `AgentConnected`, `Inventoried`, `Ready`. `NewHardwareToExplain` (待说明): the firmware is of a day on which a policy was in
    /// force and no exemption of the system names the device (Art. 10); nothing waits for it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(with = "crate::bounds::Conditions")]
    pub conditions: Vec<Condition>,
}

/// Where a device is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
pub enum CustodyState {
    /// In the department's machine room, serving.
    InService,
    /// Fenced: its system runs on the cloud, the device waits for handover.
    Retired,
    /// 已入托管: in the cloud computing centre.
    InCustody,
    /// 利旧.
    Reused,
    /// 依规保留.
    RetainedInPlace,
    /// 报废.
    Scrapped,
}

/// Layers of a server that are of the domestic stack.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
pub enum DomesticStack {
    /// Processor and operating system.
    CpuAndOs,
    /// The processor alone.
    Cpu,
    /// The operating system alone.
    Os,
    /// Neither.
    No,
}

/// What a machine is.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct HostInventory {
    /// Host name.
    #[schemars(with = "Maybe<253>")]
    pub hostname: String,
    /// Manufacturer.
    #[schemars(with = "Maybe<128>")]
    pub vendor: String,
    /// Product.
    #[schemars(with = "Maybe<128>")]
    pub model: String,
    /// Serial number.
    #[schemars(with = "Maybe<128>")]
    pub serial: String,
    /// Architecture, as `x86_64`.
    #[schemars(with = "Text<32>")]
    pub arch: String,
    /// What its processor calls itself; absent where it tells no name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<Text<256>>")]
    pub cpu_model: Option<String>,
    /// `Bios` or `Uefi`.
    pub firmware: HostFirmware,
    /// Day of its firmware's release, YYYY-MM-DD; absent where the firmware does not tell.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<Date>")]
    pub firmware_date: Option<String>,
    /// Operating system, as `Debian GNU/Linux 12 (bookworm)`.
    #[schemars(with = "Maybe<128>")]
    pub os_name: String,
    /// Kernel release.
    #[schemars(with = "Maybe<128>")]
    pub kernel: String,
    /// Logical CPUs.
    #[schemars(range(min = 0))]
    pub cpus: i64,
    /// Memory, MiB.
    #[schemars(range(min = 0))]
    pub memory_mib: i64,
    /// Whole disks.
    #[schemars(length(max = 1024))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["name".into()]))]
    pub disks: Vec<HostDisk>,
    /// Mounted local filesystems.
    #[schemars(length(max = 1024))]
    pub filesystems: Vec<HostFilesystem>,
    /// Network interfaces.
    #[schemars(length(max = 1024))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["name".into()]))]
    pub nics: Vec<HostNic>,
    /// Running or failed service units.
    #[schemars(length(max = 1024))]
    pub units: Vec<HostUnit>,
    /// Listening sockets.
    #[schemars(length(max = 1024))]
    pub listeners: Vec<HostListener>,
    /// Names of the hooks that the server's admin allows, from `/etc/qianyun/agent.toml` there.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(with = "Vec<Label>", length(max = 64))]
    #[x_kube(merge_strategy = ListMerge::Set)]
    pub hooks: Vec<String>,
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
    #[schemars(with = "Text<64>")]
    pub name: String,
    /// Serial number.
    #[schemars(with = "Maybe<128>")]
    pub serial: String,
    /// World-wide name.
    #[schemars(with = "Maybe<128>")]
    pub wwn: String,
    /// Size, bytes.
    #[schemars(range(min = 0))]
    pub size_bytes: i64,
    /// Logical sector size, bytes.
    #[schemars(range(min = 0))]
    pub logical_block_bytes: i64,
    /// MBR signature or GPT GUID.
    #[schemars(with = "Maybe<64>")]
    pub table_id: String,
    /// Model.
    #[schemars(with = "Maybe<128>")]
    pub model: String,
    /// What lies above it, bottom first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(with = "Vec<Maybe<256>>", length(max = 64))]
    pub stack: Vec<String>,
}

/// A mounted filesystem.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct HostFilesystem {
    /// Mount point; `[swap]` for swap.
    #[schemars(with = "Text<4096>")]
    pub mount: String,
    /// Type.
    #[schemars(with = "Maybe<64>")]
    pub kind: String,
    /// Disk it lies on.
    #[schemars(with = "Maybe<256>")]
    pub disk: String,
    /// Size, bytes.
    #[schemars(range(min = 0))]
    pub size_bytes: i64,
    /// Free, bytes.
    #[schemars(range(min = 0))]
    pub free_bytes: i64,
}

/// A network interface.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct HostNic {
    /// Name.
    #[schemars(with = "Interface")]
    pub name: String,
    /// MAC address.
    #[schemars(with = "Maybe<64>")]
    pub mac: String,
    /// Driver.
    #[schemars(with = "Maybe<64>")]
    pub driver: String,
    /// Addresses with prefix length.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(with = "Vec<Maybe<64>>", length(max = 64))]
    pub addresses: Vec<String>,
}

/// A service unit.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct HostUnit {
    /// Name.
    #[schemars(with = "Text<255>")]
    pub name: String,
    /// Active state.
    #[schemars(with = "Maybe<64>")]
    pub state: String,
}

/// A listening socket.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct HostListener {
    /// `tcp` or `udp`.
    #[schemars(with = "Text<16>")]
    pub protocol: String,
    /// Local address.
    #[schemars(with = "Maybe<128>")]
    pub address: String,
    /// Port.
    #[schemars(range(min = 0, max = 65535))]
    pub port: i32,
    /// Process name.
    #[schemars(with = "Maybe<256>")]
    pub process: String,
}

/// A check's result.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct HostCheck {
    /// Catalogue id, as `BT-02`.
    #[schemars(with = "Text<16>")]
    pub id: String,
    /// Title.
    #[schemars(with = "Maybe<256>")]
    pub title: String,
    /// How it came out.
    pub outcome: CheckOutcome,
    /// What was found.
    #[schemars(with = "Maybe<2048>")]
    pub observed: String,
    /// What is required.
    #[schemars(with = "Maybe<2048>")]
    pub required: String,
    /// How to fix it, English.
    #[schemars(with = "Maybe<2048>")]
    pub fix: String,
    /// How to fix it, Chinese.
    #[schemars(with = "Maybe<2048>")]
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
