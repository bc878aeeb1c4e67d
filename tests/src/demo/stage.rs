//! The stage: the site, the control plane with the chart on it, the controller, the office server and the witness, and the
//! parts of the story that the people play with kubectl. It never writes a status and never acts as the controller.

use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use serde_json::Value;

use super::city::{CIVIL, City, OFFICES};
use super::papers;
use super::place::Place;
use super::tell::{Language, Teller};
use crate::cluster::{Cluster, SYSTEM};
use crate::controller::Controller;
use crate::file_shelf::FileShelf;
use crate::machine::OfficeServer;
use crate::site::{SITE_ADDRESS, Site};
use crate::wait::{self, Look};
use crate::witness::{Seen, Witness};

/// Port of the gateway at the site.
const GATEWAY_PORT: u16 = 8443;
/// While everything is kept for someone to look at.
const LOOK_EVERY: Duration = Duration::from_millis(300);
/// The scheme, as kubectl is asked for it.
pub(super) const SCHEME: [&str; 4] = ["systemmigration", papers::SYSTEM_NAME, "-n", CIVIL];
/// How long servers may join.
const ENROLMENT: jiff::SignedDuration = jiff::SignedDuration::from_hours(24);
/// A reconciler on a busy machine of two cores.
pub(super) const SOON: Duration = Duration::from_secs(60);

/// Everything that a run consists of. The order of the fields is the order in which it is taken down.
pub struct Stage {
    pub(crate) teller: Teller,
    pub(crate) witness: Option<Witness>,
    pub(crate) seen: Option<Seen>,
    pub(crate) server: OfficeServer,
    pub(crate) controller: Controller,
    pub(crate) city: City,
    pub(crate) cluster: Cluster,
    pub(crate) shelf: FileShelf,
    pub(crate) folder: PathBuf,
    pub(crate) host: String,
    /// From the end of the enrolment to the server in the table.
    pub(crate) listed_after: Option<Duration>,
    pub(crate) verified: Option<crate::witness::Verdict>,
    pub(crate) site: Site,
    pub(crate) entry: PathBuf,
}

impl Stage {
    /// Site, control plane, chart, controller; the office server is installed and switched off.
    pub fn set_up(place: Place, language: Language) -> Result<Self> {
        let teller = Teller::new(language);
        let Place { folder, entry } = place;
        let image = crate::office_image::ensure_built()?;
        teller.tell(
            "starting the control plane: etcd, kube-apiserver, controller manager",
            "启动控制面:etcd、kube-apiserver、controller-manager",
        );
        let site = Site::create()?;
        let mut cluster = Cluster::start_audited(&site, &folder.join("cluster"), 0)?;
        install_chart(&cluster, &folder)?;
        let city = City::found(&mut cluster)?;
        teller.tell(
            "installed charts/qianyun; starting the controller as its ServiceAccount",
            "已安装 charts/qianyun;以其 ServiceAccount 启动控制器",
        );
        let mut controller = Controller::prepare(&site, &cluster, &folder, &entry)?;
        controller.begin()?;
        let server = OfficeServer::install(&site, &image, &folder.join("office"))?;
        let shelf = FileShelf::open(&site)?;
        Ok(Self {
            teller,
            witness: None,
            seen: None,
            server,
            controller,
            city,
            cluster,
            shelf,
            folder,
            host: String::new(),
            listed_after: None,
            verified: None,
            site,
            entry,
        })
    }

    /// The operator describes the city; the department declares its system.
    pub(crate) fn write_papers(&mut self) -> Result<()> {
        let operator = &self.city.operator;
        for paper in [papers::policy(), papers::platform(), papers::department()] {
            self.cluster.apply(operator, &paper)?;
        }
        self.cluster.apply(&self.city.department, &papers::system(&self.city.department))?;
        self.cluster.apply(operator, &papers::enrollment(jiff::Timestamp::now() + ENROLMENT))?;
        self.cluster.apply(operator, &papers::plan(operator))?;
        self.teller.tell(
            "operator: policy profile, cloud platform, department, system, enrolment, plan",
            "运维单位:制度配置、云平台、部门、系统、接入许可、迁移计划",
        );
        Ok(())
    }

    /// Both offices issue the plan.
    pub(crate) fn issue_plan(&mut self) -> Result<()> {
        let plan = self.await_digest(&["migrationplan", papers::PLAN])?;
        for (role, _) in OFFICES {
            let person = self.city.holder(role);
            self.cluster
                .apply(person, &papers::approval("PlanIssued", role, person, "MigrationPlan", &plan, SYSTEM))?;
        }
        self.await_condition(&["migrationplan", papers::PLAN], "Issued", SOON)?;
        self.teller.tell("both offices issued the migration plan", "两办已下达迁移计划");
        self.show_tables("mp,isys")
    }

    /// The operator writes the scheme from what the server reported.
    pub(crate) fn submit_scheme(&mut self) -> Result<()> {
        let operator = &self.city.operator;
        let host = self.cluster.get(operator, &["physicalhost", &self.host, "-n", CIVIL])?;
        self.cluster.apply(operator, &papers::scheme(operator, &host))?;
        self.await_digest(&SCHEME)?;
        self.teller.tell(
            "operator: the migration scheme, one digest over every word of it",
            "运维单位:迁移方案已拟制,全文一个摘要",
        );
        Ok(())
    }

    /// The department confirms exactly this scheme.
    pub(crate) fn confirm(&mut self) -> Result<()> {
        self.decide_on_scheme("DepartmentConfirmed", "department")?;
        self.await_condition(&SCHEME, "DepartmentConfirmed", SOON)?;
        self.teller.tell("department: confirmed exactly this scheme", "部门:已确认本方案");
        self.show_tables("sysmig,appr")
    }

    /// Two persons of two offices approve it.
    pub(crate) fn approve(&mut self) -> Result<()> {
        for (role, _) in OFFICES {
            self.decide_on_scheme("DualApproved", role)?;
        }
        self.await_condition(&SCHEME, "DualApproved", SOON)?;
        self.teller
            .tell("both offices approved it: two persons, neither of them its author", "两办均已审批:两人,且非拟制人");
        self.show_tables("sysmig,appr")?;
        self.put_security_in_use()
    }

    /// The operator goes through the list of security products before any traffic is switched (Art. 31).
    fn put_security_in_use(&mut self) -> Result<()> {
        let operator = &self.city.operator;
        let word = serde_json::json!({
            "digest": self.scheme()?["status"]["digest"], "confirmedBy": operator.name,
            "checklist": papers::paper("云上安全措施投用清单"),
        });
        self.patch_scheme(&serde_json::json!({"spec": {"securityInUse": word}}))?;
        self.teller
            .tell("operator: the security products are in use on the cloud", "运维单位:安全措施已在云上同步投用");
        Ok(())
    }

    fn decide_on_scheme(&mut self, gate: &str, role: &str) -> Result<()> {
        let scheme = self.await_digest(&SCHEME)?;
        let person = self.city.holder(role);
        self.cluster.apply(person, &papers::approval(gate, role, person, "SystemMigration", &scheme, CIVIL))
    }

    /// The operator confirms that the system serves well; the trial run begins.
    pub(crate) fn confirm_service(&mut self) -> Result<()> {
        let operator = &self.city.operator;
        let digest = self.scheme()?["status"]["digest"].clone();
        self.patch_scheme(&serde_json::json!({"spec": {"confirmation": {"by": operator.name, "digest": digest}}}))?;
        self.await_phase("Trial", SOON)?;
        self.teller.tell("operator: confirmed; the system is in its trial run", "运维单位:已确认,系统进入试运行");
        self.show_tables("mp,isys,ph,sysmig,hostmig,appr")
    }

    /// The scheme as it is now.
    pub(crate) fn scheme(&self) -> Result<Value> {
        self.cluster.get(&self.city.operator, &SCHEME)
    }

    /// Holds the journey where it is, or lets it go on.
    pub(crate) fn suspend(&self, held: bool) -> Result<()> {
        self.patch_scheme(&serde_json::json!({"spec": {"suspend": held}}))
    }

    /// The operator changes something in the scheme's object.
    pub(crate) fn patch_scheme(&self, change: &Value) -> Result<()> {
        let change = change.to_string();
        let words = [&["patch"], &SCHEME[..], &["--type=merge", "-p", &change]].concat();
        self.cluster.ask(&self.city.operator, &words).map(drop)
    }

    /// Lets the copy go on, but no cutover begin, as soon as the servers have been told to copy.
    pub(crate) fn hold_when_begun(&mut self) -> Result<()> {
        wait::until("the copy is asked for", SOON, || {
            self.assert_controller_runs()?;
            let journeys = self.cluster.get(&self.city.operator, &["hostmigrations", "-n", CIVIL])?;
            let intent = journeys["items"][0]["spec"]["intent"].clone();
            Ok(if intent == "Replicate" { Look::Holds(()) } else { Look::NotYet(intent.to_string()) })
        })?;
        self.suspend(true)
    }

    /// Waits until the system's migration is in `phase`.
    pub(crate) fn await_phase(&mut self, phase: &str, within: Duration) -> Result<()> {
        wait::until(&format!("phase {phase}"), within, || {
            self.assert_controller_runs()?;
            let status = self.scheme()?["status"].clone();
            Ok(if status["phase"] == phase { Look::Holds(()) } else { Look::NotYet(in_short(&status)) })
        })
    }

    /// A condition that must become true, asked for as anyone would: with `kubectl wait`.
    pub(crate) fn await_condition(&self, subject: &[&str], condition: &str, within: Duration) -> Result<()> {
        let (condition, timeout) = (format!("--for=condition={condition}"), format!("--timeout={}s", within.as_secs()));
        self.cluster.ask(&self.city.operator, &[&["wait"], subject, &[&condition, &timeout]].concat()).map(drop)
    }

    fn await_digest(&mut self, subject: &[&str]) -> Result<Value> {
        wait::until("it has a digest to decide on", SOON, || {
            self.assert_controller_runs()?;
            let object = self.cluster.get(&self.city.operator, subject)?;
            Ok(if object["status"]["digest"].is_string() {
                Look::Holds(object)
            } else {
                Look::NotYet("no digest".into())
            })
        })
    }

    /// What an operator sees, as it is.
    pub(crate) fn show_tables(&self, kinds: &str) -> Result<()> {
        let text = self.cluster.ask(&self.city.operator, &["get", kinds, "-A"])?;
        self.teller.show(&text);
        Ok(())
    }

    pub(crate) fn assert_controller_runs(&mut self) -> Result<()> {
        ensure!(self.controller.is_running()?, "the controller ended; its log is {}", self.controller.log().display());
        Ok(())
    }

    /// What is needed to find out why the story did not end well.
    pub(crate) fn leave_evidence(&self, error: &anyhow::Error) {
        println!("\nthe story ended early: {error:#}\nevidence is in {}", self.folder.display());
        let everything = "mp,isys,ph,sysmig,hostmig,appr";
        if let Ok(text) = self.cluster.ask(&self.city.operator, &["get", everything, "-A", "-o", "yaml"]) {
            // Best effort: the story has failed already, and says so.
            let _ = std::fs::write(self.folder.join("objects.yaml"), text);
        }
        if let Ok(text) = self.cluster.ask(&self.city.operator, &["get", everything, "-A"]) {
            self.teller.show(&text);
        }
    }

    /// Leaves everything running until the terminal says otherwise.
    pub(crate) fn keep(&mut self) -> Result<()> {
        let kubectl = self.cluster.kubectl_script(&self.city.operator, &self.folder.join("kubectl"))?;
        println!("\n{}", self.teller.words("Everything keeps running. To look at it:", "一切保持运行。查看方法:"));
        println!("  {} get mp,isys,ph,sysmig,hostmig,appr -A", kubectl.display());
        println!("  {} describe sysmig -n {CIVIL}", kubectl.display());
        println!("  ls {}", self.folder.display());
        if let Ok(console) = self.find("cloud", "console.sock", |_| true) {
            let words = self.teller.words("console of the machine on the cloud", "云主机控制台");
            println!("  {words}: {}", console.display());
        }
        println!(
            "{}",
            self.teller.words("Press Enter or Ctrl-C to end it and clean up.", "按回车键或 Ctrl-C 结束并清理。")
        );
        let enter = enter_pressed();
        while !crate::interrupt::is_noted() && enter.recv_timeout(LOOK_EVERY).is_err() {
            self.controller.keep_alive()?;
        }
        Ok(())
    }
}

/// Hears when Enter is pressed. Where there is no terminal, the input ends at once; that is no wish to end, and never heard.
fn enter_pressed() -> Receiver<()> {
    let (told, enter) = channel();
    std::thread::spawn(move || {
        while !matches!(std::io::stdin().read_line(&mut String::new()), Ok(1..)) {
            std::thread::park();
        }
        let _gone = told.send(());
    });
    enter
}

/// Phase, what is in the way and who can act.
fn in_short(status: &Value) -> String {
    format!("phase {}, blocked by {}, {}", status["phase"], status["blockedBy"], status["message"])
}

/// As an operator would, with the site's own addresses.
pub(crate) fn install_chart(cluster: &Cluster, folder: &Path) -> Result<()> {
    let cloud = folder.join("cloud");
    std::fs::create_dir_all(&cloud)?;
    let chart = Path::new(env!("CARGO_MANIFEST_DIR")).join("../charts/qianyun");
    let agent = crate::cluster::built("dist/qianyun-agent")?;
    let values = [
        format!("gateway.address={SITE_ADDRESS}"),
        format!("gateway.port={GATEWAY_PORT}"),
        format!("gateway.url=https://{SITE_ADDRESS}:{GATEWAY_PORT}"),
        "health.address=127.0.0.1".to_owned(),
        format!("controller.stateDir={}", cloud.display()),
        format!("controller.agentBinary={}", agent.display()),
    ];
    let mut helm = cluster.helm();
    helm.args(["install", "qianyun", "--namespace", SYSTEM, "--create-namespace"]).arg(chart);
    for value in &values {
        helm.args(["--set", value]);
    }
    let done = helm.output().context("running helm")?;
    if !done.status.success() {
        bail!("helm: {}", String::from_utf8_lossy(&done.stderr).trim_end());
    }
    Ok(())
}
