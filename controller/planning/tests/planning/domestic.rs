//! Which layers of a server are of the domestic stack, by what real machines say of themselves.
#![allow(clippy::unwrap_used)]

use crate::world::World;
use qianyun_crds::DomesticStack;
use qianyun_planning::domestic::stack;

fn of(arch: &str, cpu: Option<&str>, os: &str) -> Option<DomesticStack> {
    let mut inventory = World::new().servers[0].physical.status.clone().unwrap().inventory.unwrap();
    (inventory.arch, inventory.cpu_model, inventory.os_name) = (arch.into(), cpu.map(str::to_owned), os.into());
    stack(&inventory)
}

#[test]
fn processors_and_systems_are_known_by_the_names_that_they_give_themselves() {
    for (arch, cpu, os, expected) in [
        ("aarch64", "implementer 0x48 part 0xd01", "openEuler 22.03 (LTS-SP3)", DomesticStack::CpuAndOs),
        ("aarch64", "Phytium,FT-2000+/64", "Kylin Linux Advanced Server V10 (Tercel)", DomesticStack::CpuAndOs),
        ("aarch64", "implementer 0x70 part 0x662", "CentOS Linux 7 (AltArch)", DomesticStack::Cpu),
        ("x86_64", "Hygon C86 7285 32-core Processor", "UnionTech OS Server 20", DomesticStack::CpuAndOs),
        ("x86_64", "ZHAOXIN KaiSheng KH-37800D@2.7GHz", "Ubuntu 22.04.4 LTS", DomesticStack::Cpu),
        ("x86_64", "Intel(R) Xeon(R) Gold 6230 CPU @ 2.10GHz", "UOS 20", DomesticStack::Os),
        ("x86_64", "Intel(R) Xeon(R) Gold 6230 CPU @ 2.10GHz", "Debian GNU/Linux 12 (bookworm)", DomesticStack::No),
        ("aarch64", "implementer 0x41 part 0xd0c", "Ubuntu 22.04.4 LTS", DomesticStack::No),
        ("loongarch64", "Loongson-3C5000", "Loongnix-Server Linux 8.4", DomesticStack::Cpu),
    ] {
        assert_eq!(of(arch, Some(cpu), os), Some(expected), "{cpu}, {os}");
    }
}

#[test]
fn a_processor_without_a_name_is_known_by_its_architecture_or_not_at_all() {
    assert_eq!(of("x86_64", None, "openEuler 22.03"), None);
    assert_eq!(of("sw_64", None, "Kylin V10"), Some(DomesticStack::CpuAndOs));
}
