//! Judges a calendar: its days by the rules that the built-in ones are held against, and its year against the others.

use super::observe::Found;
use jiff::Timestamp;
use qianyun_crds::{WorkCalendar, WorkCalendarStatus};
use qianyun_planning::calendar::{Calendar, Notice};
use qianyun_planning::report::condition;

/// The status of a calendar.
pub(super) fn status(calendar: &WorkCalendar, found: &Found, now: Timestamp) -> WorkCalendarStatus {
    let before = calendar.status.as_ref().map(|s| s.conditions.as_slice()).unwrap_or_default();
    let generation = calendar.metadata.generation;
    let (ready, reason, message) = judge(calendar, found);
    WorkCalendarStatus {
        observed_generation: generation,
        conditions: vec![condition(before, "Ready", ready, reason, &message, generation, now)],
    }
}

fn judge(calendar: &WorkCalendar, found: &Found) -> (Option<bool>, &'static str, String) {
    let own = match Notice::from(&calendar.spec).check() {
        Ok(own) => own,
        Err(faults) => {
            let faults: Vec<String> = faults.iter().map(ToString::to_string).collect();
            return (Some(false), "Inconsistent", faults.join("; "));
        }
    };
    let Some(others) = found.others.get() else {
        return (None, "NotKnown", "the other calendars cannot be read just now".to_string());
    };
    let mut all = vec![own];
    all.extend(others.iter().filter_map(|other| Notice::from(&other.spec).check().ok()));
    match Calendar::new(all).and_then(|whole| whole.check_complete().map(|()| whole)) {
        Ok(_) => (Some(true), "Counts", String::new()),
        Err(error @ qianyun_planning::calendar::CalendarError::YearMissing { .. }) => {
            (Some(true), "YearMissing", format!("it counts, but {error}"))
        }
        Err(error) => (Some(false), "YearTwice", error.to_string()),
    }
}
