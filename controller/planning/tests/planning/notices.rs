//! Copies of the State Council's notices: what is wrong with one, each thing by its own name and with its remedy.
#![allow(clippy::unwrap_used)]

use jiff::civil::{Date, Weekday};
use qianyun_planning::calendar::{Holiday, Notice, NoticeError, notice};

fn d(text: &str) -> Date {
    text.parse().unwrap()
}

/// The notice of 2026, changed.
fn changed(change: impl FnOnce(&mut Notice)) -> Notice {
    let mut copy = notice::built_in().remove(1);
    change(&mut copy);
    copy
}

fn with_holiday(name: &str, from: &str, until: &str) -> Notice {
    changed(|n| n.holidays.push(Holiday { name: name.into(), from: from.into(), until: until.into() }))
}

fn with_make_up_day(day: &str) -> Notice {
    changed(|n| n.make_up_days.push(day.into()))
}

/// The only thing that is wrong, and what is said of it.
fn fault(notice: &Notice) -> (NoticeError, String) {
    let mut faults = notice.check().unwrap_err();
    assert_eq!(faults.len(), 1, "{faults:?}");
    let fault = faults.remove(0);
    let words = fault.to_string();
    (fault, words)
}

#[test]
fn every_built_in_notice_holds_together_and_names_its_source() {
    for notice in notice::built_in() {
        let year = notice.check().unwrap();
        assert_eq!((Some(year.year()), year.document_no()), (notice.year, notice.document_no.as_str()));
        assert!(notice.source.starts_with("https://www.gov.cn/"), "{}", notice.source);
    }
}

#[test]
fn every_built_in_notice_costs_the_thirteen_working_days_of_the_law() {
    for notice in notice::built_in() {
        let year = notice.year.unwrap();
        let weekday = |day: &Date| day.weekday().to_monday_one_offset() <= 5;
        let days = |from: Date, until: Date| {
            let all = std::iter::successors(Some(from), |day| day.tomorrow().ok());
            all.take_while(|day| *day <= until).filter(weekday).count()
        };
        let off: usize = notice.holidays.iter().map(|h| days(d(&h.from), d(&h.until))).sum();
        assert_eq!(off - notice.make_up_days.len(), 13, "{year}");
    }
}

#[test]
fn a_notice_without_its_year_is_refused() {
    let (fault, words) = fault(&changed(|n| n.year = None));
    assert_eq!(fault, NoticeError::YearMissing);
    assert_eq!(words, "the notice names no year: enter the year of its title");
}

#[test]
fn a_year_that_can_have_no_notice_is_refused() {
    for found in [2017, 2101, 26, -1] {
        let (fault, words) = fault(&changed(|n| n.year = Some(found)));
        assert_eq!(fault, NoticeError::YearOutOfRange { found });
        let expected = "expected 2018 to 2100: enter the year of its title";
        assert_eq!(words, format!("the notice is of the year {found}, {expected}"));
    }
}

#[test]
fn a_text_that_is_no_day_is_refused_where_it_stands() {
    let (first, words) = fault(&with_holiday("防汛", "2026-02-30", "2026-03-01"));
    assert_eq!(first, NoticeError::NotADay { place: "first day of 防汛".into(), found: "2026-02-30".into() });
    assert_eq!(words, "first day of 防汛: found \"2026-02-30\", expected a day as YYYY-MM-DD");
    let (last, _) = fault(&with_holiday("防汛", "2026-07-01", "07-02"));
    assert_eq!(last, NoticeError::NotADay { place: "last day of 防汛".into(), found: "07-02".into() });
    for found in ["", "20260704", "2026-07-04T00:00", "2026-7-4", "七月四日"] {
        let (fault, _) = fault(&with_make_up_day(found));
        assert_eq!(fault, NoticeError::NotADay { place: "make-up day".into(), found: found.into() });
    }
}

#[test]
fn a_holiday_that_ends_before_it_begins_is_refused() {
    let (fault, words) = fault(&with_holiday("防汛", "2026-07-03", "2026-07-01"));
    let (from, until) = (d("2026-07-03"), d("2026-07-01"));
    assert_eq!(fault, NoticeError::Reversed { name: "防汛".into(), from, until });
    assert_eq!(words, "防汛 ends on 2026-07-01, before it begins on 2026-07-03: exchange the days");
}

#[test]
fn a_holiday_longer_than_any_that_ever_was_is_taken_for_a_slip() {
    assert!(with_holiday("防汛", "2026-07-01", "2026-07-15").check().is_ok());
    let (fault, words) = fault(&with_holiday("防汛", "2026-07-01", "2026-07-16"));
    assert_eq!(fault, NoticeError::TooLong { name: "防汛".into(), from: d("2026-07-01"), days: 16 });
    assert_eq!(words, "防汛 has 16 days from 2026-07-01 on, expected at most 15: correct its last day");
}

#[test]
fn a_day_of_another_year_is_refused() {
    let (before, words) = fault(&with_holiday("防汛", "2025-11-30", "2025-11-30"));
    let place = || "防汛".to_string();
    assert_eq!(before, NoticeError::OtherYear { place: place(), day: d("2025-11-30"), year: 2026 });
    let remedy = "correct the day, or enter it with the notice of its own year";
    assert_eq!(words, format!("防汛: 2025-11-30 is not of 2026: {remedy}"));
    let (after, _) = fault(&with_holiday("防汛", "2027-01-01", "2027-01-01"));
    assert_eq!(after, NoticeError::OtherYear { place: place(), day: d("2027-01-01"), year: 2026 });
    let (worked, _) = fault(&with_make_up_day("2027-01-02"));
    assert_eq!(worked, NoticeError::OtherYear { place: "make-up day".into(), day: d("2027-01-02"), year: 2026 });
}

#[test]
fn days_of_the_december_before_its_year_belong_to_a_notice() {
    assert!(with_holiday("元旦", "2025-12-31", "2025-12-31").check().is_ok());
    assert!(with_make_up_day("2025-12-28").check().is_ok());
}

#[test]
fn a_day_that_is_both_off_and_worked_is_refused() {
    let (fault, words) = fault(&with_make_up_day("2026-02-15"));
    assert_eq!(fault, NoticeError::Contradiction { day: d("2026-02-15"), holiday: "春节".into() });
    assert_eq!(words, "2026-02-15 is a day off (春节) and a make-up day: keep the one that the notice says");
    let (of_the_week, _) = self::fault(&with_make_up_day("2026-02-16"));
    assert_eq!(of_the_week, NoticeError::Contradiction { day: d("2026-02-16"), holiday: "春节".into() });
}

#[test]
fn a_make_up_day_from_monday_to_friday_is_refused() {
    let (fault, words) = fault(&with_make_up_day("2026-07-06"));
    assert_eq!(fault, NoticeError::MakeUpOnWeekday { day: d("2026-07-06"), weekday: Weekday::Monday });
    let remedy = "enter the Saturday or Sunday of the notice";
    assert_eq!(words, format!("the make-up day 2026-07-06 is a Monday, which works anyway: {remedy}"));
}

#[test]
fn a_day_that_is_listed_twice_is_refused() {
    let (off, words) = fault(&with_holiday("中秋节", "2026-10-07", "2026-10-07"));
    let (first, second) = ("国庆节".to_string(), "中秋节".to_string());
    assert_eq!(off, NoticeError::Twice { day: d("2026-10-07"), first, second });
    assert_eq!(words, "2026-10-07 is listed twice, as 国庆节 and as 中秋节: remove one");
    let (worked, _) = fault(&with_make_up_day("2026-10-10"));
    let place = || "make-up day".to_string();
    assert_eq!(worked, NoticeError::Twice { day: d("2026-10-10"), first: place(), second: place() });
}

#[test]
fn the_empty_file_of_a_year_that_is_not_announced_is_refused() {
    let empty = Notice { year: Some(2027), ..Notice::default() };
    let (fault, words) = fault(&empty);
    assert_eq!(fault, NoticeError::NoHolidays { year: 2027 });
    let remedy = "leave the year out until it is published, and it is estimated";
    assert_eq!(words, format!("the notice of 2027 lists no holiday: {remedy}"));
}

#[test]
fn a_half_copied_notice_is_refused() {
    let (fault, words) = fault(&changed(|n| n.holidays.retain(|h| h.name != "元旦")));
    assert_eq!(fault, NoticeError::StatutoryDayMissing { day: d("2026-01-01"), name: "元旦" });
    let what = "2026-01-01 (元旦) is a day off by law, but no holiday of the notice covers it";
    assert_eq!(words, format!("{what}: enter what is missing"));
}

#[test]
fn everything_that_is_wrong_is_said_at_once() {
    let copy = changed(|n| {
        n.holidays.retain(|h| h.name != "国庆节");
        n.make_up_days.extend(["2026-07-06".into(), "tomorrow".into()]);
    });
    let faults = copy.check().unwrap_err();
    let days = |fault: &NoticeError| fault.to_string().split(' ').next().unwrap().to_string();
    assert_eq!(faults.len(), 5, "{faults:?}");
    assert_eq!(faults.iter().skip(2).map(days).collect::<Vec<_>>(), ["2026-10-01", "2026-10-02", "2026-10-03"]);
}
