//! The admin's calendar of bounds: so much by day, so much by night, by days of the week. It decides nothing but a number.

use super::Span;
use jiff::civil::{DateTime, Weekday};
use serde::Deserialize;

/// A bound for some hours of some days.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Slot {
    /// Every day, if none are named.
    #[serde(default)]
    days: Days,
    hours: Span,
    max_bytes_per_second: u64,
}

/// Days of the week, as `mon-fri`, `sat,sun`, `fri-mon`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
struct Days([bool; 7]);

impl Default for Days {
    fn default() -> Self {
        Self([true; 7])
    }
}

/// As they are counted from Monday.
const NAMES: [&str; 7] = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"];

impl TryFrom<String> for Days {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let day = |name: &str| {
            let wanted = name.trim().to_ascii_lowercase();
            let found = NAMES.iter().position(|known| *known == wanted);
            found.ok_or_else(|| format!("expected days as mon-fri or sat,sun, found {text:?}"))
        };
        let mut days = [false; 7];
        for part in text.split(',') {
            let (first, last) = part.split_once('-').unwrap_or((part, part));
            let (mut at, last) = (day(first)?, day(last)?);
            days[at] = true;
            while at != last {
                at = (at + 1) % 7;
                days[at] = true;
            }
        }
        Ok(Self(days))
    }
}

impl Days {
    fn holds(&self, day: Weekday) -> bool {
        usize::try_from(day.to_monday_zero_offset()).is_ok_and(|day| self.0[day])
    }
}

impl Slot {
    /// Hours that go past midnight belong to the day on which they begin.
    fn holds(&self, now: DateTime) -> bool {
        let (today, time) = (now.weekday(), now.time());
        let began_yesterday = self.hours.to < self.hours.from && time < self.hours.to;
        self.hours.holds(time) && self.days.holds(if began_yesterday { today.previous() } else { today })
    }
}

/// The smallest bound that holds now, bytes per second; 0 is none.
pub(super) fn bound(slots: &[Slot], now: DateTime) -> u64 {
    let holding = slots.iter().filter(|slot| slot.holds(now)).map(|slot| slot.max_bytes_per_second);
    holding.filter(|bound| *bound > 0).min().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use jiff::civil::date;

    fn slots(text: &str) -> Vec<Slot> {
        #[derive(Deserialize)]
        struct File {
            calendar: Vec<Slot>,
        }
        toml::from_str::<File>(text).unwrap().calendar
    }

    const OFFICE: &str = "[[calendar]]\ndays = \"mon-fri\"\nhours = \"08:00-18:00\"\nmax_bytes_per_second = 10\n";

    #[test]
    fn a_bound_holds_in_its_hours_on_its_days() {
        let slots = slots(OFFICE);
        // 24 November 2026 is a Tuesday.
        let at = |day, hour| bound(&slots, date(2026, 11, day).at(hour, 0, 0, 0));
        assert_eq!((at(24, 8), at(24, 17), at(24, 18), at(24, 7)), (10, 10, 0, 0));
        assert_eq!((at(27, 9), at(28, 9), at(29, 9), at(30, 9)), (10, 0, 0, 10), "Friday to Monday");
    }

    #[test]
    fn hours_past_midnight_belong_to_the_day_on_which_they_begin() {
        let slots = slots("[[calendar]]\ndays = \"fri\"\nhours = \"22:00-06:00\"\nmax_bytes_per_second = 7\n");
        let at = |day, hour| bound(&slots, date(2026, 11, day).at(hour, 0, 0, 0));
        assert_eq!((at(27, 5), at(27, 22), at(28, 5), at(28, 22), at(29, 5)), (0, 7, 7, 0, 0));
    }

    #[test]
    fn the_smallest_bound_that_holds_counts_and_a_week_may_wrap() {
        let slots = slots(&format!(
            "{OFFICE}[[calendar]]\nhours = \"09:00-10:00\"\nmax_bytes_per_second = 5\n[[calendar]]\ndays = \"sat-mon\"\nhours = \"00:00-08:00\"\nmax_bytes_per_second = 3\n"
        ));
        let at = |day, hour| bound(&slots, date(2026, 11, day).at(hour, 30, 0, 0));
        assert_eq!((at(24, 8), at(24, 9)), (10, 5));
        assert_eq!((at(28, 1), at(29, 1), at(30, 1), at(24, 1)), (3, 3, 3, 0));
    }

    #[test]
    fn a_day_that_is_none_is_named() {
        let text = "[[calendar]]\ndays = \"mon-fry\"\nhours = \"08:00-18:00\"\nmax_bytes_per_second = 1\n";
        let error = toml::from_str::<toml::Table>(text).unwrap()["calendar"][0].clone().try_into::<Slot>().unwrap_err();
        assert!(error.to_string().contains("expected days as mon-fri or sat,sun, found \"mon-fry\""), "{error}");
    }
}
