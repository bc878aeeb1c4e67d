//! What the office server is made of: the argument vector that builds an Inspur NF5280M5 with SATA disks and an Intel
//! network card in QEMU. It never adds a device or a mark that only virtual machines have, but to a server that has moved to them.

use std::path::{Path, PathBuf};
use std::process::Command;

/// How the machine's instructions are carried out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Acceleration {
    /// By the processor, where KVM was seen to work.
    Kvm,
    /// By translation, which works everywhere.
    Tcg,
}

/// What its disks and its network hang on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Devices {
    /// SATA and Intel, as in the machine room.
    Physical,
    /// virtio, as in the cloud.
    Virtual,
}

/// What one power-on connects the machine to.
pub(super) struct Wiring<'a> {
    pub(super) namespace: &'a Path,
    pub(super) folder: &'a Path,
    pub(super) disks: &'a [PathBuf],
    pub(super) console_log: &'a Path,
    pub(super) tap: &'a str,
    pub(super) devices: Devices,
    pub(super) acceleration: Acceleration,
}

const PROCESSOR: &str = "Intel(R) Xeon(R) Silver 4210 CPU @ 2.20GHz";

/// `qemu-system-x86_64` with everything, inside the site's namespace.
pub(super) fn command(wiring: &Wiring<'_>) -> Command {
    let mut command = Command::new("nsenter");
    command.arg(format!("--net={}", wiring.namespace.display())).args(["--", "qemu-system-x86_64"]);
    board(&mut command, wiring.acceleration);
    identity(&mut command, &wiring.folder.join("bios.smbios"));
    for (port, file) in wiring.disks.iter().enumerate() {
        match wiring.devices {
            Devices::Physical => disk(&mut command, port, file, false),
            Devices::Virtual => virtual_disk(&mut command, port, file),
        }
    }
    command.args(["-device", "pcie-root-port,id=slot1,bus=pcie.0,chassis=1,addr=0x1c"]);
    command.arg("-netdev").arg(format!("tap,id=lan,ifname={},script=no,downscript=no", wiring.tap));
    let card = match wiring.devices {
        Devices::Physical => "e1000e",
        Devices::Virtual => "virtio-net-pci",
    };
    command.arg("-device").arg(format!("{card},netdev=lan,bus=slot1,mac=6c:92:bf:0a:17:15"));
    let folder = wiring.folder.display();
    let log = wiring.console_log.display();
    command
        .arg("-chardev")
        .arg(format!("socket,id=console,path={folder}/console.socket,server=on,wait=off,logfile={log}"));
    command.args(["-serial", "chardev:console"]);
    command.arg("-qmp").arg(format!("unix:{folder}/qmp.socket,server=on,wait=off"));
    command
}

/// The board, its processor and memory.
pub(super) fn board(command: &mut Command, acceleration: Acceleration) {
    // Family 6, model 85 is the Silver 4210. Five-level page tables, SVM and the hypervisor's own marks are not in it.
    let processor = format!(
        "max,hypervisor=off,la57=off,svm=off,vendor=GenuineIntel,family=6,model=85,stepping=7,model-id={PROCESSOR}"
    );
    command.args(["-name", "office-15", "-nodefaults", "-no-user-config", "-display", "none"]);
    command.args(["-machine", "q35,x-oem-id=INSPUR,x-oem-table-id=NF5280M5", "-smp", "1", "-m", "1024"]);
    match acceleration {
        Acceleration::Kvm => command.args(["-accel", "kvm", "-cpu"]).arg(processor + ",kvm=off,arch-capabilities=off"),
        Acceleration::Tcg => command.args(["-accel", "tcg,tb-size=256", "-cpu"]).arg(processor),
    };
}

/// The numbers that the maker gave the disks, by their ports.
const SERIAL_NUMBERS: [(&str, &str); 2] =
    [("PHYF936300TD480BGN", "0x55cd2e4150a71501"), ("PHYF936300TE480BGN", "0x55cd2e4150a71502")];

/// A SATA disk on the board's own AHCI controller. `snapshot` leaves the file as it is.
pub(super) fn disk(command: &mut Command, port: usize, disk: &Path, snapshot: bool) {
    let snapshot = if snapshot { "on" } else { "off" };
    command
        .arg("-drive")
        .arg(format!("file={},if=none,id=sata{port},format=raw,cache=writeback,snapshot={snapshot}", disk.display()));
    let (serial, wwn) = SERIAL_NUMBERS[port];
    command.arg("-device").arg(format!(
        "ide-hd,bus=ide.{port},drive=sata{port},serial={serial},model=INTEL SSDSC2KB480G8,ver=XCV10132,wwn={wwn},rotation_rate=1"
    ));
}

fn virtual_disk(command: &mut Command, number: usize, disk: &Path) {
    command
        .arg("-drive")
        .arg(format!("file={},if=none,id=disk{number},format=raw,cache=writeback", disk.display()))
        .arg("-device")
        .arg(format!("virtio-blk-pci,drive=disk{number},bootindex={number}"));
}

/// What the vendor wrote into its tables.
fn identity(command: &mut Command, bios: &Path) {
    command.args(["-uuid", "6d1f0c3a-0b52-4e0e-9a2c-77f1d2a05715", "-smbios"]).arg(format!("file={}", bios.display()));
    let tables = [
        "type=1,manufacturer=Inspur,product=NF5280M5,version=00001,serial=219301715,sku=0,family=Server".to_owned(),
        "type=2,manufacturer=Inspur,product=YZMB-00882-10E,version=0,serial=R17150042,asset=none,location=none"
            .to_owned(),
        "type=3,manufacturer=Inspur,version=0,serial=219301715,asset=GOV-REG-015".to_owned(),
        format!("type=4,sock_pfx=CPU,manufacturer=Intel(R) Corporation,version={PROCESSOR}"),
        "type=17,loc_pfx=DIMM,bank=0,manufacturer=Samsung,serial=36A1C2F0,part=M393A2K40CB2-CTD,speed=2400".to_owned(),
    ];
    for table in tables {
        command.arg("-smbios").arg(table);
    }
}

/// SMBIOS type 0, whole: QEMU's own always carries the mark "is a virtual machine" (bit 4 of the second extension byte), so
/// the table is written here, as a vendor's firmware has it (DMTF DSP0134, section 7.1).
pub(super) fn bios_table() -> Vec<u8> {
    let mut table = vec![
        0, 0x18, 0, 0, // type 0, 24 bytes, handle 0
        1, 2, 0x00, 0xf0, 3, 0xff, // vendor, version, segment 0xf000, date, ROM of 16 MiB or more
        0x80, 0x98, 0x8b, 0x3f, 1, 0, 0, 0, // PCI, plug and play, upgradable, boot from CD, selectable boot, EDD
        0x03, 0x05, // ACPI, USB legacy; BIOS boot specification, targeted content
        5, 12, 0xff, 0xff, // release 5.12, no embedded controller
    ];
    for text in ["American Megatrends Inc.", "4.1.16", "05/20/2020"] {
        table.extend_from_slice(text.as_bytes());
        table.push(0);
    }
    table.push(0);
    table
}
