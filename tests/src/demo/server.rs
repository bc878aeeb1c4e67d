//! The parts of the story at the office server: it boots, its admin installs the agent at the console and declares what has to
//! be declared, its disks are copied while it works, and it is switched off by its own agent.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use serde_json::Value;

use super::city::CIVIL;
use super::papers;
use super::stage::Stage;
use super::tell::Teller;
use crate::cluster::built;
use crate::wait::{self, Look};
use crate::witness::{Load, Witness};

/// Commands at an emulated console.
pub(super) const AT_THE_CONSOLE: Duration = Duration::from_secs(180);
/// From the enrolment to a machine with inventory and checks in the table. Emulation takes its share.
const SEEN_WITHIN: Duration = Duration::from_secs(120);
/// Boot preparation and the copy of 1 GiB take 3 minutes under emulation with a core to itself; beside two compilers they took 13.
const COPIED_WITHIN: Duration = Duration::from_secs(1800);
/// Cutover, boot of the target under emulation, adaptation and probes; beside two compilers 4 minutes.
const MOVED_WITHIN: Duration = Duration::from_secs(1200);
/// Two clients that commit all the time, with room for the server to do its own work under emulation.
pub(super) const LOAD: Load = Load { workers: 2, pause: Duration::from_millis(200) };

/// The sentence that the admin declares, in the languages of the terminal.
pub(super) const DECLARATION: &str = "This machine neither stores nor processes state secrets";
const DECLARATION_ZH: &str = "本机不存储、不处理国家秘密";

/// What a machine joins with.
#[derive(Clone, Debug)]
pub struct Invitation {
    pub(crate) server: String,
    pub(crate) token: String,
    pub(crate) ca_hash: String,
}

impl Invitation {
    /// As the Secret of an enrolment has it.
    pub(crate) fn from_secret(secret: &Value) -> Result<Self> {
        let field = |name: &str| -> Result<String> {
            let text = secret["data"][name].as_str().with_context(|| format!("the secret has no {name}"))?;
            decode_base64(text)
        };
        Ok(Self { server: field("server")?, token: field("token")?, ca_hash: field("caHash")? })
    }

    /// What follows `enroll`, where no shell reads it.
    pub(crate) fn words(&self) -> [&str; 12] {
        let Self { server, token, ca_hash } = self;
        let [statement, name, phone] = [DECLARATION, "Zhou Ming", "13800000000"];
        [
            "--server",
            server,
            "--token",
            token,
            "--ca-hash",
            ca_hash,
            "--statement",
            statement,
            "--name",
            name,
            "--phone",
            phone,
        ]
    }

    /// The line that the admin types; the declaration is asked for.
    fn command(&self, language: &str) -> String {
        let Self { server, token, ca_hash } = self;
        format!("qianyun-agent --lang {language} enroll --server {server} --token {token} --ca-hash {ca_hash}")
    }

    /// The line that the admin types, with what they declare.
    pub(crate) fn line(&self, statement: &str) -> String {
        format!("{} --statement '{statement}' --name 'Zhou Ming' --phone 13800000000", self.command("en"))
    }
}

/// The hook lies beside the admin's file, whose last section lists it.
const ALLOW_CHECKPOINT: [&str; 3] = [
    r"printf '#!/bin/sh\nexec runuser -u postgres -- psql -qc CHECKPOINT\n' > /etc/qianyun/checkpoint",
    "chmod 755 /etc/qianyun/checkpoint",
    r#"printf 'checkpoint = "/etc/qianyun/checkpoint"\n' >> /etc/qianyun/agent.toml"#,
];

impl Stage {
    /// Power on, database up, users at work.
    pub(crate) fn boot_office_server(&mut self) -> Result<()> {
        self.teller.tell(
            "booting the office server: SATA disk, Intel NIC, GRUB, systemd, PostgreSQL",
            "启动单位服务器:SATA 硬盘、英特尔网卡、GRUB、systemd、PostgreSQL",
        );
        self.server.power_on()?;
        self.server.wait_until_serving()?;
        self.witness = Some(Witness::begin(&self.site, &self.folder.join("witness"), LOAD)?);
        self.teller.tell(
            "its users are at work: a witness notes every acknowledged commit",
            "用户正在使用:见证程序记录每一次已确认的提交",
        );
        Ok(())
    }

    /// The admin installs the package, and allows a hook that has the database write out what it holds before it is stopped.
    pub(crate) fn install_agent(&mut self) -> Result<()> {
        let package = self.shelf.put("qianyun-agent.deb", &deb()?)?;
        let mut console = self.server.console()?;
        console.must(&format!("curl -sSfo /root/qianyun-agent.deb {package}"), AT_THE_CONSOLE)?;
        console.must("dpkg -i /root/qianyun-agent.deb", AT_THE_CONSOLE)?;
        for line in ALLOW_CHECKPOINT {
            console.must(line, AT_THE_CONSOLE)?;
        }
        self.teller.tell(
            "admin at the server: installed the package and allowed a hook",
            "部门管理员:已安装软件包,并允许一个钩子",
        );
        Ok(())
    }

    /// The admin enrols, and types the declaration and who they are.
    pub(crate) fn enroll_server(&mut self) -> Result<()> {
        let line = self.invitation(papers::SYSTEM_NAME)?.command(self.teller.words("en", "zh"));
        let answers = [
            ("> ", self.teller.words(DECLARATION, DECLARATION_ZH)),
            (self.teller.words("Name: ", "姓名: "), self.teller.words("Zhou Ming", "周明")),
            (self.teller.words("Telephone: ", "电话: "), "13800000000"),
        ];
        let mut console = self.server.console()?;
        // The marks are joined by the shell, which has not answered before the program has.
        console.type_line(&format!("{line}; echo enrol'led': $?"))?;
        for (question, answer) in answers {
            let asked = console.expect(question, AT_THE_CONSOLE)?;
            self.teller.show(&format!("{asked}{question}{answer}"));
            console.type_line(answer)?;
        }
        self.teller.show(&console.expect("enrolled: ", AT_THE_CONSOLE)?);
        let status = console.expect("\n", AT_THE_CONSOLE)?;
        ensure!(status == "0", "the enrolment ended with {status}");
        let began = Instant::now();
        self.host = self.await_inventory()?;
        self.listed_after = Some(began.elapsed());
        self.teller.tell("the machine, its inventory and its checks are in the table", "机器、清单与检查结果已入表");
        self.show_tables("ph")
    }

    /// What the operator hands to the admin, from the secret of an enrolment.
    pub(crate) fn invitation(&mut self, enrolment: &str) -> Result<Invitation> {
        let name = format!("{enrolment}-enrollment");
        let secret = wait::until("the enrolment's secret", Duration::from_secs(60), || {
            self.assert_controller_runs()?;
            Ok(match self.cluster.get(self.cluster.admin(), &["secret", &name, "-n", CIVIL]) {
                Ok(secret) => Look::Holds(secret),
                Err(error) => Look::NotYet(format!("{error:#}")),
            })
        })?;
        Invitation::from_secret(&secret)
    }

    fn await_inventory(&mut self) -> Result<String> {
        wait::until("the server is in the table with inventory and checks", SEEN_WITHIN, || {
            self.assert_controller_runs()?;
            let hosts = self.cluster.get(&self.city.operator, &["physicalhosts", "-n", CIVIL])?;
            let host = &hosts["items"][0];
            let known = host["status"]["inventory"].is_object() && host["status"]["checks"].is_array();
            Ok(if known {
                Look::Holds(host["metadata"]["name"].as_str().unwrap_or_default().to_owned())
            } else {
                Look::NotYet(format!("status: {}", host["status"]))
            })
        })
    }

    /// Before both offices approved, the server is as it was.
    pub(crate) fn assert_nothing_touched(&mut self) -> Result<()> {
        let journeys = self.cluster.get(&self.city.operator, &["hostmigrations", "-n", CIVIL])?;
        let none = journeys["items"].as_array().is_some_and(Vec::is_empty);
        ensure!(none, "a host's journey began before the approval: {journeys}");
        let mut console = self.server.console()?;
        let boot = console.must("ls /boot /etc/grub.d /etc/default/grub.d", AT_THE_CONSOLE)?;
        ensure!(!boot.contains("qianyun"), "the boot files were touched before the approval:\n{boot}");
        let units = console.must("systemctl is-active postgresql@15-main registry-app", AT_THE_CONSOLE)?;
        ensure!(units.lines().all(|state| state == "active"), "services were touched before the approval: {units}");
        self.teller.tell("nothing on the server has been touched so far", "至此服务器未被触动");
        Ok(())
    }

    /// Boot preparation, copy, in sync.
    pub(crate) fn follow_copy(&mut self) -> Result<()> {
        self.teller.tell("preparing the boot, copying the disk while the writers write", "准备引导,边写边复制");
        let mut said = String::new();
        wait::until("the copy is in sync", COPIED_WITHIN, || {
            self.assert_controller_runs()?;
            ensure!(self.server.is_on()?, "the office server switched itself off during the copy");
            let status = self.journey_status()?;
            let now = progress(&self.teller, &status, &self.message(&status));
            if now != said {
                self.teller.show(&now);
                said.clone_from(&now);
            }
            let decided = status["cutover"]["decision"].is_object();
            Ok(if status["replication"] == "InSync" || decided { Look::Holds(()) } else { Look::NotYet(now) })
        })?;
        self.teller.tell("in sync", "已同步");
        self.show_tables("sysmig,hostmig")
    }

    /// Quiesce, freeze, final pass, verify, sign, commit, fence, launch, adapt, probe.
    pub(crate) fn follow_cutover(&mut self) -> Result<()> {
        self.teller.tell("the window is open: cutover", "割接窗口已开:割接");
        let mut said = String::new();
        wait::until("the system serves from the cloud", MOVED_WITHIN, || {
            self.assert_controller_runs()?;
            let status = self.journey_status()?;
            let now = cutover(&self.teller, &status, &self.message(&status));
            if now != said {
                self.teller.show(&now);
                said.clone_from(&now);
            }
            let phase = self.scheme()?["status"]["phase"].clone();
            Ok(if phase == "Provisional" { Look::Holds(()) } else { Look::NotYet(format!("{phase}: {now}")) })
        })?;
        self.teller.tell("the target serves at the same address", "目标机已在原地址提供服务");
        self.show_tables("sysmig,hostmig")
    }

    /// What the journey waits for, in the language of the story.
    fn message(&self, status: &Value) -> String {
        let waiting = &status["waiting"];
        let words = |name: &str| waiting[name].as_str().unwrap_or("-").to_owned();
        self.teller.words(&words("message"), &words("messageZh")).to_owned()
    }

    /// The one host's journey.
    pub(crate) fn journey_status(&self) -> Result<Value> {
        let journeys = self.cluster.get(&self.city.operator, &["hostmigrations", "-n", CIVIL])?;
        Ok(journeys["items"][0]["status"].clone())
    }
}

/// The agent's package, as `cargo xtask dist` made it.
fn deb() -> Result<std::path::PathBuf> {
    let dist = built("dist")?;
    let is_deb = |path: &std::path::PathBuf| path.extension().is_some_and(|extension| extension == "deb");
    let mut packages = std::fs::read_dir(&dist)?.filter_map(Result::ok).map(|entry| entry.path()).filter(is_deb);
    packages.next().context("the agent's package is not built: run cargo xtask dist")
}

/// Bytes of four kinds, two rates, lag, estimate.
fn progress(teller: &Teller, status: &Value, message: &str) -> String {
    let disk = &status["disks"][0];
    if disk.is_null() {
        let step = status["step"].as_str().unwrap_or("-");
        return teller.words(&format!("step {step}: {message}"), &format!("步骤 {step}:{message}")).to_owned();
    }
    let mib = |name: &str| disk[name].as_i64().unwrap_or_default() >> 20;
    let [read, skipped, zeros] = ["readBytes", "skippedBytes", "zeroBytes"].map(mib);
    let [sent, wire, left] = ["sentBytes", "wireBytes", "remainingBytes"].map(mib);
    let [sending, changing] = ["sendBytesPerSecond", "changeBytesPerSecond"].map(mib);
    let (phase, lag) = (disk["phase"].as_str().unwrap_or_default(), &disk["lagMs"]);
    let eta = status["eta"].as_str().unwrap_or("-");
    let en = format!(
        "{phase}: read {read} MiB, skipped {skipped} MiB, zeros {zeros} MiB, sent {sent} MiB ({wire} MiB on the wire); \
         left {left} MiB; sending {sending} MiB/s, changing {changing} MiB/s, lag {lag} ms, eta {eta}"
    );
    let zh = format!(
        "{phase}:读取 {read} MiB,跳过 {skipped} MiB,全零 {zeros} MiB,发送 {sent} MiB(网络 {wire} MiB);\
         剩余 {left} MiB;发送 {sending} MiB/s,变更 {changing} MiB/s,滞后 {lag} ms,预计 {eta}"
    );
    teller.words(&en, &zh).to_owned()
}

fn cutover(teller: &Teller, status: &Value, message: &str) -> String {
    let attempt = &status["cutover"];
    let step = status["step"].as_str().unwrap_or("-");
    let source = attempt["source"].as_str().unwrap_or("-");
    let decision = attempt["decision"]["kind"].as_str().unwrap_or("-");
    let target = status["target"]["state"].as_str().unwrap_or("-");
    let number = &attempt["attempt"];
    let en = format!("step {step}, attempt {number}: source {source}, decision {decision}, target {target}; {message}");
    let zh = format!("步骤 {step},第 {number} 次:源端 {source},决定 {decision},目标端 {target};{message}");
    teller.words(&en, &zh).to_owned()
}

/// A Secret's value (RFC 4648 section 4).
pub(crate) fn decode_base64(text: &str) -> Result<String> {
    const ALPHABET: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut bits = 0_u32;
    let mut held = 0;
    let mut bytes = Vec::new();
    for letter in text.bytes().filter(|&letter| letter != b'=') {
        let value = ALPHABET.iter().position(|&known| known == letter).context("a secret that is not base64")?;
        bits = (bits << 6) | u32::try_from(value)?;
        held += 6;
        if held >= 8 {
            held -= 8;
            bytes.push(u8::try_from((bits >> held) & 0xff)?);
        }
    }
    String::from_utf8(bytes).context("a secret that is not text")
}
