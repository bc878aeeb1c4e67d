//! `cargo xtask cluster`: a control plane with the chart installed, for looking around by hand. Ends with Ctrl-C, and the
//! control plane ends with it, however it ends.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::Stdio;

use anyhow::{Context, Result, bail};

use crate::command::{Run, Running, interrupted, say};
use crate::layout::Layout;
use crate::{image, setup};

/// Where the chart goes, as in the README.
const NAMESPACE: &str = "qianyun-system";

#[derive(clap::Args)]
pub(crate) struct Options {
    /// Keep the cluster's objects in this directory, for the next time; otherwise they are gone at the end
    #[arg(long)]
    dir: Option<PathBuf>,
    /// Port of the API server on 127.0.0.1 [default: the last one of --dir, or a free one]
    #[arg(long, default_value_t = 0, hide_default_value = true)]
    port: u16,
    /// With a node (containerd, runc, kubelet) in namespaces of its own, on which the chart's Pods run; as root
    #[arg(long, conflicts_with_all = ["dir", "port"])]
    node: bool,
}

pub(crate) fn run(layout: &Layout, options: &Options) -> Result<()> {
    setup::run(layout)?;
    if options.node {
        return run_with_node(layout);
    }
    let home = Home::open(layout, options.dir.as_deref())?;
    let cluster = Cluster::start(layout, &home.path, options.port)?;
    install_chart(layout, &cluster.kubeconfig)?;
    explain(layout, &cluster, &home);
    cluster.wait_until_interrupted()
}

/// The node is a program of the crate `qianyun-tests`, whose tests need it too.
fn run_with_node(layout: &Layout) -> Result<()> {
    image::run(layout)?;
    Run::new("cargo")
        .args(["build", "--quiet", "--workspace", "--bin", "qianyun-node"])
        .in_folder(&layout.root)
        .run()?;
    Run::new(layout.cargo_target.join("debug/qianyun-node")).in_folder(&layout.root).run_at_terminal()
}

/// The cluster's directory: given and kept, or made and removed.
struct Home {
    path: PathBuf,
    kept: bool,
}

impl Home {
    fn open(layout: &Layout, given: Option<&Path>) -> Result<Self> {
        let kept = given.is_some();
        let path = match given {
            Some(path) => std::path::absolute(path).context("making --dir absolute")?,
            None => layout.root.join("target").join(format!("cluster-{}", std::process::id())),
        };
        fs::create_dir_all(&path).with_context(|| format!("making {}", path.display()))?;
        Ok(Self { path, kept })
    }
}

impl Drop for Home {
    fn drop(&mut self) {
        if !self.kept
            && let Err(error) = fs::remove_dir_all(&self.path)
        {
            eprintln!("warning: {} stays behind: {error}", self.path.display());
        }
    }
}

struct Cluster {
    process: Running,
    kubeconfig: PathBuf,
    operator: PathBuf,
    server: String,
}

impl Cluster {
    fn start(layout: &Layout, home: &Path, port: u16) -> Result<Self> {
        say("start etcd, kube-apiserver and kube-controller-manager");
        let log = home.join("controlplane.log");
        let log_file = fs::File::create(&log).with_context(|| format!("making {}", log.display()))?;
        let mut process =
            Run::new(layout.tool("controlplane")).start(Stdio::piped(), Stdio::piped(), Stdio::from(log_file))?;
        let stdout = process.child().stdout.take().context("the control plane has no stdout")?;
        let mut answers = BufReader::new(stdout);
        let mut ask = |process: &mut Running, request: serde_json::Value| -> Result<serde_json::Value> {
            let stdin = process.child().stdin.as_mut().context("the control plane has no stdin")?;
            writeln!(stdin, "{request}").context("asking the control plane")?;
            let mut line = String::new();
            answers.read_line(&mut line).context("reading the control plane's answer")?;
            let answer: serde_json::Value = serde_json::from_str(&line)
                .with_context(|| format!("the control plane ended, see {}", log.display()))?;
            match answer["ok"].as_bool() {
                Some(true) => Ok(answer),
                _ => bail!("control plane: {}", answer["error"]),
            }
        };
        let started = ask(
            &mut process,
            serde_json::json!({"op": "start", "name": "qianyun", "dir": home, "bind": "127.0.0.1", "port": port}),
        )?;
        let operator = ask(
            &mut process,
            serde_json::json!({"op": "kubeconfig", "name": "qianyun", "user": "operator", "groups": ["qianyun:operators"]}),
        )?;
        let path =
            |value: &serde_json::Value| value.as_str().map(PathBuf::from).context("an answer without kubeconfig");
        Ok(Self {
            kubeconfig: path(&started["kubeconfig"])?,
            operator: path(&operator["kubeconfig"])?,
            server: started["server"].as_str().unwrap_or_default().to_owned(),
            process,
        })
    }

    fn wait_until_interrupted(mut self) -> Result<()> {
        // Waiting closes a child's stdin unless it is held, and for the control plane that means to end.
        let _open = self.process.child().stdin.take();
        let status = self.process.child().wait().context("waiting for the control plane")?;
        if interrupted() {
            say("the control plane has ended");
            return Ok(());
        }
        bail!("the control plane ended by itself with {status}")
    }
}

fn install_chart(layout: &Layout, kubeconfig: &Path) -> Result<()> {
    say(format!("install the chart into {NAMESPACE}"));
    // No --wait: this control plane has no node, so the Deployment's Pod stays pending.
    Run::new(layout.tool("helm"))
        .args(["upgrade", "--install", "qianyun"])
        .args([layout.chart()])
        .args(["--namespace", NAMESPACE, "--create-namespace", "--kubeconfig"])
        .args([kubeconfig])
        .output()?;
    Run::new(layout.tool("kubectl"))
        .args(["wait", "crd", "--all", "--for=condition=Established", "--timeout=60s", "--kubeconfig"])
        .args([kubeconfig])
        .output()
        .map(|_| ())
}

fn explain(layout: &Layout, cluster: &Cluster, home: &Home) {
    let kubectl = layout.tool("kubectl");
    println!("\nThe API server listens on {}. In another terminal:\n", cluster.server);
    println!("  alias k=\"{} --kubeconfig {}\"", kubectl.display(), cluster.kubeconfig.display());
    println!("  k api-resources --api-group migration.qianyun.dev");
    println!("  k explain sysmig.spec.scheme\n");
    println!("An operator without administrator's rights: {}", cluster.operator.display());
    println!("The components log to {}.", home.path.join("controlplane.log").display());
    println!("There is no node here, so the controller's Pod stays pending; with --node it runs.");
    println!("Ctrl-C ends it{}.", if home.kept { "; the objects are kept" } else { " and removes everything" });
}
