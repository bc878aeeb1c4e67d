//! What the operator writes: the regulation, the platform, the department, the system, the plan, the scheme; and what people
//! decide on them. Plain objects, as one would keep them in files.

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::city::CIVIL;
use crate::cluster::User;
use crate::machine::DATABASE_PORT;
use crate::site::{BRIDGE, OFFICE_ADDRESS, SITE_ADDRESS};

/// The system, and so its migration and its enrolment.
pub(crate) const SYSTEM_NAME: &str = "civil-registry";
/// The plan.
pub(crate) const PLAN: &str = "plan-2026-1";
/// Nothing here takes longer, whatever else the machine does.
const WINDOW: SignedDuration = SignedDuration::from_hours(4);

/// An object of our group.
pub(crate) fn object(kind: &str, name: &str, namespace: Option<&str>, spec: &Value) -> Value {
    let mut object = json!({
        "apiVersion": "migration.qianyun.dev/v1alpha1", "kind": kind, "metadata": {"name": name}, "spec": spec
    });
    if let Some(namespace) = namespace {
        object["metadata"]["namespace"] = json!(namespace);
    }
    object
}

pub(crate) fn policy() -> Value {
    let role = |name: &str, en: &str, zh: &str, party: &str| json!({"name": name, "displayName": en, "displayNameZh": zh, "party": party});
    object(
        "PolicyProfile",
        "suining-2018",
        None,
        &json!({
            "title": "Suining smart-city measures", "titleZh": "遂宁市智慧城市建设管理办法",
            "effectiveFrom": "2018-03-16", "effectiveUntil": "2020-03-15",
            "roles": [
                role("municipalGovernmentOffice", "Municipal government office", "市政府办公室", "mgo"),
                role("smartCityOffice", "Smart-city office", "市智慧办", "sco"),
                role("department", "Department", "使用单位", "dept"),
            ],
            "planIssuers": ["municipalGovernmentOffice", "smartCityOffice"],
            "schemeConfirmer": "department",
            "schemeApprovers": ["municipalGovernmentOffice", "smartCityOffice"],
            "gates": [{"name": "RehearsalPassed", "enabled": false, "basis": "practice; nothing is rehearsed in this story"}],
            "numbers": {
                "trialMonths": 3, "reviewTargetWorkingDays": 20, "inventoryMaxAgeDays": 7, "freezeLimitSeconds": 60
            },
        }),
    )
}

pub(crate) fn platform() -> Value {
    object(
        "CloudPlatform",
        "suining",
        None,
        &json!({
            "displayName": "Suining government cloud", "displayNameZh": "遂宁市政务云", "operator": "遂宁云平台运维中心",
            "backend": {"qemu": {"receiverAddress": SITE_ADDRESS.to_string()}},
            "networks": [{"name": "office", "cidr": "10.77.0.0/24", "bridge": BRIDGE}],
            "mlps": {
                "level": 3, "filingNo": "51090012345-00001", "lastAssessedAt": "2026-03-01", "nextDue": day_from_today(180)
            },
            "capacity": {"cpus": 64, "memoryMib": 262_144, "storageBytes": 10_995_116_277_760_i64},
        }),
    )
}

pub(crate) fn department() -> Value {
    object(
        "Department",
        "civil-affairs",
        None,
        &json!({
            "displayName": "Civil Affairs Bureau", "displayNameZh": "市民政局", "kind": "MunicipalDepartment",
            "jurisdiction": "510900", "creditCode": "11510900MB1234567X", "namespace": CIVIL,
            "contacts": [{"name": "陈静", "phone": "0825-2222222", "duty": "信息科"}],
        }),
    )
}

pub(crate) fn system(declared_by: &User) -> Value {
    object(
        "InformationSystem",
        SYSTEM_NAME,
        Some(CIVIL),
        &json!({
            "displayName": "Marriage registry", "displayNameZh": "婚姻登记系统", "departmentRef": "civil-affairs",
            "category": "Business",
            "businessContact": {"name": "陈静", "phone": "0825-2222222", "duty": "业务"},
            "technicalContact": {"name": "周明", "phone": "0825-2222223", "duty": "技术"},
            "mlps": {"level": 2, "filingNo": "51090012345-00002"},
            "catalogue": {"draft": paper("婚姻登记信息资源目录"), "itemCount": 12},
            "declaration": {
                "classification": "NonClassified", "declaredBy": declared_by.name, "declaredOn": "2026-11-01"
            },
        }),
    )
}

pub(crate) fn plan(author: &User) -> Value {
    object(
        "MigrationPlan",
        PLAN,
        None,
        &json!({
            "year": 2026, "batch": 1, "policyRef": "suining-2018", "author": author.name,
            "systems": [{"namespace": CIVIL, "name": SYSTEM_NAME, "dueDate": day_from_today(180)}],
        }),
    )
}

pub(crate) fn enrollment(expires: Timestamp) -> Value {
    let spec = json!({"systemRef": SYSTEM_NAME, "maxHosts": 1, "expiresAt": instant(expires)});
    object("HostEnrollment", SYSTEM_NAME, Some(CIVIL), &spec)
}

/// The scheme for the one server, written from what the server itself reported.
pub(crate) fn scheme(author: &User, host: &Value) -> Value {
    let inventory = &host["status"]["inventory"];
    let address = OFFICE_ADDRESS.to_string();
    let serves = |nic: &&Value| {
        nic["addresses"].as_array().is_some_and(|all| {
            all.iter().any(|one| one.as_str().is_some_and(|text| text.split('/').next() == Some(&address)))
        })
    };
    let nic = inventory["nics"].as_array().and_then(|nics| nics.iter().find(serves));
    let disks: Vec<Value> = inventory["disks"]
        .as_array()
        .map_or(Vec::new(), |disks| disks.iter().enumerate().map(|(number, disk)| scheme_disk(number, disk)).collect());
    let now = Timestamp::now();
    object(
        "SystemMigration",
        SYSTEM_NAME,
        Some(CIVIL),
        &json!({
            "systemRef": SYSTEM_NAME, "planRef": PLAN, "platformRef": "suining", "author": author.name,
            "scheme": {
                "summary": "Move the marriage registry to the government cloud, disk by disk, with its address.",
                "hosts": [{
                    "hostRef": host["metadata"]["name"],
                    "target": {
                        "cpus": 1, "memoryMib": 1024,
                        "nics": [{"takesPlaceOf": nic.map(|nic| &nic["name"]), "network": "office"}]
                    },
                    "disks": disks,
                    "quiesce": [
                        {"unit": "registry-app.service", "deadlineSeconds": 60},
                        {"unit": "postgresql@15-main.service", "deadlineSeconds": 120}
                    ],
                    "hooks": [{"name": "checkpoint", "at": "BeforeStop", "deadlineSeconds": 60}],
                    "serveUnits": ["postgresql@15-main.service", "registry-app.service"],
                }],
                "window": {"start": instant(now), "end": instant(now + WINDOW)},
                "probes": [{
                    "name": "database", "address": address, "tcpPort": DATABASE_PORT, "deadlineSeconds": 900
                }],
                "downtimeBudgetMinutes": 30,
                "rollback": {
                    "triggers": "a probe fails", "decidedBy": "刘志强", "latestAt": instant(now + WINDOW),
                    "sourceAccess": "OnSite",
                },
                "emergencyPlan": paper("婚姻登记系统应急预案"),
                "project": {"contained": false, "reason": "moved as it is: nothing is built, rebuilt or bought"},
            },
        }),
    )
}

/// A supporting paper, known by its digest.
pub(crate) fn paper(title: &str) -> Value {
    let digest = hex::encode(Sha256::digest(title.as_bytes()));
    json!({"title": title, "digest": format!("sha256:{digest}")})
}

fn scheme_disk(number: usize, disk: &Value) -> Value {
    json!({
        "volume": if number == 0 { "system".to_owned() } else { format!("data{number}") },
        "serial": disk["serial"], "wwn": disk["wwn"], "sizeBytes": disk["sizeBytes"], "volumeBytes": disk["sizeBytes"],
    })
}

/// One person's decision on exactly what `subject` says now.
pub(crate) fn approval(gate: &str, role: &str, by: &User, kind: &str, subject: &Value, namespace: &str) -> Value {
    let name = subject["metadata"]["name"].as_str().unwrap_or_default();
    object(
        "Approval",
        &format!("{name}-{}", role.to_lowercase()),
        Some(namespace),
        &json!({
            "gate": gate, "role": role, "digest": subject["status"]["digest"], "decision": "Approve",
            "approvedBy": by.name,
            "subject": {"kind": kind, "name": name, "uid": subject["metadata"]["uid"]},
        }),
    )
}

/// The object with another value at a place (RFC 6901).
pub(crate) fn with(mut object: Value, place: &str, value: Value) -> Value {
    if let Some(found) = object.pointer_mut(place) {
        *found = value;
    }
    object
}

/// A day so many after today, as the API writes it: the story is told in any year, and the controller judges by its own clock.
pub(crate) fn day_from_today(days: i64) -> String {
    (Timestamp::now() + SignedDuration::from_hours(24 * days)).strftime("%Y-%m-%d").to_string()
}

/// An instant as the API writes it.
pub(crate) fn instant(at: Timestamp) -> String {
    at.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}
