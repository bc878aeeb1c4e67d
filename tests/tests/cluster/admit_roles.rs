//! Who may do what, asked of a real API server by SubjectAccessReview with nothing bound but what the chart's notes say:
//! `golden/roles.txt` is the whole table, to be read by whoever answers for the rights. `BLESS=1` writes it anew.

use crate::admit::people::{CIVIL, EVERYONE};
use crate::admit::{Cluster, SYSTEM, golden};
use anyhow::{Result, ensure};
use serde_json::{Value, json};
use std::sync::LazyLock;

static CLUSTER: LazyLock<Cluster> =
    LazyLock::new(|| Cluster::start("roles").expect("a control plane with the chart on it"));

/// The group of everything that is asked about.
const GROUP: &str = "migration.qianyun.dev";
/// The verbs, each by its letter in the table, and the subresource that they go to.
const VERBS: [(char, &str, &str); 9] = [
    ('g', "get", ""),
    ('l', "list", ""),
    ('w', "watch", ""),
    ('c', "create", ""),
    ('u', "update", ""),
    ('p', "patch", ""),
    ('d', "delete", ""),
    ('D', "deletecollection", ""),
    ('s', "patch", "status"),
];
/// The kinds; whether they lie in a namespace.
const KINDS: [(&str, bool); 14] = [
    ("policyprofiles", false),
    ("workcalendars", false),
    ("freezeperiods", false),
    ("cloudplatforms", false),
    ("departments", false),
    ("migrationplans", false),
    ("informationsystems", true),
    ("hostenrollments", true),
    ("physicalhosts", true),
    ("checkwaivers", true),
    ("systemmigrations", true),
    ("hostmigrations", true),
    ("approvals", true),
    ("custodyrecords", true),
];
/// What is no object, but a right all the same: verb, resource and name.
const VIRTUAL: [(&str, &str, &str); 6] = [
    ("approve", "approvalgates", "municipalGovernmentOffice"),
    ("approve", "approvalgates", "smartCityOffice"),
    ("approve", "approvalgates", "department"),
    ("confirm", "cutovers", ""),
    ("declare", "declarations", ""),
    ("transcribe", "declarations", ""),
];
/// The columns: someone of the list of people, or an account of the chart, and what the table calls them.
const COLUMNS: [(&str, &str); 10] = [
    ("li", "operator"),
    ("wang", "gov-office"),
    ("zhao", "smart-city"),
    ("chen", "department"),
    ("sun", "other-dept"),
    ("cai", "city-reader"),
    ("zhou", "inspector"),
    ("controller", "controller"),
    ("gateway", "gateway"),
    ("nobody", "nobody"),
];

/// One question: where, what and which.
fn question(user: &str, verb: &str, resource: &str, subresource: &str, name: &str, namespaced: bool) -> Value {
    let is_account = ["controller", "gateway"].contains(&user);
    let account = format!("system:serviceaccount:{SYSTEM}:qianyun-{user}");
    let groups = EVERYONE.iter().find(|(n, _)| *n == user).map(|(_, groups)| *groups).unwrap_or_default();
    let groups: Vec<&str> = groups.iter().copied().chain(["system:authenticated"]).collect();
    json!({
        "apiVersion": "authorization.k8s.io/v1", "kind": "SubjectAccessReview",
        "spec": {
            "user": if is_account { &account } else { user }, "groups": groups,
            "resourceAttributes": {
                "group": GROUP, "verb": verb, "resource": resource, "subresource": subresource, "name": name,
                "namespace": if namespaced { CIVIL } else { "" },
            },
        },
    })
}

/// The answers to `questions`, in their order.
fn answers(questions: &[Value]) -> Result<Vec<bool>> {
    let list = json!({"apiVersion": "v1", "kind": "List", "items": questions});
    let said = CLUSTER.kubectl(&CLUSTER.admin, &["create", "-f", "-", "-o", "json"], Some(&list))?;
    ensure!(said.ok, "the questions were not answered: {}", said.err);
    let answers: Vec<Value> = serde_json::Deserializer::from_str(&said.out).into_iter().collect::<Result<_, _>>()?;
    ensure!(answers.len() == questions.len(), "{} answers to {} questions", answers.len(), questions.len());
    Ok(answers.iter().map(|answer| answer["status"]["allowed"] == true).collect())
}

/// What `user` may do: the letters for each kind, then yes or no for each virtual right.
fn column(user: &str) -> Result<Vec<String>> {
    let of_kind = |(resource, namespaced): (&'static str, bool)| {
        VERBS.map(|(_, verb, subresource)| question(user, verb, resource, subresource, "", namespaced))
    };
    let kinds: Vec<Value> = KINDS.into_iter().flat_map(of_kind).collect();
    let virtual_rights = VIRTUAL.map(|(verb, resource, name)| question(user, verb, resource, "", name, true));
    let may = answers(&kinds)?;
    let letters = may.chunks(VERBS.len()).map(|row| {
        let letters: String = VERBS.iter().zip(row).filter_map(|((letter, ..), may)| may.then_some(*letter)).collect();
        if letters.is_empty() { "-".to_owned() } else { letters }
    });
    let rights = answers(&virtual_rights)?.into_iter().map(|may| if may { "yes" } else { "-" }.to_owned());
    Ok(letters.chain(rights).collect())
}

#[test]
fn everyone_may_do_exactly_their_part() -> Result<()> {
    let columns = COLUMNS.iter().map(|(user, _)| column(user)).collect::<Result<Vec<_>>>()?;
    let kinds = KINDS.iter().map(|(resource, _)| (*resource).to_owned());
    let rights = VIRTUAL.iter().map(|(verb, resource, name)| format!("{verb} {resource} {name}").trim_end().to_owned());
    let mut table = String::from(
        "Who may do what, by the chart's roles alone; what a right is used for is judged by the admission policies.\n\
         g get  l list  w watch  c create  u update  p patch  d delete  D delete all at once  s patch the status\n\n",
    );
    let line = |first: &str, cells: Vec<&str>| {
        let cells: String = cells.iter().map(|cell| format!("{cell:<12}")).collect();
        format!("{first:<48}{cells}").trim_end().to_owned() + "\n"
    };
    table.push_str(&line("", COLUMNS.iter().map(|(_, title)| *title).collect()));
    for (row, title) in kinds.chain(rights).enumerate() {
        table.push_str(&line(&title, columns.iter().map(|column| column[row].as_str()).collect()));
    }
    golden::is_as_it_was("roles.txt", &table);
    Ok(())
}
