//! 性能测试 (Art. 20): the report of the performance test is attached, and it passed.
//!
//! Blocks the acceptance. Opened by the department, which has it made; the operator enters the report.

use super::report_passed;
use crate::facts::Facts;
use crate::reason::{Found, ReportKind};
use jiff::Timestamp;
use qianyun_crds::PolicyProfileSpec;

pub(super) fn look(facts: &Facts, _policy: &PolicyProfileSpec, _now: Timestamp) -> Found {
    let acceptance = facts.migration.spec.acceptance.as_ref();
    report_passed(acceptance.and_then(|a| a.performance_test.as_ref()), ReportKind::PerformanceTest)
}
