//! A card that shows up late at a boot of the machine on the cloud: ifupdown has failed without it, and the boot guard is long over.
//! Its users have to reach the system again with nobody's help but the agent's. Not part of the demo.

use std::time::Duration;

use anyhow::Result;

use super::server::{AT_THE_CONSOLE, LOAD};
use super::stage::Stage;
use crate::machine::Console;
use crate::wait::{self, Look};
use crate::witness::Witness;

/// The agent starts, names the card and restarts the network: half a minute under emulation, several times that beside a build.
const REACHED_WITHIN: Duration = Duration::from_secs(300);

/// As after such a boot: the card has the kernel's name and no rule for another, and the network was started without it.
const LATE: [&str; 4] = [
    "systemctl stop qianyun-agent && rm /etc/systemd/network/10-qianyun-*.link",
    "card=$(basename $(dirname /sys/class/net/*/device)) && ip link set dev $card down && ip link set dev $card name late0",
    "! systemctl restart networking",
    "systemctl start qianyun-agent",
];

impl Stage {
    /// Takes the card's name and the network away, and waits for the users to be served again.
    pub(crate) fn survive_a_late_card(&mut self) -> Result<()> {
        let mut console = Console::open(&self.find("cloud", "console.sock", |_| true)?)?;
        for line in LATE {
            console.must(line, AT_THE_CONSOLE)?;
        }
        let mut witness = Witness::begin(&self.site, &self.folder.join("witness"), LOAD)?;
        wait::until("users reach the system again after its card came late", REACHED_WITHIN, || {
            self.controller.keep_alive()?;
            let seen = witness.seen();
            Ok(if seen.acknowledged > 0 { Look::Holds(()) } else { Look::NotYet(format!("{seen:?}")) })
        })?;
        witness.stop()?;
        self.teller.tell(
            "a card that came after the network was started: the agent brought it up",
            "网卡晚于网络服务出现:代理程序已将其启用",
        );
        Ok(())
    }
}
