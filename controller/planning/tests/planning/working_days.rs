//! Which days are worked, and what the calendar answers about them: by the notices of 2025 and 2026, by the law alone for 2027.
#![allow(clippy::unwrap_used)]

use jiff::civil::Date;
use qianyun_planning::calendar::{Answer, Calendar, CalendarError, DayKind, Holiday, Notice, notice, statutory};

fn d(text: &str) -> Date {
    text.parse().unwrap()
}

/// The n-th working day after a day, as columns show it.
fn after(from: &str, working_days: u16) -> String {
    Calendar::built_in().after(d(from), working_days).unwrap().to_string()
}

fn before(from: &str, working_days: u16) -> String {
    Calendar::built_in().before(d(from), working_days).unwrap().to_string()
}

fn between(from: &str, to: &str) -> String {
    Calendar::built_in().between(d(from), d(to)).unwrap().to_string()
}

fn kind(day: &str) -> Answer<DayKind> {
    Calendar::built_in().kind(d(day))
}

/// A notice of a year that lists its statutory days and what a test adds.
fn announced(year: i16, document_no: &str, holidays: &[(&str, &str)], make_up_days: &[&str]) -> Notice {
    let by_law = [("01-01", "01-01"), ("05-01", "05-02"), ("10-01", "10-03")];
    let by_law = by_law.map(|(from, until)| (format!("{year}-{from}"), format!("{year}-{until}")));
    let more = holidays.iter().map(|(from, until)| ((*from).to_string(), (*until).to_string()));
    let holiday = |(from, until)| Holiday { name: "节".into(), from, until };
    Notice {
        year: Some(year),
        document_no: document_no.into(),
        source: String::new(),
        holidays: by_law.into_iter().chain(more).map(holiday).collect(),
        make_up_days: make_up_days.iter().map(|day| (*day).to_string()).collect(),
    }
}

#[test]
fn art_18_twenty_working_days_from_acceptance() {
    for (accepted, due) in [
        ("2026-02-05", "2026-03-11"),
        ("2026-05-08", "2026-06-04"),
        ("2026-09-15", "2026-10-19"),
        ("2025-01-20", "2025-02-21"),
        ("2025-04-24", "2025-05-26"),
        ("2025-09-25", "2025-10-29"),
        ("2025-12-25", "2026-01-23"),
        ("2026-02-14", "2026-03-20"),
        ("2026-04-23", "2026-05-25"),
        ("2026-10-03", "2026-11-03"),
    ] {
        assert_eq!(after(accepted, 20), due, "accepted on {accepted}");
    }
}

#[test]
fn five_working_days_cross_make_up_days_and_the_turn_of_the_year() {
    assert_eq!(after("2026-09-15", 5), "2026-09-21");
    assert_eq!(after("2026-05-08", 5), "2026-05-14");
    assert_eq!(after("2025-12-25", 5), "2026-01-04", "a Sunday that is worked");
}

#[test]
fn both_announced_years_have_248_working_days() {
    let calendar = Calendar::built_in();
    assert_eq!(calendar.in_year_of(d("2025-06-15")), Answer::Official(248));
    assert_eq!(calendar.in_year_of(d("2026-01-01")), Answer::Official(248));
}

#[test]
fn each_month_has_the_working_days_that_the_notices_leave_it() {
    let months = [
        (2025_i16, [19, 19, 21, 22, 19, 20, 23, 21, 23, 18, 20, 23]),
        (2026, [21, 16, 22, 21, 19, 21, 23, 21, 22, 18, 21, 23]),
    ];
    for (year, counts) in months {
        for (month, count) in (1_i8..).zip(counts) {
            let first = Date::new(year, month, 1).unwrap();
            let eve = first.yesterday().unwrap();
            let found = Calendar::built_in().between(eve, first.last_of_month()).unwrap();
            assert_eq!(*found.even_if_estimated(), count, "{year}-{month}");
        }
    }
}

#[test]
fn a_make_up_saturday_is_a_working_day() {
    assert_eq!(kind("2026-02-14"), Answer::Official(DayKind::MakeUpDay));
    assert_eq!(Calendar::built_in().works(d("2026-02-14")), Answer::Official(true));
    assert_eq!(Calendar::built_in().works(d("2026-02-07")), Answer::Official(false), "an ordinary Saturday");
}

#[test]
fn each_kind_of_day_is_told_apart() {
    assert_eq!(kind("2026-02-13"), Answer::Official(DayKind::Weekday));
    assert_eq!(kind("2026-02-16"), Answer::Official(DayKind::Holiday { name: "春节".into() }));
    assert_eq!(kind("2026-03-07"), Answer::Official(DayKind::Weekend));
    let by_law = Answer::Estimated { value: DayKind::StatutoryDayOff, years: vec![2027] };
    assert_eq!(kind("2027-10-01"), by_law);
    let works = |kind: DayKind| kind.works();
    assert_eq!([DayKind::Weekday, DayKind::MakeUpDay].map(works), [true, true]);
    assert_eq!([DayKind::Weekend, DayKind::StatutoryDayOff].map(works), [false, false]);
}

#[test]
fn an_answer_that_touches_2027_is_estimated_and_one_that_ends_in_2026_is_not() {
    let calendar = Calendar::built_in();
    assert_eq!(calendar.after(d("2026-12-03"), 20).unwrap(), Answer::Official(d("2026-12-31")));
    let one_more = calendar.after(d("2026-12-03"), 21).unwrap();
    assert_eq!(one_more, Answer::Estimated { value: d("2027-01-04"), years: vec![2027] });
    assert_eq!((one_more.official(), one_more.years()), (None, [2027_i16].as_slice()));
    assert_eq!(one_more.to_string(), "~2027-01-04");
    assert!(calendar.works(d("2027-03-02")).is_estimated(), "also a plain Tuesday");
    assert!(calendar.works(d("2027-03-06")).is_estimated(), "also a Saturday: it may be worked");
}

#[test]
fn a_day_that_is_not_counted_does_not_make_an_answer_an_estimate() {
    assert_eq!(before("2027-01-01", 1), "2026-12-31");
    assert_eq!(before("2027-01-02", 1), "~2026-12-31", "the first of January was looked at");
    assert_eq!(after("2024-12-31", 1), "2025-01-02");
    assert_eq!(between("2026-12-31", "2026-12-31"), "0");
}

#[test]
fn years_before_the_first_notice_are_estimated_too() {
    let days = Calendar::built_in().between(d("2024-12-30"), d("2025-01-02")).unwrap();
    assert_eq!(days, Answer::Estimated { value: 2, years: vec![2024] });
}

#[test]
fn an_answer_over_several_years_names_each_that_has_no_notice() {
    let days = Calendar::built_in().between(d("2024-06-01"), d("2028-06-01")).unwrap();
    assert_eq!(days.years(), [2024, 2027, 2028]);
}

#[test]
fn a_year_without_a_notice_has_as_many_working_days_as_the_law_gives_it() {
    let calendar = Calendar::built_in();
    for year in 2027..=2036 {
        let first = Date::new(year, 1, 1).unwrap();
        let days = calendar.in_year_of(first);
        let plain = (0..i64::from(first.days_in_year())).filter(|n| {
            let day = first.checked_add(jiff::Span::new().days(*n)).unwrap();
            day.weekday().to_monday_one_offset() <= 5
        });
        let by_law = i32::try_from(plain.count()).unwrap() - 13;
        assert_eq!(days, Answer::Estimated { value: by_law, years: vec![year] });
    }
}

#[test]
fn the_spring_festival_of_2027_is_off_by_law_and_made_up_for() {
    let off: Vec<String> = statutory::days_off(2027).iter().map(ToString::to_string).collect();
    let expected = [
        "2027-01-01", // Friday
        "2027-02-05", // New Year's Eve, Friday
        "2027-02-08", // third day, Monday
        "2027-02-09", // for the first day, Saturday
        "2027-02-10", // for the second day, Sunday
        "2027-04-05", // Qingming, Monday
        "2027-05-03", // for the first of May, Saturday
        "2027-05-04", // for the second, Sunday
        "2027-06-09",
        "2027-09-15",
        "2027-10-01", // Friday
        "2027-10-04", // for the second, Saturday
        "2027-10-05", // for the third, Sunday
    ];
    assert_eq!(off, expected);
}

#[test]
fn two_holidays_on_one_day_cost_two_working_days() {
    let off = statutory::days_off(2031);
    assert_eq!(off.len(), 13, "Mid-Autumn of 2031 is the first of October");
    assert!(off.contains(&d("2031-10-06")), "Monday, after three days from Wednesday on and a weekend");
}

#[test]
fn where_lunar_days_are_not_known_only_the_days_of_the_solar_calendar_are_off() {
    assert_eq!(statutory::days_off(2040).len(), 6);
    assert_eq!(statutory::days_off(2024).len(), 5, "the second of May is a holiday since 2025");
}

#[test]
fn none_is_the_day_itself() {
    assert_eq!(after("2026-10-03", 0), "2026-10-03");
    assert_eq!(before("2026-10-03", 0), "2026-10-03");
}

#[test]
fn working_days_are_counted_backwards() {
    assert_eq!(before("2026-03-11", 20), "2026-02-05", "the last day to give 20 working days' notice");
    assert_eq!(before("2026-10-08", 1), "2026-09-30");
    assert_eq!(between("2026-03-11", "2026-02-05"), "-20");
    assert_eq!(between("2026-11-30", "2026-11-27"), "-1", "Friday itself has been lost");
    assert_eq!(between("2026-11-28", "2026-11-27"), "-1");
    assert_eq!(between("2026-11-29", "2026-11-28"), "0", "Saturday was none");
}

#[test]
fn the_first_working_day_from_a_day_on_may_be_that_day() {
    let from = |day| Calendar::built_in().on_or_after(d(day)).unwrap().to_string();
    assert_eq!(from("2026-02-14"), "2026-02-14");
    assert_eq!(from("2026-02-15"), "2026-02-24");
    assert_eq!(from("2026-10-01"), "2026-10-08");
}

#[test]
fn an_operators_notice_makes_its_year_official() {
    let notice = announced(2027, "国办发明电〔2026〕9号", &[("2027-02-05", "2027-02-12")], &["2027-02-13"]);
    let calendar = Calendar::new(vec![notice.check().unwrap()]).unwrap();
    assert_eq!(calendar.after(d("2026-12-03"), 21).unwrap(), Answer::Official(d("2027-01-04")));
    assert_eq!(calendar.works(d("2027-02-13")), Answer::Official(true));
    assert_eq!(calendar.works(d("2027-02-11")), Answer::Official(false));
    let known: Vec<(i16, &str)> = calendar.announced().map(|y| (y.year(), y.document_no())).collect();
    assert_eq!(known[1..], [(2026, "国办发明电〔2025〕7号"), (2027, "国办发明电〔2026〕9号")]);
}

#[test]
fn an_operators_notice_goes_before_the_built_in_one_of_its_year() {
    let mut amended = notice::built_in()[1].clone();
    amended.holidays.push(Holiday { name: "防汛".into(), from: "2026-07-01".into(), until: "2026-07-02".into() });
    let calendar = Calendar::new(vec![amended.check().unwrap()]).unwrap();
    assert_eq!(calendar.works(d("2026-07-01")), Answer::Official(false));
    assert_eq!(calendar.in_year_of(d("2026-07-01")), Answer::Official(246));
}

#[test]
fn the_notice_of_the_next_year_rules_the_december_before_it() {
    // As that of 2019 did with Saturday 2018-12-29 and Monday 2018-12-31.
    let notice = announced(2019, "国办发明电〔2018〕15号", &[("2018-12-30", "2018-12-31")], &["2018-12-29"]);
    let calendar = Calendar::new(vec![notice.check().unwrap()]).unwrap();
    assert_eq!(calendar.works(d("2018-12-29")), Answer::Official(true));
    assert_eq!(calendar.works(d("2018-12-31")), Answer::Official(false));
    assert!(calendar.works(d("2018-12-28")).is_estimated(), "the rest of 2018 is not known");
    let earlier = announced(2018, "国办发明电〔2017〕12号", &[("2018-12-29", "2018-12-29")], &[]);
    let both = Calendar::new([earlier, notice].map(|notice| notice.check().unwrap()).to_vec()).unwrap();
    assert_eq!(both.works(d("2018-12-29")), Answer::Official(true), "where both speak, the later one holds");
}

#[test]
fn two_notices_of_one_year_are_refused() {
    let notice = |no| announced(2027, no, &[], &[]).check().unwrap();
    let error = Calendar::new(vec![notice("甲"), notice("乙")]).unwrap_err();
    assert_eq!(error, CalendarError::YearTwice { year: 2027, first: "甲".into(), second: "乙".into() });
    assert_eq!(
        error.to_string(),
        "there are two notices of 2027, 甲 and 乙: keep the later one, which amends the other"
    );
}

#[test]
fn a_year_that_was_left_out_between_two_is_told() {
    let calendar = Calendar::new(vec![announced(2028, "甲", &[], &[]).check().unwrap()]).unwrap();
    let error = calendar.check_complete().unwrap_err();
    assert_eq!(error, CalendarError::YearMissing { year: 2027, before: 2026, after: 2028 });
    assert_eq!(
        error.to_string(),
        "there are notices of 2026 and 2028, but none of 2027: enter it, until then 2027 is estimated"
    );
    assert!(calendar.works(d("2027-03-01")).is_estimated());
    assert_eq!(Calendar::built_in().check_complete(), Ok(()));
}

#[test]
fn days_beyond_the_calendar_are_refused() {
    let calendar = Calendar::built_in();
    let after = calendar.after(Date::MAX, 3).unwrap_err();
    assert_eq!(after, CalendarError::OutOfRange { from: Date::MAX, working_days: 3 });
    assert_eq!(after.to_string(), "3 working days from 9999-12-31 lead out of the calendar's years: correct the day");
    assert!(matches!(calendar.before(Date::MIN, 1), Err(CalendarError::OutOfRange { .. })));
    assert!(matches!(calendar.on_or_after(Date::MIN), Err(CalendarError::OutOfRange { .. })));
}

#[test]
fn days_that_lie_too_far_apart_are_refused() {
    let error = Calendar::built_in().between(d("2026-01-01"), d("2226-01-01")).unwrap_err();
    assert_eq!(error, CalendarError::TooFarApart { from: d("2026-01-01"), to: d("2226-01-01") });
    assert_eq!(error.to_string(), "2026-01-01 and 2226-01-01 lie more than 36525 days apart: correct the years");
}

#[test]
fn what_follows_from_an_estimate_is_one() {
    let official = || Answer::Official(2);
    let estimated = |year| Answer::Estimated { value: 3, years: vec![year] };
    assert_eq!(official().and(official()), Answer::Official((2, 2)));
    assert_eq!(official().and(estimated(2027)), Answer::Estimated { value: (2, 3), years: vec![2027] });
    let both = estimated(2028).and(estimated(2027)).map(|(a, b)| a + b);
    assert_eq!(both, Answer::Estimated { value: 6, years: vec![2027, 2028] });
}
