//! Time limits in working days: the evaluation of a project (Art. 18), and what an office promises itself.
#![allow(clippy::unwrap_used)]

use jiff::civil::Date;
use qianyun_planning::calendar::{Answer, Binding, Calendar, ClockError, Lamp, Pause, Standing, WorkClock};

fn d(text: &str) -> Date {
    text.parse().unwrap()
}

fn pause(from: &str, until: Option<&str>) -> Pause {
    Pause { from: d(from), until: until.map(d), reason: "补正材料".into() }
}

/// The evaluation of a project that was accepted (受理) on a day.
fn evaluation(accepted: &str) -> WorkClock {
    WorkClock::new(d(accepted), 20, Binding::Statutory).unwrap()
}

fn due(clock: &WorkClock) -> Answer<Option<Date>> {
    clock.due(&Calendar::built_in()).unwrap()
}

fn due_on(clock: &WorkClock) -> String {
    due(clock).map(|due| due.map_or("open".into(), |due| due.to_string())).to_string()
}

fn standing(clock: &WorkClock, today: &str) -> Answer<Standing> {
    clock.standing(&Calendar::built_in(), d(today)).unwrap()
}

fn stands(clock: &WorkClock, today: &str) -> Standing {
    standing(clock, today).official().unwrap().clone()
}

fn running(due: &str, left_working_days: i32) -> Standing {
    Standing::Running { due: d(due), left_working_days }
}

#[test]
fn art_18_an_evaluation_is_due_twenty_working_days_after_acceptance() {
    assert_eq!(due_on(&evaluation("2026-02-05")), "2026-03-11");
    assert_eq!(due_on(&evaluation("2026-10-03")), "2026-11-03", "accepted on a day off");
    assert_eq!(evaluation("2026-02-05").binding(), Binding::Statutory);
}

#[test]
fn a_limit_that_reaches_into_a_year_without_a_notice_is_estimated() {
    assert_eq!(due_on(&evaluation("2026-12-03")), "2026-12-31");
    assert_eq!(due(&evaluation("2026-12-04")), Answer::Estimated { value: Some(d("2027-01-04")), years: vec![2027] });
    assert!(standing(&evaluation("2026-12-04"), "2026-12-07").is_estimated());
}

#[test]
fn the_days_left_are_working_days() {
    let clock = evaluation("2026-02-05");
    assert_eq!(stands(&clock, "2026-02-05"), running("2026-03-11", 20));
    assert_eq!(stands(&clock, "2026-02-06"), running("2026-03-11", 19));
    assert_eq!(stands(&clock, "2026-02-20"), running("2026-03-11", 13), "in the Spring Festival");
    assert_eq!(stands(&clock, "2026-03-11"), running("2026-03-11", 0), "the last day");
    assert_eq!(stands(&clock, "2026-01-01"), running("2026-03-11", 20), "a clock that was put back");
}

#[test]
fn a_limit_is_overdue_on_the_day_after_its_last() {
    let clock = evaluation("2026-09-15");
    let late = |late_working_days| Standing::Overdue { due: d("2026-10-19"), late_working_days };
    assert_eq!(stands(&clock, "2026-10-19"), running("2026-10-19", 0));
    assert_eq!(stands(&clock, "2026-10-20"), late(1));
    assert_eq!(stands(&clock, "2026-10-26"), late(5));
    let friday = WorkClock::new(d("2026-10-19"), 4, Binding::Target).unwrap();
    let saturday = Standing::Overdue { due: d("2026-10-23"), late_working_days: 0 };
    assert_eq!(stands(&friday, "2026-10-24"), saturday, "late, although no working day was lost yet");
}

#[test]
fn it_turns_amber_with_five_days_left_and_red_when_it_is_late() {
    let clock = evaluation("2026-09-15");
    let lamp = |today| stands(&clock, today).lamp();
    assert_eq!(stands(&clock, "2026-10-10"), running("2026-10-19", 6));
    assert_eq!([lamp("2026-10-10"), lamp("2026-10-12"), lamp("2026-10-19")], [Lamp::Green, Lamp::Amber, Lamp::Amber]);
    assert_eq!(lamp("2026-10-20"), Lamp::Red);
}

#[test]
fn a_pause_moves_the_last_day_by_the_working_days_after_it_was_asked_for_until_the_answer_came() {
    // Asked on Monday, answered on Thursday: Tuesday, Wednesday and Thursday do not count.
    let clock = evaluation("2026-05-08").paused(pause("2026-05-11", Some("2026-05-14"))).unwrap();
    assert_eq!(due_on(&evaluation("2026-05-08")), "2026-06-04");
    assert_eq!(due_on(&clock), "2026-06-09");
    assert_eq!(clock.pauses(), [pause("2026-05-11", Some("2026-05-14"))]);
}

#[test]
fn a_pause_over_days_off_or_of_no_length_moves_nothing() {
    let weekend = evaluation("2026-05-08").paused(pause("2026-05-15", Some("2026-05-17"))).unwrap();
    let same_day = evaluation("2026-05-08").paused(pause("2026-05-15", Some("2026-05-15"))).unwrap();
    assert_eq!((due_on(&weekend), due_on(&same_day)), ("2026-06-04".into(), "2026-06-04".into()));
}

#[test]
fn pauses_add_up() {
    let clock = evaluation("2026-05-08").paused(pause("2026-05-11", Some("2026-05-14"))).unwrap();
    let clock = clock.paused(pause("2026-05-14", Some("2026-05-15"))).unwrap();
    let clock = clock.paused(pause("2026-06-01", Some("2026-06-03"))).unwrap();
    assert_eq!(due_on(&clock), "2026-06-12", "six working days later");
    assert_eq!(stands(&clock, "2026-05-12"), running("2026-06-12", 18), "while it stands still, nothing is used up");
    assert_eq!(stands(&clock, "2026-05-15"), running("2026-06-12", 18));
    assert_eq!(stands(&clock, "2026-05-18"), running("2026-06-12", 17));
}

#[test]
fn while_a_pause_goes_on_there_is_no_last_day() {
    let clock = evaluation("2026-05-08").paused(pause("2026-05-12", None)).unwrap();
    let still = Standing::Paused { since: d("2026-05-12"), reason: "补正材料".into(), left_working_days: 17 };
    assert_eq!(due(&clock), Answer::Official(None));
    assert_eq!(stands(&clock, "2026-05-13"), still);
    assert_eq!(stands(&clock, "2026-12-31"), still, "however long it goes on");
    assert_eq!(still.lamp(), Lamp::Green);
}

#[test]
fn few_days_left_are_amber_also_while_it_stands_still() {
    let clock = evaluation("2026-05-08").paused(pause("2026-06-03", None)).unwrap();
    assert_eq!(stands(&clock, "2026-06-30").lamp(), Lamp::Amber);
}

#[test]
fn a_pause_after_the_last_day_saves_nothing() {
    let clock = evaluation("2026-05-08").paused(pause("2026-06-04", None)).unwrap();
    assert_eq!(due_on(&clock), "2026-06-04", "the day on which it was asked for still counts");
    assert_eq!(stands(&clock, "2026-06-08"), Standing::Overdue { due: d("2026-06-04"), late_working_days: 2 });
}

#[test]
fn an_end_in_time_meets_the_limit_and_a_later_one_misses_it() {
    let ended = |on| evaluation("2026-05-08").ended(d(on)).unwrap();
    let due = d("2026-06-04");
    assert_eq!(stands(&ended("2026-06-04"), "2026-12-31"), Standing::Met { due, on: due });
    let on = d("2026-06-08");
    let missed = Standing::Missed { due, on, late_working_days: 2 };
    assert_eq!(stands(&ended("2026-06-08"), "2026-12-31"), missed);
    assert_eq!((missed.lamp(), Standing::Met { due, on: due }.lamp()), (Lamp::Red, Lamp::Green));
}

#[test]
fn a_limit_of_no_days_is_refused() {
    let error = WorkClock::new(d("2026-05-08"), 0, Binding::Target).unwrap_err();
    assert_eq!(error, ClockError::NoDays { begun: d("2026-05-08") });
    assert_eq!(error.to_string(), "a time limit of 0 working days from 2026-05-08 on: enter at least 1");
}

#[test]
fn a_pause_before_the_clock_runs_is_refused() {
    let error = evaluation("2026-05-08").paused(pause("2026-05-07", None)).unwrap_err();
    assert_eq!(error, ClockError::PauseBeforeBegin { from: d("2026-05-07"), begun: d("2026-05-08") });
    let words = "the pause begins on 2026-05-07, before the clock on 2026-05-08: correct one of the days";
    assert_eq!(error.to_string(), words);
}

#[test]
fn a_pause_that_ends_before_it_begins_is_refused() {
    let error = evaluation("2026-05-08").paused(pause("2026-05-12", Some("2026-05-11"))).unwrap_err();
    assert_eq!(error, ClockError::PauseReversed { from: d("2026-05-12"), until: d("2026-05-11") });
    assert_eq!(error.to_string(), "the pause from 2026-05-12 ends on 2026-05-11: exchange the days");
}

#[test]
fn pauses_that_overlap_are_refused() {
    let clock = evaluation("2026-05-08").paused(pause("2026-05-12", Some("2026-05-15"))).unwrap();
    let error = clock.paused(pause("2026-05-14", None)).unwrap_err();
    assert_eq!(error, ClockError::PausesOverlap { from: d("2026-05-14"), until: d("2026-05-15") });
    let words = "the pause from 2026-05-14 begins before the earlier one ends on 2026-05-15: enter them as one";
    assert_eq!(error.to_string(), words);
}

#[test]
fn nothing_follows_a_pause_that_goes_on() {
    let clock = evaluation("2026-05-08").paused(pause("2026-05-12", None)).unwrap();
    let again = clock.clone().paused(pause("2026-05-20", None)).unwrap_err();
    assert_eq!(again, ClockError::StillPaused { since: d("2026-05-12"), day: d("2026-05-20") });
    let words = "the pause from 2026-05-12 has no end, so nothing can be entered for 2026-05-20: enter its end first";
    assert_eq!(again.to_string(), words);
    let ended = clock.ended(d("2026-05-21")).unwrap_err();
    assert_eq!(ended, ClockError::StillPaused { since: d("2026-05-12"), day: d("2026-05-21") });
}

#[test]
fn a_pause_without_a_reason_is_refused() {
    let silent = Pause { reason: "  ".into(), ..pause("2026-05-12", None) };
    let error = evaluation("2026-05-08").paused(silent).unwrap_err();
    assert_eq!(error, ClockError::NoReason { from: d("2026-05-12") });
    assert_eq!(error.to_string(), "the pause from 2026-05-12 has no reason: say what is waited for");
}

#[test]
fn an_end_before_the_begin_or_before_the_end_of_a_pause_is_refused() {
    let error = evaluation("2026-05-08").ended(d("2026-05-07")).unwrap_err();
    assert_eq!(error, ClockError::EndTooEarly { end: d("2026-05-07"), after: d("2026-05-08") });
    assert_eq!(error.to_string(), "the clock ends on 2026-05-07, before 2026-05-08: correct one of the days");
    let paused = evaluation("2026-05-08").paused(pause("2026-05-12", Some("2026-05-15"))).unwrap();
    let error = paused.ended(d("2026-05-14")).unwrap_err();
    assert_eq!(error, ClockError::EndTooEarly { end: d("2026-05-14"), after: d("2026-05-15") });
}

#[test]
fn a_pause_after_the_end_is_refused() {
    let ended = evaluation("2026-05-08").ended(d("2026-05-20")).unwrap();
    let error = ended.paused(pause("2026-05-21", None)).unwrap_err();
    assert_eq!(error, ClockError::AlreadyEnded { end: d("2026-05-20"), from: d("2026-05-21") });
    let words = "the clock ended on 2026-05-20, so it cannot be paused on 2026-05-21: nothing is left to wait for";
    assert_eq!(error.to_string(), words);
}
