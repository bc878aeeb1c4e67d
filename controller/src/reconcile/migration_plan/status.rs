//! Says where a plan stands.

use jiff::Timestamp;
use qianyun_crds::MigrationPlanStatus;
use qianyun_planning::plan_status::{self, PlanFacts};

/// The status of a plan.
pub(super) fn status(facts: &PlanFacts, now: Timestamp) -> MigrationPlanStatus {
    plan_status::status(facts, now)
}
