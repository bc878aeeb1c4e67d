//! What lies in the cluster, against a small API server: each entry once, whoever starts again, and nothing after tampering.

use super::*;
use crate::fake_api::FakeApi;
use clap::Parser;
use command::{AuditArgs, CommandError, Wanted};
use qianyun_planning::audit::Event;
use serde_json::{Value, json};
use std::error::Error;

const COLLECTION: &str = "/api/v1/namespaces/civil/configmaps";

fn path(number: u64) -> String {
    format!("{COLLECTION}/registry-audit-{number:05}")
}

fn draft(word: &str) -> Draft {
    Draft {
        uid: "u".into(),
        actor: None,
        subject: word.into(),
        scheme: Some(word.into()),
        event: Event::SchemeEdited { before: String::new() },
    }
}

fn now() -> Timestamp {
    "2026-11-24T02:00:00Z".parse().unwrap()
}

async fn append(audit: &Audit, word: &str) -> Result<(), AuditError> {
    audit.record(("civil", "registry"), None, now(), |_| vec![draft(word)]).await
}

/// Appends `word` unless the newest entry says it already: as the planner decides, from what is on record.
async fn level(audit: &Audit, word: &str) -> Result<(), AuditError> {
    let mut known = State::default();
    known.add(&draft(word));
    let decide = |state: &State| if *state == known { Vec::new() } else { vec![draft(word)] };
    audit.record(("civil", "registry"), None, now(), decide).await
}

fn entries(api: &FakeApi) -> Vec<Value> {
    let texts = api.all("configmaps").into_iter().flat_map(|map| map["data"].as_object().unwrap().clone());
    texts.map(|(_, text)| serde_json::from_str(text.as_str().unwrap()).unwrap()).collect()
}

fn subjects(api: &FakeApi) -> Vec<String> {
    entries(api).iter().map(|entry| entry["subject"].as_str().unwrap().to_owned()).collect()
}

fn chain_of(error: &AuditError) -> String {
    let cause = error.source().map(|cause| format!(": {cause}")).unwrap_or_default();
    format!("{error}{cause}")
}

#[tokio::test]
async fn a_controller_that_starts_again_records_nothing_twice() {
    let (api, client) = FakeApi::with_client().await;
    for epoch in 1..4 {
        let audit = Audit::new(client.clone(), epoch);
        for _ in 0..3 {
            level(&audit, "first").await.unwrap();
        }
    }
    level(&Audit::new(client.clone(), 4), "second").await.unwrap();
    assert_eq!(subjects(&api), ["first", "second"]);
    assert_eq!(entries(&api)[1]["epoch"], 4);
    let map = api.get(&path(1)).unwrap();
    assert_eq!(map["metadata"]["labels"]["migration.qianyun.dev/audit-of"], "registry");
    assert_eq!(map["metadata"]["annotations"]["migration.qianyun.dev/audit-entries"], "2");
    assert_eq!(map["metadata"]["annotations"]["migration.qianyun.dev/audit-head"], entries(&api)[1]["hash"]);
}

#[tokio::test]
async fn a_full_object_is_closed_and_the_next_one_goes_on() {
    let (api, client) = FakeApi::with_client().await;
    let audit = Audit::new(client.clone(), 1);
    let many = |n: usize| (0..n).map(|i| draft(&format!("{i}"))).collect::<Vec<_>>();
    audit.record(("civil", "registry"), None, now(), |_| many(99)).await.unwrap();
    assert_eq!(api.get(&path(1)).unwrap().get("immutable"), None);
    audit.record(("civil", "registry"), None, now(), |_| many(3)).await.unwrap();
    assert_eq!(api.get(&path(1)).unwrap()["immutable"], true);
    assert_eq!(
        api.get(&path(2)).unwrap()["data"].as_object().unwrap().keys().collect::<Vec<_>>(),
        ["00000101", "00000102"]
    );
    append(&Audit::new(client, 2), "after").await.unwrap();
    assert_eq!(entries(&api).len(), 103);
    assert_eq!(entries(&api)[100]["previous"], entries(&api)[99]["hash"]);
}

#[tokio::test]
async fn two_that_write_at_once_never_follow_the_same_entry() {
    let (api, client) = FakeApi::with_client().await;
    let (one, two) = (Audit::new(client.clone(), 1), Audit::new(client.clone(), 2));
    append(&one, "a").await.unwrap();
    append(&two, "b").await.unwrap();
    // It does not know of the other one's entry, or of its own whose answer was lost: it reads again and is asked again.
    level(&two, "c").await.unwrap();
    let both = (0..8).map(|n| (n, Audit::new(client.clone(), 2)));
    let both = both.map(|(n, audit)| async move { append(&audit, &format!("{n}")).await });
    let done = futures::future::join_all(both).await.into_iter().filter(Result::is_ok).count();
    assert!(done >= 1);
    assert_eq!(entries(&api).len(), 3 + done);
    append(&Audit::new(client, 2), "the chain is whole").await.unwrap();
}

#[tokio::test]
async fn a_controller_that_no_longer_leads_records_nothing() {
    let (api, client) = FakeApi::with_client().await;
    let (old, new) = (Audit::new(client.clone(), 4), Audit::new(client, 5));
    append(&old, "a").await.unwrap();
    append(&new, "b").await.unwrap();
    let refused = append(&old, "late").await.unwrap_err();
    assert!(matches!(refused, AuditError::Fenced { epoch: 4, newest: 5, .. }), "{refused}");
    assert!(refused.to_string().contains("leaseTransitions to 5"), "{refused}");
    assert_eq!(subjects(&api), ["a", "b"]);
}

/// Something that somebody with every right does to the objects, what is said of it, and whether the controller that wrote them
/// notices when it writes on; if not, the next one that reads all of them does.
type Tampering = (&'static str, bool, fn(&FakeApi));

fn change(api: &FakeApi, number: u64, change: impl Fn(&mut serde_json::Map<String, Value>)) {
    let mut map = api.get(&path(number)).unwrap();
    change(map["data"].as_object_mut().unwrap());
    api.put(COLLECTION, map);
}

const TAMPERINGS: [Tampering; 6] = [
    ("it was changed", false, |api| {
        change(api, 1, |data| {
            let text = data["00000005"].as_str().unwrap().replace("\"subject\":\"4\"", "\"subject\":\"5\"");
            data["00000005"] = json!(text);
        });
    }),
    ("ends with entry 100", false, |api| change(api, 1, |data| drop(data.remove("00000100")))),
    ("expected the ConfigMap registry-audit-00001", false, |api| api.remove(&path(1))),
    ("ends with entry 102", true, |api| change(api, 2, |data| drop(data.remove("00000102")))),
    ("cut off or written anew", true, |api| api.remove(&path(2))),
    ("cut off or written anew", true, |api| (1..3).for_each(|number| api.remove(&path(number)))),
];

#[tokio::test]
async fn a_controller_that_starts_anew_misses_what_was_noted_and_is_gone() {
    let (api, client) = FakeApi::with_client().await;
    let audit = Audit::new(client.clone(), 1);
    let many = |_: &State| (0..102).map(|i| draft(&format!("{i}"))).collect();
    audit.record(("civil", "registry"), None, now(), many).await.unwrap();
    let noted = audit.head("civil", "registry").await.expect("it has an end");
    assert_eq!(noted.entries, 102);
    let later = async |noted: &AuditHead| {
        let anew = Audit::new(client.clone(), 2);
        anew.record(("civil", "registry"), Some(noted), now(), |_| vec![draft("later")]).await
    };
    later(&noted).await.expect("all that was noted is there");
    later(&noted).await.expect("more than was noted is there");
    let other = AuditHead { head: format!("sha256:{}", "0".repeat(64)), ..noted.clone() };
    assert!(chain_of(&later(&other).await.expect_err("another end")).contains("written anew"));
    api.remove(&path(2));
    assert!(chain_of(&later(&noted).await.expect_err("cut off")).contains("expected entry 102"));
}

#[tokio::test]
async fn after_tampering_nothing_more_is_recorded_and_it_is_said_why() {
    for (words, at_once, tampering) in TAMPERINGS {
        let (api, client) = FakeApi::with_client().await;
        let mut audit = Audit::new(client.clone(), 1);
        let many = |_: &State| (0..102).map(|i| draft(&format!("{i}"))).collect();
        audit.record(("civil", "registry"), None, now(), many).await.unwrap();
        tampering(&api);
        if !at_once {
            audit = Audit::new(client, 1);
        }
        let before = api.all("configmaps");
        for _ in 0..3 {
            let said = chain_of(&append(&audit, "after").await.expect_err(words));
            assert!(said.contains(words), "expected {words:?}, found {said:?}");
        }
        assert_eq!(api.all("configmaps"), before, "{words}: something was recorded");
    }
}

#[tokio::test]
async fn while_the_api_server_is_down_nothing_is_recorded_and_afterwards_all_is() {
    let (api, client) = FakeApi::with_client().await;
    let audit = Audit::new(client, 1);
    append(&audit, "a").await.unwrap();
    api.set_down(true);
    let refused = append(&audit, "b").await.unwrap_err();
    assert!(matches!(refused, AuditError::Api { .. }), "{refused}");
    api.set_down(false);
    append(&audit, "c").await.unwrap();
    assert_eq!(subjects(&api), ["a", "c"]);
}

fn run(words: &[&str]) -> Result<String, CommandError> {
    let mut out = Vec::new();
    let args = AuditArgs::try_parse_from([&["audit"], words].concat()).unwrap();
    assert!(args.run_offline(&mut out)?.is_none());
    Ok(String::from_utf8(out).unwrap())
}

fn wanted(name: &str) -> Wanted {
    let words = ["audit", "export", "--namespace", "civil", "--name", name];
    AuditArgs::try_parse_from(words).unwrap().run_offline(&mut Vec::new()).unwrap().unwrap()
}

#[tokio::test]
async fn an_export_is_verified_without_the_cluster() {
    let (api, client) = FakeApi::with_client().await;
    let audit = Audit::new(client.clone(), 1);
    let many = |_: &State| (0..102).map(|i| draft(&format!("{i}"))).collect();
    audit.record(("civil", "registry"), None, now(), many).await.unwrap();
    let mut lines = Vec::new();
    command::export(client, &wanted("registry"), &mut lines).await.unwrap();
    let folder = tempfile::tempdir().unwrap();
    let (as_lines, as_objects) = (folder.path().join("a.jsonl"), folder.path().join("a.json"));
    let (as_lines, as_objects) = (as_lines.to_str().unwrap(), as_objects.to_str().unwrap());
    std::fs::write(as_lines, &lines).unwrap();
    let list = json!({"apiVersion": "v1", "kind": "List", "items": api.all("configmaps")});
    std::fs::write(as_objects, list.to_string()).unwrap();
    let head = entries(&api)[101]["hash"].as_str().unwrap().to_owned();
    let expected = format!(
        "civil/registry: 完整,102 条 / unbroken, 102 entries, 2026-11-24T02:00:00Z – 2026-11-24T02:00:00Z\n  102 {head}\n"
    );
    for file in [as_lines, as_objects] {
        assert_eq!(run(&["verify", file]).unwrap(), expected);
        assert_eq!(run(&["verify", "--head", &head, file]).unwrap(), expected);
        assert!(matches!(run(&["verify", "--head", "sha256:00", file]), Err(CommandError::Broken(_))));
    }
    let text = String::from_utf8(lines).unwrap().replacen("\"subject\":\"50\"", "\"subject\":\"51\"", 1);
    std::fs::write(as_lines, text).unwrap();
    let Err(CommandError::Broken(found)) = run(&["verify", as_lines]) else {
        panic!("a tampered file was found unbroken")
    };
    assert_eq!(found.to_string(), "the record of civil/registry is broken after 50 unbroken entries");
    assert!(found.source.to_string().starts_with("entry 51: its hash is sha256:"), "{}", found.source);
    assert!(matches!(run(&["verify", "/nowhere/at/all"]), Err(CommandError::Read { .. })));
}

#[tokio::test]
async fn a_broken_record_is_exported_as_it_is_and_called_broken() {
    let (api, client) = FakeApi::with_client().await;
    let audit = Audit::new(client.clone(), 1);
    for word in ["a", "b", "c"] {
        append(&audit, word).await.unwrap();
    }
    let mut map = api.get(&path(1)).unwrap();
    map["data"]["00000002"] = json!("nothing happened");
    api.put(COLLECTION, map);
    let mut out = Vec::new();
    let found = command::export(client.clone(), &wanted("registry"), &mut out).await;
    assert!(matches!(found, Err(CommandError::Broken(_))), "{found:?}");
    assert_eq!(String::from_utf8(out).unwrap().lines().nth(1), Some("nothing happened"));
    let found = command::export(client, &wanted("another"), &mut Vec::new()).await;
    assert!(matches!(found, Err(CommandError::Missing { .. })), "{found:?}");
}
