//! What a real API server says to objects that are wrong in one respect: `golden/refusals.txt` makes a right object wrong, line by
//! line, and keeps the answer, because the answer is what tells people how to fix it. `BLESS=1` writes the answers anew.
//!
//! What only an update can get wrong is in the tables below.

use crate::admit::golden::{self, put_wrong};
use crate::admit::objects::{self, DIGEST, NO_UID, OTHER_DIGEST, with};
use crate::admit::people::{CIVIL, person};
use crate::admit::{Cluster, Said, User};
use anyhow::{Context, Result, bail, ensure};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::sync::LazyLock;

static CLUSTER: LazyLock<Cluster> =
    LazyLock::new(|| Cluster::start("refusals").expect("a control plane with the chart on it"));

/// The file of the questions and their answers.
const REFUSALS: &str = "refusals.txt";

/// A right object of `kind`, and who may write it.
fn right(kind: &str) -> Result<(User, Value)> {
    let (li, machine, gateway) = ("li", "controller", "gateway");
    let (who, object) = match kind {
        "PolicyProfile" => (li, objects::policy("p")),
        "WorkCalendar" => (li, objects::calendar()),
        "FreezePeriod" => (li, objects::freeze("f", li)),
        "CloudPlatform" => (li, objects::platform("p")),
        "Department" => (li, objects::department("d")),
        "MigrationPlan" => (li, objects::plan("p", li)),
        "InformationSystem" => (li, objects::system("s", "chen")),
        "HostEnrollment" => (li, objects::enrollment("e")),
        "PhysicalHost" => (gateway, objects::host("h")),
        "CheckWaiver" => (li, objects::waiver("w", li)),
        "SystemMigration" => (li, objects::papers("s", li)),
        "HostMigration" => (machine, objects::journey("j")),
        "Approval" => ("wang", objects::approval("a", "municipalGovernmentOffice", "wang", NO_UID)),
        "CustodyRecord" => (li, objects::custody("c", li)),
        other => bail!("{REFUSALS}: no kind {other}"),
    };
    let user = match who {
        _ if who == machine => CLUSTER.controller()?,
        _ if who == gateway => CLUSTER.gateway()?,
        _ => person(&CLUSTER, who)?,
    };
    Ok((user, object))
}

/// What the API server has against it, one line for each thing.
fn complaints(said: &Said) -> Vec<String> {
    let (_, text) = said.err.trim().split_once(" is invalid: ").unwrap_or(("", said.err.trim()));
    // It says so beside whatever is wrong with the shape of an object, and nobody can do anything about it.
    let unchecked = "some validation rules were not checked because the object was invalid";
    let lines = text.lines().map(|line| line.trim_start_matches("* ").trim());
    // Of an admission policy: what it says is enough.
    let lines = lines.map(|line| line.split_once(" denied request: ").map_or(line, |(_, reason)| reason));
    // A text that is too long is not repeated to the reader of this file.
    let shorter = |line: &str| line.replace(&"x".repeat(64), "").replace("xx", "").replace("\"x\"", "\"…\"");
    lines.filter(|line| !line.is_empty() && !line.contains(unchecked)).map(shorter).collect()
}

#[test]
fn what_one_object_can_know_is_refused_in_one_sentence() -> Result<()> {
    let questions = std::fs::read_to_string(golden::file(REFUSALS)).context(REFUSALS)?;
    let (mut found, mut kinds, mut faults, mut asked) = (String::new(), BTreeSet::new(), Vec::new(), 0);
    let mut subject = None;
    for line in questions.lines() {
        if line.starts_with("    ") {
            continue;
        }
        found.push_str(line);
        found.push('\n');
        if let Some(kind) = line.strip_prefix("== ") {
            let (user, object) = right(kind)?;
            let said = CLUSTER.kubectl(&user, &["create", "--dry-run=server", "-f", "-"], Some(&object))?;
            ensure!(said.ok, "the right {kind} is refused: {}", said.err);
            kinds.insert(kind.to_owned());
            subject = Some((user, object));
        } else if line.starts_with('/') {
            let (user, object) = subject.as_ref().with_context(|| format!("{line}: no kind above it"))?;
            let object = put_wrong(object, line)?;
            let said = CLUSTER.kubectl(user, &["create", "--dry-run=server", "-f", "-"], Some(&object))?;
            let complaints = complaints(&said);
            if said.ok || complaints.len() != 1 {
                faults.push(format!("{line}: expected one complaint, found {said:?}"));
            }
            for complaint in complaints {
                found.push_str(&format!("    {complaint}\n"));
            }
            asked += 1;
        }
    }
    golden::is_as_it_was(REFUSALS, &found);
    assert!(faults.is_empty(), "{}", faults.join("\n"));
    assert_eq!(kinds.len(), 14, "kinds that are asked about: {kinds:?}");
    assert!(asked >= 80, "only {asked} objects are asked about");
    Ok(())
}

/// Whoever changes the scheme called `kept`, in a phase: what they change and what they hear; nothing if they may.
fn change(name: &str, phase: &str, change: &Value) -> Result<Vec<String>> {
    let status = json!({"status": {"phase": phase, "digest": DIGEST}});
    CLUSTER.patch(&CLUSTER.controller()?, CIVIL, "systemmigration/kept", &status, true)?.done()?;
    let text = change.to_string();
    let arguments =
        ["patch", "systemmigration/kept", "--namespace", CIVIL, "--type=merge", "--dry-run=server", "-p", &text];
    let said = CLUSTER.kubectl(&person(&CLUSTER, name)?, &arguments, None)?;
    ensure!(said.ok == said.err.trim().is_empty(), "kubectl warns: {said:?}");
    Ok(complaints(&said))
}

#[test]
fn what_was_recorded_and_accepted_stays() -> Result<()> {
    let right = objects::papers("kept", "li");
    CLUSTER.create(&person(&CLUSTER, "li")?, &right)?.done()?;
    let incident = right["spec"]["incidents"][0].clone();
    let issue = right["spec"]["acceptance"]["issues"][0].clone();
    let incidents =
        |pointer: &str, value: Value| json!({"spec": {"incidents": [with(incident.clone(), pointer, value)]}});
    let more = json!({"spec": {"incidents": [incident, with(incident.clone(), "/number", json!(2))]}});
    let issues = |issues: Value| json!({"spec": {"acceptance": {"issues": issues}}});
    let mended = |pointer: &str, value: Value| issues(json!([with(issue.clone(), pointer, value)]));
    let held = json!({"spec": {"acceptance": {"meeting": {"heldOn": "2027-03-11"}}}});
    let untested = json!({"spec": {"acceptance": {"performanceTest": null}}});
    let (gone, accepted) = ("an incident is never taken off spec.incidents", "the system is accepted (phase Accepted)");
    let rows = [
        ("he", "Scheduled", json!({"spec": {"rehearsal": {"downtimeMinutes": 1}}}), "recordedBy is li, expected he"),
        ("he", "Scheduled", json!({"spec": {"rehearsal": {"recordedBy": "zhao"}}}), "recordedBy is zhao, expected he"),
        ("he", "Scheduled", json!({"spec": {"rehearsal": {"downtimeMinutes": 1, "recordedBy": "he"}}}), ""),
        (
            "he",
            "Scheduled",
            json!({"spec": {"securityInUse": {"digest": OTHER_DIGEST}}}),
            "confirmedBy is li, expected he",
        ),
        ("he", "Scheduled", json!({"spec": {"securityInUse": {"digest": OTHER_DIGEST, "confirmedBy": "he"}}}), ""),
        ("li", "Trial", json!({"spec": {"incidents": null}}), gone),
        ("li", "Trial", json!({"spec": {"incidents": []}}), gone),
        ("li", "Trial", incidents("/number", json!(2)), gone),
        ("li", "Trial", incidents("/occurredAt", json!("2026-12-20T09:00:00+08:00")), gone),
        ("li", "Trial", incidents("/action", json!("restarted twice")), ""),
        ("li", "Trial", more.clone(), ""),
        ("li", "Acceptance", held.clone(), ""),
        ("li", "Accepted", held, accepted),
        ("li", "Accepted", untested, accepted),
        ("li", "Accepted", json!({"spec": {"acceptance": null}}), accepted),
        ("li", "Accepted", more, accepted),
        ("li", "Accepted", issues(json!([])), accepted),
        ("li", "Accepted", mended("/what", json!("nothing much")), accepted),
        ("li", "Accepted", mended("/dueOn", json!("2030-01-01")), accepted),
        ("li", "Accepted", mended("/resolvedBy", json!(DIGEST)), ""),
        ("li", "Accepted", json!({"spec": {"suspend": true}}), ""),
        ("li", "Closed", json!({"spec": {"incidents": []}}), "an incident is never taken off spec.incidents"),
        ("li", "Trial", json!({"spec": {"scheme": {"summary": "something else"}}}), "carried out (phase Trial)"),
    ];
    let mut faults = Vec::new();
    for (name, phase, what, reason) in rows {
        let said = change(name, phase, &what)?;
        let expected = if reason.is_empty() { said.is_empty() } else { said.len() == 1 && said[0].contains(reason) };
        if !expected {
            faults.push(format!("{name} in {phase}, {what}: expected {reason:?}, found {said:?}"));
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
    Ok(())
}
