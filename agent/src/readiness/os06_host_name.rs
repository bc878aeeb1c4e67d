//! OS-06: the host has a name, and it can be a DNS label.

use super::{Check, Text, Verdict, verdict};
use crate::inventory::Machine;
use qianyun_agent_api::check::Outcome;

pub(super) const CHECK: Check = Check {
    id: "OS-06",
    title: Text { en: "Host name", zh: "主机名" },
    required: "letters, digits and hyphens, at most 63, not localhost",
    why: Text {
        en: "The machine is named after it on the platform and in every report.",
        zh: "平台和各类报表均以主机名标识本机。",
    },
    fix: Text {
        en: "Set one with: hostnamectl set-hostname NAME",
        zh: "执行 hostnamectl set-hostname 名称 进行设置。",
    },
    judge,
};

fn judge(machine: &Machine) -> Verdict {
    let name = machine.inventory.os.hostname.as_str();
    let label = name.split('.').next().unwrap_or_default();
    let fits = label.len() <= 63
        && label.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
        && !label.starts_with('-')
        && !label.ends_with('-');
    match label {
        "" => verdict(Outcome::Block, "empty"),
        "localhost" => verdict(Outcome::Block, name),
        _ if fits => verdict(Outcome::Pass, name),
        _ => verdict(Outcome::Warn, name),
    }
}
