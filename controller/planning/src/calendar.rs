//! Days and months as the regulation counts them: by the calendar in Beijing. Never the machine's own time zone.

use jiff::civil::Date;
use jiff::tz::{Offset, TimeZone};
use jiff::{Timestamp, ToSpan};

/// China has had one time zone and no daylight saving since 1992, so a fixed offset is exact for every date we handle.
const BEIJING: Offset = Offset::constant(8);

/// The day in Beijing at an instant.
pub fn day(at: Timestamp) -> Date {
    at.to_zoned(TimeZone::fixed(BEIJING)).date()
}

/// A day as the API writes it, `YYYY-MM-DD`; `None` if the text is not one.
pub fn parse_day(text: &str) -> Option<Date> {
    text.parse().ok()
}

/// The earliest end of a trial run (Art. 20: three months or more): `months` calendar months after the day it began.
/// Where the month has no such day, its last one.
pub fn trial_end(started: Timestamp, months: i32) -> Option<Date> {
    day(started).checked_add(months.months()).ok()
}

/// An instant as people in Beijing read it, to the minute.
pub fn minute(at: Timestamp) -> String {
    at.to_zoned(TimeZone::fixed(BEIJING)).strftime("%Y-%m-%d %H:%M").to_string()
}

/// Whole seconds: what the API stores of an instant. Anything finer never equals its own read-back.
pub fn to_second(at: Timestamp) -> Timestamp {
    Timestamp::from_second(at.as_second()).unwrap_or(at)
}

/// `at` plus some seconds, held at the end of time.
pub fn plus_seconds(at: Timestamp, seconds: i64) -> Timestamp {
    at.checked_add(seconds.seconds()).unwrap_or(Timestamp::MAX)
}

/// Whole seconds that have passed from `earlier` to `later`; negative if they are the other way round. A second that has
/// begun is not one that has passed: five seconds of silence are five, wherever they lie between two strokes of the clock.
pub fn seconds_between(earlier: Timestamp, later: Timestamp) -> i64 {
    (later.as_millisecond() - earlier.as_millisecond()).div_euclid(1000)
}

#[cfg(test)]
mod tests {
    use super::{day, trial_end};

    #[test]
    fn three_months_after_the_last_of_november_is_the_last_of_february() {
        let end = |at: &str| trial_end(at.parse().unwrap(), 3).unwrap().to_string();
        assert_eq!(end("2026-11-30T01:00:00Z"), "2027-02-28");
        assert_eq!(end("2026-11-23T01:00:00Z"), "2027-02-23");
        assert_eq!(end("2027-11-30T01:00:00Z"), "2028-02-29");
    }

    #[test]
    fn the_day_is_the_one_in_beijing() {
        assert_eq!(day("2026-11-30T15:59:59Z".parse().unwrap()).to_string(), "2026-11-30");
        assert_eq!(day("2026-11-30T16:00:00Z".parse().unwrap()).to_string(), "2026-12-01");
    }
}
