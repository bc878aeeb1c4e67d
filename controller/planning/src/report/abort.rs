//! Words for why an attempt was aborted, and for what was written of it.

use super::{Words, words};
use crate::calendar::Zone;
use crate::host_migration::AbortReason;
use qianyun_crds::CutoverDecision;

/// Why a decision was made, as it was written then. One of an earlier release has English alone.
pub(crate) fn decision_words(decision: &CutoverDecision) -> Words {
    let CutoverDecision { reason: en, reason_zh: zh, .. } = decision;
    words(en, if zh.is_empty() { en } else { zh })
}

impl AbortReason {
    /// The sentence for people whose clocks are those of a zone.
    pub fn words(&self, zone: &Zone) -> Words {
        match self {
            AbortReason::Suspended => words("suspended before the decision", "决定前已暂停"),
            AbortReason::Gate(obstacle) => obstacle.reason.words(zone),
            AbortReason::GivenUp { message } if message.is_empty() => {
                words("the server gave the attempt up", "服务器自行放弃本次割接")
            }
            AbortReason::GivenUp { message } => {
                words(format!("the server gave the attempt up: {message}"), format!("服务器自行放弃本次割接:{message}"))
            }
            AbortReason::Thawed => {
                words("the freeze reached its limit before a decision was written", "冻结达到时限,决定尚未写入")
            }
            AbortReason::TooLate { left_ms } => words(
                format!("{left_ms} ms of the freeze were left, too little to commit safely"),
                format!("冻结仅剩 {left_ms} 毫秒,不足以安全提交"),
            ),
            AbortReason::OtherHost { host } => words(
                format!("the attempt on {host} of the same system was aborted"),
                format!("同一系统的 {host} 已中止割接"),
            ),
            AbortReason::CannotFollow { host } => words(
                format!("{host} of the same system has not begun, and cannot take part now"),
                format!("同一系统的 {host} 尚未开始,且目前无法参与割接"),
            ),
            AbortReason::NoVote { seconds } => {
                words(format!("no vote came within {seconds} s"), format!("{seconds} 秒内未收到就绪表决"))
            }
        }
    }
}
