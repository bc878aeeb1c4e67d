//! What holds for every day, every number of working days, every window and every set of freeze periods.
#![allow(clippy::unwrap_used)]

use jiff::civil::{Date, date};
use jiff::{Span, Timestamp, ToSpan};
use proptest::prelude::*;
use qianyun_planning::calendar::{
    Answer, Binding, Calendar, Freeze, FreezeMode, Pause, Standing, Window, WindowReason, WorkClock, months_after,
    plus_seconds, wave,
};

/// A day from 2024 to 2028: two years with a notice, and others on both sides of them.
fn day() -> impl Strategy<Value = Date> {
    (0..1827_i64).prop_map(|n| date(2024, 1, 1).checked_add(Span::new().days(n)).unwrap())
}

/// A day of the two years with a notice, so early that 60 working days lead to no other.
fn announced_day() -> impl Strategy<Value = Date> {
    (0..600_i64).prop_map(|n| date(2025, 1, 1).checked_add(Span::new().days(n)).unwrap())
}

fn calendar() -> Calendar {
    Calendar::built_in()
}

fn plain<T: Copy>(answer: Answer<T>) -> T {
    *answer.even_if_estimated()
}

fn after(from: Date, working_days: u16) -> Date {
    plain(calendar().after(from, working_days).unwrap())
}

fn between(from: Date, to: Date) -> i32 {
    plain(calendar().between(from, to).unwrap())
}

fn works(day: Date) -> bool {
    plain(calendar().works(day))
}

fn at(minutes: i64) -> Timestamp {
    plus_seconds("2026-11-27T00:00:00Z".parse().unwrap(), minutes * 60)
}

/// A window within two days, with a lockout that leaves something of it.
fn window() -> impl Strategy<Value = Window> {
    (0..1440_i64, 1..1440_i64, 0..100_i64, 1..5_u32).prop_map(|(start, minutes, percent, systems)| {
        let lockout = u32::try_from(minutes * 60 * percent / 100).unwrap();
        Window::new(at(start), at(start + minutes), lockout, systems).unwrap()
    })
}

fn freezes() -> impl Strategy<Value = Vec<Freeze>> {
    let one = (0..2880_i64, 1..600_i64, prop::bool::weighted(0.8)).prop_map(|(from, minutes, block)| {
        let mode = if block { FreezeMode::Block } else { FreezeMode::Warn };
        Freeze::new("freeze", at(from), at(from + minutes), mode).unwrap()
    });
    prop::collection::vec(one, 0..5)
}

proptest! {
    #[test]
    fn counting_gives_back_what_was_added(from in day(), working_days in 0..400_u16) {
        prop_assert_eq!(between(from, after(from, working_days)), i32::from(working_days));
    }

    #[test]
    fn counting_gives_back_what_was_taken_away(from in day(), working_days in 0..400_u16) {
        let before = plain(calendar().before(from, working_days).unwrap());
        prop_assert_eq!(between(from, before), -i32::from(working_days));
    }

    #[test]
    fn from_a_working_day_there_and_back_leads_to_it(from in day(), working_days in 0..400_u16) {
        let from = plain(calendar().on_or_after(from).unwrap());
        let there = after(from, working_days);
        prop_assert_eq!(plain(calendar().before(there, working_days).unwrap()), from);
    }

    #[test]
    fn what_is_reached_is_a_working_day_and_none_is_skipped(from in day(), working_days in 1..60_u16) {
        let reached = after(from, working_days);
        let days = std::iter::successors(from.tomorrow().ok(), |day| day.tomorrow().ok());
        let passed = days.take_while(|day| *day <= reached).filter(|day| works(*day)).count();
        prop_assert!(works(reached));
        prop_assert_eq!(passed, usize::from(working_days));
    }

    #[test]
    fn a_later_day_or_a_longer_limit_is_never_due_earlier(from in day(), working_days in 0..200_u16) {
        prop_assert!(after(from, working_days) <= after(from.tomorrow().unwrap(), working_days));
        prop_assert!(after(from, working_days) < after(from, working_days + 1));
    }

    #[test]
    fn days_between_add_up(days in [day(), day(), day()]) {
        let mut days = days;
        days.sort_unstable();
        let [a, b, c] = days;
        prop_assert_eq!(between(a, b) + between(b, c), between(a, c));
        let both_ends = i32::from(works(a)) - i32::from(works(b));
        prop_assert_eq!(between(b, a), -(between(a, b) + both_ends));
    }

    #[test]
    fn an_answer_is_official_exactly_where_every_day_of_it_is_announced(from in day(), working_days in 1..200_u16) {
        let answer = calendar().after(from, working_days).unwrap();
        let years = from.tomorrow().unwrap().year()..=plain(answer.clone()).year();
        let without: Vec<i16> = years.filter(|year| ![2025, 2026].contains(year)).collect();
        prop_assert_eq!(answer.years(), without.as_slice());
    }

    #[test]
    fn filing_on_a_day_off_is_filing_on_the_working_day_before(from in day(), working_days in 1..60_u16) {
        let filed = plain(calendar().before(from.tomorrow().unwrap(), 1).unwrap());
        prop_assert_eq!(after(from, working_days), after(filed, working_days));
    }

    #[test]
    fn months_never_lead_into_the_month_after(from in day(), months in 0..=60_i32) {
        let reached = months_after(from, months).unwrap();
        let number = |day: Date| i32::from(day.year()) * 12 + i32::from(day.month());
        prop_assert_eq!(number(reached), number(from) + months);
        prop_assert!(reached.day() == from.day() || reached == reached.last_of_month());
    }

    #[test]
    fn a_pause_moves_the_last_day_by_its_working_days(
        begun in announced_day(), limit in 1..30_u16, wait in 0..40_i64, pause in 0..20_i64,
    ) {
        let clock = WorkClock::new(begun, limit, Binding::Target).unwrap();
        let due = plain(clock.due(&calendar()).unwrap()).unwrap();
        let from = begun.checked_add(wait.days()).unwrap();
        let until = from.checked_add(pause.days()).unwrap();
        let paused = clock.paused(Pause { from, until: Some(until), reason: "补正".into() }).unwrap();
        let later = plain(paused.due(&calendar()).unwrap()).unwrap();
        let moved = if from < due { between(from, until) } else { 0 };
        prop_assert_eq!(between(due, later), moved);
    }

    #[test]
    fn every_day_uses_up_at_most_one_working_day_of_a_limit(begun in announced_day(), limit in 1..30_u16, pause in 0..20_i64) {
        let from = begun.checked_add(3.days()).unwrap();
        let until = from.checked_add(pause.days()).ok();
        let clock = WorkClock::new(begun, limit, Binding::Target).unwrap();
        let clock = clock.paused(Pause { from, until, reason: "补正".into() }).unwrap();
        let mut before = i32::from(limit);
        for today in std::iter::successors(Some(begun), |day| day.tomorrow().ok()).take(80) {
            let standing = clock.standing(&calendar(), today).unwrap();
            let Standing::Running { left_working_days, .. } = standing.even_if_estimated() else { break };
            prop_assert!((before - 1..=before).contains(left_working_days), "{}: {} after {}", today, left_working_days, before);
            before = *left_working_days;
        }
    }

    #[test]
    fn the_earliest_begin_is_one_at_which_an_attempt_may_begin(
        window in window(), freezes in freezes(), now in 0..2880_i64, needed in 0..40_000_i64,
    ) {
        match window.earliest(at(now), needed, &freezes) {
            Ok(begin) => {
                prop_assert!(begin >= at(now));
                prop_assert_eq!(window.may_begin(begin, needed, 0, &freezes), Ok(()));
            }
            Err(_) => for minute in now..2880 {
                prop_assert!(window.may_begin(at(minute), needed, 0, &freezes).is_err(), "but at {}", at(minute));
            },
        }
    }

    #[test]
    fn what_may_begin_ends_within_the_window_and_outside_every_freeze_period(
        window in window(), freezes in freezes(), now in 0..2880_i64, needed in 0..40_000_i64,
    ) {
        let begin = at(now);
        if window.may_begin(begin, needed, 0, &freezes).is_ok() {
            let end = plus_seconds(begin, needed);
            prop_assert!(window.holds(begin) && end <= window.end() && begin < window.lockout_from());
            let met = |freeze: &&Freeze| freeze.blocks() && freeze.from() < end.max(plus_seconds(begin, 1)) && begin < freeze.until();
            prop_assert_eq!(freezes.iter().find(met), None);
        }
    }

    #[test]
    fn a_window_has_room_exactly_if_it_is_of_use(window in window(), freezes in freezes(), each in 1..40_000_i64) {
        let room = window.room_for(each, &freezes);
        prop_assert_eq!(room > 0, window.check(each, &freezes).is_ok());
        prop_assert_eq!(room % window.at_once(), 0);
        let one = wave::Wave { name: "one".into(), window, systems: room + 1, seconds_each: each };
        prop_assert!(wave::check(&[one], &freezes, u32::MAX).is_err());
    }

    #[test]
    fn pieces_and_freeze_periods_make_up_the_window(window in window(), freezes in freezes(), now in 0..2880_i64) {
        let now = at(now);
        let frozen = freezes.iter().any(|freeze| freeze.blocks() && freeze.holds(now));
        let in_piece = window.pieces(&freezes).iter().any(|piece| piece.from <= now && now < piece.until);
        prop_assert_eq!(in_piece, window.holds(now) && !frozen);
        let said = matches!(window.may_begin(now, 0, 0, &freezes), Err(WindowReason::Frozen { .. }));
        prop_assert_eq!(said, window.holds(now) && frozen);
    }
}
