//! Words for instants: as the clocks of the policy's offices show them, to the minute, and by which clocks. Chinese names the clocks only
//! where they are not those of Beijing, which nobody there has to be told.

use super::{Words, words};
use crate::calendar::Zone;
use jiff::Timestamp;

/// An instant, as `2026-11-27 18:00 (UTC+8)`.
pub(crate) fn at(zone: &Zone, instant: Timestamp) -> Words {
    let (minute, offset) = (zone.minute(instant), zone.offset(instant));
    words(format!("{minute} ({offset})"), chinese(zone, instant))
}

/// One beside another of which the clocks were told already.
pub(crate) fn beside(zone: &Zone, instant: Timestamp, told: Timestamp) -> Words {
    if zone.offset(instant) == zone.offset(told) {
        words(zone.minute(instant), zone.minute(instant))
    } else {
        at(zone, instant)
    }
}

/// From one to another, as `2026-11-27 18:00 to 2026-11-28 02:00 (UTC+8)`.
pub(crate) fn span(zone: &Zone, from: Timestamp, until: Timestamp) -> Words {
    let (first, last) = (beside(zone, from, until), at(zone, until));
    words(format!("{} to {}", first.en, last.en), format!("{} 至 {}", first.zh, last.zh))
}

fn chinese(zone: &Zone, instant: Timestamp) -> String {
    let (minute, offset) = (zone.minute(instant), zone.offset(instant));
    if offset == Zone::shanghai().offset(instant) { minute } else { format!("{minute}({offset})") }
}
