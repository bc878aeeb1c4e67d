//! Freeze periods (重保期 / 封网期): between two instants no cutover happens, or only with people on duty. Whom a freeze
//! concerns, and whether both offices allowed an exception, is the caller's to know: here each one given holds.

use super::zone::{Zone, ZoneError};
use jiff::Timestamp;
use jiff::civil::Date;

/// What a freeze period does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FreezeMode {
    /// No cutover.
    Block,
    /// Cutovers may happen, and are shown with a warning: many happen in long holidays, with a duty table.
    Warn,
}

/// A freeze period. It holds its first instant, and not the one that it lasts until.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Freeze {
    name: String,
    from: Timestamp,
    until: Timestamp,
    mode: FreezeMode,
}

/// Why a freeze period is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FreezeError {
    /// It has no name to show.
    #[error("a freeze period has no name: enter one, a neutral label where the occasion is internal")]
    NoName,
    /// It ends before it begins.
    #[error("the freeze period {name} lasts until {until}, which is not after {from}: correct one of the two")]
    Reversed {
        /// Its name.
        name: String,
        /// Its first instant.
        from: Timestamp,
        /// The instant that it lasts until.
        until: Timestamp,
    },
    /// A day of it does not exist in the zone.
    #[error("the freeze period {name} has a day that cannot be told in the time zone")]
    NotInZone {
        /// Its name.
        name: String,
        /// Why.
        #[source]
        why: ZoneError,
    },
}

impl Freeze {
    /// A freeze period between two instants.
    pub fn new(name: &str, from: Timestamp, until: Timestamp, mode: FreezeMode) -> Result<Self, FreezeError> {
        if name.trim().is_empty() {
            return Err(FreezeError::NoName);
        }
        let name = name.to_string();
        if until <= from {
            Err(FreezeError::Reversed { name, from, until })
        } else {
            Ok(Self { name, from, until, mode })
        }
    }

    /// A freeze period of whole days, the last included, as notices announce them: 3月5日至3月12日.
    pub fn of_days(name: &str, first: Date, last: Date, mode: FreezeMode, zone: &Zone) -> Result<Self, FreezeError> {
        let outside = |why| FreezeError::NotInZone { name: name.into(), why };
        Self::new(name, zone.begin_of(first).map_err(outside)?, zone.end_of(last).map_err(outside)?, mode)
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its first instant.
    pub fn from(&self) -> Timestamp {
        self.from
    }

    /// The instant that it lasts until.
    pub fn until(&self) -> Timestamp {
        self.until
    }

    /// Whether it forbids, or warns.
    pub fn mode(&self) -> FreezeMode {
        self.mode
    }

    /// Whether an instant lies in it.
    pub fn holds(&self, at: Timestamp) -> bool {
        self.from <= at && at < self.until
    }

    /// Whether it forbids cutovers.
    pub fn blocks(&self) -> bool {
        match self.mode {
            FreezeMode::Block => true,
            FreezeMode::Warn => false,
        }
    }
}
