//! Programs built from source into `target/tools`: the control plane, what a node of it runs, kubectl and helm from one Go module,
//! kube-score from another, cargo-deny from the crate registry. Kept by the hash of what they are built from.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result};

use crate::command::{Run, say};
use crate::content::{Key, ensure_tool};
use crate::layout::Layout;
use crate::setup::go::{self, Go};

/// The version of cargo-deny that `deny.toml` is written for.
const CARGO_DENY: &str = "0.20.2";

/// What of Kubernetes is built as it is.
const KUBERNETES: &[&str] = &["kubectl", "kubelet", "kube-proxy", "kube-scheduler"];

/// A program of Kubernetes that is built from its module does not know its own version and cannot compare it with the server's;
/// these say it. They follow `k8s.io/kubernetes` in `go.mod`.
fn version_flags(version: &str) -> String {
    let mut numbers = version.trim_start_matches('v').split('.');
    let (major, minor) = (numbers.next().unwrap_or_default(), numbers.next().unwrap_or_default());
    let set = |name: &str, value: &str| format!(" -X k8s.io/component-base/version.{name}={value}");
    format!("-s -w{}{}{}", set("gitVersion", version), set("gitMajor", major), set("gitMinor", minor))
}

pub(super) fn ensure(layout: &Layout, go: &Go) -> Result<()> {
    let module = layout.controlplane();
    let version = kubernetes_version(&module)?;
    let key = |name: &str| -> Result<Key> { Key::new(name).file(&module.join("go.mod"))?.file(&module.join("go.sum")) };

    let mut sources = Vec::new();
    for entry in fs::read_dir(&module).with_context(|| format!("reading {}", module.display()))? {
        sources.push(entry?.path());
    }
    sources.sort();
    let ours = |path: &&std::path::PathBuf| {
        let is_part = path.extension().is_some_and(|extension| extension == "go" || extension == "yaml");
        is_part && !path.to_string_lossy().ends_with("_test.go")
    };
    let controlplane = sources.iter().filter(ours).try_fold(key("controlplane")?, |key, path| key.file(path))?;
    let build = |name: &str, key: String, flags: &str, package: &str| {
        ensure_tool(layout, name, &key, |to| {
            say(format!("build {name} from its Go module (minutes the first time)"));
            go.run(layout).args(["build", "-ldflags", flags, "-o"]).args([to]).args([package]).run()
        })
    };
    build("controlplane", controlplane.finish(), "-s -w", ".")?;
    let flags = version_flags(&version);
    for name in KUBERNETES {
        build(name, key(name)?.text(&flags).finish(), &flags, &format!("k8s.io/kubernetes/cmd/{name}"))?;
    }
    build("helm", key("helm")?.finish(), "-s -w", "helm.sh/helm/v4/cmd/helm")
}

/// kube-score, which only `ci` needs. Its module is its own: it still knows API versions that Kubernetes has dropped.
pub(crate) fn kube_score(layout: &Layout) -> Result<()> {
    let module = layout.root.join("tests/kube-score");
    let key = Key::new("kube-score").file(&module.join("go.mod"))?.file(&module.join("go.sum"))?.finish();
    ensure_tool(layout, "kube-score", &key, |to| {
        say("build kube-score from its Go module");
        let go = go::ensure(layout)?.run_in(&module);
        go.args(["build", "-ldflags", "-s -w", "-o"])
            .args([to])
            .args(["github.com/zegl/kube-score/cmd/kube-score"])
            .run()
    })
}

fn kubernetes_version(module: &Path) -> Result<String> {
    let path = module.join("go.mod");
    let text = fs::read_to_string(&path).with_context(|| format!("reading {}", path.display()))?;
    text.lines()
        .find_map(|line| line.trim().strip_prefix("k8s.io/kubernetes "))
        .map(str::to_owned)
        .with_context(|| format!("{} does not require k8s.io/kubernetes", path.display()))
}

/// cargo-deny, which only `ci` needs.
pub(crate) fn cargo_deny(layout: &Layout) -> Result<()> {
    let key = Key::new("cargo-deny").text(CARGO_DENY).finish();
    ensure_tool(layout, "cargo-deny", &key, |to| {
        say(format!("build cargo-deny {CARGO_DENY} (minutes the first time)"));
        let root = layout.cargo_target.join("cargo-deny");
        // Not optimised: it runs for seconds, and so it builds in half the time.
        Run::new("cargo")
            .args([
                "install",
                "--quiet",
                "--locked",
                "--debug",
                "cargo-deny",
                "--version",
                CARGO_DENY,
                "--no-track",
                "--force",
                "--root",
            ])
            .args([&root])
            .run()?;
        fs::rename(root.join("bin/cargo-deny"), to).context("taking cargo-deny from where cargo put it")
    })
}
