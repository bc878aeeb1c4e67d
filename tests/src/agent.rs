//! The agent as a process in a machine room, for tests that need a server which joins and reports, and no whole machine: it has
//! folders of its own where an agent keeps things, and the hardware's identity that a firmware would give it. It has no service
//! manager: what `enroll` would start is started here. Nothing is copied from it, and it is never approved to be touched.

use std::ffi::{CStr, OsString};
use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use anyhow::{Context, Result, ensure};
use rustix::mount::{MountFlags, mount, mount_bind};
use serde_json::Value;

use crate::cluster::built;
use crate::room::Room;

/// First argument in the role of [`as_server`].
pub const AS_SERVER: &str = "as-server";
/// What the machine's firmware says.
const SYSTEM_UUID: &str = "4c4c4544-0042-3010-8053-b7c04f4e3332";
/// The folders that an agent writes to, each with the one that lies there for it.
const OWN: [(&str, &str); 2] = [("/var/lib", "var-lib"), ("/run", "run")];
/// What it looks at of the classes of devices.
const CLASSES: [&str; 2] = ["net", "block"];

/// A server's agent. Dropping it ends the process; what it has kept lies in its folder.
pub struct Agent {
    room: Room,
    folder: PathBuf,
    entry: PathBuf,
    running: Option<Child>,
}

impl Agent {
    /// A server in `room` with its files in `folder`. `entry` is a program that runs [`as_server`].
    pub fn install(room: Room, folder: &Path, entry: &Path) -> Result<Self> {
        for (_, own) in OWN {
            std::fs::create_dir_all(folder.join(own)).with_context(|| format!("making {}", folder.display()))?;
        }
        Ok(Self { room, folder: folder.to_owned(), entry: entry.to_owned(), running: None })
    }

    /// Joins by these words of the command line, as its admin would type them. What it said.
    pub fn enroll(&self, words: &[&str]) -> Result<String> {
        let done = self.command(&[&["--lang", "en", "enroll"], words].concat())?.stdin(Stdio::null()).output()?;
        let said = String::from_utf8_lossy(&[done.stdout, done.stderr].concat()).into_owned();
        // Its last act is to start the service, and there is no service manager to ask.
        ensure!(said.contains("PASS joined as "), "the agent did not join: {said}");
        Ok(said)
    }

    /// Starts the service.
    pub fn begin(&mut self) -> Result<()> {
        ensure!(self.running.is_none(), "the agent is already running");
        let log = File::options().create(true).append(true).open(self.folder.join("agent.log"))?;
        let mut command = self.command(&["run"])?;
        command.stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log);
        self.running = Some(command.spawn().context("the agent cannot be started")?);
        Ok(())
    }

    /// When one of its reports was last answered, milliseconds since the Unix epoch; 0 if never.
    pub fn last_answered_ms(&self) -> i64 {
        let status = std::fs::read(self.folder.join("run/qianyun/status.json")).unwrap_or_default();
        serde_json::from_slice::<Value>(&status).unwrap_or_default()["lastReportUnixMs"].as_i64().unwrap_or_default()
    }

    fn command(&self, arguments: &[&str]) -> Result<Command> {
        let mut command = self.room.command(&self.entry);
        command.args([AS_SERVER.as_ref(), self.folder.as_os_str(), built("dist/qianyun-agent")?.as_os_str()]);
        command.args(arguments);
        Ok(command)
    }
}

impl Drop for Agent {
    fn drop(&mut self) {
        if let Some(mut agent) = self.running.take() {
            // It may have ended by itself.
            let _ = agent.kill();
            let _ = agent.wait();
        }
    }
}

/// In a mount namespace of its own: gives the agent its folders and its hardware's identity, then becomes the agent. `arguments`
/// are its folder, the program, and its arguments. Returns only if that fails.
pub fn as_server(mut arguments: impl Iterator<Item = OsString>) -> Result<()> {
    use std::os::unix::process::CommandExt;
    let folder: PathBuf = arguments.next().context("as-server: expected a folder, found nothing")?.into();
    let program = arguments.next().context("as-server: expected a program, found nothing")?;
    // Opened before the folders that it may lie in are covered.
    let program = File::open(&program).with_context(|| format!("{}: cannot be opened", program.display()))?;
    show_hardware(&folder)?;
    for (place, own) in OWN {
        mount_bind(folder.join(own), place).with_context(|| format!("{place}: cannot be given to the agent"))?;
    }
    let itself = format!("/proc/self/fd/{}", std::os::fd::AsRawFd::as_raw_fd(&program));
    Err(Command::new(itself).args(arguments).exec()).context("the agent cannot be run")
}

/// The devices of this network namespace, and beside them what firmware says, which no virtual machine of ours has.
fn show_hardware(folder: &Path) -> Result<()> {
    let aside = folder.join("classes");
    let plain = MountFlags::NOSUID | MountFlags::NODEV | MountFlags::NOEXEC;
    mount("sysfs", "/sys", "sysfs", plain, None::<&CStr>).context("the room's own devices")?;
    for class in CLASSES {
        std::fs::create_dir_all(aside.join(class))?;
        mount_bind(Path::new("/sys/class").join(class), aside.join(class)).context("setting a class aside")?;
    }
    mount("tmpfs", "/sys/class", "tmpfs", plain, None::<&CStr>).context("the classes of devices")?;
    for class in CLASSES {
        let place = Path::new("/sys/class").join(class);
        std::fs::create_dir(&place)?;
        mount_bind(aside.join(class), &place).context("putting a class back")?;
    }
    std::fs::create_dir_all("/sys/class/dmi/id")?;
    std::fs::write("/sys/class/dmi/id/product_uuid", SYSTEM_UUID).context("the hardware's identity")
}
