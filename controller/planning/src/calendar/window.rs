//! Windows in which systems may be cut over: whether an attempt may begin now, and how many fit. Never moves or shortens
//! a window: it was approved as it is.
//!
//! ```text
//!   start                                    end − lockout    end
//!     ├──── attempts begin and run ────────────────┼── run ────┤
//! ```
//!
//! A freeze period cuts a piece out of it, and no attempt runs into one.

use super::freeze::Freeze;
use super::instant::{plus_seconds, seconds_between};
use jiff::Timestamp;

/// A window. It holds its first instant, and not its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Window {
    start: Timestamp,
    end: Timestamp,
    lockout_seconds: u32,
    at_once: u32,
}

/// Why a window is refused by itself.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WindowError {
    /// It ends before it begins.
    #[error("the window ends at {end}, which is not after its start at {start}: correct one of the two")]
    Reversed {
        /// Its start.
        start: Timestamp,
        /// Its end.
        end: Timestamp,
    },
    /// No attempt could ever begin.
    #[error(
        "the lockout of {lockout_seconds} s leaves nothing of the window, which has {length_seconds} s: shorten the \
         lockout, or lengthen the window"
    )]
    LockoutTooLong {
        /// The lockout.
        lockout_seconds: u32,
        /// The length of the window.
        length_seconds: i64,
    },
    /// It has room for no system.
    #[error("the window has room for 0 systems at once: enter at least 1")]
    NoRoom,
}

/// Why no attempt may begin, or a window is of no use for what is planned.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum WindowReason {
    /// It has not begun.
    NotYet {
        /// When it does.
        start: Timestamp,
    },
    /// It is over.
    Over {
        /// Since when.
        end: Timestamp,
    },
    /// A freeze period holds.
    Frozen {
        /// Its name.
        freeze: String,
        /// When it ends.
        until: Timestamp,
    },
    /// The last part of the window, in which nothing begins.
    LockedOut {
        /// Since when.
        since: Timestamp,
        /// When the window ends.
        end: Timestamp,
    },
    /// As many systems as the window allows are being cut over.
    Full {
        /// How many are.
        busy: u32,
        /// How many may be.
        at_once: u32,
    },
    /// What is left up to its end, or to a freeze period, is shorter than what is needed.
    TooShort {
        /// What is left, seconds.
        left_seconds: i64,
        /// What is needed, seconds.
        needed_seconds: i64,
    },
    /// The whole window lies in a freeze period, or in several.
    InsideFreeze {
        /// The name of the one that holds at its start.
        freeze: String,
        /// Its first instant.
        from: Timestamp,
        /// The instant that it lasts until.
        until: Timestamp,
    },
}

/// A piece of a window that no freeze period covers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Piece {
    /// Its first instant.
    pub from: Timestamp,
    /// The instant that it lasts until.
    pub until: Timestamp,
}

impl Window {
    /// A window between two instants. `lockout_seconds` before its end nothing begins any more; `at_once` systems may
    /// be under way at the same time.
    pub fn new(start: Timestamp, end: Timestamp, lockout_seconds: u32, at_once: u32) -> Result<Self, WindowError> {
        if end <= start {
            return Err(WindowError::Reversed { start, end });
        }
        let length_seconds = seconds_between(start, end);
        if i64::from(lockout_seconds) >= length_seconds {
            return Err(WindowError::LockoutTooLong { lockout_seconds, length_seconds });
        }
        if at_once == 0 {
            return Err(WindowError::NoRoom);
        }
        Ok(Self { start, end, lockout_seconds, at_once })
    }

    /// Its first instant.
    pub fn start(&self) -> Timestamp {
        self.start
    }

    /// The instant at which it is over.
    pub fn end(&self) -> Timestamp {
        self.end
    }

    /// How many systems may be under way at the same time.
    pub fn at_once(&self) -> u32 {
        self.at_once
    }

    /// From here on nothing begins.
    pub fn lockout_from(&self) -> Timestamp {
        plus_seconds(self.end, -i64::from(self.lockout_seconds))
    }

    /// Whether an instant lies in it.
    pub fn holds(&self, at: Timestamp) -> bool {
        self.start <= at && at < self.end
    }

    /// Whether an attempt that may take `needed_seconds` may begin at `now`, while `busy` systems are under way in the
    /// window.
    pub fn may_begin(
        &self,
        now: Timestamp,
        needed_seconds: i64,
        busy: u32,
        freezes: &[Freeze],
    ) -> Result<(), WindowReason> {
        if now < self.start {
            return Err(WindowReason::NotYet { start: self.start });
        }
        if now >= self.end {
            return Err(WindowReason::Over { end: self.end });
        }
        if let Some(freeze) = freezes.iter().find(|freeze| freeze.blocks() && freeze.holds(now)) {
            return Err(WindowReason::Frozen { freeze: freeze.name().into(), until: freeze.until() });
        }
        if now >= self.lockout_from() {
            return Err(WindowReason::LockedOut { since: self.lockout_from(), end: self.end });
        }
        if busy >= self.at_once {
            return Err(WindowReason::Full { busy, at_once: self.at_once });
        }
        let next = freezes.iter().filter(|freeze| freeze.blocks() && freeze.from() > now).map(Freeze::from);
        let left_seconds = seconds_between(now, next.fold(self.end, Timestamp::min));
        if left_seconds < needed_seconds {
            return Err(WindowReason::TooShort { left_seconds, needed_seconds });
        }
        Ok(())
    }

    /// Whether the window is of use for what is forecast to take `needed_seconds`, at any time in it. Asked before
    /// people approve it.
    pub fn check(&self, needed_seconds: i64, freezes: &[Freeze]) -> Result<(), WindowReason> {
        self.earliest(self.start, needed_seconds, freezes).map(|_| ())
    }

    /// The first instant from `now` on at which an attempt that may take `needed_seconds` may begin.
    pub fn earliest(&self, now: Timestamp, needed_seconds: i64, freezes: &[Freeze]) -> Result<Timestamp, WindowReason> {
        if now >= self.end {
            return Err(WindowReason::Over { end: self.end });
        }
        let mut ahead = self.pieces(freezes);
        ahead.retain(|piece| piece.until > now);
        if ahead.is_empty() {
            return Err(self.frozen(now, freezes));
        }
        let mut longest = None;
        for piece in ahead {
            let begin = piece.from.max(now);
            if begin >= self.lockout_from() {
                break;
            }
            let left_seconds = seconds_between(begin, piece.until);
            if left_seconds >= needed_seconds {
                return Ok(begin);
            }
            longest = longest.max(Some(left_seconds));
        }
        Err(match longest {
            Some(left_seconds) => WindowReason::TooShort { left_seconds, needed_seconds },
            None => WindowReason::LockedOut { since: self.lockout_from(), end: self.end },
        })
    }

    /// What freeze periods leave of the window, in its order.
    pub fn pieces(&self, freezes: &[Freeze]) -> Vec<Piece> {
        let mut blocking: Vec<&Freeze> = freezes.iter().filter(|freeze| freeze.blocks()).collect();
        blocking.sort_by_key(|freeze| freeze.from());
        let mut pieces = Vec::new();
        let mut from = self.start;
        for freeze in blocking {
            let until = freeze.from().min(self.end);
            if from < until {
                pieces.push(Piece { from, until });
            }
            from = from.max(freeze.until());
        }
        if from < self.end {
            pieces.push(Piece { from, until: self.end });
        }
        pieces
    }

    /// How many attempts of a length fit one after another, with as many systems in each as may be under way at once.
    pub fn room_for(&self, seconds_each: i64, freezes: &[Freeze]) -> u32 {
        let each = seconds_each.max(1);
        let rounds = |piece: &Piece| {
            let by_length = seconds_between(piece.from, piece.until) / each;
            let beginning = seconds_between(piece.from, self.lockout_from()).max(0);
            // One may begin at each multiple of its length before the lockout, the piece's own begin included.
            by_length.min(beginning / each + i64::from(beginning % each != 0))
        };
        let rounds: i64 = self.pieces(freezes).iter().map(rounds).sum();
        u32::try_from(rounds.saturating_mul(i64::from(self.at_once))).unwrap_or(u32::MAX)
    }

    /// Why nothing begins in a window of which freeze periods leave nothing from `now` on.
    fn frozen(&self, now: Timestamp, freezes: &[Freeze]) -> WindowReason {
        let at = now.max(self.start);
        let freeze = freezes.iter().find(|freeze| freeze.blocks() && freeze.holds(at));
        let freeze = freeze.expect("what lies in a window and in no piece of it lies in a freeze period");
        let (freeze, from, until) = (freeze.name().to_string(), freeze.from(), freeze.until());
        let whole = self.pieces(freezes).is_empty();
        if whole { WindowReason::InsideFreeze { freeze, from, until } } else { WindowReason::Frozen { freeze, until } }
    }
}
