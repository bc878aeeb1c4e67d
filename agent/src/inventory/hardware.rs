//! Machine, firmware, CPU and memory, from sysfs and procfs.

use crate::host::Host;
use jiff::civil::Date;
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
        firmware_date: day(&dmi(host, "bios_date")).map(|day| day.to_string()).unwrap_or_default(),
        arch: host.kernel().1,
        cpu_model: cpu_model(&cpuinfo),
        cpus: u32::try_from(cpuinfo.lines().filter(|line| line.starts_with("processor")).count()).unwrap_or(u32::MAX),
        memory_bytes: memory_bytes(&meminfo),
    }
}

/// A day as firmware writes it, `mm/dd/yyyy`, or `mm/dd/yy` in the last century (SMBIOS 3.7, section 7.1, offset 08h).
fn day(text: &str) -> Option<Date> {
    let mut numbers = text.trim().split('/');
    let mut number = || numbers.next()?.parse::<i16>().ok();
    let (month, day, year) = (number()?, number()?, number()?);
    let year = if (0..100).contains(&year) { 1900 + year } else { year };
    if year < 1900 {
        return None;
    }
    let date = Date::new(year, i8::try_from(month).ok()?, i8::try_from(day).ok()?).ok()?;
    numbers.next().is_none().then_some(date)
}

/// What the processor calls itself. Many kernels give arm64 no name, but the numbers of its implementer and its part.
fn cpu_model(cpuinfo: &str) -> String {
    let value = |names: &[&str]| {
        let mut pairs = cpuinfo.lines().filter_map(|line| line.split_once(':'));
        let (_, value) = pairs.find(|(name, _)| names.contains(&name.trim().to_lowercase().as_str()))?;
        Some(value.trim().to_owned())
    };
    let numbers = || Some(format!("implementer {} part {}", value(&["cpu implementer"])?, value(&["cpu part"])?));
    value(&["model name", "cpu model"]).or_else(numbers).unwrap_or_default()
}

/// `MemTotal` is in KiB and less than what is installed by what the kernel keeps for itself.
fn memory_bytes(meminfo: &str) -> u64 {
    let line = meminfo.lines().find_map(|line| line.strip_prefix("MemTotal:"));
    line.and_then(|rest| rest.split_whitespace().next()).and_then(|kib| kib.parse::<u64>().ok()).unwrap_or(0) * 1024
}

#[cfg(test)]
mod tests {
    use super::{cpu_model, day};

    #[test]
    fn a_processor_is_called_as_it_calls_itself_or_by_its_numbers() {
        for (cpuinfo, called) in [
            (
                "processor\t: 0\nmodel\t\t: 1\nmodel name\t: Hygon C86 7185 32-core Processor\n",
                "Hygon C86 7185 32-core Processor",
            ),
            ("system type\t\t: generic-loongson-machine\nModel Name\t\t: Loongson-3C5000\n", "Loongson-3C5000"),
            ("CPU implementer\t: 0x48\nCPU architecture: 8\nCPU part\t: 0xd01\n", "implementer 0x48 part 0xd01"),
            ("processor\t: 0\n", ""),
        ] {
            assert_eq!(cpu_model(cpuinfo), called);
        }
    }

    #[test]
    fn a_day_is_read_as_firmware_writes_it_and_nothing_else_is() {
        let read = |text| day(text).map(|day| day.to_string()).unwrap_or_default();
        assert_eq!(["04/01/2014", "12/31/99\n", "7/4/2021"].map(read), ["2014-04-01", "1999-12-31", "2021-07-04"]);
        for text in
            ["", "2014-04-01", "31/12/2014", "02/30/2020", "04/01", "04/01/2014/1", "a/b/c", "04/01/-5", "4/1/99999"]
        {
            assert_eq!(read(text), "", "{text:?}");
        }
    }
}
