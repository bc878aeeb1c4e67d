//! Windows: whether an attempt may begin, how many fit, and what freeze periods leave of a window.
#![allow(clippy::unwrap_used)]

use jiff::{Timestamp, ToSpan};
use qianyun_planning::calendar::window::Piece;
use qianyun_planning::calendar::{Freeze, FreezeError, FreezeMode, Window, WindowError, WindowReason, Zone};
use std::error::Error;

const HOUR: i64 = 3600;

/// An instant of the night in question, by the clock in Shanghai: `27 18:00` is on Friday, 2026-11-27.
fn at(time: &str) -> Timestamp {
    let (day, clock) = time.split_once(' ').unwrap();
    format!("2026-11-{day}T{clock}+08:00").parse().unwrap()
}

fn ms_before(at: Timestamp) -> Timestamp {
    at.checked_sub(1.milliseconds()).unwrap()
}

/// Friday 18:00 to Saturday 02:00, with a lockout of one hour, for two systems at once.
fn night() -> Window {
    Window::new(at("27 18:00"), at("28 02:00"), 3600, 2).unwrap()
}

fn freeze(name: &str, from: &str, until: &str) -> Freeze {
    Freeze::new(name, at(from), at(until), FreezeMode::Block).unwrap()
}

fn may_begin(now: &str, needed_seconds: i64, freezes: &[Freeze]) -> Result<(), WindowReason> {
    night().may_begin(at(now), needed_seconds, 0, freezes)
}

#[test]
fn a_window_holds_its_first_instant_and_not_its_end() {
    let (start, end) = (night().start(), night().end());
    assert_eq!([ms_before(start), start, ms_before(end), end].map(|at| night().holds(at)), [false, true, true, false]);
}

#[test]
fn an_attempt_begins_from_the_first_instant_on() {
    let start = night().start();
    let begin = |now| night().may_begin(now, HOUR, 0, &[]);
    assert_eq!(begin(ms_before(start)), Err(WindowReason::NotYet { start }));
    assert_eq!(begin(start), Ok(()));
}

#[test]
fn nothing_begins_in_the_lockout_or_after_the_end() {
    let (since, end) = (night().lockout_from(), night().end());
    assert_eq!(since, at("28 01:00"));
    let begin = |now| night().may_begin(now, 60, 0, &[]);
    assert_eq!(begin(ms_before(since)), Ok(()));
    assert_eq!(begin(since), Err(WindowReason::LockedOut { since, end }));
    assert_eq!(begin(end), Err(WindowReason::Over { end }));
}

#[test]
fn what_begins_before_the_lockout_may_run_until_the_end_and_no_longer() {
    let needed_seconds = 2 * HOUR;
    assert_eq!(may_begin("28 00:00", needed_seconds, &[]), Ok(()));
    let too_short = WindowReason::TooShort { left_seconds: 2 * HOUR - 1, needed_seconds };
    assert_eq!(may_begin("28 00:00:01", needed_seconds, &[]), Err(too_short));
}

#[test]
fn no_more_systems_are_under_way_than_the_window_allows() {
    let begin = |busy| night().may_begin(at("27 20:00"), HOUR, busy, &[]);
    assert_eq!(begin(1), Ok(()));
    assert_eq!(begin(2), Err(WindowReason::Full { busy: 2, at_once: 2 }));
    assert_eq!(begin(3), Err(WindowReason::Full { busy: 3, at_once: 2 }));
}

#[test]
fn nothing_begins_in_a_freeze_period_or_runs_into_one() {
    let exam = [freeze("exam", "27 20:00", "27 22:00")];
    let frozen = WindowReason::Frozen { freeze: "exam".into(), until: at("27 22:00") };
    assert_eq!(may_begin("27 20:00", 60, &exam), Err(frozen));
    assert_eq!(may_begin("27 22:00", 60, &exam), Ok(()));
    assert_eq!(may_begin("27 19:00", HOUR, &exam), Ok(()));
    let into = WindowReason::TooShort { left_seconds: HOUR, needed_seconds: HOUR + 1 };
    assert_eq!(may_begin("27 19:00", HOUR + 1, &exam), Err(into));
}

#[test]
fn a_freeze_period_that_only_warns_closes_nothing() {
    let warns = [Freeze::new("holiday", at("27 00:00"), at("29 00:00"), FreezeMode::Warn).unwrap()];
    let holiday = &warns[0];
    assert!(holiday.holds(at("27 20:00")), "the caller shows the warning");
    assert_eq!((holiday.mode(), holiday.blocks()), (FreezeMode::Warn, false));
    assert_eq!(may_begin("27 20:00", HOUR, &warns), Ok(()));
    assert_eq!(night().check(8 * HOUR, &warns), Ok(()));
}

#[test]
fn a_window_inside_a_freeze_period_is_of_no_use() {
    let sessions = freeze("sessions", "27 00:00", "29 00:00");
    let (from, until) = (sessions.from(), sessions.until());
    let inside = |freeze: &str| WindowReason::InsideFreeze { freeze: freeze.into(), from, until };
    assert_eq!(night().check(60, &[sessions]), Err(inside("sessions")));
}

#[test]
fn freeze_periods_that_together_cover_a_window_leave_nothing_of_it() {
    let two = [freeze("late", "27 22:00", "28 06:00"), freeze("early", "27 17:00", "27 22:00")];
    let inside = WindowReason::InsideFreeze { freeze: "early".into(), from: at("27 17:00"), until: at("27 22:00") };
    assert_eq!(night().pieces(&two), []);
    assert_eq!(night().check(60, &two), Err(inside));
}

#[test]
fn a_window_shorter_than_the_downtime_forecast_is_of_no_use() {
    let too_short = WindowReason::TooShort { left_seconds: 8 * HOUR, needed_seconds: 8 * HOUR + 1 };
    assert_eq!(night().check(8 * HOUR, &[]), Ok(()));
    assert_eq!(night().check(8 * HOUR + 1, &[]), Err(too_short));
}

#[test]
fn a_window_of_which_freeze_periods_leave_too_little_is_of_no_use() {
    let exam = [freeze("exam", "27 20:00", "27 22:00")];
    assert_eq!(night().check(4 * HOUR, &exam), Ok(()));
    let longest = WindowReason::TooShort { left_seconds: 4 * HOUR, needed_seconds: 4 * HOUR + 1 };
    assert_eq!(night().check(4 * HOUR + 1, &exam), Err(longest));
}

#[test]
fn freeze_periods_cut_pieces_out_in_whatever_order_they_come() {
    let freezes =
        [freeze("c", "27 23:00", "28 00:00"), freeze("a", "27 17:00", "27 19:00"), freeze("b", "27 18:30", "27 20:00")];
    let piece = |from: &str, until: &str| Piece { from: at(from), until: at(until) };
    assert_eq!(night().pieces(&freezes), [piece("27 20:00", "27 23:00"), piece("28 00:00", "28 02:00")]);
    assert_eq!(night().pieces(&[]), [piece("27 18:00", "28 02:00")]);
    let elsewhere = [freeze("d", "26 00:00", "27 18:00"), freeze("e", "28 02:00", "28 03:00")];
    assert_eq!(night().pieces(&elsewhere), [piece("27 18:00", "28 02:00")]);
}

#[test]
fn the_earliest_begin_is_the_first_instant_with_room_enough() {
    let exam = [freeze("exam", "27 20:00", "27 22:00")];
    let earliest = |now: &str, needed| night().earliest(at(now), needed, &exam);
    assert_eq!(earliest("27 12:00", HOUR), Ok(at("27 18:00")));
    assert_eq!(earliest("27 18:30", HOUR), Ok(at("27 18:30")));
    assert_eq!(earliest("27 19:30", HOUR), Ok(at("27 22:00")));
    assert_eq!(earliest("27 18:00", 3 * HOUR), Ok(at("27 22:00")));
    let left = |left_seconds| WindowReason::TooShort { left_seconds, needed_seconds: 3 * HOUR };
    assert_eq!(earliest("27 23:30", 3 * HOUR), Err(left(9000)));
}

#[test]
fn a_window_that_is_over_locked_out_or_frozen_to_its_end_offers_no_begin() {
    let earliest = |now: &str, freezes: &[Freeze]| night().earliest(at(now), 60, freezes);
    let (since, end) = (night().lockout_from(), night().end());
    assert_eq!(earliest("28 02:00", &[]), Err(WindowReason::Over { end }));
    assert_eq!(earliest("28 00:59:59", &[]), Ok(at("28 00:59:59")));
    assert_eq!(earliest("28 01:00", &[]), Err(WindowReason::LockedOut { since, end }));
    let storm = [freeze("storm", "27 21:00", "28 03:00")];
    assert_eq!(earliest("27 18:00", &storm), Ok(at("27 18:00")));
    let frozen = WindowReason::Frozen { freeze: "storm".into(), until: at("28 03:00") };
    assert_eq!(earliest("27 21:30", &storm), Err(frozen));
    let all_but_the_lockout = [freeze("storm", "27 17:00", "28 01:30")];
    assert_eq!(earliest("27 18:00", &all_but_the_lockout), Err(WindowReason::LockedOut { since, end }));
}

#[test]
fn room_is_counted_in_rounds() {
    assert_eq!(night().room_for(HOUR, &[]), 14, "seven rounds begin before the lockout, the eighth does not");
    assert_eq!(night().room_for(3 * HOUR, &[]), 4, "two rounds of three hours");
    assert_eq!(night().room_for(8 * HOUR, &[]), 2);
    assert_eq!(night().room_for(8 * HOUR + 1, &[]), 0);
    assert_eq!(night().room_for(3 * HOUR, &[freeze("exam", "27 20:00", "27 22:00")]), 2, "only after it");
    assert_eq!(night().room_for(i64::MAX, &[]), 0);
    assert_eq!(night().room_for(0, &[]), 2 * 7 * 3600, "no length is taken for a second");
}

#[test]
fn a_window_that_ends_before_it_begins_is_refused() {
    let (start, end) = (at("28 02:00"), at("27 18:00"));
    let error = Window::new(start, end, 0, 1).unwrap_err();
    assert_eq!(error, WindowError::Reversed { start, end });
    let words = "the window ends at 2026-11-27T10:00:00Z, which is not after its start at 2026-11-27T18:00:00Z";
    assert_eq!(error.to_string(), format!("{words}: correct one of the two"));
    assert!(matches!(Window::new(start, start, 0, 1), Err(WindowError::Reversed { .. })));
}

#[test]
fn a_lockout_as_long_as_the_window_is_refused() {
    let of = |lockout_seconds| Window::new(at("27 18:00"), at("27 19:00"), lockout_seconds, 1);
    assert!(of(3599).is_ok());
    let error = of(3600).unwrap_err();
    assert_eq!(error, WindowError::LockoutTooLong { lockout_seconds: 3600, length_seconds: 3600 });
    let words = "the lockout of 3600 s leaves nothing of the window, which has 3600 s";
    assert_eq!(error.to_string(), format!("{words}: shorten the lockout, or lengthen the window"));
}

#[test]
fn a_window_without_room_for_a_system_is_refused() {
    let error = Window::new(at("27 18:00"), at("27 19:00"), 0, 0).unwrap_err();
    assert_eq!(error, WindowError::NoRoom);
    assert_eq!(error.to_string(), "the window has room for 0 systems at once: enter at least 1");
}

#[test]
fn a_freeze_period_of_days_holds_the_last_of_them() {
    let (first, last) = ("2026-03-05".parse().unwrap(), "2026-03-12".parse().unwrap());
    let sessions = Freeze::of_days("sessions", first, last, FreezeMode::Block, &Zone::shanghai()).unwrap();
    assert_eq!(sessions.from().to_string(), "2026-03-04T16:00:00Z");
    assert_eq!(sessions.until().to_string(), "2026-03-12T16:00:00Z");
    assert!(sessions.holds(sessions.from()) && !sessions.holds(sessions.until()));
    assert_eq!(sessions.name(), "sessions");
}

#[test]
fn a_freeze_period_without_a_name_is_refused() {
    let error = Freeze::new(" ", at("27 18:00"), at("28 18:00"), FreezeMode::Block).unwrap_err();
    assert_eq!(error, FreezeError::NoName);
    let remedy = "enter one, a neutral label where the occasion is internal";
    assert_eq!(error.to_string(), format!("a freeze period has no name: {remedy}"));
}

#[test]
fn a_freeze_period_that_ends_before_it_begins_is_refused() {
    let (from, until) = (at("28 18:00"), at("27 18:00"));
    let error = Freeze::new("exam", from, until, FreezeMode::Block).unwrap_err();
    assert_eq!(error, FreezeError::Reversed { name: "exam".into(), from, until });
    let words = "the freeze period exam lasts until 2026-11-27T10:00:00Z, which is not after 2026-11-28T10:00:00Z";
    assert_eq!(error.to_string(), format!("{words}: correct one of the two"));
    assert!(matches!(Freeze::new("exam", from, from, FreezeMode::Warn), Err(FreezeError::Reversed { .. })));
}

#[test]
fn a_freeze_period_beyond_the_calendar_is_refused() {
    let last = jiff::civil::Date::MAX;
    let first = "2026-03-05".parse().unwrap();
    let error = Freeze::of_days("sessions", first, last, FreezeMode::Block, &Zone::shanghai()).unwrap_err();
    assert!(matches!(&error, FreezeError::NotInZone { name, .. } if name == "sessions"), "{error:?}");
    let words = "the freeze period sessions has a day that cannot be told in the time zone";
    assert_eq!(error.to_string(), words);
    assert!(error.source().is_some());
}
