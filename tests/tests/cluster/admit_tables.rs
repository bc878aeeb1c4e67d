//! What people see: the examples as a new operator applies them, the tables of `kubectl get`, a `kubectl describe` of each kind, and
//! every field that `kubectl explain` knows, from a real API server. `BLESS=1` writes the files in `golden/` anew.

use crate::admit::objects::{self, DIGEST, with};
use crate::admit::people::{CIVIL, person};
use crate::admit::{Cluster, User, golden};
use anyhow::{Context, Result};
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use std::sync::LazyLock;

static CLUSTER: LazyLock<Cluster> = LazyLock::new(|| {
    let cluster = Cluster::start("tables").expect("a control plane with the chart on it");
    fill(&cluster).expect("the examples, and one object of each kind that they have none of");
    cluster
});

/// The kinds, as people type them.
const KINDS: [&str; 14] = [
    "policyprofiles",
    "workcalendars",
    "freezeperiods",
    "cloudplatforms",
    "departments",
    "migrationplans",
    "informationsystems",
    "hostenrollments",
    "physicalhosts",
    "checkwaivers",
    "systemmigrations",
    "hostmigrations",
    "approvals",
    "custodyrecords",
];

/// An object of each.
const DESCRIBED: [&str; 14] = [
    "suining-2025",
    "year-2026",
    "two-sessions-2027",
    "suining",
    "civil-affairs",
    "plan-2026-1",
    "civil-registry",
    "civil-registry",
    "registry-db",
    "full-boot",
    "civil-registry",
    "civil-registry-db1",
    "mgo-1",
    "registry-db",
];

/// Last day of the waiver, which lies ahead of any day on which this is run.
static UNTIL: LazyLock<String> = LazyLock::new(|| objects::day_from_today(30));

/// The folder of the examples.
fn examples() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../charts/qianyun/examples")
}

/// Applies the examples as they are, as the operator whom they name; then what others write.
fn fill(cluster: &Cluster) -> Result<()> {
    let operator = person(cluster, "cloud-operator")?;
    let folder = examples();
    let folder = folder.to_str().context("a path that is text")?;
    cluster.kubectl(&operator, &["apply", "-f", folder], None)?.done()?;
    let controller = cluster.controller()?;
    for (user, object) in [
        (&cluster.gateway()?, with(objects::host("registry-db"), "/spec/room", json!("3F / A02"))),
        (&controller, objects::journey("civil-registry-db1")),
        (&person(cluster, "wang")?, objects::approval("mgo-1", "municipalGovernmentOffice", "wang", objects::NO_UID)),
        (&operator, with(objects::waiver("full-boot", "cloud-operator"), "/spec/until", json!(*UNTIL))),
        (&operator, objects::custody("registry-db", "cloud-operator")),
    ] {
        cluster.create(user, &object)?.done()?;
    }
    for (object, status) in statuses() {
        cluster.patch(&controller, CIVIL, object, &json!({"status": status}), true)?.done()?;
    }
    Ok(())
}

/// What the controller says, where a table shows it.
fn statuses() -> Vec<(&'static str, Value)> {
    let since = "2026-11-23T00:00:00Z";
    let condition = |name: &str, status: &str, reason: &str, message: &str| json!({"type": name, "status": status, "reason": reason, "message": message, "lastTransitionTime": since});
    let gate = |name: &str, verdict: &str, basis: &str, message: &str| json!({"name": name, "verdict": verdict, "basis": basis, "message": message, "since": since});
    let ready = || json!({"conditions": [condition("Ready", "True", "Ready", "")]});
    let off = "switched off, though the law asks for it: SystemGraded (Art. 29) by \"pilot\"";
    vec![
        (
            "policyprofile/suining-2018",
            json!({"conditions": [
                condition("Ready", "True", "Ready", ""),
                condition("InForce", "False", "NotInForce", "today lies outside its period"),
                condition("GatesComplete", "False", "GateOff", off),
            ]}),
        ),
        (
            "policyprofile/suining-2025",
            json!({"conditions": [
                condition("Ready", "True", "Ready", ""),
                condition("InForce", "True", "InForce", ""),
                condition("GatesComplete", "True", "EveryGateOn", ""),
            ]}),
        ),
        (
            "migrationplan/plan-2026-1",
            json!({
                "digest": DIGEST, "issuedBy": "2/2", "migrationRate": "33%", "completionRate": "0%",
                "counts": {"due": 3, "migrated": 1, "overdue": 0, "excluded": 0, "completed": 0},
            }),
        ),
        (
            "physicalhost/registry-db",
            json!({
                "ready": "1 issue", "seen": "4m", "custody": "InService", "agentVersion": "0.1.0", "disk": "1.2 TiB", "domestic": "No",
                "conditions": [condition("NewHardwareToExplain", "False", "OlderThanPolicy", "")],
                "inventory": {
                    "hostname": "registry-db", "vendor": "Dell", "model": "PowerEdge R730", "serial": "7B0SN32", "arch": "x86_64",
                    "firmware": "Uefi", "osName": "Debian GNU/Linux 12", "kernel": "6.1.0", "cpus": 16, "memoryMib": 65_536,
                    "disks": [], "filesystems": [], "nics": [], "units": [], "listeners": [],
                },
            }),
        ),
        (
            "hostenrollment/civil-registry",
            json!({
                "used": "1/2", "tokenSecret": "civil-registry-token", "conditions": [condition("Ready", "True", "Ready", "")]
            }),
        ),
        ("informationsystem/civil-registry", json!({"hosts": 1, "conditions": ready()["conditions"]})),
        ("approval/mgo-1", json!({"conditions": [condition("Effective", "True", "Accepted", "")]})),
        (
            "hostmigration/civil-registry-db1",
            json!({
                "step": "replicate", "replication": "InitialCopy", "left": "1.2 GiB", "sent": "6.8 GiB", "eta": "3m-5m",
                "message": "the disks are copied",
            }),
        ),
        (
            "systemmigration/civil-registry",
            json!({
                "phase": "Review", "department": "civil-affairs", "digest": DIGEST, "approvals": "1/2", "hosts": "0/1",
                "devices": "0/1", "lamp": "OnTime", "blockedBy": "DualApproved",
                "nextDue": {
                    "date": "2026-12-04", "what": "review of the scheme", "whatZh": "方案审批", "workingDaysLeft": "9",
                    "binding": "Target",
                },
                "waiting": {
                    "waitingFor": "DualApproved", "since": since, "whoCanUnblock": "sco",
                    "message": "the smart-city office has not decided yet", "messageZh": "市智慧办尚未审批",
                },
                "gates": [
                    gate("PlanIssued", "Open", "Art. 23", "both offices issued the plan"),
                    gate("DualApproved", "Closed", "Art. 23", "1 of 2 offices approved"),
                ],
                "message": "In review: the smart-city office has not decided yet.", "messageZh": "审批中：市智慧办尚未审批。",
                "conditions": [condition("DualApproved", "False", "Waiting", "1 of 2 offices approved")],
            }),
        ),
    ]
}

/// What kubectl prints for `arguments`.
fn printed(user: &User, arguments: &[&str]) -> Result<String> {
    let said = CLUSTER.kubectl(user, arguments, None)?;
    anyhow::ensure!(said.ok, "{arguments:?}: {}", said.err);
    Ok(said.out)
}

/// `table` with what is of today left open: the age, which is its last column, and the last day of the waiver.
fn ageless(table: &str) -> String {
    let header = table.lines().next().unwrap_or_default();
    let age = header.strip_suffix("AGE").map_or(header.len(), |rest| rest.chars().count());
    let line = |line: &str| {
        let kept: String = line.chars().take(age).collect();
        let last = if line.ends_with("AGE") { "AGE" } else { "…" };
        format!("{kept}{last}\n")
    };
    table.lines().map(line).collect::<String>().replace(UNTIL.as_str(), "YYYY-MM-DD")
}

#[test]
fn an_operator_applies_every_example_as_it_is() -> Result<()> {
    let operator = person(&CLUSTER, "cloud-operator")?;
    let mut files: Vec<PathBuf> = std::fs::read_dir(examples())?.map(|e| Ok(e?.path())).collect::<Result<_>>()?;
    files.retain(|file| file.extension().is_some_and(|e| e == "yaml"));
    files.sort();
    assert!(files.len() >= 10, "an example is missing: {files:?}");
    for file in files {
        // They were applied when the control plane was made.
        let said = printed(&operator, &["apply", "-f", file.to_str().context("a path that is text")?])?;
        let objects = std::fs::read_to_string(&file)?.lines().filter(|line| line.starts_with("kind: ")).count();
        assert!(objects > 0 && said.lines().count() == objects, "{}: {objects} objects, but {said}", file.display());
    }
    // Whoever applies them twice voids no approval.
    let generations = "jsonpath={.items[*].metadata.generation}";
    for kind in KINDS {
        let said = printed(&operator, &["get", kind, "--all-namespaces", "-o", generations])?;
        assert!(said.split_whitespace().all(|generation| generation == "1"), "a {kind} was changed: {said}");
    }
    Ok(())
}

#[test]
fn tables_of_the_examples_are_as_they_were() -> Result<()> {
    let operator = person(&CLUSTER, "cloud-operator")?;
    let (mut narrow, mut wide) = (String::new(), String::new());
    for kind in KINDS {
        for (file, more) in [(&mut narrow, &[][..]), (&mut wide, &["-o", "wide"][..])] {
            let mut arguments = vec!["get", kind, "--all-namespaces"];
            arguments.extend(more);
            let table = ageless(&printed(&operator, &arguments)?);
            file.push_str(&format!("$ kubectl {}\n{table}\n", arguments.join(" ")));
        }
    }
    golden::is_as_it_was("get.txt", &narrow);
    golden::is_as_it_was("get-wide.txt", &wide);
    Ok(())
}

#[test]
fn describe_tells_what_an_object_says_and_who_must_act() -> Result<()> {
    let operator = person(&CLUSTER, "cloud-operator")?;
    let mut text = String::new();
    for (kind, name) in KINDS.iter().zip(DESCRIBED) {
        text.push_str(&format!("$ kubectl describe {kind} {name}\n"));
        let said = printed(&operator, &["describe", kind, name, "--namespace", CIVIL])?;
        text.extend(said.lines().map(of_any_run));
        text.push('\n');
    }
    golden::is_as_it_was("describe.txt", &text);
    Ok(())
}

/// `line` with what is of this run alone left open.
fn of_any_run(line: &str) -> String {
    let own = ["UID:", "Resource Version:", "Creation Timestamp:"];
    match own.iter().find(|name| line.trim_start().starts_with(**name)) {
        Some(name) => format!("{}{name} …\n", &line[..line.len() - line.trim_start().len()]),
        None => format!("{}\n", line.trim_end()).replace(UNTIL.as_str(), "YYYY-MM-DD"),
    }
}

#[test]
fn explain_knows_the_same_fields_as_before() -> Result<()> {
    let mut text = String::new();
    for kind in KINDS {
        text.push_str(&format!("$ kubectl explain {kind} --recursive\n"));
        let said = printed(&CLUSTER.admin, &["explain", kind, "--recursive"])?;
        for line in said.lines() {
            text.push_str(&format!("{}\n", line.trim_end()));
        }
    }
    golden::is_as_it_was("explain.txt", &text);
    Ok(())
}
