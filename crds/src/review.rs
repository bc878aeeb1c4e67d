//! The review of a scheme on paper: when both offices received it, and the evaluation of the project in it (论证评估). Dates and
//! numbers of documents that people made elsewhere; nothing here is part of the scheme's digest.

use crate::bounds::{Date, Digest, Text};
use crate::scheme::Evidence;
use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// When both offices had the complete scheme: the service target of the review counts from here.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, KubeSchema)]
#[x_kube(validation = Rule::new("!has(self.pauses) || self.pauses.all(p, p.from >= self.receivedOn)").message(
    "receipt.pauses has one that begins before receipt.receivedOn: nothing runs yet that could stand still"
))]
#[x_kube(validation = Rule::new("!has(self.pauses) || self.pauses.all(p, self.pauses.exists_one(q, q.from == p.from) && self.pauses.all(q, q.from <= p.from || (has(p.until) && p.until <= q.from)))").message(
    "receipt.pauses overlap: enter the last day of each, not after the first day of the next"
))]
#[serde(rename_all = "camelCase")]
pub struct SchemeReceipt {
    /// Day on which the second office received it, YYYY-MM-DD.
    #[schemars(with = "Date")]
    pub received_on: String,
    /// Digest of the scheme that they received; a receipt of another counts for nothing.
    #[schemars(with = "Digest")]
    pub digest: String,
    /// Times in which it lay with the department for correction (退回补正), which do not count.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16))]
    #[x_kube(merge_strategy = ListMerge::Atomic)]
    pub pauses: Vec<ClockPause>,
}

/// The evaluation of a project by the smart-city office (Art. 18): 20 working days from its acceptance (受理) to the report.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, KubeSchema)]
#[x_kube(validation = Rule::new("!has(self.acceptedOn) || self.acceptedOn >= self.submittedOn").message(
    "assessment.acceptedOn is before assessment.submittedOn: correct one of the two"
))]
#[x_kube(validation = Rule::new("!has(self.report) || (has(self.acceptedOn) && self.report.issuedOn >= self.acceptedOn)").message(
    "assessment.report needs assessment.acceptedOn, on or before the day of the report: enter when the filing was accepted (受理)"
))]
#[x_kube(validation = Rule::new("!has(self.pauses) || self.pauses.all(p, has(self.acceptedOn) && p.from >= self.acceptedOn)").message(
    "assessment.pauses has one that begins before assessment.acceptedOn: the clock starts with the acceptance (受理)"
))]
#[x_kube(validation = Rule::new("!has(self.pauses) || self.pauses.all(p, self.pauses.exists_one(q, q.from == p.from) && self.pauses.all(q, q.from <= p.from || (has(p.until) && p.until <= q.from)))").message(
    "assessment.pauses overlap: enter the last day of each, not after the first day of the next"
))]
#[x_kube(validation = Rule::new("!has(self.cityApprovalNo) || (has(self.report) && self.report.conclusion == 'Passed')").message(
    "assessment.cityApprovalNo needs a report that says Passed: the city government decides on the report"
))]
#[serde(rename_all = "camelCase")]
pub struct Assessment {
    /// Day of the filing, YYYY-MM-DD.
    #[schemars(with = "Date")]
    pub submitted_on: String,
    /// Day of its acceptance (受理), YYYY-MM-DD; the clock starts on the working day after it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<Date>")]
    pub accepted_on: Option<String>,
    /// Times in which the clock stands still, as while papers are corrected.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16))]
    #[x_kube(merge_strategy = ListMerge::Atomic)]
    pub pauses: Vec<ClockPause>,
    /// The report.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub report: Option<Report>,
    /// Number of the city government's approval of the project (Art. 18, 33).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<Text<128>>")]
    pub city_approval_no: Option<String>,
}

/// A time in which a clock stands still.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, KubeSchema)]
#[x_kube(validation = Rule::new("!has(self.until) || self.until >= self.from").message(
    "a pause's until is before its from: enter its first and its last day"
))]
#[serde(rename_all = "camelCase")]
pub struct ClockPause {
    /// First day, YYYY-MM-DD.
    #[schemars(with = "Date")]
    pub from: String,
    /// Last day, YYYY-MM-DD; absent while it lasts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<Date>")]
    pub until: Option<String>,
    /// Why.
    #[schemars(with = "Text<512>")]
    pub reason: String,
}

/// A report of a test, an assessment or an evaluation.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Report {
    /// What it found.
    pub conclusion: Conclusion,
    /// Who issued it.
    #[schemars(with = "Text<128>")]
    pub issued_by: String,
    /// Day of issue, YYYY-MM-DD.
    #[schemars(with = "Date")]
    pub issued_on: String,
    /// The paper.
    pub paper: Evidence,
}

/// What a report or a meeting found.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
pub enum Conclusion {
    /// 通过.
    Passed,
    /// 不通过.
    Failed,
}
