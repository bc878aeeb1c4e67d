//! A department's machine room: another network namespace, one cable away from the site. From there the cluster is reached as any
//! server outside it has to: by an address that the site has, and by nothing that only Pods or nodes can see.

use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::Result;

use crate::site::{self, BRIDGE, Site};

/// The cable's end in the room, and at the site. One room at a site is enough so far.
const INNER: &str = "eth0";
const OUTER: &str = "room0";

/// The room. Dropping it ends what runs inside.
pub struct Room {
    name: String,
}

impl Room {
    /// Makes it, with a machine's place at `address` of the site's network.
    pub fn beside(site: &Site, address: Ipv4Addr) -> Result<Self> {
        let room = Self { name: site::add_namespace()? };
        site.ip(&["link", "add", OUTER, "type", "veth", "peer", "name", INNER, "netns", &room.name])?;
        site.ip(&["link", "set", OUTER, "master", BRIDGE, "up"])?;
        room.ip(&["link", "set", "lo", "up"])?;
        room.ip(&["address", "add", &format!("{address}/24"), "dev", INNER])?;
        room.ip(&["link", "set", INNER, "up"])?;
        Ok(room)
    }

    /// A program that will run inside, with mounts of its own; the child's id is the program's own.
    pub fn command(&self, program: &Path) -> Command {
        let mut command = site::inside(&self.path(), "unshare");
        command.args(["--mount", "--"]).arg(program);
        command
    }

    fn path(&self) -> PathBuf {
        Path::new(site::NAMESPACES).join(&self.name)
    }

    fn ip(&self, arguments: &[&str]) -> Result<()> {
        site::run(Command::new("ip").args(["-n", &self.name]).args(arguments))
    }
}

impl Drop for Room {
    fn drop(&mut self) {
        if let Err(error) = site::remove(&self.name) {
            eprintln!("{}: not removed: {error:#}", self.name);
        }
    }
}
