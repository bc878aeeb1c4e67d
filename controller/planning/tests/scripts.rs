//! Scripts against the small world, with their transcripts kept beside them: what people would see, second by second.
//!
//! A transcript that differs fails the test; `BLESS=1` writes it anew, to be read in the diff.
// A script that cannot be read is a mistake of whoever wrote it.
#![allow(clippy::unwrap_used)]

mod world;

use qianyun_crds::{Decision, GateName, Phase};
use qianyun_planning::facts::Verification;
use qianyun_planning::{Action, phase};
use std::fmt::Write as _;
use std::path::Path;
use world::World;

/// Runs a script and says what people would see.
fn run(script: &str) -> String {
    let mut world = World::new();
    let mut out = String::new();
    let start = world.now;
    let mut shown = Shown::default();
    for line in script.lines() {
        let line = line.trim();
        if line.is_empty() {
            continue;
        }
        let _ = writeln!(out, "> {line}");
        if line.starts_with('#') {
            continue;
        }
        let seconds = command(&mut world, line);
        for _ in 0..seconds {
            let actions = world.tick();
            let t = world.now.as_second() - start.as_second();
            for action in &actions {
                let _ = writeln!(out, "  {t:>5}s  {}", describe(action));
            }
            shown.changes(&world, t, &mut out);
        }
    }
    out
}

/// What was shown last, so that only changes are.
#[derive(Default)]
struct Shown {
    phase: Option<Phase>,
    waiting: String,
}

impl Shown {
    fn changes(&mut self, world: &World, t: i64, out: &mut String) {
        let status = world.migration.status.clone().unwrap_or_default();
        if status.phase != self.phase {
            self.phase = status.phase;
            let _ = writeln!(
                out,
                "  {t:>5}s  phase {:?}, approved {}",
                status.phase.unwrap(),
                status.approvals.unwrap_or_default()
            );
        }
        let waiting = status.waiting.map_or_else(
            || "nothing".to_string(),
            |w| format!("{} ({:?}): {}", w.waiting_for, w.who_can_unblock, w.message),
        );
        if waiting != self.waiting {
            let _ = writeln!(out, "  {t:>5}s  waits for {waiting}");
            self.waiting = waiting;
        }
    }
}

fn describe(action: &Action) -> String {
    match action {
        Action::CreateJourney { host, .. } => format!("{host}: create journey"),
        Action::SetIntent { host, intent, attempt, .. } => format!("{host}: intent {intent:?}, attempt {attempt}"),
        Action::EnsureVolumes { host } => format!("{host}: ensure volumes"),
        Action::EnsureReceiver { host } => format!("{host}: ensure receiver"),
        Action::StopReceiver { host } => format!("{host}: stop receiver"),
        Action::Decide { host, decision, .. } => {
            format!("{host}: decide {:?} of attempt {}: {}", decision.kind, decision.attempt, decision.reason)
        }
        Action::EnsureTarget { host } => format!("{host}: launch"),
        Action::RunProbes { host } => format!("{host}: run probes"),
    }
}

/// Carries out one line; returns how many seconds pass.
fn command(world: &mut World, line: &str) -> u32 {
    let words: Vec<&str> = line.split_whitespace().collect();
    match words.as_slice() {
        ["pass", seconds] => return seconds.parse().unwrap(),
        ["issue", role, person] => world.decide(GateName::PlanIssued, role, person, Decision::Approve),
        ["confirm-scheme", person] => {
            world.decide(GateName::DepartmentConfirmed, "department", person, Decision::Approve);
        }
        ["approve", role, person] => world.decide(GateName::DualApproved, role, person, Decision::Approve),
        ["return", role, person] => world.decide(GateName::DualApproved, role, person, Decision::Return),
        ["sign-all"] => world.sign_all(),
        ["prove"] => world.prove(),
        ["edit"] => world.edit(),
        ["suspend"] => world.migration.spec.suspend = true,
        ["lift"] => world.migration.spec.suspend = false,
        ["deny", person] => drop(world.denied.insert((*person).to_string())),
        ["unplug", host] => world.server(host).connected = false,
        ["plug", host] => world.server(host).connected = true,
        ["power-off", host] => {
            let now = world.now;
            world.server(host).power_off(now);
        }
        ["power-on", host] => world.server(host).power_on(),
        ["slow-stop", host] => world.server(host).gives_up = true,
        ["quick-stop", host] => world.server(host).gives_up = false,
        ["mismatch", host] => {
            world.server(host).verification = Verification::Refused("the roots of volume system differ".into());
        }
        ["forget-vote", host] => world.server(host).verification = Verification::Unknown,
        ["remember-vote", host] => world.server(host).verification = Verification::Verified,
        ["shrink-target"] => world.migration.spec.scheme.hosts[0].disks[0].volume_bytes -= 1 << 30,
        ["confirm"] => world.confirm(),
        ["phase", wanted] => {
            assert_eq!(format!("{:?}", phase::phase(&world.facts(), world.now)), *wanted);
            return 0;
        }
        other => panic!("no such command: {other:?}"),
    }
    1
}

#[test]
fn transcripts_are_as_they_were() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests");
    let mut scripts: Vec<_> = std::fs::read_dir(root.join("scripts")).unwrap().map(|e| e.unwrap().path()).collect();
    scripts.sort();
    assert!(scripts.len() >= 11, "a script is missing");
    let mut differ = Vec::new();
    for script in scripts {
        let found = run(&std::fs::read_to_string(&script).unwrap());
        let golden = root.join("transcripts").join(script.file_name().unwrap());
        if std::env::var_os("BLESS").is_some() {
            std::fs::write(&golden, &found).unwrap();
        } else if std::fs::read_to_string(&golden).unwrap_or_default() != found {
            differ.push(format!("{}\n{found}", golden.display()));
        }
    }
    assert!(differ.is_empty(), "transcripts differ; look at them, then run with BLESS=1:\n{}", differ.join("\n"));
}
