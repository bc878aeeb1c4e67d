#!/bin/bash
# Builds the disk of the office server: Debian 12 on an MBR disk with GRUB, PostgreSQL and the registry application.
#
#   recipe.sh IMAGE SERVER_FILES SOURCES
#
# Runs in a mount namespace of its own (see office_image.rs), so every mount and loop device ends with it. It needs neither
# udev nor device-mapper: the one partition is reached through a loop device with an offset, and GRUB's two images are
# written where grub-install would put them. Nothing outside IMAGE is written.
set -euo pipefail

image=$1 files=$2 sources=$3
root=$(mktemp -d)
trap 'umount --recursive --lazy "$root" 2>/dev/null || true; rmdir "$root" 2>/dev/null || true' EXIT

# Sectors of 512 bytes. The root begins at 1 MiB, as every installer of the last fifteen years does it; the gap before it
# holds GRUB's core image.
root_start=2048 root_sectors=$((2816 * 2048))
swap_start=$((root_start + root_sectors)) swap_sectors=$((255 * 2048))
truncate --size=3G "$image"
sfdisk --quiet "$image" <<TABLE
label: dos
label-id: 0x71a15001
start=$root_start, size=$root_sectors, type=83, bootable
start=$swap_start, size=$swap_sectors, type=82
TABLE
root_loop=$(losetup --find --show --offset=$((root_start * 512)) --sizelimit=$((root_sectors * 512)) "$image")
trap 'umount --recursive --lazy "$root" 2>/dev/null || true; rmdir "$root" 2>/dev/null || true; losetup --detach "$root_loop" 2>/dev/null || true' EXIT
mkfs.ext4 -q -L root -E lazy_itable_init=0,lazy_journal_init=0 "$root_loop"
root_uuid=$(blkid --match-tag=UUID --output=value --probe "$root_loop")
swap_uuid=$(cat /proc/sys/kernel/random/uuid)
swap_loop=$(losetup --find --show --offset=$((swap_start * 512)) --sizelimit=$((swap_sectors * 512)) "$image")
mkswap --uuid="$swap_uuid" --label=swap "$swap_loop" >/dev/null
losetup --detach "$swap_loop"
mount "$root_loop" "$root"

# grub-pc must not look for a disk to install itself on: there is none that it could know.
debconf='printf "grub-pc grub-pc/install_devices_empty boolean true\n" | chroot "$1" debconf-set-selections'
source "$(dirname "$0")/left_out.sh"
# Without its compiler the database interprets its queries, which are short.
left_out+=(--dpkgopt='path-exclude=/usr/lib/*/libLLVM*' --dpkgopt='path-exclude=/usr/lib/*/libz3*')
left_out+=(--dpkgopt='path-exclude=/usr/lib/postgresql/*/lib/bitcode/*')
left_out+=(--dpkgopt='path-exclude=/usr/lib/postgresql/*/lib/llvmjit*')
mmdebstrap --quiet --mode=root --variant=minbase --skip=check/empty \
  --include=systemd-sysv,udev,kmod,dbus,linux-image-amd64,initramfs-tools,grub-pc,ifupdown,iproute2,iputils-ping \
  --include=postgresql,curl,procps,zstd,util-linux-extra \
  "${left_out[@]}" \
  --essential-hook="$debconf" --essential-hook="sync-in $files /" \
  bookworm "$root" - <"$sources"

cat >"$root/etc/fstab" <<TABLE
UUID=$root_uuid / ext4 errors=remount-ro 0 1
UUID=$swap_uuid none swap sw 0 0
TABLE
echo office-15 >"$root/etc/hostname"
printf '127.0.0.1 localhost\n10.77.0.15 office-15\n' >"$root/etc/hosts"
chroot "$root" passwd --quiet --delete root
chown --recursive root:root "$root/etc/network" "$root/etc/initramfs-tools" "$root/etc/default" "$root/etc/systemd" "$root/usr/local"
for unit in dev-hugepages.mount dev-mqueue.mount apt-daily.timer apt-daily-upgrade.timer dpkg-db-backup.timer e2scrub_all.timer fstrim.timer e2scrub_reap.service; do
  chroot "$root" systemctl --quiet mask "$unit"
done
chroot "$root" useradd --system --no-create-home --shell=/usr/sbin/nologin registry
chroot "$root" systemctl --quiet enable registry-app.service

# A /dev for what runs in the root: grub-mkconfig asks which device / is on and finds its UUID under /dev/disk.
mount --types tmpfs tmpfs "$root/dev"
cp --archive /dev/null /dev/zero /dev/urandom "$root_loop" "$root/dev/"
mkdir --parents "$root/dev/disk/by-uuid"
ln --symbolic "../../$(basename "$root_loop")" "$root/dev/disk/by-uuid/$root_uuid"
install --directory --mode=1777 "$root/dev/shm"

# The database: made by its own server, which is then stopped in order.
mount --types proc proc "$root/proc"
mount --types tmpfs tmpfs "$root/run"
chroot "$root" install --directory --owner=postgres --group=postgres /run/postgresql
echo "host registry writer 10.77.0.0/24 scram-sha-256" >>"$root/etc/postgresql/15/main/pg_hba.conf"
printf "listen_addresses = '*'\nfsync = on\nsynchronous_commit = on\nfull_page_writes = on\n" >"$root/etc/postgresql/15/main/conf.d/office.conf"
chroot "$root" pg_ctlcluster 15 main start
chroot "$root" runuser --user=postgres -- psql --quiet --set=ON_ERROR_STOP=1 <<SQL
create role writer login password 'red-seal';
create role registry login;
create database registry owner writer;
\\connect registry
create table marriages (id bigserial primary key, worker int not null, n bigint not null, at timestamptz not null default now(), payload text not null);
alter table marriages owner to writer;
grant select on marriages to registry;
SQL
chroot "$root" pg_ctlcluster 15 main stop --mode=fast

# GRUB, whose images are placed by hand.
mkdir --parents "$root/boot/grub/i386-pc"
cp "$root"/usr/lib/grub/i386-pc/*.{mod,lst,img} "$root/boot/grub/i386-pc/"
# grub-mkconfig leaves out systems on loop devices unless losetup names a disk behind them, and then writes loopback
# commands, which the real machine has no use for.
mkdir "$root/run/bin"
printf '#!/bin/sh\necho "($1)"\n' >"$root/run/bin/losetup"
chmod +x "$root/run/bin/losetup"
chroot "$root" env PATH="/run/bin:$PATH" grub-mkconfig --output=/boot/grub/grub.cfg
sed --in-place '/^[[:space:]]*\(loopback loop\|set root=(loop\)/d' "$root/boot/grub/grub.cfg"
printf 'search.fs_uuid %s root\nset prefix=($root)/boot/grub\n' "$root_uuid" >"$root/run/load.cfg"
chroot "$root" grub-mkimage --format=i386-pc --config=/run/load.cfg --prefix=/boot/grub \
  --output=/boot/grub/i386-pc/core.img biosdisk part_msdos ext2 search_fs_uuid
# The boot sector keeps its partition table (from byte 440 on); the core image follows in the gap before the root.
dd if="$root/boot/grub/i386-pc/boot.img" of="$image" bs=440 count=1 conv=notrunc status=none
dd if="$root/boot/grub/i386-pc/core.img" of="$image" bs=512 seek=1 conv=notrunc status=none

grep --quiet "^[[:space:]]linux.* root=UUID=$root_uuid" "$root/boot/grub/grub.cfg" || { echo "grub.cfg has no entry for the root" >&2; exit 1; }
rm -rf "$root"/var/lib/apt/lists/* "$root"/var/cache/apt/*.bin
rm -f "$root/etc/machine-id" && : >"$root/etc/machine-id"
fstrim "$root"
umount "$root/dev" "$root/run" "$root/proc" "$root"
