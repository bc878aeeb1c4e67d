//! The program on every server. It parses, calls, prints, and turns the outcome into an exit code; nothing else.

mod agent;
mod args;
mod boot;
mod config;
mod decision;
mod engine;
mod enroll;
mod gateway;
mod hooks;
mod host;
mod identity;
mod inventory;
mod ledger;
mod logging;
mod own_load;
mod paths;
mod readiness;
mod receive;
mod replicate;
mod role;
mod run_state;
mod screen;
mod steps;
mod tls;
mod verify_record;

use anyhow::Context;
use args::{Args, Command, EnrollArgs, ReceiveArgs, ReplicateCommand};
use clap::Parser;
use host::{Host, linux::Linux};
use paths::Paths;
use qianyun_replication_io::freezer::watchdog;
use qianyun_replication_io::trackd;
use screen::{Exit, Language};
use std::io::Write;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

/// How long threads may take to end with the service.
const END_LIMIT: Duration = Duration::from_secs(5);

fn main() -> ExitCode {
    let mut raw = std::env::args().skip(1);
    match raw.next().as_deref() {
        // Before anything else: the watchdog must be ready at once, and needs neither flags nor a runtime.
        Some(watchdog::ROLE) => return ExitCode::from(u8::from(watchdog::main(raw).is_err())),
        // Likewise: it locks all the memory that it has, so let that be little.
        Some(trackd::ROLE) => return ExitCode::from(u8::from(trackd::main(raw).is_err())),
        Some(_) | None => {}
    }
    // clap ends with 2 for wrong usage, as `Exit::Usage` does.
    let args = Args::parse();
    let language = args.language();
    match dispatch(args.command, language) {
        Ok(exit) => ExitCode::from(exit as u8),
        Err(error) => {
            let _ = writeln!(std::io::stderr(), "qianyun-agent: {error:#}");
            ExitCode::from(Exit::NotReady as u8)
        }
    }
}

fn dispatch(command: Command, language: Language) -> anyhow::Result<Exit> {
    let paths = Paths::default();
    match command {
        Command::Enroll(args) => enroll(&paths, &args, language),
        Command::Status => status(&paths, language),
        Command::Check { all } => check(&paths, all, language),
        Command::Inventory => inventory(&paths),
        Command::VerifyRecord { file, ca } => verify(&file, &ca, language),
        Command::Boot => guard(&paths),
        Command::Run => serve(paths),
        Command::Receive(args) => receive(&args),
        Command::Replicate(command) => replicate(&paths, &command, language),
    }
}

fn print(text: &str) -> anyhow::Result<()> {
    std::io::stdout().write_all(text.as_bytes()).context("cannot write to standard output")
}

fn runtime() -> anyhow::Result<tokio::runtime::Runtime> {
    // Two workers: the loop and its calls are light, and the machine belongs to its users.
    let mut builder = tokio::runtime::Builder::new_multi_thread();
    builder.worker_threads(2).enable_all().build().context("cannot start the runtime")
}

fn enroll(paths: &Paths, args: &EnrollArgs, language: Language) -> anyhow::Result<Exit> {
    let mut ask = std::io::BufReader::new(std::io::stdin());
    let joined = runtime()?.block_on(enroll::run(&Linux, paths, args, language, &mut ask, &mut std::io::stdout()));
    match joined {
        Ok(()) => Ok(Exit::Ready),
        Err(error) => {
            let exit = error.exit();
            let remedy = error.remedy().map(|remedy| format!("\n  {remedy}")).unwrap_or_default();
            writeln!(std::io::stderr(), "qianyun-agent: {:#}{remedy}", anyhow::Error::from(error))?;
            Ok(exit)
        }
    }
}

fn status(paths: &Paths, language: Language) -> anyhow::Result<Exit> {
    let enrolled = identity::enrolled(&Linux, paths)?;
    let live = agent::status::load(&Linux, paths);
    let machine = inventory::collect(&Linux, live.as_ref().and_then(|live| live.clock_skew_ms));
    let results = readiness::judge(&machine);
    let hostname = &machine.inventory.os.hostname;
    print(&screen::status(hostname, Linux.now_unix_ms(), &enrolled, live.as_ref(), &results, language))?;
    Ok(ready(&results))
}

fn check(paths: &Paths, all: bool, language: Language) -> anyhow::Result<Exit> {
    let skew = agent::status::load(&Linux, paths).and_then(|live| live.clock_skew_ms);
    let results = readiness::judge(&inventory::collect(&Linux, skew));
    print(&screen::checks(&results, all, language))?;
    Ok(ready(&results))
}

fn ready(results: &[qianyun_agent_api::check::CheckResult]) -> Exit {
    if readiness::is_ready(results) { Exit::Ready } else { Exit::NotReady }
}

fn inventory(paths: &Paths) -> anyhow::Result<Exit> {
    let mut found = inventory::collect(&Linux, None).inventory;
    found.hooks = config::load(&Linux, &paths.config)?.hooks().names();
    print(&format!("{}\n", serde_json::to_string_pretty(&found).context("cannot show the inventory")?))?;
    Ok(Exit::Ready)
}

fn verify(file: &str, ca: &str, language: Language) -> anyhow::Result<Exit> {
    let signed = Linux.read(file)?;
    let ca_pem = String::from_utf8(Linux.read(ca)?).with_context(|| format!("{ca} is not text"))?;
    let (record, findings) = verify_record::judge(&signed, &ca_pem)?;
    print(&verify_record::table(&record, &findings, language))?;
    Ok(if verify_record::is_valid(&findings) { Exit::Ready } else { Exit::NotReady })
}

fn guard(paths: &Paths) -> anyhow::Result<Exit> {
    let _log = logging::Log::start();
    match boot::run(&Linux, paths) {
        Ok(guarded) => tracing::info!(?guarded, "guarded the boot"),
        // The boot goes on: the service tries again, and a machine that cannot be reached helps nobody.
        Err(error) => tracing::error!(error = %anyhow::Error::from(error), "the boot was not guarded"),
    }
    Ok(Exit::Ready)
}

fn serve(paths: Paths) -> anyhow::Result<Exit> {
    let log = logging::Log::start();
    let (runtime, host) = (runtime()?, Arc::new(Linux));
    let engine = Arc::new(engine::replication::Disks::new(host.clone(), paths.clone(), runtime.handle().clone()));
    let ended = runtime.block_on(agent::run(host, engine, paths, log));
    // A thread that waits for a frozen disk must not hold up the end: the watchdog thaws when this process is gone.
    runtime.shutdown_timeout(END_LIMIT);
    ended?;
    Ok(Exit::Ready)
}

fn receive(args: &ReceiveArgs) -> anyhow::Result<Exit> {
    let _log = logging::Log::start();
    match runtime()?.block_on(receive::run(&Linux, args)).context("the receiver has ended")? {}
}

fn replicate(paths: &Paths, command: &ReplicateCommand, language: Language) -> anyhow::Result<Exit> {
    let log = logging::Log::start();
    let runtime = runtime()?;
    match command {
        ReplicateCommand::Receive(args) => {
            runtime.block_on(replicate::receive::run(&Linux, args, language, &mut std::io::stdout()))?;
        }
        ReplicateCommand::Send(args) => {
            runtime.block_on(replicate::send::run(&Linux, paths, args, language, &log))?;
        }
    }
    // A thread may still wait for a key to be pressed.
    runtime.shutdown_timeout(END_LIMIT);
    Ok(Exit::Ready)
}
