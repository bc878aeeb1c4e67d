//! Working days: whether a day is one, which is the n-th from a day, and how many lie between two. By notices where
//! there are, by the law alone where there are none, and the answer says which. Never by Monday to Friday alone: six
//! weekend days of 2026 are worked.

use super::answer::Answer;
use super::instant::days_from;
use super::notice::{AnnouncedYear, built_in, is_weekend};
use super::statutory;
use jiff::civil::Date;
use std::collections::{BTreeMap, BTreeSet};

/// The farthest apart two days may lie that are counted between, days: a hundred years. The API's years go from 2018 to
/// 2100.
const MAX_SPAN_DAYS: i32 = 36_525;

/// The notices that are known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Calendar {
    years: BTreeMap<i16, AnnouncedYear>,
}

/// What a day is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DayKind {
    /// Monday to Friday, and nothing said otherwise.
    Weekday,
    /// A Saturday or Sunday that a notice makes a working day (调休上班).
    MakeUpDay,
    /// A Saturday or Sunday.
    Weekend,
    /// A day off by a notice.
    Holiday {
        /// Name, as 春节.
        name: String,
    },
    /// A day off by law, in a year without a notice.
    StatutoryDayOff,
}

impl DayKind {
    /// Whether offices work.
    pub fn works(&self) -> bool {
        match self {
            Self::Weekday | Self::MakeUpDay => true,
            Self::Weekend | Self::Holiday { .. } | Self::StatutoryDayOff => false,
        }
    }
}

/// Why the calendar cannot be made, or has no answer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CalendarError {
    /// Two notices of one year were given.
    #[error("there are two notices of {year}, {first} and {second}: keep the later one, which amends the other")]
    YearTwice {
        /// The year.
        year: i16,
        /// The number of one.
        first: String,
        /// The number of the other.
        second: String,
    },
    /// A year between two announced ones has no notice, so somebody forgot it.
    #[error("there are notices of {before} and {after}, but none of {year}: enter it, until then {year} is estimated")]
    YearMissing {
        /// The year.
        year: i16,
        /// The last announced year before it.
        before: i16,
        /// The first announced year after it.
        after: i16,
    },
    /// The days would go on beyond the calendar.
    #[error("{working_days} working days from {from} lead out of the calendar's years: correct the day")]
    OutOfRange {
        /// The day from which was counted.
        from: Date,
        /// How many.
        working_days: u16,
    },
    /// The days lie too far apart.
    #[error("{from} and {to} lie more than {MAX_SPAN_DAYS} days apart: correct the years")]
    TooFarApart {
        /// One day.
        from: Date,
        /// The other.
        to: Date,
    },
}

impl Calendar {
    /// The calendar that the program brings along: 2025 and 2026.
    pub fn built_in() -> Self {
        let year = |notice: super::notice::Notice| {
            let year = notice.check().expect("a built-in notice has no fault: a test checks each");
            (year.year(), year)
        };
        Self { years: built_in().into_iter().map(year).collect() }
    }

    /// The built-in calendar with the notices that operators entered laid over it: theirs hold where both know a year.
    pub fn new(entered: Vec<AnnouncedYear>) -> Result<Self, CalendarError> {
        let mut seen = BTreeMap::new();
        for announced in entered {
            let (year, second) = (announced.year(), announced.document_no.clone());
            if let Some(before) = seen.insert(year, announced) {
                return Err(CalendarError::YearTwice { year, first: before.document_no, second });
            }
        }
        let mut calendar = Self::built_in();
        calendar.years.extend(seen);
        Ok(calendar)
    }

    /// The years whose notice is known, ascending.
    pub fn announced(&self) -> impl Iterator<Item = &AnnouncedYear> {
        self.years.values()
    }

    /// Whether no year between two announced ones is missing. Answers stay right without it, and say `estimated`; but a
    /// gap is a mistake that somebody can mend.
    pub fn check_complete(&self) -> Result<(), CalendarError> {
        let mut pairs = self.years.keys().zip(self.years.keys().skip(1));
        match pairs.find(|(before, after)| **before + 1 < **after) {
            Some((before, after)) => {
                Err(CalendarError::YearMissing { year: before + 1, before: *before, after: *after })
            }
            None => Ok(()),
        }
    }

    /// What a day is.
    pub fn kind(&self, day: Date) -> Answer<DayKind> {
        let mut look = Look::new(self);
        let kind = look.kind(day);
        look.answer(kind)
    }

    /// Whether offices work on a day.
    pub fn works(&self, day: Date) -> Answer<bool> {
        self.kind(day).map(|kind| kind.works())
    }

    /// The n-th working day after a day, which itself is not counted (civil code, Art. 201: 开始的当日不计入); so what is filed
    /// on a day off counts as filed on the working day before. For none it is the day itself.
    pub fn after(&self, from: Date, working_days: u16) -> Result<Answer<Date>, CalendarError> {
        self.walk(from, working_days, Date::tomorrow)
    }

    /// The n-th working day before a day, which itself is not counted: the last day on which to give so many days'
    /// notice.
    pub fn before(&self, from: Date, working_days: u16) -> Result<Answer<Date>, CalendarError> {
        self.walk(from, working_days, Date::yesterday)
    }

    /// The first working day that is not before `day`.
    pub fn on_or_after(&self, day: Date) -> Result<Answer<Date>, CalendarError> {
        let before = day.yesterday().map_err(|_| CalendarError::OutOfRange { from: day, working_days: 1 })?;
        self.after(before, 1)
    }

    /// How many working days there are after `from` and up to `to`; backwards, the negative number of those from `to`
    /// on and before `from`. So it undoes [`Calendar::after`] and [`Calendar::before`]. Zero does not say whether `to`
    /// has passed: on a Sunday nothing is left until Saturday, and nothing was lost since; days themselves are compared
    /// for that.
    pub fn between(&self, from: Date, to: Date) -> Result<Answer<i32>, CalendarError> {
        if (to - from).get_days().abs() > MAX_SPAN_DAYS {
            return Err(CalendarError::TooFarApart { from, to });
        }
        let mut look = Look::new(self);
        let mut one = |day| i32::from(look.works(day));
        let found = if from <= to {
            days_from(from).skip(1).take_while(|day| *day <= to).map(&mut one).sum()
        } else {
            -days_from(to).take_while(|day| *day < from).map(&mut one).sum::<i32>()
        };
        Ok(look.answer(found))
    }

    /// How many days are worked in the year that a day lies in.
    pub fn in_year_of(&self, day: Date) -> Answer<i32> {
        let mut look = Look::new(self);
        let days = days_from(day.first_of_year()).take_while(|other| other.year() == day.year());
        let found = days.map(|day| i32::from(look.works(day))).sum();
        look.answer(found)
    }

    fn walk(
        &self,
        from: Date,
        working_days: u16,
        step: fn(Date) -> Result<Date, jiff::Error>,
    ) -> Result<Answer<Date>, CalendarError> {
        let mut look = Look::new(self);
        let (mut day, mut left) = (from, working_days);
        while left > 0 {
            day = step(day).map_err(|_| CalendarError::OutOfRange { from, working_days })?;
            left -= u16::from(look.works(day));
        }
        Ok(look.answer(day))
    }
}

/// One question to the calendar. It remembers which years without a notice were looked at, and what the law says of
/// them.
struct Look<'a> {
    calendar: &'a Calendar,
    without_notice: BTreeMap<i16, BTreeSet<Date>>,
}

impl<'a> Look<'a> {
    fn new(calendar: &'a Calendar) -> Self {
        Self { calendar, without_notice: BTreeMap::new() }
    }

    fn works(&mut self, day: Date) -> bool {
        self.kind(day).works()
    }

    fn kind(&mut self, day: Date) -> DayKind {
        // The notice of the year after goes first, because it may rule this December, and is the later one.
        for year in [day.year().saturating_add(1), day.year()] {
            if let Some(kind) = self.calendar.years.get(&year).and_then(|announced| announced.says(day)) {
                return kind;
            }
        }
        let by_law = || statutory::days_off(day.year());
        let known = self.calendar.years.contains_key(&day.year());
        if !known && self.without_notice.entry(day.year()).or_insert_with(by_law).contains(&day) {
            return DayKind::StatutoryDayOff;
        }
        if is_weekend(day) { DayKind::Weekend } else { DayKind::Weekday }
    }

    fn answer<T>(self, value: T) -> Answer<T> {
        Answer::new(value, self.without_notice.into_keys())
    }
}

impl AnnouncedYear {
    /// What the notice says of a day, if it names it.
    fn says(&self, day: Date) -> Option<DayKind> {
        if self.make_up_days.contains(&day) {
            return Some(DayKind::MakeUpDay);
        }
        self.days_off.get(&day).map(|name| DayKind::Holiday { name: name.clone() })
    }
}
