//! `HostMigration`: one host's journey. The controller writes its intent; nobody else does.

use crate::Waiting;
use crate::bounds::{Digest, Label, Maybe, ObjectName, Text};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};
use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// One host's journey, made and driven by the controller.
#[derive(CustomResource, KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[kube(
    group = "migration.qianyun.dev",
    version = "v1alpha1",
    kind = "HostMigration",
    namespaced,
    shortname = "hostmig",
    category = "qianyun",
    status = "HostMigrationStatus",
    derive = "PartialEq",
    validation = Rule::new("!has(oldSelf.status) || !has(oldSelf.status.cutover) || (has(self.status) && has(self.status.cutover))").message(
        "status.cutover disappears: what was decided is never forgotten"
    ),
    doc = "One host's journey, made and driven by the controller.",
    selectable = ".spec.migrationRef",
    printcolumn(name = "HOST", type_ = "string", json_path = ".spec.hostRef"),
    printcolumn(name = "INTENT", type_ = "string", json_path = ".spec.intent"),
    printcolumn(name = "STEP", type_ = "string", json_path = ".status.step"),
    printcolumn(name = "SYNC", type_ = "string", json_path = ".status.replication"),
    printcolumn(name = "LEFT", type_ = "string", json_path = ".status.left"),
    printcolumn(name = "DECISION", type_ = "string", json_path = ".status.cutover.decision.kind"),
    printcolumn(name = "SENT", type_ = "string", json_path = ".status.sent", priority = 1),
    printcolumn(name = "ETA", type_ = "string", json_path = ".status.eta", priority = 1),
    printcolumn(name = "MESSAGE", type_ = "string", json_path = ".status.message", priority = 1),
    printcolumn(name = "AGE", type_ = "date", json_path = ".metadata.creationTimestamp")
)]
#[serde(rename_all = "camelCase")]
pub struct HostMigrationSpec {
    /// Name of the `SystemMigration` in the same namespace.
    #[schemars(with = "ObjectName")]
    #[x_kube(validation = Rule::new("self == oldSelf").message(
        "spec.migrationRef cannot be changed: make a new object"
    ))]
    pub migration_ref: String,
    /// Name of the `PhysicalHost` in the same namespace.
    #[schemars(with = "ObjectName")]
    #[x_kube(validation = Rule::new("self == oldSelf").message(
        "spec.hostRef cannot be changed: make a new object"
    ))]
    pub host_ref: String,
    /// Digest of the approved scheme that this carries out.
    #[schemars(with = "Digest")]
    pub scheme_digest: String,
    /// What the host is to be.
    pub intent: HostIntent,
    /// Replication session; grows when the receiver must forget what went before.
    #[schemars(range(min = 1))]
    #[x_kube(validation = Rule::new("self >= oldSelf").message(
        "spec.session goes down: sessions only grow"
    ))]
    pub session: i64,
    /// Cutover attempt; 0 before the first.
    #[schemars(range(min = 0))]
    #[x_kube(validation = Rule::new("self >= oldSelf").message(
        "spec.attempt goes down: attempts only grow"
    ))]
    pub attempt: i32,
}

/// What a host is to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
pub enum HostIntent {
    /// Inventory and checks only.
    Idle,
    /// Copied and followed.
    Replicate,
    /// Cut over.
    Cutover,
    /// Cutover aborted: back to work.
    Resume,
    /// Cutover committed: out of service for good.
    Fence,
    /// Serving on the cloud.
    Serve,
}

/// What the controller knows about a host's journey.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, KubeSchema)]
#[x_kube(validation = Rule::new("!has(oldSelf.epoch) || (has(self.epoch) && self.epoch >= oldSelf.epoch)").message(
    "status.epoch goes down: this writer lost the leader election and must not write any more"
))]
#[x_kube(validation = Rule::new("!has(oldSelf.cutover) || has(self.cutover)").message(
    "status.cutover disappears: what was decided is never forgotten"
))]
#[serde(rename_all = "camelCase")]
pub struct HostMigrationStatus {
    /// Generation of the spec that the status is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0))]
    pub observed_generation: Option<i64>,
    /// Controller epoch that wrote this last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0))]
    pub epoch: Option<i64>,
    /// Step that runs or was last finished.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<Maybe<64>>")]
    pub step: Option<String>,
    /// Steps of the agent, in order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 32))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["name".into()]))]
    pub steps: Vec<StepStatus>,
    /// Replication over all disks: the least advanced state.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub replication: Option<DiskPhase>,
    /// Bytes still to send over all disks, for people, as `1.2 GiB`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<Maybe<32>>")]
    pub left: Option<String>,
    /// Bytes sent over all disks, for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<Maybe<32>>")]
    pub sent: Option<String>,
    /// Time until in sync as a range, for people, as `3m-5m`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<Maybe<32>>")]
    pub eta: Option<String>,
    /// Disks.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 32))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["volume".into()]))]
    pub disks: Vec<DiskStatus>,
    /// Receiver, once it listens.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub receiver: Option<ReceiverStatus>,
    /// The newest cutover attempt.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cutover: Option<CutoverStatus>,
    /// The machine on the cloud.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub target: Option<TargetStatus>,
    /// What is waited for; absent if nothing is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub waiting: Option<Waiting>,
    /// Where it stands, in one English sentence.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<Maybe<4096>>")]
    pub message: Option<String>,
    /// `InSync`, `Committed`, `Fenced`, `InService`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(with = "crate::bounds::Conditions")]
    pub conditions: Vec<Condition>,
}

/// A step of the agent.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct StepStatus {
    /// Name.
    pub name: StepName,
    /// Where it stands.
    pub state: StepProgress,
    /// How often it was begun.
    #[schemars(range(min = 0))]
    pub attempts: i32,
    /// When it was last begun.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub started_at: Option<Time>,
    /// When it ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub finished_at: Option<Time>,
    /// How long it took, milliseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0))]
    pub took_ms: Option<i64>,
    /// What happened.
    #[schemars(with = "Maybe<4096>")]
    pub message: String,
}

/// Steps, in the order of the journey.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
pub enum StepName {
    /// Drivers beside the initramfs, and a boot entry.
    PrepareBoot,
    /// Copy and follow.
    Replicate,
    /// Hooks of the admin before the services are stopped.
    HooksBeforeStop,
    /// Stop the declared services.
    Quiesce,
    /// Hooks of the admin after the services were stopped.
    HooksBeforeFreeze,
    /// Freeze the filesystems.
    Freeze,
    /// Drain, send, durable.
    FinalPass,
    /// Compare and sign.
    Verify,
    /// Thaw after an abort.
    Thaw,
    /// Start the services after an abort.
    StartServices,
    /// Hooks of the admin after the services run again.
    HooksAfterResume,
    /// Acknowledge and power off.
    Fence,
    /// Network names on the other machine.
    AdaptNetwork,
    /// Units on the other machine.
    ServeUnits,
}

/// Where a step stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
pub enum StepProgress {
    /// Not begun.
    Pending,
    /// Under way.
    Running,
    /// Done.
    Done,
    /// Failed or refused.
    Failed,
}

/// Replication states (one axis per disk).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
pub enum DiskPhase {
    /// Not started.
    Idle,
    /// First copy.
    InitialCopy,
    /// The tracker may have missed something; compared by hash.
    Suspect,
    /// Following, behind.
    CatchingUp,
    /// Comparing hashes.
    Verifying,
    /// Following, and a freeze now would be short.
    InSync,
    /// Frozen, last pass.
    Final,
    /// Record signed.
    Committed,
}

/// A disk's replication.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct DiskStatus {
    /// Volume.
    #[schemars(with = "Label")]
    pub volume: String,
    /// Where it stands.
    pub phase: DiskPhase,
    /// Size, bytes.
    #[schemars(range(min = 0))]
    pub size_bytes: i64,
    /// Read, bytes.
    #[schemars(range(min = 0))]
    pub read_bytes: i64,
    /// Free space not read, bytes.
    #[schemars(range(min = 0))]
    pub skipped_bytes: i64,
    /// Zeros, bytes.
    #[schemars(range(min = 0))]
    pub zero_bytes: i64,
    /// Sent before compression, bytes.
    #[schemars(range(min = 0))]
    pub sent_bytes: i64,
    /// On the wire, bytes.
    #[schemars(range(min = 0))]
    pub wire_bytes: i64,
    /// Still to send, bytes.
    #[schemars(range(min = 0))]
    pub remaining_bytes: i64,
    /// Sending, bytes per second.
    #[schemars(range(min = 0))]
    pub send_bytes_per_second: i64,
    /// Changing on the source, bytes per second.
    #[schemars(range(min = 0))]
    pub change_bytes_per_second: i64,
    /// Age of the oldest change not yet durable at the target, milliseconds.
    #[schemars(range(min = 0))]
    pub lag_ms: i64,
    /// Seconds until in sync, low end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0))]
    pub eta_low_seconds: Option<i64>,
    /// Seconds until in sync, high end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0))]
    pub eta_high_seconds: Option<i64>,
    /// Why it waits or doubts; empty if it does not.
    #[serde(default)]
    #[schemars(with = "Maybe<4096>")]
    pub message: String,
}

/// Where a receiver listens.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ReceiverStatus {
    /// `address:port`.
    #[schemars(with = "Text<64>")]
    pub address: String,
    /// Name in its certificate.
    #[schemars(with = "Text<253>")]
    pub name: String,
    /// Session it serves.
    #[schemars(range(min = 1))]
    pub session: i64,
}

/// A cutover attempt.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, KubeSchema)]
#[x_kube(validation = Rule::new("self.attempt >= oldSelf.attempt").message(
    "cutover.attempt goes down: attempts only grow"
))]
#[x_kube(validation = Rule::new("self.attempt != oldSelf.attempt || !has(oldSelf.decision) || (has(self.decision) && self.decision == oldSelf.decision)").message(
    "cutover.decision of this attempt was written before: it never changes and never disappears"
))]
#[x_kube(validation = Rule::new("!has(self.decision) || self.decision.attempt == self.attempt").message(
    "cutover.decision is for another attempt than cutover.attempt"
))]
#[x_kube(validation = Rule::new("!has(self.decision) || self.decision.kind != 'Commit' || (has(self.record) && has(self.decision.recordDigest) && self.record.digest == self.decision.recordDigest)").message(
    "a Commit needs the signed record: write cutover.record with the same digest as decision.recordDigest"
))]
#[serde(rename_all = "camelCase")]
pub struct CutoverStatus {
    /// Which attempt, counted for the whole journey.
    #[schemars(range(min = 1))]
    pub attempt: i32,
    /// Which attempt of its window.
    #[serde(default = "first")]
    #[schemars(range(min = 1))]
    pub attempt_in_window: i32,
    /// Where the source says it stands.
    pub source: SourceCutover,
    /// How long the filesystems were frozen, milliseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0))]
    pub frozen_ms: Option<i64>,
    /// The decision; written once per attempt, never changed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub decision: Option<CutoverDecision>,
    /// The signed record of the attempt.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub record: Option<RecordStatus>,
    /// When the source acknowledged the fence.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fence_acknowledged_at: Option<Time>,
    /// Since when the source has been silent on every probed address and towards the gateway.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub silent_since: Option<Time>,
    /// Why the source gave the attempt up; empty otherwise.
    #[serde(default)]
    #[schemars(with = "Maybe<4096>")]
    pub message: String,
}

/// What is not counted is the first.
fn first() -> i32 {
    1
}

/// Where the source stands in an attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
pub enum SourceCutover {
    /// On the way to its vote.
    Working,
    /// Gave up before voting; services run again.
    GivenUp,
    /// Voted and frozen.
    Prepared,
    /// Voted, thawed by the watchdog since; services still stopped.
    PreparedButThawed,
    /// Abort carried out; services run again.
    Resumed,
    /// Commit heard; powering off.
    Fencing,
}

/// The decision on an attempt.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct CutoverDecision {
    /// Commit or abort.
    pub kind: DecisionKind,
    /// The attempt decided on.
    #[schemars(range(min = 1))]
    pub attempt: i32,
    /// Digest of the record that a commit is for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<Digest>")]
    pub record_digest: Option<String>,
    /// Controller epoch that decided.
    #[schemars(range(min = 0))]
    pub epoch: i64,
    /// When.
    pub at: Time,
    /// Why, in one English sentence.
    #[schemars(with = "Text<1024>")]
    pub reason: String,
    /// The same in Chinese; empty in decisions of earlier releases.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    #[schemars(with = "Maybe<1024>")]
    pub reason_zh: String,
}

/// Commit or abort.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
pub enum DecisionKind {
    /// The target takes over; the source never serves again.
    Commit,
    /// The source goes on.
    Abort,
}

/// The signed record of a cutover, whole, so that it can be verified from the cluster alone.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct RecordStatus {
    /// Digest of the signed bytes, `sha256:<hex>`.
    #[schemars(with = "Digest")]
    pub digest: String,
    /// The signed bytes: canonical JSON.
    #[schemars(with = "Text<262144>")]
    pub record: String,
    /// The source's signature, hex.
    #[schemars(with = "Text<1024>")]
    pub source_signature: String,
    /// The source's certificate, PEM.
    #[schemars(with = "Text<16384>")]
    pub source_certificate: String,
    /// The target's signature, hex.
    #[schemars(with = "Text<1024>")]
    pub target_signature: String,
    /// The target's certificate, PEM.
    #[schemars(with = "Text<16384>")]
    pub target_certificate: String,
}

/// A machine on the cloud.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct TargetStatus {
    /// Where it stands.
    pub state: TargetState,
    /// When it was launched.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub launched_at: Option<Time>,
    /// When the agent on it first reported.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub arrived_at: Option<Time>,
    /// When the agent on it had finished the adaptation.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub adapted_at: Option<Time>,
    /// Probes of the scheme.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 32))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["name".into()]))]
    pub probes: Vec<ProbeStatus>,
    /// What is wrong; empty if nothing is.
    #[serde(default)]
    #[schemars(with = "Maybe<4096>")]
    pub message: String,
}

/// Where a machine on the cloud stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
pub enum TargetState {
    /// Not made.
    Absent,
    /// Made, not running.
    Stopped,
    /// Running.
    Running,
    /// Asked and not known.
    Unknown,
}

/// A probe's last result.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ProbeStatus {
    /// Name in the scheme.
    #[schemars(with = "Label")]
    pub name: String,
    /// Whether it passed.
    pub passed: bool,
    /// When it first passed, or was last tried.
    pub at: Time,
    /// What was found.
    #[schemars(with = "Maybe<1024>")]
    pub message: String,
}
