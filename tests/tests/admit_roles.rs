//! Who may do what with the objects that only operators write, asked of a real API server: work calendars, freeze periods,
//! waivers and custody records. And what people see of them in a table.

mod admit;

use admit::objects;
use admit::people::{CIVIL, person};
use admit::{Cluster, User};
use anyhow::{Context, Result};
use std::sync::LazyLock;

static CLUSTER: LazyLock<Cluster> =
    LazyLock::new(|| Cluster::start("roles").expect("a control plane with the chart on it"));

/// The verbs that are asked about, each by its letter in the table.
const VERBS: [(char, &str); 5] = [('g', "get"), ('c', "create"), ('u', "update"), ('p', "patch"), ('d', "delete")];
/// The kinds; whether they lie in a namespace.
const KINDS: [(&str, bool); 4] =
    [("workcalendars", false), ("freezeperiods", false), ("checkwaivers", true), ("custodyrecords", true)];

/// The letters of what `user` may do with a kind.
fn may(user: &User, resource: &str, namespaced: bool) -> Result<String> {
    let mut letters = String::new();
    for (letter, verb) in VERBS {
        // What lies in no namespace is asked about in all of them: a right in one is none.
        let place = if namespaced { format!("--namespace={CIVIL}") } else { "--all-namespaces".into() };
        let resource = format!("{resource}.migration.qianyun.dev");
        let said = CLUSTER.kubectl(user, &["auth", "can-i", verb, &resource, &place], None)?;
        let yes = said.out.trim() == "yes";
        anyhow::ensure!(yes || said.out.trim() == "no", "kubectl says neither yes nor no: {said:?}");
        letters.extend(yes.then_some(letter));
    }
    Ok(letters)
}

#[test]
fn operators_write_and_the_others_read() -> Result<()> {
    // In the order of the kinds above.
    let expected = [
        ("li", "operator", ["gcupd", "gcupd", "gcd", "gc"]),
        ("wang", "municipal government office", ["g", "g", "g", "g"]),
        ("zhao", "smart-city office", ["g", "g", "g", "g"]),
        ("zhou", "inspector", ["g", "g", "g", "g"]),
        ("chen", "department", ["", "", "g", "g"]),
        ("sun", "another department", ["", "", "", ""]),
        ("nobody", "nobody", ["", "", "", ""]),
        ("controller", "controller", ["g", "g", "g", "g"]),
    ];
    let mut wrong = Vec::new();
    for (name, role, row) in expected {
        let user = if name == "controller" { CLUSTER.controller()? } else { person(&CLUSTER, name)? };
        for ((resource, namespaced), letters) in KINDS.into_iter().zip(row) {
            let found = may(&user, resource, namespaced)?;
            if found != letters {
                wrong.push(format!("{role} on {resource}: expected {letters:?}, found {found:?}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    Ok(())
}

#[test]
fn a_table_shows_what_people_look_for() -> Result<()> {
    let li = person(&CLUSTER, "li")?;
    let rows = [
        (objects::calendar(), "NAME YEAR DOCUMENT READY AGE", "year-2026 2026 国办发明电〔2025〕7号"),
        (
            objects::freeze("two-sessions", "li"),
            "NAME FROM TO MODE SCOPE ACTIVE AGE",
            "two-sessions 2026-03-03T00:00:00+08:00 2026-03-13T00:00:00+08:00 Block Everything",
        ),
        (
            objects::waiver("full-boot", "li"),
            "NAME HOST CHECK BY UNTIL EFFECTIVE AGE",
            "full-boot registry-db ST-02 li 20",
        ),
        (
            objects::custody("registry-db", "li"),
            "NAME HOST SERIAL OWNER STATE LOCATION RECEIVED AGE",
            "registry-db registry-db 7B0SN32 civil-affairs Reused 云计算中心 1 2026-11-02",
        ),
    ];
    for (object, columns, row) in rows {
        CLUSTER.create(&li, &object)?.done()?;
        let kind = object["kind"].as_str().context("a kind")?;
        let name = object["metadata"]["name"].as_str().context("a name")?;
        let said = CLUSTER.kubectl(&li, &["get", kind, name, "--namespace", CIVIL], None)?;
        let lines: Vec<String> =
            said.out.lines().map(|line| line.split_whitespace().collect::<Vec<_>>().join(" ")).collect();
        assert_eq!(lines.first().map(String::as_str), Some(columns), "{said:?}");
        assert!(lines.get(1).is_some_and(|line| line.starts_with(row)), "expected {row}, found {said:?}");
    }
    Ok(())
}
