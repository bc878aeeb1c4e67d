//! The office server as a machine: a whole computer in QEMU that looks to its software like a rack server with SATA disks
//! and an Intel network card. It is switched on, cut from power, and looked at from outside or through its serial console.
//!
//! It never offers the guest anything that a physical server would not have: no virtio device (before it has moved), no guest
//! agent channel, no hypervisor bit.

mod builder;
mod console;
mod hardware;
mod power;
mod qmp;

pub(crate) use builder::Builder;
pub use console::{Console, Output};

use std::fs::File;
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, ensure};

use crate::site::{OFFICE_ADDRESS, Site};
use crate::wait::{self, Look};
use hardware::Devices;

/// Where PostgreSQL listens on the office server.
pub const DATABASE_PORT: u16 = 5432;

/// Emulation takes 40 s from power-on to a listening database with a core to itself, and minutes beside a build.
const READY_WITHIN: Duration = Duration::from_secs(600);
/// How long a look may wait for an answer on the network.
const CONNECT_WITHIN: Duration = Duration::from_secs(2);

/// QEMU makes its sockets before anything else.
const MONITOR_WITHIN: Duration = Duration::from_secs(30);

/// The office server. Dropping it cuts its power.
pub struct OfficeServer {
    folder: PathBuf,
    namespace: PathBuf,
    tap: String,
    disks: Vec<PathBuf>,
    devices: Devices,
    running: Option<Child>,
    starts: u32,
}

impl OfficeServer {
    /// Puts a server with this disk image at the site: its own copy of the disk, its console logs and its sockets are in
    /// `folder`. It is switched off.
    pub fn install(site: &Site, image: &Path, folder: &Path) -> Result<Self> {
        Self::install_with(site, &[image.to_owned()], folder)
    }

    /// The same with several disks, in the order of their ports.
    pub fn install_with(site: &Site, images: &[PathBuf], folder: &Path) -> Result<Self> {
        std::fs::create_dir_all(folder).with_context(|| format!("{}: cannot be made", folder.display()))?;
        let mut server = Self::stand(site, folder)?;
        server.disks.extend((1..images.len()).map(|port| folder.join(format!("disk-{port}.raw"))));
        for (image, disk) in images.iter().zip(&server.disks) {
            crate::image::copy_to(image, disk)?;
        }
        std::fs::write(server.folder.join("bios.smbios"), hardware::bios_table())?;
        Ok(server)
    }

    /// The same disks in a machine of the cloud: on virtio, with its network.
    pub fn moved(mut self) -> Self {
        self.devices = Devices::Virtual;
        self
    }

    /// The server whose disk is in `folder` already, on this site's network.
    pub(crate) fn stand(site: &Site, folder: &Path) -> Result<Self> {
        let server = Self {
            folder: folder.to_owned(),
            namespace: site.path(),
            tap: "office0".to_owned(),
            disks: vec![folder.join("disk.raw")],
            devices: Devices::Physical,
            running: None,
            starts: 0,
        };
        site.add_tap(&server.tap)?;
        Ok(server)
    }

    /// The first disk: a plain raw file that only this server writes.
    pub fn disk(&self) -> &Path {
        &self.disks[0]
    }

    /// The cable to the site's bridge.
    pub fn tap(&self) -> &str {
        &self.tap
    }

    /// What the console showed since the last power-on; evidence for every failure.
    pub fn console_log(&self) -> PathBuf {
        self.folder.join(format!("console-{}.log", self.starts))
    }

    /// Switches it on.
    pub fn power_on(&mut self) -> Result<()> {
        ensure!(!self.is_on()?, "the office server is already on");
        let command = self.command()?;
        self.running = Some(power::start(command, Stdio::null(), &self.folder.join("qemu.log"))?);
        Ok(())
    }

    fn command(&mut self) -> Result<Command> {
        self.starts += 1;
        Ok(hardware::command(&hardware::Wiring {
            namespace: &self.namespace,
            folder: &self.folder,
            disks: &self.disks,
            console_log: &self.console_log(),
            tap: &self.tap,
            devices: self.devices,
            acceleration: power::acceleration(|probe| hardware::disk(probe, 0, self.disk(), true))?,
        }))
    }

    /// Stands still, keeps its memory in `file`, and runs `meanwhile`, while nothing of it changes; then it goes on.
    pub(crate) fn keep(&self, file: &Path, meanwhile: impl FnOnce() -> Result<()>) -> Result<()> {
        let mut monitor = qmp::Monitor::open(&self.monitor())?;
        monitor.stand_still()?;
        let kept = monitor.keep(file).and_then(|()| meanwhile());
        monitor.go_on()?;
        kept
    }

    /// Goes on from what [`OfficeServer::keep`] kept, with the disk as it was then. Its clock stands at that time.
    pub(crate) fn go_on_from(&mut self, file: &Path) -> Result<()> {
        ensure!(!self.is_on()?, "the office server is already on");
        let mut command = self.command()?;
        command.args(["-incoming", "fd:0"]);
        // The socket of the run that it was kept in would be taken for the new one.
        let _ = std::fs::remove_file(self.monitor());
        let memory = File::open(file).with_context(|| format!("{}: cannot be read", file.display()))?;
        self.running = Some(power::start(command, memory.into(), &self.folder.join("qemu.log"))?);
        let monitor = self.monitor();
        wait::until("the machine's monitor listens", MONITOR_WITHIN, || {
            ensure!(self.is_on()?, "it did not start; see {}", self.folder.join("qemu.log").display());
            Ok(if monitor.exists() { Look::Holds(()) } else { Look::NotYet("no socket".into()) })
        })?;
        qmp::Monitor::open(&monitor)?.go_on_as_kept()
    }

    fn monitor(&self) -> PathBuf {
        self.folder.join("qmp.socket")
    }

    /// Cuts its power: no warning, no sync, whatever it is doing. What it had flushed to its disk stays.
    pub fn cut_power(&mut self) -> Result<()> {
        if let Some(mut machine) = self.running.take() {
            machine.kill().context("the office server's power cannot be cut")?;
            machine.wait()?;
        }
        Ok(())
    }

    /// Whether it is powered. A server that switched itself off is not.
    pub fn is_on(&mut self) -> Result<bool> {
        let ended = match &mut self.running {
            Some(machine) => machine.try_wait().context("the office server's process cannot be asked")?.is_some(),
            None => return Ok(false),
        };
        if ended {
            self.running = None;
        }
        Ok(!ended)
    }

    /// Whether its processor runs. A machine that has switched itself off is still being put away for a while, where the host
    /// has much to write; it answers nobody then.
    pub(crate) fn is_running(&mut self) -> Result<bool> {
        let monitor = self.monitor();
        Ok(self.is_on()? && qmp::Monitor::open(&monitor).and_then(|mut monitor| monitor.is_running()).unwrap_or(false))
    }

    /// Waits until its database listens.
    pub fn wait_until_serving(&mut self) -> Result<()> {
        self.wait_until_listening(DATABASE_PORT)
    }

    /// Waits until something on it listens on this port.
    pub fn wait_until_listening(&mut self, port: u16) -> Result<()> {
        let address = SocketAddr::from((OFFICE_ADDRESS, port));
        let namespace = self.namespace.clone();
        wait::until("the office server listens", READY_WITHIN, || {
            ensure!(self.is_on()?, "it switched itself off; its console is {}", self.console_log().display());
            Ok(match connects(&namespace, address)? {
                Ok(()) => Look::Holds(()),
                Err(error) => Look::NotYet(format!("{address}: {error}; console: {}", self.console_log().display())),
            })
        })
    }

    /// Waits until it is off, as after its own power-off.
    pub fn wait_until_off(&mut self, within: Duration) -> Result<()> {
        wait::until("the office server is off", within, || {
            Ok(if self.is_on()? { Look::NotYet("its process still runs".into()) } else { Look::Holds(()) })
        })
    }

    /// A shell at its serial console, as its admin has one in the machine room.
    pub fn console(&self) -> Result<Console> {
        Console::open(&self.folder.join("console.socket"))
    }
}

impl Drop for OfficeServer {
    fn drop(&mut self) {
        if let Err(error) = self.cut_power() {
            eprintln!("office server: {error:#}");
        }
    }
}

/// Whether something at the site accepts a connection. The outer error is ours, the inner one is the answer.
fn connects(namespace: &Path, address: SocketAddr) -> Result<std::io::Result<()>> {
    std::thread::scope(|scope| {
        scope
            .spawn(|| {
                crate::site::enter_thread(namespace)?;
                Ok(TcpStream::connect_timeout(&address, CONNECT_WITHIN).map(drop))
            })
            .join()
            .expect("connecting does not panic")
    })
}
