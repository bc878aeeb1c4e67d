//! What operators entered as objects, as the calendar takes it. Copies and never judges: what is wrong with a copy is
//! found by [`Notice::check`], so that the object's condition and a built-in notice are held against the same rules.

use super::notice::{Holiday, Notice};
use qianyun_crds::{CalendarHoliday, WorkCalendarSpec};

impl From<&WorkCalendarSpec> for Notice {
    fn from(spec: &WorkCalendarSpec) -> Self {
        Self {
            // The schema ends at 2100; a year beyond what can be counted is as good as none.
            year: i16::try_from(spec.year).ok(),
            document_no: spec.document_no.clone(),
            source: spec.source.clone(),
            holidays: spec.holidays.iter().map(Holiday::from).collect(),
            make_up_days: spec.make_up_days.clone(),
        }
    }
}

impl From<&CalendarHoliday> for Holiday {
    fn from(entered: &CalendarHoliday) -> Self {
        Self { name: entered.name.clone(), from: entered.from.clone(), until: entered.until.clone() }
    }
}
