//! Calendar months, as trial runs are counted (Art. 20: 试运行3个月以上). Never days: three months are not ninety.

use super::answer::Answer;
use super::working_day::{Calendar, CalendarError};
use jiff::ToSpan;
use jiff::civil::Date;

/// The longest trial run that a policy profile may ask for is 60 months; twice that leaves room for an extension.
const MAX_MONTHS: i32 = 120;

/// A trial run (试运行期): the day on which it began, and the shortest time it lasts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TrialPeriod {
    began: Date,
    earliest_end: Date,
}

/// Why months cannot be counted, or a trial run is too short.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MonthError {
    /// A number of months that nobody can mean.
    #[error("found {found} months, expected 0 to {MAX_MONTHS}: correct numbers.trialMonths of the policy profile")]
    OutOfBounds {
        /// The number.
        found: i32,
    },
    /// The month is beyond the calendar.
    #[error("{months} months after {from} is beyond the year 9999: correct the day")]
    OutOfRange {
        /// The day from which was counted.
        from: Date,
        /// How many months.
        months: i32,
    },
    /// A trial run ends before the regulation lets it.
    #[error("the trial run that began on {began} ends on {end}, expected {earliest_end} or later: enter a later end")]
    TooShort {
        /// Its first day.
        began: Date,
        /// The end that was entered.
        end: Date,
        /// The earliest end.
        earliest_end: Date,
    },
}

/// The same day so many calendar months later; where the month has no such day, its last one.
pub fn months_after(from: Date, months: i32) -> Result<Date, MonthError> {
    if !(0..=MAX_MONTHS).contains(&months) {
        return Err(MonthError::OutOfBounds { found: months });
    }
    from.checked_add(months.months()).map_err(|_| MonthError::OutOfRange { from, months })
}

impl TrialPeriod {
    /// A trial run that began on a day and lasts so many calendar months at least.
    pub fn new(began: Date, months: i32) -> Result<Self, MonthError> {
        Ok(Self { began, earliest_end: months_after(began, months)? })
    }

    /// Its first day.
    pub fn began(&self) -> Date {
        self.began
    }

    /// The first day that may be its last: 三个月以上 includes exactly three months.
    pub fn earliest_end(&self) -> Date {
        self.earliest_end
    }

    /// Whether it has run its time: the day of its earliest end is over, for a day counts until its end. Acceptance may
    /// be held from then on.
    pub fn has_elapsed(&self, today: Date) -> bool {
        today > self.earliest_end
    }

    /// Whether it may end on a day that somebody entered.
    pub fn check_end(&self, end: Date) -> Result<(), MonthError> {
        let Self { began, earliest_end } = *self;
        if end >= earliest_end { Ok(()) } else { Err(MonthError::TooShort { began, end, earliest_end }) }
    }

    /// The first working day on which acceptance may be held.
    pub fn acceptance_from(&self, calendar: &Calendar) -> Result<Answer<Date>, CalendarError> {
        calendar.after(self.earliest_end, 1)
    }
}
