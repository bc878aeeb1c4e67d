//! Words for gates: what each asks, and how it is opened. What each is called in Chinese is in the table of `gate.rs`.

use super::{Words, words};
use crate::gate::definition;
use crate::reason::Reason;
use qianyun_crds::GateName;

/// What a gate asks.
pub(crate) fn title(name: GateName) -> Words {
    let en = match name {
        GateName::PlanIssued => "the migration plan is issued",
        GateName::NonClassifiedDeclared => "system and servers are declared non-classified",
        GateName::InventoryComplete => "every server has sent its inventory",
        GateName::HostsReady => "every server is ready",
        GateName::SchemeValid => "the scheme fits servers and platform",
        GateName::SystemGraded => "the system is graded and filed",
        GateName::TargetLevelSufficient => "the platform is protected well enough",
        GateName::EmergencyPlanReady => "the emergency plan is attached",
        GateName::RollbackReady => "there is a way back to the servers",
        GateName::CataloguePrepared => "the resource catalogue is drafted",
        GateName::PartiesQualified => "whoever takes part is qualified",
        GateName::AssessmentPassed => "a project in it was evaluated",
        GateName::DepartmentConfirmed => "the department confirms the scheme",
        GateName::DualApproved => "both offices approve the scheme",
        GateName::ReplicationInSync => "every disk is in sync",
        GateName::DependenciesReady => "the systems that it needs are within reach",
        GateName::RehearsalPassed => "the scheme was rehearsed",
        GateName::DowntimeWithinBudget => "the interruption is short enough",
        GateName::SecurityInUse => "the security products are in use",
        GateName::InWindow => "the cutover window is open",
        GateName::RecordVerified => "both ends hold the same bytes",
        GateName::SourceFenced => "the old servers are off and silent",
        GateName::ProbesPassed => "the system answers from the cloud",
        GateName::CutoverConfirmed => "the operator confirms the cutover",
        GateName::TrialElapsed => "the trial run has lasted long enough",
        GateName::PerformanceTested => "the performance test passed",
        GateName::SecurityAssessed => "the security assessment passed",
        GateName::CatalogueRegistered => "the resource catalogue is registered",
        GateName::PreAcceptanceApproved => "the acceptance may be held",
        GateName::Accepted => "the acceptance is signed",
        GateName::AllHostsDisposed => "every old server is accounted for",
    };
    words(en, definition(name).zh)
}

/// What a gate is based on.
pub(crate) fn basis(name: GateName) -> Words {
    let basis = definition(name).basis;
    match basis.strip_prefix("Art. ") {
        Some(articles) => words(basis, format!("办法第{}条", articles.replace(", ", "、"))),
        None if basis == "practice" => words(basis, "惯例"),
        None => words(basis, basis.replace(" rules", "年办法")),
    }
}

/// How a gate that does not pass for this reason is opened, where that is not how such a gate is usually opened: whoever has to
/// act may not enter everything himself, for the departments and the offices write no migration.
pub(crate) fn how_with(name: GateName, reason: &Reason) -> Words {
    if let Reason::AssessmentUnderWay { .. } = reason {
        return words(
            "the smart-city office accepts the filing, evaluates the project, and hands its report to the operator, who enters all \
             of it in spec.assessment",
            "市智慧办受理并组织论证评估,将报告交云平台运维单位,由其在 spec.assessment 登记",
        );
    }
    if let Reason::AssessmentFailed = reason {
        return words(
            "the operator leaves the project out of the scheme; or the smart-city office evaluates it again, and hands its report to \
             the operator, who enters it in spec.assessment",
            "由云平台运维单位从方案中删去该项目;或由市智慧办重新论证评估,将报告交云平台运维单位在 spec.assessment 登记",
        );
    }
    if let Reason::IncidentOpen { .. } = reason {
        return words(
            "the department sees to it that the incident is over, and has the operator enter when in spec.incidents",
            "使用单位办结该事件,由云平台运维单位在 spec.incidents 登记办结时间",
        );
    }
    match (name, reason) {
        (GateName::Accepted, Reason::SignaturesMissing { .. }) => {
            words("sign an Approval of status.acceptanceDigest", "对 status.acceptanceDigest 作出 Approval")
        }
        (name, _) => how(name),
    }
}

/// How a gate is opened.
///
/// Long because each gate is opened in its own way.
fn how(name: GateName) -> Words {
    let (en, zh) = match name {
        GateName::PlanIssued => {
            ("each office makes an Approval of the plan's digest", "各机构对迁移计划的摘要作出 Approval")
        }
        GateName::NonClassifiedDeclared => (
            "sign the declaration of the InformationSystem and of each server",
            "在 InformationSystem 及每台服务器上签署非涉密声明",
        ),
        GateName::InventoryComplete => ("run qianyun-agent check on the server", "在服务器上运行 qianyun-agent check"),
        GateName::HostsReady => (
            "mend what qianyun-agent check names, or have a CheckWaiver made",
            "按 qianyun-agent check 的提示整改,或申请 CheckWaiver",
        ),
        GateName::SchemeValid => ("correct spec.scheme", "更正 spec.scheme"),
        GateName::SystemGraded => (
            "enter level and filing number in the InformationSystem, spec.mlps",
            "在 InformationSystem 的 spec.mlps 填写等级与备案号",
        ),
        GateName::TargetLevelSufficient => (
            "have the platform assessed, and enter it in the CloudPlatform, spec.mlps",
            "完成平台测评,并在 CloudPlatform 的 spec.mlps 登记",
        ),
        GateName::EmergencyPlanReady => {
            ("attach it in spec.scheme.emergencyPlan", "在 spec.scheme.emergencyPlan 附上应急预案")
        }
        GateName::RollbackReady => (
            "say in spec.scheme.rollback.sourceAccess how a server that is off is switched on again",
            "在 spec.scheme.rollback.sourceAccess 说明原服务器关机后如何重新开机",
        ),
        GateName::CataloguePrepared => (
            "attach the draft in the InformationSystem, spec.catalogue",
            "在 InformationSystem 的 spec.catalogue 附上预编目录",
        ),
        GateName::PartiesQualified => ("complete spec.scheme.parties", "补全 spec.scheme.parties"),
        GateName::AssessmentPassed => (
            "say in spec.scheme.project whether there is one; file it, and enter the report in spec.assessment",
            "在 spec.scheme.project 说明有无建设项目;有则报送,并在 spec.assessment 登记报告",
        ),
        GateName::DepartmentConfirmed => {
            ("the department makes an Approval of the scheme's digest", "使用单位对迁移方案的摘要作出 Approval")
        }
        GateName::DualApproved => (
            "each office, by a different person, makes an Approval of the scheme's digest",
            "两办分别由不同人员对迁移方案的摘要作出 Approval",
        ),
        GateName::ReplicationInSync => ("the copy comes into sync by itself", "同步完成后自动放行"),
        GateName::DependenciesReady => {
            ("move the other system first, or have the way to it opened", "先迁移关联系统,或开通跨边界访问")
        }
        GateName::RehearsalPassed => {
            ("rehearse this scheme, and enter it in spec.rehearsal", "按本方案演练,并登记于 spec.rehearsal")
        }
        GateName::DowntimeWithinBudget => {
            ("shorten the deadlines, or have a longer interruption approved", "缩短各项时限,或重新报批更长的停机时间")
        }
        GateName::SecurityInUse => {
            ("go through the list, and sign spec.securityInUse", "逐项核对后签署 spec.securityInUse")
        }
        GateName::InWindow => (
            "wait for the window, and for room in its wave and plan; once window or wave is over, submit a scheme with another",
            "等待割接窗口及批次、计划名额;窗口或批次已过则提交新方案",
        ),
        GateName::RecordVerified => ("both ends sign the record by themselves", "两端自动签署割接记录"),
        GateName::SourceFenced => {
            ("the old server powers off by itself; if it does not, switch it off", "原服务器自动断电;未断电时人工断电")
        }
        GateName::ProbesPassed => ("find out why the service does not answer on the cloud", "排查云上服务未应答的原因"),
        GateName::CutoverConfirmed => {
            ("enter the digest of the scheme in spec.confirmation", "在 spec.confirmation 填写方案摘要")
        }
        GateName::TrialElapsed => ("the day comes by itself", "到期自动放行"),
        GateName::PerformanceTested => (
            "the department has the test made, and hands the report to the operator, who enters it in \
             spec.acceptance.performanceTest",
            "使用单位组织测试,将报告交云平台运维单位,由其在 spec.acceptance.performanceTest 登记",
        ),
        GateName::SecurityAssessed => (
            "the department has an authorised body assess the security works, and hands the report to the operator, who enters \
             it in spec.acceptance.securityAssessment",
            "使用单位委托有资质的机构测评,将报告交云平台运维单位,由其在 spec.acceptance.securityAssessment 登记",
        ),
        GateName::CatalogueRegistered => (
            "register the catalogue, and enter the number in the InformationSystem, spec.catalogue.registration",
            "完成目录登记,并在 InformationSystem 的 spec.catalogue.registration 填写登记号",
        ),
        GateName::PreAcceptanceApproved => (
            "make an Approval of status.applicationDigest before the meeting",
            "验收会前对 status.applicationDigest 作出 Approval",
        ),
        GateName::Accepted => (
            "the department holds the meeting, and hands the minutes to the operator, who enters them in spec.acceptance.meeting; \
             then it signs an Approval of status.acceptanceDigest",
            "使用单位组织验收会,将验收意见交云平台运维单位,由其在 spec.acceptance.meeting 登记;随后对 status.acceptanceDigest 作出 \
             Approval",
        ),
        GateName::AllHostsDisposed => ("make a CustodyRecord for each old server", "为每台原服务器建立 CustodyRecord"),
    };
    words(en, zh)
}

#[cfg(test)]
mod tests {
    use super::{basis, how, how_with, title};
    use crate::gate::GATES;
    use crate::reason::Reason;
    use qianyun_crds::{GateName, Party};

    #[test]
    fn every_gate_has_its_words_and_none_has_those_of_another() {
        let all: Vec<_> = GATES.iter().map(|g| (title(g.name), how(g.name), basis(g.name))).collect();
        for (i, (title, how, basis)) in all.iter().enumerate() {
            assert!(!basis.zh.is_ascii(), "{basis:?}");
            assert!(title.en.is_ascii() && how.en.is_ascii() && !how.zh.is_ascii(), "{title:?}: {how:?}");
            assert!(all[..i].iter().all(|(t, h, _)| t != title && h != how), "twice: {title:?}, {how:?}");
        }
    }

    #[test]
    fn nobody_is_told_to_write_what_only_the_operator_may_write() {
        // Of a migration the department and the offices may read everything and write nothing (the chart's roles).
        let others = GATES.iter().filter(|g| !matches!(g.party, Party::Operator | Party::Nobody));
        let usual = others.map(|g| how(g.name));
        let underway = Reason::AssessmentUnderWay { standing: None };
        let incident = Reason::IncidentOpen { number: 1 };
        let special = [
            how_with(GateName::AssessmentPassed, &underway),
            how_with(GateName::AssessmentPassed, &Reason::AssessmentFailed),
            how_with(GateName::Accepted, &incident),
        ];
        for words in usual.chain(special) {
            let of_migration = ["scheme", "acceptance.", "assessment", "incidents", "rehearsal", "confirmation"];
            let writes = of_migration.iter().any(|field| words.en.contains(&format!("spec.{field}")));
            let by_operator = words.en.contains("the operator") && words.zh.contains("云平台运维单位");
            assert!(!writes || by_operator, "{words:?}");
        }
    }

    #[test]
    fn an_article_is_named_as_each_language_names_it() {
        let of = |name| (basis(name).en, basis(name).zh);
        let said = |en: &str, zh: &str| (en.to_string(), zh.to_string());
        assert_eq!(of(qianyun_crds::GateName::AssessmentPassed), said("Art. 18, 33", "办法第18、33条"));
        assert_eq!(of(qianyun_crds::GateName::InWindow), said("practice", "惯例"));
        assert_eq!(of(qianyun_crds::GateName::PreAcceptanceApproved), said("2025 rules", "2025年办法"));
    }
}
