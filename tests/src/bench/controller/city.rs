//! A large city on paper: twenty departments, some hundred or thousand systems, ten servers for each. Plain objects; what is
//! decided on them differs from system to system, so that every stage up to the approval is there at once. Starts nothing.

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use crate::cluster::User;
use crate::demo::papers::{self, PLAN, day_from_today, instant, object, paper, with};

/// Departments; each has its namespace.
pub(super) const DEPARTMENTS: usize = 20;
/// Servers of a system.
pub(super) const SERVERS: usize = 10;
/// Size of a server's disk. Nothing is copied here: the schemes that both offices approved are on hold.
const DISK_BYTES: i64 = 64 << 20;

/// One system of the city.
#[derive(Clone, Copy)]
pub(super) struct System(pub(super) usize);

/// How far people are with a scheme.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stage {
    /// Written.
    Written,
    /// The department confirmed it.
    Confirmed,
    /// One office approved it.
    HalfApproved,
    /// Both did, and the operator holds it.
    OnHold,
}

impl System {
    pub(super) fn name(self) -> String {
        format!("system-{:04}", self.0)
    }

    pub(super) fn namespace(self) -> String {
        department_name(self.0 % DEPARTMENTS)
    }

    pub(super) fn stage(self) -> Stage {
        match self.0 / DEPARTMENTS % 10 {
            0..=3 => Stage::Written,
            4..=6 => Stage::Confirmed,
            7..=8 => Stage::HalfApproved,
            _ => Stage::OnHold,
        }
    }

    fn server(self, number: usize) -> String {
        format!("{}-server-{number}", self.name())
    }
}

pub(super) fn department_name(number: usize) -> String {
    format!("department-{number:02}")
}

pub(super) fn department(number: usize) -> Value {
    let name = department_name(number);
    let department = with(papers::department(), "/metadata/name", json!(name));
    let department = with(department, "/spec/namespace", json!(name));
    with(department, "/spec/creditCode", json!(format!("11510900MB{number:08}")))
}

pub(super) fn plan(author: &User, systems: usize) -> Value {
    let due = day_from_today(730);
    let one = |system: System| json!({"namespace": system.namespace(), "name": system.name(), "dueDate": due});
    with(papers::plan(author), "/spec/systems", (0..systems).map(System).map(one).collect())
}

pub(super) fn system(system: System, declared_by: &User) -> Value {
    let object = with(papers::system(declared_by), "/metadata/name", json!(system.name()));
    let object = with(object, "/metadata/namespace", json!(system.namespace()));
    with(object, "/spec/departmentRef", json!(system.namespace()))
}

/// The servers as the gateway would have entered them.
pub(super) fn servers(system: System) -> Vec<Value> {
    (0..SERVERS).map(|number| server(system, number)).collect()
}

fn server(system: System, number: usize) -> Value {
    let serial = serial(system, number);
    let digest = paper(&serial)["digest"].clone();
    object(
        "PhysicalHost",
        &system.server(number),
        Some(&system.namespace()),
        &json!({
            "departmentRef": system.namespace(), "systemRef": system.name(), "enrollmentRef": "all",
            "hardware": {
                "systemUuid": format!("4c4c4544-0042-3010-{number:04}-{:012}", system.0),
                "systemSerial": serial, "boardSerial": format!(".{serial}.")
            },
            "publicKeyDigest": digest,
            "declaration": {
                "statement": "本机不存储、不处理国家秘密", "name": "周明", "phone": "13800000000",
                "declaredAt": "2026-11-02T08:00:00Z"
            },
        }),
    )
}

fn serial(system: System, number: usize) -> String {
    format!("SN{:04}{number:02}", system.0)
}

/// What the server's agent would have reported, in the size of a small server's inventory.
pub(super) fn inventory(system: System, number: usize, now: Timestamp) -> Value {
    let unit = |n: usize| json!({"name": format!("service-{n}.service"), "state": "active"});
    let listener =
        |n: usize| json!({"protocol": "tcp", "address": "0.0.0.0", "port": 8000 + n, "process": format!("p{n}")});
    let check = |n: usize| {
        json!({
            "id": format!("OS-{n:02}"), "title": "A thing that was looked at", "outcome": "Pass", "observed": "as it should be",
            "required": "as it should be", "fix": "", "fixZh": "", "who": "dept"
        })
    };
    // A weekend of silence: nobody's age changes while it is measured.
    let seen = now - SignedDuration::from_hours(60);
    json!({"status": {
        "inventoryAt": instant(now), "lastSeen": instant(seen), "seen": "2d",
        "inventory": {
            "hostname": system.server(number), "vendor": "Dell Inc.", "model": "PowerEdge R730",
            "serial": serial(system, number), "arch": "x86_64", "firmware": "Bios",
            "osName": "Debian GNU/Linux 12 (bookworm)", "kernel": "6.1.0", "cpus": 4, "memoryMib": 4096,
            "disks": [{
                "name": "sda", "serial": serial(system, number), "wwn": "", "sizeBytes": DISK_BYTES,
                "logicalBlockBytes": 512, "tableId": "dead", "model": "SATA", "stack": []
            }],
            "filesystems": [{
                "mount": "/", "kind": "ext4", "disk": "sda", "sizeBytes": DISK_BYTES, "freeBytes": DISK_BYTES / 2
            }],
            "nics": [{"name": "eno1", "mac": "00:16:3e:00:00:01", "driver": "e1000e", "addresses": []}],
            "units": (0..40).map(unit).collect::<Value>(), "listeners": (0..10).map(listener).collect::<Value>(),
        },
        "checks": (1..=30).map(check).collect::<Value>(),
    }})
}

/// The server of a system, as an address of the API.
pub(super) fn server_name(system: System, number: usize) -> String {
    system.server(number)
}

pub(super) fn scheme(system: System, author: &User, now: Timestamp) -> Value {
    let day = |days: i64| instant(now + SignedDuration::from_hours(24 * days));
    let host = |number: usize| {
        json!({
            "hostRef": system.server(number),
            "target": {"cpus": 2, "memoryMib": 2048, "nics": [{"takesPlaceOf": "eno1", "network": "office"}]},
            "disks": [{
                "volume": "system", "serial": serial(system, number), "sizeBytes": DISK_BYTES, "volumeBytes": DISK_BYTES
            }],
            "quiesce": [{"unit": "app.service", "deadlineSeconds": 30}], "serveUnits": ["app.service"],
        })
    };
    object(
        "SystemMigration",
        &system.name(),
        Some(&system.namespace()),
        &json!({
            "systemRef": system.name(), "planRef": PLAN, "platformRef": "suining", "author": author.name,
            "suspend": system.stage() == Stage::OnHold,
            "scheme": {
                "summary": "Move it to the government cloud, disk by disk, with its addresses.",
                "hosts": (0..SERVERS).map(host).collect::<Value>(),
                "window": {"start": day(20), "end": day(21)},
                "probes": [{"name": "app", "address": "10.77.0.20", "tcpPort": 443, "deadlineSeconds": 300}],
                "downtimeBudgetMinutes": 30,
                "rollback": {
                    "triggers": "a probe fails", "decidedBy": "刘志强", "latestAt": day(21), "sourceAccess": "RemoteConsole",
                },
                "emergencyPlan": paper("应急预案"),
                "project": {"contained": false, "reason": "moved as it is: nothing is built, rebuilt or bought"},
            },
        }),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_stage_is_there_in_every_department_and_no_name_twice() {
        let systems = || (0..1000).map(System);
        for department in 0..DEPARTMENTS {
            for stage in [Stage::Written, Stage::Confirmed, Stage::HalfApproved, Stage::OnHold] {
                let there = |s: &System| s.namespace() == department_name(department) && s.stage() == stage;
                assert!(systems().any(|s| there(&s)), "{stage:?} in {department}");
            }
        }
        let names: std::collections::BTreeSet<String> = systems().map(System::name).collect();
        assert_eq!(names.len(), 1000);
    }
}
