//! Time limits in working days, with pauses: the evaluation of a project (Art. 18: within 20 working days of its
//! acceptance, 受理), and what an office promises itself. Never knows how long a limit is: that is a number of the policy
//! profile.
//!
//! ```text
//!   begun ──► Running ──► Overdue          Running, Overdue ──► Met | Missed   (ended)
//!               ▲  │
//!               │  ▼
//!              Paused
//! ```
//!
//! Which days count: the day of an event never does (civil code, Art. 201), and a limit is met until the end of its
//! last day. So the day on which an office asks for corrections (补正) still counts, and the one on which they arrive
//! does not.

use super::answer::Answer;
use super::working_day::{Calendar, CalendarError};
use jiff::civil::Date;

/// From so many working days left on, people are warned.
const AMBER_WORKING_DAYS: i32 = 5;

/// What a time limit rests on, so that a promise is not shown as law.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Binding {
    /// 法定: the regulation sets it.
    Statutory,
    /// 目标: the office set it for itself.
    Target,
}

/// A time in which the clock stands still.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pause {
    /// The day on which it was asked for; it still counts.
    pub from: Date,
    /// The day on which the answer arrived; it does not count yet. `None` while it is waited for.
    pub until: Option<Date>,
    /// What is waited for.
    pub reason: String,
}

/// A time limit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WorkClock {
    begun: Date,
    working_days: u16,
    binding: Binding,
    /// In their order, not overlapping; only the last may be open.
    pauses: Vec<Pause>,
    ended: Option<Date>,
}

/// Why a record of a time limit is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ClockError {
    /// A limit of nothing.
    #[error("a time limit of 0 working days from {begun} on: enter at least 1")]
    NoDays {
        /// The day from which it runs.
        begun: Date,
    },
    /// A pause before the limit runs.
    #[error("the pause begins on {from}, before the clock on {begun}: correct one of the days")]
    PauseBeforeBegin {
        /// First day of the pause.
        from: Date,
        /// The day from which the limit runs.
        begun: Date,
    },
    /// A pause ends before it begins.
    #[error("the pause from {from} ends on {until}: exchange the days")]
    PauseReversed {
        /// Its first day.
        from: Date,
        /// Its last.
        until: Date,
    },
    /// A pause begins within the one before it.
    #[error("the pause from {from} begins before the earlier one ends on {until}: enter them as one")]
    PausesOverlap {
        /// First day of the later one.
        from: Date,
        /// Last day of the earlier one.
        until: Date,
    },
    /// A pause begins, or the limit ends, while an earlier pause goes on.
    #[error("the pause from {since} has no end, so nothing can be entered for {day}: enter its end first")]
    StillPaused {
        /// First day of the open pause.
        since: Date,
        /// The day of what was entered.
        day: Date,
    },
    /// A pause without a reason.
    #[error("the pause from {from} has no reason: say what is waited for")]
    NoReason {
        /// Its first day.
        from: Date,
    },
    /// The end is before the begin, or before the end of a pause.
    #[error("the clock ends on {end}, before {after}: correct one of the days")]
    EndTooEarly {
        /// The end.
        end: Date,
        /// What it has to follow.
        after: Date,
    },
    /// Something was entered after the end.
    #[error("the clock ended on {end}, so it cannot be paused on {from}: nothing is left to wait for")]
    AlreadyEnded {
        /// The end.
        end: Date,
        /// First day of the pause.
        from: Date,
    },
}

/// How a time limit stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Standing {
    /// It runs.
    Running {
        /// The last day that meets it.
        due: Date,
        /// Working days after today up to that day.
        left_working_days: i32,
    },
    /// It stands still, so nobody knows its last day.
    Paused {
        /// Since when.
        since: Date,
        /// What is waited for.
        reason: String,
        /// Working days that will be left when it goes on.
        left_working_days: i32,
    },
    /// Its last day has passed.
    Overdue {
        /// That day.
        due: Date,
        /// Working days since, today included; 0 until the next one comes.
        late_working_days: i32,
    },
    /// It ended in time.
    Met {
        /// The last day that would have met it.
        due: Date,
        /// When it ended.
        on: Date,
    },
    /// It ended too late.
    Missed {
        /// The last day that would have met it.
        due: Date,
        /// When it ended.
        on: Date,
        /// Working days after that last day, the one of the end included.
        late_working_days: i32,
    },
}

/// The colour in which people see it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lamp {
    /// Nothing presses.
    Green,
    /// Five working days or fewer are left.
    Amber,
    /// The last day has passed.
    Red,
}

impl WorkClock {
    /// A limit of so many working days that runs from a day, which itself does not count: of 受理, or of whatever it
    /// answers.
    pub fn new(begun: Date, working_days: u16, binding: Binding) -> Result<Self, ClockError> {
        if working_days == 0 {
            return Err(ClockError::NoDays { begun });
        }
        Ok(Self { begun, working_days, binding, pauses: Vec::new(), ended: None })
    }

    /// With one more pause, later than those before it.
    pub fn paused(mut self, pause: Pause) -> Result<Self, ClockError> {
        let from = pause.from;
        if let Some(end) = self.ended {
            return Err(ClockError::AlreadyEnded { end, from });
        }
        if pause.reason.trim().is_empty() {
            return Err(ClockError::NoReason { from });
        }
        if from < self.begun {
            return Err(ClockError::PauseBeforeBegin { from, begun: self.begun });
        }
        if let Some(until) = pause.until.filter(|until| *until < from) {
            return Err(ClockError::PauseReversed { from, until });
        }
        if let Some(before) = self.pauses.last() {
            let until = before.until.ok_or(ClockError::StillPaused { since: before.from, day: from })?;
            if from < until {
                return Err(ClockError::PausesOverlap { from, until });
            }
        }
        self.pauses.push(pause);
        Ok(self)
    }

    /// With the day on which what it measures was done: the report issued, the answer given.
    pub fn ended(mut self, end: Date) -> Result<Self, ClockError> {
        let after = match self.pauses.last() {
            None => self.begun,
            Some(Pause { until: Some(until), .. }) => *until,
            Some(Pause { from, until: None, .. }) => return Err(ClockError::StillPaused { since: *from, day: end }),
        };
        if end < after {
            return Err(ClockError::EndTooEarly { end, after });
        }
        self.ended = Some(end);
        Ok(self)
    }

    /// What it rests on.
    pub fn binding(&self) -> Binding {
        self.binding
    }

    /// The pauses, in their order; both of their days are printed.
    pub fn pauses(&self) -> &[Pause] {
        &self.pauses
    }

    /// The last day that meets it; `None` while a pause goes on that began before that day.
    pub fn due(&self, calendar: &Calendar) -> Result<Answer<Option<Date>>, CalendarError> {
        let mut left = self.working_days;
        let mut from = self.begun;
        let mut rests_on = Answer::Official(());
        for pause in &self.pauses {
            let counted = calendar.between(from, pause.from)?;
            let used = u16::try_from(*counted.even_if_estimated()).unwrap_or(u16::MAX);
            if left <= used {
                break;
            }
            rests_on = rests_on.and(counted).map(|_| ());
            left -= used;
            match pause.until {
                Some(until) => from = until,
                None => return Ok(rests_on.map(|()| None)),
            }
        }
        Ok(rests_on.and(calendar.after(from, left)?).map(|((), due)| Some(due)))
    }

    /// How it stands on a day.
    pub fn standing(&self, calendar: &Calendar, today: Date) -> Result<Answer<Standing>, CalendarError> {
        let due = self.due(calendar)?;
        let Some(last) = *due.even_if_estimated() else {
            return self.standing_still(calendar);
        };
        let late = |since| calendar.between(last, since);
        let standing = match self.ended {
            Some(on) if on <= last => Answer::Official(Standing::Met { due: last, on }),
            Some(on) => late(on)?.map(|late_working_days| Standing::Missed { due: last, on, late_working_days }),
            None if today > last => {
                late(today)?.map(|late_working_days| Standing::Overdue { due: last, late_working_days })
            }
            None => {
                let left = self.counted(calendar, today.max(self.begun), last)?;
                left.map(|left_working_days| Standing::Running { due: last, left_working_days })
            }
        };
        Ok(due.and(standing).map(|(_, standing)| standing))
    }

    /// How it stands while the last pause goes on.
    fn standing_still(&self, calendar: &Calendar) -> Result<Answer<Standing>, CalendarError> {
        let open = self.pauses.last().expect("a limit is without a last day only while its last pause goes on");
        let used = self.counted(calendar, self.begun, open.from)?;
        Ok(used.map(|used| Standing::Paused {
            since: open.from,
            reason: open.reason.clone(),
            left_working_days: i32::from(self.working_days) - used,
        }))
    }

    /// Working days after one day up to another on which the clock does not stand still.
    fn counted(&self, calendar: &Calendar, from: Date, to: Date) -> Result<Answer<i32>, CalendarError> {
        let mut counted = calendar.between(from, to)?;
        for pause in &self.pauses {
            let (begin, end) = (pause.from.max(from), pause.until.unwrap_or(to).min(to));
            if begin < end {
                counted = counted.and(calendar.between(begin, end)?).map(|(all, still)| all - still);
            }
        }
        Ok(counted)
    }
}

impl Standing {
    /// The colour in which people see it.
    pub fn lamp(&self) -> Lamp {
        match self {
            Self::Running { left_working_days, .. } | Self::Paused { left_working_days, .. } => {
                if *left_working_days <= AMBER_WORKING_DAYS { Lamp::Amber } else { Lamp::Green }
            }
            Self::Met { .. } => Lamp::Green,
            Self::Overdue { .. } | Self::Missed { .. } => Lamp::Red,
        }
    }
}
