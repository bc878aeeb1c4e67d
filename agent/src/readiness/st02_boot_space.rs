//! ST-02: there is room for the target's drivers beside the initramfs.

use super::{Check, Text, Verdict, verdict};
use crate::inventory::Machine;
use qianyun_agent_api::check::Outcome;

const MIB: u64 = 1024 * 1024;
/// From here there is room beside two kernels' own, also for an initramfs that the vendor makes anew meanwhile.
const ENOUGH_BYTES: u64 = 150 * MIB;
/// Below this an initramfs with all drivers (40 to 80 MB) may not fit.
const LEAST_BYTES: u64 = 50 * MIB;

pub(super) const CHECK: Check = Check {
    id: "ST-02",
    title: Text { en: "Space on /boot", zh: "/boot 可用空间" },
    required: "150 MiB free, at least 50 MiB",
    why: Text {
        en: "The cloud's drivers are written there, beside the initramfs, which is left as it is.",
        zh: "云端驱动写在此处,原有初始内存盘保持不变。",
    },
    fix: Text {
        en: "Remove kernels that are no longer used: apt autoremove",
        zh: "清理不再使用的旧内核:apt autoremove。",
    },
    judge,
};

fn judge(machine: &Machine) -> Verdict {
    let mounted = |mount: &str| machine.inventory.filesystems.iter().find(|f| f.mount == mount);
    let Some(filesystem) = mounted("/boot").or_else(|| mounted("/")) else {
        return verdict(Outcome::Unknown, "no filesystem that holds /boot found");
    };
    let observed = format!("{} MiB free", filesystem.free_bytes / MIB);
    match filesystem.free_bytes {
        free if free >= ENOUGH_BYTES => verdict(Outcome::Pass, observed),
        free if free >= LEAST_BYTES => verdict(Outcome::Warn, observed),
        _ => verdict(Outcome::Block, observed),
    }
}
