//! The chart on a real node: installed, upgraded, rolled out, bereft of its leader, removed. It acts as the person who installs
//! (helm), as the people of the city (kubectl), and as a server in a machine room that is reached by nobody and reaches the
//! gateway through its Service alone. It never starts a controller itself: Pods do.

mod holdings;
mod look;

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result};
use jiff::Timestamp;
use serde_json::json;

pub use holdings::Holdings;
pub use look::look_around;

use crate::agent::Agent;
use crate::cluster::{Cluster, SYSTEM, built};
use crate::demo::city::{CIVIL, City};
use crate::demo::{Invitation, Place, papers};
use crate::node::Node;
use crate::room::Room;
use crate::site::{OFFICE_ADDRESS, SITE_ADDRESS, Site, output};
use crate::wait::{self, Look};

/// The Service's port at the node, where servers outside the cluster come in.
const NODE_PORT: u16 = 30843;
/// Pulling nothing, a Deployment of two Pods takes 12 s on two idle cores, and a takeover 17 s.
const ROLLED_OUT_WITHIN: Duration = Duration::from_secs(180);
/// What a reconciler or an agent does next; an agent's longest silence is a long poll of 20 s.
const SOON: Duration = Duration::from_secs(90);
/// How long servers may join.
const ENROLMENT: jiff::SignedDuration = jiff::SignedDuration::from_hours(24);
/// The user that the chart's Pods run as.
const POD_USER: u32 = 65532;

/// Which chart.
#[derive(Clone, Copy, Debug)]
pub enum Chart {
    /// As it was at the first journey; its origin is told beside it.
    FirstJourney,
    /// As it is.
    Current,
}

impl Chart {
    fn path(self) -> PathBuf {
        Path::new(env!("CARGO_MANIFEST_DIR")).join(match self {
            Self::FirstJourney => "charts/first-journey.tgz",
            Self::Current => "../charts/qianyun",
        })
    }
}

/// Everything. The order of the fields is the order in which it is taken down.
pub struct Installation {
    agent: Agent,
    node: Node,
    city: City,
    cluster: Cluster,
    site: Site,
    volume: PathBuf,
}

/// Who leads.
#[derive(Clone, Debug)]
pub struct Leader {
    /// Name of its Pod.
    pub pod: String,
    /// Grows with every process that takes over.
    pub epoch: i64,
}

impl Installation {
    /// Site, control plane, node, a volume for the controller, the city's people, and a server that has not joined.
    pub fn begin(place: &Place) -> Result<Self> {
        let Place { folder, entry } = place;
        let site = Site::create()?;
        let mut cluster = Cluster::start_for_node(&site, &folder.join("cluster"))?;
        let node = Node::start(&site, &mut cluster, &folder.join("node"), entry, &[image()?])?;
        let city = City::found(&mut cluster)?;
        let room = Room::beside(&site, OFFICE_ADDRESS)?;
        let agent = Agent::install(room, &folder.join("server"), entry)?;
        let here = Self { agent, node, city, cluster, site, volume: folder.join("volume") };
        here.offer_volume()?;
        Ok(here)
    }

    /// A volume on the node, as an administrator would offer one, with something in it that has to stay.
    fn offer_volume(&self) -> Result<()> {
        std::fs::create_dir(&self.volume)?;
        std::fs::write(self.volume.join("replica"), "what was copied from a server")?;
        std::os::unix::fs::chown(&self.volume, Some(POD_USER), Some(POD_USER))?;
        let volume = json!({
            "apiVersion": "v1", "kind": "PersistentVolume", "metadata": {"name": "state"},
            "spec": {
                "capacity": {"storage": "1Gi"}, "accessModes": ["ReadWriteMany"],
                "persistentVolumeReclaimPolicy": "Retain",
                "hostPath": {"path": self.volume, "type": "Directory"},
            },
        });
        self.cluster.apply(self.cluster.admin(), &volume)
    }

    /// Installs a chart with the site's settings, and waits until its Deployment serves.
    pub fn install(&self, chart: Chart) -> Result<()> {
        let mut helm = self.helm("install");
        helm.arg("--create-namespace").arg(chart.path()).args(settings());
        output(&mut helm).context("the chart cannot be installed")?;
        await_rollout(&self.cluster)
    }

    /// Upgrades to a chart, keeping the settings but for these, and waits until its Deployment serves.
    pub fn upgrade(&self, chart: Chart, changed: &[&str]) -> Result<()> {
        let mut helm = self.helm("upgrade");
        helm.arg("--reset-then-reuse-values").arg(chart.path()).args(changed.iter().flat_map(|set| ["--set", set]));
        output(&mut helm).context("the chart cannot be upgraded")?;
        await_rollout(&self.cluster)
    }

    /// Removes the release, and waits until its Pods are gone.
    pub fn uninstall(&self) -> Result<()> {
        output(&mut self.helm("uninstall")).context("the chart cannot be removed")?;
        wait::until("no Pod is left", ROLLED_OUT_WITHIN, || {
            let left = self.admin(&["get", "pods", "-n", SYSTEM, "-o", "name"])?;
            Ok(if left.is_empty() { Look::Holds(()) } else { Look::NotYet(left) })
        })
    }

    /// Replaces every Pod. What `meanwhile` does happens after this has been ordered and before it has been done.
    pub fn roll_out(&self, meanwhile: impl FnOnce() -> Result<()>) -> Result<()> {
        self.admin(&["rollout", "restart", "deployment/qianyun-controller", "-n", SYSTEM])?;
        meanwhile()?;
        await_rollout(&self.cluster)
    }

    /// The leader's Pod dies as with its node: nothing in it has time for a last word. The next leader, and after how long.
    pub fn lose_leader(&self, meanwhile: impl FnOnce() -> Result<()>) -> Result<(Leader, Duration)> {
        let before = self.leader()?;
        let uid = self.admin(&["get", "pod", &before.pod, "-n", SYSTEM, "-o", "jsonpath={.metadata.uid}"])?;
        let died = std::time::Instant::now();
        self.node.kill_pod(&self.site, &uid)?;
        self.admin(&["delete", "pod", &before.pod, "-n", SYSTEM, "--grace-period=0", "--force"])?;
        meanwhile()?;
        let next = wait::until("another Pod leads", SOON, || {
            let now = self.leader()?;
            let another = now.epoch > before.epoch && now.pod != before.pod;
            Ok(if another { Look::Holds(now) } else { Look::NotYet(format!("{now:?}")) })
        })?;
        let took = died.elapsed();
        await_rollout(&self.cluster)?;
        Ok((next, took))
    }

    /// Who leads, from the lease; waits until somebody does.
    pub fn leader(&self) -> Result<Leader> {
        wait::until("a Pod leads", SOON, || {
            let spec = match self.cluster.get(self.cluster.admin(), &["lease", "qianyun-controller", "-n", SYSTEM]) {
                Ok(lease) => lease["spec"].clone(),
                Err(error) => return Ok(Look::NotYet(format!("{error:#}"))),
            };
            // The Pod's name, its process and when that began.
            let pod = spec["holderIdentity"].as_str().and_then(|holder| holder.split('_').next()).unwrap_or_default();
            let epoch = spec["leaseTransitions"].as_i64().unwrap_or_default();
            Ok(match pod {
                "" => Look::NotYet(spec.to_string()),
                pod => Look::Holds(Leader { pod: pod.to_owned(), epoch }),
            })
        })
    }

    /// The operator describes the city; the department declares its system. As the first journey's definitions knew them:
    /// what is written under them has to outlive the upgrade.
    pub fn write_papers(&self) -> Result<()> {
        let policy = without(papers::policy(), "gates");
        for paper in [policy, papers::platform(), papers::department()] {
            self.cluster.apply(&self.city.operator, &paper)?;
        }
        let system = without(papers::system(&self.city.department), "catalogue");
        self.cluster.apply(&self.city.department, &system)
    }

    /// The operator lets a server join. Whoever leads has to make the token.
    pub fn invite(&self, name: &str) -> Result<()> {
        let mut enrolment = papers::enrollment(Timestamp::now() + ENROLMENT);
        enrolment["metadata"]["name"] = json!(name);
        self.cluster.apply(&self.city.operator, &enrolment)
    }

    /// The token of an enrolment, once it has been made.
    pub fn await_invitation(&self, name: &str) -> Result<Invitation> {
        wait::until(&format!("the secret of enrolment {name}"), SOON, || {
            let secret = ["secret", &format!("{name}-enrollment"), "-n", CIVIL];
            Ok(match self.cluster.get(self.cluster.admin(), &secret) {
                Ok(secret) => Look::Holds(Invitation::from_secret(&secret)?),
                Err(error) => Look::NotYet(format!("{error:#}")),
            })
        })
    }

    /// The server joins through the Service, and goes on reporting.
    pub fn enroll_server(&mut self, invitation: &Invitation) -> Result<()> {
        wait::until("the server has joined", SOON, || {
            Ok(match self.agent.enroll(&invitation.words()) {
                Ok(_) => Look::Holds(()),
                Err(error) => Look::NotYet(format!("{error:#}")),
            })
        })?;
        self.agent.begin()?;
        self.await_answer()
    }

    /// What the server says of itself is in the table.
    pub fn await_inventory(&self) -> Result<()> {
        wait::until("the server is in the table with its inventory", SOON, || {
            let hosts = self.cluster.get(&self.city.operator, &["physicalhosts", "-n", CIVIL])?;
            let status = &hosts["items"][0]["status"];
            let known = status["inventory"].is_object() && status["checks"].is_array();
            Ok(if known { Look::Holds(()) } else { Look::NotYet(format!("status: {status}")) })
        })
    }

    /// The server's next report is answered, with the certificate that it has.
    pub fn await_answer(&self) -> Result<()> {
        let asked = Timestamp::now().as_millisecond();
        wait::until("a report of the server is answered", SOON, || {
            let last = self.agent.last_answered_ms();
            Ok(if last > asked { Look::Holds(()) } else { Look::NotYet(format!("last at {last}, now {asked}")) })
        })
    }

    /// All that may never be lost.
    pub fn holdings(&self) -> Result<Holdings> {
        Holdings::take(&self.cluster, &self.volume)
    }

    /// What the installed Pods and objects say for themselves, where a story did not end well.
    pub fn leave_evidence(&self) {
        for arguments in [
            &["get", "pods,events", "-A", "-o", "wide"][..],
            &["describe", "pods", "-n", SYSTEM],
            &["logs", "deployment/qianyun-controller", "-n", SYSTEM, "--tail=60"],
            &["get", "lease,pvc,pv", "-A"],
            &["get", "endpointslices", "-n", SYSTEM, "-o", "yaml"],
        ] {
            leave(&format!("kubectl {}", arguments.join(" ")), self.admin(arguments));
        }
        // Where the node sends what is meant for the Service.
        leave("nft", output(self.site.command("nft").args(["list", "table", "ip", "kube-proxy"])));
    }

    fn admin(&self, arguments: &[&str]) -> Result<String> {
        self.cluster.ask(self.cluster.admin(), arguments)
    }

    fn helm(&self, verb: &str) -> Command {
        let mut helm = self.cluster.helm();
        helm.args([verb, "qianyun", "--namespace", SYSTEM]);
        helm
    }
}

fn leave(command: &str, result: Result<String>) {
    match result {
        Ok(said) => println!("{command}:\n{said}"),
        Err(error) => println!("{command}: {error:#}"),
    }
}

/// Waits until the Deployment as it was last written serves with all its Pods and no other.
fn await_rollout(cluster: &Cluster) -> Result<()> {
    wait::until("the Deployment serves", ROLLED_OUT_WITHIN, || {
        let deployment = cluster.get(cluster.admin(), &["deployment", "qianyun-controller", "-n", SYSTEM])?;
        let (wanted, status) = (&deployment["spec"]["replicas"], &deployment["status"]);
        let serves = status["observedGeneration"] == deployment["metadata"]["generation"]
            && ["replicas", "updatedReplicas", "availableReplicas"].iter().all(|&count| &status[count] == wanted);
        Ok(if serves { Look::Holds(()) } else { Look::NotYet(status.to_string()) })
    })
}

/// The controller's image.
pub(crate) fn image() -> Result<PathBuf> {
    built("dist/qianyun-controller.oci.tar")
}

/// What a site without a load balancer, a registry or names sets: the image as it was packed, and the gateway at a node's port.
fn settings() -> Vec<String> {
    let set = [
        "image.repository=qianyun.dev/qianyun-controller".to_owned(),
        format!("image.tag={}", env!("CARGO_PKG_VERSION")),
        "image.pullPolicy=Never".to_owned(),
        "gateway.service.type=NodePort".to_owned(),
        format!("gateway.service.nodePort={NODE_PORT}"),
        format!("gateway.url=https://{SITE_ADDRESS}:{NODE_PORT}"),
        "persistence.accessMode=ReadWriteMany".to_owned(),
        "persistence.size=1Gi".to_owned(),
    ];
    set.into_iter().flat_map(|value| ["--set".to_owned(), value]).collect()
}

/// An object without a field of its spec.
fn without(mut object: serde_json::Value, field: &str) -> serde_json::Value {
    if let Some(spec) = object["spec"].as_object_mut() {
        spec.remove(field);
    }
    object
}
