#!/bin/bash
# Builds the system of the stacked server, on a plain disk from which it moves itself onto its own two (see build-stack).
#
#   recipe.sh BUILDER BOOT SERVER_FILES SOURCES
#
# BUILDER becomes an ext4 with the system, BOOT a folder with its kernel and its initramfs. Runs in a mount namespace of its
# own (see image.rs). Nothing outside BUILDER and BOOT is written.
set -euo pipefail

builder=$1 boot=$2 files=$3 sources=$4
root=$(mktemp -d)
trap 'umount --recursive --lazy "$root" 2>/dev/null || true; rmdir "$root" 2>/dev/null || true' EXIT

truncate --size=2G "$builder"
mkfs.ext4 -q -O ^has_journal -E lazy_itable_init=0 "$builder"
mount --options loop "$builder" "$root"

source "$(dirname "$0")/left_out.sh"

# grub-pc must not look for a disk to install itself on: the builder does that.
debconf='printf "grub-pc grub-pc/install_devices_empty boolean true\n" | chroot "$1" debconf-set-selections'
mmdebstrap --quiet --mode=root --variant=minbase --skip=check/empty \
  --include=systemd-sysv,udev,kmod,dbus,linux-image-amd64,initramfs-tools,grub-pc,ifupdown,iproute2 \
  --include=mdadm,cryptsetup,cryptsetup-initramfs,lvm2,xfsprogs,fdisk,curl,procps,zstd \
  "${left_out[@]}" \
  --essential-hook="$debconf" --essential-hook="sync-in $files /" \
  bookworm "$root" - <"$sources"

echo office-31 >"$root/etc/hostname"
printf '127.0.0.1 localhost\n10.77.0.15 office-31\n' >"$root/etc/hosts"
chroot "$root" passwd --quiet --delete root
chown --recursive root:root "$root/etc/network" "$root/etc/initramfs-tools" "$root/etc/default" "$root/etc/systemd" "$root/usr/local"
for unit in dev-hugepages.mount dev-mqueue.mount apt-daily.timer apt-daily-upgrade.timer dpkg-db-backup.timer \
  e2scrub_all.timer fstrim.timer e2scrub_reap.service mdcheck_start.timer mdcheck_continue.timer mdmonitor-oneshot.timer mdmonitor.service; do
  chroot "$root" systemctl --quiet mask "$unit"
done
chroot "$root" systemctl --quiet enable daybook.service
rm -rf "$root"/var/lib/apt/lists/* "$root"/var/cache/apt/*.bin
rm -f "$root/etc/machine-id" && : >"$root/etc/machine-id"

cp "$root"/boot/vmlinuz-* "$boot/vmlinuz"
cp "$root"/boot/initrd.img-* "$boot/initrd.img"
umount "$root"
