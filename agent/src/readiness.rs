//! The table of readiness checks: what must be true of a machine before its disks are touched.
//!
//! One check per file, one function from [`Machine`] to [`Verdict`]; words for people lie beside it in both languages.
//! The identifiers and thresholds are those of the check catalogue in the documentation. Unknown is never a pass.

mod bt01_kernel_drivers;
mod bt02_initramfs_drivers;
mod bt03_initramfs_tool;
mod bt07_boot_loader;
mod bt09_fstab_names;
mod ct01_change_tracking;
mod ct05_freeze_length;
mod os01_release;
mod os05_hardware_identity;
mod os06_host_name;
mod os07_clock;
mod st02_boot_space;
mod st08_sector_size;
mod st19_freezable_filesystems;

use crate::inventory::Machine;
use qianyun_agent_api::check::{CheckResult, Outcome, Words};

/// Text in both languages that never changes.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Text {
    pub(crate) en: &'static str,
    pub(crate) zh: &'static str,
}

impl From<Text> for Words {
    fn from(text: Text) -> Self {
        Words { en: text.en.to_owned(), zh: text.zh.to_owned() }
    }
}

/// What a check found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Verdict {
    outcome: Outcome,
    observed: String,
}

fn verdict(outcome: Outcome, observed: impl Into<String>) -> Verdict {
    Verdict { outcome, observed: observed.into() }
}

/// A row of the table.
pub(crate) struct Check {
    id: &'static str,
    title: Text,
    required: &'static str,
    why: Text,
    fix: Text,
    judge: fn(&Machine) -> Verdict,
}

/// The checks that most often decide. A new one is a file and a line.
pub(crate) const TABLE: [Check; 14] = [
    os01_release::CHECK,
    os05_hardware_identity::CHECK,
    os06_host_name::CHECK,
    os07_clock::CHECK,
    bt01_kernel_drivers::CHECK,
    bt02_initramfs_drivers::CHECK,
    bt03_initramfs_tool::CHECK,
    bt07_boot_loader::CHECK,
    bt09_fstab_names::CHECK,
    st02_boot_space::CHECK,
    st08_sector_size::CHECK,
    st19_freezable_filesystems::CHECK,
    ct01_change_tracking::CHECK,
    ct05_freeze_length::CHECK,
];

/// Judges a machine by every check, in the order of the table.
pub(crate) fn judge(machine: &Machine) -> Vec<CheckResult> {
    TABLE.iter().map(|check| check.run(machine)).collect()
}

/// Whether nothing stands in the way: no check blocks and none is unknown.
pub(crate) fn is_ready(results: &[CheckResult]) -> bool {
    results.iter().all(|result| match result.outcome {
        Outcome::Pass | Outcome::Info | Outcome::Warn => true,
        Outcome::Block | Outcome::Unknown => false,
    })
}

impl Check {
    fn run(&self, machine: &Machine) -> CheckResult {
        let Verdict { outcome, observed } = (self.judge)(machine);
        let fix = match outcome {
            Outcome::Pass | Outcome::Info => Text { en: "", zh: "" },
            Outcome::Warn | Outcome::Block | Outcome::Unknown => self.fix,
        };
        CheckResult {
            id: self.id.to_owned(),
            title: self.title.into(),
            outcome,
            observed,
            required: self.required.to_owned(),
            why: self.why.into(),
            fix: fix.into(),
        }
    }
}

#[cfg(test)]
mod tests;
