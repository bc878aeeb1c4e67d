//! 论证评估通过 (Art. 18, 33): the project in the migration was evaluated, passed, and approved by the city government; or the
//! scheme says, with a reason, that there is none.
//!
//! Blocks the approval, and every action on hosts. Opened by the operator, who enters what the smart-city office and the city decided.

use super::issued_on;
use crate::facts::Facts;
use crate::reason::{Found, Reason, ReportKind, closed};
use crate::time_limit;
use jiff::Timestamp;
use qianyun_crds::{Conclusion, PolicyProfileSpec};

pub(super) fn look(facts: &Facts, policy: &PolicyProfileSpec, now: Timestamp) -> Found {
    let spec = &facts.migration.spec;
    let Some(project) = &spec.scheme.project else { return Err(closed(Reason::ProjectNotSaid)) };
    if !project.contained {
        return Ok(());
    }
    let Some(assessment) = &spec.assessment else { return Err(closed(Reason::AssessmentNotFiled)) };
    let Some(report) = &assessment.report else {
        let standing = time_limit::assessment(facts, policy, now);
        return Err(closed(Reason::AssessmentUnderWay { standing }));
    };
    match report.conclusion {
        Conclusion::Failed => return Err(closed(Reason::AssessmentFailed)),
        Conclusion::Passed => issued_on(facts, report, ReportKind::Evaluation, now)?,
    };
    match assessment.city_approval_no {
        Some(_) => Ok(()),
        None => Err(closed(Reason::CityApprovalMissing)),
    }
}
