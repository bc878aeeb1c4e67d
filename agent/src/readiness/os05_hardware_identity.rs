//! OS-05: the hardware names itself. MAC addresses do not count. Whether another host says the same, the gateway sees.

use super::{Check, Text, Verdict, verdict};
use crate::inventory::Machine;
use qianyun_agent_api::check::Outcome;

/// What vendors leave in the field where a serial number should be, lower case.
const PLACEHOLDERS: [&str; 6] =
    ["to be filled", "default string", "not specified", "system serial number", "none", "0123456789"];

pub(super) const CHECK: Check = Check {
    id: "OS-05",
    title: Text { en: "Hardware identity", zh: "硬件身份" },
    required: "a system UUID and a serial number of its own",
    why: Text {
        en: "The identity tells this server from its copy, so that never both are in service.",
        zh: "依靠硬件身份区分本机与其副本,确保二者不会同时对外服务。",
    },
    fix: Text {
        en: "Set the serial number with the vendor's tool, or have the operator confirm the asset number.",
        zh: "用厂商工具写入序列号,或请运营方核对资产编号。",
    },
    judge,
};

fn judge(machine: &Machine) -> Verdict {
    let print = &machine.fingerprint;
    let observed = format!("uuid {}, serial {}, board {}", print.system_uuid, print.system_serial, print.board_serial);
    let has_uuid = print.system_uuid.bytes().any(|b| b.is_ascii_hexdigit() && b != b'0');
    let is_real = |serial: &str| {
        let serial = serial.to_lowercase();
        !serial.is_empty() && !PLACEHOLDERS.iter().any(|placeholder| serial.starts_with(placeholder))
    };
    match (has_uuid, is_real(&print.system_serial) || is_real(&print.board_serial)) {
        (true, true) => verdict(Outcome::Pass, observed),
        (true, false) | (false, true) => verdict(Outcome::Warn, observed),
        (false, false) => verdict(Outcome::Block, observed),
    }
}
