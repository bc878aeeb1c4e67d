//! A cluster with a real node and the chart on it, for looking around by hand; `cargo xtask cluster --node` builds what it needs and
//! runs it. Also the roles of a node's own processes, which the tests start.

use std::ffi::OsString;
use std::process::ExitCode;

use anyhow::{Result, bail};
use qianyun_tests::agent::{AS_SERVER, as_server};
use qianyun_tests::demo::Place;
use qianyun_tests::node::{INSIDE, KEEP, inside, keep};
use qianyun_tests::{installation, interrupt};

fn main() -> ExitCode {
    match run(std::env::args_os().skip(1)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(mut arguments: impl Iterator<Item = OsString>) -> Result<()> {
    match arguments.next().as_deref().and_then(|role| role.to_str()) {
        Some(KEEP) => keep(arguments),
        Some(INSIDE) => inside(arguments),
        Some(AS_SERVER) => as_server(arguments),
        None => {
            interrupt::note()?;
            let place = Place::make(&format!("node/{}", std::process::id()), &std::env::current_exe()?)?;
            installation::look_around(&place)
        }
        Some(other) => bail!("expected no argument, found {other:?}"),
    }
}
