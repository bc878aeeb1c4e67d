//! Words for phases: those of the glossary (government.md 3).

use super::{Words, words};
use qianyun_crds::Phase;

/// What people call a phase.
pub(crate) fn phase(phase: Phase) -> Words {
    match phase {
        Phase::Drafting => words("the scheme is being drafted", "拟制"),
        Phase::Review => words("the scheme is with the offices", "审批"),
        Phase::Returned => words("the scheme was returned", "已退回"),
        Phase::Approved => words("the scheme is approved", "已批准"),
        Phase::Replicating => words("the servers are being copied while they work", "同步中"),
        Phase::Rehearsing => words("the cutover is being rehearsed", "演练中"),
        Phase::Rehearsed => words("the cutover was rehearsed", "已演练"),
        Phase::Scheduled => words("the copy is in sync and waits for the cutover", "待割接"),
        Phase::CuttingOver => words("the system is being cut over", "割接中"),
        Phase::RollingBack => words("an attempt is being taken back", "回退中"),
        Phase::Provisional => words("the system serves from the cloud, not confirmed yet", "待确认"),
        Phase::Trial => words("trial run", "试运行"),
        Phase::Acceptance => words("acceptance is under way", "验收中"),
        Phase::Accepted => words("accepted, the old servers are being settled", "已验收"),
        Phase::Closed => words("closed", "办结"),
    }
}
