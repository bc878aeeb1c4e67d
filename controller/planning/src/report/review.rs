//! Words for what a scheme lacks on paper, and for what has to be shown before a cutover.

#![allow(clippy::wildcard_enum_match_arm)]
// Two tables, each for the reasons of one kind; a test shows that none is without words.

use super::{Words, party, words};
use crate::calendar::{WaveReason, WindowReason, Zone};
use crate::reason::{Reason, RehearsalFault};
use jiff::Timestamp;

impl Reason {
    /// What a scheme has to bring along before it is approved.
    pub(super) fn review_words(&self) -> Option<Words> {
        Some(match self {
            Reason::NoWayToSource => words(
                "the scheme does not say how a server that was switched off is switched on again; say it in \
                 scheme.rollback.sourceAccess",
                "方案未说明原服务器关机后如何重新开机,请在 scheme.rollback.sourceAccess 中补充",
            ),
            Reason::EmergencyPlanMissing => words(
                "the scheme has no emergency plan; attach it in scheme.emergencyPlan",
                "方案未附应急预案,请在 scheme.emergencyPlan 中补充",
            ),
            Reason::CatalogueNotPrepared => {
                words("the system's resource catalogue has no draft with entries", "本系统政务信息资源目录尚未预编")
            }
            Reason::PartyMissing { role } => {
                let role = party::role(*role);
                words(
                    format!("the migration contains a project, and the scheme names no {}", role.en),
                    format!("本次迁移含建设项目,方案未列明{}", role.zh),
                )
            }
            Reason::CertificateExpired { party, certificate, until, needed_on } => words(
                format!("the certificate {certificate:?} of {party:?} is valid until {until}, needed on {needed_on}"),
                format!("{party}的资质证书“{certificate}”有效期至 {until},割接日为 {needed_on}"),
            ),
            Reason::ProjectNotSaid => words(
                "the scheme does not say whether it contains a project that has to be evaluated; fill in scheme.project",
                "方案未说明是否含须论证评估的建设项目,请填写 scheme.project",
            ),
            Reason::AssessmentNotFiled => words(
                "the project was not filed for its evaluation by the smart-city office",
                "建设项目尚未报市智慧办论证评估",
            ),
            Reason::AssessmentUnderWay { standing: None } => words(
                "the project is filed; the smart-city office has still to accept the filing",
                "建设项目已报送,等待市智慧办受理",
            ),
            Reason::AssessmentUnderWay { standing: Some(answer) } => {
                let standing = answer.even_if_estimated().words();
                let caveat = answer.caveat();
                let (en, zh) =
                    caveat.map_or((String::new(), String::new()), |c| (format!(" ({})", c.en), format!("({})", c.zh)));
                words(
                    format!("the evaluation of the project has no report yet: {}{en}", standing.en),
                    format!("论证评估报告尚未出具:{}{zh}", standing.zh),
                )
            }
            Reason::AssessmentFailed => {
                words("the evaluation of the project did not pass; it must not be built", "论证评估未通过,不得建设")
            }
            Reason::CityApprovalMissing => words(
                "the evaluation passed; the number of the city government's approval is missing",
                "论证评估已通过,缺市政府批准文号",
            ),
            _ => return None,
        })
    }

    /// What has to be shown before a cutover.
    pub(super) fn readiness_words(&self, zone: &Zone) -> Option<Words> {
        Some(match self {
            Reason::DependencyNotMoved { system } => words(
                format!("the system {system} does not serve from the cloud yet, and cannot be reached from there"),
                format!("关联系统 {system} 尚未上云,且云上无法访问"),
            ),
            Reason::NotRehearsed => words("this scheme was not rehearsed yet", "本方案尚未演练"),
            Reason::RehearsalOfAnotherDigest { .. } => words(
                "the rehearsal was of the scheme before it was edited; rehearse it again",
                "演练所依据的方案已被修改,须重新演练",
            ),
            Reason::RehearsalFailed { what } => {
                let what = what.words();
                words(format!("the rehearsal does not count: {}", what.en), format!("演练不能作为依据:{}", what.zh))
            }
            Reason::HostNotRehearsed { host } => words(
                format!("the rehearsal says nothing about {host}; enter its status.bootDigest in rehearsal.hosts"),
                format!("演练未包括 {host},请在 rehearsal.hosts 登记其 status.bootDigest"),
            ),
            Reason::BootChanged { host } => words(
                format!(
                    "kernel, firmware, disks, file systems or network interfaces of {host} have changed since the rehearsal; \
                     rehearse it again"
                ),
                format!("{host} 的内核、固件、磁盘、文件系统或网卡在演练后有变动,须重新演练"),
            ),
            Reason::NoRehearsalNetwork { platform } => words(
                format!("the platform {platform} has no network for rehearsals; enter it in its rehearsalNetwork"),
                format!("平台 {platform} 没有演练网络,请在 rehearsalNetwork 登记"),
            ),
            Reason::RehearsalTooOld { days, limit_days } => words(
                format!("the rehearsal is {days} days old, at most {limit_days} are allowed"),
                format!("演练距今 {days} 天,上限 {limit_days} 天"),
            ),
            Reason::DowntimeOverBudget { forecast_minutes, budget_minutes } => words(
                format!(
                    "an interruption of {forecast_minutes} minutes is to be expected, the department accepts {budget_minutes}, \
                     of which a tenth is kept in reserve"
                ),
                format!("预计停机 {forecast_minutes} 分钟,部门可接受 {budget_minutes} 分钟,并须预留一成"),
            ),
            Reason::SecurityNotInUse => words(
                "nobody has confirmed that the security products of the scheme are in use on the cloud",
                "尚未确认方案所列安全产品已在云上同步投用",
            ),
            Reason::SecurityOfAnotherDigest { .. } => words(
                "the security products were confirmed for the scheme before it was edited; go through the list again",
                "安全产品投用确认所依据的方案已被修改,须重新核对",
            ),
            Reason::Frozen { freeze, until } => frozen(freeze, *until, zone),
            Reason::FreezeUnreadable { freeze } => words(
                format!("the freeze period {freeze:?} cannot be read; correct it"),
                format!("重保期“{freeze}”内容有误,请更正"),
            ),
            Reason::WindowUnfit { reason } => reason.words(zone),
            Reason::HeldByWave { wave, reason } => {
                WaveReason::WindowUnfit { wave: wave.clone(), reason: reason.clone() }.words(zone)
            }
            Reason::PlanIsFull { busy, at_once } => words(
                format!("other systems of the plan are being cut over ({busy}), and it allows {at_once} at once"),
                format!("计划内正在割接其他系统 {busy} 个,同时最多 {at_once} 个"),
            ),
            Reason::WindowOutsideWave { wave } => words(
                format!("the window does not lie in that of the wave {wave:?} of the plan: move spec.scheme.window"),
                format!("割接窗口不在迁移计划批次“{wave}”的窗口内,请调整 spec.scheme.window"),
            ),
            _ => return None,
        })
    }
}

fn frozen(freeze: &str, until: Timestamp, zone: &Zone) -> Words {
    WindowReason::Frozen { freeze: freeze.to_owned(), until }.words(zone)
}

impl RehearsalFault {
    fn words(self) -> Words {
        match self {
            RehearsalFault::DidNotPass => words("it did not pass", "结论为不通过"),
            RehearsalFault::ServicesNotStopped => {
                words("the services were not stopped within their deadlines", "服务未在时限内停止")
            }
            RehearsalFault::RollbackNotRehearsed => words("the rollback was not rehearsed", "未演练回退"),
            RehearsalFault::LeakFound => words("it reached another network", "演练环境未隔离"),
        }
    }
}
