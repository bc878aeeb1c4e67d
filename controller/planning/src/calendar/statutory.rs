//! What is known of a year before its notice: the days that 全国年节及纪念日放假办法 (order 795 of the State Council, in force from
//! 2025-01-01) makes holidays, each of which costs one working day. Never claims to know how a notice will lay them
//! out: which days are joined to them, and which weekends are worked for it, is the State Council's to say. So all of
//! this is an estimate.

use super::instant::days_from;
use super::notice::is_weekend;
use jiff::civil::{Date, date};
use std::collections::BTreeSet;

/// Holidays of the lunar calendar and Qingming, by year: first day of the first lunar month, Qingming, fifth day of the
/// fifth month (端午), fifteenth of the eighth (中秋). Fixed by GB/T 33661—2017; computed by two programs that do not share
/// a method, a table of lunar months and an ephemeris. A further year is a further line; beyond the last, these days
/// are not known.
const LUNAR: &[(Date, Date, Date, Date)] = &[
    (date(2027, 2, 6), date(2027, 4, 5), date(2027, 6, 9), date(2027, 9, 15)),
    (date(2028, 1, 26), date(2028, 4, 4), date(2028, 5, 28), date(2028, 10, 3)),
    (date(2029, 2, 13), date(2029, 4, 4), date(2029, 6, 16), date(2029, 9, 22)),
    (date(2030, 2, 3), date(2030, 4, 5), date(2030, 6, 5), date(2030, 9, 12)),
    (date(2031, 1, 23), date(2031, 4, 5), date(2031, 6, 24), date(2031, 10, 1)),
    (date(2032, 2, 11), date(2032, 4, 4), date(2032, 6, 12), date(2032, 9, 19)),
    (date(2033, 1, 31), date(2033, 4, 4), date(2033, 6, 1), date(2033, 9, 8)),
    (date(2034, 2, 19), date(2034, 4, 5), date(2034, 6, 20), date(2034, 9, 27)),
    (date(2035, 2, 8), date(2035, 4, 5), date(2035, 6, 10), date(2035, 9, 16)),
    (date(2036, 1, 28), date(2036, 4, 4), date(2036, 5, 30), date(2036, 10, 4)),
];

/// From this year on New Year's Eve of the lunar calendar and the second of May are holidays too (order 795).
const MORE_DAYS_FROM: i16 = 2025;

/// The holidays that fall on the same day each year (Art. 2 of the order).
pub(super) fn same_day_each_year(year: i16) -> Vec<(Date, &'static str)> {
    let second_of_may = (year >= MORE_DAYS_FROM).then(|| (date(year, 5, 2), "劳动节"));
    let days = [(date(year, 1, 1), "元旦"), (date(year, 5, 1), "劳动节")];
    let october = (1..=3).map(|day| (date(year, 10, day), "国庆节"));
    days.into_iter().chain(second_of_may).chain(october).collect()
}

/// Days on which nobody works by law alone, weekends left aside. A holiday on a Saturday or Sunday, or one that falls
/// together with another, is made up for on the next day that would be worked (Art. 6: 应当在工作日补假). So a year whose lunar
/// holidays are known has as many working days as the law gives it, wherever the notice will put them.
pub fn days_off(year: i16) -> BTreeSet<Date> {
    let mut off = BTreeSet::new();
    let mut owed = Vec::new();
    for day in holidays(year) {
        if is_weekend(day) || !off.insert(day) {
            owed.push(day);
        }
    }
    for day in owed {
        let made_up = days_from(day).find(|later| !is_weekend(*later) && !off.contains(later));
        off.extend(made_up);
    }
    off
}

/// The holidays of a year as far as they are known, ascending.
fn holidays(year: i16) -> Vec<Date> {
    let mut days: Vec<Date> = same_day_each_year(year).into_iter().map(|(day, _)| day).collect();
    if let Some((spring, qingming, fifth, eighth)) = LUNAR.iter().find(|(spring, ..)| spring.year() == year) {
        // New Year's Eve and the first three days of the year: four days (order 795).
        days.extend(spring.yesterday());
        days.extend(days_from(*spring).take(3));
        days.extend([qingming, fifth, eighth]);
    }
    days.sort_unstable();
    days
}
