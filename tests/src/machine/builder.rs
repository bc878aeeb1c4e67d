//! A machine that exists to write disks: it boots a kernel with one program as its first process, and is done when that has
//! switched it off. It has no network, and nobody types at its console.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result};

use super::hardware::{self, Acceleration};
use super::power;
use crate::wait::{self, Look};

/// What the machine is made of.
pub(crate) struct Builder<'a> {
    /// Its kernel.
    pub(crate) kernel: &'a Path,
    /// And what that needs to find its system.
    pub(crate) initramfs: &'a Path,
    /// A file system with the program, no disk.
    pub(crate) system: &'a Path,
    /// What it does.
    pub(crate) program: &'a Path,
    /// The disks to be written, on the board's SATA ports.
    pub(crate) disks: &'a [PathBuf],
}

impl Builder<'_> {
    /// Runs it to its end and returns what its console showed.
    pub(crate) fn run(&self, console: &Path, within: Duration) -> Result<String> {
        let acceleration = power::acceleration(|probe| self.system(probe, true))?;
        let mut command = self.command(acceleration);
        command.arg("-serial").arg(format!("file:{}", console.display()));
        let mut machine = power::start(command, Stdio::null(), &console.with_extension("qemu.log"))?;
        let said = || std::fs::read(console).map(|said| String::from_utf8_lossy(&said).into_owned());
        let ended = wait::until("the builder has switched itself off", within, || {
            Ok(match machine.try_wait()? {
                Some(_) => Look::Holds(()),
                None => Look::NotYet(said().unwrap_or_default().lines().last().unwrap_or_default().to_owned()),
            })
        });
        // It may have ended by itself.
        let _ = machine.kill();
        machine.wait()?;
        ended?;
        said().with_context(|| format!("{}: cannot be read", console.display()))
    }

    fn command(&self, acceleration: Acceleration) -> Command {
        let mut command = Command::new("qemu-system-x86_64");
        hardware::board(&mut command, acceleration);
        // A kernel whose first process died restarts the machine; here that ends it.
        command.arg("-no-reboot");
        self.system(&mut command, false);
        for (port, disk) in self.disks.iter().enumerate() {
            hardware::disk(&mut command, port, disk, false);
        }
        command
    }

    /// The kernel and its system, on a disk that no port of the board is taken by.
    fn system(&self, command: &mut Command, snapshot: bool) {
        let words = format!("root=/dev/vda rw console=ttyS0 mitigations=off panic=-1 init={}", self.program.display());
        command.arg("-kernel").arg(self.kernel).arg("-initrd").arg(self.initramfs).arg("-append").arg(words);
        let snapshot = if snapshot { "on" } else { "off" };
        let system = self.system.display();
        command.arg("-drive").arg(format!("file={system},if=virtio,format=raw,cache=unsafe,snapshot={snapshot}"));
    }
}
