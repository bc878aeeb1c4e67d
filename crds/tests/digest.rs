//! The digest that people approve: fixed for ever, blind to what is not part of the scheme, and to nothing else.

use qianyun_crds::{MigrationPlanSpec, SystemMigrationSpec, digest_of, plan_digest, scheme_digest};
use serde_json::{Value, json};

const UID: &str = "7d1f5a3e-0c7b-4f0e-9a39-2f6f0e0b8a11";

fn scheme() -> Value {
    json!({
        "systemRef": "civil-registry",
        "planRef": "plan-2026-1",
        "platformRef": "suining",
        "author": "li",
        "scheme": {
            "summary": "把民政登记系统迁到政务云。\n\"Whole\" and unchanged.",
            "hosts": [{
                "hostRef": "registry-db",
                "target": {"cpus": 2, "memoryMib": 2048, "nics": [{"takesPlaceOf": "eno1", "network": "office"}]},
                "disks": [{
                    "volume": "system", "serial": "S3YJNX0K", "wwn": "0x5002538e40a1b2c3", "sizeBytes": 8_589_934_592_i64,
                    "volumeBytes": 8_589_934_592_i64
                }],
                "quiesce": [{"unit": "registry-app.service", "deadlineSeconds": 30}],
                "serveUnits": ["postgresql@15-main.service"]
            }],
            "window": {"start": "2026-11-28T14:00:00Z", "end": "2026-11-28T18:00:00Z"},
            "probes": [{"name": "database", "address": "10.77.0.20", "tcpPort": 5432, "deadlineSeconds": 300}],
            "downtimeBudgetMinutes": 30,
            "rollback": {"triggers": "a probe fails", "decidedBy": "刘志强", "latestAt": "2026-11-28T22:00:00Z"},
            "evidence": [{"title": "应急预案", "documentNo": "遂民〔2026〕7号", "digest": format!("sha256:{}", "ab".repeat(32))}]
        }
    })
}

fn digest(spec: &Value) -> String {
    let spec: SystemMigrationSpec = serde_json::from_value(spec.clone()).expect("a scheme");
    scheme_digest(UID, &spec).expect("a scheme has a digest")
}

/// Every way down to a value that is no object and no list.
fn leaves(value: &Value, path: String, found: &mut Vec<String>) {
    match value {
        Value::Object(map) => map.iter().for_each(|(name, inner)| leaves(inner, format!("{path}/{name}"), found)),
        Value::Array(items) => {
            items.iter().enumerate().for_each(|(i, inner)| leaves(inner, format!("{path}/{i}"), found))
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => found.push(path),
    }
}

/// The same value, with the members of every object written in the opposite order.
fn reversed(value: &Value) -> String {
    match value {
        Value::Object(map) => {
            let members: Vec<String> = map.iter().rev().map(|(k, v)| format!("{}:{}", json!(k), reversed(v))).collect();
            format!("{{{}}}", members.join(","))
        }
        Value::Array(items) => format!("[{}]", items.iter().map(reversed).collect::<Vec<_>>().join(",")),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => value.to_string(),
    }
}

/// Something else of the same kind that the types accept.
fn another(value: &Value) -> Value {
    match value {
        Value::Number(n) => json!(n.as_i64().expect("integers only") + 1),
        Value::String(text) if text.ends_with(":00Z") => json!(text.replace(":00Z", ":01Z")),
        Value::String(text) => json!(format!("{text}x")),
        other => panic!("no other value for {other}"),
    }
}

#[test]
fn canonical_json_is_that_of_rfc_8785() {
    // The digests were computed apart from this crate, with sha256sum over the text in the comment.
    let rows = [
        // {}
        (json!({}), "44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a"),
        // {"a":[1,true,null,"x"],"b":-9007199254740991}
        (
            json!({"b": -9_007_199_254_740_991_i64, "a": [1, true, null, "x"]}),
            "a12386620390d873a626e52db7a1a5f3e1c76b5ab9554e2aee5c6d35d3c9fc1e",
        ),
        // {"\r":1,"1":2,"ö":3,"€":4,"😀":5,"דּ":6}: by UTF-16 code units, so the surrogate pair comes before U+FB33
        (
            json!({"€": 4, "\r": 1, "\u{fb33}": 6, "1": 2, "😀": 5, "ö": 3}),
            "eccf36f7f848627c86ace6cd057eb35b09c0d467349bf441a18dfeafd319ae46",
        ),
        // "\u0007\b\t\n\f\r\"\\/€"
        (json!("\u{7}\u{8}\t\n\u{c}\r\"\\/€"), "aa996b589ddbf1d25ce51207eeb3aa106dbd3ec4a6874684e9ce0ef30bc34665"),
    ];
    for (value, expected) in rows {
        assert_eq!(digest_of(&value).expect("integers only"), format!("sha256:{expected}"), "{value}");
    }
    assert!(digest_of(&json!({"a": 0.5})).is_err(), "a fraction has no canonical form here");
}

#[test]
fn the_digest_of_a_scheme_never_changes() {
    assert_eq!(digest(&scheme()), "sha256:a3162c31404e67e827de04a627540bd13d4b2bb5587dc5c258d7d3494de02918");
}

#[test]
fn the_digest_of_a_plan_never_changes() {
    let plan = json!({
        "year": 2026, "batch": 1, "policyRef": "suining-2018", "author": "li",
        "systems": [{"namespace": "civil-affairs", "name": "civil-registry", "dueDate": "2026-12-31"}]
    });
    let plan: MigrationPlanSpec = serde_json::from_value(plan).expect("a plan");
    assert_eq!(
        plan_digest(UID, &plan).expect("a plan has a digest"),
        "sha256:c5125d384660c07eae4072888efbb04ded5f24e9e0661fc06f2abdf2cb0fe13f"
    );
}

#[test]
fn what_is_not_part_of_the_scheme_does_not_matter() {
    let expected = digest(&scheme());
    let backwards: Value = serde_json::from_str(&reversed(&scheme())).expect("json");
    assert_eq!(digest(&backwards), expected, "order of fields");

    let mut held = scheme();
    held["suspend"] = json!(true);
    held["confirmation"] = json!({"by": "he", "digest": expected});
    assert_eq!(digest(&held), expected, "suspension and confirmation");

    let mut unchanged_hands = scheme();
    unchanged_hands["formerAuthors"] = json!([]);
    assert_eq!(digest(&unchanged_hands), expected, "nobody wrote it before");

    let mut spelled = scheme();
    spelled["scheme"]["hosts"][0]["disks"][0]["wwn"] = json!("");
    let mut omitted = scheme();
    omitted["scheme"]["hosts"][0]["disks"][0].as_object_mut().expect("a disk").remove("wwn");
    assert_eq!(digest(&spelled), digest(&omitted), "a default, written or left out");

    let mut local = scheme();
    local["scheme"]["window"]["start"] = json!("2026-11-28T22:00:00+08:00");
    assert_eq!(digest(&local), expected, "the same instant in another time zone");
}

#[test]
fn every_edit_of_the_scheme_matters() {
    let expected = digest(&scheme());
    let mut paths = Vec::new();
    leaves(&scheme(), String::new(), &mut paths);
    assert!(paths.len() > 25, "{} leaves", paths.len());
    let mut seen = std::collections::BTreeSet::from([expected.clone()]);
    for path in paths {
        let mut edited = scheme();
        let leaf = edited.pointer_mut(&path).expect("a leaf");
        *leaf = another(leaf);
        assert!(seen.insert(digest(&edited)), "{path} was edited and no digest of its own came of it");
    }
    let mut taken_over = scheme();
    taken_over["formerAuthors"] = json!(["he"]);
    assert!(seen.insert(digest(&taken_over)), "who wrote it before");
    for list in ["hosts", "probes", "evidence"] {
        let mut longer = scheme();
        let items = longer["scheme"][list].as_array_mut().expect("a list");
        items.push(items[0].clone());
        assert!(seen.insert(digest(&longer)), "{list} grew");
    }
}

#[test]
fn the_same_text_in_another_object_is_another_scheme() {
    let spec: SystemMigrationSpec = serde_json::from_value(scheme()).expect("a scheme");
    let other = scheme_digest("00000000-0000-4000-8000-000000000000", &spec).expect("a scheme has a digest");
    assert_ne!(other, digest(&scheme()));
}
