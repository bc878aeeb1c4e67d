//! A line as departments have them: the loopback of this network namespace held to 1 Gbit/s, both directions together. It adds
//! no delay, since not every kernel can, and is gone with its guard.

use std::process::Command;

use crate::site::run;

const DEVICE: &str = "lo";

/// The line, while it is held.
pub(super) struct Gigabit(());

impl Gigabit {
    /// Nothing where the kernel cannot hold a line, after saying so.
    pub(super) fn begin() -> Option<Self> {
        // A burst of 1 MiB is 8 ms of the line; packets of the loopback have up to 64 KiB.
        let how = ["root", "tbf", "rate", "1gbit", "burst", "1mb", "latency", "50ms"];
        let held = run(Command::new("tc").args(["qdisc", "add", "dev", DEVICE]).args(how));
        held.inspect_err(|error| println!("\nskipped, a line of 1 Gbit/s: {error:#}")).ok().map(Self)
    }
}

impl Drop for Gigabit {
    fn drop(&mut self) {
        if let Err(error) = run(Command::new("tc").args(["qdisc", "del", "dev", DEVICE, "root"])) {
            eprintln!("the loopback is still held: {error:#}");
        }
    }
}
