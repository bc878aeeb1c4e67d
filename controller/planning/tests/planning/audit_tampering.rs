//! A tampered audit record is found: whatever is changed, removed, moved or put in, and wherever. Only a record that was cut off
//! at its end, or written anew from some entry on, is unbroken by itself; those two are found with a head that was noted elsewhere.
#![allow(clippy::unwrap_used)]

use crate::record::{NAME, NAMESPACE, Record};
use proptest::prelude::*;
use qianyun_crds::Phase;
use qianyun_planning::audit::chain::Break;
use qianyun_planning::audit::entry::{GENESIS, MAX_ENTRY_BYTES, seal};
use qianyun_planning::audit::export::{Broken, ExportError, Verified};
use qianyun_planning::audit::segment::{HEAD_ANNOTATION, SEGMENT_ENTRIES, name, parse_name};
use qianyun_planning::audit::{Draft, Event, Export};
use serde_json::{Value, json};
use std::sync::LazyLock;

fn draft(n: usize) -> Draft {
    Draft {
        uid: "uid-scheme".into(),
        actor: n.is_multiple_of(3).then(|| format!("王{n}")),
        subject: format!("SystemMigration/{NAME}"),
        scheme: Some(format!("sha256:{n:064}")),
        event: match n % 3 {
            0 => Event::SchemeEdited { before: format!("第\u{1}{n}\"\\") },
            1 => Event::PhaseChanged { before: None, phase: Phase::Review },
            _ => Event::Suspended {},
        },
    }
}

/// The longest record that a test needs; shorter ones are its beginnings.
static LONGEST: LazyLock<Record> = LazyLock::new(|| {
    let mut record = Record::new();
    let at = "2026-11-24T02:00:00.5Z".parse().unwrap();
    (0..250).for_each(|n| record.append(vec![draft(n)], at, 7));
    record
});

fn record(entries: usize) -> Record {
    let mut record = Record::new();
    record.lines = LONGEST.lines[..entries].to_vec();
    record.entries = LONGEST.entries[..entries].to_vec();
    record.lines.iter().for_each(|line| drop(record.chain.take(line).unwrap()));
    record
}

fn verify(bytes: &[u8], noted: Option<&str>) -> Result<Vec<Verified>, String> {
    let mut export = Export::default();
    export.add("file", bytes).map_err(|error| error.to_string())?;
    export.verify(noted).map_err(|error| format!("{error}: {}", error.source))
}

#[track_caller]
fn broken(bytes: &[u8], noted: Option<&str>) -> Broken {
    let mut export = Export::default();
    export.add("file", bytes).unwrap();
    export.verify(noted).expect_err("it was found unbroken")
}

fn joined(lines: &[String]) -> String {
    lines.join("\n") + "\n"
}

#[test]
fn an_untouched_record_is_unbroken_as_lines_and_as_objects() {
    let record = record(250);
    let head = record.entries[249].hash.as_str();
    for bytes in [record.as_lines(), record.as_objects().to_string()] {
        for noted in [None, Some(head), Some(record.entries[17].hash.as_str())] {
            let found = verify(bytes.as_bytes(), noted).unwrap();
            let [Verified { system, entries: 250, head: found, .. }] = &found[..] else { panic!("{found:?}") };
            assert_eq!((system.as_str(), found.as_str()), ("minzheng/civil-registry", head));
        }
    }
    let single = verify(self::record(3).as_objects()["items"][0].to_string().as_bytes(), None).unwrap();
    assert_eq!(single[0].entries, 3);
}

#[test]
fn the_hash_can_be_checked_with_other_tools() {
    // What the hash is of: the line without its member "hash". `sha256sum` of it, computed elsewhere.
    let mut record = Record::new();
    let draft = Draft {
        uid: "u".into(),
        actor: Some("wang".into()),
        subject: "Approval/a".into(),
        scheme: None,
        event: Event::Begun {},
    };
    record.append(vec![draft], "2026-11-24T02:00:00Z".parse().unwrap(), 1);
    let expected = "{\"actor\":\"wang\",\"at\":\"2026-11-24T02:00:00Z\",\"epoch\":1,\"event\":{\"kind\":\"Begun\"},\"format\":1,\
        \"hash\":\"HASH\",\"previous\":\"GENESIS\",\"sequence\":1,\"subject\":\"Approval/a\",\
        \"system\":{\"name\":\"civil-registry\",\"namespace\":\"minzheng\",\"uid\":\"u\"}}";
    let expected = expected.replace("HASH", &record.entries[0].hash).replace("GENESIS", GENESIS);
    assert_eq!(record.lines[0], expected);
    assert_eq!(record.entries[0].hash, "sha256:75c31a901f6c89289e5925dbfc64779b45cd1a2f17fb44b9fe810ae1f6d922f2");
}

#[test]
fn each_way_of_tampering_is_named_with_what_was_expected_and_found() {
    let record = record(5);
    let line = |n: usize| record.lines[n - 1].clone();
    let edited = |n: usize| line(n).replace("uid-scheme", "uid-schemf");
    let with = |n: usize, text: String| {
        let mut lines = record.lines.clone();
        lines[n - 1] = text;
        joined(&lines)
    };
    let (hash, other) = (&record.entries[2].hash, &record.entries[1].hash);
    let cases: Vec<(String, u64, String)> = vec![
        (with(3, edited(3)), 2, "entry 3: its hash is sha256:".into()),
        (with(3, line(3).replace(hash, other)), 2, format!("found {other} in it: it was changed")),
        (
            with(3, line(3).replacen(other, hash, 1)),
            2,
            format!("names {hash} as the entry before it, expected {other}"),
        ),
        (with(3, line(3).replace("{\"", "{ \"")), 2, "expected its canonical form".into()),
        (with(3, line(3).replace("\"epoch\":7", "\"epoch\":7,\"epoch\":7")), 2, "expected its canonical form".into()),
        (with(3, line(3).replace("\"epoch\":7", "\"epoch\":7.5")), 2, "expected an entry as json".into()),
        (with(3, line(3)[..40].to_owned()), 2, "entry 3: expected an entry as json, found something else".into()),
        (with(3, String::new()), 2, "expected an entry as json".into()),
        (with(3, "[".repeat(5000)), 2, "expected an entry as json".into()),
        (with(3, format!("\"{}\"", "x".repeat(MAX_ENTRY_BYTES))), 2, "8194 bytes, expected at most 8192".into()),
        (joined(&[line(1), line(2), line(4), line(5)]), 2, "expected entry 3, found entry 4".into()),
        (joined(&[line(2), line(3)]), 0, "expected entry 1, found entry 2".into()),
        (joined(&[line(1), line(2), line(2), line(3)]), 2, "expected entry 3, found entry 2".into()),
        (joined(&[line(1), line(2), line(1), line(3)]), 1, "expected entry 2, found entry 3".into()),
        (joined(&[line(1), line(2), line(1)]), 1, "a second record of minzheng/civil-registry begins".into()),
        (with(3, line(3).replace("\"format\":1", "\"format\":2")), 2, "format 2, expected 1".into()),
        (
            with(3, line(3).replace("\"name\":\"civil-", "\"name\":\"civic-")),
            2,
            "found an entry of minzheng/civic-registry".into(),
        ),
    ];
    for (text, unbroken, words) in cases {
        let found = broken(text.as_bytes(), None);
        let said = format!("{found}: {}", found.source);
        assert!(said.contains(&words), "expected {words:?} in {said:?}");
        assert_eq!(found.unbroken, unbroken, "{said}");
    }
}

#[test]
fn an_entry_that_was_forged_with_a_right_hash_does_not_fit_the_next_one() {
    let record = record(5);
    let mut forged = record.entries[2].clone();
    forged.actor = Some("nobody".into());
    let mut lines = record.lines.clone();
    lines[2] = seal(forged).unwrap().text;
    let found = broken(joined(&lines).as_bytes(), None);
    assert!(matches!(found.source, Break::Previous { at: 4, .. }), "{:?}", found.source);
}

#[test]
fn a_controller_that_had_lost_its_lease_is_found_out() {
    let mut record = record(3);
    let entry = crate::record::entry(&record.chain, draft(3), "2026-11-24T03:00:00Z".parse().unwrap(), 6);
    record.lines.push(seal(entry).unwrap().text);
    let found = broken(record.as_lines().as_bytes(), None);
    assert!(matches!(found.source, Break::Epoch { at: 4, before: 7, found: 6 }), "{:?}", found.source);
}

#[test]
fn what_was_cut_off_or_written_anew_is_found_with_a_head_that_was_noted_elsewhere() {
    let (record, head) = (record(120), |record: &Record| record.entries.last().unwrap().hash.clone());
    let cut = joined(&record.lines[..100]);
    verify(cut.as_bytes(), None).unwrap();
    let found = broken(cut.as_bytes(), Some(&head(&record)));
    assert_eq!(found.unbroken, 100);
    assert!(matches!(found.source, Break::NotedHead { .. }), "{:?}", found.source);
    let mut anew = Record::new();
    anew.append((0..130).map(|n| draft(n + 1)).collect(), "2026-11-24T02:00:00Z".parse().unwrap(), 7);
    verify(anew.as_lines().as_bytes(), None).unwrap();
    broken(anew.as_lines().as_bytes(), Some(&head(&record)));
}

/// A change to exported objects, and what is said of it.
type Case = (fn(&mut Value), &'static str);

#[test]
fn objects_are_held_to_their_places_as_well() {
    let cases: [Case; 10] = [
        (
            |list| drop(list["items"].as_array_mut().unwrap().remove(1)),
            "expected entry 00000101 in segment 2, found entry 00000201",
        ),
        (|list| drop(list["items"].as_array_mut().unwrap().remove(0)), "expected entry 00000001 in segment 1"),
        (|list| drop(list["items"][1]["data"].as_object_mut().unwrap().remove("00000150")), "found entry 00000151"),
        (
            |list| drop(list["items"][2]["data"].as_object_mut().unwrap().remove("00000250")),
            "the record ends with entry 250",
        ),
        (
            |list| drop(list["items"][0]["data"].as_object_mut().unwrap().remove("00000100")),
            "the record ends with entry 100",
        ),
        (
            |list| list["items"][2]["metadata"]["annotations"][HEAD_ANNOTATION] = json!("sha256:00"),
            "ends with entry 250 (sha256:00)",
        ),
        (|list| list["items"][2]["metadata"]["annotations"] = json!({}), "ends with entry  ()"),
        (|list| list["items"][2]["metadata"]["namespace"] = json!("water"), "expected entry 00000001 in segment 1"),
        (
            |list| {
                let text = list["items"][0]["data"]["00000007"].take();
                list["items"][0]["data"]["00000007a"] = text;
                drop(list["items"][0]["data"].as_object_mut().unwrap().remove("00000007"));
            },
            "found entry 00000007a",
        ),
        (
            |list| {
                list["items"]
                    .as_array_mut()
                    .unwrap()
                    .iter_mut()
                    .for_each(|o| o["metadata"]["namespace"] = json!("water"))
            },
            "expected the record of water/civil-registry, found an entry of minzheng/civil-registry",
        ),
    ];
    for (change, words) in cases {
        let mut list = record(250).as_objects();
        change(&mut list);
        let found = broken(list.to_string().as_bytes(), None);
        let said = format!("{found}: {}", found.source);
        assert!(said.contains(words), "expected {words:?} in {said:?}");
    }
}

#[test]
fn what_is_no_export_is_refused_with_what_was_expected() {
    let add = |bytes: &[u8]| Export::default().add("file", bytes).unwrap_err();
    assert!(matches!(add(b""), ExportError::Empty { .. }));
    assert!(matches!(add(b"{\"kind\":\"List\",\"items\":[]}"), ExportError::Empty { .. }));
    assert!(matches!(add(&[0xff, 0xfe]), ExportError::NotText { .. }));
    assert!(matches!(add(b"{\"kind\":\"List\",\"items\":3}"), ExportError::NotConfigMaps { .. }));
    let other = json!({"kind": "ConfigMap", "metadata": {"name": "settings", "namespace": NAMESPACE}});
    let error = add(other.to_string().as_bytes());
    assert!(error.to_string().contains("the ConfigMap settings is no part of an audit record"), "{error}");
    let mut twice = record(3).as_objects();
    let first = twice["items"][0].clone();
    twice["items"].as_array_mut().unwrap().push(first);
    assert!(matches!(add(twice.to_string().as_bytes()), ExportError::Twice { .. }));
}

#[test]
fn several_systems_in_one_export_are_told_apart() {
    let mut other = Record::of("water", "meters");
    other.append((0..3).map(draft).collect(), "2026-11-24T02:00:00Z".parse().unwrap(), 7);
    let found = verify((record(120).as_lines() + &other.as_lines()).as_bytes(), None).unwrap();
    let found: Vec<(&str, u64)> = found.iter().map(|v| (v.system.as_str(), v.entries)).collect();
    assert_eq!(found, [("minzheng/civil-registry", 120), ("water/meters", 3)]);
}

#[test]
fn names_of_objects_are_read_as_they_are_written() {
    for (migration, number) in [("a", 1), ("civil-registry", 42), ("x-audit-00001", 99_999)] {
        assert_eq!(parse_name(&name(migration, number)), Some((migration, number)));
    }
    for other in ["", "-audit-00001", "a-audit-1", "a-audit-00000", "a-audit-0000x", "a-audit-+0001", "a.audit.00001"] {
        assert_eq!(parse_name(other), None, "{other}");
    }
}

/// One way to tamper with lines; the numbers are taken modulo what there is.
#[derive(Clone, Debug)]
enum Tampering {
    Character(usize, usize, char),
    Remove(usize),
    Swap(usize, usize),
    Repeat(usize, usize),
    Insert(usize, String),
    CutLine(usize, usize),
    JoinLines(usize),
}

fn tampering() -> impl Strategy<Value = Tampering> {
    let n = any::<usize>;
    prop_oneof![
        4 => (n(), n(), any::<char>()).prop_map(|(line, at, c)| Tampering::Character(line, at, c)),
        2 => n().prop_map(Tampering::Remove),
        2 => (n(), n()).prop_map(|(a, b)| Tampering::Swap(a, b)),
        2 => (n(), n()).prop_map(|(from, to)| Tampering::Repeat(from, to)),
        1 => (n(), "[ -~]{0,80}").prop_map(|(at, text)| Tampering::Insert(at, text)),
        1 => (n(), n()).prop_map(|(line, at)| Tampering::CutLine(line, at)),
        1 => n().prop_map(Tampering::JoinLines),
    ]
}

/// `None` where it comes to nothing.
fn tamper(lines: &[String], tampering: &Tampering) -> Option<Vec<String>> {
    let mut changed = lines.to_vec();
    let count = lines.len();
    match tampering {
        Tampering::Character(line, at, c) => {
            let mut chars: Vec<char> = lines[line % count].chars().collect();
            let at = at % chars.len();
            chars[at] = *c;
            changed[line % count] = chars.into_iter().collect();
        }
        // The last one is what a noted head is for.
        Tampering::Remove(line) => drop(changed.remove(line % (count - 1))),
        Tampering::Swap(a, b) => changed.swap(a % count, b % count),
        Tampering::Repeat(from, to) => changed.insert(to % (count + 1), lines[from % count].clone()),
        // At the end, blanks are what text files end with.
        Tampering::Insert(at, text) => changed.insert(at % count, text.clone()),
        Tampering::CutLine(line, at) => {
            let keep = at % lines[line % count].chars().count();
            changed[line % count] = lines[line % count].chars().take(keep).collect();
        }
        Tampering::JoinLines(line) => {
            let line = line % (count - 1);
            let next = changed.remove(line + 1);
            changed[line].push_str(&next);
        }
    }
    (changed != lines).then_some(changed)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 150, ..ProptestConfig::default() })]

    #[test]
    fn any_single_tampering_with_lines_is_found(entries in 2..130_usize, tampering in tampering()) {
        let record = record(entries);
        let Some(changed) = tamper(&record.lines, &tampering) else { return Ok(()) };
        let head = record.entries[entries - 1].hash.clone();
        let text = joined(&changed);
        // A last line that was emptied, or to which a blank was added, is a record that ends before it.
        if text.trim_end() != joined(&record.lines[..entries - 1]).trim_end() && text.trim_end() != joined(&record.lines).trim_end() {
            prop_assert!(verify(text.as_bytes(), None).is_err(), "{tampering:?}");
        }
        if text.trim_end() != joined(&record.lines).trim_end() {
            prop_assert!(verify(text.as_bytes(), Some(&head)).is_err(), "{tampering:?}");
        }
    }

    #[test]
    fn whatever_bytes_come_nothing_panics(bytes in proptest::collection::vec(any::<u8>(), 0..400), at in any::<usize>()) {
        let _ = verify(&bytes, Some("sha256:00"));
        let mut text = record(3).as_objects().to_string().into_bytes();
        let at = at % text.len();
        text.splice(at..at, bytes);
        let _ = verify(&text, None);
    }

    #[test]
    fn a_changed_byte_in_objects_is_found_or_is_none_of_the_record(at in any::<usize>(), to in 0x20..0x7f_u8) {
        let record = record(110);
        let mut text = record.as_objects().to_string().into_bytes();
        let at = at % text.len();
        text[at] = to;
        // Labels, apiVersion and the like are not part of the record: with them changed, it says the same.
        if let Ok(found) = verify(&text, None) {
            prop_assert_eq!(&found[0].head, &record.entries[109].hash);
            prop_assert_eq!(found[0].entries, 110);
        }
    }
}

#[test]
fn a_full_object_stays_below_what_the_api_server_takes() {
    let longest = u64::try_from(MAX_ENTRY_BYTES).unwrap() * SEGMENT_ENTRIES;
    assert!(longest + 64 * 1024 < 1 << 20, "{longest}");
}
