//! Words for what stands between a cutover that is carried out and 办结.

#![allow(clippy::wildcard_enum_match_arm)]
// One table of reasons; a test shows that none is without words.

use super::{Words, party, words};
use crate::reason::{Reason, ReportKind};

impl Reason {
    /// What is missing for the trial run, for the acceptance, and after it.
    pub(super) fn acceptance_words(&self) -> Option<Words> {
        Some(match self {
            Reason::CutoverNotConfirmed => {
                words("the operator has still to confirm the cutover", "云平台运维单位尚未确认割接")
            }
            Reason::ConfirmationOfAnotherDigest { digest } => words(
                format!("the confirmation names the digest {digest:?}, not that of the scheme that was carried out"),
                format!("确认所附摘要“{digest}”与实际执行的方案不符"),
            ),
            Reason::EditedAfterCommit { carried_out } => words(
                format!(
                    "the scheme was edited after it was carried out, so no confirmation or signature is about it; restore the \
                     scheme with the digest {carried_out}"
                ),
                format!("方案在执行后被修改,割接确认与验收签署均不再适用;请恢复摘要为 {carried_out} 的方案"),
            ),
            Reason::TrialNotBegun => words("the trial run has not begun yet", "试运行尚未开始"),
            Reason::TrialNotOver { earliest_end, .. } => words(
                format!("the trial run lasts until {earliest_end} at least; the acceptance may be held after that day"),
                format!("试运行最早于 {earliest_end} 期满,此后方可验收"),
            ),
            Reason::CatalogueNotRegistered => {
                words("the system's resource catalogue is not registered", "本系统政务信息资源目录尚未纳入目录管理系统")
            }
            Reason::SignaturesMissing { have, need, missing, .. } => words(
                format!("signed by {have} of {need}; missing: {}", missing.en),
                format!("已签署 {have}/{need},尚缺:{}", missing.zh),
            ),
            Reason::AcceptanceReturned { by, opinion } => words(
                format!("{by} returned the papers of the acceptance: {opinion}; change them to submit them again"),
                format!("{by} 退回了验收材料:{opinion};修改后重新提交"),
            ),
            Reason::IncidentOpen { number } => words(
                format!("incident {number} of the trial run is not resolved"),
                format!("试运行事件 {number} 尚未办结"),
            ),
            Reason::DeviceNotSettled { host } => words(
                format!("no record that holds says where the old server {host} went"),
                format!("原服务器 {host} 尚无有效的设备去向记录"),
            ),
            _ => return self.report_words().or_else(|| self.meeting_words()),
        })
    }

    /// What a report lacks.
    fn report_words(&self) -> Option<Words> {
        Some(match self {
            Reason::ReportMissing { kind } => {
                let kind = kind.words();
                words(format!("the report of the {} is missing", kind.en), format!("缺{}报告", kind.zh))
            }
            Reason::ReportFailed { kind } => {
                let kind = kind.words();
                words(format!("the {} did not pass", kind.en), format!("{}结论为不通过", kind.zh))
            }
            Reason::ReportNotIssuedYet { kind, issued_on } => {
                let kind = kind.words();
                words(
                    format!(
                        "the report of the {} is of {issued_on}, which is still to come; have its day corrected",
                        kind.en
                    ),
                    format!("{}报告的日期 {issued_on} 尚未到来,请更正", kind.zh),
                )
            }
            Reason::ReportBeforeTrial { kind, issued_on, began_on } => {
                let kind = kind.words();
                words(
                    format!(
                        "the report of the {} is of {issued_on}, before the trial run began on {began_on}; it has to be about the \
                         system as it serves from the cloud",
                        kind.en
                    ),
                    format!("{}报告出具于 {issued_on},早于试运行开始日 {began_on},须针对云上系统重新出具", kind.zh),
                )
            }
            _ => return None,
        })
    }

    /// What the meeting lacks.
    fn meeting_words(&self) -> Option<Words> {
        Some(match self {
            Reason::MeetingNotHeld => words(
                "the acceptance meeting was not held yet, or its minutes are missing",
                "验收会尚未召开或缺验收意见",
            ),
            Reason::MeetingTooEarly { held_on, earliest_end } => words(
                format!("the meeting was held on {held_on}, but the trial run lasts until {earliest_end} at least"),
                format!("验收会于 {held_on} 召开,早于试运行期满日 {earliest_end}"),
            ),
            Reason::MeetingBeforeApproval { held_on, approved_on } => words(
                format!(
                    "the meeting was held on {held_on}, before its papers were approved on {approved_on}; hold it again and \
                     have its minutes entered"
                ),
                format!("验收会于 {held_on} 召开,早于前置核准日 {approved_on};请重新组织验收并交由登记验收意见"),
            ),
            Reason::ParticipantMissing { role } => {
                let role = party::role(*role);
                words(
                    format!(
                        "the minutes name no {}; have the operator enter who was present, or why nobody was",
                        role.en
                    ),
                    format!("验收意见未列{},请由云平台运维单位登记到会人员或缺席理由", role.zh),
                )
            }
            Reason::MeetingFailed => words("the meeting did not accept the system", "验收结论为不通过"),
            _ => return None,
        })
    }
}

impl ReportKind {
    fn words(self) -> Words {
        match self {
            ReportKind::Evaluation => words("evaluation of the project", "论证评估"),
            ReportKind::PerformanceTest => words("performance test", "性能测试"),
            ReportKind::SecurityAssessment => words("security assessment", "安全测评"),
        }
    }
}
