//! The target's drivers beside the vendor's initramfs, and a boot entry for both. The first thing that touches the disk.
//!
//! It adds files of its own and changes none: the vendor's initramfs, entries and settings stay as they are, and
//! removing our files and regenerating the menu is the whole undo. What it makes boots on the old hardware too. A server
//! whose initramfs has all the drivers is left alone.

mod drivers;

use super::{HostStep, Precheck, StepError};
use crate::host::Host;
use std::time::Duration;

/// Regenerating the menu looks at every disk.
const MENU_LIMIT: Duration = Duration::from_secs(300);

const ENTRY: &str = "/etc/grub.d/09_qianyun";
const DEFAULT: &str = "/etc/default/grub.d/qianyun.cfg";
const MENU: &str = "/boot/grub/grub.cfg";

/// `--id` of the entry.
const ID: &str = "qianyun";

const DEFAULT_TEXT: &str =
    "# Written by qianyun-agent; removed when its boot preparation is undone.\nGRUB_DEFAULT=qianyun\n";

/// Boot preparation for the running kernel.
#[derive(Debug, Clone, Copy)]
pub(crate) struct PrepareBoot;

/// The vendor's initramfs of the running kernel.
fn initramfs(host: &dyn Host) -> String {
    format!("/boot/initrd.img-{}", host.kernel().0)
}

/// Our archive.
fn archive(host: &dyn Host) -> String {
    format!("/boot/qianyun-drivers-{}.img", host.kernel().0)
}

fn kernel(host: &dyn Host) -> String {
    format!("/boot/vmlinuz-{}", host.kernel().0)
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
drivers=$(make_system_path_relative_to_its_root {drivers})
echo \"menuentry 'Linux {release}, prepared for the cloud' --id {ID} {{\"
prepare_grub_to_access_device \"${{GRUB_DEVICE_BOOT}}\"
echo \"  insmod gzio\"
echo \"  linux $kernel {command_line}\"
echo \"  initrd $initramfs $drivers\"
echo \"}}\"
",
        kernel = kernel(host),
        initramfs = initramfs(host),
        drivers = archive(host),
    ))
}

/// The running kernel's parameters, without those that the boot loader itself added.
fn command_line(running: &str) -> String {
    let words = running.split_whitespace().filter(|w| !w.starts_with("BOOT_IMAGE=") && !w.starts_with("initrd="));
    words.collect::<Vec<_>>().join(" ")
}

/// Whether the generated menu has the entry and starts it.
fn is_in_menu(menu: &str, archive: &str) -> bool {
    let file = archive.rsplit('/').next().unwrap_or_default();
    menu.contains(&format!("--id {ID} ")) && menu.contains(file) && menu.contains(&format!("set default=\"{ID}\""))
}

impl HostStep for PrepareBoot {
    fn name(&self) -> &'static str {
        "boot preparation"
    }

    fn precheck(&self, host: &dyn Host) -> Result<Precheck, StepError> {
        let needed = [MENU.to_owned(), kernel(host), initramfs(host)];
        if let Some(missing) = needed.iter().find(|path| !host.exists(path)) {
            return Ok(Precheck::Refused { expected: needed.join(", "), found: format!("no {missing}") });
        }
        let Some(drivers) = drivers::archive(host, &initramfs(host))? else { return Ok(Precheck::AlreadyDone) };
        let same = |path: &str, text: &str| host.text(path).as_deref() == Some(text.trim());
        let done = host.read(&archive(host)).is_ok_and(|found| found == drivers)
            && same(ENTRY, &entry(host)?)
            && same(DEFAULT, DEFAULT_TEXT)
            && is_in_menu(&host.text(MENU).unwrap_or_default(), &archive(host));
        Ok(if done { Precheck::AlreadyDone } else { Precheck::Ready })
    }

    fn act(&self, host: &dyn Host) -> Result<(), StepError> {
        let entry = entry(host)?;
        // An entry must not name an archive that is not there: the vendor's initramfs may have been made anew just now.
        let Some(drivers) = drivers::archive(host, &initramfs(host))? else { return Ok(()) };
        host.write(&archive(host), &drivers, 0o600)?;
        host.write(ENTRY, entry.as_bytes(), 0o755)?;
        host.write(DEFAULT, DEFAULT_TEXT.as_bytes(), 0o644)?;
        host.ask("update-grub", &[], MENU_LIMIT)?;
        Ok(())
    }

    fn undo(&self, host: &dyn Host) -> Result<(), StepError> {
        let archive = archive(host);
        let any = [DEFAULT, ENTRY, &archive].iter().any(|path| host.exists(path));
        host.remove(DEFAULT)?;
        host.remove(ENTRY)?;
        if any {
            // The menu first: an entry must not name a file that is gone.
            host.ask("update-grub", &[], MENU_LIMIT)?;
        }
        Ok(host.remove(&archive)?)
    }
}
