//! The benchmark as a program; `cargo xtask bench` builds and runs it. It starts itself again in other roles, so that both
//! ends of our engine are processes of their own, as they are on two machines.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context, Result, bail};
use qianyun_tests::bench::{self, Options, Subject};
use qianyun_tests::controller::{AS_POD, as_pod};

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    if let Some(played) = bench::play(&words) {
        return played;
    }
    if words.first() == Some(&AS_POD) {
        return as_pod(std::env::args_os().skip(2));
    }
    let [subject, folder, size_mib, rounds, systems] = words[..] else {
        bail!("expected a subject, a folder, a size in MiB, a number of rounds and one of systems, found {words:?}");
    };
    let systems = systems.parse().with_context(|| format!("expected a number of systems, found {systems}"))?;
    let subject = match subject {
        "replication" => Subject::Replication,
        "tracker" => Subject::Tracker,
        "controller" => Subject::Controller { systems },
        other => bail!("expected replication, tracker or controller, found {other}"),
    };
    bench::run(&Options {
        subject,
        folder: PathBuf::from(folder),
        size_mib: size_mib.parse().with_context(|| format!("expected a size in MiB, found {size_mib}"))?,
        rounds: rounds.parse().with_context(|| format!("expected a number of rounds, found {rounds}"))?,
    })
}
