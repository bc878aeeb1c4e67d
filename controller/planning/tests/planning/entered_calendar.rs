//! What operators entered as objects reaches the calendar as they entered it, faults and all.
#![allow(clippy::unwrap_used)]

use jiff::civil::Date;
use qianyun_crds::{CalendarHoliday, WorkCalendarSpec};
use qianyun_planning::calendar::{Calendar, Notice, NoticeError, notice};

/// A built-in notice as an operator would enter it.
fn entered(notice: &Notice) -> WorkCalendarSpec {
    let holiday =
        |h: &notice::Holiday| CalendarHoliday { name: h.name.clone(), from: h.from.clone(), until: h.until.clone() };
    WorkCalendarSpec {
        year: notice.year.unwrap().into(),
        document_no: notice.document_no.clone(),
        source: notice.source.clone(),
        holidays: notice.holidays.iter().map(holiday).collect(),
        make_up_days: notice.make_up_days.clone(),
    }
}

fn notice_of_2026() -> Notice {
    notice::built_in().remove(1)
}

#[test]
fn an_entered_notice_is_the_one_on_paper() {
    for paper in notice::built_in() {
        assert_eq!(Notice::from(&entered(&paper)), paper);
    }
}

#[test]
fn an_entered_year_goes_before_the_built_in_one() {
    let mut spec = entered(&notice_of_2026());
    // An amendment that gives the Tuesday after the Spring Festival too.
    spec.holidays[1].until = "2026-02-24".into();
    let day: Date = "2026-02-24".parse().unwrap();
    assert_eq!(Calendar::built_in().works(day).official(), Some(&true));
    let calendar = Calendar::new(vec![Notice::from(&spec).check().unwrap()]).unwrap();
    assert_eq!(calendar.works(day).official(), Some(&false));
}

#[test]
fn what_one_object_cannot_know_of_the_law_is_found_here() {
    let mut spec = entered(&notice_of_2026());
    spec.holidays.retain(|h| h.name != "劳动节");
    let faults = Notice::from(&spec).check().unwrap_err();
    let missing = |fault: &NoticeError| matches!(fault, NoticeError::StatutoryDayMissing { .. });
    assert!(!faults.is_empty() && faults.iter().all(missing), "{faults:?}");
}

#[test]
fn a_year_beyond_counting_is_a_fault_and_no_panic() {
    let mut spec = entered(&notice_of_2026());
    spec.year = i32::MAX;
    assert_eq!(Notice::from(&spec).check().unwrap_err(), [NoticeError::YearMissing]);
}
