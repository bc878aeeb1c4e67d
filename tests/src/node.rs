//! A real node at a site: containerd, runc, kubelet, kube-proxy and kube-scheduler beside the site's control plane, so that the
//! chart's Deployment becomes Pods. It lives in namespaces of its own (network, processes, mounts) and in control groups of its
//! own name; the machine that it runs on sees none of its bridges, rules, mounts and Pods.
//!
//! However it ends, nothing of it stays. Its processes end with the first one in their namespace, which ends when its input does
//! ([`inside`]); mounts go with the last process; control groups, and all else that has a name outside, are removed by a
//! keeper that outlives both the node and whoever started it ([`keep`]).

mod configuration;
pub(crate) mod groups;
mod inside;

use std::ffi::OsString;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};

pub use inside::{INSIDE, inside};

use crate::cluster::{Cluster, built};
use crate::interrupt;
use crate::site::{self, Site};
use crate::wait::{self, Look};

/// First argument in the role of [`keep`].
pub const KEEP: &str = "keep";
/// The node's name in the cluster.
pub const NAME: &str = "site";
/// On two idle cores a node is ready after 11 s; the factor is for a machine that is building something else.
const READY_WITHIN: Duration = Duration::from_secs(180);
/// From the end of the input to the end of every Pod: the kernel kills them all at once.
const ENDED_WITHIN: Duration = Duration::from_secs(30);

/// A node. Dropping it ends its Pods as a power cut would.
pub struct Node {
    keeper: Child,
    input: Option<ChildStdin>,
    log: PathBuf,
}

impl Node {
    /// Starts it at a site whose control plane was started for a node, with its files in `folder`, and waits until Pods can run.
    /// `images` are what they may run: no registry is ever asked. `entry` is a program that runs [`keep`] and [`inside`].
    pub fn start(site: &Site, cluster: &mut Cluster, folder: &Path, entry: &Path, images: &[PathBuf]) -> Result<Self> {
        std::fs::create_dir_all(folder).with_context(|| format!("{}: cannot be made", folder.display()))?;
        let tools = built("tools/containerd")?.parent().context("a tool lies in a folder")?.to_owned();
        site.route_to_itself()?;
        configuration::write(cluster, folder, &tools, site.name())?;
        let log = folder.join("node.log");
        let out = File::create(&log).with_context(|| format!("{}: cannot be made", log.display()))?;
        let mut keeper = Command::new(entry)
            .args([KEEP, site.name()])
            .args([folder, tools.as_path()])
            .arg(built("tools/pause.oci.tar")?)
            .args(images)
            .stdin(Stdio::piped())
            .stdout(out.try_clone()?)
            .stderr(out)
            .spawn()
            .context("the node's keeper cannot be started")?;
        let input = keeper.stdin.take();
        let mut node = Self { keeper, input, log };
        node.await_ready(cluster)?;
        Ok(node)
    }

    /// An error once it has ended by itself.
    pub fn check(&mut self) -> Result<()> {
        match self.keeper.try_wait()? {
            Some(status) => bail!("the node ended with {status}:\n{}", self.last_words()),
            None => Ok(()),
        }
    }

    fn await_ready(&mut self, cluster: &Cluster) -> Result<()> {
        wait::until("the node is ready", READY_WITHIN, || {
            self.check()?;
            let ready = r#"jsonpath={.status.conditions[?(@.type=="Ready")]}"#;
            Ok(match cluster.ask(cluster.admin(), &["get", "node", NAME, "-o", ready]) {
                Ok(said) if said.contains(r#""status":"True""#) => Look::Holds(()),
                Ok(said) => Look::NotYet(said),
                Err(error) => Look::NotYet(format!("{error:#}")),
            })
        })
    }

    /// Kills every process of a Pod, as a power cut would. Nobody is told.
    pub fn kill_pod(&self, site: &Site, uid: &str) -> Result<()> {
        let killed = groups::kill(site.name(), &format!("pod{uid}"))?;
        ensure!(killed > 0, "the Pod {uid} has no process");
        Ok(())
    }

    /// What it said last.
    fn last_words(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap_or_default()
    }

    fn end(&mut self) -> Result<()> {
        drop(self.input.take());
        wait::until_even_if_interrupted("the node has ended", ENDED_WITHIN, || {
            Ok(match self.keeper.try_wait()? {
                Some(_) => Look::Holds(()),
                None => Look::NotYet(self.last_words()),
            })
        })
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        if let Err(error) = self.end() {
            eprintln!("node: {error:#}");
            // It may have ended just now.
            let _ = self.keeper.kill();
            let _ = self.keeper.wait();
        }
    }
}

/// What is still there of the sites and nodes of a process: control groups, processes in them, network namespaces.
pub fn remains_of(runner: u32) -> Result<Vec<String>> {
    let prefix = site::names_of(runner);
    let of_runner = |name: &String| name.starts_with(&prefix);
    let mut remains: Vec<String> = groups::names()?.into_iter().filter(of_runner).collect();
    remains
        .extend(groups::processes_below(&prefix)?.into_iter().map(|pid| format!("process {}", pid.as_raw_nonzero())));
    remains.extend(site::names()?.into_iter().filter(of_runner));
    Ok(remains)
}

/// Keeps a node: makes its control groups, runs [`inside`] in namespaces of processes and mounts, and removes the groups when all
/// of it has ended. `arguments` are those of [`Node::start`]: the site's name first, and the rest for [`inside`].
///
/// It runs in the machine's own namespaces, so that it can also clear away the site of a run that was killed.
pub fn keep(mut arguments: impl Iterator<Item = OsString>) -> Result<()> {
    interrupt::note()?;
    let name = arguments.next().and_then(|name| name.into_string().ok()).context("keep: expected the site's name")?;
    groups::make(&name)?;
    let ended = site::inside(&Path::new(site::NAMESPACES).join(&name), "unshare")
        .args(["--mount", "--pid", "--fork", "--kill-child", "--mount-proc", "--"])
        .arg(std::env::current_exe().context("this program has no name")?)
        .arg(INSIDE)
        .args(arguments)
        .status()
        .context("the node's namespaces cannot be made");
    groups::remove(&name)?;
    site::clear_dead_runs()?;
    let ended = ended?;
    if !ended.success() && !interrupt::is_noted() {
        bail!("the node ended with {ended}");
    }
    Ok(())
}
