//! BT-09: mounts are named by what does not change with the hardware.

use super::{Check, Text, Verdict, verdict};
use crate::inventory::Machine;
use qianyun_agent_api::check::Outcome;

/// Names that another controller or bus changes.
const HARDWARE_NAMES: [&str; 7] = [
    "/dev/sd",
    "/dev/hd",
    "/dev/vd",
    "/dev/nvme",
    "/dev/cciss",
    "/dev/disk/by-path/",
    // These carry the bus and the model of the physical disk.
    "/dev/disk/by-id/",
];

pub(super) const CHECK: Check = Check {
    id: "BT-09",
    title: Text { en: "Names in fstab", zh: "挂载表命名" },
    required: "UUID=, LABEL= or a volume name for every mount",
    why: Text {
        en: "Disks have other names in the cloud; a mount by such a name fails and stops the boot.",
        zh: "云端磁盘名称不同,按旧名称挂载会失败并中断启动。",
    },
    fix: Text {
        en: "Replace the names in /etc/fstab by UUID=, as shown by: blkid",
        zh: "用 blkid 查出 UUID,替换 /etc/fstab 中的设备名。",
    },
    judge,
};

fn judge(machine: &Machine) -> Verdict {
    let filesystems = &machine.inventory.filesystems;
    if filesystems.is_empty() {
        return verdict(Outcome::Unknown, "no mounted filesystem found");
    }
    let bad: Vec<String> = filesystems
        .iter()
        .filter(|f| HARDWARE_NAMES.iter().any(|name| f.fstab_source.starts_with(name)))
        .map(|f| format!("{} by {}", f.mount, f.fstab_source))
        .collect();
    if bad.is_empty() { verdict(Outcome::Pass, "stable names") } else { verdict(Outcome::Block, bad.join("; ")) }
}
