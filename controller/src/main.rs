//! The controller: reconcilers, the agents' gateway, and the hosting backend, in one process.

mod args;
mod audit;
mod ca;
mod calendar;
#[cfg(test)]
mod fake_api;
mod gateway;
mod health;
mod hosting;
mod lease;
mod preview;
mod probe;
mod reconcile;
mod record;
mod run;
mod telemetry;
mod watch;
mod world;

use std::process::ExitCode;

/// The allocator of musl, which the controller is linked with, has one lock for all threads.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    let asked = args::Invocation::read();
    // Before anything talks: kube, the gateway and rcgen all use this one provider.
    let installed = rustls::crypto::aws_lc_rs::default_provider().install_default();
    match installed
        .map_err(|_| anyhow::anyhow!("a crypto provider is installed already"))
        .and_then(|()| run::run(asked))
    {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tracing::error!("{error:#}");
            eprintln!("qianyun-controller: {error:#}");
            ExitCode::FAILURE
        }
    }
}
