//! Objects that are right in every respect, to be made wrong in one.

use super::people::CIVIL;
use jiff::tz::{Offset, TimeZone};
use jiff::{Timestamp, ToSpan};
use serde_json::{Value, json};

/// A digest of nothing in particular.
pub(crate) const DIGEST: &str = "sha256:6b1f7c0d9d1c0f3b6c2d0e5a4f8b7a69d3c2b1a0f9e8d7c6b5a4938271605f4e";
/// A digest of something else.
pub(crate) const OTHER_DIGEST: &str = "sha256:00000c0d9d1c0f3b6c2d0e5a4f8b7a69d3c2b1a0f9e8d7c6b5a4938271605f4e";
/// A UID of no object.
pub(crate) const NO_UID: &str = "00000000-0000-4000-8000-000000000000";

fn object(kind: &str, name: &str, namespace: Option<&str>, spec: Value) -> Value {
    let mut metadata = json!({"name": name});
    if let Some(namespace) = namespace {
        metadata["namespace"] = json!(namespace);
    }
    json!({"apiVersion": "migration.qianyun.dev/v1alpha1", "kind": kind, "metadata": metadata, "spec": spec})
}

pub(crate) fn policy(name: &str) -> Value {
    let role = |name: &str, zh: &str, party: &str| json!({"name": name, "displayName": name, "displayNameZh": zh, "party": party});
    object(
        "PolicyProfile",
        name,
        None,
        json!({
            "title": "Suining smart-city measures",
            "titleZh": "遂宁市智慧城市建设管理办法",
            "effectiveFrom": "2018-03-16",
            "effectiveUntil": "2020-03-15",
            "roles": [
                role("municipalGovernmentOffice", "市政府办公室", "mgo"),
                role("smartCityOffice", "市智慧办", "sco"),
                role("department", "使用单位", "dept"),
            ],
            "planIssuers": ["municipalGovernmentOffice", "smartCityOffice"],
            "schemeConfirmer": "department",
            "schemeApprovers": ["municipalGovernmentOffice", "smartCityOffice"],
            "gates": [{"name": "SystemGraded", "enabled": false, "basis": "pilot"}],
            "numbers": {
                "trialMonths": 3, "reviewTargetWorkingDays": 20, "inventoryMaxAgeDays": 30, "freezeLimitSeconds": 30
            },
        }),
    )
}

/// The beginning of the notice of 2026.
pub(crate) fn calendar() -> Value {
    object(
        "WorkCalendar",
        "year-2026",
        None,
        json!({
            "year": 2026, "documentNo": "国办发明电〔2025〕7号",
            "source": "https://www.gov.cn/zhengce/zhengceku/202511/content_7047091.htm",
            "holidays": [
                {"name": "元旦", "from": "2026-01-01", "until": "2026-01-03"},
                {"name": "春节", "from": "2026-02-15", "until": "2026-02-23"},
            ],
            "makeUpDays": ["2026-01-04", "2026-02-14"],
        }),
    )
}

/// The national two sessions, for everybody.
pub(crate) fn freeze(name: &str, entered_by: &str) -> Value {
    object(
        "FreezePeriod",
        name,
        None,
        json!({
            "title": "2026年全国两会", "occasion": "NationalTwoSessions", "mode": "Block", "enteredBy": entered_by,
            "from": "2026-03-03T00:00:00+08:00", "until": "2026-03-13T00:00:00+08:00", "scope": {"kind": "Everything"},
        }),
    )
}

pub(crate) fn platform(name: &str) -> Value {
    object(
        "CloudPlatform",
        name,
        None,
        json!({
            "displayName": "Government cloud", "displayNameZh": "政务云", "operator": "云平台运维单位",
            "backend": {"qemu": {"receiverAddress": "10.77.0.1"}},
            "networks": [{"name": "office", "cidr": "10.77.0.0/24", "bridge": "br-office"}],
            "mlps": {
                "level": 3, "filingNo": "51090012345-00001", "lastAssessedAt": "2026-03-01",
                "nextDue": day_from_today(180)
            },
            "capacity": {"cpus": 64, "memoryMib": 262_144, "storageBytes": 10_995_116_277_760_i64},
        }),
    )
}

pub(crate) fn department(name: &str) -> Value {
    object(
        "Department",
        name,
        None,
        json!({
            "displayName": "Civil Affairs Bureau", "displayNameZh": "市民政局", "kind": "MunicipalDepartment",
            "jurisdiction": "510900", "creditCode": "11510900MB1234567X", "namespace": CIVIL,
            "contacts": [{"name": "陈静", "phone": "0825-2222222", "duty": "信息科"}],
        }),
    )
}

pub(crate) fn plan(name: &str, author: &str) -> Value {
    object(
        "MigrationPlan",
        name,
        None,
        json!({
            "year": 2026, "batch": 1, "policyRef": "suining-2018", "author": author,
            "systems": [{"namespace": CIVIL, "name": "civil-registry", "dueDate": day_from_today(180)}],
        }),
    )
}

pub(crate) fn system(name: &str, declared_by: &str) -> Value {
    object(
        "InformationSystem",
        name,
        Some(CIVIL),
        json!({
            "displayName": "Civil registry", "displayNameZh": "民政登记", "departmentRef": "civil-affairs",
            "category": "Business",
            "businessContact": {"name": "陈静", "phone": "0825-2222222", "duty": "业务"},
            "technicalContact": {"name": "周明", "phone": "0825-2222223", "duty": "技术"},
            "mlps": {"level": 2, "filingNo": "51090012345-00002"},
            "declaration": {"classification": "NonClassified", "declaredBy": declared_by, "declaredOn": "2026-11-01"},
        }),
    )
}

pub(crate) fn enrollment(name: &str) -> Value {
    let expires = format!("{}T00:00:00Z", day_from_today(30));
    let spec = json!({"systemRef": "civil-registry", "maxHosts": 1, "expiresAt": expires});
    object("HostEnrollment", name, Some(CIVIL), spec)
}

pub(crate) fn host(name: &str) -> Value {
    object(
        "PhysicalHost",
        name,
        Some(CIVIL),
        json!({
            "departmentRef": "civil-affairs", "systemRef": "civil-registry", "enrollmentRef": "batch-one",
            "hardware": {
                "systemUuid": "4c4c4544-0042-3010-8053-b7c04f4e3332", "systemSerial": "7B0SN32", "boardSerial": ".7B0SN32."
            },
            "publicKeyDigest": DIGEST,
            "declaration": {
                "statement": "本机不存储、不处理国家秘密", "name": "周明", "phone": "13800000000",
                "declaredAt": "2026-11-02T08:00:00Z"
            },
        }),
    )
}

/// Acceptance of a full `/boot` for a month.
pub(crate) fn waiver(name: &str, accepted_by: &str) -> Value {
    object(
        "CheckWaiver",
        name,
        Some(CIVIL),
        json!({
            "hostRef": "registry-db", "hostUid": NO_UID, "checkId": "ST-02", "acceptedBy": accepted_by,
            "reason": "The old kernels are removed in the week before the cutover.", "until": day_from_today(30),
        }),
    )
}

/// A server that was wiped and serves the cloud now.
pub(crate) fn custody(name: &str, recorded_by: &str) -> Value {
    let who = |name: &str, unit: &str| json!({"name": name, "unit": unit});
    object(
        "CustodyRecord",
        name,
        Some(CIVIL),
        json!({
            "hostRef": "registry-db", "hostUid": NO_UID, "systemRef": "civil-registry", "disposition": "Reused",
            "device": {
                "serial": "7B0SN32", "model": "Dell PowerEdge R730", "assetNo": "TY20170311", "ownerRef": "civil-affairs",
                "originalLocation": "民政局三楼机房 A2", "purchasedOn": "2017-03-11", "originalValueYuan": 48_000,
            },
            "handover": {
                "date": "2026-11-02", "condition": "Working", "sheetNo": "JJ-2026-0001", "sheetDigest": DIGEST,
                "handedBy": who("周明", "市民政局"), "receivedBy": who("刘志强", "云平台运维单位"),
                "witness": who("吴敏", "监理单位"),
            },
            "placement": {"room": "云计算中心 1", "rack": "B07", "rackUnit": 12, "purpose": "ResourcePool"},
            "media": [{
                "serial": "S3YJNX0K", "handling": "Wiped",
                "erasure": {
                    "method": "BlockErase", "date": "2026-11-01", "by": who("刘志强", "云平台运维单位"),
                    "recordNo": "QC-2026-0001", "proofDigest": DIGEST
                },
            }],
            "recordedBy": recorded_by,
        }),
    )
}

/// A day so many after today in Beijing, as the API writes it: the API server and the controller judge by their own clocks.
pub(crate) fn day_from_today(days: i64) -> String {
    let today = Timestamp::now().to_zoned(TimeZone::fixed(Offset::constant(8))).date();
    (today + days.days()).to_string()
}

/// Its window is over: where the controller judges it, a test that needs one ahead puts one of its own there.
pub(crate) fn scheme(name: &str, author: &str) -> Value {
    object(
        "SystemMigration",
        name,
        Some(CIVIL),
        json!({
            "systemRef": "civil-registry", "planRef": "plan-2026-1", "platformRef": "suining", "author": author,
            "scheme": {
                "summary": "Move the civil registry to the government cloud.",
                "hosts": [{
                    "hostRef": "registry-db",
                    "target": {
                        "cpus": 2, "memoryMib": 2048, "nics": [{"takesPlaceOf": "eno1", "network": "office"}]
                    },
                    "disks": [{
                        "volume": "system", "serial": "S3YJNX0K", "sizeBytes": 8_589_934_592_i64,
                        "volumeBytes": 8_589_934_592_i64
                    }],
                    "quiesce": [{"unit": "registry-app.service", "deadlineSeconds": 30}],
                    "serveUnits": ["postgresql@15-main.service"],
                }],
                "window": {"start": "2026-11-28T22:00:00+08:00", "end": "2026-11-29T02:00:00+08:00"},
                "probes": [{"name": "database", "address": "10.77.0.20", "tcpPort": 5432, "deadlineSeconds": 300}],
                "downtimeBudgetMinutes": 30,
                "rollback": {
                    "triggers": "a probe fails", "decidedBy": "刘志强", "latestAt": "2026-11-29T06:00:00+08:00",
                    "sourceAccess": "RemoteConsole",
                },
                "evidence": [{"title": "应急预案", "digest": DIGEST}],
            },
        }),
    )
}

/// A scheme with every paper that the road from its writing to its acceptance asks for.
pub(crate) fn papers(name: &str, author: &str) -> Value {
    let paper = |title: &str| json!({"title": title, "digest": DIGEST});
    let report =
        |by: &str| json!({"conclusion": "Passed", "issuedBy": by, "issuedOn": "2027-03-01", "paper": paper("报告")});
    let parts = json!({
        "emergencyPlan": paper("应急预案"),
        "project": {"contained": true, "fundingSource": "市级财政"},
        "parties": [{
            "role": "Contractor", "name": "遂宁软件公司",
            "certificate": {"name": "涉密信息系统集成资质", "number": "JC-01", "validUntil": "2027-12-31"},
        }],
        "securityProducts": [{"name": "云防火墙", "certificateNo": "销许证字第0000001号"}],
        "standards": ["GB/T 22239-2019"],
        "freezeExceptions": [{"freezeRef": "two-sessions", "reason": "the old machine room closes"}],
    });
    let beside = json!({
        "receipt": {"receivedOn": "2026-11-02", "digest": DIGEST, "pauses": [
            {"from": "2026-11-03", "until": "2026-11-05", "reason": "补正"}
        ]},
        "assessment": {
            "submittedOn": "2026-09-01", "acceptedOn": "2026-09-03", "cityApprovalNo": "遂府函〔2026〕9号",
            "report": {"conclusion": "Passed", "issuedBy": "市智慧办", "issuedOn": "2026-09-20", "paper": paper("论证评估报告")},
        },
        "rehearsal": {
            "digest": DIGEST, "heldOn": "2026-11-20", "conclusion": "Passed", "servicesStopped": true,
            "rollbackRehearsed": true, "hosts": [{"hostRef": "office-15", "bootDigest": DIGEST}], "downtimeMinutes": 12, "minutes": paper("演练记录"), "recordedBy": author,
        },
        "securityInUse": {"digest": DIGEST, "checklist": paper("三同步检查表"), "confirmedBy": author},
        "incidents": [{
            "number": 1, "occurredAt": "2026-12-20T10:00:00+08:00", "grade": "Larger", "impact": "登记中断",
            "action": "restarted", "reportedTo": "市委网信办", "resolvedAt": "2026-12-20T11:00:00+08:00",
        }],
        "acceptance": {
            "performanceTest": report("检测中心"), "securityAssessment": report("测评机构"),
            "meeting": {
                "heldOn": "2027-03-10", "organiser": "市民政局", "conclusion": "Passed", "minutes": paper("验收意见"),
                "participants": [{"role": "Contractor", "unit": "遂宁软件公司", "representative": "周明"}],
            },
            "issues": [{"number": 1, "what": "补齐运维手册", "dueOn": "2027-04-10"}],
        },
    });
    let mut object = scheme(name, author);
    for (at, more) in [("/spec/scheme", parts), ("/spec", beside)] {
        let place = object.pointer_mut(at).and_then(Value::as_object_mut).expect("a scheme has both");
        place.extend(more.as_object().cloned().unwrap_or_default());
    }
    object
}

pub(crate) fn journey(name: &str) -> Value {
    object(
        "HostMigration",
        name,
        Some(CIVIL),
        json!({
            "migrationRef": "civil-registry", "hostRef": "registry-db", "schemeDigest": DIGEST, "intent": "Replicate",
            "session": 1, "attempt": 0
        }),
    )
}

/// A decision on a scheme.
pub(crate) fn approval(name: &str, role: &str, by: &str, uid: &str) -> Value {
    object(
        "Approval",
        name,
        Some(CIVIL),
        json!({
            "gate": "DualApproved", "role": role, "digest": DIGEST, "decision": "Approve", "approvedBy": by,
            "subject": {"kind": "SystemMigration", "name": "civil-registry", "uid": uid},
        }),
    )
}

/// The first object of a system's audit record, with so many entries that say nothing.
pub(crate) fn audit_segment(migration: &str, entries: usize) -> Value {
    let data: serde_json::Map<String, Value> =
        (1..=entries).map(|number| (format!("{number:08}"), json!(format!("entry {number}")))).collect();
    json!({
        "apiVersion": "v1", "kind": "ConfigMap", "data": data,
        "metadata": {
            "name": format!("{migration}-audit-00001"), "namespace": CIVIL,
            "labels": {"migration.qianyun.dev/audit-of": migration}
        }
    })
}

/// Sets what `pointer` names in `object`; null removes it.
pub(crate) fn with(mut object: Value, pointer: &str, value: Value) -> Value {
    let (parent, last) = pointer.rsplit_once('/').expect("a pointer begins with a slash");
    let parent = object.pointer_mut(parent).unwrap_or_else(|| panic!("{pointer} has no parent"));
    match (parent, value) {
        (Value::Object(map), Value::Null) => drop(map.remove(last)),
        (Value::Object(map), value) => drop(map.insert(last.to_owned(), value)),
        (Value::Array(items), value) => items[last.parse::<usize>().expect("an index")] = value,
        (other, _) => panic!("{pointer}: {other} has no members"),
    }
    object
}

/// For each policy, someone and what it alone refuses them.
pub(crate) fn markers() -> Vec<(&'static str, Asker, Value)> {
    let secret = json!({
        "apiVersion": "v1", "kind": "Secret", "metadata": {"name": "marker", "namespace": CIVIL}, "stringData": {"a": "b"}
    });
    vec![
        ("qianyun-audit", Asker::Administrator, audit_segment("marker", 1)),
        ("qianyun-approvals", Asker::Administrator, approval("marker", "department", "someone-else", NO_UID)),
        ("qianyun-schemes", Asker::Administrator, scheme("marker", "someone-else")),
        ("qianyun-plans", Asker::Administrator, plan("marker", "someone-else")),
        ("qianyun-calendars", Asker::Administrator, with(calendar(), "/metadata/name", json!("marker"))),
        ("qianyun-freezes", Asker::Administrator, freeze("marker", "someone-else")),
        ("qianyun-waivers", Asker::Administrator, waiver("marker", "someone-else")),
        ("qianyun-custody", Asker::Administrator, custody("marker", "someone-else")),
        ("qianyun-controller-owned", Asker::Administrator, journey("marker")),
        ("qianyun-declarations", Asker::Department, system("marker", "someone-else")),
        ("qianyun-controller-secrets", Asker::Controller, secret),
    ]
}

/// Who asks with a marker.
pub(crate) enum Asker {
    Administrator,
    Department,
    Controller,
}
