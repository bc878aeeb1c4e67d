//! The demo as a program; `cargo xtask demo` builds what it needs and runs it.

use std::process::ExitCode;

use anyhow::{Result, bail};
use qianyun_tests::controller::{AS_POD, as_pod};
use qianyun_tests::demo::{self, Language, Options, Place};

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
    let mut arguments = std::env::args_os().skip(1);
    let mut options = Options { keep: false, language: Language::En };
    while let Some(argument) = arguments.next() {
        match argument.to_str() {
            Some(AS_POD) => return as_pod(arguments),
            Some("--keep") => options.keep = true,
            Some("--lang") => match arguments.next().as_deref().and_then(std::ffi::OsStr::to_str) {
                Some("zh") => options.language = Language::Zh,
                Some("en") => options.language = Language::En,
                other => bail!("--lang: expected en or zh, found {other:?}"),
            },
            _ => bail!("expected --keep or --lang en|zh, found {argument:?}"),
        }
    }
    qianyun_tests::interrupt::note()?;
    let place = Place::make(&format!("demo/{}", std::process::id()), &std::env::current_exe()?)?;
    demo::run(place, options)
}
