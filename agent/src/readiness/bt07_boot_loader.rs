//! BT-07: the boot loader is one to which an entry can be added. The firmware mode is recorded beside it.

use super::{Check, Text, Verdict, verdict};
use crate::inventory::Machine;
use qianyun_agent_api::check::Outcome;
use qianyun_agent_api::inventory::FirmwareMode;

pub(super) const CHECK: Check = Check {
    id: "BT-07",
    title: Text { en: "Boot loader", zh: "引导程序" },
    required: "grub2",
    why: Text {
        en: "The entry that boots on both sides is added to the boot loader's own menu.",
        zh: "需要在引导菜单中增加一个两端都能启动的条目。",
    },
    fix: Text { en: "Install GRUB 2 on the system disk.", zh: "请在系统盘安装 GRUB 2。" },
    judge,
};

fn judge(machine: &Machine) -> Verdict {
    let boot = &machine.inventory.boot;
    let mode = match boot.firmware {
        FirmwareMode::Bios => "BIOS",
        FirmwareMode::Uefi => "UEFI",
    };
    let observed = format!("{} ({mode})", if boot.loader.is_empty() { "none recognised" } else { &boot.loader });
    if boot.loader == "grub2" { verdict(Outcome::Pass, observed) } else { verdict(Outcome::Block, observed) }
}
