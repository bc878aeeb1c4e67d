//! Words for windows, waves, time limits, and for what is only estimated.

use super::time::{at, beside, span};
use super::{Words, length, words};
use crate::calendar::{Answer, Binding, Standing, WaveReason, WindowReason, Zone};

impl WindowReason {
    /// The sentence for people whose clocks are those of a zone.
    pub fn words(&self, zone: &Zone) -> Words {
        match self {
            WindowReason::NotYet { start } => {
                let start = at(zone, *start);
                words(format!("the window begins at {}", start.en), format!("割接窗口于 {} 开始", start.zh))
            }
            WindowReason::Over { end } => {
                let end = at(zone, *end);
                words(
                    format!("the window was over at {}; another one is needed", end.en),
                    format!("割接窗口已于 {} 结束,需另定窗口", end.zh),
                )
            }
            WindowReason::Frozen { freeze, until } => {
                let until = at(zone, *until);
                words(
                    format!("the freeze period {freeze:?} lasts until {}", until.en),
                    format!("重保期“{freeze}”至 {} 止,期间不割接", until.zh),
                )
            }
            WindowReason::LockedOut { since, end } => {
                let (end, since) = (beside(zone, *end, *since), at(zone, *since));
                words(
                    format!(
                        "nothing begins after {}, because the window ends at {}; another one is needed",
                        since.en, end.en
                    ),
                    format!("窗口于 {} 结束,{} 后不再启动割接,需另定窗口", end.zh, since.zh),
                )
            }
            WindowReason::Full { busy, at_once } => words(
                format!("other systems are being cut over ({busy}), and the window allows {at_once} at once"),
                format!("正在割接其他系统 {busy} 个,窗口同时最多 {at_once} 个"),
            ),
            WindowReason::TooShort { left_seconds, needed_seconds } => words(
                format!(
                    "{} of the window are left, {} are needed; lengthen it, or plan less for it",
                    length(*left_seconds),
                    length(*needed_seconds)
                ),
                format!("窗口可用 {},需要 {};请延长窗口或减少安排", length(*left_seconds), length(*needed_seconds)),
            ),
            WindowReason::InsideFreeze { freeze, from, until } => {
                let span = span(zone, *from, *until);
                words(
                    format!("the window lies in the freeze period {freeze:?}, {}; choose another one", span.en),
                    format!("窗口位于重保期“{freeze}”({})内,请另选窗口", span.zh),
                )
            }
        }
    }
}

impl WaveReason {
    /// The sentence for people whose clocks are those of a zone.
    pub fn words(&self, zone: &Zone) -> Words {
        match self {
            WaveReason::NamedTwice { wave } => {
                words(format!("two waves are named {wave:?}; rename one"), format!("有两个批次名为“{wave}”,请改名"))
            }
            WaveReason::WindowUnfit { wave, reason } => {
                let reason = reason.words(zone);
                words(format!("wave {wave:?}: {}", reason.en), format!("批次“{wave}”:{}", reason.zh))
            }
            WaveReason::TooManySystems { wave, systems, fit } => words(
                format!("wave {wave:?} has {systems} systems, {fit} fit into its window; move some to another wave"),
                format!("批次“{wave}”有 {systems} 个系统,其窗口可容纳 {fit} 个,请移至其他批次"),
            ),
            WaveReason::OverCapacity { at: from, waves, systems, at_once } => {
                let from = at(zone, *from);
                words(
                    format!(
                        "from {} on, the waves {} have {systems} systems under way, the plan allows {at_once} at once; move a \
                         window",
                        from.en,
                        waves.join(", ")
                    ),
                    format!(
                        "自 {} 起,批次 {} 共 {systems} 个系统同时割接,计划同时最多 {at_once} 个,请调整窗口",
                        from.zh,
                        waves.join("、")
                    ),
                )
            }
        }
    }
}

impl Binding {
    /// What people call it.
    pub fn words(self) -> Words {
        match self {
            Binding::Statutory => words("statutory", "法定"),
            Binding::Target => words("target", "目标"),
        }
    }
}

/// A number of working days, as English counts them.
fn working_days(count: i32) -> String {
    format!("{count} working {}", if count == 1 { "day" } else { "days" })
}

/// What is left to a day, or how long it is past; an estimate is marked by `~`, as columns mark it.
pub fn left(working_days_left: i32, is_estimated: bool) -> Words {
    let mark = if is_estimated { "~" } else { "" };
    if working_days_left < 0 {
        let late = working_days_left.saturating_neg();
        return words(format!("{mark}{} overdue", working_days(late)), format!("超期 {mark}{late} 个工作日"));
    }
    words(format!("{mark}{} left", working_days(working_days_left)), format!("剩余 {mark}{working_days_left} 个工作日"))
}

impl Standing {
    /// The sentence for people.
    pub fn words(&self) -> Words {
        match self {
            Standing::Running { due, left_working_days } => words(
                format!("due on {due}, {} left", working_days(*left_working_days)),
                format!("{due} 到期,剩余 {left_working_days} 个工作日"),
            ),
            Standing::Paused { since, reason, left_working_days } => words(
                format!("paused since {since}: {reason}; {} will be left", working_days(*left_working_days)),
                format!("自 {since} 起暂停计时({reason}),尚余 {left_working_days} 个工作日"),
            ),
            Standing::Overdue { due, late_working_days } => words(
                format!("was due on {due}, {} ago", working_days(*late_working_days)),
                format!("已于 {due} 到期,超期 {late_working_days} 个工作日"),
            ),
            Standing::Met { due, on } => words(format!("done on {on}, due on {due}"), format!("{on} 办结,时限 {due}")),
            Standing::Missed { due, on, late_working_days } => words(
                format!("done on {on}, {} after it was due on {due}", working_days(*late_working_days)),
                format!("{on} 办结,时限 {due},超期 {late_working_days} 个工作日"),
            ),
        }
    }
}

impl<T> Answer<T> {
    /// What has to be said beside it, if it is estimated.
    pub fn caveat(&self) -> Option<Words> {
        if !self.is_estimated() {
            return None;
        }
        let years: Vec<String> = self.years().iter().map(ToString::to_string).collect();
        Some(words(
            format!(
                "estimated: the days off of {} are not announced, or their notice is not entered",
                years.join(", ")
            ),
            format!("预计:{}年放假安排尚未公布或未录入", years.join("、")),
        ))
    }
}
