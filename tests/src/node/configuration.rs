//! What the node's programs are told: their files and arguments. Decides everything about the node, and starts nothing.

use std::path::Path;

use anyhow::{Context, Result};
use serde_json::{Value, json};

use super::NAME;
use crate::cluster::Cluster;
use crate::site::SITE_ADDRESS;

/// Where containerd is asked. In a folder that the node has for itself, and short, as addresses of sockets must be.
pub(super) const RUNTIME_SOCKET: &str = "/run/containerd/containerd.sock";
/// Addresses of Pods.
const POD_RANGE: &str = "10.88.0.0/24";
/// The image of a Pod's first process, as `cargo xtask setup` names it.
const PAUSE: &str = "qianyun.dev/pause:1";
/// Where Debian has the network plugins.
const PLUGINS: &str = "/usr/lib/cni";

/// A program of the node: its name among the tools, and its arguments.
pub(super) struct Program {
    pub(super) name: &'static str,
    pub(super) arguments: Vec<String>,
}

/// In the order in which they are started.
pub(super) fn programs(folder: &Path) -> [Program; 4] {
    let file = |name: &str| folder.join(name).display().to_string();
    let kubeconfig = |who: &str| format!("--kubeconfig={}", file(&format!("{who}.kubeconfig")));
    let host = format!("--hostname-override={NAME}");
    [
        Program { name: "containerd", arguments: vec!["--config".into(), file("containerd.toml")] },
        Program {
            name: "kubelet",
            arguments: vec![
                format!("--config={}", file("kubelet.json")),
                kubeconfig("kubelet"),
                format!("--root-dir={}", file("kubelet")),
                format!("--node-ip={SITE_ADDRESS}"),
                host.clone(),
            ],
        },
        Program {
            name: "kube-proxy",
            arguments: vec![
                kubeconfig("kube-proxy"),
                "--proxy-mode=nftables".into(),
                format!("--cluster-cidr={POD_RANGE}"),
                host,
                // These belong to the whole machine.
                "--conntrack-max-per-core=0".into(),
                "--conntrack-min=0".into(),
                "--conntrack-tcp-timeout-established=0".into(),
                "--conntrack-tcp-timeout-close-wait=0".into(),
                "--oom-score-adj=0".into(),
                "--healthz-bind-address=127.0.0.1:10256".into(),
                "--metrics-bind-address=127.0.0.1:10249".into(),
            ],
        },
        Program {
            name: "kube-scheduler",
            arguments: vec![
                kubeconfig("kube-scheduler"),
                format!("--authentication-kubeconfig={}", file("kube-scheduler.kubeconfig")),
                format!("--authorization-kubeconfig={}", file("kube-scheduler.kubeconfig")),
                "--leader-elect=false".into(),
                "--secure-port=0".into(),
            ],
        },
    ]
}

/// Writes the files that they read. `group` is the control group of all Pods.
pub(super) fn write(cluster: &mut Cluster, folder: &Path, tools: &Path, group: &str) -> Result<()> {
    let people: [(&str, String, &[&str]); 3] = [
        ("kubelet", format!("system:node:{NAME}"), &["system:nodes"]),
        ("kube-proxy", "system:kube-proxy".into(), &[]),
        ("kube-scheduler", "system:kube-scheduler".into(), &[]),
    ];
    for (file, name, groups) in people {
        let kubeconfig = cluster.user(&name, groups)?.kubeconfig;
        std::fs::copy(kubeconfig, folder.join(file).with_extension("kubeconfig"))?;
    }
    let put = |name: &str, text: String| {
        std::fs::write(folder.join(name), text).with_context(|| format!("{name} cannot be written"))
    };
    std::fs::create_dir_all(folder.join("cni"))?;
    put("cni/10-pods.conflist", network().to_string())?;
    put("containerd.toml", containerd(folder, tools))?;
    put("kubelet.json", kubelet(cluster, folder, group).to_string())?;
    // No name server: Pods find what they need by address.
    put("resolv.conf", String::new())
}

/// A bridge for the Pods, routed by the node. Nothing is masqueraded, for nothing leaves the site.
fn network() -> Value {
    json!({
        "cniVersion": "1.0.0", "name": "pods",
        "plugins": [{
            "type": "bridge", "bridge": "pods0", "isGateway": true, "hairpinMode": true,
            "ipam": {
                "type": "host-local", "dataDir": "/run/pods",
                "ranges": [[{"subnet": POD_RANGE}]], "routes": [{"dst": "0.0.0.0/0"}],
            },
        }],
    })
}

fn containerd(folder: &Path, tools: &Path) -> String {
    let (root, network, runc) = (folder.join("containerd"), folder.join("cni"), tools.join("runc"));
    format!(
        r#"version = 3
root = "{}"
state = "/run/containerd"

[grpc]
address = "{RUNTIME_SOCKET}"

[plugins."io.containerd.cri.v1.images".pinned_images]
sandbox = "{PAUSE}"

[plugins."io.containerd.cri.v1.runtime"]
# Without CAP_SYS_RESOURCE, as in many a container, no process may make itself less likely to be killed.
restrict_oom_score_adj = true

[plugins."io.containerd.cri.v1.runtime".cni]
bin_dirs = ["{PLUGINS}"]
conf_dir = "{}"

[plugins."io.containerd.cri.v1.runtime".containerd.runtimes.runc]
runtime_type = "io.containerd.runc.v2"

[plugins."io.containerd.cri.v1.runtime".containerd.runtimes.runc.options]
BinaryName = "{}"
SystemdCgroup = false
"#,
        root.display(),
        network.display(),
        runc.display()
    )
}

fn kubelet(cluster: &Cluster, folder: &Path, group: &str) -> Value {
    json!({
        "apiVersion": "kubelet.config.k8s.io/v1beta1", "kind": "KubeletConfiguration",
        "address": SITE_ADDRESS,
        "authentication": {
            "anonymous": {"enabled": false}, "webhook": {"enabled": true},
            "x509": {"clientCAFile": cluster.authority()},
        },
        "authorization": {"mode": "Webhook"},
        "containerRuntimeEndpoint": format!("unix://{RUNTIME_SOCKET}"),
        "podLogsDir": folder.join("logs"),
        "resolvConf": folder.join("resolv.conf"),
        "volumePluginDir": "/run/volume-plugins",
        "cgroupDriver": "cgroupfs", "cgroupRoot": format!("/{group}"), "failCgroupV1": false,
        "enforceNodeAllocatable": [], "failSwapOn": false, "oomScoreAdj": 0, "makeIPTablesUtilChains": false,
        // The disk is the machine's: that it is nearly full is no reason to throw out a test's Pods or images.
        "evictionHard": {"memory.available": "50Mi", "nodefs.available": "0%", "imagefs.available": "0%"},
        "imageGCHighThresholdPercent": 100,
    })
}
