//! On the other machine: the network card that carries an announced MAC gets the name that the configuration knows.
//!
//! Addresses, routes and names of services stay as they are on the disk. A `.link` file makes it last; the rename makes
//! it so at once. It acts only where a card with an announced MAC is found.

use super::{HostStep, Precheck, StepError};
use crate::host::{Host, LOOK_LIMIT};
use qianyun_agent_api::desired::{ArrivalNic, ArrivalPlan};

/// The NICs announced before the freeze.
#[derive(Debug, Clone, Copy)]
pub(crate) struct AdaptNetwork<'a> {
    /// From the ledger.
    pub(crate) plan: &'a ArrivalPlan,
}

fn link_file(nic: &ArrivalNic) -> String {
    // Before systemd's own 99-default.link, and before vendors' files.
    format!("/etc/systemd/network/10-qianyun-{}.link", nic.mac.replace(':', ""))
}

fn link_text(nic: &ArrivalNic) -> String {
    format!(
        "# Written by qianyun-agent: this machine's card takes the place of the one it was configured for.\n[Match]\nMACAddress={}\n\n[Link]\nName={}\n",
        nic.mac, nic.takes_name
    )
}

/// Present name of the interface with this MAC.
fn name_of(host: &dyn Host, mac: &str) -> Option<String> {
    let names = host.list("/sys/class/net").unwrap_or_default();
    names.into_iter().find(|name| host.text(&format!("/sys/class/net/{name}/address")).as_deref() == Some(mac))
}

/// Whether there is an interface with this MAC.
pub(crate) fn has_card(host: &dyn Host, mac: &str) -> bool {
    name_of(host, mac).is_some()
}

/// Interface names as the kernel allows them; anything else would end up in a file and an argument.
fn is_interface_name(name: &str) -> bool {
    (1..=15).contains(&name.len()) && name.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.".contains(&b))
}

fn is_mac(mac: &str) -> bool {
    mac.len() == 17 && mac.bytes().all(|b| b.is_ascii_hexdigit() || b == b':')
}

impl AdaptNetwork<'_> {
    /// Whether a card is there whose name is not yet the one that the configuration knows.
    pub(crate) fn renames(&self, host: &dyn Host) -> bool {
        self.plan.nics.iter().any(|nic| name_of(host, &nic.mac).is_some_and(|name| name != nic.takes_name))
    }
}

impl HostStep for AdaptNetwork<'_> {
    fn name(&self) -> &'static str {
        "naming the network cards"
    }

    fn precheck(&self, host: &dyn Host) -> Result<Precheck, StepError> {
        for nic in &self.plan.nics {
            if !is_interface_name(&nic.takes_name) || !is_mac(&nic.mac) {
                let found = format!("{:?} for {:?}", nic.takes_name, nic.mac);
                return Ok(Precheck::Refused { expected: "an interface name and a MAC address".into(), found });
            }
            match name_of(host, &nic.mac) {
                None => {
                    let found = "no card with it".to_owned();
                    return Ok(Precheck::Refused { expected: format!("a card with MAC {}", nic.mac), found });
                }
                Some(name) if name != nic.takes_name => return Ok(Precheck::Ready),
                Some(_) if host.text(&link_file(nic)).as_deref() != Some(link_text(nic).trim()) => {
                    return Ok(Precheck::Ready);
                }
                Some(_) => {}
            }
        }
        Ok(Precheck::AlreadyDone)
    }

    fn act(&self, host: &dyn Host) -> Result<(), StepError> {
        for nic in &self.plan.nics {
            host.write(&link_file(nic), link_text(nic).as_bytes(), 0o644)?;
            let Some(name) = name_of(host, &nic.mac).filter(|name| *name != nic.takes_name) else { continue };
            // Only an interface that is down can be renamed.
            host.ask("ip", &["link", "set", "dev", &name, "down"], LOOK_LIMIT)?;
            host.ask("ip", &["link", "set", "dev", &name, "name", &nic.takes_name], LOOK_LIMIT)?;
        }
        Ok(())
    }

    fn undo(&self, host: &dyn Host) -> Result<(), StepError> {
        for nic in &self.plan.nics {
            host.remove(&link_file(nic))?;
        }
        Ok(())
    }
}
