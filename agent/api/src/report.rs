//! What an agent tells: the whole of what it knows about itself, so that one report replaces all before it.

use crate::check::CheckResult;
use crate::inventory::{Fingerprint, Inventory, Unit};
use crate::record::SignedRecord;
use serde::{Deserialize, Serialize};

/// `POST /v1/report`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Report {
    /// Grows with each report of one agent process; the gateway drops older ones of the same boot and process.
    pub sequence: u64,
    /// `/proc/sys/kernel/random/boot_id`.
    pub boot_id: String,
    /// Random per process start, so that a restarted agent's `sequence` may begin again.
    pub process_id: String,
    /// The hardware that reports.
    pub fingerprint: Fingerprint,
    /// Whether that is the enrolled machine or another.
    pub role: Role,
    /// Version of the agent.
    pub agent_version: String,
    /// Epoch of the newest desired state the agent has accepted; 0 before the first.
    pub epoch: u64,
    /// Generation of that state.
    pub generation: u64,
    /// Milliseconds since the Unix epoch by the machine's clock.
    pub clock_unix_ms: i64,
    /// Sent when it changed and every 10 minutes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub inventory: Option<Inventory>,
    /// Sent with the inventory.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub checks: Vec<CheckResult>,
    /// What the admin's own file forbids, in words; the controller shows it as the reason for waiting.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub local_refusal: Option<String>,
    /// Steps of the present intent, in order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub steps: Vec<StepRecord>,
    /// Replication, one entry per disk.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub disks: Vec<DiskProgress>,
    /// Highest cutover attempt ever begun on this machine, in whichever journey: it begins none twice.
    #[serde(default)]
    pub last_attempt: u32,
    /// The cutover attempt at hand.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cutover: Option<CutoverReport>,
    /// In role `Arrival`: how the machine is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub arrival: Option<ArrivalReport>,
}

/// The answer to a report.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ReportAnswer {
    /// The gateway has no inventory of this host: send it with the next report.
    #[serde(default)]
    pub want_inventory: bool,
    /// What `qianyun-agent status` shows about the journey.
    pub journey: JourneyView,
}

/// The journey, in the words that the agent shows to the department's admin.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct JourneyView {
    /// Display name of the department.
    pub department: String,
    /// Display name of the information system.
    pub system: String,
    /// Phase, as `Review`.
    pub phase: String,
    /// Approvals, as `1/2`.
    pub approvals: String,
    /// What is waited for and who can act, one English sentence; empty if nothing is waited for.
    pub waiting: String,
    /// The same in Chinese.
    pub waiting_zh: String,
}

/// Which machine speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub enum Role {
    /// The enrolled machine.
    #[default]
    Source,
    /// The agent that travelled with the disk, on other hardware.
    Arrival,
}

/// One step: what was tried, how often, and how it came out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct StepRecord {
    /// Which step.
    pub step: Step,
    /// Where it stands.
    pub state: StepState,
    /// How often it was begun.
    pub attempts: u32,
    /// When it was last begun, milliseconds since the Unix epoch; 0 if never.
    pub started_unix_ms: i64,
    /// When it ended, milliseconds since the Unix epoch; 0 if it has not.
    pub finished_unix_ms: i64,
    /// What happened or is waited for, one English sentence.
    pub message: String,
}

/// The steps of a host's journey, in order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Step {
    /// Second initramfs and boot entry.
    PrepareBoot,
    /// Copy and follow.
    Replicate,
    /// Run the admin's hooks while the services run.
    HooksBeforeStop,
    /// Stop the declared services.
    Quiesce,
    /// Run the admin's hooks after the services were stopped.
    HooksBeforeFreeze,
    /// Freeze the filesystems.
    Freeze,
    /// Drain the tracker until nothing is new, send it, wait until it is durable.
    FinalPass,
    /// Compare both roots and sign the record at both ends.
    Verify,
    /// Thaw, after an abort.
    Thaw,
    /// Start the declared services again, after an abort.
    StartServices,
    /// Run the admin's hooks after the services run again.
    HooksAfterResume,
    /// Acknowledge the commit and power off.
    Fence,
    /// On the other machine: network names.
    AdaptNetwork,
    /// On the other machine: units up.
    ServeUnits,
}

/// Where a step stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum StepState {
    /// Not begun.
    Pending,
    /// Under way.
    Running,
    /// Done, and verified by its own precheck.
    Done,
    /// Refused or failed; `message` says why. It may be begun again.
    Failed,
}

/// Replication of one disk.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct DiskProgress {
    /// Volume at the receiver.
    pub volume: String,
    /// Where it stands.
    pub state: ReplicationState,
    /// Size of the disk, bytes.
    pub size_bytes: u64,
    /// Read from the disk in this session, bytes.
    pub read_bytes: u64,
    /// Not read because a filesystem calls it free, bytes.
    pub skipped_bytes: u64,
    /// Read and found to be zeros, bytes.
    pub zero_bytes: u64,
    /// Sent, before compression, bytes.
    pub sent_bytes: u64,
    /// On the wire, after compression, with framing, bytes.
    pub wire_bytes: u64,
    /// Still to be sent, bytes.
    pub remaining_bytes: u64,
    /// Sending, bytes per second, over the last 10 s.
    pub send_bytes_per_second: u64,
    /// Changing on the source, bytes per second, over the last 10 s.
    pub change_bytes_per_second: u64,
    /// Age of the oldest change that is not durable at the target, milliseconds.
    pub lag_ms: u64,
    /// Seconds until in sync: the low end of the estimate; absent when it is not known or does not converge.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub eta_low_seconds: Option<u64>,
    /// The high end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub eta_high_seconds: Option<u64>,
    /// Why it waits or doubts, one English sentence; empty if it does not.
    pub message: String,
}

/// Replication states, one axis per disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum ReplicationState {
    /// Not started.
    Idle,
    /// First copy.
    InitialCopy,
    /// Following, behind.
    CatchingUp,
    /// Following, and a freeze now would be short.
    InSync,
    /// The tracker may have missed something; a rescan by hash is under way.
    Suspect,
    /// Comparing hashes.
    Verifying,
    /// Frozen, last pass.
    Final,
    /// The record is signed by both ends.
    Committed,
}

/// The cutover attempt at hand.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct CutoverReport {
    /// Which attempt.
    pub attempt: u32,
    /// Where it stands.
    pub state: CutoverState,
    /// Whether the services are down and nothing but the word is missing for the freeze; for the other servers of the system.
    #[serde(default)]
    pub stopped: bool,
    /// How long the filesystems were, or have been, frozen, milliseconds.
    pub frozen_ms: u64,
    /// Milliseconds until the watchdog thaws; 0 if not frozen.
    pub freeze_remaining_ms: u64,
    /// The vote: present in `Prepared` and after.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub record: Option<SignedRecord>,
    /// Why the attempt was given up; empty otherwise.
    pub message: String,
}

/// Where an attempt stands on the source.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum CutoverState {
    /// On the way; the agent may still give up by itself.
    Working,
    /// Given up by the agent before it voted: thawed, services started.
    GivenUp,
    /// Voted, and still frozen: the controller decides.
    Prepared,
    /// Voted, and thawed by the watchdog since: services stay stopped, the controller can only abort.
    PreparedButThawed,
    /// The abort has been carried out: services run.
    Resumed,
    /// The commit was heard; power goes off right after this report is answered.
    Fencing,
}

/// How the target machine is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ArrivalReport {
    /// Whether adaptation is finished.
    pub adapted: bool,
    /// Units asked for in `ServeIntent`, and failed ones.
    pub units: Vec<Unit>,
    /// What is wrong, one English sentence; empty if nothing is.
    pub message: String,
}
