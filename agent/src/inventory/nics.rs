//! Network interfaces that are hardware, with their addresses and default gateway.

use crate::host::{Host, LOOK_LIMIT};
use qianyun_agent_api::inventory::Nic;

pub(super) fn collect(host: &dyn Host) -> Vec<Nic> {
    // One line for each address: `2: eno1    inet 10.0.2.15/24 brd …`; the format is the same in every iproute2.
    let addresses = host.ask("ip", &["-o", "address", "show"], LOOK_LIMIT).unwrap_or_default();
    let routes = host.text("/proc/net/route").unwrap_or_default();
    let names = host.list("/sys/class/net").unwrap_or_default();
    names.into_iter().filter_map(|name| nic(host, name, &addresses, &routes)).collect()
}

fn nic(host: &dyn Host, name: String, addresses: &str, routes: &str) -> Option<Nic> {
    let file = |path: &str| host.text(&format!("/sys/class/net/{name}/{path}")).unwrap_or_default();
    if !host.exists(&format!("/sys/class/net/{name}/device")) {
        return None;
    }
    let driver = host.link(&format!("/sys/class/net/{name}/device/driver")).unwrap_or_default();
    Some(Nic {
        mac: file("address").to_lowercase(),
        driver: driver.rsplit('/').next().unwrap_or_default().to_owned(),
        up: file("operstate") == "up",
        addresses: addresses_of(addresses, &name),
        gateway: gateway_of(routes, &name),
        name,
    })
}

fn addresses_of(text: &str, name: &str) -> Vec<String> {
    let lines = text.lines().map(|line| line.split_whitespace().collect::<Vec<_>>());
    lines
        .filter(|fields| fields.get(1) == Some(&name) && fields.get(2).is_some_and(|kind| kind.starts_with("inet")))
        .filter_map(|fields| fields.get(3).map(|address| (*address).to_owned()))
        .collect()
}

/// The kernel writes IPv4 addresses as eight hex digits in the machine's byte order.
fn gateway_of(routes: &str, name: &str) -> String {
    let lines = routes.lines().skip(1).map(|line| line.split_whitespace().collect::<Vec<_>>());
    let mut gateways = lines
        .filter(|fields| fields.first() == Some(&name) && fields.get(1) == Some(&"00000000"))
        .filter_map(|fields| u32::from_str_radix(fields.get(2)?, 16).ok())
        .filter(|&address| address != 0);
    gateways.next().map(|address| std::net::Ipv4Addr::from(address.to_ne_bytes()).to_string()).unwrap_or_default()
}
