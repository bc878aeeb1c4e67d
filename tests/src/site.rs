//! The site of one run: a network namespace with a bridge, in which the control plane, the controller, the receivers, the
//! machines and the witness all live. Nothing of a run is reachable from outside it, and two runs can stand side by side.
//!
//! The namespace is removed when the `Site` is dropped. A run that was killed could not do that: the next one clears away
//! what belongs to a runner that no longer lives. It never touches a namespace whose name it did not make.

use std::fs::{self, File};
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use rustix::process::{Pid, Signal};
use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};

use crate::node::groups;
use crate::wait::{self, Look};

/// The site's own address on its bridge: the gateway, the file shelf and the witness are here.
pub const SITE_ADDRESS: Ipv4Addr = Ipv4Addr::new(10, 77, 0, 1);
/// The office server's address, before and after it has moved.
pub const OFFICE_ADDRESS: Ipv4Addr = Ipv4Addr::new(10, 77, 0, 15);
/// The bridge that every machine's tap is attached to.
pub const BRIDGE: &str = "br0";

/// Namespaces of this framework are called `qy-<pid of the runner>-<number in it>`.
const PREFIX: &str = "qy-";
/// Where iproute2 keeps named namespaces.
pub(crate) const NAMESPACES: &str = "/run/netns";
/// A process that was sent SIGKILL goes as soon as its I/O is done; machines have gigabytes to let go of.
const KILLED_WITHIN: Duration = Duration::from_secs(20);

/// A network namespace of this run's own.
pub struct Site {
    name: String,
}

impl Site {
    /// Makes the namespace, with its loopback and its bridge up.
    pub fn create() -> Result<Self> {
        ensure!(
            rustix::process::geteuid().is_root(),
            "a run needs root, because it makes a network namespace: run as root, found uid {}",
            rustix::process::geteuid().as_raw()
        );
        clear_dead_runs()?;
        let name = add_namespace()?;
        let site = Self { name };
        site.ip(&["link", "set", "lo", "up"])?;
        site.ip(&["link", "add", BRIDGE, "type", "bridge"])?;
        site.ip(&["address", "add", &format!("{SITE_ADDRESS}/24"), "dev", BRIDGE])?;
        site.ip(&["link", "set", BRIDGE, "up"])?;
        Ok(site)
    }

    /// The namespace's name, for `ip -n`.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The namespace's file, for `nsenter --net=`.
    pub fn path(&self) -> PathBuf {
        Path::new(NAMESPACES).join(&self.name)
    }

    /// A program that will run inside. `nsenter` becomes the program, so the child's id is the program's own. Not
    /// `ip netns exec`, which mounts another `/sys` and so hides the control groups.
    pub fn command(&self, program: impl AsRef<std::ffi::OsStr>) -> Command {
        inside(&self.path(), program)
    }

    /// Moves the calling thread inside: sockets it opens, threads and programs it starts from here on are inside too.
    pub fn enter_thread(&self) -> Result<()> {
        enter_thread(&self.path())
    }

    /// A tap on the bridge, for a machine.
    pub fn add_tap(&self, tap: &str) -> Result<()> {
        self.ip(&["tuntap", "add", "dev", tap, "mode", "tap"])?;
        self.ip(&["link", "set", tap, "master", BRIDGE, "up"])
    }

    /// Sends what it has no route for to the bridge: a node needs a default route, though nothing is there.
    pub(crate) fn route_to_itself(&self) -> Result<()> {
        self.ip(&["route", "replace", "default", "dev", BRIDGE])
    }

    /// Takes the link away (`false`) or gives it back (`true`), as a pulled cable would.
    pub fn set_link(&self, device: &str, up: bool) -> Result<()> {
        self.ip(&["link", "set", device, if up { "up" } else { "down" }])
    }

    pub(crate) fn ip(&self, arguments: &[&str]) -> Result<()> {
        run(Command::new("ip").args(["-n", &self.name]).args(arguments))
    }
}

impl Drop for Site {
    fn drop(&mut self) {
        if let Err(error) = remove(&self.name) {
            eprintln!("{}: not removed: {error:#}", self.name);
        }
    }
}

/// Makes a namespace of this run's own, and says how it is called.
pub(crate) fn add_namespace() -> Result<String> {
    static NUMBER: AtomicU32 = AtomicU32::new(0);
    let name = format!("{}{}", names_of(std::process::id()), NUMBER.fetch_add(1, Ordering::Relaxed));
    run(Command::new("ip").args(["netns", "add", &name]))?;
    Ok(name)
}

/// A program that will run in the namespace at `path`.
pub(crate) fn inside(path: &Path, program: impl AsRef<std::ffi::OsStr>) -> Command {
    let mut command = Command::new("nsenter");
    let mut net = std::ffi::OsString::from("--net=");
    net.push(path);
    command.arg(net).arg("--").arg(program);
    command
}

/// Moves the calling thread into the namespace at `path`.
pub(crate) fn enter_thread(path: &Path) -> Result<()> {
    let namespace = File::open(path).with_context(|| format!("{}: cannot be opened", path.display()))?;
    move_into_link_name_space(rustix::fd::AsFd::as_fd(&namespace), Some(LinkNameSpaceType::Network))
        .with_context(|| format!("{}: cannot be entered", path.display()))
}

/// Runs a program to its end; what it said on its error output is the error.
pub fn run(command: &mut Command) -> Result<()> {
    output(command).map(drop)
}

/// Runs a program to its end and returns what it wrote.
pub fn output(command: &mut Command) -> Result<String> {
    let done = command.stdin(Stdio::null()).output().with_context(|| format!("{command:?} cannot be started"))?;
    if !done.status.success() {
        bail!("{command:?}: {}: {}", done.status, String::from_utf8_lossy(&done.stderr).trim_end());
    }
    String::from_utf8(done.stdout).with_context(|| format!("{command:?} wrote something that is not UTF-8"))
}

/// Ends what still runs inside (all of it was started by the run that owns the namespace) and removes the namespace.
pub(crate) fn remove(name: &str) -> Result<()> {
    wait::until_even_if_interrupted("nothing runs in the namespace any more", KILLED_WITHIN, || {
        let inside = output(Command::new("ip").args(["netns", "pids", name]))?;
        let mut left = Vec::new();
        for pid in inside.split_whitespace().filter_map(|word| word.parse().ok()).filter_map(Pid::from_raw) {
            if pid != rustix::process::getpid() {
                // Its number, name, state and parent, as evidence of who stays.
                let stat = fs::read_to_string(format!("/proc/{}/stat", pid.as_raw_nonzero())).unwrap_or_default();
                left.push(stat.split_whitespace().take(4).collect::<Vec<_>>().join(" "));
                // It may have ended by itself since it was listed.
                let _ = rustix::process::kill_process(pid, Signal::KILL);
            }
        }
        Ok(if left.is_empty() { Look::Holds(()) } else { Look::NotYet(format!("in {name}: {}", left.join(", "))) })
    })?;
    run(Command::new("ip").args(["netns", "delete", name]))
}

/// Removes the namespaces and the control groups of runs whose runner no longer lives.
pub(crate) fn clear_dead_runs() -> Result<()> {
    for name in groups::names()?.iter().filter(|name| is_of_dead_run(name)) {
        groups::remove(name)?;
    }
    for name in names()?.iter().filter(|name| is_of_dead_run(name)) {
        remove(name)?;
    }
    Ok(())
}

/// The named network namespaces of this machine.
pub(crate) fn names() -> Result<Vec<String>> {
    let entries = match std::fs::read_dir(NAMESPACES) {
        Ok(entries) => entries,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(error).with_context(|| format!("{NAMESPACES}: cannot be read")),
    };
    entries.map(|entry| Ok(entry?.file_name().to_string_lossy().into_owned())).collect()
}

/// How the names of a runner's namespaces begin.
pub(crate) fn names_of(runner: u32) -> String {
    format!("{PREFIX}{runner}-")
}

/// Whether the name is one of ours, and the process in it is gone.
fn is_of_dead_run(name: &str) -> bool {
    let runner = name.strip_prefix(PREFIX).and_then(|rest| rest.split_once('-')).map(|(pid, _)| pid);
    let runner = runner.and_then(|pid| pid.parse::<u32>().ok());
    runner.is_some_and(|runner| !lives(runner))
}

/// Whether a process still does anything. One that was killed may wait for its parent to take notice.
fn lives(pid: u32) -> bool {
    let state = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    // The name before it stands in brackets, and may hold some itself.
    state.rsplit_once(") ").is_some_and(|(_, state)| !state.starts_with(['Z', 'X']))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_inside_sees_the_bridge_and_nothing_of_the_host() {
        let site = Site::create().expect("namespace");
        let links = output(site.command("ip").args(["-brief", "address"])).expect("ip");
        assert!(links.contains("10.77.0.1/24"), "{links}");
        assert_eq!(links.lines().count(), 2, "only lo and the bridge: {links}");
    }

    #[test]
    fn dropping_the_site_ends_what_runs_inside_and_removes_it() {
        let site = Site::create().expect("namespace");
        let path = site.path();
        let mut inside = site.command("sleep").arg("600").spawn().expect("sleep");
        wait::until("sleep is inside", Duration::from_secs(5), || {
            let pids = output(Command::new("ip").args(["netns", "pids", site.name()]))?;
            Ok(if pids.trim().is_empty() { Look::NotYet("nothing inside".into()) } else { Look::Holds(()) })
        })
        .expect("inside");
        drop(site);
        assert!(!path.exists());
        assert!(!inside.wait().expect("ended").success());
    }
}
