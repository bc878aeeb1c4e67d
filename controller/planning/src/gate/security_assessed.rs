//! 安全测评 (Art. 20): where the scheme contains security works, an authorised body assessed them, and they passed.
//!
//! Blocks the acceptance. Opened by the department, which has it made; the operator enters the report.

use super::report_passed;
use crate::facts::Facts;
use crate::reason::{Found, ReportKind};
use jiff::Timestamp;
use qianyun_crds::PolicyProfileSpec;

pub(super) fn look(facts: &Facts, _policy: &PolicyProfileSpec, now: Timestamp) -> Found {
    let spec = &facts.migration.spec;
    if !spec.scheme.security_works {
        return Ok(());
    }
    let report = spec.acceptance.as_ref().and_then(|a| a.security_assessment.as_ref());
    // The Measures do not say when it is made; a body may assess the works before they are put into use.
    report_passed(facts, report, ReportKind::SecurityAssessment, now).map(|_| ())
}
