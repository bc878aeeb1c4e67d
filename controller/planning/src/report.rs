//! Words for people, in both languages. Every sentence that a status, an event or the host's terminal shows is made here; what
//! a preview puts around them is in `preview.rs`.
//!
//! Nothing here decides anything.

mod abort;
mod acceptance;
pub mod approval;
mod caution;
pub(crate) mod gate;
pub mod notice;
pub(crate) mod party;
pub(crate) mod phase;
mod policy_notice;
mod reason;
mod review;
mod schedule;
mod step;
pub(crate) mod time;
pub(crate) mod waiting;

pub(crate) use abort::decision_words;
pub use schedule::left;

use crate::calendar::{self, Zone};
use crate::waiting::WaitingOn;
use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};
use qianyun_crds::Waiting;

/// A sentence in both languages.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Words {
    /// English, plain ASCII.
    pub en: String,
    /// Chinese.
    pub zh: String,
}

/// A sentence in both languages.
pub(crate) fn words(en: impl Into<String>, zh: impl Into<String>) -> Words {
    Words { en: en.into(), zh: zh.into() }
}

/// How often the controller looks again while nothing wakes it, seconds. It is only a net under the wake-ups, so it is
/// set by how long a lost one may go unnoticed by people at a screen.
pub const LOOK_AGAIN_SECONDS: i64 = 30;

/// The API's form of a waiting, keeping `since` where the same thing was waited for before.
pub fn waiting(on: &WaitingOn, before: Option<&Waiting>, zone: &Zone, now: Timestamp) -> Waiting {
    let words = on.words(zone);
    let name = on.name();
    let since = before.filter(|w| w.waiting_for == name).map_or(Time(calendar::to_second(now)), |w| w.since.clone());
    Waiting {
        waiting_for: name,
        since,
        next_attempt: on.ends_at().map(|at| Time(calendar::to_second(at))),
        who_can_unblock: on.party(),
        message: cut(&words.en),
        message_zh: cut(&words.zh),
    }
}

/// A condition, keeping its transition time where its status is the same.
pub fn condition(
    before: &[Condition],
    kind: &str,
    status: Option<bool>,
    reason: &str,
    message: &str,
    generation: Option<i64>,
    now: Timestamp,
) -> Condition {
    let status = match status {
        Some(true) => "True",
        Some(false) => "False",
        None => "Unknown",
    };
    let since = before
        .iter()
        .find(|c| c.type_ == kind && c.status == status)
        .map_or(Time(calendar::to_second(now)), |c| c.last_transition_time.clone());
    Condition {
        type_: kind.into(),
        status: status.into(),
        reason: reason.into(),
        message: cut(message),
        observed_generation: generation,
        last_transition_time: since,
    }
}

/// At most 1,000 characters, so that nothing from outside makes a status too large for its schema.
fn cut(text: &str) -> String {
    text.chars().take(1000).collect()
}

/// A size for people, as `1.2 GiB`.
pub fn size(bytes: i64) -> String {
    const UNITS: [&str; 5] = ["B", "KiB", "MiB", "GiB", "TiB"];
    let bytes = bytes.max(0);
    let mut unit = 0;
    let mut scale = 1_i64;
    while unit + 1 < UNITS.len() && bytes >= scale * 1024 {
        scale *= 1024;
        unit += 1;
    }
    if unit == 0 {
        return format!("{bytes} B");
    }
    let whole = bytes / scale;
    let tenth = (bytes % scale) / (scale / 10).max(1);
    format!("{whole}.{} {}", tenth.min(9), UNITS[unit])
}

/// A length of time for people, as `3m`, `2h10m`.
pub fn length(seconds: i64) -> String {
    let s = seconds.max(0);
    match s {
        0..60 => format!("{s}s"),
        60..3600 => format!("{}m", s / 60),
        3600..86_400 if s % 3600 / 60 == 0 => format!("{}h", s / 3600),
        3600..86_400 => format!("{}h{}m", s / 3600, s % 3600 / 60),
        _ => format!("{}d", s / 86_400),
    }
}

#[cfg(test)]
mod tests {
    use super::{length, size};

    #[test]
    fn sizes_and_lengths_read_as_people_write_them() {
        assert_eq!(size(0), "0 B");
        assert_eq!(size(1536), "1.5 KiB");
        assert_eq!(size(6 * 1024 * 1024 * 1024 + 300 * 1024 * 1024), "6.2 GiB");
        assert_eq!(size(-1), "0 B");
        assert_eq!(
            [length(5), length(240), length(7800), length(7200), length(200_000)],
            ["5s", "4m", "2h10m", "2h", "2d"]
        );
    }
}
