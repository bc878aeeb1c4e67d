//! The course on paper, with real users, `kubectl` alone, a real API server and the real controller: from Drafting, over a return, to
//! Approved, and from Provisional over the trial run and the acceptance to 办结. What lies between them needs machines: the demo goes
//! there. Here that the server was copied, cut over and adapted is written as the controller would have recorded it.
//!
//! What each person sees at each moment is kept in a golden file; `BLESS=1` writes it anew, to be read in the diff.

use crate::admit::controller::{self, Running};
use crate::admit::objects::{self, DIGEST, with};
use crate::admit::people::{CIVIL, person};
use crate::admit::{Cluster, User, golden};
use anyhow::{Context, Result, ensure};
use jiff::{SignedDuration, Timestamp};
use qianyun_tests::cluster::built;
use qianyun_tests::wait::{self, Look};
use serde_json::{Value, json};
use std::fmt::Write as _;
use std::process::Command;
use std::time::Duration;

const SYSTEM: &str = "civil-registry";
/// A look of the controller follows a change within a second; a lost wake-up within 30.
const SOON: Duration = Duration::from_secs(90);
/// What people see is kept once it is the same for so many looks, each of which takes half a second: a watch is behind by less.
const STEADY_LOOKS: u32 = 4;
/// Size of the server's disk. The gate of the scheme asks the site for as much free storage, and that is this machine's own.
const DISK_BYTES: i64 = 64 << 20;

/// The cluster, the controller on it, and what was seen so far.
struct Course {
    cluster: Cluster,
    account: User,
    folder: tempfile::TempDir,
    controller: Option<Running>,
    seen: String,
}

impl Course {
    fn begin() -> Result<Self> {
        let cluster = Cluster::start("course")?;
        let account = cluster.controller()?;
        let mut course = Self { cluster, account, folder: tempfile::tempdir()?, controller: None, seen: String::new() };
        course.start_controller()?;
        Ok(course)
    }

    fn start_controller(&mut self) -> Result<()> {
        self.controller = Some(Running::start(&self.cluster, self.folder.path())?);
        Ok(())
    }

    fn stop_controller(&mut self) {
        self.controller = None;
    }

    fn create(&self, who: &str, object: &Value) -> Result<()> {
        let user = person(&self.cluster, who)?;
        self.cluster.create(&user, object)?.done().with_context(|| format!("{who} creates {}", object["kind"]))
    }

    fn patch(&self, who: &str, object: &str, change: &Value) -> Result<()> {
        let user = person(&self.cluster, who)?;
        self.cluster
            .patch(&user, CIVIL, object, change, false)?
            .done()
            .with_context(|| format!("{who} patches {object}"))
    }

    fn migration(&self) -> Result<Value> {
        let arguments = ["get", "sysmig", SYSTEM, "--namespace", CIVIL, "-o", "json"];
        self.cluster.kubectl(&person(&self.cluster, "li")?, &arguments, None)?.json()
    }

    /// Waits until the status says so.
    fn await_status(&self, place: &str, expected: &str) -> Result<()> {
        wait::until(&format!("{place} is {expected}"), SOON, || {
            let found = self.migration()?;
            let value = found.pointer(place).cloned().unwrap_or_default();
            let holds = value.as_str() == Some(expected);
            Ok(if holds { Look::Holds(()) } else { Look::NotYet(format!("{value}; {}", found["status"]["message"])) })
        })
    }

    /// Waits until the status says so and stays as it is, and keeps what people see then.
    fn show(&mut self, title: &str, who: &str, place: &str, expected: &str) -> Result<()> {
        let (mut last, mut looks) = (String::new(), 0);
        wait::until(&format!("{title}: steady"), SOON, || {
            self.await_status(place, expected)?;
            let seen = self.seen_by(who)?;
            looks = if seen == last { looks + 1 } else { 0 };
            last = seen;
            Ok(if looks >= STEADY_LOOKS { Look::Holds(()) } else { Look::NotYet(last.clone()) })
        })?;
        let _ = writeln!(self.seen, "# {title}\n{last}");
        Ok(())
    }

    fn seen_by(&self, who: &str) -> Result<String> {
        let user = person(&self.cluster, who)?;
        let ask = |arguments: &[&str]| -> Result<String> {
            let said = self.cluster.kubectl(&user, &[arguments, &["--namespace", CIVIL]].concat(), None)?;
            ensure!(said.ok, "{who}: {}", said.err);
            Ok(said.out)
        };
        let table = masked(&ask(&["get", "sysmig", SYSTEM])?);
        let told = told(&ask(&["describe", "sysmig", SYSTEM])?);
        Ok(format!("$ kubectl get sysmig          ({who})\n{table}$ kubectl describe sysmig\n{told}"))
    }

    /// What the controller's own program foretells someone, with their rights.
    fn preview(&self, who: &str, language: &str) -> Result<String> {
        let said = Command::new(built("dist/qianyun-controller")?)
            .args(["preview", &format!("{CIVIL}/{SYSTEM}"), "--lang", language, "--kubeconfig"])
            .arg(person(&self.cluster, who)?.kubeconfig)
            .output()
            .context("running preview")?;
        ensure!(said.status.success(), "{who}: {}", String::from_utf8_lossy(&said.stderr));
        Ok(String::from_utf8(said.stdout)?)
    }

    /// Someone decides on what they read a moment ago.
    fn decide(&self, who: &str, role: &str, gate: &str, kind: &str, digest: &str) -> Result<()> {
        self.create(who, &self.decision(who, role, gate, kind, digest)?)
    }

    /// An approval of theirs of what they read a moment ago.
    fn decision(&self, who: &str, role: &str, gate: &str, kind: &str, digest: &str) -> Result<Value> {
        let migration = self.migration()?;
        let digest = migration["status"][digest].as_str().context("no digest")?;
        // One who decides on another text decides by another object.
        let text = digest.trim_start_matches("sha256:").get(..8).context("no SHA-256")?;
        let name = format!("{}-{}-{text}", gate.to_lowercase(), role.to_lowercase());
        let uid = migration["metadata"]["uid"].as_str().context("no uid")?;
        let approval = objects::approval(&name, role, who, uid);
        let approval = with(approval, "/spec/gate", json!(gate));
        let approval = with(approval, "/spec/subject/kind", json!(kind));
        Ok(with(approval, "/spec/digest", json!(digest)))
    }
}

/// The table, without what is of this run: ages, and the working days that are left.
fn masked(table: &str) -> String {
    let mut rows = table.lines();
    let Some(head) = rows.next() else { return String::new() };
    let left = head.find("LEFT").unwrap_or(head.len());
    let after = head.find("BLOCKEDBY").unwrap_or(head.len());
    let age = head.rfind("AGE").unwrap_or(head.len());
    let due = head.find("DUE").unwrap_or(left);
    let mut out = format!("{}\n", head[..age].trim_end());
    for row in rows {
        let cell = |from: usize, to: usize| row.get(from..to.min(row.len())).unwrap_or_default();
        let days: String = cell(left, after).chars().map(|c| if c.is_ascii_digit() { 'n' } else { c }).collect();
        // A day that is counted from this one is of this run.
        let day: String = cell(due, left).chars().map(|c| if c.is_ascii_digit() { 'n' } else { c }).collect();
        let days = if days.contains('n') { format!("{:<width$}", "n", width = after - left) } else { days };
        let line = format!("{}{day}{days}{}", cell(0, due), cell(after, age));
        let _ = writeln!(out, "{}", line.trim_end());
    }
    out
}

/// What `describe` says of who has to do what, without times.
fn told(description: &str) -> String {
    let keys = ["Message:", "Message Zh:", "Waiting For:", "Who Can Unblock:", "Blocked By:", "What:", "What Zh:"];
    let wanted = |line: &&str| keys.iter().any(|key| line.trim_start().starts_with(key));
    let status = description.split_once("\nStatus:").map_or(description, |(_, status)| status);
    // Gates and conditions have messages of their own; those of the status itself are indented by two.
    let own = status.lines().filter(|line| line.starts_with("  ") && (!line.starts_with("    ") || is_next_due(line)));
    let words = |line: &str| line.split_whitespace().collect::<Vec<_>>().join(" ");
    own.filter(wanted).map(|line| format!("  {}\n", without_days(&words(line)))).collect()
}

fn is_next_due(line: &str) -> bool {
    let line = line.trim_start();
    ["What:", "What Zh:", "Waiting For:", "Who Can Unblock:"].iter().any(|key| line.starts_with(key))
}

/// Days of this run.
fn without_days(line: &str) -> String {
    let day =
        |word: &str| word.len() >= 10 && word.is_char_boundary(10) && word[..10].parse::<jiff::civil::Date>().is_ok();
    line.split(' ').map(|word| if day(word) { "<day>" } else { word }).collect::<Vec<_>>().join(" ")
}

fn paper(title: &str) -> Value {
    json!({"title": title, "digest": DIGEST})
}

fn report(day: &str) -> Value {
    json!({"conclusion": "Passed", "issuedBy": "省软件测评中心", "issuedOn": day, "paper": paper("性能测试报告")})
}

/// The regulation of the course: every gate holds.
fn policy() -> Value {
    let signers = json!(["department"]);
    let policy = with(objects::policy("suining-2025"), "/spec/gates", Value::Null);
    let policy = with(policy, "/spec/effectiveUntil", Value::Null);
    let policy = with(policy, "/spec/acceptanceSigners", signers);
    with(policy, "/spec/acceptanceApprovers", json!(["smartCityOffice"]))
}

fn system() -> Value {
    let catalogue = json!({"draft": paper("婚姻登记信息资源目录"), "itemCount": 12});
    with(objects::system(SYSTEM, "chen"), "/spec/catalogue", catalogue)
}

fn scheme() -> Value {
    let day = |days: i64| {
        let at = Timestamp::now() + SignedDuration::from_hours(24 * days);
        json!(at.strftime("%Y-%m-%dT%H:%M:%SZ").to_string())
    };
    let scheme = with(objects::scheme(SYSTEM, "li"), "/spec/scheme/window", json!({"start": day(20), "end": day(21)}));
    let scheme = with(scheme, "/spec/planRef", json!("plan-2026-1"));
    let scheme = with(scheme, "/spec/scheme/rollback/latestAt", day(21));
    let scheme = with(scheme, "/spec/scheme/hosts/0/disks/0/sizeBytes", json!(DISK_BYTES));
    let scheme = with(scheme, "/spec/scheme/hosts/0/disks/0/volumeBytes", json!(DISK_BYTES));
    let scheme = with(scheme, "/spec/scheme/emergencyPlan", paper("应急预案"));
    let reason = "moved as it is, nothing built or bought";
    with(scheme, "/spec/scheme/project", json!({"contained": false, "reason": reason}))
}

/// What the server's agent would have reported.
fn host_status() -> Value {
    let now = Timestamp::now().strftime("%Y-%m-%dT%H:%M:%SZ").to_string();
    json!({"status": {
        "inventoryAt": now,
        "inventory": {
            "hostname": "registry-db", "vendor": "Dell Inc.", "model": "PowerEdge R730", "serial": "7B0SN32",
            "arch": "x86_64", "firmware": "Bios", "osName": "Debian GNU/Linux 12 (bookworm)", "kernel": "6.1.0",
            "cpus": 4, "memoryMib": 4096,
            "disks": [{
                "name": "sda", "serial": "S3YJNX0K", "wwn": "", "sizeBytes": DISK_BYTES,
                "logicalBlockBytes": 512, "tableId": "dead", "model": "SATA", "stack": []
            }],
            "filesystems": [{
                "mount": "/", "kind": "ext4", "disk": "sda", "sizeBytes": DISK_BYTES, "freeBytes": DISK_BYTES / 2
            }],
            "nics": [{"name": "eno1", "mac": "00:16:3e:00:00:01", "driver": "e1000e", "addresses": []}],
            "units": [], "listeners": []
        },
        "checks": [{
            "id": "OS-01", "title": "Release", "outcome": "Pass", "observed": "12", "required": "12", "fix": "",
            "fixZh": "", "who": "dept"
        }],
    }})
}

/// What the controller would have recorded of a cutover.
fn cut_over() -> Value {
    let at = "2026-08-01T02:00:00Z";
    json!({"status": {
        "cutover": {
            "attempt": 1, "attemptInWindow": 1, "source": "Fencing", "message": "",
            "fenceAcknowledgedAt": at, "silentSince": at,
            "record": {
                "digest": DIGEST, "record": "{}", "sourceSignature": "00", "sourceCertificate": "-",
                "targetSignature": "00", "targetCertificate": "-"
            },
            "decision": {"kind": "Commit", "attempt": 1, "recordDigest": DIGEST, "epoch": 1, "at": at, "reason": "verified"}
        },
        "target": {
            "state": "Running", "launchedAt": at, "arrivedAt": at, "adaptedAt": at, "message": "",
            "probes": [{"name": "database", "passed": true, "at": at, "message": "connected"}]
        },
    }})
}

fn from_drafting_to_approved(course: &mut Course) -> Result<()> {
    for object in [policy(), objects::platform("suining"), objects::department("civil-affairs")] {
        course.create("li", &object)?;
    }
    course.create("chen", &system())?;
    let plan = with(objects::plan("plan-2026-1", "li"), "/spec/policyRef", json!("suining-2025"));
    let plan = with(plan, "/spec/systems/0/dueDate", json!("2099-12-31"));
    course.create("li", &plan)?;
    let account = course.account.clone();
    course.cluster.create(&course.cluster.gateway()?, &objects::host("registry-db"))?.done()?;
    course.cluster.patch(&account, CIVIL, "ph/registry-db", &host_status(), true)?.done()?;
    course.create("li", &scheme())?;
    course.show("The operator wrote the scheme; the plan is not issued", "chen", "/status/blockedBy", "PlanIssued")?;
    issue_plan(course)?;
    course.show("Both offices issued the plan", "chen", "/status/blockedBy", "DepartmentConfirmed")?;
    course.decide("chen", "department", "DepartmentConfirmed", "SystemMigration", "digest")?;
    course.show("The department confirmed the scheme", "wang", "/status/phase", "Review")?;
    return_and_edit(course)?;
    course.decide("zhao", "smartCityOffice", "DualApproved", "SystemMigration", "digest")?;
    course.show("One office approved it", "wang", "/status/approvals", "1/2")?;
    for (language, words) in [("en", "1 of 2 offices approved this scheme"), ("zh", "两办审批 1/2")] {
        let said = course.preview("li", language)?;
        ensure!(said.contains(words), "expected {words:?} in the preview: {said}");
    }
    course.patch("li", "sysmig/civil-registry", &json!({"spec": {"suspend": true}}))?;
    course.decide("wang", "municipalGovernmentOffice", "DualApproved", "SystemMigration", "digest")?;
    course.show("Both offices approved it, and the operator holds it", "li", "/status/phase", "Approved")?;
    course.patch("li", "sysmig/civil-registry", &json!({"spec": {"suspend": false}}))
}

/// An office sends the scheme back, and what the department confirmed is void with the edit.
fn return_and_edit(course: &mut Course) -> Result<()> {
    let returned = course.decision("zhao", "smartCityOffice", "DualApproved", "SystemMigration", "digest")?;
    let returned = with(returned, "/spec/decision", json!("Return"));
    course.create("zhao", &with(returned, "/spec/opinion", json!("停机告知未写明")))?;
    course.show("One office returned it", "li", "/status/phase", "Returned")?;
    let summary =
        json!({"spec": {"scheme": {"summary": "Move the civil registry; its users are told a week before."}}});
    course.patch("li", "sysmig/civil-registry", &summary)?;
    course.show("The operator edited it", "chen", "/status/phase", "Drafting")?;
    course.decide("chen", "department", "DepartmentConfirmed", "SystemMigration", "digest")?;
    course.await_status("/status/phase", "Review")
}

fn issue_plan(course: &Course) -> Result<()> {
    let digest = wait::until("the plan has a digest", SOON, || {
        let arguments = ["get", "mp", "plan-2026-1", "-o", "json"];
        let plan = course.cluster.kubectl(&person(&course.cluster, "li")?, &arguments, None)?.json()?;
        let found = plan["status"]["digest"].is_string();
        Ok(if found { Look::Holds(plan) } else { Look::NotYet("no digest".into()) })
    })?;
    for (who, role) in [("wang", "municipalGovernmentOffice"), ("zhao", "smartCityOffice")] {
        let approval = objects::approval(&format!("issue-{who}"), role, who, objects::NO_UID);
        let subject = json!({"kind": "MigrationPlan", "name": "plan-2026-1", "uid": digest["metadata"]["uid"]});
        let approval = with(with(approval, "/spec/gate", json!("PlanIssued")), "/spec/subject", subject);
        course.create(who, &with(approval, "/spec/digest", digest["status"]["digest"].clone()))?;
    }
    Ok(())
}

/// The machines' part, as records.
fn record_the_cutover(course: &mut Course) -> Result<()> {
    let account = course.account.clone();
    wait::until("the journey was made", SOON, || {
        let said = course.cluster.kubectl(&account, &["get", "hostmig", "--namespace", CIVIL, "-o", "json"], None)?;
        let list = said.json()?;
        let made = list["items"][0]["metadata"]["name"].as_str().map(str::to_owned);
        Ok(made.map_or_else(|| Look::NotYet("no journey".into()), Look::Holds))
    })
    .and_then(|name| {
        course.stop_controller();
        let journey = format!("hostmig/{name}");
        let spec = json!({"spec": {"intent": "Serve", "attempt": 1}});
        course.cluster.patch(&account, CIVIL, &journey, &spec, false)?.done()?;
        course.cluster.patch(&account, CIVIL, &journey, &cut_over(), true)?.done()
    })?;
    course.start_controller()
}

/// The day that it is in Suining.
fn today() -> String {
    jiff::tz::offset(8).to_datetime(jiff::Timestamp::now()).date().to_string()
}

fn from_provisional_to_closed(course: &mut Course) -> Result<()> {
    course.await_status("/status/phase", "Provisional")?;
    let digest = course.migration()?["status"]["digest"].clone();
    course.patch("li", "sysmig/civil-registry", &json!({"spec": {"confirmation": {"by": "li", "digest": digest}}}))?;
    course.show("The operator confirmed it: the trial run", "chen", "/status/phase", "Trial")?;
    course.stop_controller();
    let began = json!({"status": {"trialStartedAt": "2026-08-01T02:00:00Z"}});
    course.cluster.patch(&course.account.clone(), CIVIL, "sysmig/civil-registry", &began, true)?.done()?;
    course.start_controller()?;
    course.show("Three calendar months later", "chen", "/status/phase", "Acceptance")?;
    let tested = json!({"spec": {"acceptance": {"performanceTest": report("2026-11-02")}}});
    course.patch("li", "sysmig/civil-registry", &tested)?;
    let registered = json!({"spec": {"catalogue": {"registration": {
        "number": "SN-2026-0077", "registeredOn": "2026-11-03", "confirmedBy": "市政府办公室"
    }}}});
    course.patch("chen", "isys/civil-registry", &registered)?;
    course.show("Performance tested, catalogue registered", "zhao", "/status/blockedBy", "PreAcceptanceApproved")?;
    course.decide("zhao", "smartCityOffice", "PreAcceptanceApproved", "AcceptanceApplication", "applicationDigest")?;
    course.show("The data bureau approved the papers", "chen", "/status/blockedBy", "Accepted")?;
    let there = |role: &str| json!({"role": role, "unit": role, "representative": "吴敏"});
    // Papers are approved before the meeting, and were a moment ago.
    let today = today();
    let meeting = json!({"spec": {"acceptance": {"meeting": {
        "heldOn": today, "organiser": "市民政局", "conclusion": "Passed", "minutes": paper("验收意见"),
        "participants": [there("Designer"), there("Contractor"), there("Supervisor")],
    }}}});
    course.patch("li", "sysmig/civil-registry", &meeting)?;
    course.show("The meeting accepted it", "chen", "/status/waiting/whoCanUnblock", "dept")?;
    let before = course.migration()?["status"]["acceptanceDigest"].clone();
    ensure!(before.is_string(), "no digest to sign");
    course.decide("chen", "department", "Accepted", "Acceptance", "acceptanceDigest")?;
    course.show("The department signed", "li", "/status/phase", "Accepted")?;
    let host = course.cluster.kubectl(
        &course.account.clone(),
        &["get", "ph", "registry-db", "-n", CIVIL, "-o", "json"],
        None,
    )?;
    let record =
        with(objects::custody("registry-db-1", "li"), "/spec/hostUid", host.json()?["metadata"]["uid"].clone());
    let record = with(record, "/spec/handover/date", json!(today));
    course.create("li", &with(record, "/spec/media/0/erasure/date", json!(today)))?;
    course.show("The device is in its new place: closed", "zhou", "/status/phase", "Closed")
}

#[test]
fn every_person_does_their_part_and_reads_at_each_moment_who_must_do_what() -> Result<()> {
    let mut course = Course::begin()?;
    let gone = from_drafting_to_approved(&mut course)
        .and_then(|()| record_the_cutover(&mut course))
        .and_then(|()| from_provisional_to_closed(&mut course));
    if gone.is_err() {
        let log = controller::log(course.folder.path());
        let tail: Vec<&str> = log.lines().rev().take(40).collect();
        eprintln!("the controller's last words, newest first:\n{}", tail.join("\n"));
    }
    gone?;
    golden::is_as_it_was("course.txt", &course.seen);
    Ok(())
}
