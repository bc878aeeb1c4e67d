//! Time as the regulation counts it: working days by the State Council's notices, trial periods in calendar months,
//! clocks that pause, windows and freezes. Never a clock of its own, nor the machine's time zone: whoever asks says
//! when it is.
//!
//! | module | what it answers |
//! |---|---|
//! | [`instant`] | how the API stores an instant |
//! | [`zone`] | which day it is where the offices are |
//! | [`answer`] | whether an answer rests on notices, or is estimated |
//! | [`notice`] | what the State Council announced for a year, and what is wrong with a copy of it |
//! | [`entered`] | the notices and freeze periods that operators entered as objects |
//! | [`statutory`] | what the law alone says of a year before its notice |
//! | [`working_day`] | whether a day works; so many working days on or back; how many lie between |
//! | [`month`] | how long a trial run lasts at least |
//! | [`clock`] | how a time limit in working days stands, with its pauses |
//! | [`freeze`] | when no cutover may happen |
//! | [`window`] | whether an attempt may begin now, and how many fit |
//! | [`wave`] | whether the waves of a plan fit their windows, and together its limit |

pub mod answer;
pub mod clock;
pub mod entered;
pub mod freeze;
pub mod instant;
pub mod month;
pub mod notice;
pub mod statutory;
pub mod wave;
pub mod window;
pub mod working_day;
pub mod zone;

pub use answer::Answer;
pub use clock::{Binding, ClockError, Lamp, Pause, Standing, WorkClock};
pub use freeze::{Freeze, FreezeError, FreezeMode};
pub use instant::{day, parse_day, plus_seconds, seconds_between, to_second};
pub use month::{MonthError, TrialPeriod, months_after};
pub use notice::{AnnouncedYear, Holiday, Notice, NoticeError};
pub use wave::{Wave, WaveReason};
pub use window::{Window, WindowError, WindowReason};
pub use working_day::{Calendar, CalendarError, DayKind};
pub use zone::{Zone, ZoneError};
