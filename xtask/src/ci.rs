//! `cargo xtask ci`: all that a change must pass. The cheap rules go first.

use std::fs;

use anyhow::{Context, Result};

use crate::command::{Run, say};
use crate::layout::Layout;
use crate::{setup, test, tidy};

#[derive(clap::Args)]
pub(crate) struct Options {
    /// Leave out the tests, which `cargo xtask test` runs
    #[arg(long)]
    checks_only: bool,
}

pub(crate) fn run(layout: &Layout, options: &Options) -> Result<()> {
    tidy::run(layout)?;
    say("cargo fmt --check");
    Run::new("cargo").args(["fmt", "--all", "--", "--check"]).in_folder(&layout.root).run()?;
    setup::run(layout)?;
    say("cargo clippy, warnings are errors");
    Run::new("cargo")
        .args(["clippy", "--workspace", "--all-targets", "--quiet", "--", "-D", "warnings"])
        .in_folder(&layout.root)
        .run()?;
    licences(layout)?;
    go_vet(layout)?;
    helm_lint(layout)?;
    kube_score(layout)?;
    if options.checks_only {
        return Ok(());
    }
    test::run(layout, &test::Options::everything())
}

/// Licences, banned crates and sources. Not advisories: their database is fetched from the network, and a build that is
/// right today must not fail tomorrow without a change.
fn licences(layout: &Layout) -> Result<()> {
    setup::cargo_deny(layout)?;
    say("cargo deny check bans licenses sources");
    Run::new(layout.tool("cargo-deny"))
        .args(["--log-level", "error", "check", "bans", "licenses", "sources"])
        .in_folder(&layout.root)
        .run()
}

fn go_vet(layout: &Layout) -> Result<()> {
    say("go vet, gofmt");
    let go = setup::go::ensure(layout)?;
    let gofmt = go.run(layout).args(["env", "GOROOT"]).output()?;
    let gofmt = std::path::Path::new(gofmt.trim()).join("bin/gofmt");
    for module in [layout.controlplane(), layout.node()] {
        go.run_in(&module).args(["vet", "./..."]).run()?;
        let unformatted = Run::new(&gofmt).args(["-l", "."]).in_folder(&module).output()?;
        anyhow::ensure!(unformatted.is_empty(), "not formatted, run gofmt -w: {}", unformatted.trim());
    }
    Ok(())
}

fn helm_lint(layout: &Layout) -> Result<()> {
    say("helm lint");
    Run::new(layout.tool("helm")).args(["lint", "--strict", "--quiet"]).args([layout.chart()]).run()
}

/// Ways in which the chart is installed: as it is, and with a controller that waits beside the one that leads.
const INSTALLATIONS: &[(&str, &[&str])] =
    &[("as it is", &[]), ("with two replicas", &["--set=replicas=2", "--set=persistence.accessMode=ReadWriteMany"])];

/// What kube-score finds is an error, a warning too. What we keep all the same is named and argued in the chart.
fn kube_score(layout: &Layout) -> Result<()> {
    setup::kube_score(layout)?;
    for (installed, settings) in INSTALLATIONS {
        say(format!("helm template, kube-score: the chart {installed}"));
        let helm = Run::new(layout.tool("helm")).args(["template", "qianyun", "--namespace", "qianyun-system"]);
        let rendered = helm.args(*settings).args([layout.chart()]).output()?;
        let file = layout.cargo_target.join("chart-rendered.yaml");
        fs::write(&file, rendered).with_context(|| format!("writing {}", file.display()))?;
        let score = Run::new(layout.tool("kube-score")).args(["score", "--exit-one-on-warning", "--color=never"]);
        // Argued at `resources` in values.yaml.
        score.args(["--ignore-container-cpu-limit", "--kubernetes-version=v1.33"]).args([&file]).output()?;
    }
    Ok(())
}
