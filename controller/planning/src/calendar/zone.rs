//! The time zone that days and windows are told in: Asia/Shanghai, unless a setting names another. Never looked up
//! here: a zone other than the default is made of the bytes of its file, which the caller has read.

use jiff::civil::{Date, DateTime};
use jiff::tz::{AmbiguousOffset, Offset, TimeZone};
use jiff::{Timestamp, civil};

/// China has had one time zone and no daylight saving since 1992, so a fixed offset is exact for every date we handle.
pub(super) const BEIJING: Offset = Offset::constant(8);

/// The longest name in the IANA database has 32 characters; twice that is generous.
const MAX_NAME_BYTES: usize = 64;

/// A time zone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Zone {
    name: String,
    rules: TimeZone,
}

/// Why a zone, or a time in it, is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ZoneError {
    /// The name has not the shape of one, and might lead out of the folder of zones.
    #[error("time zone {found:?}: expected a name of the iana database, as Asia/Shanghai")]
    NotAName {
        /// What was given.
        found: String,
    },
    /// The bytes are no zone.
    #[error("time zone {name}: its file is not of the format tzif; install the package tzdata again")]
    NotAZone {
        /// The name.
        name: String,
    },
    /// The clocks of the zone skip this time.
    #[error("{time} does not exist in {zone}, whose clocks are put forward over it: choose a time before or after")]
    Skipped {
        /// The time, as `2027-03-28T02:30:00`.
        time: DateTime,
        /// The zone.
        zone: String,
    },
    /// The clocks of the zone show this time twice.
    #[error("{time} comes twice in {zone}, whose clocks are put back: choose another, or give its offset, as +08:00")]
    Twice {
        /// The time.
        time: DateTime,
        /// The zone.
        zone: String,
    },
    /// The time is beyond what can be counted.
    #[error("{time} in {zone} cannot be counted: correct the year")]
    OutOfRange {
        /// The time.
        time: DateTime,
        /// The zone.
        zone: String,
    },
}

impl Default for Zone {
    fn default() -> Self {
        Self::shanghai()
    }
}

impl Zone {
    /// Asia/Shanghai (UTC+8), the default.
    pub fn shanghai() -> Self {
        Self { name: "Asia/Shanghai".into(), rules: TimeZone::fixed(BEIJING) }
    }

    /// The zone `name` of the IANA database; `tzif` are the bytes of its file, as `/usr/share/zoneinfo` holds them.
    pub fn from_database(name: &str, tzif: &[u8]) -> Result<Self, ZoneError> {
        check_name(name)?;
        let rules = TimeZone::tzif(name, tzif).map_err(|_| ZoneError::NotAZone { name: name.into() })?;
        Ok(Self { name: name.into(), rules })
    }

    /// The name in the IANA database.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The day that an instant lies in.
    pub fn day(&self, at: Timestamp) -> Date {
        at.to_zoned(self.rules.clone()).date()
    }

    /// An instant as people in the zone read it, to the minute.
    pub fn minute(&self, at: Timestamp) -> String {
        at.to_zoned(self.rules.clone()).strftime("%Y-%m-%d %H:%M").to_string()
    }

    /// How far the clocks of the zone are before those of Greenwich at an instant, as `UTC+8`.
    pub fn offset(&self, at: Timestamp) -> String {
        const HOUR_SECONDS: i32 = 3600;
        let seconds = self.rules.to_offset(at).seconds();
        let (sign, ahead) = (if seconds < 0 { '-' } else { '+' }, seconds.abs());
        let (hours, minutes) = (ahead / HOUR_SECONDS, ahead % HOUR_SECONDS / 60);
        if minutes == 0 { format!("UTC{sign}{hours}") } else { format!("UTC{sign}{hours}:{minutes:02}") }
    }

    /// The instant at which the clocks of the zone show `time`. One that they skip or show twice is refused rather than
    /// guessed: a window must not be an hour longer or shorter than it was approved.
    pub fn instant(&self, time: DateTime) -> Result<Timestamp, ZoneError> {
        let zone = || self.name.clone();
        let found = self.rules.to_ambiguous_timestamp(time);
        match found.offset() {
            AmbiguousOffset::Unambiguous { .. } => {
                found.unambiguous().map_err(|_| ZoneError::OutOfRange { time, zone: zone() })
            }
            AmbiguousOffset::Gap { .. } => Err(ZoneError::Skipped { time, zone: zone() }),
            AmbiguousOffset::Fold { .. } => Err(ZoneError::Twice { time, zone: zone() }),
        }
    }

    /// The first instant of a day, also where the clocks are changed at midnight.
    pub fn begin_of(&self, day: Date) -> Result<Timestamp, ZoneError> {
        let time = day.to_datetime(civil::Time::midnight());
        let begin = self.rules.to_timestamp(time);
        begin.map_err(|_| ZoneError::OutOfRange { time, zone: self.name.clone() })
    }

    /// The first instant after a day. A due date is met until then.
    pub fn end_of(&self, day: Date) -> Result<Timestamp, ZoneError> {
        let beyond =
            || ZoneError::OutOfRange { time: day.to_datetime(civil::Time::midnight()), zone: self.name.clone() };
        self.begin_of(day.tomorrow().map_err(|_| beyond())?)
    }
}

/// Whether a setting may be the name of a zone. To be asked before a file of that name is opened: a name with `..`, or
/// one that begins with a slash, would lead out of the folder of zones.
pub fn check_name(name: &str) -> Result<(), ZoneError> {
    let part = |p: &str| !p.is_empty() && p.chars().all(|c| c.is_ascii_alphanumeric() || "_+-".contains(c));
    let fits = name.len() <= MAX_NAME_BYTES && name.starts_with(|c: char| c.is_ascii_alphabetic());
    if fits && name.split('/').all(part) { Ok(()) } else { Err(ZoneError::NotAName { found: name.into() }) }
}
