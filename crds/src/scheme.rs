//! A scheme (迁移方案): everything that the department confirms and both offices approve. Its digest covers each field here.
//!
//! What is only known or decided later (the evaluation's report, a rehearsal, incidents, acceptance) is not part of it: see
//! `review.rs`, `cutover_proof.rs` and `acceptance.rs`.

use crate::bounds::{CreditCode, Date, Digest, HostAddress, Interface, Label, Maybe, ObjectName, Text, Unit};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A scheme (迁移方案).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, KubeSchema)]
#[x_kube(validation = Rule::new("size(self.hosts) > 0").message(
    "a scheme needs at least one host: list the PhysicalHosts of the system in scheme.hosts"
))]
#[x_kube(validation = Rule::new("size(self.probes) > 0").message(
    "a scheme needs at least one probe: say in scheme.probes how its users reach the system"
))]
#[x_kube(validation = Rule::new("self.hosts.all(h, !has(h.dependsOn) || h.dependsOn.all(d, self.hosts.exists(other, other.hostRef == d)))").message(
    "dependsOn names a host that is not in scheme.hosts: list it there, or leave it out"
))]
#[x_kube(validation = Rule::new("self.rollback.latestAt > self.window.start").message(
    "rollback.latestAt is not after window.start: the rollback is decided once the cutover has begun"
))]
#[serde(rename_all = "camelCase")]
pub struct Scheme {
    /// What is to be done and why, for the people who approve it.
    #[schemars(with = "Text<4000>")]
    pub summary: String,
    /// The hosts, each with its disks and its target machine. On the cloud they are launched one after the other in this order, but
    /// each after those that it depends on.
    #[schemars(length(max = 32))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["hostRef".into()]))]
    pub hosts: Vec<SchemeHost>,
    /// When the cutover may begin and must be over.
    pub window: CutoverWindow,
    /// What proves that the system serves.
    #[schemars(length(max = 32))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["name".into()]))]
    pub probes: Vec<Probe>,
    /// Longest interruption that the department accepts, minutes.
    #[schemars(range(min = 1, max = 1440))]
    pub downtime_budget_minutes: i32,
    /// What is done if it fails, who decides, and by when.
    pub rollback: RollbackPlan,
    /// What to do in an incident: grading, duty table, reporting path, backups (应急预案, Art. 29).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub emergency_plan: Option<Evidence>,
    /// Whether the migration contains a project that has to be evaluated before (Art. 18, 33); absent until it is said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub project: Option<ProjectDuty>,
    /// Who takes part, each with the certificate that the state requires of it (Art. 19).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 32))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["role".into(), "name".into()]))]
    pub parties: Vec<ProjectParty>,
    /// Security products that are in use before the traffic is switched (三同步, Art. 31).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 64))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["name".into()]))]
    pub security_products: Vec<SecurityProduct>,
    /// Whether it contains security works, whose acceptance needs an assessment by an authorised body (Art. 20).
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub security_works: bool,
    /// Standards that it follows (Art. 13), as `GB/T 22239-2019`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(with = "Vec<Text<128>>", length(max = 64))]
    #[x_kube(merge_strategy = ListMerge::Set)]
    pub standards: Vec<String>,
    /// Freeze periods that the window lies in all the same. Both offices approve the exception with the scheme.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["freezeRef".into()]))]
    pub freeze_exceptions: Vec<FreezeException>,
    /// Supporting papers, each with the digest of the file.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 64))]
    #[x_kube(merge_strategy = ListMerge::Atomic)]
    pub evidence: Vec<Evidence>,
}

/// Whether a migration contains a project: something built, rebuilt or bought as a service (Art. 18).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, KubeSchema)]
#[x_kube(validation = Rule::new("self.contained != has(self.reason)").message(
    "project.reason does not fit project.contained: without a project say why none has to be evaluated, with one leave it out"
))]
#[serde(rename_all = "camelCase")]
pub struct ProjectDuty {
    /// Whether there is one; then its evaluation must have passed.
    pub contained: bool,
    /// Why none has to be evaluated, as: moved as it is, nothing built or bought.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<Text<1000>>")]
    pub reason: Option<String>,
    /// Who pays (资金来源, Art. 33).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<Text<256>>")]
    pub funding_source: Option<String>,
}

/// Someone who takes part in a migration (参建单位, Art. 19).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, KubeSchema)]
#[x_kube(validation = Rule::new("has(self.certificate) != has(self.noCertificateBasis)").message(
    "a party needs either its certificate, or noCertificateBasis: by which rule the state requires none"
))]
#[serde(rename_all = "camelCase")]
pub struct ProjectParty {
    /// What it does.
    pub role: PartyRole,
    /// Name of the unit.
    #[schemars(with = "Text<128>")]
    pub name: String,
    /// Unified social credit code.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<CreditCode>")]
    pub credit_code: Option<String>,
    /// The certificate that the state requires of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub certificate: Option<Certificate>,
    /// By which rule the state requires none; several were abolished.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<Text<512>>")]
    pub no_certificate_basis: Option<String>,
}

/// What someone does in a migration.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
pub enum PartyRole {
    /// 业主(使用)单位.
    Owner,
    /// 设计单位.
    Designer,
    /// 承建(施工)单位.
    Contractor,
    /// 监理单位.
    Supervisor,
    /// 招标代理机构.
    TenderAgent,
}

/// A qualification certificate (资质证书).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Certificate {
    /// Its name.
    #[schemars(with = "Text<128>")]
    pub name: String,
    /// Its number.
    #[schemars(with = "Text<128>")]
    pub number: String,
    /// Grade; absent if it has none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<Text<32>>")]
    pub grade: Option<String>,
    /// Last day on which it is valid, YYYY-MM-DD.
    #[schemars(with = "Date")]
    pub valid_until: String,
}

/// A certified security product (Art. 31).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct SecurityProduct {
    /// Name.
    #[schemars(with = "Text<128>")]
    pub name: String,
    /// Number of its certificate.
    #[schemars(with = "Text<128>")]
    pub certificate_no: String,
}

/// A freeze period that a scheme's window may lie in.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct FreezeException {
    /// Name of the `FreezePeriod`.
    #[schemars(with = "ObjectName")]
    pub freeze_ref: String,
    /// Why it cannot wait.
    #[schemars(with = "Text<1000>")]
    pub reason: String,
}

/// A host of a scheme.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, KubeSchema)]
#[x_kube(validation = Rule::new("!has(self.dependsOn) || !(self.hostRef in self.dependsOn)").message(
    "a host depends on itself: dependsOn lists the other hosts that it cannot work without"
))]
#[x_kube(validation = Rule::new("size(self.disks) > 0").message(
    "a host needs at least one disk: list every disk that the running system lies on, kubectl get ph -o yaml shows them"
))]
#[serde(rename_all = "camelCase")]
pub struct SchemeHost {
    /// Name of the `PhysicalHost` in the same namespace.
    #[schemars(with = "ObjectName")]
    pub host_ref: String,
    /// The hosts of this scheme that it cannot work without, as a web server its database. In an attempt its services are stopped
    /// before theirs, and it is launched after them, once they are adapted. No host of the system is frozen before all have stopped.
    /// Where an attempt comes to nothing, all start their services again at once.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(with = "Vec<ObjectName>", length(max = 31))]
    #[x_kube(merge_strategy = ListMerge::Set)]
    pub depends_on: Vec<String>,
    /// The machine on the cloud.
    pub target: TargetMachine,
    /// The disks to copy; every disk that the running system lies on.
    #[schemars(length(max = 32))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["volume".into()]))]
    pub disks: Vec<SchemeDisk>,
    /// Services to stop before the freeze, in this order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 64))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["unit".into()]))]
    pub quiesce: Vec<QuiesceStep>,
    /// Hooks of the server's own admin to run in an attempt; those of one moment run in this order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["name".into()]))]
    pub hooks: Vec<HookStep>,
    /// Units that must be active on the target.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(with = "Vec<Unit>", length(max = 128))]
    #[x_kube(merge_strategy = ListMerge::Set)]
    pub serve_units: Vec<String>,
}

/// A machine on the cloud.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct TargetMachine {
    /// Virtual CPUs.
    #[schemars(range(min = 1, max = 256))]
    pub cpus: i32,
    /// Memory, MiB.
    #[schemars(range(min = 256, max = 16_777_216))]
    pub memory_mib: i64,
    /// NICs, each in the place of one on the server, with its address.
    #[schemars(length(min = 1, max = 16))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["takesPlaceOf".into()]))]
    pub nics: Vec<TargetNic>,
}

/// A NIC of a machine on the cloud.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct TargetNic {
    /// Interface on the server whose place it takes, as `eno1`.
    #[schemars(with = "Interface")]
    pub takes_place_of: String,
    /// Network of the platform.
    #[schemars(with = "Label")]
    pub network: String,
}

/// A disk of a scheme: named by what does not change, so that a swapped disk is refused.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, KubeSchema)]
#[x_kube(validation = Rule::new("self.volumeBytes >= self.sizeBytes").message(
    "volumeBytes is smaller than sizeBytes: the whole disk must fit in the volume"
))]
#[x_kube(validation = Rule::new("size(self.serial) > 0 || (has(self.wwn) && size(self.wwn) > 0)").message(
    "a disk needs its serial or its wwn: without one of them a swapped disk could not be noticed"
))]
#[serde(rename_all = "camelCase")]
pub struct SchemeDisk {
    /// Name of the volume, unique in the host, as `system`.
    #[schemars(with = "Label")]
    pub volume: String,
    /// Serial number of the disk; empty if it has none.
    #[schemars(with = "Maybe<128>")]
    pub serial: String,
    /// World-wide name; empty if it has none.
    #[serde(default)]
    #[schemars(with = "Maybe<128>")]
    pub wwn: String,
    /// Size of the disk, bytes.
    #[schemars(range(min = 1_048_576))]
    pub size_bytes: i64,
    /// Size of the volume, bytes; at least that of the disk.
    #[schemars(range(min = 1_048_576))]
    pub volume_bytes: i64,
}

/// A service to stop.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct QuiesceStep {
    /// systemd unit.
    #[schemars(with = "Unit")]
    pub unit: String,
    /// It must be down within this many seconds; else the attempt is given up and the services are started again.
    #[schemars(range(min = 1, max = 1800))]
    pub deadline_seconds: i32,
}

/// A program of the server's own admin to run in an attempt, by its name there. The scheme carries no command: what the name
/// stands for is said in the section `[hooks]` of `/etc/qianyun/agent.toml` on the server.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct HookStep {
    /// Its name in the server's file; `kubectl get ph -o yaml` shows those that there are.
    #[schemars(with = "Label")]
    pub name: String,
    /// When it is run.
    pub at: HookMoment,
    /// It must have ended well within this many seconds, or it is killed and counts as failed.
    #[schemars(range(min = 1, max = 1800))]
    pub deadline_seconds: i32,
}

/// When a hook is run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
pub enum HookMoment {
    /// While all services still run, as to dump a database. If it fails, the attempt is given up before anything is stopped.
    BeforeStop,
    /// After the services are stopped, before the freeze, as to flush what they left. If it fails, the attempt is given up and
    /// the services are started again.
    BeforeFreeze,
    /// After an attempt came to nothing and the services run again, as to tell a monitor. If it fails, that is shown and holds
    /// nothing up.
    AfterResume,
}

/// When a cutover may happen.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, KubeSchema)]
#[x_kube(validation = Rule::new("self.end > self.start").message(
    "window.end is not after window.start: enter the instant after which no attempt begins"
))]
#[serde(rename_all = "camelCase")]
pub struct CutoverWindow {
    /// It may begin from here.
    pub start: Time,
    /// No attempt begins after this.
    pub end: Time,
}

/// Something that proves that the system serves, tried from the cloud platform.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Probe {
    /// Name, unique in the scheme.
    #[schemars(with = "Label")]
    pub name: String,
    /// Address of the service, as the users know it.
    #[schemars(with = "HostAddress")]
    pub address: String,
    /// TCP port that must accept a connection.
    #[schemars(range(min = 1, max = 65535))]
    pub tcp_port: i32,
    /// It must pass within this many seconds after the launch.
    #[schemars(range(min = 1, max = 3600))]
    pub deadline_seconds: i32,
}

/// What is done if it fails (回退方案).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct RollbackPlan {
    /// What triggers it.
    #[schemars(with = "Text<2000>")]
    pub triggers: String,
    /// Who decides (指挥长).
    #[schemars(with = "Text<128>")]
    pub decided_by: String,
    /// Latest moment to decide (最迟回退时间点).
    pub latest_at: Time,
    /// How a server that was switched off is switched on again; absent until it is said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source_access: Option<SourceAccess>,
    /// The steps, in order (回退步骤).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(with = "Vec<Text<512>>", length(max = 64))]
    pub steps: Vec<String>,
    /// How long it takes, minutes, as rehearsed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 1440))]
    pub duration_minutes: Option<i32>,
    /// What becomes of data that users wrote on the cloud before it (割接后新增数据处理).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<Text<2000>>")]
    pub new_data: Option<String>,
}

/// How a server that is off is reached (原服务器开机方式).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
pub enum SourceAccess {
    /// 远程管理: over its management controller (IPMI or the like), which was tried.
    RemoteConsole,
    /// 现场: by people in its machine room.
    OnSite,
}

/// A supporting paper (佐证材料).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Evidence {
    /// Title.
    #[schemars(with = "Text<256>")]
    pub title: String,
    /// Document number; empty if it has none.
    #[serde(default)]
    #[schemars(with = "Maybe<128>")]
    pub document_no: String,
    /// Digest of the file, `sha256:<hex>`.
    #[schemars(with = "Digest")]
    pub digest: String,
}
