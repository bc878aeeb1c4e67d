//! Which layers of a server are of the domestic stack (信创), by the names that its processor and its operating system give
//! themselves. For people who plan what has to be adapted: it is never a reason to hold anything up.

use qianyun_crds::{DomesticStack, HostInventory};

/// Architectures that no processor from elsewhere has.
const ARCHITECTURES: [&str; 2] = ["loongarch", "sw_64"];
/// How processors call themselves: Kunpeng (of HiSilicon), Phytium, Hygon, Zhaoxin, Loongson, Sunway. Where arm64 tells no
/// name, the agent gives the implementer's number, which Linux has in `asm/cputype.h`.
const PROCESSORS: [&str; 9] = [
    "kunpeng",
    "hisilicon",
    "phytium",
    "hygon",
    "zhaoxin",
    "loongson",
    "sunway",
    "implementer 0x48",
    "implementer 0x70",
];
/// How operating systems call themselves: Kylin in all its editions, UOS, and openEuler with what is made of it.
const SYSTEMS: [&str; 4] = ["kylin", "uniontech", "uos ", "euler"];

/// The layers; `None` where the processor tells nothing of itself.
pub fn stack(inventory: &HostInventory) -> Option<DomesticStack> {
    let holds = |names: &[&str], text: &str| names.iter().any(|name| text.to_lowercase().contains(name));
    let cpu = match inventory.cpu_model.as_deref() {
        _ if ARCHITECTURES.iter().any(|name| inventory.arch.starts_with(name)) => true,
        Some(model) => holds(&PROCESSORS, model),
        None => return None,
    };
    Some(match (cpu, holds(&SYSTEMS, &format!("{} ", inventory.os_name))) {
        (true, true) => DomesticStack::CpuAndOs,
        (true, false) => DomesticStack::Cpu,
        (false, true) => DomesticStack::Os,
        (false, false) => DomesticStack::No,
    })
}
