//! On the other machine: the network is started again where it was started before its cards had their names.
//!
//! What configures a network once, early in the boot (ifupdown, the network scripts), passes over a card that is not there yet and
//! does not come back to it. It never changes a configuration, and lets a network alone that was started in time.

use super::{HostStep, Precheck, StepError, systemd};
use crate::host::{Host, HostError, LOOK_LIMIT};
use qianyun_agent_api::desired::ArrivalPlan;
use std::thread::sleep;
use std::time::{Duration, Instant};

/// What brings networks up on the systems that are moved: ifupdown, network scripts, `NetworkManager`, networkd, wicked. The same
/// one under two names is restarted twice, which does no harm.
const UNITS: [&str; 5] =
    ["networking.service", "network.service", "NetworkManager.service", "systemd-networkd.service", "wicked.service"];
/// A DHCP server that is not there is waited for; ifupdown itself gives up after a minute.
const RESTART_LIMIT: Duration = Duration::from_secs(120);
/// What runs all the time brings its cards up a moment after it has started.
const UP_WITHIN: Duration = Duration::from_secs(10);
const LOOK_EVERY: Duration = Duration::from_millis(200);
/// There while the network has still to be started again, whatever happens to the agent meanwhile.
const IS_LATE: &str = "/run/qianyun/network-is-late";
/// `IFF_UP` (netdevice(7)).
const UP: u32 = 1;

/// The NICs announced before the freeze, under the names they took.
#[derive(Debug, Clone, Copy)]
pub(crate) struct StartNetwork<'a> {
    /// From the ledger.
    pub(crate) plan: &'a ArrivalPlan,
}

/// Cards are about to get their names after the network was started: to be said before they do.
pub(crate) fn mark_late(host: &dyn Host) -> Result<(), HostError> {
    host.write(IS_LATE, b"", 0o644)
}

/// Whether something brought the card up; a cable is not needed for that.
fn is_card_up(host: &dyn Host, card: &str) -> bool {
    let flags = host.text(&format!("/sys/class/net/{card}/flags")).unwrap_or_default();
    u32::from_str_radix(flags.trim_start_matches("0x"), 16).is_ok_and(|flags| flags & UP != 0)
}

impl StartNetwork<'_> {
    /// One card is enough: others may not be configured.
    fn is_up(&self, host: &dyn Host) -> bool {
        self.plan.nics.is_empty() || self.plan.nics.iter().any(|nic| is_card_up(host, &nic.takes_name))
    }

    fn wait_until_up(&self, host: &dyn Host) -> bool {
        let deadline = Instant::now() + UP_WITHIN;
        while !self.is_up(host) && Instant::now() < deadline {
            sleep(LOOK_EVERY);
        }
        self.is_up(host)
    }
}

impl HostStep for StartNetwork<'_> {
    fn name(&self) -> &'static str {
        "starting the network again"
    }

    fn precheck(&self, host: &dyn Host) -> Result<Precheck, StepError> {
        Ok(if self.is_up(host) && !host.exists(IS_LATE) { Precheck::AlreadyDone } else { Precheck::Ready })
    }

    fn act(&self, host: &dyn Host) -> Result<(), StepError> {
        if !host.exists(IS_LATE) && self.wait_until_up(host) {
            return Ok(());
        }
        // Addresses that a try which failed half-way left on a card are in the way of the next: ifupdown does not take them.
        for nic in self.plan.nics.iter().filter(|nic| !is_card_up(host, &nic.takes_name)) {
            host.ask("ip", &["address", "flush", "dev", &nic.takes_name], LOOK_LIMIT)?;
        }
        let mut tried = Vec::new();
        for unit in UNITS {
            if matches!(systemd::active_state(host, unit)?.as_str(), "active" | "failed") {
                tried.push(systemd::restart(host, unit, RESTART_LIMIT));
            }
        }
        // Each is tried: what fails for one card or in one unit must not keep the others down. ifupdown fails as a whole for a
        // card that the old machine had and this one lacks, and begun again for that it would take the others down each time.
        if self.wait_until_up(host) {
            return Ok(host.remove(IS_LATE)?);
        }
        Ok(tried.into_iter().collect::<Result<(), _>>()?)
    }

    /// A network that is up is what every machine has; nothing is taken back.
    fn undo(&self, _host: &dyn Host) -> Result<(), StepError> {
        Ok(())
    }
}
