//! The collectors against a recorded office server: Debian 12, BIOS, one SATA disk, an Intel card, PostgreSQL.

use super::*;
use crate::host::Space;
use crate::host::fake::Fake;
use qianyun_agent_api::inventory::FirmwareMode;

/// Kernel of the recorded server.
pub(crate) const KERNEL: &str = "6.1.0-28-amd64";

/// The recorded server.
pub(crate) fn office_server() -> Fake {
    let mut host = Fake::default()
        .file("/sys/class/dmi/id/sys_vendor", "Inspur\n")
        .file("/sys/class/dmi/id/product_name", "NF5270M4\n")
        .file("/sys/class/dmi/id/product_serial", "219438561\n")
        .file("/sys/class/dmi/id/product_uuid", "4C4C4544-0042-3510-8052-C4C04F4D3132\n")
        .file("/sys/class/dmi/id/board_serial", "BS-7741\n")
        .file("/sys/class/dmi/id/bios_vendor", "American Megatrends Inc.\n")
        .file("/sys/class/dmi/id/bios_version", "4.1.5\n")
        .file("/sys/class/dmi/id/bios_date", "03/22/2017\n")
        .file("/proc/cpuinfo", "processor\t: 0\nmodel name\t: Xeon E5-2620\n\nprocessor\t: 1\nmodel name\t: Xeon E5-2620\n")
        .file("/proc/meminfo", "MemTotal:        2014280 kB\nMemFree: 1 kB\n")
        .file("/etc/os-release", "PRETTY_NAME=\"Debian GNU/Linux 12 (bookworm)\"\nVERSION_ID=\"12\"\nID=debian\n")
        .file("/proc/sys/kernel/hostname", "mzj-db-01\n")
        .file("/proc/sys/kernel/perf_event_paranoid", "2\n")
        .file("/proc/sys/kernel/hung_task_panic", "0\n")
        .file("/proc/sys/kernel/hung_task_timeout_secs", "120\n")
        .file("/proc/sys/kernel/random/boot_id", "b1\n")
        .file("/proc/cmdline", "BOOT_IMAGE=/boot/vmlinuz-6.1.0-28-amd64 root=UUID=aa-11 ro quiet\n")
        .file("/boot/grub/grub.cfg", "menuentry 'Debian' --id gnulinux {\n}\n")
        .file(&format!("/boot/vmlinuz-{KERNEL}"), "kernel")
        .file(&format!("/boot/initrd.img-{KERNEL}"), "initrd")
        .file("/usr/sbin/mkinitramfs", "")
        .file("/etc/initramfs-tools/initramfs.conf", "MODULES=most\n")
        .file("/etc/initramfs-tools/modules", "# none\n")
        .file("/etc/initramfs-tools/conf.d/resume", "RESUME=UUID=bb-22\n")
        .file(&format!("/lib/modules/{KERNEL}/modules.builtin"), "kernel/drivers/virtio/virtio.ko\n")
        .file(&format!("/lib/modules/{KERNEL}/modules.dep"), MODULES_DEP)
        .prints("lsinitramfs", "usr/lib/modules/6.1.0-28-amd64/kernel/drivers/ata/ahci.ko\nusr/lib/m/sd_mod.ko\nbin/sh\n")
        .prints("timedatectl", "yes\n")
        .prints("ip", "1: lo    inet 127.0.0.1/8 scope host lo\n2: eno1    inet 10.20.0.11/24 brd 10.20.0.255 scope global eno1\n")
        .prints("systemctl", "postgresql@15-main.service loaded active running PostgreSQL\nnginx.service loaded failed failed x\nold.service not-found inactive dead y\n");
    host = disk(host);
    host = network(host);
    host.kernel = (KERNEL.into(), "x86_64".into());
    host.space = Space { size_bytes: 20 << 30, free_bytes: 9 << 30, free_inodes: 900_000 };
    host.now = 1_790_000_000_000;
    host
}

const MODULES_DEP: &str = "kernel/drivers/block/virtio_blk.ko: kernel/drivers/virtio/virtio.ko
kernel/drivers/scsi/virtio_scsi.ko:
kernel/drivers/net/virtio_net.ko: kernel/net/core/failover.ko
kernel/drivers/virtio/virtio_pci.ko:
kernel/drivers/ata/ahci.ko:
kernel/drivers/scsi/sd_mod.ko:
kernel/drivers/nvme/host/nvme.ko:
kernel/fs/ext4/ext4.ko:
";

fn disk(host: Fake) -> Fake {
    let udev_disk = "E:ID_BUS=ata\nE:ID_PART_TABLE_TYPE=dos\n";
    host.file("/sys/block/sda/size", "41943040\n")
        .symlink("/sys/block/sda", "../devices/pci0000:00/0000:00:1f.2/ata1/host0/block/sda")
        .file("/dev/sda", IDENTITY)
        .file("/sys/block/sda/removable", "0\n")
        .file("/sys/block/sda/queue/logical_block_size", "512\n")
        .file("/sys/block/sda/queue/rotational", "1\n")
        .file("/sys/block/sda/queue/iostats", "1\n")
        .file("/sys/block/sda/mq/0/cpu_list", "0\n")
        .file("/sys/block/sda/device/vendor", "ATA\n")
        .file("/sys/block/sda/device/model", "WDC WD20\n")
        .file("/sys/block/sda/sda1/partition", "1\n")
        .file("/sys/block/sda/sda5/partition", "5\n")
        .file("/sys/block/sr0/size", "2097151\n")
        .file("/sys/block/sr0/removable", "1\n")
        .file("/sys/block/loop0/size", "100\n")
        .file("/sys/class/block/sda/dev", "8:0\n")
        .file("/sys/class/block/sda1/dev", "8:1\n")
        .file("/sys/class/block/sda1/partition", "1\n")
        .symlink("/sys/class/block/sda1", "../../devices/pci0000:00/block/sda/sda1")
        .file("/sys/class/block/sda5/dev", "8:5\n")
        .file("/sys/class/block/sda5/partition", "5\n")
        .symlink("/sys/class/block/sda5", "../../devices/pci0000:00/block/sda/sda5")
        .file("/run/udev/data/b8:0", udev_disk)
        .file("/run/udev/data/b8:1", "E:ID_FS_TYPE=ext4\nE:ID_FS_UUID=aa-11\n")
        .file("/run/udev/data/b8:5", "E:ID_FS_TYPE=swap\n")
        .file("/proc/self/mountinfo", MOUNTINFO)
        .file("/proc/swaps", "Filename Type Size Used Priority\n/dev/sda5 partition 998396 0 -2\n")
        .file(
            "/etc/fstab",
            "# /dev/sda1 / ext4\nUUID=aa-11 / ext4 errors=remount-ro 0 1\nUUID=bb-22 none swap sw 0 0\n",
        )
        .file("/sys/kernel/tracing/events/block/block_rq_complete/format", "name: block_rq_complete\n")
}

const IDENTITY: &str =
    r#"{"serial":"WD-1234","wwn":"0x50014ee2","sizeBytes":21474836480,"logicalBlockBytes":512,"tableId":"9f8e7d6c"}"#;

const MOUNTINFO: &str = "22 28 0:20 / /proc rw - proc proc rw
28 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw,errors=remount-ro
40 28 8:1 /srv /srv rw - ext4 /dev/sda1 rw
41 28 0:40 / /mnt/nas rw - nfs nas:/x rw
";

fn network(host: Fake) -> Fake {
    let tcp = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 0100007F:1538 00000000:0000 0A 00000000:00000000 00:00000000 00000000   106        0 4711 1 0 100 0 0 10 0
   1: 0B00140A:0016 0200140A:C350 01 00000000:00000000 00:00000000 00000000     0        0 4712 1 0 100 0 0 10 0\n";
    host.file("/sys/class/net/lo/address", "00:00:00:00:00:00\n")
        .file("/sys/class/net/eno1/address", "AC:1F:6B:00:11:22\n")
        .file("/sys/class/net/eno1/operstate", "up\n")
        .file("/sys/class/net/eno1/device/vendor", "0x8086\n")
        .symlink("/sys/class/net/eno1/device/driver", "../../../bus/pci/drivers/e1000e")
        .file(
            "/proc/net/route",
            "Iface Destination Gateway\neno1 00000000 0100140A 0003\neno1 0000140A 00000000 0001\n",
        )
        .file("/proc/net/tcp", tcp)
        .file("/proc/812/comm", "postgres\n")
        .symlink("/proc/812/fd/5", "socket:[4711]")
}

#[test]
fn the_recorded_server_is_described_as_it_is() {
    let machine = collect(&office_server(), None);
    let found = &machine.inventory;
    assert_eq!((found.hardware.vendor.as_str(), found.hardware.cpus), ("Inspur", 2));
    assert_eq!(found.hardware.memory_bytes, 2_014_280 * 1024);
    assert_eq!(found.hardware.firmware_date, "2017-03-22");
    assert_eq!((found.os.id.as_str(), found.os.version.as_str()), ("debian", "12"));
    assert!(found.os.clock_synchronised);
    assert_eq!(machine.fingerprint.system_uuid, "4c4c4544-0042-3510-8052-c4c04f4d3132");
    assert_eq!(machine.untracked, Vec::<String>::new());
}

#[test]
fn only_fixed_disks_are_listed_with_what_names_them_for_good() {
    let disks = collect(&office_server(), None).inventory.disks;
    assert_eq!(disks.len(), 1, "no optical drive and no loop device");
    let identity = &disks[0].identity;
    assert_eq!((identity.serial.as_str(), identity.wwn.as_str()), ("WD-1234", "0x50014ee2"));
    assert_eq!((identity.size_bytes, identity.logical_block_bytes), (41_943_040 * 512, 512));
    assert_eq!(identity.table_id, "9f8e7d6c");
    assert_eq!(disks[0].transport, "sata");
    assert_eq!(disks[0].stack, ["dos > ext4 /", "dos > swap"]);
}

#[test]
fn filesystems_are_counted_once_and_network_ones_are_left_out() {
    let found = collect(&office_server(), None).inventory.filesystems;
    let seen: Vec<_> = found.iter().map(|f| (f.mount.as_str(), f.disk.as_str(), f.fstab_source.as_str())).collect();
    assert_eq!(seen, [("/", "sda", "UUID=aa-11"), ("[swap]", "sda", "UUID=bb-22")]);
}

#[test]
fn what_cannot_be_frozen_is_found_on_the_disks_and_not_on_a_stick() {
    let more = "42 28 8:5 / /boot/efi rw - vfat /dev/sda5 rw\n43 28 8:17 / /media/stick rw - vfat /dev/sdb1 rw
44 28 0:50 / /tank rw - zfs tank rw\n45 28 8:6 / /cd ro - vfat /dev/sda5 ro\n";
    let host = office_server()
        .file("/proc/self/mountinfo", &format!("{MOUNTINFO}{more}"))
        .file("/sys/class/block/sdb1/partition", "1\n")
        .symlink("/sys/class/block/sdb1", "../../devices/usb/block/sdb/sdb1");
    assert_eq!(collect(&host, None).unfrozen.unwrap(), ["/boot/efi (vfat)", "/tank (zfs)"]);
    assert_eq!(collect(&office_server(), None).unfrozen, Some(Vec::new()));
    host.put("/proc/self/mountinfo", "no mount\n");
    assert_eq!(collect(&host, None).unfrozen, None);
}

#[test]
fn boot_facts_tell_the_kernel_from_its_initramfs() {
    let boot = collect(&office_server(), None).inventory.boot;
    assert_eq!((boot.firmware, boot.loader.as_str()), (FirmwareMode::Bios, "grub2"));
    assert_eq!(boot.initramfs_drivers, ["ahci", "sd_mod"]);
    assert_eq!(
        boot.kernel_drivers,
        ["virtio_pci", "virtio_blk", "virtio_scsi", "virtio_net", "ahci", "sd_mod", "nvme"]
    );
    assert_eq!(boot.initramfs_tool, "initramfs-tools");
}

#[test]
fn network_units_and_listeners_are_named_with_their_owners() {
    let found = collect(&office_server(), None).inventory;
    assert_eq!(found.nics.len(), 1);
    let nic = &found.nics[0];
    assert_eq!(
        (nic.mac.as_str(), nic.driver.as_str(), nic.gateway.as_str()),
        ("ac:1f:6b:00:11:22", "e1000e", "10.20.0.1")
    );
    assert_eq!(nic.addresses, ["10.20.0.11/24"]);
    let units: Vec<_> = found.units.iter().map(|u| (u.name.as_str(), u.state.as_str())).collect();
    assert_eq!(units, [("postgresql@15-main.service", "active"), ("nginx.service", "failed")]);
    assert_eq!(found.listeners.len(), 1, "a connection is not a listener");
    let listener = &found.listeners[0];
    assert_eq!((listener.address.as_str(), listener.port, listener.process.as_str()), ("127.0.0.1", 5432, "postgres"));
}

#[test]
fn what_is_missing_to_follow_the_disks_is_named() {
    let host = office_server();
    host.put("/sys/block/sda/queue/iostats", "0\n");
    host.remove("/proc/sys/kernel/perf_event_paranoid").unwrap();
    host.remove("/sys/kernel/tracing/events/block/block_rq_complete/format").unwrap();
    let expected = ["no trace events", "no perf events", "sda keeps no counts"];
    assert_eq!(collect(&host, None).untracked, expected);
}

#[test]
fn a_disk_with_several_paths_is_named_with_the_way_out_and_not_with_its_counts() {
    let host = office_server();
    host.put("/sys/block/sda/queue/iostats", "0\n");
    host.put("/sys/block/sda/holders/dm-0", "");
    host.put("/sys/block/dm-0/dm/uuid", "mpath-3600508b4\n");
    host.put("/sys/block/dm-0/dm/name", "mpatha\n");
    let untracked = collect(&host, None).untracked;
    assert_eq!(untracked.len(), 1, "{untracked:?}");
    assert!(untracked[0].contains("mpatha") && untracked[0].contains("/etc/multipath.conf"), "{untracked:?}");
}

#[test]
fn a_machine_that_shows_nothing_gives_an_empty_inventory_and_no_panic() {
    let found = collect(&Fake::default(), None).inventory;
    assert!(found.disks.is_empty() && found.os.id.is_empty() && found.boot.loader.is_empty());
}

#[test]
fn lists_are_cut_at_their_bound_and_say_so() {
    let mut host = Fake::default();
    for port in 0..1200_u32 {
        let line = format!("   0: 0100007F:{port:04X} 00000000:0000 07 0:0 0:0 0 0 0 9");
        let seen = host.text("/proc/net/udp").unwrap_or_else(|| "header".into());
        host = host.file("/proc/net/udp", &format!("{seen}\n{line}"));
    }
    let found = collect(&host, None).inventory;
    assert_eq!((found.listeners.len(), found.truncated.as_slice()), (MAX_ITEMS, &["listeners".to_owned()][..]));
}
