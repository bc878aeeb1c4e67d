//! A second initramfs with the target's drivers, and a boot entry for it. The first thing that touches the disk.
//!
//! It adds files of its own and changes none: the vendor's initramfs, entries and settings stay as they are, and
//! removing our files and regenerating the menu is the whole undo. What it makes boots on the old hardware too.

use super::{HostStep, Precheck, StepError};
use crate::host::{Host, HostError};
use crate::inventory::{initramfs_files, module_name};
use std::time::Duration;

/// Building an initramfs takes 20 s on an old server and some minutes on one that is busy.
const BUILD_LIMIT: Duration = Duration::from_secs(1800);
/// Regenerating the menu looks at every disk.
const MENU_LIMIT: Duration = Duration::from_secs(300);

const ENTRY: &str = "/etc/grub.d/09_qianyun";
const DEFAULT: &str = "/etc/default/grub.d/qianyun.cfg";
const MENU: &str = "/boot/grub/grub.cfg";
const SOURCE: &str = "/etc/initramfs-tools";

/// `--id` of the entry.
const ID: &str = "qianyun";

const DEFAULT_TEXT: &str =
    "# Written by qianyun-agent; removed when its boot preparation is undone.\nGRUB_DEFAULT=qianyun\n";

/// Modules to be loaded early: the target's disk and card, the ladder of buses below them, the filesystems of a root.
const WANTED: [&str; 10] =
    ["virtio_pci", "virtio_blk", "virtio_scsi", "virtio_net", "ahci", "sd_mod", "nvme", "ext4", "xfs", "dm_mod"];

/// Without these the target does not find its disk.
const NEEDED: [&str; 2] = ["virtio_pci", "virtio_blk"];

/// Boot preparation for the running kernel.
#[derive(Debug, Clone)]
pub(crate) struct PrepareBoot {
    /// Where the copied initramfs configuration lies.
    pub(crate) work: String,
}

impl PrepareBoot {
    pub(crate) fn new(state: &str) -> Self {
        Self { work: format!("{state}/initramfs") }
    }

    fn initramfs(host: &dyn Host) -> String {
        format!("/boot/initrd.img-{}-qianyun", host.kernel().0)
    }

    fn kernel(host: &dyn Host) -> String {
        format!("/boot/vmlinuz-{}", host.kernel().0)
    }

    /// Drivers that the initramfs at `path` lacks; those that are built into the kernel are never missing.
    fn missing(host: &dyn Host, path: &str) -> Result<Vec<&'static str>, HostError> {
        let files = initramfs_files(host, path)?;
        let built_in = host.text(&format!("/lib/modules/{}/modules.builtin", host.kernel().0)).unwrap_or_default();
        let has =
            |driver: &str| files.lines().chain(built_in.lines()).any(|p| module_name(p).as_deref() == Some(driver));
        Ok(NEEDED.into_iter().filter(|driver| !has(driver)).collect())
    }

    fn build(&self, host: &dyn Host) -> Result<(), StepError> {
        let (release, _) = host.kernel();
        let path = Self::initramfs(host);
        if host.exists(&path) && Self::missing(host, &path)?.is_empty() {
            return Ok(());
        }
        self.copy_configuration(host)?;
        let unfinished = format!("{path}.new");
        host.remove(&unfinished)?;
        host.ask("mkinitramfs", &["-d", &self.work, "-o", &unfinished, &release], BUILD_LIMIT)?;
        let missing = Self::missing(host, &unfinished)?;
        if !missing.is_empty() {
            host.remove(&unfinished)?;
            let found = format!("one without {}", missing.join(", "));
            return Err(StepError::Refused { expected: "an initramfs with the target's drivers".into(), found });
        }
        host.rename(&unfinished, &path)?;
        Ok(host.remove_tree(&self.work)?)
    }

    /// The host's own configuration, with our modules: the host's hooks and settings stay in force.
    fn copy_configuration(&self, host: &dyn Host) -> Result<(), HostError> {
        host.remove_tree(&self.work)?;
        copy_tree(host, SOURCE, &self.work, 0)?;
        let own = host.text(&format!("{SOURCE}/modules")).unwrap_or_default();
        let modules = format!("{own}\n# added by qianyun-agent\n{}\n", WANTED.join("\n"));
        // Listed modules are added and loaded whatever the host's own choice (`most`, `dep`, `list`) leaves out.
        host.write(&format!("{}/modules", self.work), modules.as_bytes(), 0o644)
    }
}

/// The deepest honest tree is `scripts/local-premount/x`.
const MAX_DEPTH: usize = 4;

fn copy_tree(host: &dyn Host, from: &str, to: &str, depth: usize) -> Result<(), HostError> {
    for name in host.list(from)? {
        let (source, target) = (format!("{from}/{name}"), format!("{to}/{name}"));
        if host.is_dir(&source) {
            if depth < MAX_DEPTH {
                copy_tree(host, &source, &target, depth + 1)?;
            }
        } else {
            // Hooks and scripts are programs.
            host.write(&target, &host.read(&source)?, 0o755)?;
        }
    }
    Ok(())
}

/// The menu entry, as a script of `/etc/grub.d`. GRUB's own tool says where the files lie: an LVM or a separate `/boot`
/// needs other commands than a plain partition.
fn entry(host: &dyn Host) -> Result<String, StepError> {
    let (release, _) = host.kernel();
    let command_line = command_line(&host.text("/proc/cmdline").unwrap_or_default());
    let expected = "a kernel command line of plain words with root=".to_owned();
    if !command_line.contains("root=") || command_line.contains(['\n', '"', '\'', '\\', '`', '$']) {
        return Err(StepError::Refused { expected, found: command_line });
    }
    Ok(format!(
        "#!/bin/sh
# Written by qianyun-agent; removed when its boot preparation is undone. It boots here and in the cloud.
set -e
. \"$pkgdatadir/grub-mkconfig_lib\"
kernel=$(make_system_path_relative_to_its_root {kernel})
initramfs=$(make_system_path_relative_to_its_root {initramfs})
echo \"menuentry 'Linux {release}, prepared for the cloud' --id {ID} {{\"
prepare_grub_to_access_device \"${{GRUB_DEVICE_BOOT}}\"
echo \"  insmod gzio\"
echo \"  linux $kernel {command_line}\"
echo \"  initrd $initramfs\"
echo \"}}\"
",
        kernel = PrepareBoot::kernel(host),
        initramfs = PrepareBoot::initramfs(host),
    ))
}

/// The running kernel's parameters, without those that the boot loader itself added.
fn command_line(running: &str) -> String {
    let words = running.split_whitespace().filter(|w| !w.starts_with("BOOT_IMAGE=") && !w.starts_with("initrd="));
    words.collect::<Vec<_>>().join(" ")
}

/// Whether the generated menu has the entry and starts it.
fn is_in_menu(menu: &str, initramfs: &str) -> bool {
    let file = initramfs.rsplit('/').next().unwrap_or_default();
    menu.contains(&format!("--id {ID} ")) && menu.contains(file) && menu.contains(&format!("set default=\"{ID}\""))
}

impl HostStep for PrepareBoot {
    fn name(&self) -> &'static str {
        "boot preparation"
    }

    fn precheck(&self, host: &dyn Host) -> Result<Precheck, StepError> {
        if !host.exists(MENU) || !host.exists(&Self::kernel(host)) || !host.exists(SOURCE) {
            let expected = format!("{MENU}, {} and {SOURCE}", Self::kernel(host));
            return Ok(Precheck::Refused { expected, found: "at least one of them is missing".into() });
        }
        let initramfs = Self::initramfs(host);
        let same = |path: &str, text: &str| host.text(path).as_deref() == Some(text.trim());
        let done = host.exists(&initramfs)
            && same(ENTRY, &entry(host)?)
            && same(DEFAULT, DEFAULT_TEXT)
            && is_in_menu(&host.text(MENU).unwrap_or_default(), &initramfs)
            && !host.exists(&self.work)
            && Self::missing(host, &initramfs)?.is_empty();
        Ok(if done { Precheck::AlreadyDone } else { Precheck::Ready })
    }

    fn act(&self, host: &dyn Host) -> Result<(), StepError> {
        let entry = entry(host)?;
        self.build(host)?;
        host.remove_tree(&self.work)?;
        host.write(ENTRY, entry.as_bytes(), 0o755)?;
        host.write(DEFAULT, DEFAULT_TEXT.as_bytes(), 0o644)?;
        host.ask("update-grub", &[], MENU_LIMIT)?;
        Ok(())
    }

    fn undo(&self, host: &dyn Host) -> Result<(), StepError> {
        let initramfs = Self::initramfs(host);
        let ours = [DEFAULT.to_owned(), ENTRY.to_owned(), format!("{initramfs}.new"), initramfs];
        let any = ours.iter().any(|path| host.exists(path));
        host.remove_tree(&self.work)?;
        for path in &ours[..2] {
            host.remove(path)?;
        }
        if any {
            // The menu first: an entry must not name a file that is gone.
            host.ask("update-grub", &[], MENU_LIMIT)?;
        }
        for path in &ours[2..] {
            host.remove(path)?;
        }
        Ok(())
    }
}
