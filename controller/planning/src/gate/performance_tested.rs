//! 性能测试 (Art. 20): the report of the performance test is attached, and it passed; it was made of the system that serves from the
//! cloud, so not before its trial run began.
//!
//! Blocks the acceptance. Opened by the department, which has it made; the operator enters the report.

use super::report_passed;
use crate::facts::Facts;
use crate::reason::{Found, Reason, ReportKind, closed};
use crate::trial;
use jiff::Timestamp;
use qianyun_crds::PolicyProfileSpec;

pub(super) fn look(facts: &Facts, _policy: &PolicyProfileSpec, now: Timestamp) -> Found {
    let (acceptance, kind) = (facts.migration.spec.acceptance.as_ref(), ReportKind::PerformanceTest);
    let issued_on = report_passed(facts, acceptance.and_then(|a| a.performance_test.as_ref()), kind, now)?;
    let began = trial::recorded(facts).or_else(|| trial::started_at(facts, now));
    let began_on = facts.day(began.ok_or_else(|| closed(trial::why_none(facts)))?);
    if issued_on < began_on {
        let (issued_on, began_on) = (issued_on.to_string(), began_on.to_string());
        return Err(closed(Reason::ReportBeforeTrial { kind, issued_on, began_on }));
    }
    Ok(())
}
