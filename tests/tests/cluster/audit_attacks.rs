//! Ways around the two offices that the API server lets through, tried with kubectl against the real controller: each is without
//! effect and on record, with who it was and why it does not count. Then the record itself is attacked, by someone whom nothing
//! stops, and the controller's own program finds it. What is refused at the door is in `admit_attacks` and `admit_audit`: the
//! controller never hears of it, and the API server's own audit log has it.

use crate::admit::controller::{self, Running};
use crate::admit::objects::{self, NO_UID, OTHER_DIGEST, with};
use crate::admit::people::{CIVIL, WATER, person};
use crate::admit::{Cluster, User};
use anyhow::{Context, Result, ensure};
use qianyun_tests::cluster::built;
use qianyun_tests::wait::{self, Look};
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::time::Duration;

const MGO: &str = "municipalGovernmentOffice";
const SCO: &str = "smartCityOffice";
const SCHEME: &str = "systemmigration/civil-registry";
/// A reconciler, a watch and a policy on a busy machine of two cores.
const SOON: Duration = Duration::from_secs(90);

/// The city, with a controller that is started and killed at will.
struct City {
    cluster: Cluster,
    folder: PathBuf,
    inspector: User,
    /// UID of the scheme.
    uid: String,
    /// Each attempt that was made: the approval's name, who made it, and what has to be thought of it.
    attempts: Vec<(String, String, &'static str)>,
}

impl City {
    fn found() -> Result<Self> {
        let cluster = Cluster::start("audit-attacks")?;
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("audit-attacks-controller");
        let _ = std::fs::remove_dir_all(&folder);
        std::fs::create_dir_all(&folder)?;
        let uid = cluster.write_scheme()?;
        let inspector = person(&cluster, "zhou")?;
        let city = Self { cluster, folder, inspector, uid, attempts: Vec::new() };
        for (user, roles) in [("two-hats", &[MGO, SCO][..]), ("chen", &[MGO]), ("gone", &[SCO]), ("li", &[MGO])] {
            for role in roles {
                city.bind(user, role)?;
            }
        }
        Ok(city)
    }

    /// What an administrator in a hurry might grant.
    fn bind(&self, user: &str, role: &str) -> Result<()> {
        let (binding, role) = (format!("{user}-{role}").to_lowercase(), format!("qianyun-approver-{role}"));
        let arguments = ["create", "clusterrolebinding", &binding, "--clusterrole", &role, "--user", user];
        self.cluster.kubectl(&self.cluster.admin, &arguments, None)?.done()
    }

    fn controller(&self) -> Result<Running> {
        Running::start(&self.cluster, &self.folder)
    }

    fn log(&self) -> String {
        controller::log(&self.folder)
    }

    fn digest_of(&self, object: &str) -> Result<String> {
        wait::until(&format!("{object} has a digest"), SOON, || {
            let found =
                self.cluster.kubectl(&self.inspector, &["get", object, "-n", CIVIL, "-o", "json"], None)?.json()?;
            let (generation, status) = (&found["metadata"]["generation"], &found["status"]);
            let is_seen = status["observedGeneration"] == *generation;
            let digest = status["digest"].as_str().filter(|_| is_seen).map(str::to_owned);
            Ok(digest.map_or_else(|| Look::NotYet(format!("{status}; the log: {}", self.log())), Look::Holds))
        })
    }

    fn on_scheme(&self, role: &str, by: &str) -> Result<Value> {
        let approval = objects::approval("unnamed", role, by, &self.uid);
        Ok(with(approval, "/spec/digest", json!(self.digest_of(SCHEME)?)))
    }

    /// Makes a decision that the API server takes, and waits until the record says what has become of it.
    fn attempt(&mut self, by: &str, name: &str, object: Value, effect: &'static str) -> Result<()> {
        let user = self.cluster.user(by, &[])?;
        self.cluster.create(&user, &with(object, "/metadata/name", json!(name)))?.done()?;
        self.attempts.push((name.to_owned(), by.to_owned(), effect));
        self.await_entry(name, by, effect)
    }

    fn await_entry(&self, name: &str, by: &str, effect: &str) -> Result<()> {
        wait::until(&format!("{name} by {by} is on record as {effect}"), SOON, || {
            let entries = self.entries()?;
            let is_it =
                |entry: &&Value| is_about(entry, name) && entry["actor"] == by && entry["event"]["effect"] == effect;
            let about =
                || entries.iter().filter(|entry| is_about(entry, name)).map(Value::to_string).collect::<String>();
            Ok(if entries.iter().any(|entry| is_it(&entry)) { Look::Holds(()) } else { Look::NotYet(about()) })
        })
    }

    fn objects(&self) -> Result<Value> {
        let select =
            ["get", "configmaps", "-n", CIVIL, "-l", "migration.qianyun.dev/audit-of=civil-registry", "-o", "json"];
        self.cluster.kubectl(&self.inspector, &select, None)?.json()
    }

    /// What is on record, read as an inspector reads it.
    fn entries(&self) -> Result<Vec<Value>> {
        let objects = self.objects()?;
        let items = objects["items"].as_array().context("items")?;
        let texts = items.iter().filter_map(|item| item["data"].as_object()).flat_map(|data| data.values());
        texts.map(|text| Ok(serde_json::from_str(text.as_str().unwrap_or_default())?)).collect()
    }

    fn kinds(&self) -> Result<Vec<String>> {
        Ok(self.entries()?.iter().map(|entry| entry["event"]["kind"].as_str().unwrap_or_default().to_owned()).collect())
    }

    /// Runs `qianyun-controller audit`.
    fn audit(&self, arguments: &[&str]) -> Result<Output> {
        Command::new(built("dist/qianyun-controller")?).arg("audit").args(arguments).output().context("running audit")
    }

    fn patch_scheme(&self, change: &Value) -> Result<()> {
        self.cluster.patch(&person(&self.cluster, "li")?, CIVIL, SCHEME, change, false)?.done()
    }
}

fn is_about(entry: &Value, name: &str) -> bool {
    let rest = entry["subject"].as_str().and_then(|subject| subject.strip_prefix("Approval/")?.strip_prefix(name));
    rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(" in "))
}

/// Decisions that do not count, one after the other. The scheme stays as it is.
fn decide_without_effect(city: &mut City) -> Result<()> {
    let of_plan = |city: &City, digest: &str| -> Result<Value> {
        let plan = city.cluster.kubectl(&city.inspector, &["get", "mp", "plan-2026-1", "-o", "json"], None)?.json()?;
        let approval = with(objects::approval("unnamed", MGO, "li", NO_UID), "/spec/gate", json!("PlanIssued"));
        let subject = json!({"kind": "MigrationPlan", "name": "plan-2026-1", "uid": plan["metadata"]["uid"]});
        Ok(with(with(approval, "/spec/subject", subject), "/spec/digest", json!(digest)))
    };
    let plan = of_plan(city, &city.digest_of("migrationplan/plan-2026-1")?)?;
    city.attempt("li", "own-plan", plan.clone(), "SelfApproval")?;
    let plan = with(with(plan, "/spec/approvedBy", json!("wang")), "/spec/subject/uid", json!(NO_UID));
    city.attempt("wang", "plan-of-the-name", plan, "SubjectNotFound")?;
    let plan = with(of_plan(city, OTHER_DIGEST)?, "/spec/approvedBy", json!("wang"));
    city.attempt("wang", "other-plan", plan, "DigestMismatch")?;
    let old = with(city.on_scheme(MGO, "wang")?, "/spec/digest", json!(OTHER_DIGEST));
    city.attempt("wang", "old-digest", old, "DigestMismatch")?;
    let other = with(city.on_scheme(MGO, "wang")?, "/spec/subject/uid", json!(NO_UID));
    city.attempt("wang", "other-object", other, "SubjectNotFound")?;
    city.attempt("li", "own-scheme", city.on_scheme(MGO, "li")?, "SelfApproval")?;
    city.attempt("chen", "not-asked", city.on_scheme("department", "chen")?, "RoleNotRequired")?;
    let confirmed = with(city.on_scheme(MGO, "wang")?, "/spec/gate", json!("DepartmentConfirmed"));
    city.attempt("wang", "not-the-department", confirmed, "RoleNotRequired")?;
    // Where somebody may decide lies a scheme of the same name.
    let namesake = with(objects::scheme("civil-registry", "li"), "/metadata/namespace", json!(WATER));
    city.cluster.create(&person(&city.cluster, "li")?, &namesake)?.done()?;
    let elsewhere = with(city.on_scheme("department", "sun")?, "/metadata/namespace", json!(WATER));
    city.attempt("sun", "elsewhere", elsewhere, "SubjectNotFound")?;
    let renamed = with(city.on_scheme(MGO, "wang")?, "/spec/subject/name", json!("no-such-scheme"));
    city.attempt("wang", "another-name", renamed, "SubjectNotFound")?;
    city.attempt("two-hats", "first-hat", city.on_scheme(MGO, "two-hats")?, "Accepted")?;
    city.attempt("two-hats", "second-hat", city.on_scheme(SCO, "two-hats")?, "SamePersonTwice")?;
    let returned = with(city.on_scheme(SCO, "zhao")?, "/spec/decision", json!("Return"));
    city.attempt("zhao", "returned", with(returned, "/spec/opinion", json!("太急")), "Accepted")?;
    city.attempt("zhao", "returned-not", city.on_scheme(SCO, "zhao")?, "Superseded")
}

/// A right that is lost, and an edit, void what counted.
fn void_what_counted(city: &mut City) -> Result<()> {
    city.patch_scheme(&json!({"spec": {"suspend": true}}))?;
    // A colleague becomes the author, and adds nothing: what it says is still the words of the one before.
    let edit = json!({"spec": {"author": "he", "formerAuthors": ["li"]}});
    city.cluster.patch(&person(&city.cluster, "he")?, CIVIL, SCHEME, &edit, false)?.done()?;
    city.await_entry("first-hat", "two-hats", "DigestMismatch")?;
    city.attempt("li", "own-words", city.on_scheme(MGO, "li")?, "SelfApproval")?;
    city.attempt("gone", "gone", city.on_scheme(SCO, "gone")?, "Accepted")?;
    let unbind = ["delete", "clusterrolebinding", "gone-smartcityoffice"];
    city.cluster.kubectl(&city.cluster.admin, &unbind, None)?.done()?;
    city.await_entry("gone", "gone", "NotAuthorized")?;
    city.patch_scheme(&json!({"spec": {"suspend": false}}))?;
    let kinds = city.kinds()?;
    for kind in ["Begun", "GatesSwitchedOff", "SchemeEdited", "Suspended", "ApprovalCountsNoMore"] {
        ensure!(kinds.iter().any(|found| found == kind), "{kind} is not on record: {kinds:?}");
    }
    ensure!(!kinds.iter().any(|kind| kind == "Intended"), "something was to be done: {kinds:?}");
    let journeys =
        city.cluster.kubectl(&city.inspector, &["get", "hostmigrations", "-n", CIVIL, "-o", "json"], None)?.json()?;
    ensure!(journeys["items"].as_array().is_some_and(Vec::is_empty), "a journey has begun: {journeys}");
    Ok(())
}

#[test]
fn attacks_on_the_offices_are_on_record_and_attacks_on_the_record_are_found() -> Result<()> {
    let mut city = City::found()?;
    let running = city.controller()?;
    decide_without_effect(&mut city)?;
    void_what_counted(&mut city)?;
    wait::until("the last switch is on record", SOON, || {
        let kinds = city.kinds()?;
        Ok(if kinds.last().is_some_and(|kind| kind == "Resumed") {
            Look::Holds(())
        } else {
            Look::NotYet(format!("{kinds:?}"))
        })
    })?;
    drop(running);
    let before = city.entries()?;
    each_attempt_is_there_once(&city, &before)?;
    let head = verified(&city)?;
    a_restart_adds_nothing(&city, &before)?;
    what_counted_counts_for_no_other_of_the_name(&city)?;
    tampering_is_found(&city, &head)
}

fn each_attempt_is_there_once(city: &City, entries: &[Value]) -> Result<()> {
    ensure!(city.attempts.len() >= 15, "only {} attempts", city.attempts.len());
    for (name, by, effect) in &city.attempts {
        let about: Vec<&Value> =
            entries.iter().filter(|e| is_about(e, name) && e["event"]["effect"] == *effect).collect();
        ensure!(about.len() == 1, "{name}: expected one entry, found {about:?}");
        let expected = if *effect == "Accepted" { "ApprovalCounts" } else { "ApprovalDoesNotCount" };
        ensure!(about[0]["event"]["kind"] == expected && about[0]["actor"] == **by, "{name}: found {}", about[0]);
    }
    Ok(())
}

/// The inspector takes the record along and verifies it; gives its head.
fn verified(city: &City) -> Result<String> {
    let kubeconfig = city.inspector.kubeconfig.to_str().context("a path")?;
    let exported =
        city.audit(&["export", "--namespace", CIVIL, "--name", "civil-registry", "--kubeconfig", kubeconfig])?;
    ensure!(exported.status.success(), "{}", String::from_utf8_lossy(&exported.stderr));
    std::fs::write(city.folder.join("record.jsonl"), &exported.stdout)?;
    std::fs::write(city.folder.join("record.json"), city.objects()?.to_string())?;
    let last: Value =
        serde_json::from_slice(exported.stdout.trim_ascii().rsplit(|b| *b == b'\n').next().context("a line")?)?;
    let head = last["hash"].as_str().context("a hash")?.to_owned();
    for file in ["record.jsonl", "record.json"] {
        let file = city.folder.join(file);
        let said = city.audit(&["verify", "--head", &head, file.to_str().context("a path")?])?;
        let text = String::from_utf8_lossy(&said.stdout).into_owned();
        ensure!(said.status.success() && text.contains("civil-affairs/civil-registry: 完整"), "{said:?}");
        ensure!(text.contains(&head), "{text}");
    }
    Ok(head)
}

/// A controller that starts anew has nothing to add, and says what it knows from the record alone.
fn a_restart_adds_nothing(city: &City, before: &[Value]) -> Result<()> {
    let seen = city.log().matches("leading").count();
    let running = city.controller()?;
    wait::until("the next controller leads", SOON, || {
        let log = city.log();
        Ok(if log.matches("leading").count() > seen { Look::Holds(()) } else { Look::NotYet(log) })
    })?;
    // A new decision comes after whatever it had to say about the old ones.
    let object = with(city.on_scheme("department", "chen")?, "/metadata/name", json!("once-more"));
    city.cluster.create(&city.cluster.user("chen", &[])?, &object)?.done()?;
    city.await_entry("once-more", "chen", "RoleNotRequired")?;
    drop(running);
    let after = city.entries()?;
    ensure!(after[..before.len()] == *before, "what was on record is another now");
    let added: Vec<&Value> = after[before.len()..].iter().filter(|entry| !is_about(entry, "once-more")).collect();
    ensure!(added.is_empty(), "the restart added {added:?}");
    Ok(())
}

/// The author deletes what the offices saw, and writes something else under its name.
fn what_counted_counts_for_no_other_of_the_name(city: &City) -> Result<()> {
    let li = person(&city.cluster, "li")?;
    let running = city.controller()?;
    city.cluster.kubectl(&li, &["delete", SCHEME, "-n", CIVIL, "--timeout=60s"], None)?.done()?;
    city.cluster.create(&li, &objects::scheme("civil-registry", "li"))?.done()?;
    city.await_entry("first-hat", "two-hats", "SubjectNotFound")?;
    drop(running);
    Ok(())
}

/// Someone with every right takes the policy away and changes an entry, so that a refusal reads as if it had counted.
fn tampering_is_found(city: &City, head: &str) -> Result<()> {
    let admin = &city.cluster.admin;
    let policy = ["delete", "validatingadmissionpolicybinding", "qianyun-audit"];
    city.cluster.kubectl(admin, &policy, None)?.done()?;
    let entries = city.entries()?;
    let victim = entries.iter().find(|entry| is_about(entry, "own-scheme")).context("an entry")?;
    let key = format!("{:08}", victim["sequence"].as_u64().context("a number")?);
    let objects = city.objects()?;
    let text = objects["items"][0]["data"][&key].as_str().context("a text")?;
    let forged = json!({"data": {&key: text.replace("SelfApproval", "Accepted")}});
    wait::until("the record can be changed", SOON, || {
        let said = city.cluster.patch(admin, CIVIL, "configmap/civil-registry-audit-00001", &forged, false)?;
        Ok(if said.ok { Look::Holds(()) } else { Look::NotYet(said.err) })
    })?;
    let file = city.folder.join("tampered.json");
    std::fs::write(&file, city.objects()?.to_string())?;
    let file = file.to_str().context("a path")?;
    for arguments in [&["verify", file][..], &["verify", "--head", head, file]] {
        let said = city.audit(arguments)?;
        let words = String::from_utf8_lossy(&said.stderr).into_owned();
        ensure!(said.status.code() == Some(1), "ended with {:?}: {words}", said.status);
        ensure!(
            words.contains("BROKEN") && words.contains(&format!("entry {}: its hash is", victim["sequence"])),
            "{words}"
        );
    }
    let running = city.controller()?;
    wait::until("the controller says that the record is broken", SOON, || {
        let log = city.log();
        let said = log.contains("the audit record of civil-affairs/civil-registry is broken");
        Ok(if said { Look::Holds(()) } else { Look::NotYet(log) })
    })?;
    drop(running);
    Ok(())
}
