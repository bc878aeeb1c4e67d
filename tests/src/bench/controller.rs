//! The controller with a large city: how long it takes to know it, what it costs when nothing happens, whether it then leaves the API
//! server alone, and how soon a change shows. The API server, the chart, the people and their rights are real; the servers' agents
//! are not there, so nothing is copied. It measures one process on a machine that it shares with the API server and with etcd.

mod api;
mod changes;
mod city;
mod writes;

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use jiff::Timestamp;
use serde_json::{Value, json};

use api::{HOSTS, MIGRATIONS, PLANS, Person};
use city::{DEPARTMENTS, SERVERS, Stage, System};
use writes::Writes;

use super::cost::{cpu_seconds_of_pid, peak_bytes, resident_bytes};
use super::goals::Goal;
use crate::cluster::{Cluster, User};
use crate::controller::Controller;
use crate::demo::city::OFFICES;
use crate::demo::{install_chart, papers};
use crate::site::Site;

/// A look at everything, on a machine of two cores that does all of it.
const KNOWN_WITHIN: Duration = Duration::from_secs(1800);
/// A look is a list of all schemes, or the API server's counters.
const BETWEEN_LOOKS: Duration = Duration::from_secs(1);
/// As long as the goal says that nothing may be written.
const QUIET: Duration = Duration::from_secs(60);
/// Nothing was written for so long: it has settled.
const SETTLED: Duration = Duration::from_secs(5);
const MIB: f64 = 1024.0 * 1024.0;

/// The parts that run, and the people.
struct Bench<'a> {
    cluster: &'a Cluster,
    systems: usize,
    operator: (User, Person),
    department: (User, Person),
    offices: [(User, Person); 2],
    account: Person,
    gateway: Person,
}

/// Measures, prints, and says what the goals came to. `entry` is this program: it starts the controller as a Pod would be.
pub(super) fn measure(folder: &Path, systems: usize, entry: &Path) -> Result<Vec<Goal>> {
    let site = Site::create()?;
    // Threads of the runtime are made by this one, and so are inside as well.
    site.enter_thread()?;
    let mut cluster = Cluster::start(&site, &folder.join("cluster"))?;
    install_chart(&cluster, folder)?;
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    let people = people(&mut cluster)?;
    let mut controller = Controller::prepare(&site, &cluster, folder, entry)?;
    runtime.block_on(async {
        let bench = Bench::enter(&cluster, systems, people).await?;
        bench.run(&mut controller).await
    })
}

/// Operator, department and the two offices, bound as the chart's notes say; the department's person in all departments.
fn people(cluster: &mut Cluster) -> Result<[User; 4]> {
    let admin = cluster.admin().clone();
    let bind = |cluster: &Cluster, role: &str, person: &str| {
        cluster.ask(&admin, &["create", "clusterrolebinding", role, "--clusterrole", role, "--user", person])
    };
    for (role, person) in OFFICES {
        bind(cluster, &format!("qianyun-approver-{role}"), person)?;
    }
    for role in ["qianyun-department", "qianyun-approver-department"] {
        bind(cluster, role, "chen")?;
    }
    for number in 0..DEPARTMENTS {
        cluster.ask(&admin, &["create", "namespace", &city::department_name(number)])?;
    }
    let [(_, mgo), (_, sco)] = OFFICES;
    Ok([
        cluster.user("li", &["qianyun:operators"])?,
        cluster.user("chen", &[])?,
        cluster.user(mgo, &[])?,
        cluster.user(sco, &[])?,
    ])
}

impl<'a> Bench<'a> {
    async fn enter(cluster: &'a Cluster, systems: usize, people: [User; 4]) -> Result<Self> {
        let enter = async |user: User| {
            let person = Person::with(&user.kubeconfig).await?;
            anyhow::Ok((user, person))
        };
        let [operator, department, mgo, sco] = people;
        let account = Person::with(&crate::controller::kubeconfig(cluster, "qianyun-controller")?).await?;
        let gateway = Person::with(&crate::controller::kubeconfig(cluster, "qianyun-gateway")?).await?;
        Ok(Self {
            cluster,
            systems,
            operator: enter(operator).await?,
            department: enter(department).await?,
            offices: [enter(mgo).await?, enter(sco).await?],
            account,
            gateway,
        })
    }

    async fn run(&self, controller: &mut Controller) -> Result<Vec<Goal>> {
        println!("\n{} systems of {DEPARTMENTS} departments, {} servers", self.systems, self.systems * SERVERS);
        let began = Instant::now();
        self.write_papers().await?;
        told("written by the people", began.elapsed());

        let began = Instant::now();
        controller.begin()?;
        self.await_digests().await?;
        told("first look at everything", began.elapsed());
        self.decide().await?;
        let (_, settled) = self.settle().await?;
        told("settled after all decisions, since the first start", settled - began);

        controller.kill()?;
        let last = System(self.systems - 1);
        let generation = changes::edit(&self.operator.1, last, 0).await?;
        let began = Instant::now();
        controller.begin()?;
        let pid = controller.process().context("the controller does not run")?.as_raw_pid().cast_unsigned();
        changes::await_shown(&self.operator.1, last, generation).await?;
        told("a new process, its lease and a change of meanwhile", began.elapsed());
        let (before, _) = self.settle().await?;
        println!("{:<52}{:>10.1} s", "  processor time until it rests", cpu_seconds_of_pid(pid)?);

        let (cpu, began) = (cpu_seconds_of_pid(pid)?, Instant::now());
        tokio::time::sleep(QUIET).await;
        let written = self.writes()?.since(&before);
        let share = (cpu_seconds_of_pid(pid)? - cpu) / began.elapsed().as_secs_f64() * 100.0;
        println!("{:<52}{:>10}", format!("written in {} s of rest", QUIET.as_secs()), written.to_string());
        // Its servers are silent. One that is connected has its last report on record once an hour.
        let reports = self.systems * SERVERS / 60;
        println!("{:<52}{reports:>10} a minute", "  if every server was connected, besides");
        println!("{:<52}{share:>10.1} %", "processor at rest, of one core");

        let seen = changes::measure(&self.operator.1, self.systems).await?;
        println!("{:<52}{seen}", "a scheme is edited; its status says so after");
        let of = |bytes: Option<u64>| bytes.unwrap_or(0) as f64 / MIB;
        println!("{:<52}{:>8.0} MiB", "memory now", of(resident_bytes(pid)));
        println!("{:<52}{:>8.0} MiB", "memory at most", of(peak_bytes(pid)));
        Ok(vec![
            Goal::at_most("API writes in 60 s of steady state", written.total(), 0.0, ""),
            Goal::at_most("a change is visible in status, p99", seen.p99.as_secs_f64(), 2.0, " s"),
        ])
    }

    async fn write_papers(&self) -> Result<()> {
        let now = Timestamp::now();
        let (li, operator) = &self.operator;
        let (chen, department) = &self.department;
        let systems = || (0..self.systems).map(System);
        operator.create_all([papers::policy(), papers::platform()]).await?;
        operator.create_all((0..DEPARTMENTS).map(city::department)).await?;
        operator.create_all([city::plan(li, self.systems)]).await?;
        department.create_all(systems().map(|s| city::system(s, chen))).await?;
        self.gateway.create_all(systems().flat_map(city::servers)).await?;
        let reports = systems().flat_map(|s| (0..SERVERS).map(move |n| (s, n)));
        let report = |(s, n): (System, usize)| (s.namespace(), city::server_name(s, n), city::inventory(s, n, now));
        self.account.report_all(HOSTS, reports.map(report)).await?;
        operator.create_all(systems().map(|s| city::scheme(s, li, now))).await
    }

    /// Everyone can only decide on what the controller has read: the digest in the status is what they decide on.
    async fn await_digests(&self) -> Result<()> {
        let deadline = Instant::now() + KNOWN_WITHIN;
        let mut next = tokio::time::interval(BETWEEN_LOOKS);
        loop {
            next.tick().await;
            let schemes = self.operator.1.list(MIGRATIONS).await?;
            let without = schemes.iter().filter(|s| s.data["status"]["digest"].is_null()).count();
            if without == 0 {
                return Ok(());
            }
            ensure!(Instant::now() < deadline, "{without} schemes still have no digest");
        }
    }

    /// The offices issue the plan; departments and offices decide on schemes, as far as each is.
    async fn decide(&self) -> Result<()> {
        let plan = self.operator.1.list(PLANS).await?.into_iter().next().context("no plan")?;
        let plan = json!({"metadata": plan.metadata, "status": plan.data["status"]});
        for ((user, person), (role, _)) in self.offices.iter().zip(OFFICES) {
            let home = city::department_name(0);
            let approval = papers::approval("PlanIssued", role, user, "MigrationPlan", &plan, &home);
            person.create_all([approval]).await?;
        }
        let mut decisions: [Vec<Value>; 3] = Default::default();
        for scheme in self.operator.1.list(MIGRATIONS).await? {
            let number = scheme.metadata.name.as_deref().and_then(|name| name.rsplit_once('-')?.1.parse().ok());
            let system = System(number.context("a scheme whose name has no number")?);
            let subject = json!({"metadata": scheme.metadata, "status": scheme.data["status"]});
            let steps = match system.stage() {
                Stage::Written => 0,
                Stage::Confirmed => 1,
                Stage::HalfApproved => 2,
                Stage::OnHold => 3,
            };
            let [(mgo, _), (sco, _)] = OFFICES;
            let who = [
                ("DepartmentConfirmed", "department", &self.department.0),
                ("DualApproved", mgo, &self.offices[0].0),
                ("DualApproved", sco, &self.offices[1].0),
            ];
            for ((gate, role, user), made) in who.into_iter().zip(&mut decisions).take(steps) {
                made.push(papers::approval(gate, role, user, "SystemMigration", &subject, &system.namespace()));
            }
        }
        let [confirmed, by_mgo, by_sco] = decisions;
        self.department.1.create_all(confirmed).await?;
        self.offices[0].1.create_all(by_mgo).await?;
        self.offices[1].1.create_all(by_sco).await
    }

    /// Waits until nothing has been written for a while; what had been written, and since when it is so.
    async fn settle(&self) -> Result<(Writes, Instant)> {
        let (mut last, mut since) = (self.writes()?, Instant::now());
        let began = since;
        let mut next = tokio::time::interval(BETWEEN_LOOKS);
        loop {
            next.tick().await;
            let now = self.writes()?;
            let more = now.since(&last);
            if more.total() > 0.0 {
                (last, since) = (now, Instant::now());
            } else if since.elapsed() >= SETTLED && began.elapsed() > 4 * SETTLED {
                return Ok((last, since));
            }
            ensure!(began.elapsed() < KNOWN_WITHIN, "it still writes: {more}");
        }
    }

    fn writes(&self) -> Result<Writes> {
        Ok(Writes::of(&self.cluster.ask(self.cluster.admin(), &["get", "--raw", "/metrics"])?))
    }
}

fn told(what: &str, took: Duration) {
    println!("{what:<52}{:>10.1} s", took.as_secs_f64());
}
