//! BT-03: a tool is there that can build an initramfs.

use super::{Check, Text, Verdict, verdict};
use crate::inventory::Machine;
use qianyun_agent_api::check::Outcome;

pub(super) const CHECK: Check = Check {
    id: "BT-03",
    title: Text { en: "Initramfs tool", zh: "初始内存盘工具" },
    required: "initramfs-tools",
    why: Text {
        en: "It lists what is in the initramfs, so that the drivers that are lacking are added before the copy.",
        zh: "需用它列出初始内存盘的内容,以便在复制之前补充缺少的云端驱动。",
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
