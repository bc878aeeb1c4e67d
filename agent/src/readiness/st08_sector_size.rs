//! ST-08: the disks' logical sector size is one that the target can offer.

use super::{Check, Text, Verdict, verdict};
use crate::inventory::Machine;
use qianyun_agent_api::check::Outcome;

pub(super) const CHECK: Check = Check {
    id: "ST-08",
    title: Text { en: "Sector size", zh: "逻辑扇区大小" },
    required: "512 bytes; 4096 where the platform offers it",
    why: Text {
        en: "Partition tables count in sectors; a disk with others cannot be read.",
        zh: "分区表以扇区计数,扇区大小不同的磁盘无法读取。",
    },
    fix: Text {
        en: "Ask the platform operator whether volumes with 4096-byte sectors are offered.",
        zh: "请联系平台运营方,确认能否提供 4096 字节扇区的云盘。",
    },
    judge,
};

fn judge(machine: &Machine) -> Verdict {
    let disks = &machine.inventory.disks;
    if disks.is_empty() {
        return verdict(Outcome::Unknown, "no disk found");
    }
    let list: Vec<String> = disks.iter().map(|d| format!("{} {}", d.name, d.identity.logical_block_bytes)).collect();
    let observed = list.join(", ");
    if disks.iter().all(|d| d.identity.logical_block_bytes == 512) {
        verdict(Outcome::Pass, observed)
    } else if disks.iter().all(|d| matches!(d.identity.logical_block_bytes, 512 | 4096)) {
        verdict(Outcome::Warn, observed)
    } else {
        verdict(Outcome::Block, observed)
    }
}
