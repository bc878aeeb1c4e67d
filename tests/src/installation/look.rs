//! The chart on a node, kept running for a person who wants to look around. Nothing of it stays afterwards.

use std::time::Duration;

use anyhow::{Context, Result};

use super::{Chart, await_rollout, image, settings};
use crate::cluster::{Cluster, SYSTEM};
use crate::demo::Place;
use crate::interrupt;
use crate::node::Node;
use crate::site::{Site, output};
use crate::wait::{self, Look};

/// Starts a cluster with a node, installs the chart, says how to use both, and waits until it is interrupted.
pub fn look_around(place: &Place) -> Result<()> {
    place.clear_dead_runs()?;
    let looked = start_and_wait(place);
    std::fs::remove_dir_all(&place.folder).with_context(|| format!("{} stays behind", place.folder.display()))?;
    if interrupt::is_noted() {
        println!("the cluster has ended");
        return Ok(());
    }
    looked
}

fn start_and_wait(place: &Place) -> Result<()> {
    let site = Site::create()?;
    println!("start etcd, kube-apiserver and kube-controller-manager");
    let mut cluster = Cluster::start_for_node(&site, &place.folder.join("cluster"))?;
    println!("start containerd, kubelet, kube-proxy and kube-scheduler");
    let mut node = Node::start(&site, &mut cluster, &place.folder.join("node"), &place.entry, &[image()?])?;
    println!("install the chart into {SYSTEM}");
    let mut helm = cluster.helm();
    helm.args(["install", "qianyun", "--namespace", SYSTEM, "--create-namespace"]).arg(Chart::Current.path());
    // Nobody offers a volume here.
    helm.args(settings()).args(["--set", "persistence.enabled=false"]);
    output(&mut helm)?;
    await_rollout(&cluster)?;
    let operator = cluster.user("operator", &["qianyun:operators"])?;
    let admin = cluster.kubectl_script(cluster.admin(), &place.folder.join("kubectl"))?;
    let operator = cluster.kubectl_script(&operator, &place.folder.join("kubectl-operator"))?;
    println!("\nEverything runs in namespaces of its own. In another terminal:\n");
    println!("  alias k={}", admin.display());
    println!("  k get pods -A -o wide");
    println!("  k logs -n {SYSTEM} deployment/qianyun-controller");
    println!("  k explain sysmig.spec.scheme\n");
    println!("An operator without administrator's rights: {}", operator.display());
    println!("The node's programs log to {}.", place.folder.join("node").display());
    println!("Ctrl-C ends it and removes everything.");
    wait::until("someone has seen enough", Duration::MAX, || {
        node.check()?;
        Ok(Look::NotYet("the node runs".into()))
    })
}
