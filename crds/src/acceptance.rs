//! From the trial run to its acceptance (试运行, 验收; Art. 20): incidents, reports, and the meeting. The persons sign the digest of
//! the acceptance through `Approval`s; an edit voids what was signed.

use crate::bounds::{Date, Digest, Text};
use crate::review::{Conclusion, Report};
use crate::scheme::{Evidence, PartyRole};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Something that went wrong in a trial run (Art. 32).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, KubeSchema)]
#[x_kube(validation = Rule::new("!has(self.resolvedAt) || self.resolvedAt >= self.occurredAt").message(
    "an incident's resolvedAt is before its occurredAt: correct one of the two"
))]
#[x_kube(validation = Rule::new("self.grade == 'General' || has(self.reportedTo)").message(
    "an incident of grade Larger or above needs reportedTo: it is reported within 4 hours"
))]
#[serde(rename_all = "camelCase")]
pub struct Incident {
    /// Number in this trial run, from 1.
    #[schemars(range(min = 1, max = 9999))]
    pub number: i32,
    /// When it happened.
    pub occurred_at: Time,
    /// How grave it was.
    pub grade: IncidentGrade,
    /// What users noticed.
    #[schemars(with = "Text<1000>")]
    pub impact: String,
    /// What was done.
    #[schemars(with = "Text<1000>")]
    pub action: String,
    /// Whom it was reported to; for grade `Larger` and above.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<Text<256>>")]
    pub reported_to: Option<String>,
    /// When it was over; absent while it lasts. None may be open at the acceptance.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resolved_at: Option<Time>,
}

/// Grades of incidents (国家网络安全事件报告管理办法).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
pub enum IncidentGrade {
    /// 一般.
    General,
    /// 较大.
    Larger,
    /// 重大.
    Major,
    /// 特别重大.
    Extraordinary,
}

/// The acceptance of a migrated system (验收, Art. 20).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, KubeSchema)]
#[x_kube(validation = Rule::new("has(self.meeting) || !has(self.issues)").message(
    "acceptance.issues needs acceptance.meeting: issues are what the meeting found"
))]
#[serde(rename_all = "camelCase")]
pub struct Acceptance {
    /// The performance test to national or industry standards.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub performance_test: Option<Report>,
    /// The assessment by an authorised body, where there were security works.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub security_assessment: Option<Report>,
    /// The meeting; absent before it is held.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub meeting: Option<AcceptanceMeeting>,
    /// What the meeting found to be mended.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 64))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["number".into()]))]
    pub issues: Vec<AcceptanceIssue>,
}

/// The meeting that accepts a system.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct AcceptanceMeeting {
    /// Day, YYYY-MM-DD.
    #[schemars(with = "Date")]
    pub held_on: String,
    /// Who organised it: the owner (Art. 20).
    #[schemars(with = "Text<128>")]
    pub organiser: String,
    /// Who took part, or why not; design, construction and supervision each have an entry.
    #[schemars(length(min = 1, max = 32))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["role".into(), "unit".into()]))]
    pub participants: Vec<Participant>,
    /// What it decided.
    pub conclusion: Conclusion,
    /// The minutes (验收意见).
    pub minutes: Evidence,
}

/// A unit asked to an acceptance.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, KubeSchema)]
#[x_kube(validation = Rule::new("has(self.representative) != has(self.absenceReason)").message(
    "a participant has either a representative who was present, or an absenceReason: give one of the two"
))]
#[serde(rename_all = "camelCase")]
pub struct Participant {
    /// What the unit did in the migration.
    pub role: PartyRole,
    /// The unit.
    #[schemars(with = "Text<128>")]
    pub unit: String,
    /// Who was present for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<Text<64>>")]
    pub representative: Option<String>,
    /// Why nobody was, as: moved as it is, no design unit took part.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<Text<512>>")]
    pub absence_reason: Option<String>,
}

/// Something to be mended after the acceptance.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct AcceptanceIssue {
    /// Number, from 1.
    #[schemars(range(min = 1, max = 999))]
    pub number: i32,
    /// What it is.
    #[schemars(with = "Text<512>")]
    pub what: String,
    /// Day by which it is to be mended, YYYY-MM-DD.
    #[schemars(with = "Date")]
    pub due_on: String,
    /// Digest of the proof that it was: `sha256:<hex>`; absent until then.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<Digest>")]
    pub resolved_by: Option<String>,
}
