//! What decides how a server boots, in one digest: the same as long as it boots the same, and another as soon as it does not.
#![allow(clippy::unwrap_used)]

use crate::world::World;
use qianyun_crds::{HostFirmware, HostInventory};
use qianyun_planning::boot::digest;

fn inventory() -> HostInventory {
    let server = &World::new().servers[0];
    let mut inventory = server.physical.status.as_ref().unwrap().inventory.clone().unwrap();
    let mut second = inventory.disks[0].clone();
    (second.name, second.serial) = ("sdb".into(), "SN-second".into());
    second.stack = vec!["gpt > LVM2_member > ext4 /srv".into(), "gpt > swap".into()];
    inventory.disks.push(second);
    inventory
}

#[test]
fn what_changes_while_a_server_works_does_not_change_how_it_boots() {
    let as_it_is = digest(&inventory()).unwrap();
    let harmless: [fn(&mut HostInventory); 7] = [
        |i| i.disks.reverse(),
        |i| i.disks[1].stack.reverse(),
        |i| i.disks[1].stack[0] = "gpt > LVM2_member > ext4 /mnt".into(),
        |i| i.disks[0].name = "sdz".into(),
        |i| i.filesystems[0].free_bytes -= 1 << 20,
        |i| i.nics[0].addresses.push("10.77.0.99/24".into()),
        |i| {
            let mut mounted = i.filesystems[0].clone();
            mounted.mount = "/media/stick".into();
            i.filesystems.push(mounted);
        },
    ];
    for (n, change) in harmless.into_iter().enumerate() {
        let mut changed = inventory();
        change(&mut changed);
        assert_eq!(digest(&changed).unwrap(), as_it_is, "change {n}");
    }
}

#[test]
fn another_kernel_firmware_disk_file_system_or_interface_is_another_boot() {
    let as_it_is = digest(&inventory()).unwrap();
    let relevant: [fn(&mut HostInventory); 8] = [
        |i| i.kernel = "6.1.0-99-amd64".into(),
        |i| i.firmware = if i.firmware == HostFirmware::Bios { HostFirmware::Uefi } else { HostFirmware::Bios },
        |i| drop(i.disks.pop()),
        |i| i.disks[0].size_bytes += 512,
        |i| i.disks[0].stack.push("lvm".into()),
        |i| i.disks[1].stack[0] = "gpt > LVM2_member > xfs /srv".into(),
        |i| i.filesystems[0].kind = "xfs".into(),
        |i| i.nics[0].driver = "igb".into(),
    ];
    for (n, change) in relevant.into_iter().enumerate() {
        let mut changed = inventory();
        change(&mut changed);
        assert_ne!(digest(&changed).unwrap(), as_it_is, "change {n}");
    }
}
