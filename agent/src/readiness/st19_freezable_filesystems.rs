//! ST-19: what is written to on the disks can be frozen. Only a warning, for an EFI partition cannot be either, and is seldom
//! written to: it is flushed, and what is written all the same is sent or spoils the proof.

use super::{Check, Text, Verdict, verdict};
use crate::inventory::Machine;
use qianyun_agent_api::check::Outcome;

pub(super) const CHECK: Check = Check {
    id: "ST-19",
    title: Text { en: "Filesystems that can be frozen", zh: "文件系统可冻结" },
    required: "ext2/3/4, xfs, btrfs, f2fs, jfs or reiserfs, or read-only",
    why: Text {
        en: "Others are flushed before the proof but take writes during it; those arrive half-done, as after a power cut.",
        zh: "其他文件系统只在校验前落盘,校验期间仍可写入;这些写入可能只到达一部分,如同断电。",
    },
    fix: Text {
        en: "Stop what writes there by a hook, or for the cutover: mount -o remount,ro MOUNT",
        zh: "用钩子停止写入该处的程序,或在割接期间改为只读:mount -o remount,ro 挂载点。",
    },
    judge,
};

fn judge(machine: &Machine) -> Verdict {
    match machine.unfrozen.as_deref() {
        None => verdict(Outcome::Unknown, "what is mounted cannot be read"),
        Some([]) => verdict(Outcome::Pass, "all"),
        Some(found) => verdict(Outcome::Warn, found.join(", ")),
    }
}
