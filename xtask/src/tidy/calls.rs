//! Calls that some code must not make: `unwrap` in production, `unsafe` outside the one crate that talks to the kernel,
//! clocks, files and chance in the pure crates, programs, variables, files and screens away from their places, pauses in tests.

use super::source::{Source, line_of, words};
use super::{Complaint, Tree};

/// The one folder with `unsafe`.
const UNSAFE_FOLDER: &str = "replication/io";
/// Crates that take time, seeds and bytes as arguments.
const PURE_FOLDERS: &[&str] = &["replication/src", "controller/planning/src", "agent/api/src"];
/// What the pure crates must not call, and what to do instead.
const IMPURE: &[(&str, &str)] = &[
    ("SystemTime::now", "take the time as an argument"),
    ("Instant::now", "take the time as an argument"),
    ("Timestamp::now", "take the time as an argument"),
    ("Zoned::now", "take the time as an argument"),
    ("std::fs", "take bytes as an argument"),
    ("std::net", "leave the network to replication/io"),
    ("std::thread", "be driven by the caller"),
    ("std::env", "take it as an argument"),
    ("std::process", "leave programs to the callers"),
];

/// A call that the product makes in few places only.
struct Placed {
    call: &'static str,
    /// Where it is looked for, and where in there it may stand.
    folders: &'static [&'static str],
    places: &'static [&'static str],
    instead: &'static str,
}

/// What runs on a server or in the cluster.
const PRODUCTS: &[&str] = &["agent/", "controller/", "crds/", "replication/"];
const PLACED: &[Placed] = &[
    Placed {
        call: "Command::new",
        folders: PRODUCTS,
        places: &[
            "agent/src/host",
            "controller/src/hosting",
            "replication/io/src/trackd",
            "replication/io/src/freezer",
        ],
        instead: "run programs through the host",
    },
    Placed { call: "env::var", folders: PRODUCTS, places: &["agent/src/args.rs"], instead: "take it as an argument" },
    Placed {
        call: "println!",
        folders: PRODUCTS,
        places: &["controller/src/main.rs", "crds/src/bin"],
        instead: "log it, or write to the screen that the caller gives",
    },
    Placed {
        call: "std::fs",
        folders: &["agent/src"],
        places: &["agent/src/host", "agent/src/replicate"],
        instead: "ask the host: its errors name the path",
    },
];

/// A test may rest this long between two looks at a level. Longer pauses hope that something has happened meanwhile.
const LONGEST_REST_MS: u64 = 50;

pub(super) fn check(tree: &Tree) -> Vec<Complaint> {
    let mut complaints = Vec::new();
    for source in &tree.rust {
        let text = source.production();
        let mut complain = |at: usize, what: String| {
            complaints.push(Complaint::line(&source.path, line_of(&text, at), what));
        };
        for (at, _) in text.match_indices(".unwrap()") {
            complain(at, "unwrap: return an error, or expect with the reason why it cannot fail".to_owned());
        }
        if !source.path.starts_with(UNSAFE_FOLDER) {
            for at in words(&text, "unsafe") {
                complain(at, format!("unsafe belongs into {UNSAFE_FOLDER} only"));
            }
        }
        if PURE_FOLDERS.iter().any(|folder| source.path.starts_with(folder)) {
            for (call, instead) in IMPURE {
                for (at, _) in text.match_indices(call) {
                    complain(at, format!("{call} in a pure crate: {instead}"));
                }
            }
        }
        complaints.extend(misplaced(source, &text));
        complaints.extend(pauses(source));
    }
    complaints
}

/// Calls that have places of their own, elsewhere.
fn misplaced(source: &Source, text: &str) -> Vec<Complaint> {
    let within = |folders: &[&str]| folders.iter().any(|folder| source.path.to_string_lossy().starts_with(folder));
    let mut complaints = Vec::new();
    for Placed { call, folders, places, instead } in PLACED {
        if !within(folders) || within(places) {
            continue;
        }
        for (at, _) in text.match_indices(call) {
            complaints.push(Complaint::line(&source.path, line_of(text, at), format!("{call} here: {instead}")));
        }
    }
    complaints
}

/// Sleeps in tests whose length is written out and too long.
fn pauses(source: &Source) -> Vec<Complaint> {
    let text = source.tests_only();
    let sleeps = words(&text, "sleep").filter(|at| text[at + "sleep".len()..].starts_with('('));
    let long = sleeps.filter(|at| {
        let line = text[*at..].lines().next().unwrap_or_default();
        line.contains("from_secs") || milliseconds(line).is_some_and(|found| found > LONGEST_REST_MS)
    });
    long.map(|at| {
        let what = format!("a pause in a test: wait on a level with a deadline, rest at most {LONGEST_REST_MS} ms");
        Complaint::line(&source.path, line_of(&text, at), what)
    })
    .collect()
}

/// The number in `from_millis(…)`.
fn milliseconds(line: &str) -> Option<u64> {
    let (_, after) = line.split_once("from_millis(")?;
    after.split(')').next()?.replace('_', "").parse().ok()
}
