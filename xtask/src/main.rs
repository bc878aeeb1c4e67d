//! The workshop: `cargo xtask <verb>`. Each verb says what it does, one line each, does nothing that is already done, and
//! leaves nothing behind when it is interrupted. It never runs in production and no other crate depends on it.

mod bench;
mod ci;
mod cluster;
mod command;
mod content;
mod crds;
mod demo;
mod dist;
mod fuzz;
mod image;
mod layout;
mod setup;
mod sim;
mod test;
mod tidy;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::layout::Layout;

#[derive(Parser)]
#[command(name = "cargo xtask", about = "The workshop of Qianyun", disable_help_subcommand = true)]
struct Arguments {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Subcommand)]
enum Verb {
    /// Install and build what the other verbs need (Debian packages, Rust targets, control plane, kubectl, helm)
    Setup,
    /// Start a control plane with Qianyun's chart, say how to use it, run until Ctrl-C
    Cluster(cluster::Options),
    /// Move a working office server to the cloud, from its first boot to the signed proof
    Demo(demo::Options),
    /// Measure our engine beside others on the same data, and print a table
    Bench(bench::Options),
    /// Feed every parser of foreign bytes what libFuzzer thinks of, a minute each
    Fuzz(fuzz::Options),
    /// Simulate both replication engines in seeded worlds, 10,000 unless told
    Sim(sim::Options),
    /// Set up and run all tests, or those whose name contains PATTERN; `test kill` runs every kill test
    Test(test::Options),
    /// What the CI runs: tidy, formatting, lints, licences, go vet, helm lint, all tests
    Ci(ci::Options),
    /// Check the repository's own rules (STYLE.md says them and why)
    Tidy,
    /// Write the CRD YAML of the chart from the Rust types
    Crds,
    /// Build the static agent, its Debian package and the controller into target/dist
    Dist,
    /// Build the above, and pack the controller as an OCI image beside them; no container tool is needed
    Image,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    command::end_children_when_interrupted();
    match run(arguments.verb) {
        Ok(()) => ExitCode::SUCCESS,
        // What was interrupted has cleaned up on the way here; 130 is what a shell expects after Ctrl-C.
        Err(_) if command::interrupted() => ExitCode::from(130),
        Err(error) => {
            eprintln!("\nerror: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(verb: Verb) -> anyhow::Result<()> {
    let layout = Layout::find()?;
    match verb {
        Verb::Setup => setup::run(&layout),
        Verb::Cluster(options) => cluster::run(&layout, &options),
        Verb::Demo(options) => demo::run(&layout, &options),
        Verb::Bench(options) => bench::run(&layout, &options),
        Verb::Fuzz(options) => fuzz::run(&layout, &options),
        Verb::Sim(options) => sim::run(&layout, &options),
        Verb::Test(options) => test::run(&layout, &options),
        Verb::Ci(options) => ci::run(&layout, &options),
        Verb::Tidy => tidy::run(&layout),
        Verb::Crds => crds::write(&layout),
        Verb::Dist => dist::run(&layout).map(|_| ()),
        Verb::Image => image::run(&layout).map(|_| ()),
    }
}
