//! Machine, firmware, CPU and memory, from sysfs and procfs.

use crate::host::Host;
use qianyun_agent_api::inventory::Hardware;

/// A field of the machine's DMI table, empty if it has none.
pub(super) fn dmi(host: &dyn Host, field: &str) -> String {
    host.text(&format!("/sys/class/dmi/id/{field}")).unwrap_or_default()
}

pub(super) fn collect(host: &dyn Host) -> Hardware {
    let cpuinfo = host.text("/proc/cpuinfo").unwrap_or_default();
    let meminfo = host.text("/proc/meminfo").unwrap_or_default();
    Hardware {
        vendor: dmi(host, "sys_vendor"),
        model: dmi(host, "product_name"),
        serial: dmi(host, "product_serial"),
        firmware: format!("{} {}", dmi(host, "bios_vendor"), dmi(host, "bios_version")).trim().to_owned(),
        arch: host.kernel().1,
        cpu_model: cpu_model(&cpuinfo),
        cpus: u32::try_from(cpuinfo.lines().filter(|line| line.starts_with("processor")).count()).unwrap_or(u32::MAX),
        memory_bytes: memory_bytes(&meminfo),
    }
}

fn cpu_model(cpuinfo: &str) -> String {
    let line = cpuinfo.lines().find(|line| line.starts_with("model name") || line.starts_with("CPU part"));
    line.and_then(|line| line.split_once(':')).map(|(_, model)| model.trim().to_owned()).unwrap_or_default()
}

/// `MemTotal` is in KiB and less than what is installed by what the kernel keeps for itself.
fn memory_bytes(meminfo: &str) -> u64 {
    let line = meminfo.lines().find_map(|line| line.strip_prefix("MemTotal:"));
    line.and_then(|rest| rest.split_whitespace().next()).and_then(|kib| kib.parse::<u64>().ok()).unwrap_or(0) * 1024
}
