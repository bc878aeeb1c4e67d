//! Instants and days as the API stores them and as people in Beijing read them. Never rounds up: what has not passed is
//! not over.

use super::zone::BEIJING;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan};

/// The day in Beijing at an instant.
pub fn day(at: Timestamp) -> Date {
    at.to_zoned(TimeZone::fixed(BEIJING)).date()
}

/// A day as the API writes it, `YYYY-MM-DD` and nothing else; `None` if the text is not one.
pub fn parse_day(text: &str) -> Option<Date> {
    // The library also reads `20260228` and `2026-02-28T10:00`, which no column sorts and no schema allows.
    text.parse().ok().filter(|day: &Date| day.to_string() == text)
}

/// A day and all that come after it.
pub(super) fn days_from(first: Date) -> impl Iterator<Item = Date> {
    std::iter::successors(Some(first), |day| day.tomorrow().ok())
}

/// Whole seconds: what the API stores of an instant. Anything finer never equals its own read-back.
pub fn to_second(at: Timestamp) -> Timestamp {
    Timestamp::from_second(at.as_second()).unwrap_or(at)
}

/// `at` plus some seconds, held at the end of time.
pub fn plus_seconds(at: Timestamp, seconds: i64) -> Timestamp {
    at.checked_add(seconds.seconds()).unwrap_or(Timestamp::MAX)
}

/// Whole seconds that have passed from `earlier` to `later`; negative if they are the other way round. A second that
/// has begun is not one that has passed: five seconds of silence are five, wherever they lie between two strokes of the
/// clock.
pub fn seconds_between(earlier: Timestamp, later: Timestamp) -> i64 {
    (later.as_millisecond() - earlier.as_millisecond()).div_euclid(1000)
}

#[cfg(test)]
mod tests {
    use super::day;

    #[test]
    fn the_day_is_the_one_in_beijing() {
        assert_eq!(day("2026-11-30T15:59:59Z".parse().unwrap()).to_string(), "2026-11-30");
        assert_eq!(day("2026-11-30T16:00:00Z".parse().unwrap()).to_string(), "2026-12-01");
    }
}
