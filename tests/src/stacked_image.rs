//! The two disks of the stacked server: GPT with GRUB on both, mirrors (md), LUKS, LVM, its root on XFS. `recipe.sh` makes the
//! system; what it lies on cannot be made on a host that has none of these drivers, so the system itself makes it, in a machine
//! that has nothing else to do (`server/usr/local/sbin/build-stack`).

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, ensure};

use crate::image::{Recipe, ServerFile, Workshop};
use crate::machine::Builder;

const RECIPE: Recipe = Recipe { name: "stacked", script: include_str!("stacked_image/recipe.sh"), files: &FILES };

const FILES: [ServerFile; 9] = [
    ("etc/network/interfaces", 0o644, include_str!("office_image/server/etc/network/interfaces")),
    (
        "etc/initramfs-tools/conf.d/stacked",
        0o644,
        include_str!("stacked_image/server/etc/initramfs-tools/conf.d/stacked"),
    ),
    ("etc/initramfs-tools/modules", 0o644, include_str!("stacked_image/server/etc/initramfs-tools/modules")),
    ("etc/default/grub.d/stacked.cfg", 0o644, include_str!("stacked_image/server/etc/default/grub.d/stacked.cfg")),
    (
        "etc/systemd/system/serial-getty@ttyS0.service.d/office.conf",
        0o644,
        include_str!("office_image/server/etc/systemd/system/serial-getty@ttyS0.service.d/office.conf"),
    ),
    (
        "etc/systemd/journald.conf.d/office.conf",
        0o644,
        include_str!("office_image/server/etc/systemd/journald.conf.d/office.conf"),
    ),
    (
        "etc/systemd/system/daybook.service",
        0o644,
        include_str!("stacked_image/server/etc/systemd/system/daybook.service"),
    ),
    ("usr/local/sbin/daybook", 0o755, include_str!("stacked_image/server/usr/local/sbin/daybook")),
    ("usr/local/sbin/build-stack", 0o755, include_str!("stacked_image/server/usr/local/sbin/build-stack")),
];

const DISKS: [&str; 2] = ["first.raw", "second.raw"];
const DISK_BYTES: u64 = 2 << 30;
/// Copying the system through LUKS, and its initramfs, take three minutes under emulation with a core to itself.
const BUILT_WITHIN: Duration = Duration::from_secs(1500);

/// Returns the cached disks, and builds them first if this recipe has never been built here.
pub fn ensure_built() -> Result<Vec<PathBuf>> {
    let folder = RECIPE.ensure_built("", build)?;
    Ok(DISKS.map(|disk| folder.join(disk)).to_vec())
}

fn build(workshop: &Workshop) -> Result<()> {
    let (system, boot) = (workshop.file("builder.raw"), workshop.file("boot"));
    fs::create_dir(&boot)?;
    workshop.follow_recipe(&[&system, &boot]).context("the stacked server's system cannot be built")?;
    fs::create_dir(workshop.result())?;
    let disks = DISKS.map(|disk| workshop.result().join(disk));
    for disk in &disks {
        File::create(disk)?.set_len(DISK_BYTES)?;
    }
    let builder = Builder {
        kernel: &boot.join("vmlinuz"),
        initramfs: &boot.join("initrd.img"),
        system: &system,
        program: Path::new("/usr/local/sbin/build-stack"),
        disks: &disks,
    };
    let said = builder.run(&workshop.file("console.log"), BUILT_WITHIN)?;
    ensure!(said.contains("stack: built"), "the stacked server's disks were not built; its console said:\n{said}");
    Ok(())
}
