//! The objects of the tests' world: one department, one system, one plan, one platform, one policy.

use jiff::{Timestamp, ToSpan};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use qianyun_crds::{
    Backend, Capacity, Catalogue, CheckOutcome, Classification, CloudPlatform, CloudPlatformSpec, Conclusion, Contact,
    CutoverWindow, Department, DepartmentKind, DepartmentSpec, Evidence, HardwareIdentity, HostCheck, HostDeclaration,
    HostDisk, HostFilesystem, HostFirmware, HostInventory, HostNic, InformationSystem, InformationSystemSpec,
    MigrationPlan, MigrationPlanSpec, Party, PhysicalHost, PhysicalHostSpec, PhysicalHostStatus, PlannedSystem,
    PlatformNetwork, PlatformProtection, PlatformTier, PolicyNumbers, PolicyProfile, PolicyProfileSpec, Probe,
    ProjectDuty, QemuBackend, QuiesceStep, Report, RoleBinding, RollbackPlan, Scheme, SchemeDisk, SchemeHost,
    SourceAccess, SystemCategory, SystemDeclaration, SystemMigration, SystemMigrationSpec, SystemProtection,
    TargetMachine, TargetNic,
};

pub(crate) const NAMESPACE: &str = "minzheng";
pub(crate) const AUTHOR: &str = "op-wang";
pub(crate) const APPROVERS: [(&str, &str); 2] =
    [("municipalGovernmentOffice", "mgo-zhang"), ("smartCityOffice", "sco-zhao")];

const DISK_BYTES: i64 = 10 << 30;

pub(crate) fn migration(hosts: &[&str], now: Timestamp) -> SystemMigration {
    let at = |minutes: i64| Time(now.checked_add(minutes.minutes()).unwrap());
    let mut migration = SystemMigration::new(
        "civil-registry",
        SystemMigrationSpec {
            system_ref: "civil-registry".into(),
            plan_ref: "plan-2026".into(),
            platform_ref: "suining".into(),
            author: AUTHOR.into(),
            former_authors: Vec::new(),
            scheme: Scheme {
                summary: "Move the marriage register".into(),
                hosts: hosts.iter().map(|h| scheme_host(h)).collect(),
                window: CutoverWindow { start: at(10), end: at(130) },
                probes: vec![Probe {
                    name: "registry".into(),
                    address: "10.77.0.10".into(),
                    tcp_port: 5432,
                    deadline_seconds: 300,
                }],
                downtime_budget_minutes: 30,
                rollback: RollbackPlan {
                    triggers: "a probe fails".into(),
                    decided_by: "director".into(),
                    latest_at: at(1440),
                    source_access: Some(SourceAccess::RemoteConsole),
                    steps: vec!["start the server again".into()],
                    duration_minutes: Some(10),
                    new_data: Some("exported before".into()),
                },
                emergency_plan: Some(paper("Emergency plan")),
                project: Some(ProjectDuty {
                    contained: false,
                    reason: Some("moved as it is, nothing built or bought".into()),
                    funding_source: None,
                }),
                parties: Vec::new(),
                security_products: Vec::new(),
                security_works: false,
                standards: Vec::new(),
                freeze_exceptions: Vec::new(),
                evidence: Vec::new(),
            },
            suspend: false,
            confirmation: None,
            receipt: None,
            assessment: None,
            rehearsal: None,
            security_in_use: None,
            incidents: Vec::new(),
            acceptance: None,
        },
    );
    migration.metadata.namespace = Some(NAMESPACE.into());
    migration.metadata.uid = Some("uid-scheme".into());
    migration.metadata.generation = Some(1);
    migration
}

pub(crate) fn paper(title: &str) -> Evidence {
    Evidence { title: title.into(), document_no: String::new(), digest: format!("sha256:{:064}", 1) }
}

pub(crate) fn report(conclusion: Conclusion, issued_on: &str) -> Report {
    Report { conclusion, issued_by: "Test centre".into(), issued_on: issued_on.into(), paper: paper("Report") }
}

pub(crate) fn scheme_host(name: &str) -> SchemeHost {
    SchemeHost {
        host_ref: name.into(),
        depends_on: Vec::new(),
        target: TargetMachine {
            cpus: 2,
            memory_mib: 2048,
            nics: vec![TargetNic { takes_place_of: "eno1".into(), network: "office".into() }],
        },
        disks: vec![SchemeDisk {
            volume: "system".into(),
            serial: format!("SN-{name}"),
            wwn: String::new(),
            size_bytes: DISK_BYTES,
            volume_bytes: DISK_BYTES,
        }],
        quiesce: vec![QuiesceStep { unit: "postgresql.service".into(), deadline_seconds: 30 }],
        hooks: Vec::new(),
        serve_units: vec!["postgresql.service".into()],
    }
}

pub(crate) fn plan() -> MigrationPlan {
    let mut plan = MigrationPlan::new(
        "plan-2026",
        MigrationPlanSpec {
            year: 2026,
            batch: 1,
            policy_ref: "suining-2018".into(),
            author: AUTHOR.into(),
            former_authors: Vec::new(),
            systems: vec![PlannedSystem {
                namespace: NAMESPACE.into(),
                name: "civil-registry".into(),
                due_date: "2027-03-31".into(),
                wave: None,
                exclusion: None,
            }],
            waves: Vec::new(),
            cutovers_at_once: None,
        },
    );
    plan.metadata.uid = Some("uid-plan".into());
    plan
}

pub(crate) fn policy() -> PolicyProfile {
    let role = |name: &str, (en, zh): (&str, &str), party: Party| RoleBinding {
        name: name.into(),
        display_name: en.into(),
        display_name_zh: zh.into(),
        party,
        subjects: Vec::new(),
    };
    let offices = || APPROVERS.iter().map(|(role, _)| (*role).to_string()).collect::<Vec<_>>();
    PolicyProfile::new(
        "suining-2018",
        PolicyProfileSpec {
            title: "Smart-city measures".into(),
            title_zh: "智慧城市建设管理办法".into(),
            basis: Vec::new(),
            effective_from: "2018-03-16".into(),
            effective_until: Some("2020-03-15".into()),
            roles: vec![
                role(
                    "municipalGovernmentOffice",
                    ("Municipal government office", "市政府办公室"),
                    Party::MunicipalGovernmentOffice,
                ),
                role("smartCityOffice", ("Smart-city office", "市智慧办"), Party::SmartCityOffice),
                role("department", ("Department", "使用单位"), Party::Department),
            ],
            plan_issuers: offices(),
            scheme_confirmer: "department".into(),
            scheme_approvers: offices(),
            acceptance_signers: Vec::new(),
            acceptance_approvers: Vec::new(),
            time_zone: None,
            gates: Vec::new(),
            numbers: PolicyNumbers {
                trial_months: 3,
                review_target_working_days: 20,
                inventory_max_age_days: 30,
                freeze_limit_seconds: 30,
                assessment_working_days: 20,
                platform_level: 3,
                rehearsal_max_age_days: 30,
                custody_target_working_days: 20,
                trial_restarts_after_grave_incident: false,
            },
        },
    )
}

pub(crate) fn platform() -> CloudPlatform {
    CloudPlatform::new(
        "suining",
        CloudPlatformSpec {
            display_name: "Suining cloud".into(),
            display_name_zh: "遂宁政务云".into(),
            operator: "operator".into(),
            supervisor: None,
            tier: PlatformTier::City,
            rehearsal_network: Some("rehearsal".into()),
            backend: Backend::Qemu(QemuBackend { receiver_address: "10.77.0.1".into() }),
            networks: vec![PlatformNetwork {
                name: "office".into(),
                cidr: "10.77.0.0/24".into(),
                bridge: "br0".into(),
            }],
            mlps: PlatformProtection {
                level: 3,
                filing_no: "F-1".into(),
                last_assessed_at: "2026-01-01".into(),
                next_due: "2027-01-01".into(),
            },
            capacity: Capacity { cpus: 64, memory_mib: 262_144, storage_bytes: 1 << 42 },
        },
    )
}

fn contact() -> Contact {
    Contact { name: "Li".into(), phone: "0825-1".into(), duty: "register".into() }
}

pub(crate) fn department() -> Department {
    Department::new(
        "minzheng",
        DepartmentSpec {
            display_name: "Civil affairs".into(),
            display_name_zh: "民政局".into(),
            kind: DepartmentKind::MunicipalDepartment,
            jurisdiction: "510900".into(),
            credit_code: "11510900MB0000000X".into(),
            namespace: NAMESPACE.into(),
            contacts: vec![contact()],
        },
    )
}

pub(crate) fn system() -> InformationSystem {
    InformationSystem::new(
        "civil-registry",
        InformationSystemSpec {
            display_name: "Civil registry".into(),
            display_name_zh: "婚姻登记".into(),
            department_ref: "minzheng".into(),
            category: SystemCategory::Business,
            business_contact: contact(),
            technical_contact: contact(),
            mlps: Some(SystemProtection { level: 2, filing_no: "F-2".into(), filed_on: None, assessed_on: None }),
            catalogue: Some(Catalogue { draft: paper("Catalogue"), item_count: 12, registration: None }),
            dependencies: Vec::new(),
            users: None,
            personal_information: None,
            base_database: None,
            hardware_exemptions: Vec::new(),
            declaration: SystemDeclaration {
                classification: Classification::NonClassified,
                declared_by: "Li".into(),
                declared_on: "2025-11-03".into(),
            },
        },
    )
}

pub(crate) fn physical(name: &str, now: Timestamp) -> PhysicalHost {
    let mut host = PhysicalHost::new(
        name,
        PhysicalHostSpec {
            department_ref: "minzheng".into(),
            system_ref: "civil-registry".into(),
            enrollment_ref: "registry".into(),
            room: None,
            hardware: HardwareIdentity { system_uuid: name.into(), ..HardwareIdentity::default() },
            public_key_digest: format!("sha256:{:064}", 0),
            declaration: HostDeclaration {
                statement: "This machine neither stores nor processes state secrets".into(),
                name: "Li".into(),
                phone: "0825-1".into(),
                declared_at: Time(now),
            },
        },
    );
    host.metadata.uid = Some(format!("uid-{name}"));
    host.status = Some(PhysicalHostStatus {
        inventory: Some(inventory(name)),
        inventory_at: Some(Time(now)),
        checks: vec![check("OS-01", CheckOutcome::Pass)],
        ..PhysicalHostStatus::default()
    });
    host
}

pub(crate) fn check(id: &str, outcome: CheckOutcome) -> HostCheck {
    HostCheck {
        id: id.into(),
        title: id.into(),
        outcome,
        observed: "0 MiB".into(),
        required: "64 MiB".into(),
        fix: "free some space".into(),
        fix_zh: "清理空间".into(),
        who: Party::Department,
    }
}

fn inventory(name: &str) -> HostInventory {
    HostInventory {
        hostname: name.into(),
        vendor: "Inspur".into(),
        model: "NF5270".into(),
        serial: format!("S-{name}"),
        arch: "x86_64".into(),
        cpu_model: None,
        firmware: HostFirmware::Bios,
        firmware_date: Some("2017-03-22".into()),
        os_name: "Debian GNU/Linux 12 (bookworm)".into(),
        kernel: "6.1.0".into(),
        cpus: 4,
        memory_mib: 4096,
        disks: vec![HostDisk {
            name: "sda".into(),
            serial: format!("SN-{name}"),
            wwn: "wwn".into(),
            size_bytes: DISK_BYTES,
            logical_block_bytes: 512,
            table_id: "dead".into(),
            model: "SATA".into(),
            stack: Vec::new(),
        }],
        filesystems: vec![HostFilesystem {
            mount: "/".into(),
            kind: "ext4".into(),
            disk: "sda".into(),
            size_bytes: DISK_BYTES,
            free_bytes: DISK_BYTES / 2,
        }],
        nics: vec![HostNic {
            name: "eno1".into(),
            mac: "00:16:3e:00:00:01".into(),
            driver: "e1000e".into(),
            addresses: Vec::new(),
        }],
        units: Vec::new(),
        listeners: Vec::new(),
        hooks: Vec::new(),
    }
}
