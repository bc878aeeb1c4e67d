//! One entry of an audit record: what was found or done, when, by whom, and the bytes that its hash is of. It says what
//! happened and never what follows from it.

use super::Deed;
use jiff::Timestamp;
use qianyun_crds::{Decision, DecisionEffect, DecisionKind, DigestError, GateName, HostIntent, Phase};
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// The format of entries that this program writes and reads.
pub const FORMAT: u32 = 1;
/// What the first entry has for the hash of the one before it.
pub const GENESIS: &str = "sha256:0000000000000000000000000000000000000000000000000000000000000000";
/// Longest text from outside that is copied into an entry. Control characters take six bytes each as JSON, so this is 2.4 KB.
const TEXT_CHARS: usize = 400;
/// One such text, a user name and an object name of 253 characters each at their worst, 32 probes of 63, four digests: 7.7 KB.
pub const MAX_ENTRY_BYTES: usize = 8 << 10;

/// Why an entry cannot be written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SealError {
    /// It has no canonical form.
    #[error("entry {sequence} has no canonical form")]
    Digest {
        /// Which.
        sequence: u64,
        /// Why.
        #[source]
        source: DigestError,
    },
    /// It is too long.
    #[error("entry {sequence} has {found} bytes, expected at most {MAX_ENTRY_BYTES}")]
    TooLong {
        /// Which.
        sequence: u64,
        /// Its length.
        found: usize,
    },
}

/// One entry.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Entry {
    /// [`FORMAT`].
    pub format: u32,
    /// 1 for the first of a system, then one more each.
    pub sequence: u64,
    /// When it was recorded, by the controller's clock.
    pub at: Timestamp,
    /// Epoch of the controller that recorded it.
    pub epoch: i64,
    /// Whose record it is.
    pub system: System,
    /// The person who did it; absent where it was the controller, or where the cluster does not keep who it was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub actor: Option<String>,
    /// What it is about, as `Approval/first` or `PhysicalHost/db1`.
    pub subject: String,
    /// Digest of the scheme as it stood; absent where it is not known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scheme: Option<String>,
    /// What happened.
    pub event: Event,
    /// Hash of the entry before it, or [`GENESIS`].
    pub previous: String,
    /// SHA-256 over the canonical JSON of all the rest.
    pub hash: String,
}

/// Whose record an entry belongs to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct System {
    /// Namespace of the `SystemMigration`.
    pub namespace: String,
    /// Name of it. The record goes on if the object is deleted and made again.
    pub name: String,
    /// UID of the object that the entry is about.
    pub uid: String,
}

/// What an entry will say, before it has its place in a chain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Draft {
    /// UID of the `SystemMigration`.
    pub uid: String,
    /// As [`Entry::actor`].
    pub actor: Option<String>,
    /// As [`Entry::subject`].
    pub subject: String,
    /// As [`Entry::scheme`].
    pub scheme: Option<String>,
    /// What happened.
    pub event: Event,
}

/// What happened. Names and fields are never changed: entries are read for ever.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all_fields = "camelCase")]
pub enum Event {
    /// A scheme of this name was seen that was not there before.
    Begun {},
    /// The scheme is another than before, and whatever was approved of it does not count any more.
    SchemeEdited { before: String },
    /// The journey is called by another phase.
    PhaseChanged { before: Option<Phase>, phase: Phase },
    /// A decision was judged, and counts.
    ApprovalCounts(ApprovalFound),
    /// A decision that counted does so no longer.
    ApprovalCountsNoMore(ApprovalFound),
    /// A decision was judged, and is without effect: a mistake, or a way around the offices that did not work.
    ApprovalDoesNotCount(ApprovalFound),
    /// The journey is held where it is.
    Suspended {},
    /// It goes on.
    Resumed {},
    /// The policy does not ask for these gates, and for all others.
    GatesSwitchedOff { gates: Vec<GateName> },
    /// The operator confirmed that the system serves from the cloud.
    CutoverConfirmed { digest: String },
    /// A paper that is no decision is there, or says something else than before.
    PaperEntered { digest: String },
    /// It is there no longer, or its server is not of the scheme any more.
    PaperWithdrawn {},
    /// This will be done now.
    Intended { deed: Deed },
    /// Its effect is seen.
    Done { deed: Deed },
    /// It failed, and is tried again as long as it is planned.
    Failed { deed: Deed, why: String },
    /// Its effect was not seen when something else was planned.
    Unseen { deed: Deed },
    /// A journey says what no entry has led to.
    JourneyFound { intent: HostIntent, attempt: i32 },
    /// A decision on an attempt is written that no entry has led to.
    DecisionFound { decision: DecisionKind, attempt: i32 },
    /// Probes of the target have other results than before.
    ProbesTried { passed: Vec<String>, failed: Vec<String> },
    /// Something that a later version records.
    #[serde(other)]
    Unknown,
}

/// A decision of a person as it was found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ApprovalFound {
    /// UID of the `Approval`.
    pub uid: String,
    /// Gate.
    pub gate: GateName,
    /// Role.
    pub role: String,
    /// Decision.
    pub decision: Decision,
    /// The digest that it names.
    pub digest: String,
    /// Opinion, clipped; empty if there is none.
    pub opinion: String,
    /// Digest of the whole spec, opinion included.
    pub spec_digest: String,
    /// Whether it counts, or why not.
    pub effect: DecisionEffect,
}

/// An entry and its bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sealed {
    /// The entry.
    pub entry: Entry,
    /// Its canonical JSON, which is what is kept.
    pub text: String,
}

/// Writes an entry with its hash. `entry.hash` is not looked at.
pub fn seal(mut entry: Entry) -> Result<Sealed, SealError> {
    let sequence = entry.sequence;
    let digest = |source| SealError::Digest { sequence, source };
    let value = serde_json::to_value(&entry).map_err(|error| digest(DigestError::NotJson(error)))?;
    entry.hash = hash_of(value).map_err(digest)?;
    let text = qianyun_crds::canonical_json(&entry).map_err(digest)?;
    if text.len() > MAX_ENTRY_BYTES {
        return Err(SealError::TooLong { sequence, found: text.len() });
    }
    Ok(Sealed { entry, text })
}

/// The hash that an entry must have: over everything in it but the hash.
pub(super) fn hash_of(mut entry: Value) -> Result<String, DigestError> {
    if let Some(fields) = entry.as_object_mut() {
        fields.remove("hash");
    }
    qianyun_crds::digest_of(&entry)
}

/// A text from outside, not longer than an entry has room for.
pub(super) fn clip(text: &str) -> String {
    text.chars().take(TEXT_CHARS).collect()
}
