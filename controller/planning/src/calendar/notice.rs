//! A notice of the State Council on the days off of a year (国务院办公厅关于…年部分节假日安排的通知), and what may be wrong with a
//! copy of it. Never mends a copy: a day that is misread moves due dates by law.
//!
//! A new year, published each November, is added in one of two ways. An operator enters the notice as a work calendar,
//! and it holds at once; it also goes before a built-in notice of the same year, since notices have been amended (2019,
//! 2020). With a release: copy `notice/year_2026.rs`, enter the days of the notice, add the file to [`built_in`]. The
//! tests hold every built-in notice against the rules below.

mod year_2025;
mod year_2026;

use super::instant::{days_from, parse_day};
use super::statutory;
use jiff::civil::{Date, Weekday};
use std::collections::{BTreeMap, BTreeSet};

/// Years that can have a notice: from the year of the Measures (Art. 37: in force from 2018-03-16) to where plans end.
const YEARS: std::ops::RangeInclusive<i16> = 2018..=2100;
/// The longest holiday was one of 10 days (Spring Festival 2020, extended); half as much again can only be a slip.
const MAX_HOLIDAY_DAYS: i32 = 15;

/// A notice as it is copied from the paper; nothing in it has been checked.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Notice {
    /// The year in its title.
    pub year: Option<i16>,
    /// Its number (发文字号), as 国办发明电〔2025〕7号.
    pub document_no: String,
    /// Where it can be read.
    pub source: String,
    /// The holidays, each with its first and its last day off.
    pub holidays: Vec<Holiday>,
    /// Saturdays and Sundays that are working days (调休上班), `YYYY-MM-DD`.
    pub make_up_days: Vec<String>,
}

/// Days off in a row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Holiday {
    /// Name, as 春节.
    pub name: String,
    /// First day off, `YYYY-MM-DD`.
    pub from: String,
    /// Last day off, `YYYY-MM-DD`.
    pub until: String,
}

/// A year whose notice holds together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AnnouncedYear {
    pub(super) year: i16,
    pub(super) document_no: String,
    /// Days off, each with the name of its holiday.
    pub(super) days_off: BTreeMap<Date, String>,
    pub(super) make_up_days: BTreeSet<Date>,
}

/// What is wrong with a copy of a notice.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NoticeError {
    /// The copy does not say its year.
    #[error("the notice names no year: enter the year of its title")]
    YearMissing,
    /// No notice of such a year can exist.
    #[error("the notice is of the year {found}, expected {} to {}: enter the year of its title", YEARS.start(), YEARS.end())]
    YearOutOfRange {
        /// The year.
        found: i16,
    },
    /// A text is not a day.
    #[error("{place}: found {found:?}, expected a day as YYYY-MM-DD")]
    NotADay {
        /// Where it stands.
        place: String,
        /// What stands there.
        found: String,
    },
    /// A holiday ends before it begins.
    #[error("{name} ends on {until}, before it begins on {from}: exchange the days")]
    Reversed {
        /// The holiday.
        name: String,
        /// Its first day.
        from: Date,
        /// Its last day.
        until: Date,
    },
    /// A holiday is longer than any was.
    #[error("{name} has {days} days from {from} on, expected at most {MAX_HOLIDAY_DAYS}: correct its last day")]
    TooLong {
        /// The holiday.
        name: String,
        /// Its first day.
        from: Date,
        /// How many days it has.
        days: i32,
    },
    /// A day lies neither in the year nor in the December before it.
    #[error("{place}: {day} is not of {year}: correct the day, or enter it with the notice of its own year")]
    OtherYear {
        /// Where it stands.
        place: String,
        /// The day.
        day: Date,
        /// The year of the notice.
        year: i16,
    },
    /// A day is off and works.
    #[error("{day} is a day off ({holiday}) and a make-up day: keep the one that the notice says")]
    Contradiction {
        /// The day.
        day: Date,
        /// The holiday that it is listed under.
        holiday: String,
    },
    /// A day from Monday to Friday needs no making up.
    #[error("the make-up day {day} is a {weekday:?}, which works anyway: enter the Saturday or Sunday of the notice")]
    MakeUpOnWeekday {
        /// The day.
        day: Date,
        /// Which day of the week it is.
        weekday: Weekday,
    },
    /// A day is listed twice.
    #[error("{day} is listed twice, as {first} and as {second}: remove one")]
    Twice {
        /// The day.
        day: Date,
        /// Where it stands first.
        first: String,
        /// Where it stands again.
        second: String,
    },
    /// No day off at all: the file of a year that is not announced yet.
    #[error("the notice of {year} lists no holiday: leave the year out until it is published, and it is estimated")]
    NoHolidays {
        /// The year.
        year: i16,
    },
    /// A day on which the law lets nobody work is not among the days off.
    #[error("{day} ({name}) is a day off by law, but no holiday of the notice covers it: enter what is missing")]
    StatutoryDayMissing {
        /// The day.
        day: Date,
        /// What is celebrated.
        name: &'static str,
    },
}

/// The notices that this program brings along, in the order of years.
pub fn built_in() -> Vec<Notice> {
    vec![year_2025::notice(), year_2026::notice()]
}

impl Notice {
    /// The year that the notice announces, or everything that is wrong with the copy; then at least one thing is.
    ///
    /// A notice may rule days of the December before its year: that of 2019 made Monday 2018-12-31 a day off.
    pub fn check(&self) -> Result<AnnouncedYear, Vec<NoticeError>> {
        let year = match self.year {
            Some(year) if YEARS.contains(&year) => year,
            Some(found) => return Err(vec![NoticeError::YearOutOfRange { found }]),
            None => return Err(vec![NoticeError::YearMissing]),
        };
        if self.holidays.is_empty() {
            return Err(vec![NoticeError::NoHolidays { year }]);
        }
        let mut faults = Vec::new();
        let days_off = self.days_off(year, &mut faults);
        let make_up_days = self.make_up_days(year, &days_off, &mut faults);
        let by_law = statutory::same_day_each_year(year);
        let missing = by_law.into_iter().filter(|(day, _)| !days_off.contains_key(day));
        faults.extend(missing.map(|(day, name)| NoticeError::StatutoryDayMissing { day, name }));
        if !faults.is_empty() {
            return Err(faults);
        }
        Ok(AnnouncedYear { year, document_no: self.document_no.clone(), days_off, make_up_days })
    }

    fn days_off(&self, year: i16, faults: &mut Vec<NoticeError>) -> BTreeMap<Date, String> {
        let mut days = BTreeMap::new();
        for holiday in &self.holidays {
            let listed = holiday.days().unwrap_or_else(|fault| {
                faults.push(fault);
                Vec::new()
            });
            for day in listed {
                faults.extend(other_year(day, year, &holiday.name));
                if let Some(first) = days.insert(day, holiday.name.clone()) {
                    faults.push(NoticeError::Twice { day, first, second: holiday.name.clone() });
                }
            }
        }
        days
    }

    fn make_up_days(
        &self,
        year: i16,
        days_off: &BTreeMap<Date, String>,
        faults: &mut Vec<NoticeError>,
    ) -> BTreeSet<Date> {
        const PLACE: &str = "make-up day";
        let mut days = BTreeSet::new();
        for text in &self.make_up_days {
            let Some(day) = parse_day(text) else {
                faults.push(NoticeError::NotADay { place: PLACE.into(), found: text.clone() });
                continue;
            };
            faults.extend(other_year(day, year, PLACE));
            if let Some(holiday) = days_off.get(&day) {
                faults.push(NoticeError::Contradiction { day, holiday: holiday.clone() });
            } else if !is_weekend(day) {
                faults.push(NoticeError::MakeUpOnWeekday { day, weekday: day.weekday() });
            }
            if !days.insert(day) {
                faults.push(NoticeError::Twice { day, first: PLACE.into(), second: PLACE.into() });
            }
        }
        days
    }
}

impl Holiday {
    /// The days off, if the first is not after the last.
    fn days(&self) -> Result<Vec<Date>, NoticeError> {
        let name = || self.name.clone();
        let from = self.day("first day", &self.from)?;
        let until = self.day("last day", &self.until)?;
        if until < from {
            return Err(NoticeError::Reversed { name: name(), from, until });
        }
        let days = (until - from).get_days() + 1;
        if days > MAX_HOLIDAY_DAYS {
            return Err(NoticeError::TooLong { name: name(), from, days });
        }
        Ok(days_from(from).take_while(|day| *day <= until).collect())
    }

    fn day(&self, which: &str, text: &str) -> Result<Date, NoticeError> {
        let fault = || NoticeError::NotADay { place: format!("{which} of {}", self.name), found: text.into() };
        parse_day(text).ok_or_else(fault)
    }
}

impl AnnouncedYear {
    /// The year.
    pub fn year(&self) -> i16 {
        self.year
    }

    /// The number of the notice (发文字号), as 国办发明电〔2025〕7号: what a due date is explained with.
    pub fn document_no(&self) -> &str {
        &self.document_no
    }
}

/// Whether a day is a Saturday or a Sunday.
pub(super) fn is_weekend(day: Date) -> bool {
    matches!(day.weekday(), Weekday::Saturday | Weekday::Sunday)
}

fn other_year(day: Date, year: i16, place: &str) -> Option<NoticeError> {
    let december_before = day.year() == year - 1 && day.month() == 12;
    (day.year() != year && !december_before).then(|| NoticeError::OtherYear { place: place.into(), day, year })
}

/// Days off in a row, as the built-in notices write them.
fn holiday(name: &str, from: &str, until: &str) -> Holiday {
    Holiday { name: name.into(), from: from.into(), until: until.into() }
}

/// Make-up days, as the built-in notices write them.
fn days(texts: &[&str]) -> Vec<String> {
    texts.iter().map(|text| (*text).to_string()).collect()
}
