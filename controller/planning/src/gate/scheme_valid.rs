//! 方案有效 (Art. 34): the hosts, disks, NICs, hooks and networks that the scheme names exist and fit, and the platform has
//! room.
//!
//! Blocks every action on hosts. Opened by the operator, who edits the scheme. Whether the window is open now is another
//! gate's business: a scheme does not become invalid by being carried out. One that has not begun when its window is over
//! can never be carried out, and nobody should sign it.

use super::in_window::wave_window;
use super::need;
use crate::demand::{Demand, MACHINE_SLOTS};
use crate::facts::{Facts, HostFacts, Known};
use crate::order::launch_order;
use crate::reason::{Asked, Found, Reason, Verdict, closed, unknown};
use jiff::Timestamp;
use qianyun_crds::{
    CloudPlatform, HostDisk, HostIntent, HostInventory, PolicyProfileSpec, Scheme, SchemeDisk, SchemeHost,
};

pub(super) fn look(facts: &Facts, _policy: &PolicyProfileSpec, now: Timestamp) -> Found {
    let spec = &facts.migration.spec;
    let scheme = &spec.scheme;
    shape(scheme)?;
    let begun = facts.hosts.iter().any(|h| h.journey.get().is_some());
    if !begun && scheme.window.end.0 <= now {
        let not_read = facts.hosts.iter().any(|h| h.journey == Known::Unknown);
        let over = closed(Reason::WindowOver { end: scheme.window.end.0 });
        return Err(if not_read { unknown(Asked::Journey) } else { over });
    }
    if !begun {
        window_fits(facts)?;
    }
    let platform = need(&facts.platform, Asked::Platform, &spec.platform_ref)?;
    need(&facts.system, Asked::System, &spec.system_ref)?;
    for scheme_host in &scheme.hosts {
        let name = &scheme_host.host_ref;
        let facts_of_host = facts.host(name).ok_or_else(|| unknown(Asked::Host))?;
        let inventory = inventory_of(facts_of_host, name, &spec.system_ref)?;
        disks(scheme_host, inventory)?;
        nics(scheme_host, inventory, platform)?;
        hooks(scheme_host, inventory)?;
    }
    let takes_room = facts.hosts.iter().filter_map(|h| h.journey.get()).any(|j| j.spec.intent != HostIntent::Idle);
    capacity(facts, platform, takes_room)
}

/// Whether an attempt can be carried out in the window at all: it lies in its wave's, is long enough, and not frozen. Asked
/// before the journey begins; what changes later is the business of the gate `InWindow`.
fn window_fits(facts: &Facts) -> Found {
    let scheme = &facts.migration.spec.scheme;
    let (start, end) = (scheme.window.start.0, scheme.window.end.0);
    let needed_seconds = super::attempt_limit_seconds(facts);
    if let Some(wave) = facts.wave() {
        let name = || wave.name.clone();
        if start < wave.from.0 || end > wave.until.0 {
            return Err(closed(Reason::WindowOutsideWave { wave: name() }));
        }
        let begin = wave_window(wave)?.earliest(start, needed_seconds, &[]);
        begin.map_err(|reason| closed(Reason::HeldByWave { wave: name(), reason }))?;
    }
    let periods = need(&facts.freezes, Asked::Freezes, "")?;
    let is_there = |name: &str| periods.iter().any(|p| p.metadata.name.as_deref() == Some(name));
    if let Some(missing) = scheme.freeze_exceptions.iter().find(|e| !is_there(&e.freeze_ref)) {
        return Err(closed(Reason::NotFound { what: Asked::Freezes, name: missing.freeze_ref.clone() }));
    }
    let fits = super::window(facts)?.check(needed_seconds, &super::frozen_by(facts)?);
    fits.map_err(|reason| closed(Reason::WindowUnfit { reason }))
}

fn shape(scheme: &Scheme) -> Found {
    if scheme.hosts.is_empty() {
        return Err(closed(Reason::NoHosts));
    }
    if scheme.window.end.0 <= scheme.window.start.0 {
        return Err(closed(Reason::WindowReversed));
    }
    if scheme.probes.is_empty() {
        return Err(closed(Reason::NoProbes));
    }
    unique("server", scheme.hosts.iter().map(|h| h.host_ref.as_str()))?;
    unique("probe", scheme.probes.iter().map(|p| p.name.as_str()))?;
    launch_order(scheme).map_err(|circle| {
        closed(Reason::DependencyCircle { hosts: circle.into_iter().map(str::to_string).collect() })
    })?;
    scheme.hosts.iter().try_for_each(|h| {
        devices(h)?;
        unique("volume", h.disks.iter().map(|d| d.volume.as_str()))?;
        unique("hook", h.hooks.iter().map(|hook| hook.name.as_str()))?;
        unique("network interface", h.target.nics.iter().map(|n| n.takes_place_of.as_str()))
    })
}

/// Whether the machine has a slot for each of its devices: a disk or a NIC that finds none would keep it from being launched, when
/// the source is off already (docs/regulation.md TG-07).
fn devices(host: &SchemeHost) -> Found {
    let devices = host.disks.len() + host.target.nics.len();
    if devices <= MACHINE_SLOTS {
        return Ok(());
    }
    Err(closed(Reason::TooManyDevices { host: host.host_ref.clone(), devices, limit: MACHINE_SLOTS }))
}

fn unique<'a>(what: &'static str, names: impl Iterator<Item = &'a str>) -> Found {
    let mut seen = Vec::new();
    for name in names {
        if seen.contains(&name) {
            return Err(closed(Reason::NamedTwice { what, name: name.to_string() }));
        }
        seen.push(name);
    }
    Ok(())
}

fn inventory_of<'a>(facts: &'a HostFacts, name: &str, system: &str) -> Result<&'a HostInventory, Verdict> {
    let host = need(&facts.host, Asked::Host, name)?;
    if host.spec.system_ref != system {
        return Err(closed(Reason::HostOfAnotherSystem { host: name.into(), system: host.spec.system_ref.clone() }));
    }
    match &facts.claimed_by {
        Known::Is(migration) => {
            return Err(closed(Reason::HostTaken { host: name.into(), migration: migration.clone() }));
        }
        Known::Unknown => return Err(unknown(Asked::Journey)),
        Known::Absent => {}
    }
    let inventory = host.status.as_ref().and_then(|s| s.inventory.as_ref());
    inventory.ok_or_else(|| closed(Reason::HostNeverReported { host: name.into() }))
}

/// A disk is the one meant if every identity that the scheme gives for it is its own, and at least one is given.
fn is_meant(wanted: &SchemeDisk, disk: &HostDisk) -> bool {
    let serial_fits = wanted.serial.is_empty() || wanted.serial == disk.serial;
    let wwn_fits = wanted.wwn.is_empty() || wanted.wwn == disk.wwn;
    serial_fits && wwn_fits && !(wanted.serial.is_empty() && wanted.wwn.is_empty())
}

/// The one disk that is meant. Some controllers give every disk the same serial number; none of those is the approved one.
fn disk_of<'a>(
    scheme_host: &SchemeHost,
    wanted: &SchemeDisk,
    inventory: &'a HostInventory,
) -> Result<&'a HostDisk, Verdict> {
    let (host, volume) = (scheme_host.host_ref.clone(), wanted.volume.clone());
    let serial = if wanted.serial.is_empty() { wanted.wwn.clone() } else { wanted.serial.clone() };
    let mut meant = inventory.disks.iter().filter(|d| is_meant(wanted, d));
    match (meant.next(), meant.next()) {
        (Some(disk), None) => Ok(disk),
        (Some(_), Some(_)) => Err(closed(Reason::DiskNotUnique { host, volume, serial })),
        (None, _) => Err(closed(Reason::DiskNotFound { host, volume, serial })),
    }
}

fn disks(scheme_host: &SchemeHost, inventory: &HostInventory) -> Found {
    let host = || scheme_host.host_ref.clone();
    let mut copied = Vec::new();
    for wanted in &scheme_host.disks {
        let volume = wanted.volume.clone();
        let disk = disk_of(scheme_host, wanted, inventory)?;
        copied.push(disk.name.as_str());
        if disk.size_bytes != wanted.size_bytes {
            let (expected, found) = (wanted.size_bytes, disk.size_bytes);
            return Err(closed(Reason::DiskSizeDiffers { host: host(), volume, expected, found }));
        }
        if wanted.volume_bytes < wanted.size_bytes {
            return Err(closed(Reason::VolumeTooSmall {
                host: host(),
                volume,
                volume_bytes: wanted.volume_bytes,
                disk_bytes: wanted.size_bytes,
            }));
        }
    }
    unique("disk", copied.iter().copied())?;
    let covered = |disk: &&HostDisk| copied.contains(&disk.name.as_str());
    let in_use = |disk: &&HostDisk| inventory.filesystems.iter().any(|f| f.disk == disk.name);
    match inventory.disks.iter().find(|d| in_use(d) && !covered(d)) {
        Some(left_out) => Err(closed(Reason::DiskLeftOut { host: host(), disk: left_out.name.clone() })),
        None => Ok(()),
    }
}

fn nics(scheme_host: &SchemeHost, inventory: &HostInventory, platform: &CloudPlatform) -> Found {
    for nic in &scheme_host.target.nics {
        let host = scheme_host.host_ref.clone();
        if !platform.spec.networks.iter().any(|n| n.name == nic.network) {
            return Err(closed(Reason::NetworkNotFound { host, network: nic.network.clone() }));
        }
        if !inventory.nics.iter().any(|n| n.name == nic.takes_place_of) {
            return Err(closed(Reason::NicNotFound { host, nic: nic.takes_place_of.clone() }));
        }
    }
    Ok(())
}

fn hooks(scheme_host: &SchemeHost, inventory: &HostInventory) -> Found {
    match scheme_host.hooks.iter().find(|hook| !inventory.hooks.contains(&hook.name)) {
        Some(missing) => {
            let (host, hook) = (scheme_host.host_ref.clone(), missing.name.clone());
            Err(closed(Reason::HookNotAllowed { host, hook }))
        }
        None => Ok(()),
    }
}

/// Whether the platform has room: in all, beside what the schemes of others have begun to use, and on its storage now. One that
/// has begun has its place, whoever came after it.
fn capacity(facts: &Facts, platform: &CloudPlatform, takes_room: bool) -> Found {
    let scheme = &facts.migration.spec.scheme;
    let (wanted, capacity) = (Demand::of(scheme), &platform.spec.capacity);
    let taken = if takes_room { &Demand::default() } else { need(&facts.taken, Asked::FreeStorage, "")? };
    fits("CPUs", wanted.cpus, capacity.cpus.saturating_sub(taken.cpus))?;
    fits("MiB of memory", wanted.memory_mib, capacity.memory_mib.saturating_sub(taken.memory_mib))?;
    fits("bytes of storage", wanted.storage_bytes, capacity.storage_bytes.saturating_sub(taken.storage_bytes))?;
    let to_make = volumes_to_make(facts);
    match &facts.free_storage_bytes {
        _ if to_make == 0 => Ok(()),
        Known::Is(free) => fits("bytes of free storage", to_make, i64::try_from(*free).unwrap_or(i64::MAX)),
        Known::Absent | Known::Unknown => Err(unknown(Asked::FreeStorage)),
    }
}

/// Bytes of the volumes that are not there yet. Those that are take no new room; whether they are is asked per host.
pub(crate) fn volumes_to_make(facts: &Facts) -> i64 {
    let has_volumes =
        |h: &SchemeHost| facts.host(&h.host_ref).is_some_and(|f| matches!(f.hosting.volumes, Known::Is(())));
    let to_make = facts.migration.spec.scheme.hosts.iter().filter(|h| !has_volumes(h)).map(Demand::of_host);
    to_make.fold(Demand::default(), Demand::and).storage_bytes
}

fn fits(what: &'static str, needed: i64, available: i64) -> Found {
    let available = available.max(0);
    if needed > available { Err(closed(Reason::PlatformTooSmall { what, needed, available })) } else { Ok(()) }
}
