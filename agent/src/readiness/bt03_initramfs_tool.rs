//! BT-03: a tool is there that can build an initramfs.

use super::{Check, Text, Verdict, verdict};
use crate::inventory::Machine;
use qianyun_agent_api::check::Outcome;

pub(super) const CHECK: Check = Check {
    id: "BT-03",
    title: Text { en: "Initramfs tool", zh: "初始内存盘工具" },
    required: "initramfs-tools",
    why: Text {
        en: "A second initramfs with the target's drivers is built before the copy.",
        zh: "复制之前需要另建一份带有云端驱动的初始内存盘。",
    },
    fix: Text { en: "Install it: apt install initramfs-tools", zh: "执行 apt install initramfs-tools 安装。" },
    judge,
};

fn judge(machine: &Machine) -> Verdict {
    match machine.inventory.boot.initramfs_tool.as_str() {
        "initramfs-tools" => verdict(Outcome::Pass, "initramfs-tools"),
        "" => verdict(Outcome::Block, "none"),
        other => verdict(Outcome::Block, other),
    }
}
