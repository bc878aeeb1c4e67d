//! Two of the real controllers on one control plane: whatever happens to the one that leads, the other goes on, and one that slept
//! through the end of its lease changes nothing when it wakes. With Pods on a node, `helm_on_node` tells the same.

use crate::admit::controller::{self, Running};
use crate::admit::people::{CIVIL, person};
use crate::admit::{Cluster, SYSTEM};
use anyhow::{Context, Result, ensure};
use qianyun_tests::wait::{self, Look};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

/// A lease is over after 15 s, and a busy machine of two cores takes its time for the rest.
const SOON: Duration = Duration::from_secs(90);
/// Everything that a controller of ours writes, but for its lease.
const WRITTEN: &str = "systemmigrations,informationsystems,migrationplans,departments,policyprofiles,cloudplatforms,\
    physicalhosts,hostmigrations,approvals,configmaps,secrets,events";
/// Looks, a second apart, after which what has not changed is at rest: a reconciler looks again after at most ten.
const REST_LOOKS: u32 = 12;

struct City {
    cluster: Cluster,
    folder: tempfile::TempDir,
}

impl City {
    fn found() -> Result<Self> {
        let cluster = Cluster::start("leaders")?;
        cluster.write_scheme()?;
        Ok(Self { cluster, folder: tempfile::tempdir()? })
    }

    fn start(&self, pod: &str) -> Result<Running> {
        let folder = self.folder.path().join(pod);
        std::fs::create_dir_all(&folder)?;
        Running::start_as(pod, &self.cluster, &folder)
    }

    fn log(&self, pod: &str) -> String {
        controller::log(&self.folder.path().join(pod))
    }

    fn get(&self, arguments: &[&str]) -> Result<Value> {
        self.cluster.kubectl(&self.cluster.admin, &[&["get", "-o", "json"], arguments].concat(), None)?.json()
    }

    /// Waits until this one leads, and has said so of the newest edit; how long it took.
    fn await_leader(&self, pod: &str) -> Result<Duration> {
        let began = Instant::now();
        wait::until(&format!("{pod} leads"), SOON, || {
            let leases = self.get(&["leases", "-n", SYSTEM])?;
            let holders = leases["items"].as_array().into_iter().flatten().map(|l| &l["spec"]["holderIdentity"]);
            let is_it = |holder: &Value| holder.as_str().is_some_and(|name| name.split('_').next() == Some(pod));
            let seen: Vec<String> = holders.clone().map(Value::to_string).collect();
            Ok(if holders.clone().any(is_it) { Look::Holds(()) } else { Look::NotYet(seen.join(", ")) })
        })?;
        let took = began.elapsed();
        wait::until(&format!("{pod} has seen the newest edit"), SOON, || {
            let scheme = self.get(&["systemmigration", "civil-registry", "-n", CIVIL])?;
            let (generation, seen) = (&scheme["metadata"]["generation"], &scheme["status"]["observedGeneration"]);
            Ok(if generation == seen { Look::Holds(()) } else { Look::NotYet(format!("{seen} of {generation}")) })
        })?;
        Ok(took)
    }

    fn edit(&self, summary: &str) -> Result<()> {
        let change = json!({"spec": {"scheme": {"summary": summary}}});
        let li = person(&self.cluster, "li")?;
        self.cluster.patch(&li, CIVIL, "systemmigration/civil-registry", &change, false)?.done()
    }

    /// The version of each object, by kind, namespace and name.
    fn versions(&self) -> Result<BTreeMap<String, String>> {
        let list = self.get(&[WRITTEN, "-A"])?;
        let word = |value: &Value| value.as_str().unwrap_or("-").to_owned();
        let one = |object: &Value| {
            let meta = &object["metadata"];
            let key = format!("{} {}/{}", word(&object["kind"]), word(&meta["namespace"]), word(&meta["name"]));
            (key, word(&meta["resourceVersion"]))
        };
        Ok(list["items"].as_array().context("no list")?.iter().map(one).collect())
    }

    /// Waits until nothing changes any more.
    fn at_rest(&self) -> Result<BTreeMap<String, String>> {
        let (mut last, mut looks, mut next) = (self.versions()?, 0, Instant::now());
        wait::until("nothing changes any more", SOON, || {
            if next.elapsed() < Duration::from_secs(1) {
                return Ok(Look::NotYet("between two looks".into()));
            }
            next = Instant::now();
            let now = self.versions()?;
            looks = if now == last { looks + 1 } else { 0 };
            last = now;
            Ok(if looks >= REST_LOOKS { Look::Holds(()) } else { Look::NotYet(format!("{last:?}")) })
        })?;
        Ok(last)
    }
}

#[test]
fn another_leads_when_the_leader_is_killed_and_one_that_slept_through_its_lease_changes_nothing() -> Result<()> {
    let city = City::found()?;
    let first = city.start("first")?;
    city.await_leader("first")?;
    let second = city.start("second")?;
    city.edit("Edited just before the leader dies.")?;
    drop(first);
    println!("the second leads {:.1} s after the first was killed", city.await_leader("second")?.as_secs_f64());

    let _third = city.start("third")?;
    // It is stopped in the middle of its work on this.
    city.edit("Edited just before the leader falls asleep.")?;
    second.pause()?;
    println!("the third leads {:.1} s after the second fell asleep", city.await_leader("third")?.as_secs_f64());
    city.edit("Edited while the old leader sleeps.")?;
    city.await_leader("third")?;
    let before = city.at_rest()?;

    let mut second = second;
    second.wake()?;
    let status = wait::until("the old leader has ended", SOON, || {
        Ok(second.ended()?.map_or_else(|| Look::NotYet(city.log("second")), Look::Holds))
    })?;
    ensure!(!status.success(), "it has lost its lease, and so failed: {status}");
    ensure!(city.log("second").contains("lease"), "it says why: {}", city.log("second"));
    let after = city.versions()?;
    let changed: Vec<_> = after.iter().filter(|(key, version)| before.get(*key) != Some(version)).collect();
    ensure!(changed.is_empty() && before.len() == after.len(), "the old leader changed {changed:?}");
    city.await_leader("third").map(drop)
}
