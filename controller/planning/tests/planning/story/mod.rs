//! Stories against the small world: a script of plain commands in, a transcript of what people would see out.
//!
//! A line is a remark (`#`), a command of [`people`], [`papers`], [`city`], [`trial`] or [`machines`], or one of these:
//!
//! | command | what it does |
//! |---|---|
//! | `pass 60` | a minute passes, second by second |
//! | `at 2027-02-24 09:00` | the clock jumps, in Beijing's time, forwards or back; nothing happens meanwhile |
//! | `servers db1 web1` | the world has these servers; the first command where it is used |
//! | `in-trial` | all that the normal course shows is behind, and the trial run begins |
//! | `phase Trial` | nothing; the transcript complains if the system is in another phase |
#![allow(clippy::unwrap_used)]
// A script that cannot be read is a mistake of whoever wrote it.

mod city;
mod machines;
mod papers;
mod people;
mod shown;
mod trial;

use crate::world::World;
use jiff::{Timestamp, ToSpan};
use qianyun_crds::Phase;
use qianyun_planning::{Plan, phase};
use shown::Shown;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

/// Stands in a transcript whose story went elsewhere than its script says.
pub(crate) const LOST: &str = "but the phase is ";

/// Where the scripts are.
pub(crate) fn scripts_folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/scripts")
}

/// The scripts, in the order of their names.
pub(crate) fn scripts() -> Vec<PathBuf> {
    let mut scripts: Vec<_> = std::fs::read_dir(scripts_folder()).unwrap().map(|e| e.unwrap().path()).collect();
    scripts.sort();
    scripts
}

/// Tells a script's story; `look` sees the world after every round.
pub(crate) fn tell(script: &str, look: impl FnMut(&World)) -> String {
    tell_seen(script, |_, _, _| {}, look)
}

/// The same; `seen` is shown each plan, with its name, in the world that it was made for.
pub(crate) fn tell_seen(
    script: &str,
    mut seen: impl FnMut(&World, &str, &Plan),
    mut look: impl FnMut(&World),
) -> String {
    let mut world = World::new();
    let mut out = String::new();
    let mut shown = Shown::since(world.now);
    for line in script.lines().map(str::trim).filter(|l| !l.is_empty()) {
        let _ = writeln!(out, "> {line}");
        if line.starts_with('#') {
            continue;
        }
        if let Some(wanted) = line.strip_prefix("phase ") {
            let found = format!("{:?}", phase::phase(&world.facts(), world.now));
            if found != wanted {
                let _ = writeln!(out, "  {LOST}{found}");
            }
            continue;
        }
        for _ in 0..carry_out(&mut world, line) {
            let actions = world.tick_seen(&mut seen);
            look(&world);
            shown.actions(&world, &actions, &mut out);
            shown.changes(&world, &mut out);
        }
    }
    out
}

/// Carries out one line; returns how many rounds of a second follow.
fn carry_out(world: &mut World, line: &str) -> u32 {
    let words: Vec<&str> = line.split_whitespace().collect();
    match words.as_slice() {
        ["pass", seconds] => return seconds.parse().unwrap(),
        ["at", day, time] => world.now = instant(day, time).checked_sub(1.second()).unwrap(),
        ["servers", names @ ..] => {
            *world = World::with_servers(names);
            return 0;
        }
        ["in-trial"] => {
            world.sign_all();
            world.until("in sync", |w| phase::phase(&w.facts(), w.now) == Phase::Scheduled);
            let start = world.migration.spec.scheme.window.start.0;
            world.now = start.checked_sub(1.second()).unwrap();
            world.until("served", |w| phase::phase(&w.facts(), w.now) == Phase::Provisional);
            world.confirm();
        }
        words => {
            let commands = [people::command, papers::command, city::command, trial::command, machines::command];
            assert!(commands.iter().any(|command| command(world, words)), "no such command: {line}");
        }
    }
    1
}

/// `2027-02-24` and `09:00` in Beijing.
fn instant(day: &str, time: &str) -> Timestamp {
    format!("{day}T{time}:00+08:00").parse().unwrap()
}
