//! CT-01: changes of the disks can be followed while the system works.

use super::{Check, Text, Verdict, verdict};
use crate::inventory::Machine;
use qianyun_agent_api::check::Outcome;

pub(super) const CHECK: Check = Check {
    id: "CT-01",
    title: Text { en: "Change tracking", zh: "变化跟踪" },
    required: "kernel block events; else comparing by hash",
    why: Text {
        en: "Following changes keeps the interruption short; comparing all blocks takes as long as reading the disk.",
        zh: "跟踪变化可缩短中断时间;逐块比对需要通读整个磁盘。",
    },
    fix: Text {
        en: "Start a kernel with tracefs and perf events, as every standard kernel since 3.10 has.",
        zh: "请使用带 tracefs 和 perf 事件的标准内核(3.10 及以上)。",
    },
    judge,
};

fn judge(machine: &Machine) -> Verdict {
    match (machine.inventory.disks.is_empty(), machine.block_events) {
        (true, _) => verdict(Outcome::Block, "no disk found"),
        (false, true) => verdict(Outcome::Pass, "block events, and comparing by hash"),
        (false, false) => verdict(Outcome::Warn, "only comparing by hash"),
    }
}
