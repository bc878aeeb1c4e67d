//! Waves of a plan: whether each fits its window, and whether all of them fit together.
#![allow(clippy::unwrap_used)]

use jiff::Timestamp;
use qianyun_planning::calendar::{Freeze, FreezeMode, Wave, WaveReason, Window, WindowReason, wave};

fn at(time: &str) -> Timestamp {
    let (day, clock) = time.split_once(' ').unwrap();
    format!("2026-11-{day}T{clock}+08:00").parse().unwrap()
}

/// A wave of systems that take an hour each, four at once.
fn wave(name: &str, start: &str, end: &str, systems: u32) -> Wave {
    let window = Window::new(at(start), at(end), 0, 4).unwrap();
    Wave { name: name.into(), window, systems, seconds_each: 3600 }
}

#[test]
fn waves_one_after_another_need_the_room_one_after_another() {
    let waves = [wave("one", "27 18:00", "27 22:00", 16), wave("two", "27 22:00", "28 02:00", 16)];
    assert_eq!(wave::check(&waves, &[], 4), Ok(()));
    assert_eq!(wave::check(&[], &[], 0), Ok(()));
}

#[test]
fn waves_that_overlap_need_it_together() {
    let waves = [
        wave("one", "27 18:00", "27 22:00", 16),
        wave("two", "27 21:00", "28 02:00", 3),
        wave("three", "28 18:00", "28 22:00", 9),
    ];
    assert_eq!(wave::check(&waves, &[], 7), Ok(()));
    let names = ["one", "two"].map(String::from).to_vec();
    let over = WaveReason::OverCapacity { at: at("27 21:00"), waves: names, systems: 7, at_once: 6 };
    assert_eq!(wave::check(&waves, &[], 6), Err(vec![over]));
}

#[test]
fn a_small_wave_needs_no_more_than_its_systems() {
    let waves = [wave("one", "27 18:00", "27 22:00", 1), wave("two", "27 18:00", "27 22:00", 1)];
    assert_eq!(wave::check(&waves, &[], 2), Ok(()));
}

#[test]
fn each_moment_that_is_over_capacity_is_told() {
    let waves = [
        wave("one", "27 18:00", "27 23:00", 4),
        wave("two", "27 19:00", "27 20:00", 4),
        wave("three", "27 21:00", "27 22:00", 4),
    ];
    let over = |time: &str, other: &str| WaveReason::OverCapacity {
        at: at(time),
        waves: vec!["one".into(), other.into()],
        systems: 8,
        at_once: 7,
    };
    assert_eq!(wave::check(&waves, &[], 7), Err(vec![over("27 19:00", "two"), over("27 21:00", "three")]));
}

#[test]
fn a_wave_has_no_more_systems_than_its_window_has_room_for() {
    assert_eq!(wave::check(&[wave("one", "27 18:00", "27 22:00", 16)], &[], 4), Ok(()));
    let too_many = WaveReason::TooManySystems { wave: "one".into(), systems: 17, fit: 16 };
    assert_eq!(wave::check(&[wave("one", "27 18:00", "27 22:00", 17)], &[], 4), Err(vec![too_many]));
}

#[test]
fn a_wave_whose_window_lies_in_a_freeze_period_or_is_too_short_is_told() {
    let sessions = Freeze::new("sessions", at("27 00:00"), at("28 00:00"), FreezeMode::Block).unwrap();
    let (from, until) = (sessions.from(), sessions.until());
    let waves = [wave("one", "27 18:00", "27 22:00", 1), wave("two", "28 18:00", "28 18:30", 1)];
    let unfit = |wave: &str, reason| WaveReason::WindowUnfit { wave: wave.into(), reason };
    let inside = unfit("one", WindowReason::InsideFreeze { freeze: "sessions".into(), from, until });
    let short = unfit("two", WindowReason::TooShort { left_seconds: 1800, needed_seconds: 3600 });
    assert_eq!(wave::check(&waves, &[sessions], 4), Err(vec![inside, short]));
}

#[test]
fn two_waves_of_one_name_are_told() {
    let waves = [wave("one", "27 18:00", "27 22:00", 1), wave("one", "28 18:00", "28 22:00", 1)];
    assert_eq!(wave::check(&waves, &[], 4), Err(vec![WaveReason::NamedTwice { wave: "one".into() }]));
}
