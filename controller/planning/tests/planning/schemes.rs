//! What makes a scheme one that can be carried out: its shape, its disks, its networks, its room at the platform.
#![allow(clippy::unwrap_used)]

use crate::world::World;
use qianyun_crds::{
    Capacity, GateName, HookMoment, HookStep, HostDisk, HostInventory, HostMigration, Party, SchemeDisk, TargetNic,
};
use qianyun_planning::Reason;
use qianyun_planning::demand::Demand;
use qianyun_planning::facts::{Facts, Known};
use qianyun_planning::gate::judge;
use qianyun_planning::reason::{Asked, Verdict};

const DISK_BYTES: i64 = 10 << 30;

fn facts() -> Facts {
    World::new().facts()
}

fn look(facts: &Facts) -> Verdict {
    judge(GateName::SchemeValid, facts, World::new().now)
}

#[track_caller]
fn assert_closed(facts: &Facts, reason: Reason) {
    assert_eq!(look(facts), Verdict::Closed(reason));
}

fn host() -> String {
    "db1".into()
}

fn inventory(facts: &mut Facts) -> &mut HostInventory {
    let Known::Is(host) = &mut facts.hosts[0].host else { panic!() };
    host.status.as_mut().unwrap().inventory.as_mut().unwrap()
}

fn wanted(facts: &mut Facts) -> &mut SchemeDisk {
    &mut facts.migration.spec.scheme.hosts[0].disks[0]
}

fn capacity(facts: &mut Facts) -> &mut Capacity {
    let Known::Is(platform) = &mut facts.platform else { panic!() };
    &mut platform.spec.capacity
}

/// Another disk of the server, and whether a filesystem lies on it.
fn second_disk(facts: &mut Facts, serial: &str, in_use: bool) {
    let inventory = inventory(facts);
    let first = inventory.disks[0].clone();
    inventory.disks.push(HostDisk { name: "sdb".into(), serial: serial.into(), wwn: "wwn-2".into(), ..first });
    if in_use {
        let mut filesystem = inventory.filesystems[0].clone();
        (filesystem.mount, filesystem.disk) = ("/srv".into(), "sdb".into());
        inventory.filesystems.push(filesystem);
    }
}

#[test]
fn a_scheme_without_hosts_or_probes_is_none() {
    let mut no_hosts = facts();
    no_hosts.migration.spec.scheme.hosts.clear();
    assert_closed(&no_hosts, Reason::NoHosts);
    let mut no_probes = facts();
    no_probes.migration.spec.scheme.probes.clear();
    assert_closed(&no_probes, Reason::NoProbes);
}

#[test]
fn nothing_is_named_twice() {
    let twice = |what: &'static str, name: &str, change: &dyn Fn(&mut Facts)| {
        let mut facts = facts();
        change(&mut facts);
        assert_closed(&facts, Reason::NamedTwice { what, name: name.into() });
    };
    twice("server", "db1", &|f| {
        let host = f.migration.spec.scheme.hosts[0].clone();
        f.migration.spec.scheme.hosts.push(host);
    });
    twice("probe", "registry", &|f| {
        let probe = f.migration.spec.scheme.probes[0].clone();
        f.migration.spec.scheme.probes.push(probe);
    });
    twice("volume", "system", &|f| {
        let disk = wanted(f).clone();
        f.migration.spec.scheme.hosts[0].disks.push(disk);
    });
    twice("network interface", "eno1", &|f| {
        let nic = f.migration.spec.scheme.hosts[0].target.nics[0].clone();
        f.migration.spec.scheme.hosts[0].target.nics.push(nic);
    });
}

#[test]
fn two_hosts_may_call_their_volumes_and_interfaces_the_same() {
    let world = World::with_servers(&["db1", "web1"]);
    assert_eq!(look(&world.facts()), Verdict::Open);
}

#[test]
fn a_disk_is_meant_by_every_identity_that_is_given_for_it() {
    for (serial, wwn, found) in [
        ("SN-db1", "", true),
        ("", "wwn", true),
        ("SN-db1", "wwn", true),
        ("SN-db1", "wwn-2", false),
        ("SN-other", "wwn", false),
        ("", "", false),
    ] {
        let mut facts = facts();
        (wanted(&mut facts).serial, wanted(&mut facts).wwn) = (serial.into(), wwn.into());
        let named = if serial.is_empty() { wwn } else { serial }.to_string();
        let missing = Reason::DiskNotFound { host: host(), volume: "system".into(), serial: named };
        assert_eq!(look(&facts), if found { Verdict::Open } else { Verdict::Closed(missing) }, "{serial:?} {wwn:?}");
    }
}

#[test]
fn a_disk_without_serial_is_not_the_one_whose_serial_is_not_given() {
    let mut facts = facts();
    inventory(&mut facts).disks[0].serial = String::new();
    wanted(&mut facts).serial = String::new();
    assert!(!look(&facts).passes());
}

#[test]
fn of_two_disks_with_one_serial_none_is_the_one_that_was_approved() {
    let mut facts = facts();
    second_disk(&mut facts, "SN-db1", false);
    let named = Reason::DiskNotUnique { host: host(), volume: "system".into(), serial: "SN-db1".into() };
    assert_closed(&facts, named);
    wanted(&mut facts).wwn = "wwn".into();
    assert_eq!(look(&facts), Verdict::Open);
}

#[test]
fn one_disk_is_not_two_volumes() {
    let mut facts = facts();
    let again = SchemeDisk { volume: "data".into(), ..wanted(&mut facts).clone() };
    facts.migration.spec.scheme.hosts[0].disks.push(again);
    assert_closed(&facts, Reason::NamedTwice { what: "disk", name: "sda".into() });
}

#[test]
fn a_disk_in_use_cannot_be_left_out_and_an_unused_one_can() {
    let mut facts = facts();
    second_disk(&mut facts, "SN-2", false);
    assert_eq!(look(&facts), Verdict::Open);
    let mut facts = self::facts();
    second_disk(&mut facts, "SN-2", true);
    assert_closed(&facts, Reason::DiskLeftOut { host: host(), disk: "sdb".into() });
    let data = SchemeDisk { volume: "data".into(), serial: "SN-2".into(), ..wanted(&mut facts).clone() };
    facts.migration.spec.scheme.hosts[0].disks.push(data);
    assert_eq!(look(&facts), Verdict::Open);
}

#[test]
fn a_volume_holds_its_disk_or_more_and_never_a_byte_less() {
    for (volume_bytes, fits) in [(DISK_BYTES - 1, false), (DISK_BYTES, true), (DISK_BYTES + 1, true)] {
        let mut facts = facts();
        wanted(&mut facts).volume_bytes = volume_bytes;
        let small =
            Reason::VolumeTooSmall { host: host(), volume: "system".into(), volume_bytes, disk_bytes: DISK_BYTES };
        assert_eq!(look(&facts), if fits { Verdict::Open } else { Verdict::Closed(small) });
    }
    for off in [-512, 512] {
        let mut facts = facts();
        wanted(&mut facts).size_bytes += off;
        let differs = Reason::DiskSizeDiffers {
            host: host(),
            volume: "system".into(),
            expected: DISK_BYTES + off,
            found: DISK_BYTES,
        };
        assert_closed(&facts, differs);
    }
}

#[test]
fn the_hosts_of_a_scheme_fit_the_platform_together_to_the_last_unit() {
    let two = || World::with_servers(&["db1", "web1"]).facts();
    let full = Capacity { cpus: 4, memory_mib: 4096, storage_bytes: 2 * DISK_BYTES };
    let mut fitting = two();
    *capacity(&mut fitting) = full.clone();
    fitting.free_storage_bytes = Known::Is(u64::try_from(2 * DISK_BYTES).unwrap());
    assert_eq!(look(&fitting), Verdict::Open);
    let too_small = |what: &'static str, available: i64, change: &dyn Fn(&mut Facts)| {
        let mut facts = fitting.clone();
        change(&mut facts);
        assert_closed(&facts, Reason::PlatformTooSmall { what, needed: available + 1, available });
    };
    too_small("CPUs", 3, &|f| capacity(f).cpus = 3);
    too_small("MiB of memory", 4095, &|f| capacity(f).memory_mib = 4095);
    too_small("bytes of storage", 2 * DISK_BYTES - 1, &|f| capacity(f).storage_bytes -= 1);
    let free = 2 * DISK_BYTES - 1;
    too_small("bytes of free storage", free, &|f| f.free_storage_bytes = Known::Is(u64::try_from(free).unwrap()));
}

#[test]
fn what_others_have_begun_to_use_is_not_there_for_a_scheme_that_has_not_begun() {
    let mut facts = World::with_servers(&["db1"]).facts();
    *capacity(&mut facts) = Capacity { cpus: 8, memory_mib: 8192, storage_bytes: 4 * DISK_BYTES };
    let beside = Demand { cpus: 6, memory_mib: 6144, storage_bytes: 3 * DISK_BYTES };
    facts.taken = Known::Is(beside);
    assert_eq!(look(&facts), Verdict::Open);
    let too_small = |what: &'static str, needed: i64, more: Demand| {
        let mut facts = facts.clone();
        facts.taken = Known::Is(beside.and(more));
        assert_closed(&facts, Reason::PlatformTooSmall { what, needed, available: needed - 1 });
    };
    too_small("CPUs", 2, Demand { cpus: 1, ..Demand::default() });
    too_small("MiB of memory", 2048, Demand { memory_mib: 1, ..Demand::default() });
    too_small("bytes of storage", DISK_BYTES, Demand { storage_bytes: 1, ..Demand::default() });
    facts.taken = Known::Unknown;
    assert_eq!(look(&facts), Verdict::Unknown(Reason::NotKnown { what: Asked::FreeStorage }));
}

#[test]
fn a_scheme_that_has_begun_keeps_its_place_on_the_platform() {
    let mut facts = World::in_sync(&["db1"]).facts();
    facts.taken = Known::Is(Demand { cpus: i64::MAX, ..Demand::default() });
    assert_eq!(look(&facts), Verdict::Open);
}

#[test]
fn a_machine_has_a_slot_for_each_disk_and_nic() {
    let mut facts = World::with_servers(&["db1"]).facts();
    let nics = |facts: &mut Facts, count: usize| {
        let nic = facts.migration.spec.scheme.hosts[0].target.nics[0].clone();
        facts.migration.spec.scheme.hosts[0].target.nics =
            (0..count).map(|n| TargetNic { takes_place_of: format!("eno{n}"), ..nic.clone() }).collect();
    };
    nics(&mut facts, 28);
    assert_closed(&facts, Reason::TooManyDevices { host: host(), devices: 29, limit: 28 });
    nics(&mut facts, 27);
    assert!(matches!(look(&facts), Verdict::Closed(Reason::NicNotFound { .. })), "{:?}", look(&facts));
}

#[test]
fn volumes_that_are_there_already_take_no_new_room() {
    let mut facts = World::with_servers(&["db1", "web1"]).facts();
    facts.free_storage_bytes = Known::Is(u64::try_from(DISK_BYTES).unwrap());
    assert!(!look(&facts).passes());
    facts.hosts[0].hosting.volumes = Known::Is(());
    assert_eq!(look(&facts), Verdict::Open);
    facts.hosts[0].hosting.volumes = Known::Unknown;
    assert!(!look(&facts).passes());
}

#[test]
fn sums_beyond_every_platform_are_too_large_and_not_negative() {
    let mut facts = World::with_servers(&["db1", "web1"]).facts();
    for host in &mut facts.migration.spec.scheme.hosts {
        host.target.memory_mib = i64::MAX;
    }
    let available = capacity(&mut facts).memory_mib;
    assert_closed(&facts, Reason::PlatformTooSmall { what: "MiB of memory", needed: i64::MAX, available });
}

#[test]
fn a_host_belongs_to_this_system_is_in_no_other_hands_and_has_reported() {
    let changed = |change: &dyn Fn(&mut Facts), reason: Reason| {
        let mut facts = facts();
        change(&mut facts);
        assert_closed(&facts, reason);
    };
    changed(
        &|f| {
            let Known::Is(host) = &mut f.hosts[0].host else { panic!() };
            host.spec.system_ref = "archive".into();
        },
        Reason::HostOfAnotherSystem { host: host(), system: "archive".into() },
    );
    changed(
        &|f| f.hosts[0].claimed_by = Known::Is("archive".into()),
        Reason::HostTaken { host: host(), migration: "archive".into() },
    );
    for nothing in [true, false] {
        changed(
            &|f| {
                let Known::Is(host) = &mut f.hosts[0].host else { panic!() };
                if nothing {
                    host.status = None;
                } else {
                    host.status.as_mut().unwrap().inventory = None;
                }
            },
            Reason::HostNeverReported { host: host() },
        );
    }
}

#[test]
fn a_host_that_never_reported_is_neither_listed_nor_ready() {
    for gate in [GateName::InventoryComplete, GateName::HostsReady] {
        let mut facts = facts();
        let Known::Is(server) = &mut facts.hosts[0].host else { panic!() };
        let status = server.status.as_mut().unwrap();
        (status.inventory_at, status.checks) = (None, Vec::new());
        let never = Verdict::Closed(Reason::HostNeverReported { host: host() });
        assert_eq!(judge(gate, &facts, World::new().now), never, "{gate:?}");
        let Known::Is(server) = &mut facts.hosts[0].host else { panic!() };
        server.status = None;
        assert_eq!(judge(gate, &facts, World::new().now), never, "{gate:?}");
    }
}

#[test]
fn an_interface_takes_the_place_of_one_that_is_there_on_a_network_that_is_there() {
    let mut facts = facts();
    facts.migration.spec.scheme.hosts[0].target.nics[0].network = "nowhere".into();
    assert_closed(&facts, Reason::NetworkNotFound { host: host(), network: "nowhere".into() });
    let mut facts = self::facts();
    facts.migration.spec.scheme.hosts[0].target.nics[0].takes_place_of = "eth9".into();
    assert_closed(&facts, Reason::NicNotFound { host: host(), nic: "eth9".into() });
}

#[test]
fn a_hook_is_one_that_the_admin_of_the_server_allows() {
    let mut facts = facts();
    let hook = |name: &str| HookStep { name: name.into(), at: HookMoment::BeforeStop, deadline_seconds: 60 };
    inventory(&mut facts).hooks = vec!["dump-database".into()];
    facts.migration.spec.scheme.hosts[0].hooks = vec![hook("dump-database")];
    assert!(judge(GateName::SchemeValid, &facts, World::new().now).passes());
    facts.migration.spec.scheme.hosts[0].hooks.push(hook("drop-database"));
    let not_allowed = Reason::HookNotAllowed { host: host(), hook: "drop-database".into() };
    assert_eq!(not_allowed.party(), Some(Party::Department));
    assert_closed(&facts, not_allowed);
}

#[test]
fn a_scheme_that_is_being_carried_out_stays_valid_when_its_window_is_over() {
    let world = World::in_sync(&["db1", "web1"]);
    let mut facts = world.facts();
    let end = facts.migration.spec.scheme.window.end.0;
    // One of two hosts that has begun is enough.
    facts.hosts[1].journey = Known::<HostMigration>::Absent;
    assert!(judge(GateName::SchemeValid, &facts, end).passes());
}
