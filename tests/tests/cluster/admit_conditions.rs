//! What one object cannot know by itself: the API server takes it, and the real controller says within seconds what is wrong with it,
//! as a condition whose message names the field and the remedy. `golden/conditions.txt` makes right objects wrong, waits for the
//! condition that its line names, and keeps the message, because it tells people what to do. `BLESS=1` writes the messages anew.
//! What the offices get wrong in their decisions is in `audit_attacks`.

use crate::admit::audit_log::refused;
use crate::admit::controller::{self, Running};
use crate::admit::golden::{self, put_wrong};
use crate::admit::objects::{self, NO_UID, with};
use crate::admit::people::{CIVIL, person};
use crate::admit::{Cluster, User};
use anyhow::{Context, Result, bail, ensure};
use qianyun_tests::wait::{self, Look};
use serde_json::{Value, json};
use std::time::Duration;

/// The file of the questions and their answers.
const CONDITIONS: &str = "conditions.txt";
/// A look of the controller follows a change within a second; on a machine that is building something else it takes longer.
const SOON: Duration = Duration::from_secs(90);

/// An object that is wrong, and the condition that has to say so: its type, status and reason.
struct Case {
    object: Value,
    condition: [String; 3],
}

/// A right object of `kind` and, except of calendars, a name of its own.
fn right(kind: &str, name: &str) -> Result<Value> {
    Ok(match kind {
        "PolicyProfile" => objects::policy(name),
        "WorkCalendar" => objects::calendar(),
        "FreezePeriod" => objects::freeze(name, "li"),
        "Department" => objects::department(name),
        "MigrationPlan" => objects::plan(name, "li"),
        "InformationSystem" => objects::system(name, "chen"),
        "HostEnrollment" => objects::enrollment(name),
        "CheckWaiver" => objects::waiver(name, "li"),
        "SystemMigration" => scheme(name),
        "Approval" => objects::approval(name, "municipalGovernmentOffice", "wang", NO_UID),
        "CustodyRecord" => objects::custody(name, "li"),
        other => bail!("{CONDITIONS}: nobody writes a {other}"),
    })
}

/// A scheme whose window lies ahead of any day on which this is run.
fn scheme(name: &str) -> Value {
    let window = json!({"start": "2099-04-05T22:00:00+08:00", "end": "2099-04-06T02:00:00+08:00"});
    let scheme = with(objects::scheme(name, "li"), "/spec/scheme/window", window);
    with(scheme, "/spec/scheme/rollback/latestAt", json!("2099-12-31T00:00:00+08:00"))
}

/// What the file asks: `== KIND: what is wrong: TYPE STATUS REASON`, and below it what is put where.
fn cases(questions: &str) -> Result<Vec<Case>> {
    let mut cases: Vec<Case> = Vec::new();
    for line in questions.lines() {
        if let Some(title) = line.strip_prefix("== ") {
            let [kind, _, condition] = parts(title, ": ")?;
            let object = right(&kind, &format!("case-{}", cases.len() + 1))?;
            cases.push(Case { object, condition: parts(&condition, " ")? });
        } else if line.starts_with('/') {
            let case = cases.last_mut().with_context(|| format!("{line}: no kind above it"))?;
            case.object = put_wrong(&case.object, line)?;
        }
    }
    Ok(cases)
}

fn parts(line: &str, separator: &str) -> Result<[String; 3]> {
    let parts: Vec<String> = line.split(separator).map(str::to_owned).collect();
    parts.try_into().map_err(|found| anyhow::anyhow!("{line}: expected three parts, found {found:?}"))
}

/// Everything that the cases refer to and that is right.
fn found() -> Result<Cluster> {
    let cluster = Cluster::start("conditions")?;
    cluster.write_scheme()?;
    let li = person(&cluster, "li")?;
    let freeze = with(objects::freeze("two-sessions", "li"), "/spec/from", json!("2099-03-03T00:00:00+08:00"));
    let freeze = with(freeze, "/spec/until", json!("2099-03-13T00:00:00+08:00"));
    for object in [objects::system("land-registry", "chen"), freeze] {
        cluster.create(&li, &object)?.done()?;
    }
    cluster.create(&cluster.gateway()?, &objects::host("registry-db"))?.done()?;
    let secret = objects::system("secret-archive", "chen");
    let secret = with(secret, "/spec/declaration/classification", json!("Classified"));
    refused(&cluster.create(&li, &secret)?, "supported values: \"NonClassified\"");
    Ok(cluster)
}

/// Waits until the object has the condition, and gives its message.
fn message(cluster: &Cluster, reader: &User, case: &Case) -> Result<String> {
    let text = |pointer: &str| case.object.pointer(pointer).and_then(Value::as_str);
    let name = format!("{}/{}", text("/kind").context("kind")?, text("/metadata/name").context("name")?);
    let arguments = ["get", &name, "-o", "json", "--namespace", text("/metadata/namespace").unwrap_or(CIVIL)];
    let [kind, status, reason] = &case.condition;
    wait::until(&format!("{name} has {kind} {status} {reason}"), SOON, || {
        let found = cluster.kubectl(reader, &arguments, None)?.json()?;
        let conditions = found["status"]["conditions"].as_array().cloned().unwrap_or_default();
        let is_it = |c: &&Value| c["type"] == **kind && c["status"] == **status && c["reason"] == **reason;
        let message = conditions.iter().find(is_it).and_then(|c| c["message"].as_str()).map(str::to_owned);
        Ok(message.map_or_else(|| Look::NotYet(json!(conditions).to_string()), Look::Holds))
    })
}

#[test]
fn what_one_object_cannot_know_is_said_in_a_condition_within_seconds() -> Result<()> {
    let questions = std::fs::read_to_string(golden::file(CONDITIONS)).context(CONDITIONS)?;
    let cases = cases(&questions)?;
    ensure!(cases.len() >= 30, "only {} objects are asked about", cases.len());
    let cluster = found()?;
    let folder = tempfile::tempdir()?;
    let _running = Running::start(&cluster, folder.path())?;
    for case in &cases {
        let by = case.object.pointer("/spec/approvedBy").and_then(Value::as_str).unwrap_or("li");
        cluster.create(&person(&cluster, by)?, &case.object)?.done().with_context(|| case.object.to_string())?;
    }
    let reader = person(&cluster, "li")?;
    let said = cases.iter().map(|case| message(&cluster, &reader, case)).collect::<Result<Vec<_>>>();
    let said = said.with_context(|| format!("the controller's log: {}", controller::log(folder.path())))?;
    golden::is_as_it_was(CONDITIONS, &answered(&questions, &said));
    Ok(())
}

/// The questions with the answers below them.
fn answered(questions: &str, said: &[String]) -> String {
    let asked = questions.lines().filter(|line| !line.starts_with("    "));
    let text: String = asked.flat_map(|line| [line, "\n"]).collect();
    // A case ends where a line is empty, or the file ends; the first part is the preface.
    let mut parts = text.trim_end().split("\n\n");
    let preface = parts.next().unwrap_or_default().to_owned();
    let answers = parts.zip(said).map(|(case, message)| format!("\n\n{case}\n    {message}"));
    preface + &answers.collect::<String>() + "\n"
}
