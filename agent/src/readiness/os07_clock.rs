//! OS-07: the clock is right, and something keeps it right.

use super::{Check, Text, Verdict, verdict};
use crate::inventory::Machine;
use qianyun_agent_api::check::Outcome;

/// Up to here a clock is right, milliseconds. The gateway's `Date` header counts whole seconds, so one more is allowed.
const RIGHT_MS: u64 = 2_000;
/// Beyond this, certificates and journals cannot be relied upon, milliseconds.
const UNRELIABLE_MS: u64 = 60_000;

pub(super) const CHECK: Check = Check {
    id: "OS-07",
    title: Text { en: "Clock", zh: "时间同步" },
    required: "within 1 s of the platform, and synchronised",
    why: Text {
        en: "Certificates, database journals and the evidence of the cutover depend on the time.",
        zh: "证书、数据库日志和割接证据都依赖准确的时间。",
    },
    fix: Text {
        en: "Install and start a time service, as: apt install chrony",
        zh: "安装并启动时间同步服务,例如 apt install chrony。",
    },
    judge,
};

fn judge(machine: &Machine) -> Verdict {
    let synchronised = machine.inventory.os.clock_synchronised;
    let words = if synchronised { "synchronised" } else { "not synchronised" };
    let observed = match machine.clock_skew_ms {
        Some(skew) => format!("{words}, {:.1} s off", skew.unsigned_abs() as f64 / 1000.0),
        None => words.to_owned(),
    };
    match (machine.clock_skew_ms.map(i64::unsigned_abs), synchronised) {
        (Some(skew), _) if skew > UNRELIABLE_MS => verdict(Outcome::Block, observed),
        (Some(skew), _) if skew > RIGHT_MS => verdict(Outcome::Warn, observed),
        (_, false) => verdict(Outcome::Warn, observed),
        (Some(_) | None, true) => verdict(Outcome::Pass, observed),
    }
}
