//! BT-01: the running kernel has the drivers of the target's disk and network card.

use super::{Check, Text, Verdict, verdict};
use crate::inventory::Machine;
use qianyun_agent_api::check::Outcome;

const WANTED: [&str; 4] = ["virtio_pci", "virtio_blk", "virtio_scsi", "virtio_net"];

pub(super) const CHECK: Check = Check {
    id: "BT-01",
    title: Text { en: "Drivers in the kernel", zh: "内核驱动" },
    required: "virtio_pci, virtio_blk, virtio_scsi, virtio_net",
    why: Text {
        en: "Without them the system does not find its disk in the cloud.",
        zh: "缺少这些驱动,系统在云端将找不到磁盘。",
    },
    fix: Text {
        en: "Install the distribution's standard kernel package and start it.",
        zh: "安装发行版的标准内核软件包,并用它启动。",
    },
    judge,
};

fn judge(machine: &Machine) -> Verdict {
    let found = &machine.inventory.boot.kernel_drivers;
    let missing: Vec<&str> = WANTED.into_iter().filter(|wanted| !found.iter().any(|f| f == wanted)).collect();
    let has = |driver: &str| !missing.contains(&driver);
    let observed = if missing.is_empty() { "all".to_owned() } else { format!("missing {}", missing.join(", ")) };
    if missing.is_empty() {
        verdict(Outcome::Pass, observed)
    } else if has("virtio_pci") && (has("virtio_blk") || has("virtio_scsi")) {
        verdict(Outcome::Warn, observed)
    } else {
        verdict(Outcome::Block, observed)
    }
}
