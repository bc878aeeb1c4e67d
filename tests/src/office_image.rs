//! The office server's disk: Debian 12 from the machine's own package sources, with GRUB on an MBR disk, PostgreSQL and the
//! registry application. `recipe.sh` is what is done, `server/` is what is put on it.

use std::path::PathBuf;

use anyhow::{Context, Result};

use crate::image::{Recipe, ServerFile};

const RECIPE: Recipe = Recipe { name: "office", script: include_str!("office_image/recipe.sh"), files: &FILES };

const FILES: [ServerFile; 8] = [
    ("etc/network/interfaces", 0o644, include_str!("office_image/server/etc/network/interfaces")),
    ("etc/initramfs-tools/conf.d/office", 0o644, include_str!("office_image/server/etc/initramfs-tools/conf.d/office")),
    ("etc/initramfs-tools/modules", 0o644, include_str!("office_image/server/etc/initramfs-tools/modules")),
    ("etc/default/grub.d/office.cfg", 0o644, include_str!("office_image/server/etc/default/grub.d/office.cfg")),
    (
        "etc/systemd/system/serial-getty@ttyS0.service.d/office.conf",
        0o644,
        include_str!("office_image/server/etc/systemd/system/serial-getty@ttyS0.service.d/office.conf"),
    ),
    (
        "etc/systemd/system/registry-app.service",
        0o644,
        include_str!("office_image/server/etc/systemd/system/registry-app.service"),
    ),
    (
        "etc/systemd/journald.conf.d/office.conf",
        0o644,
        include_str!("office_image/server/etc/systemd/journald.conf.d/office.conf"),
    ),
    ("usr/local/sbin/registry-app", 0o755, include_str!("office_image/server/usr/local/sbin/registry-app")),
];

/// Returns the cached image, and builds it first if this recipe has never been built here.
pub fn ensure_built() -> Result<PathBuf> {
    RECIPE.ensure_built(".raw", |workshop| {
        workshop.follow_recipe(&[&workshop.result()]).context("the office server's disk cannot be built")
    })
}
