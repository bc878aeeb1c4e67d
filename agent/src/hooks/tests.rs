//! Hooks that are really run: what they get, in which order, and what follows when they fail or do not end. Only root can own
//! a hook, so these tests need root.

use super::*;
use crate::host::linux::Linux;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::time::Instant;
use tempfile::TempDir;

/// Long enough for a busy machine; nothing here comes near it.
const LONG_MS: u64 = 60_000;

const OCCASION: Occasion<'_> = Occasion { host: "civil/db1", attempt: 3 };

struct Machine {
    folder: TempDir,
    hooks: Hooks,
}

impl Machine {
    /// One with these hooks, each a script, in a folder that they can write to.
    fn with(scripts: &[(&str, &str)]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let here = folder.path().display().to_string();
        let hooks = scripts.iter().map(|(name, script)| {
            let path = format!("{here}/{name}");
            fs::write(&path, format!("#!/bin/sh\ncd {here}\n{script}\n")).unwrap();
            fs::set_permissions(&path, fs::Permissions::from_mode(0o700)).unwrap();
            ((*name).to_owned(), path)
        });
        Self { hooks: Hooks(hooks.collect()), folder }
    }

    fn run(&self, at: HookMoment, named: &[(&str, u64)]) -> Result<String, HookError> {
        let hook = |(name, deadline_ms): &(&str, u64)| Hook { name: (*name).into(), at, deadline_ms: *deadline_ms };
        let hooks: Vec<Hook> = named.iter().map(hook).collect();
        self.hooks.run(&Linux, at, &hooks, &OCCASION)
    }

    fn text(&self, name: &str) -> String {
        fs::read_to_string(self.folder.path().join(name)).unwrap_or_default()
    }
}

#[test]
fn hooks_run_in_the_order_of_the_scheme_and_get_what_is_documented_and_nothing_else() {
    let machine = Machine::with(&[("b", "echo b >> order; env | sort > env"), ("a", "echo a >> order")]);
    machine.hooks.check(&Linux).unwrap();
    let said = machine.run(HookMoment::BeforeStop, &[("b", LONG_MS), ("a", LONG_MS)]).unwrap();
    assert!(said.starts_with("b in ") && said.contains(", a in "), "{said}");
    assert_eq!(machine.text("order"), "b\na\n");
    let env = machine.text("env");
    let known = ["QIANYUN_HOST=civil/db1", "QIANYUN_ATTEMPT=3", "QIANYUN_MOMENT=before-stop", "PATH=/usr/local/sbin"];
    for variable in known {
        assert!(env.contains(variable), "{variable} in {env}");
    }
    // The shell of the script adds these by itself.
    let of_the_shell = ["PWD=", "OLDPWD=", "SHLVL=", "_="];
    let others = env.lines().filter(|line| !known.iter().chain(&of_the_shell).any(|start| line.starts_with(start)));
    assert_eq!(others.collect::<Vec<_>>(), Vec::<&str>::new());
}

#[test]
fn only_hooks_of_the_moment_run() {
    let machine = Machine::with(&[("dump", "echo ran > dump.out"), ("tell", "echo ran > tell.out")]);
    let hook = |name: &str, at| Hook { name: name.into(), at, deadline_ms: LONG_MS };
    let hooks = [hook("dump", HookMoment::BeforeStop), hook("tell", HookMoment::AfterResume)];
    machine.hooks.run(&Linux, HookMoment::AfterResume, &hooks, &OCCASION).unwrap();
    assert_eq!((machine.text("dump.out"), machine.text("tell.out")), (String::new(), "ran\n".into()));
}

#[test]
fn the_first_that_fails_ends_it_before_a_freeze_and_none_does_after_an_abort() {
    let scripts = [("one", "echo one >> order; exit 3"), ("two", "echo two >> order")];
    for (at, expected) in [(HookMoment::BeforeFreeze, "one\n"), (HookMoment::AfterResume, "one\ntwo\n")] {
        let machine = Machine::with(&scripts);
        let error = machine.run(at, &[("one", LONG_MS), ("two", LONG_MS)]).unwrap_err();
        assert_eq!(error.to_string(), "hook one ended with status 3");
        assert_eq!(machine.text("order"), expected, "{at:?}");
    }
}

#[test]
fn one_that_hangs_is_killed_at_its_deadline_with_what_it_started() {
    let machine = Machine::with(&[("hang", "sleep 600 & echo $! > child; sleep 600")]);
    let begun = Instant::now();
    let error = machine.run(HookMoment::BeforeStop, &[("hang", 1_000)]).unwrap_err().to_string();
    assert!(error.contains("hook hang: ") && error.ends_with("did not end within 1000 ms"), "{error}");
    assert!(begun.elapsed() < Duration::from_secs(60), "nobody waits for the end of the sleep");
    let child = format!("/proc/{}/stat", machine.text("child").trim());
    let runs = || fs::read_to_string(&child).is_ok_and(|stat| !stat.contains(") Z "));
    while runs() {
        assert!(begun.elapsed() < Duration::from_secs(60), "its child goes on");
        std::thread::yield_now();
    }
}

#[test]
fn a_hook_is_looked_at_again_before_it_is_run() {
    let machine = Machine::with(&[("dump", "echo ran > out")]);
    machine.hooks.check(&Linux).unwrap();
    let path = machine.folder.path().join("dump");
    fs::set_permissions(&path, fs::Permissions::from_mode(0o722)).unwrap();
    let error = machine.run(HookMoment::BeforeStop, &[("dump", LONG_MS)]).unwrap_err();
    assert!(matches!(error, HookError::Writable { mode: 0o722, .. }), "{error}");
    fs::remove_file(&path).unwrap();
    std::os::unix::fs::symlink("/bin/true", &path).unwrap();
    let error = machine.run(HookMoment::BeforeStop, &[("dump", LONG_MS)]).unwrap_err();
    assert!(matches!(error, HookError::Kind { .. }), "{error}");
    assert!(machine.text("out").is_empty(), "it never ran");
}

#[test]
fn what_the_admin_does_not_list_is_not_run() {
    let machine = Machine::with(&[]);
    let error = machine.run(HookMoment::BeforeStop, &[("bash", LONG_MS)]).unwrap_err();
    assert!(matches!(error, HookError::NotListed { .. }), "{error}");
}
