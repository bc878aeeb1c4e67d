//! What the admin's file permits and how it complains.

use super::*;
use crate::host::fake::Fake;
use crate::host::{Entry, EntryKind};
use jiff::civil::{date, time};
use qianyun_agent_api::desired::{ArrivalPlan, CutoverIntent, ResumeIntent};

fn replicate(receiver: &str) -> ReplicateIntent {
    ReplicateIntent {
        session: 1,
        scheme_digest: String::new(),
        receiver_address: receiver.into(),
        receiver_name: String::new(),
        disks: Vec::new(),
        max_bytes_per_second: 0,
    }
}

fn cutover() -> Intent {
    Intent::Cutover(CutoverIntent {
        attempt: 1,
        replicate: replicate("10.1.2.3:9000"),
        quiesce: Vec::new(),
        hooks: Vec::new(),
        freeze_limit_ms: 30_000,
        arrival: ArrivalPlan { nics: Vec::new() },
    })
}

fn parse(text: &str) -> Result<Config, ConfigError> {
    load(&Fake::default().file("/etc/qianyun/agent.toml", text), "/etc/qianyun/agent.toml")
}

const NOON: Time = time(12, 0, 0, 0);
const TUESDAY: DateTime = date(2026, 11, 24).at(12, 0, 0, 0);

#[test]
fn without_a_file_nothing_is_forbidden_and_nothing_is_capped() {
    let config = load(&Fake::default(), "/etc/qianyun/agent.toml").unwrap();
    assert_eq!(config.permits(&cutover(), NOON), Ok(()));
    assert_eq!(config.max_bytes_per_second(7, TUESDAY), 7);
}

#[test]
fn the_shipped_file_forbids_nothing() {
    assert_eq!(parse(include_str!("../../packaging/agent.toml")).unwrap(), Config::default());
}

#[test]
fn the_smaller_bandwidth_wins_and_zero_is_unbounded() {
    let config = parse("[limits]\nmax_bytes_per_second = 10").unwrap();
    assert_eq!(config.max_bytes_per_second(0, TUESDAY), 10);
    assert_eq!(config.max_bytes_per_second(5, TUESDAY), 5);
    assert_eq!(config.max_bytes_per_second(50, TUESDAY), 10);
    let by_day = "[limits]\nmax_bytes_per_second = 10\n[[calendar]]\nhours = \"08:00-18:00\"\nmax_bytes_per_second = 3";
    assert_eq!(parse(by_day).unwrap().max_bytes_per_second(50, TUESDAY), 3);
}

#[test]
fn a_copy_yields_to_the_users_unless_the_file_says_otherwise() {
    assert!(parse("[limits]\nmax_bytes_per_second = 10").unwrap().yields_to_users());
    assert!(!parse("[limits]\nyield_to_users = false").unwrap().yields_to_users());
}

#[test]
fn a_receiver_outside_the_allowed_networks_is_refused_by_name() {
    let config = parse("[allow]\nreceivers = [\"10.1.0.0/16\", \"fd00::/8\", \"192.0.2.7\"]").unwrap();
    let ask = |receiver: &str| config.permits(&Intent::Replicate(replicate(receiver)), NOON);
    assert_eq!(ask("10.1.255.9:1"), Ok(()));
    assert_eq!(ask("[fd00::1]:1"), Ok(()));
    assert_eq!(ask("192.0.2.7:1"), Ok(()));
    assert!(ask("192.0.2.8:1").unwrap_err().contains("192.0.2.8"));
    assert!(ask("10.2.0.1:1").is_err());
    assert!(ask("receiver:1").is_err());
}

#[test]
fn hours_may_lie_past_midnight_and_the_end_is_outside() {
    let config = parse("[hours]\ncutover = \"22:00-06:00\"").unwrap();
    assert_eq!(config.permits(&cutover(), time(23, 0, 0, 0)), Ok(()));
    assert_eq!(config.permits(&cutover(), time(5, 59, 0, 0)), Ok(()));
    assert_eq!(config.permits(&cutover(), NOON).unwrap_err(), "hours.cutover is 22:00-06:00, and it is 12:00 here");
    assert!(config.permits(&cutover(), time(6, 0, 0, 0)).is_err());
}

#[test]
fn what_is_not_listed_is_refused_but_an_attempt_can_always_be_ended() {
    let config = parse("[allow]\nintents = [\"replicate\"]").unwrap();
    assert!(config.permits(&cutover(), NOON).is_err());
    let none = parse("[allow]\nintents = []").unwrap();
    assert!(none.permits(&Intent::Replicate(replicate("10.0.0.1:1")), NOON).is_err());
    let resume = Intent::Resume(ResumeIntent { attempt: 1, replicate: replicate("10.0.0.1:1") });
    assert_eq!(none.permits(&resume, NOON), Ok(()));
    assert_eq!(none.permits(&Intent::Idle {}, NOON), Ok(()));
}

/// A file that lists one hook, on a machine that has it.
fn with_hook(path: &str) -> Fake {
    let text = format!("[hooks]\ndump-database = {path:?}\n");
    Fake::default().file("/etc/qianyun/agent.toml", &text).file("/usr/local/sbin/dump", "#!/bin/sh")
}

#[test]
fn a_hook_is_a_program_that_root_alone_decides_on() {
    let load = |host: &Fake| load(host, "/etc/qianyun/agent.toml").map(|config| config.hooks().names());
    let refusal = |host: &Fake| load(host).unwrap_err().to_string();
    assert_eq!(load(&with_hook("/usr/local/sbin/dump")).unwrap(), ["dump-database"]);
    assert!(refusal(&with_hook("sbin/dump")).contains("absolute"));
    assert!(refusal(&with_hook("/usr/local/sbin/gone")).contains("cannot read /usr/local/sbin/gone"));
    assert!(refusal(&with_hook("/usr/local/sbin")).contains("to be a file, found Folder"));
    let entry = Entry { kind: EntryKind::File, owner: 0, mode: 0o755 };
    let folder = Entry { kind: EntryKind::Folder, ..entry };
    let (program, above) = ("/usr/local/sbin/dump", "/usr/local");
    for (path, entry, expected) in [
        (program, Entry { owner: 1000, ..entry }, "/usr/local/sbin/dump to belong to root, found user 1000"),
        (program, Entry { mode: 0o775, ..entry }, "writable by root alone, found mode 0775"),
        (program, Entry { mode: 0o757, ..entry }, "writable by root alone, found mode 0757"),
        (program, Entry { mode: 0o644, ..entry }, "executable, found mode 0644"),
        (program, Entry { kind: EntryKind::Other, ..entry }, "to be a file, found Other"),
        (above, Entry { owner: 1000, ..folder }, "/usr/local to belong to root"),
        (above, Entry { mode: 0o777, ..folder }, "/usr/local to be writable by root alone"),
        (above, Entry { kind: EntryKind::Other, ..folder }, "/usr/local to be a folder, found Other"),
    ] {
        let host = with_hook(program);
        host.is(path, entry);
        let error = refusal(&host);
        assert!(error.contains("agent.toml: hook dump-database: ") && error.contains(expected), "{error}");
    }
    let host = with_hook(program);
    host.is(above, Entry { mode: 0o1777, ..folder });
    load(&host).expect("in a sticky folder nobody renames what is root's");
}

#[test]
fn names_of_hooks_are_such_as_a_scheme_can_say_and_few() {
    for name in ["\"Dump\"", "\"dump database\"", "\"../dump\"", "\"-dump\"", "\"\""] {
        let text = format!("[hooks]\n{name} = \"/usr/local/sbin/dump\"\n");
        assert!(parse(&text).unwrap_err().to_string().contains("expected names of hooks"), "{name}");
    }
    let many: String = (0..65).map(|n| format!("hook-{n} = \"/usr/local/sbin/dump\"\n")).collect();
    assert!(parse(&format!("[hooks]\n{many}")).unwrap_err().to_string().contains("at most 64 hooks, found 65"));
    assert!(parse("[hooks]\ndump = [\"/bin/sh\", \"-c\", \"dump\"]\n").is_err(), "a path, no command line");
}

#[test]
fn errors_say_the_line_what_was_expected_and_what_was_found() {
    let error = parse("[limits]\nmax_bytes_per_second = 1\nmax_bites = 2\n").unwrap_err().to_string();
    assert!(
        error.contains("/etc/qianyun/agent.toml") && error.contains("line 3") && error.contains("max_bites"),
        "{error}"
    );
    let error = parse("[hours]\n\nreplicate = \"all day\"\n").unwrap_err().to_string();
    assert!(error.contains("line 3") && error.contains("22:00-06:00") && error.contains("all day"), "{error}");
    let error = parse("[allow]\nreceivers = [\"10.0.0.0/40\"]\n").unwrap_err().to_string();
    assert!(error.contains("10.0.0.0/40"), "{error}");
    assert!(parse("[allow]\nintents = [\"format\"]\n").is_err());
}
