//! Words for what passes, but only just. Never decides what is worth a look.

use super::{Words, size, words};
use crate::caution::Caution;

impl Caution {
    /// One sentence.
    pub fn words(&self) -> Words {
        match self {
            Caution::RoomTight { needed, free } => {
                let (needed, free) = (size(*needed), size(*free));
                words(
                    format!(
                        "the volumes take {needed} of the {free} that are free: less than a fifth is left beside them"
                    ),
                    format!("云盘需 {needed},平台空闲 {free},余量不足五分之一"),
                )
            }
            Caution::DowntimeTight { forecast_minutes, budget_minutes } => words(
                format!(
                    "{forecast_minutes} of the {budget_minutes} minutes that the department accepts are to be expected"
                ),
                format!("预计停机 {forecast_minutes} 分钟,已超过部门可接受 {budget_minutes} 分钟的一半"),
            ),
            Caution::SourceOnSiteOnly => words(
                "the servers can be switched on again only by people beside them: have somebody there in the window",
                "原服务器只能现场开机,割接窗口内须安排人员到场",
            ),
        }
    }
}
