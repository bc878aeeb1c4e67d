//! OS-01: distribution and release are ones that the journey is known to work for.

use super::{Check, Text, Verdict, verdict};
use crate::inventory::Machine;
use qianyun_agent_api::check::Outcome;

/// Releases whose boot preparation is tested.
const TESTED: [(&str, &str); 1] = [("debian", "12")];
/// Families that are prepared in the same way.
const FAMILY: [&str; 2] = ["debian", "ubuntu"];

pub(super) const CHECK: Check = Check {
    id: "OS-01",
    title: Text { en: "Distribution and release", zh: "发行版及版本" },
    required: "debian 12; other Debian or Ubuntu releases after a passed rehearsal",
    why: Text {
        en: "How a system is made to boot elsewhere depends on its distribution.",
        zh: "系统能否在云端启动,取决于发行版的启动方式。",
    },
    fix: Text {
        en: "Ask the platform operator whether a rehearsal can be arranged for this release.",
        zh: "请联系平台运营方,确认能否为该版本安排演练。",
    },
    judge,
};

fn judge(machine: &Machine) -> Verdict {
    let os = &machine.inventory.os;
    if os.id.is_empty() {
        return verdict(Outcome::Unknown, "no os-release");
    }
    let observed = format!("{} {}", os.id, os.version);
    if TESTED.contains(&(os.id.as_str(), os.version.as_str())) {
        verdict(Outcome::Pass, observed)
    } else if FAMILY.contains(&os.id.as_str()) {
        verdict(Outcome::Warn, observed)
    } else {
        verdict(Outcome::Block, observed)
    }
}
