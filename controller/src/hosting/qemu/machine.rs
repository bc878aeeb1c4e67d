//! Machines: one QEMU process per migration, on qcow2 overlays of the volumes, on taps of the site's bridges.
//!
//! QEMU reads the volumes as backing files and writes the overlays. A machine is started only where no receiver runs,
//! and never twice: its lock is held by the process itself.

use super::super::{HostingError, MachineSpec, MachineState, MigrationKey, machine_mac};
use super::process::{Slot, run};
use super::{failed, make_dir, qmp, sync_dir, volume};
use qianyun_crds::Accelerator;
use qianyun_planning::demand::MACHINE_SLOTS;
use serde_json::json;
use sha2::{Digest, Sha256};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{Duration, Instant};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, BufReader};
use tokio::process::Command;

const QEMU: &str = "qemu-system-x86_64";
/// `qemu-img create` of an overlay writes a few hundred KiB; `ip` a few bytes to the kernel.
const QUICK: Duration = Duration::from_secs(30);
/// QEMU opens its socket before it runs the guest; it has set up its memory by then.
const STARTED_WITHIN: Duration = Duration::from_secs(20);
/// Emulated, firmware is through its self-test in a fifth of a second; on a machine that is very busy it takes longer.
const FIRMWARE_LIMIT: Duration = Duration::from_secs(10);
/// On a KVM that works it takes no longer than emulated, at the same moment. One that half works was seen to take twenty times
/// as long, where it did not hang.
const KVM_TIMES_EMULATED: u32 = 4;
/// What a busy machine may add to a run that takes a fifth of a second.
const LEAST_KVM_LIMIT: Duration = Duration::from_secs(1);
/// Of a KVM that half works one run in three ended.
const KVM_RUNS: usize = 3;
/// It writes 4 KiB about itself; a hundred times that is no firmware.
const FIRMWARE_BYTES: u64 = 400 * 1024;
/// Where a machine is made, and how it runs.
pub(super) struct Machine<'a> {
    /// Its own directory.
    pub(super) dir: &'a Path,
    /// Directory of the volumes.
    pub(super) volumes: &'a Path,
    pub(super) accelerator: Accelerator,
}

/// KVM if a guest really executes on it here. That `/dev/kvm` is there proves nothing: in a nested
/// machine it may open and then fail, hang, or do so at times. So the firmware is run through its whole self-test, timers and
/// all, more than once, and no slower than emulated.
pub(super) async fn find_accelerator() -> Accelerator {
    let began = Instant::now();
    // Where even the emulator does not come so far, nothing is proved.
    if !firmware_ends(Accelerator::Tcg, FIRMWARE_LIMIT).await {
        return Accelerator::Tcg;
    }
    let limit = (began.elapsed() * KVM_TIMES_EMULATED).clamp(LEAST_KVM_LIMIT, FIRMWARE_LIMIT);
    for _ in 0..KVM_RUNS {
        if !firmware_ends(Accelerator::Kvm, limit).await {
            return Accelerator::Tcg;
        }
    }
    Accelerator::Kvm
}

/// As QEMU calls them: the accelerator, and the processor that goes with it.
fn names(accelerator: Accelerator) -> (&'static str, &'static str) {
    match accelerator {
        Accelerator::Kvm => ("kvm", "host"),
        Accelerator::Tcg => ("tcg,thread=multi", "max"),
    }
}

async fn firmware_ends(accelerator: Accelerator, limit: Duration) -> bool {
    matches!(tokio::time::timeout(limit, run_firmware(accelerator)).await, Ok(Ok(true)))
}

/// Whether the firmware reports the end of its self-test.
async fn run_firmware(accelerator: Accelerator) -> std::io::Result<bool> {
    let mut command = Command::new(QEMU);
    let (accelerator, processor) = names(accelerator);
    command.args(["-accel", accelerator, "-cpu", processor]);
    command.args(["-m", "32", "-display", "none", "-nodefaults", "-no-user-config"]);
    // It ends by itself then: nobody else would end it where the controller is killed meanwhile.
    command.args(["-no-reboot", "-boot", "reboot-timeout=1000"]);
    command.args(["-chardev", "stdio,id=debug", "-device", "isa-debugcon,iobase=0x402,chardev=debug"]);
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null()).kill_on_drop(true);
    let mut child = command.spawn()?;
    let Some(output) = child.stdout.take() else { return Ok(false) };
    let mut lines = BufReader::new(output.take(FIRMWARE_BYTES)).lines();
    while let Some(line) = lines.next_line().await? {
        if line.starts_with("No bootable device") {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Refuses if a machine was ever made here: its overlays are worth nothing once the volumes below them change.
pub(super) fn refuse_if_made(dir: &Path) -> Result<(), HostingError> {
    if !is_made(dir) {
        return Ok(());
    }
    Err(HostingError::Refused {
        what: format!("the machine in {}", dir.display()),
        expected: "none, before a receiver writes the volumes".to_owned(),
        found: "overlays of a machine".to_owned(),
    })
}

/// How the machine is.
pub(super) async fn observe(dir: &Path) -> Result<MachineState, HostingError> {
    if !is_made(dir) {
        return Ok(MachineState::Absent);
    }
    if !Slot::new(dir).is_taken()? {
        return Ok(MachineState::Stopped);
    }
    Ok(match qmp::execute(dir, "query-status").await {
        Ok(answer) if answer["running"] == true => MachineState::Running,
        Ok(answer) => MachineState::Unknown { reason: format!("qemu says {}", answer["status"]) },
        Err(HostingError::Failed { what, source }) => {
            MachineState::Unknown { reason: format!("{what} failed: {source}") }
        }
        Err(refused @ HostingError::Refused { .. }) => return Err(refused),
    })
}

impl Machine<'_> {
    /// Runs the machine. `no_receiver` is asked once the overlays exist, because a receiver looks for overlays before
    /// it starts: whichever comes second sees the other.
    pub(super) async fn ensure(
        &self,
        migration: &MigrationKey,
        spec: &MachineSpec,
        no_receiver: &(dyn Fn() -> Result<(), HostingError> + Sync),
    ) -> Result<(), HostingError> {
        check(spec)?;
        make_dir(self.dir)?;
        let slot = Slot::new(self.dir);
        let Some(free) = slot.take()? else { return Ok(()) };
        no_receiver()?;
        let made = self.make_overlays(&spec.volumes).await?;
        if let Err(refused) = no_receiver() {
            remove(&made)?;
            return Err(refused);
        }
        for (index, nic) in spec.nics.iter().enumerate() {
            ensure_tap(&tap_name(self.dir, index), &nic.bridge).await?;
        }
        let arguments = self.arguments(migration, spec)?;
        slot.start(free, Path::new(QEMU), &arguments, &self.dir.join("qemu.log"))?;
        self.wait_until_started(&slot).await
    }

    /// Makes the overlays that are missing; gives those that it made.
    async fn make_overlays(&self, volumes: &[String]) -> Result<Vec<PathBuf>, HostingError> {
        let mut made = Vec::new();
        for name in volumes {
            let (raw, overlay) = (absolute(&volume::path(self.volumes, name)?)?, self.overlay(name));
            if overlay.exists() {
                continue;
            }
            let fresh = overlay.with_extension("new");
            let (raw, fresh_text) = (text(&raw)?, text(&fresh)?);
            run("qemu-img", &["create", "-q", "-f", "qcow2", "-b", raw, "-F", "raw", fresh_text], QUICK).await?;
            std::fs::rename(&fresh, &overlay).map_err(|error| failed("making overlay", &overlay, error))?;
            sync_dir(&overlay).map_err(|error| failed("making overlay", &overlay, error))?;
            made.push(overlay);
        }
        Ok(made)
    }

    fn overlay(&self, name: &str) -> PathBuf {
        self.dir.join(format!("{name}.qcow2"))
    }

    fn arguments(&self, migration: &MigrationKey, spec: &MachineSpec) -> Result<Vec<String>, HostingError> {
        let mut arguments: Vec<String> = Vec::new();
        let mut add = |flag: &str, value: String| arguments.extend([flag.to_owned(), value]);
        add("-name", format!("guest=qianyun-{}", short_digest(&migration.to_string())));
        add("-machine", "q35".to_owned());
        let (accelerator, processor) = names(self.accelerator);
        add("-accel", accelerator.to_owned());
        add("-cpu", processor.to_owned());
        add("-smp", spec.cpus.to_string());
        add("-m", format!("{}M", spec.memory_mib));
        add("-uuid", uuid(&format!("qianyun machine {migration}")));
        add("-display", "none".to_owned());
        // A boot loader with a graphical menu wants a screen, also where nobody looks.
        add("-vga", "std".to_owned());
        // A console to sit down at, as in a machine room; what it showed is kept either way.
        let console = "socket,id=console,path=console.sock,server=on,wait=off,logfile=console.log,logappend=on";
        add("-chardev", console.to_owned());
        add("-serial", "chardev:console".to_owned());
        add("-qmp", format!("unix:{},server=on,wait=off", qmp::SOCKET));
        add("-device", "virtio-rng-pci".to_owned());
        for (index, name) in spec.volumes.iter().enumerate() {
            let file = absolute(&self.overlay(name))?;
            let file = json!({"driver": "file", "filename": text(&file)?});
            let node =
                json!({"driver": "qcow2", "node-name": format!("disk{index}"), "discard": "unmap", "file": file});
            add("-blockdev", node.to_string());
            add("-device", format!("virtio-blk-pci,drive=disk{index},serial={name},bootindex={index}"));
        }
        for (index, nic) in spec.nics.iter().enumerate() {
            let tap = tap_name(self.dir, index);
            add("-netdev", format!("tap,id=net{index},ifname={tap},script=no,downscript=no"));
            add("-device", format!("virtio-net-pci,netdev=net{index},mac={},romfile=", nic.mac));
        }
        arguments.extend(["-nodefaults", "-no-user-config"].map(str::to_owned));
        Ok(arguments)
    }

    async fn wait_until_started(&self, slot: &Slot) -> Result<(), HostingError> {
        let deadline = tokio::time::Instant::now() + STARTED_WITHIN;
        loop {
            if qmp::execute(self.dir, "query-status").await.is_ok() {
                return Ok(());
            }
            let ended = !slot.is_taken()?;
            if ended || tokio::time::Instant::now() >= deadline {
                let log = std::fs::read_to_string(self.dir.join("qemu.log")).unwrap_or_default();
                let words = log.lines().last().unwrap_or("its log is empty").to_owned();
                return Err(failed("starting the machine of", self.dir, words));
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }
}

fn is_made(dir: &Path) -> bool {
    let files = std::fs::read_dir(dir).into_iter().flatten().flatten();
    files.map(|file| file.path()).any(|path| path.extension().is_some_and(|extension| extension == "qcow2"))
}

fn remove(overlays: &[PathBuf]) -> Result<(), HostingError> {
    overlays.iter().try_for_each(|path| std::fs::remove_file(path).map_err(|error| failed("removing", path, error)))
}

/// Everything that goes into QEMU's arguments is checked here, because commas mean something there.
fn check(spec: &MachineSpec) -> Result<(), HostingError> {
    let refuse = |what: &str, expected: String, found: String| {
        Err(HostingError::Refused { what: format!("{what} of the machine of {}", spec.host), expected, found })
    };
    // What no scheme was approved with: its gate counts the same.
    let devices = spec.volumes.len() + spec.nics.len();
    if devices > MACHINE_SLOTS {
        return refuse("disks and nics", format!("at most {MACHINE_SLOTS}"), devices.to_string());
    }
    if spec.volumes.is_empty() {
        return refuse("disks", "at least 1".to_owned(), "0".to_owned());
    }
    for (index, nic) in spec.nics.iter().enumerate() {
        let mac = machine_mac(&spec.host, index);
        if nic.mac != mac {
            return refuse("mac address", mac, nic.mac.clone());
        }
    }
    Ok(())
}

/// A tap of our own on the site's bridge: QEMU's own helper would have to be setuid.
async fn ensure_tap(tap: &str, bridge: &str) -> Result<(), HostingError> {
    let name_fits = (1..=15).contains(&bridge.len()) && !bridge.starts_with('-');
    if !name_fits || run("ip", &["link", "show", "dev", bridge], QUICK).await.is_err() {
        return Err(HostingError::Refused {
            what: "a network of the platform".to_owned(),
            expected: format!("a linux bridge {bridge:?} where the controller runs"),
            found: "none of that name; make the bridge or correct the platform's networks".to_owned(),
        });
    }
    if run("ip", &["link", "show", "dev", tap], QUICK).await.is_err() {
        run("ip", &["tuntap", "add", "dev", tap, "mode", "tap"], QUICK).await?;
    }
    run("ip", &["link", "set", "dev", tap, "master", bridge, "up"], QUICK).await.map(drop)
}

/// Interface names have 15 bytes at most.
fn tap_name(dir: &Path, index: usize) -> String {
    format!("qy{}{index}", &short_digest(&dir.display().to_string())[..10])
}

fn short_digest(text: &str) -> String {
    hex::encode(&Sha256::digest(text.as_bytes())[..8])
}

/// A UUID of `name`, the same every time (version 8 of RFC 9562: by a rule of our own).
fn uuid(name: &str) -> String {
    let mut b = Sha256::digest(name.as_bytes());
    b[6] = (b[6] & 0x0f) | 0x80;
    b[8] = (b[8] & 0x3f) | 0x80;
    let h = hex::encode(&b[..16]);
    format!("{}-{}-{}-{}-{}", &h[..8], &h[8..12], &h[12..16], &h[16..20], &h[20..])
}

fn absolute(path: &Path) -> Result<PathBuf, HostingError> {
    std::path::absolute(path).map_err(|error| failed("finding", path, error))
}

fn text(path: &Path) -> Result<&str, HostingError> {
    path.to_str().ok_or_else(|| failed("naming", path, "expected a path in utf-8"))
}
