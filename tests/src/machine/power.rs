//! Starting a machine's process, and finding out whether KVM really works here: a nested KVM may open, run the firmware, and
//! hang in the kernel. So it is tried on the machine's own system, and believed when its kernel has spoken.

use std::fs::{self, File};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result};

use super::hardware::{self, Acceleration};
use crate::wait::{self, Look};

/// A server under working KVM writes its first words within 5 s.
const KVM_SPEAKS_WITHIN: Duration = Duration::from_secs(20);

/// Starts the machine. What QEMU itself says goes to `log`.
pub(super) fn start(mut command: Command, input: Stdio, log: &Path) -> Result<Child> {
    let log = File::create(log).with_context(|| format!("{}: cannot be written", log.display()))?;
    command
        .stdin(input)
        .stdout(log.try_clone()?)
        .stderr(log)
        .spawn()
        .with_context(|| format!("{command:?} cannot be started: is qemu-system-x86 installed?"))
}

/// KVM if it works, translation if not; `system` adds what is booted to find out, without writing it. The answer holds until the host boots again and is kept in the cache.
pub(super) fn acceleration(system: impl FnOnce(&mut Command)) -> Result<Acceleration> {
    if !Path::new("/dev/kvm").exists() {
        return Ok(Acceleration::Tcg);
    }
    let boot = fs::read_to_string("/proc/sys/kernel/random/boot_id").context("the host's boot has no id")?;
    let known = crate::image::cache_folder()?.join(format!("kvm-{}", boot.trim()));
    match fs::read_to_string(&known).as_deref() {
        Ok("works") => return Ok(Acceleration::Kvm),
        Ok(_) => return Ok(Acceleration::Tcg),
        Err(_) => {}
    }
    let works = try_kvm(system)?;
    fs::write(&known, if works { "works" } else { "fails" })
        .with_context(|| format!("{}: cannot be written", known.display()))?;
    Ok(if works { Acceleration::Kvm } else { Acceleration::Tcg })
}

/// Boots the system that is added under KVM, without a network, until its console says something.
fn try_kvm(system: impl FnOnce(&mut Command)) -> Result<bool> {
    let folder = tempfile::tempdir()?;
    let console = folder.path().join("console.log");
    let mut command = Command::new("qemu-system-x86_64");
    hardware::board(&mut command, Acceleration::Kvm);
    system(&mut command);
    command.arg("-serial").arg(format!("file:{}", console.display()));
    let mut machine = start(command, Stdio::null(), &folder.path().join("qemu.log"))?;
    let spoke = wait::until("a machine under KVM speaks", KVM_SPEAKS_WITHIN, || {
        if machine.try_wait()?.is_some() {
            return Ok(Look::Holds(false));
        }
        let said = fs::metadata(&console).map_or(0, |file| file.len());
        Ok(if said > 0 { Look::Holds(true) } else { Look::NotYet("its console is empty".into()) })
    });
    // It may have ended by itself.
    let _ = machine.kill();
    machine.wait()?;
    Ok(spoke.unwrap_or(false))
}
