//! Listening sockets and the names of the processes that hold them. Nothing of what they say is looked at.

use crate::host::Host;
use qianyun_agent_api::inventory::Listener;
use std::collections::BTreeMap;
use std::net::{Ipv4Addr, Ipv6Addr};

/// `st` of a listening TCP socket.
const TCP_LISTEN: &str = "0A";
/// `st` of an unconnected UDP socket.
const UDP_UNCONNECTED: &str = "07";

pub(super) fn collect(host: &dyn Host) -> Vec<Listener> {
    let tables = [("tcp", "tcp"), ("tcp6", "tcp"), ("udp", "udp"), ("udp6", "udp")];
    let mut found: Vec<(String, Listener)> = Vec::new();
    for (table, protocol) in tables {
        let text = host.text(&format!("/proc/net/{table}")).unwrap_or_default();
        found.extend(text.lines().skip(1).filter_map(|line| socket(line, protocol)));
    }
    let owners = if found.is_empty() { BTreeMap::new() } else { owners(host) };
    let mut listeners: Vec<Listener> = found
        .into_iter()
        .map(|(inode, listener)| Listener { process: owners.get(&inode).cloned().unwrap_or_default(), ..listener })
        .collect();
    listeners.sort_by(|a, b| (&a.protocol, a.port, &a.address).cmp(&(&b.protocol, b.port, &b.address)));
    listeners.dedup();
    listeners
}

/// Inode and socket of a line of `/proc/net/{tcp,udp}`, if it listens.
fn socket(line: &str, protocol: &str) -> Option<(String, Listener)> {
    let fields: Vec<&str> = line.split_whitespace().collect();
    let (local, state, inode) = (fields.get(1)?, fields.get(3)?, fields.get(9)?);
    let listens = if protocol == "tcp" { TCP_LISTEN } else { UDP_UNCONNECTED };
    if *state != listens {
        return None;
    }
    let (address, port) = local.split_once(':')?;
    let port = u16::from_str_radix(port, 16).ok()?;
    let listener =
        Listener { protocol: protocol.to_owned(), address: address_of(address)?, port, process: String::new() };
    Some(((*inode).to_owned(), listener))
}

/// Groups of four bytes in the machine's byte order, in hex.
fn address_of(hex: &str) -> Option<String> {
    let words: Option<Vec<[u8; 4]>> = (0..hex.len() / 8)
        .map(|i| Some(u32::from_str_radix(hex.get(i * 8..i * 8 + 8)?, 16).ok()?.to_ne_bytes()))
        .collect();
    match words?.as_slice() {
        [v4] => Some(Ipv4Addr::from(*v4).to_string()),
        [a, b, c, d] => <[u8; 16]>::try_from([*a, *b, *c, *d].concat()).ok().map(|all| Ipv6Addr::from(all).to_string()),
        _ => None,
    }
}

/// Process names by socket inode.
fn owners(host: &dyn Host) -> BTreeMap<String, String> {
    let mut owners = BTreeMap::new();
    for pid in host.list("/proc").unwrap_or_default() {
        if !pid.bytes().all(|b| b.is_ascii_digit()) {
            continue;
        }
        let folder = format!("/proc/{pid}/fd");
        for descriptor in host.list(&folder).unwrap_or_default() {
            let target = host.link(&format!("{folder}/{descriptor}")).unwrap_or_default();
            if let Some(inode) = target.strip_prefix("socket:[").and_then(|rest| rest.strip_suffix(']')) {
                let name = || host.text(&format!("/proc/{pid}/comm")).unwrap_or_default();
                owners.entry(inode.to_owned()).or_insert_with(name);
            }
        }
    }
    owners
}
