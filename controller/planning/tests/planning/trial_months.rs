//! Trial runs (Art. 20: three months or more), counted in calendar months.
#![allow(clippy::unwrap_used)]

use jiff::civil::Date;
use qianyun_planning::calendar::{Answer, Calendar, MonthError, TrialPeriod, months_after};

fn d(text: &str) -> Date {
    text.parse().unwrap()
}

fn trial(began: &str, months: i32) -> TrialPeriod {
    TrialPeriod::new(d(began), months).unwrap()
}

#[test]
fn art_20_three_months_end_on_the_same_day_or_the_last_of_the_month() {
    for (began, earliest_end) in [
        ("2026-11-30", "2027-02-28"),
        ("2027-11-30", "2028-02-29"),
        ("2026-11-23", "2027-02-23"),
        ("2025-11-30", "2026-02-28"),
        ("2025-12-15", "2026-03-15"),
        ("2026-01-31", "2026-04-30"),
        ("2026-03-31", "2026-06-30"),
        ("2026-08-09", "2026-11-09"),
        ("2028-02-29", "2028-05-29"),
    ] {
        assert_eq!(trial(began, 3).earliest_end(), d(earliest_end), "began on {began}");
    }
}

#[test]
fn a_year_after_the_leap_day_is_the_last_of_february() {
    assert_eq!(months_after(d("2028-02-29"), 12), Ok(d("2029-02-28")));
    assert_eq!(months_after(d("2028-02-29"), 48), Ok(d("2032-02-29")));
    assert_eq!(months_after(d("2026-11-30"), 0), Ok(d("2026-11-30")));
}

#[test]
fn months_are_counted_from_the_first_day_and_not_one_by_one() {
    let one_by_one = months_after(months_after(d("2026-12-31"), 2).unwrap(), 1);
    assert_eq!((months_after(d("2026-12-31"), 3), one_by_one), (Ok(d("2027-03-31")), Ok(d("2027-03-28"))));
}

#[test]
fn a_trial_run_has_elapsed_once_the_day_of_its_earliest_end_is_over() {
    let trial = trial("2026-11-30", 3);
    assert_eq!(trial.began(), d("2026-11-30"));
    assert!(!trial.has_elapsed(d("2027-02-27")));
    assert!(!trial.has_elapsed(d("2027-02-28")), "a day counts until its end");
    assert!(trial.has_elapsed(d("2027-03-01")));
}

#[test]
fn acceptance_is_held_on_a_working_day_after_it() {
    let from = |began| trial(began, 3).acceptance_from(&Calendar::built_in()).unwrap();
    assert_eq!(from("2025-11-30"), Answer::Official(d("2026-03-02")));
    assert_eq!(from("2026-01-31"), Answer::Official(d("2026-05-06")), "after Labour Day");
    assert_eq!(from("2026-11-30"), Answer::Estimated { value: d("2027-03-01"), years: vec![2027] });
}

#[test]
fn an_end_before_the_regulation_lets_it_is_refused() {
    let trial = trial("2026-11-30", 3);
    assert_eq!(trial.check_end(d("2027-02-28")), Ok(()), "三个月以上 includes three months");
    let error = trial.check_end(d("2027-02-27")).unwrap_err();
    let (began, end, earliest_end) = (d("2026-11-30"), d("2027-02-27"), d("2027-02-28"));
    assert_eq!(error, MonthError::TooShort { began, end, earliest_end });
    assert_eq!(
        error.to_string(),
        "the trial run that began on 2026-11-30 ends on 2027-02-27, expected 2027-02-28 or later: enter a later end"
    );
}

#[test]
fn months_that_nobody_can_mean_are_refused() {
    for found in [-1, 121, i32::MIN, i32::MAX] {
        let error = months_after(d("2026-11-30"), found).unwrap_err();
        assert_eq!(error, MonthError::OutOfBounds { found });
        let remedy = "correct numbers.trialMonths of the policy profile";
        assert_eq!(error.to_string(), format!("found {found} months, expected 0 to 120: {remedy}"));
    }
}

#[test]
fn months_beyond_the_calendar_are_refused() {
    let error = TrialPeriod::new(Date::MAX, 3).unwrap_err();
    assert_eq!(error, MonthError::OutOfRange { from: Date::MAX, months: 3 });
    assert_eq!(error.to_string(), "3 months after 9999-12-31 is beyond the year 9999: correct the day");
}
