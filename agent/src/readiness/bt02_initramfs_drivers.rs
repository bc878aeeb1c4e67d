//! BT-02: those drivers are in the initramfs, or they can be added to it.

use super::{Check, Text, Verdict, verdict};
use crate::inventory::Machine;
use qianyun_agent_api::check::Outcome;

pub(super) const CHECK: Check = Check {
    id: "BT-02",
    title: Text { en: "Drivers in the initramfs", zh: "初始内存盘驱动" },
    required: "virtio_pci and virtio_blk in the initramfs, or a tool to add them",
    why: Text {
        en: "The initramfs must reach the disk before the system can load anything from it.",
        zh: "系统从磁盘加载任何内容之前,必须先由初始内存盘识别磁盘。",
    },
    fix: Text {
        en: "Nothing to do where a tool is present: what is lacking is added after the approvals. Else install one.",
        zh: "如有初始内存盘工具则无需处理:审批通过后会补充所缺驱动。否则请安装该工具。",
    },
    judge,
};

fn judge(machine: &Machine) -> Verdict {
    let boot = &machine.inventory.boot;
    if boot.initramfs.is_empty() {
        return verdict(Outcome::Unknown, "no initramfs of the running kernel found");
    }
    let has = |driver: &str| boot.initramfs_drivers.iter().any(|d| d == driver);
    let missing: Vec<&str> = ["virtio_pci", "virtio_blk"].into_iter().filter(|driver| !has(driver)).collect();
    if missing.is_empty() {
        return verdict(Outcome::Pass, "present");
    }
    let observed = format!("missing {}", missing.join(", "));
    if boot.initramfs_tool.is_empty() { verdict(Outcome::Block, observed) } else { verdict(Outcome::Warn, observed) }
}
