//! Says what a host is, from what its agent said.

use super::observe::Found;
use crate::calendar;
use crate::gateway::agents::Inventoried;
use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};
use qianyun_agent_api::check::{CheckResult, Outcome};
use qianyun_agent_api::inventory::{FirmwareMode, Inventory, MAX_HOOKS, is_hook_name};
use qianyun_crds::{
    CheckOutcome, CustodyDisposition, CustodyState, HostCheck, HostDisk, HostFilesystem, HostFirmware, HostInventory,
    HostListener, HostNic, HostUnit, Party, PhysicalHost, PhysicalHostStatus, PolicyProfile,
};
use qianyun_planning::boot;
use qianyun_planning::calendar::{parse_day, seconds_between, to_second};
use qianyun_planning::facts::Known;
use qianyun_planning::report::{condition, length, size};
use qianyun_planning::{domestic, new_hardware};
use std::collections::BTreeSet;

/// While an agent is connected `lastSeen` is written this often, for the time when nobody remembers: ten thousand servers that are
/// well are not to write to the API server every minute. That one is silent is written at once, with the second.
const SEEN_EVERY_SECONDS: i64 = 3600;
/// An agent that has been silent longer than three long polls is not connected.
const CONNECTED_SECONDS: i64 = 60;
/// Of lists that can be long, this much is shown; the rest is on the host.
const SHOWN: usize = 256;
/// Of lists within lists, as many as their schema takes.
const SHOWN_WITHIN: usize = 64;

/// Where a device is that was disposed of.
fn custody(disposition: CustodyDisposition) -> CustodyState {
    match disposition {
        CustodyDisposition::InCustody => CustodyState::InCustody,
        CustodyDisposition::Reused => CustodyState::Reused,
        CustodyDisposition::RetainedInPlace => CustodyState::RetainedInPlace,
        CustodyDisposition::Scrapped => CustodyState::Scrapped,
    }
}

/// The status of a host.
pub(super) fn status(host: &PhysicalHost, found: &Found, now: Timestamp) -> PhysicalHostStatus {
    let before = host.status.clone().unwrap_or_default();
    let generation = host.metadata.generation;
    let heard = found.source.as_ref().map(|h| to_second(h.wall));
    let recorded = before.last_seen.as_ref().map(|t| t.0);
    let silent_seconds = heard.or(recorded).map(|at| seconds_between(at, now));
    let connected = heard.is_some() && silent_seconds.is_some_and(|s| s <= CONNECTED_SECONDS);
    let last_seen = last_seen(recorded, heard, connected);
    let inventoried = found.inventory.as_deref();
    let checks = inventoried.map_or_else(|| before.checks.clone(), |i| i.checks.iter().map(check).collect());
    let issues = checks.iter().filter(|c| stands_in_the_way(c.outcome)).count();
    let has_inventory = inventoried.is_some() || before.inventory.is_some();
    let ready = has_inventory && !checks.is_empty() && issues == 0;
    let words = if issues > 0 { format!("{issues} checks stand in the way") } else { String::new() };
    let custody = match found.disposed {
        Some(disposition) => custody(disposition),
        None if found.retired => CustodyState::Retired,
        None => CustodyState::InService,
    };
    let inventory = inventoried.map(|i| inventory(&i.inventory)).or(before.inventory);
    let said = |kind, status, reason, words: &str| {
        condition(&before.conditions, kind, Some(status), reason, words, generation, now)
    };
    let mut conditions = vec![
        said("Ready", ready, if ready { "NoCheckBlocks" } else { "ChecksBlock" }, &words),
        said("AgentConnected", connected, if connected { "Connected" } else { "HeartbeatMissed" }, ""),
        said("Inventoried", has_inventory, if has_inventory { "Inventoried" } else { "Collecting" }, ""),
    ];
    conditions.extend(new_hardware(host, found, inventory.as_ref(), custody, now));
    PhysicalHostStatus {
        observed_generation: generation,
        seen: Some(silent_seconds.map_or_else(|| "never".to_string(), age)),
        last_seen: last_seen.map(Time),
        agent_version: found.source.as_ref().map(|h| text::<64>(&h.report.agent_version)).or(before.agent_version),
        ready: Some(match (has_inventory, issues) {
            (false, _) => "Unknown".to_string(),
            (true, 0) => "Ready".to_string(),
            (true, n) => format!("{n} issues"),
        }),
        custody: Some(custody),
        boot_digest: inventory.as_ref().and_then(|inventory| boot::digest(inventory).ok()),
        disk: inventory.as_ref().map(|i| size(i.disks.iter().fold(0, |sum, d| i64::saturating_add(sum, d.size_bytes)))),
        domestic: inventory.as_ref().and_then(domestic::stack),
        inventory,
        inventory_at: inventoried.map(|i| Time(taken(i, before.inventory_at.as_ref()))).or(before.inventory_at),
        checks,
        conditions,
    }
}

/// Whether somebody should say why the server stands outside the centre; what was said before, while that cannot be judged.
fn new_hardware(
    host: &PhysicalHost,
    found: &Found,
    inventory: Option<&HostInventory>,
    custody: CustodyState,
    now: Timestamp,
) -> Option<Condition> {
    const KIND: &str = "NewHardwareToExplain";
    let before = host.status.iter().flat_map(|status| &status.conditions);
    let before: Vec<Condition> = before.filter(|condition| condition.type_ == KIND).cloned().collect();
    let exemptions = match &found.system {
        Known::Is(system) => system.spec.hardware_exemptions.as_slice(),
        Known::Absent => &[],
        Known::Unknown => return before.into_iter().next(),
    };
    let Some(policies) = found.policies.get() else {
        return before.into_iter().next();
    };
    let today = |policy: &PolicyProfile| calendar::zone(Some(policy)).day(now);
    let hardware = new_hardware::judge(inventory, custody, policies, exemptions, today);
    let words = hardware.words();
    let message =
        if hardware.is_to_explain() == Some(true) { format!("{} / {}", words.en, words.zh) } else { words.en };
    let generation = host.metadata.generation;
    Some(condition(&before, KIND, hardware.is_to_explain(), hardware.name(), &message, generation, now))
}

/// A day, if it is one that the schema allows; it comes from outside.
fn firmware_date(text: &str) -> Option<String> {
    parse_day(text).filter(|day| day.year() > 0).map(|day| day.to_string())
}

/// The time of the last report, held while reports come, so that a status is not written for each of them.
fn last_seen(before: Option<Timestamp>, heard: Option<Timestamp>, connected: bool) -> Option<Timestamp> {
    match (before, heard) {
        (Some(before), Some(heard)) if connected && seconds_between(before, heard) < SEEN_EVERY_SECONDS => Some(before),
        (before, heard) => heard.or(before),
    }
}

/// An age in steps that grow with it, since each is written, and all servers of a room fall silent together.
fn age(seconds: i64) -> String {
    let step = match seconds {
        ..120 => return "1m".to_string(),
        120..300 => return "2m".to_string(),
        300..900 => 300,
        900..3600 => 900,
        _ => 3600,
    };
    length(seconds / step * step)
}

/// When an inventory was taken; one that says the same again counts as taken again once an hour, not more often.
fn taken(inventoried: &Inventoried, before: Option<&Time>) -> Timestamp {
    let new = to_second(inventoried.wall);
    before.map(|t| t.0).filter(|old| (0..3600).contains(&seconds_between(*old, new))).unwrap_or(new)
}

fn stands_in_the_way(outcome: CheckOutcome) -> bool {
    match outcome {
        CheckOutcome::Block | CheckOutcome::Unknown => true,
        CheckOutcome::Pass | CheckOutcome::Info | CheckOutcome::Warn => false,
    }
}

fn check(check: &CheckResult) -> HostCheck {
    HostCheck {
        id: text::<16>(&check.id),
        title: text::<250>(&check.title.en),
        outcome: match check.outcome {
            Outcome::Pass => CheckOutcome::Pass,
            Outcome::Info => CheckOutcome::Info,
            Outcome::Warn => CheckOutcome::Warn,
            Outcome::Block => CheckOutcome::Block,
            Outcome::Unknown => CheckOutcome::Unknown,
        },
        observed: text::<250>(&check.observed),
        required: text::<250>(&check.required),
        fix: check.fix.en.chars().take(1000).collect(),
        fix_zh: check.fix.zh.chars().take(1000).collect(),
        // Whatever a check finds, it finds on the department's machine.
        who: Party::Department,
    }
}

fn inventory(found: &Inventory) -> HostInventory {
    let number = |n: u64| i64::try_from(n).unwrap_or(i64::MAX);
    HostInventory {
        hostname: text::<253>(&found.os.hostname),
        vendor: text::<128>(&found.hardware.vendor),
        model: text::<128>(&found.hardware.model),
        serial: text::<128>(&found.hardware.serial),
        arch: text::<32>(&found.hardware.arch),
        cpu_model: Some(text::<250>(&found.hardware.cpu_model)).filter(|model| !model.is_empty()),
        firmware_date: firmware_date(&found.hardware.firmware_date),
        firmware: match found.boot.firmware {
            FirmwareMode::Bios => HostFirmware::Bios,
            FirmwareMode::Uefi => HostFirmware::Uefi,
        },
        os_name: text::<128>(&found.os.name),
        kernel: text::<128>(&found.os.kernel),
        cpus: i64::from(found.hardware.cpus),
        memory_mib: number(found.hardware.memory_bytes >> 20),
        disks: found.disks.iter().take(SHOWN).map(disk).collect(),
        filesystems: found
            .filesystems
            .iter()
            .take(SHOWN)
            .map(|f| HostFilesystem {
                mount: text::<4096>(&f.mount),
                kind: text::<64>(&f.kind),
                disk: text::<256>(&f.disk),
                size_bytes: number(f.size_bytes),
                free_bytes: number(f.free_bytes),
            })
            .collect(),
        nics: found.nics.iter().take(SHOWN).map(nic).collect(),
        units: found
            .units
            .iter()
            .take(SHOWN)
            .map(|u| HostUnit { name: text::<255>(&u.name), state: text::<64>(&u.state) })
            .collect(),
        listeners: found
            .listeners
            .iter()
            .take(SHOWN)
            .map(|l| HostListener {
                protocol: text::<16>(&l.protocol),
                address: text::<128>(&l.address),
                port: i32::from(l.port),
                process: text::<256>(&l.process),
            })
            .collect(),
        hooks: hooks(&found.hooks),
    }
}

/// Each name once, of those that the schema allows; they come from outside.
fn hooks(found: &[String]) -> Vec<String> {
    let names: BTreeSet<&String> = found.iter().filter(|name| is_hook_name(name)).collect();
    names.into_iter().take(MAX_HOOKS).cloned().collect()
}

fn disk(disk: &qianyun_agent_api::inventory::Disk) -> HostDisk {
    HostDisk {
        name: text::<64>(&disk.name),
        serial: text::<128>(&disk.identity.serial),
        wwn: text::<128>(&disk.identity.wwn),
        size_bytes: i64::try_from(disk.identity.size_bytes).unwrap_or(i64::MAX),
        logical_block_bytes: i64::from(disk.identity.logical_block_bytes),
        table_id: text::<64>(&disk.identity.table_id),
        model: text::<128>(&disk.model),
        stack: disk.stack.iter().take(SHOWN_WITHIN).map(|s| text::<256>(s)).collect(),
    }
}

fn nic(nic: &qianyun_agent_api::inventory::Nic) -> HostNic {
    HostNic {
        name: text::<15>(&nic.name),
        mac: text::<64>(&nic.mac),
        driver: text::<64>(&nic.driver),
        addresses: nic.addresses.iter().take(SHOWN_WITHIN).map(|a| text::<64>(a)).collect(),
    }
}

/// At most as much of a text as its field takes: a longer one would have the API server refuse the whole status.
fn text<const CHARS: usize>(text: &str) -> String {
    text.chars().take(CHARS).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_that_is_longer_than_its_field_is_cut_and_not_refused() {
        let long = "文".repeat(300);
        assert_eq!(text::<128>(&long).chars().count(), 128);
        assert_eq!(text::<128>("Inspur"), "Inspur");
    }

    fn at(text: &str) -> Option<Timestamp> {
        Some(text.parse().unwrap())
    }

    #[test]
    fn a_server_that_is_well_is_written_once_an_hour_and_one_that_falls_silent_with_its_last_second() {
        let (nine, soon) = (at("2026-03-02T09:00:00Z"), at("2026-03-02T09:59:59Z"));
        assert_eq!(last_seen(None, nine, true), nine, "the first report");
        assert_eq!(last_seen(nine, soon, true), nine, "within the hour");
        assert_eq!(last_seen(nine, soon, false), soon, "it has fallen silent");
        assert_eq!(last_seen(nine, at("2026-03-02T10:00:00Z"), true), at("2026-03-02T10:00:00Z"), "an hour later");
        assert_eq!(last_seen(nine, None, false), nine, "this leader never heard it");
    }

    #[test]
    fn the_age_of_silence_changes_less_often_the_longer_it_lasts() {
        let ages = [0, 119, 120, 299, 300, 899, 900, 3599, 3600, 7199, 86_399, 86_400, 200_000].map(age);
        assert_eq!(ages, ["1m", "1m", "2m", "2m", "5m", "10m", "15m", "45m", "1h", "1h", "23h", "1d", "2d"]);
    }
}
