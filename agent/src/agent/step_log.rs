//! The record of steps for reports: which were begun, how often, and how they came out.

use qianyun_agent_api::report::{Step, StepRecord, StepState};
use std::collections::BTreeMap;

/// Records by step, in the order of the journey.
#[derive(Debug, Default)]
pub(crate) struct StepLog {
    records: BTreeMap<Step, StepRecord>,
}

impl StepLog {
    /// A step begins.
    pub(crate) fn begin(&mut self, step: Step, now: i64) {
        let record = self.records.entry(step).or_insert_with(|| StepRecord {
            step,
            state: StepState::Pending,
            attempts: 0,
            started_unix_ms: 0,
            finished_unix_ms: 0,
            message: String::new(),
        });
        record.state = StepState::Running;
        record.attempts = record.attempts.saturating_add(1);
        record.started_unix_ms = now;
        record.finished_unix_ms = 0;
        record.message.clear();
    }

    /// A step has ended; `Ok` says what there is to say of it, `Err` why it failed.
    pub(crate) fn end(&mut self, step: Step, outcome: Result<&str, &str>, now: i64) {
        if let Some(record) = self.records.get_mut(&step) {
            record.state = if outcome.is_ok() { StepState::Done } else { StepState::Failed };
            record.finished_unix_ms = now;
            record.message = outcome.unwrap_or_else(|failure| failure).to_owned();
        }
    }

    /// A new attempt: the steps of the one before are no longer of interest.
    pub(crate) fn forget_attempt(&mut self) {
        self.records.retain(|step, _| match step {
            Step::PrepareBoot | Step::Replicate | Step::AdaptNetwork | Step::ServeUnits => true,
            Step::HooksBeforeStop
            | Step::Quiesce
            | Step::HooksBeforeFreeze
            | Step::Freeze
            | Step::FinalPass
            | Step::Verify
            | Step::Thaw
            | Step::StartServices
            | Step::HooksAfterResume
            | Step::Fence => false,
        });
    }

    /// All of them, in the order of the journey.
    pub(crate) fn records(&self) -> Vec<StepRecord> {
        self.records.values().cloned().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn attempts_are_counted_and_a_failure_keeps_its_words_until_the_next_begin() {
        let mut log = StepLog::default();
        log.begin(Step::Quiesce, 1);
        log.end(Step::Quiesce, Err("too slow"), 2);
        assert_eq!((log.records()[0].state, log.records()[0].message.as_str()), (StepState::Failed, "too slow"));
        log.begin(Step::Quiesce, 3);
        log.end(Step::Quiesce, Ok(""), 4);
        let record = &log.records()[0];
        assert_eq!((record.attempts, record.state, record.finished_unix_ms), (2, StepState::Done, 4));
    }

    #[test]
    fn a_new_attempt_forgets_the_steps_of_the_last_but_not_the_copy() {
        let mut log = StepLog::default();
        for step in [Step::Freeze, Step::PrepareBoot, Step::Thaw] {
            log.begin(step, 1);
        }
        log.forget_attempt();
        assert_eq!(log.records().len(), 1);
    }
}
