//! Firmware mode, boot loader, and which drivers the kernel and its initramfs have.

use super::DRIVERS;
use crate::host::{Host, HostError};
use qianyun_agent_api::inventory::{Boot, FirmwareMode};
use std::time::Duration;

/// Listing an initramfs of 100 MB takes seconds on a slow machine.
const LIST_LIMIT: Duration = Duration::from_secs(120);

pub(super) fn collect(host: &dyn Host) -> Boot {
    let kernel = host.kernel().0;
    let tool = tool(host);
    let initramfs = ["initrd.img-", "initramfs-"]
        .iter()
        .flat_map(|prefix| [format!("/boot/{prefix}{kernel}"), format!("/boot/{prefix}{kernel}.img")])
        .find(|path| host.exists(path))
        .unwrap_or_default();
    let modules = |name: &str| host.text(&format!("/lib/modules/{kernel}/{name}")).unwrap_or_default();
    let built_in = present(&modules("modules.builtin"));
    let mut in_kernel = present(&modules("modules.dep"));
    in_kernel.extend(built_in.iter().cloned());
    let mut in_initramfs = present(&initramfs_files(host, &initramfs).unwrap_or_default());
    if !initramfs.is_empty() {
        in_initramfs.extend(built_in);
    }
    Boot {
        firmware: if host.exists("/sys/firmware/efi") { FirmwareMode::Uefi } else { FirmwareMode::Bios },
        loader: loader(host),
        initramfs,
        initramfs_drivers: in_order(&in_initramfs),
        kernel_drivers: in_order(&in_kernel),
        initramfs_tool: tool,
    }
}

/// Paths of the files in an initramfs, one per line.
pub(crate) fn initramfs_files(host: &dyn Host, path: &str) -> Result<String, HostError> {
    let lister = if tool(host) == "dracut" { "lsinitrd" } else { "lsinitramfs" };
    host.ask(lister, &[path], LIST_LIMIT)
}

/// The module that a path ends in, as `virtio_blk` of `kernel/drivers/block/virtio_blk.ko.xz:`; the kernel takes `-`
/// and `_` in names for the same.
pub(crate) fn module_name(path: &str) -> Option<String> {
    let file = path.split(':').next()?.rsplit('/').next()?;
    Some(file.split_once(".ko")?.0.replace('-', "_"))
}

fn present(paths: &str) -> Vec<String> {
    let names = paths.lines().filter_map(|line| module_name(line.split(": ").next().unwrap_or(line)));
    names.filter(|name| DRIVERS.contains(&name.as_str())).collect()
}

fn in_order(found: &[String]) -> Vec<String> {
    DRIVERS.iter().filter(|driver| found.iter().any(|f| f == *driver)).map(|&d| d.to_owned()).collect()
}

fn tool(host: &dyn Host) -> String {
    let tools = [("mkinitramfs", "initramfs-tools"), ("dracut", "dracut")];
    let found = tools.iter().find(|(program, _)| {
        ["/usr/sbin", "/sbin", "/usr/bin", "/bin"].iter().any(|folder| host.exists(&format!("{folder}/{program}")))
    });
    found.map(|(_, tool)| (*tool).to_owned()).unwrap_or_default()
}

fn loader(host: &dyn Host) -> String {
    let known = [
        ("/boot/grub/grub.cfg", "grub2"),
        ("/boot/grub2/grub.cfg", "grub2"),
        ("/boot/efi/loader/loader.conf", "systemd-boot"),
        ("/boot/grub/menu.lst", "grub-legacy"),
        ("/etc/lilo.conf", "lilo"),
        ("/boot/extlinux/extlinux.conf", "extlinux"),
    ];
    known.iter().find(|(path, _)| host.exists(path)).map(|(_, name)| (*name).to_owned()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn modules_are_recognised_compressed_or_not_and_with_either_dash() {
        assert_eq!(module_name("kernel/drivers/net/virtio_net.ko.xz"), Some("virtio_net".into()));
        assert_eq!(module_name("usr/lib/modules/6.1/kernel/drivers/virtio/virtio-pci.ko"), Some("virtio_pci".into()));
        assert_eq!(module_name("usr/bin/busybox"), None);
        let dep = "kernel/drivers/block/virtio_blk.ko: kernel/drivers/virtio/virtio.ko kernel/x/nvme.ko\n";
        assert_eq!(present(dep), ["virtio_blk"]);
    }
}
