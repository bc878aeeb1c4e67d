//! Previews of a migration at moments that matter, kept beside it in both languages, and what holds of the preview of any world.
//!
//! A preview that differs fails the test; `BLESS=1` writes it anew, to be read in the diff.
#![allow(clippy::unwrap_used)]

use crate::world::World;
use proptest::prelude::*;
use qianyun_planning::gate::GATES;
use qianyun_planning::preview::{Language, Preview, preview};
use std::path::Path;

const LANGUAGES: [(Language, &str); 2] = [(Language::English, "en"), (Language::Chinese, "zh")];

/// The world at a moment.
type Moment = (&'static str, fn() -> World);

/// The moments, each with what happened before it.
const MOMENTS: [Moment; 15] = [
    ("drafting-without-papers", || after("no-emergency-plan\nproject not-said\nnot-graded\ncatalogue-entries 0")),
    ("waiting-for-one-office", || {
        after(
            "issue municipalGovernmentOffice mgo-zhang\nissue smartCityOffice sco-zhao\nconfirm-scheme dept-li\n\
             approve municipalGovernmentOffice mgo-zhang\nphase Review",
        )
    }),
    ("approved-without-papers", || after("project not-said\nnot-graded\nsign-all\nphase Review")),
    ("approved", || after("sign-all\nphase Approved")),
    ("scheduled-before-the-window", || after("sign-all\npass 20\nphase Scheduled")),
    ("servers-that-depend-and-hooks", || {
        after(
            "servers web1 db1\ndepends web1 on db1\nhook web1 drain BeforeFreeze 60\nhook db1 dump-database BeforeStop 600\n\
             admin-allows-hook web1 drain\nadmin-allows-hook db1 dump-database\nsign-all\npass 20\nphase Scheduled",
        )
    }),
    ("in-a-freeze-period", || {
        let freeze = "freeze congress from 2026-11-23 00:00 until 2026-11-24 00:00 block";
        after(&format!("sign-all\npass 20\n{freeze}\nat 2026-11-23 22:10\nphase Scheduled"))
    }),
    ("attempt-begins", || {
        let mut world = after("sign-all\npass 20\nat 2026-11-23 22:09\npass 59\nphase Scheduled");
        world.pass(1);
        world
    }),
    ("mid-cutover", || after("servers db1 web1\nsign-all\npass 20\nat 2026-11-23 22:10\npass 1\nphase CuttingOver")),
    ("commit-is-written", || World::voted(&["db1"])),
    ("after-commit", || after("sign-all\npass 20\nat 2026-11-23 22:10\npass 4\nphase CuttingOver")),
    ("in-trial", || after("in-trial\nat 2026-12-20 09:00\nphase Trial")),
    ("edited-in-the-trial", || after("in-trial\nat 2026-12-20 09:00\nedit\npass 2\nphase Provisional")),
    ("suspended", || after("sign-all\npass 20\nsuspend\npass 1\nphase Scheduled")),
    ("permissions-unknown", || after("sign-all\npermissions-unknown\npass 5")),
];

/// The world at the end of a script.
fn after(script: &str) -> World {
    let mut last = World::new();
    let told = crate::story::tell(script, |world| last = world.clone());
    assert!(!told.contains(crate::story::LOST), "{told}");
    last
}

fn of(world: &World) -> Preview {
    preview(&world.facts(), world.now)
}

#[test]
fn previews_are_as_they_were() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/previews");
    let blessed = std::env::var_os("BLESS").is_some();
    let mut differ = Vec::new();
    for (name, world) in MOMENTS {
        let found = of(&world());
        check(&found);
        for (language, suffix) in LANGUAGES {
            let (golden, text) = (folder.join(format!("{name}.{suffix}.txt")), found.text(language));
            if blessed {
                std::fs::create_dir_all(&folder).unwrap();
                std::fs::write(&golden, &text).unwrap();
            } else if std::fs::read_to_string(&golden).unwrap_or_default() != text {
                differ.push(format!("{}\n{text}", golden.display()));
            }
        }
    }
    assert!(differ.is_empty(), "previews differ; look at them, then run with BLESS=1:\n{}", differ.join("\n"));
}

#[test]
fn a_person_who_reads_the_cluster_is_told_whose_word_it_is() {
    let world = World::approved(&["db1"]);
    let told = of(&world).read_by_a_person();
    check(&told);
    let more: Vec<_> = told.sections[0].points.iter().filter(|p| !of(&world).sections[0].points.contains(p)).collect();
    assert!(more.len() == 1 && more[0].text.en.contains("as the controller last wrote it"), "{more:?}");
}

/// What holds of every preview.
fn check(found: &Preview) {
    assert_eq!(found.sections.len(), 5);
    let mut points = Vec::new();
    for section in &found.sections {
        assert!(!section.points.is_empty(), "{section:?}");
        let under = section.points.iter().flat_map(|p| &p.under);
        for words in section.points.iter().map(|p| &p.text).chain(under) {
            assert!(!words.en.trim().is_empty() && !words.zh.trim().is_empty(), "{words:?} in {section:?}");
        }
        points.push(section.points.len());
    }
    let text = LANGUAGES.map(|(language, _)| found.text(language));
    let marks = |text: &str| text.lines().filter(|l| l.starts_with("   - ")).count();
    assert_eq!(text.each_ref().map(|t| marks(t)), [points.iter().sum::<usize>(); 2]);
    for text in &text {
        assert!(text.lines().all(|line| columns(line) <= 80 || !line.trim().contains(' ')), "a long line:\n{text}");
        for form in [" { ", "Some(", "None", "Ok(", "Err(", "::", "Known", "Unknown", "[\""] {
            assert!(!text.contains(form), "{form:?} is a program's form of a value:\n{text}");
        }
        for word in text.split(|c: char| !c.is_ascii_alphanumeric()).filter(|w| is_name_of_code(w)) {
            assert!(is_shown_by_kubectl(word), "{word} is a name of the code:\n{text}");
        }
    }
}

fn columns(line: &str) -> usize {
    line.chars().map(|c| if c.is_ascii() { 1 } else { 2 }).sum()
}

/// As `CamelCase`.
fn is_name_of_code(word: &str) -> bool {
    word.starts_with(|c: char| c.is_ascii_uppercase())
        && word.chars().skip(1).any(|c| c.is_ascii_uppercase())
        && word.chars().any(|c| c.is_ascii_lowercase())
}

/// Names of gates, phases and kinds: what a reader also finds in a table or types.
fn is_shown_by_kubectl(word: &str) -> bool {
    let named = ["CuttingOver", "RollingBack", "InformationSystem", "CheckWaiver", "CloudPlatform", "CustodyRecord"];
    named.contains(&word) || GATES.iter().any(|g| format!("{:?}", g.name) == word) || ["GiB", "MiB"].contains(&word)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_preview_of_any_world_is_whole_in_both_languages(happens in prop::collection::vec(any_line(), 0..24)) {
        let mut looked = 0_u32;
        crate::story::tell(&happens.join("\n"), |world| {
            looked += 1;
            // Each look renders all of it; one in seven is enough to meet every state of a copy and a cutover.
            if looked % 7 == 1 {
                check(&of(world));
            }
        });
    }
}

/// Something that happens, in any order.
fn any_line() -> impl Strategy<Value = &'static str> {
    prop::sample::select(vec![
        "sign-all",
        "pass 1",
        "pass 5",
        "pass 20",
        "pass 90",
        "edit",
        "restore",
        "suspend",
        "lift",
        "confirm",
        "return smartCityOffice sco-zhao",
        "return-plan smartCityOffice sco-zhao",
        "department-returns dept-li",
        "deny sco-zhao",
        "allow sco-zhao",
        "permissions-unknown",
        "permissions-known",
        "plan-drops-the-system",
        "plan-lists-the-system",
        "policy-names-one-office",
        "policy-switches-off RehearsalPassed",
        "policy-restarts-trials",
        "at 2026-11-23 22:10",
        "at 2026-11-24 09:00",
        "at 2027-03-01 09:00",
        "freeze congress from 2026-11-23 00:00 until 2026-11-24 00:00 block",
        "platform-level 2",
        "unplug db1",
        "plug db1",
        "power-off db1",
        "power-on db1",
        "receiver-dies db1",
        "target-stops db1",
        "admin-forbids db1",
        "admin-allows db1",
        "slow-stop db1",
        "quick-stop db1",
        "mismatch db1",
        "forget-vote db1",
        "match db1",
        "check-blocks db1 BK-01",
        "check-unanswered db1 BK-01",
        "check-passes db1 BK-01",
        "host-unsigned db1",
        "claimed-by db1 land-registry",
        "released db1",
        "no-emergency-plan",
        "project not-said",
        "project yes",
        "file-project 2026-09-14",
        "not-graded",
        "graded 3",
        "needs land-registry",
        "incident 1 major 2026-12-01 09:00",
        "meeting 2027-03-01",
        "performance-test passed 2027-02-25",
        "catalogue-registered C-1 2027-02-26",
        "sign-acceptance dept-li",
        "taken-into-custody db1 2027-03-02",
    ])
}
