//! CT-01: changes of the disks can be followed while the system works. There is no copy without: what the catalogue calls "only
//! hash scan" is no mode of ours.

use super::{Check, Text, Verdict, verdict};
use crate::inventory::Machine;
use qianyun_agent_api::check::Outcome;

pub(super) const CHECK: Check = Check {
    id: "CT-01",
    title: Text { en: "Change tracking", zh: "变化跟踪" },
    required: "trace events and perf events of the kernel, and counts of every disk on its one path",
    why: Text {
        en: "Without it a copy of disks in use could only be proved by comparing all of them while nobody may write.",
        zh: "无法跟踪变化时,只能在停止写入期间通读比对全部磁盘,因此不会开始复制。",
    },
    fix: Text {
        en: "As root: mount -t tracefs tracefs /sys/kernel/tracing; write 1 to /sys/block/*/queue/iostats; use a standard kernel (3.10 or later); \
             leave every disk one path, without multipath.",
        zh: "以 root 身份执行 mount -t tracefs tracefs /sys/kernel/tracing,向 /sys/block/*/queue/iostats 写入 1;使用标准内核(3.10 及以上);每块磁盘只保留一条路径,不使用多路径。",
    },
    judge,
};

fn judge(machine: &Machine) -> Verdict {
    match (machine.inventory.disks.is_empty(), machine.untracked.is_empty()) {
        (true, _) => verdict(Outcome::Block, "no disk found"),
        (false, true) => verdict(Outcome::Pass, "every disk can be followed"),
        (false, false) => verdict(Outcome::Block, machine.untracked.join("; ")),
    }
}
