//! What the agent says about a machine: bounded, and nothing of file contents, accounts or passwords.
//!
//! Every list has a bound beside it; the agent truncates and says so in `truncated`, the gateway refuses more.

use serde::{Deserialize, Serialize};

/// Bound of every list in the inventory.
pub const MAX_ITEMS: usize = 1024;

/// Most hooks that a machine's admin can allow: a few for each moment and service, with room.
pub const MAX_HOOKS: usize = 64;

/// Whether this can be the name of a hook: as an RFC 1123 label, because the names of a scheme are such.
pub fn is_hook_name(name: &str) -> bool {
    let inner = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    (1..=63).contains(&name.len()) && name.chars().all(inner) && !name.starts_with('-') && !name.ends_with('-')
}

/// Hardware identity: survives reinstallation and NIC changes. Compared field by field; empty fields never match.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Fingerprint {
    /// DMI product UUID, lower case.
    pub system_uuid: String,
    /// DMI product serial.
    pub system_serial: String,
    /// DMI board serial.
    pub board_serial: String,
}

/// One machine.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Inventory {
    /// Machine, firmware, CPU and memory.
    pub hardware: Hardware,
    /// Operating system and kernel.
    pub os: Os,
    /// Firmware mode and boot loader.
    pub boot: Boot,
    /// Whole disks.
    pub disks: Vec<Disk>,
    /// Mounted local filesystems and swap.
    pub filesystems: Vec<Filesystem>,
    /// Network interfaces.
    pub nics: Vec<Nic>,
    /// Running or failed service units.
    pub units: Vec<Unit>,
    /// Listening sockets.
    pub listeners: Vec<Listener>,
    /// Names of the hooks that the machine's admin allows; at most [`MAX_HOOKS`].
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub hooks: Vec<String>,
    /// Names of lists that were cut at their bound.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub truncated: Vec<String>,
}

/// Machine, firmware, CPU and memory.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Hardware {
    /// DMI manufacturer.
    pub vendor: String,
    /// DMI product.
    pub model: String,
    /// DMI serial number.
    pub serial: String,
    /// Firmware vendor and version.
    pub firmware: String,
    /// Day of the firmware's release, YYYY-MM-DD; empty where the firmware does not tell.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub firmware_date: String,
    /// `x86_64` or `aarch64`.
    pub arch: String,
    /// CPU model name.
    pub cpu_model: String,
    /// Logical CPUs.
    pub cpus: u32,
    /// Installed memory, bytes.
    pub memory_bytes: u64,
}

/// Operating system and kernel.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Os {
    /// `ID` of os-release.
    pub id: String,
    /// `VERSION_ID` of os-release.
    pub version: String,
    /// `PRETTY_NAME` of os-release.
    pub name: String,
    /// Running kernel release.
    pub kernel: String,
    /// Host name.
    pub hostname: String,
    /// Milliseconds since the Unix epoch by the machine's clock, to be compared on receipt.
    pub clock_unix_ms: i64,
    /// Whether a time service says the clock is synchronised.
    pub clock_synchronised: bool,
}

/// Firmware mode and boot loader.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Boot {
    /// How the machine was started.
    pub firmware: FirmwareMode,
    /// Boot loader found, as `grub2`; empty if none was recognised.
    pub loader: String,
    /// Initramfs of the running kernel, path; empty if none was found.
    pub initramfs: String,
    /// Drivers found in that initramfs or built into the kernel, of those that the journey asks for.
    pub initramfs_drivers: Vec<String>,
    /// Drivers that the running kernel has (module file or built in), of those that the journey asks for.
    pub kernel_drivers: Vec<String>,
    /// Tool that can rebuild an initramfs: `initramfs-tools`, `dracut`; empty if none.
    pub initramfs_tool: String,
}

/// Firmware mode.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum FirmwareMode {
    /// Legacy BIOS.
    Bios,
    /// UEFI.
    Uefi,
}

/// One whole disk.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Disk {
    /// Kernel name, as `sda`; may change at the next boot.
    pub name: String,
    /// What does not change.
    pub identity: DiskIdentity,
    /// Vendor and model.
    pub model: String,
    /// Transport, as `sata`, `nvme`, `virtio`; empty if unknown.
    pub transport: String,
    /// Whether it spins.
    pub rotational: bool,
    /// What lies above it, bottom first, as `dos > ext4 /`.
    pub stack: Vec<String>,
}

/// What names a disk for good; a command that carries one is refused where the disk is another.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct DiskIdentity {
    /// Serial number; empty if the disk has none.
    pub serial: String,
    /// World-wide name; empty if the disk has none.
    pub wwn: String,
    /// Size, bytes.
    pub size_bytes: u64,
    /// Logical sector size, bytes.
    pub logical_block_bytes: u32,
    /// MBR signature or GPT GUID; empty if there is no table.
    pub table_id: String,
}

/// A mounted filesystem or swap area.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Filesystem {
    /// Mount point; `[swap]` for swap.
    pub mount: String,
    /// Type, as `ext4`.
    pub kind: String,
    /// Device, as `/dev/sda1`.
    pub device: String,
    /// Name of the disk it lies on; empty for network and memory filesystems, which are left out.
    pub disk: String,
    /// Size, bytes.
    pub size_bytes: u64,
    /// Free for ordinary users, bytes.
    pub free_bytes: u64,
    /// Free inodes; 0 where the filesystem has none.
    pub free_inodes: u64,
    /// How fstab names it, as `UUID=…`; empty if fstab does not.
    pub fstab_source: String,
}

/// A network interface.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Nic {
    /// Kernel name.
    pub name: String,
    /// MAC address, lower case.
    pub mac: String,
    /// Driver, as `e1000e`.
    pub driver: String,
    /// Whether there is a link.
    pub up: bool,
    /// Addresses with prefix length.
    pub addresses: Vec<String>,
    /// Default gateway through it; empty if none.
    pub gateway: String,
}

/// A service unit.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Unit {
    /// Name with suffix, as `postgresql@15-main.service`.
    pub name: String,
    /// Active state as systemd says it: `active`, `failed`, ….
    pub state: String,
}

/// A listening socket.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Listener {
    /// `tcp` or `udp`.
    pub protocol: String,
    /// Local address without the port.
    pub address: String,
    /// Port.
    pub port: u16,
    /// Process name; empty if it is the kernel's.
    pub process: String,
}
