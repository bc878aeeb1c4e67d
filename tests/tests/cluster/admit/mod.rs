//! A real control plane with the chart on it, and the people who use it: each with a client certificate of their own and no
//! right that the chart's roles or a binding did not give them. It never acts as `system:masters`.

pub(crate) mod audit_log;
pub(crate) mod controller;
pub(crate) mod golden;
pub(crate) mod objects;
pub(crate) mod people;

use anyhow::{Context, Result, bail, ensure};
use audit_log::Place;
use objects::Asker;
use qianyun_tests::wait::{self, Look};
use serde_json::{Value, json};
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::Mutex;
use std::time::Duration;

/// Namespace of the release.
pub(crate) const SYSTEM: &str = "qianyun-system";
/// A busy machine of two cores takes some seconds for a policy to become active.
const ACTIVE_WITHIN: Duration = Duration::from_secs(60);

/// A control plane with the chart installed and active. It ends with this process: the program ends when its input does.
pub(crate) struct Cluster {
    tools: PathBuf,
    folder: PathBuf,
    pub(crate) admin: User,
    server: String,
    authority: String,
    program: Mutex<Program>,
}

struct Program {
    _child: Child,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
}

/// Someone with a kubeconfig.
#[derive(Clone, Debug)]
pub(crate) struct User {
    pub(crate) name: String,
    pub(crate) kubeconfig: PathBuf,
}

/// What kubectl said, and to whom.
#[derive(Debug)]
pub(crate) struct Said {
    pub(crate) ok: bool,
    pub(crate) out: String,
    pub(crate) err: String,
    by: String,
    /// Where the API server's audit log goes on with it.
    log: Place,
}

impl Said {
    /// The output as JSON, of a call that must succeed.
    pub(crate) fn json(self) -> Result<Value> {
        ensure!(self.ok, "kubectl failed: {}", self.err);
        serde_json::from_str(&self.out).context("kubectl printed something else than json")
    }

    pub(crate) fn done(self) -> Result<()> {
        ensure!(self.ok, "kubectl failed: {}", self.err);
        Ok(())
    }
}

impl Cluster {
    /// Starts one for the test program `name`, installs the chart and waits until every policy judges.
    pub(crate) fn start(name: &str) -> Result<Self> {
        let tools = Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/tools");
        for tool in ["controlplane", "kubectl", "helm"] {
            ensure!(tools.join(tool).exists(), "{tool} is not built: run cargo xtask setup");
        }
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("admit-{name}"));
        let _ = std::fs::remove_dir_all(&folder);
        std::fs::create_dir_all(&folder).with_context(|| format!("making {}", folder.display()))?;
        let mut program = Program::spawn(&tools, &folder)?;
        let started =
            program.ask(&json!({"op": "start", "name": name, "dir": folder.join("cluster"), "audit": true}))?;
        let text = |key: &str| started[key].as_str().unwrap_or_default().to_owned();
        let cluster = Self {
            admin: User { name: "qianyun:admin".into(), kubeconfig: text("kubeconfig").into() },
            server: text("server"),
            authority: text("ca"),
            program: Mutex::new(program),
            tools,
            folder,
        };
        cluster.install_chart()?;
        people::bind(&cluster)?;
        cluster.wait_until_policies_judge()?;
        Ok(cluster)
    }

    fn install_chart(&self) -> Result<()> {
        let chart = Path::new(env!("CARGO_MANIFEST_DIR")).join("../charts/qianyun");
        let said = Command::new(self.tools.join("helm"))
            .args(["install", "qianyun", "--namespace", SYSTEM, "--create-namespace", "--kubeconfig"])
            .arg(&self.admin.kubeconfig)
            .arg(chart)
            .env("HELM_CACHE_HOME", self.folder.join("helm"))
            .output()
            .context("running helm")?;
        ensure!(said.status.success(), "helm failed: {}", String::from_utf8_lossy(&said.stderr));
        Ok(())
    }

    /// A certificate for `name`, who has no rights by that.
    pub(crate) fn user(&self, name: &str, groups: &[&str]) -> Result<User> {
        let mut program = self.program.lock().expect("no test panics while it asks");
        let cluster = self.folder.file_name().and_then(|n| n.to_str()).unwrap_or_default();
        let cluster = cluster.trim_start_matches("admit-");
        let answer = program.ask(&json!({"op": "kubeconfig", "name": cluster, "user": name, "groups": groups}))?;
        let kubeconfig = answer["kubeconfig"].as_str().context("an answer without kubeconfig")?.into();
        Ok(User { name: name.to_owned(), kubeconfig })
    }

    /// The controller's own identity: a token of the chart's ServiceAccount.
    pub(crate) fn controller(&self) -> Result<User> {
        self.service_account(SYSTEM, "qianyun-controller")
    }

    /// The account that the controller's gateway acts as.
    pub(crate) fn gateway(&self) -> Result<User> {
        self.service_account(SYSTEM, "qianyun-gateway")
    }

    /// A ServiceAccount, by a token.
    pub(crate) fn service_account(&self, namespace: &str, account: &str) -> Result<User> {
        let said = self.kubectl(&self.admin, &["create", "token", account, "--namespace", namespace], None)?;
        ensure!(said.ok, "no token for {account}: {}", said.err);
        let config = json!({
            "apiVersion": "v1", "kind": "Config", "current-context": "c",
            "clusters": [{"name": "c", "cluster": {"server": self.server, "certificate-authority": self.authority}}],
            "users": [{"name": "c", "user": {"token": said.out.trim()}}],
            "contexts": [{"name": "c", "context": {"cluster": "c", "user": "c"}}],
        });
        let kubeconfig = self.folder.join(format!("{namespace}-{account}.kubeconfig"));
        // Other tests act as the same account at this moment, and kubectl takes an empty file for one without a server.
        let mut whole = tempfile::NamedTempFile::new_in(&self.folder)?;
        whole.write_all(config.to_string().as_bytes())?;
        whole.persist(&kubeconfig).with_context(|| format!("writing the kubeconfig of {account}"))?;
        Ok(User { name: format!("system:serviceaccount:{namespace}:{account}"), kubeconfig })
    }

    /// Runs kubectl as `user`, with `input` on its standard input.
    pub(crate) fn kubectl(&self, user: &User, arguments: &[&str], input: Option<&Value>) -> Result<Said> {
        let log = Place::end_of(&self.folder.join("cluster/audit.log"));
        let mut child = Command::new(self.tools.join("kubectl"))
            .arg("--kubeconfig")
            .arg(&user.kubeconfig)
            .args(["--cache-dir"])
            .arg(self.folder.join("cache"))
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .context("running kubectl")?;
        let mut stdin = child.stdin.take().context("kubectl has no input")?;
        if let Some(input) = input {
            stdin.write_all(input.to_string().as_bytes()).context("writing to kubectl")?;
        }
        drop(stdin);
        let output = child.wait_with_output().context("waiting for kubectl")?;
        let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
        let (ok, by) = (output.status.success(), user.name.clone());
        Ok(Said { ok, out: text(output.stdout), err: text(output.stderr), by, log })
    }

    /// The operator describes the city and plans, the department declares its system, and the operator writes the scheme; its UID.
    pub(crate) fn write_scheme(&self) -> Result<String> {
        let li = people::person(self, "li")?;
        for object in [
            objects::policy("suining-2018"),
            objects::platform("suining"),
            objects::department("civil-affairs"),
            objects::plan("plan-2026-1", "li"),
        ] {
            self.create(&li, &object)?.done()?;
        }
        self.create(&people::person(self, "chen")?, &objects::system("civil-registry", "chen"))?.done()?;
        let scheme = self.create(&li, &objects::scheme("civil-registry", "li"))?.json()?;
        scheme["metadata"]["uid"].as_str().map(str::to_owned).context("a scheme without uid")
    }

    /// Creates `object` as `user`.
    pub(crate) fn create(&self, user: &User, object: &Value) -> Result<Said> {
        self.kubectl(user, &["create", "-f", "-", "-o", "json"], Some(object))
    }

    /// Merges `change` into the object called `kind/name`; `status` goes to the status.
    pub(crate) fn patch(
        &self,
        user: &User,
        namespace: &str,
        object: &str,
        change: &Value,
        status: bool,
    ) -> Result<Said> {
        let text = change.to_string();
        let mut arguments = vec!["patch", object, "--namespace", namespace, "--type=merge", "-o", "json", "-p", &text];
        if status {
            arguments.push("--subresource=status");
        }
        self.kubectl(user, &arguments, None)
    }

    /// Policies become active some time after they are written; a test before that would prove nothing. Each is asked with
    /// something that only it refuses, as someone whom RBAC lets do it, without storing anything.
    fn wait_until_policies_judge(&self) -> Result<()> {
        for (policy, asker, object) in objects::markers() {
            let arguments = ["create", "--dry-run=server", "-f", "-"];
            let asker = match asker {
                Asker::Administrator => self.admin.clone(),
                Asker::Department => people::person(self, "chen")?,
                Asker::Controller => self.controller()?,
            };
            wait::until(&format!("policy {policy} judges"), ACTIVE_WITHIN, || {
                let said = self.kubectl(&asker, &arguments, Some(&object))?;
                let judged = said.err.contains(&format!("ValidatingAdmissionPolicy '{policy}'"));
                Ok(if judged { Look::Holds(()) } else { Look::NotYet(format!("{said:?}")) })
            })?;
        }
        Ok(())
    }
}

impl Program {
    fn spawn(tools: &Path, folder: &Path) -> Result<Self> {
        let log = std::fs::File::create(folder.join("controlplane.log")).context("making the log")?;
        let mut child = Command::new(tools.join("controlplane"))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(log)
            .spawn()
            .context("running the control plane")?;
        let input = child.stdin.take().context("the control plane has no input")?;
        let output = BufReader::new(child.stdout.take().context("the control plane has no output")?);
        Ok(Self { _child: child, input, output })
    }

    fn ask(&mut self, request: &Value) -> Result<Value> {
        writeln!(self.input, "{request}").context("asking the control plane")?;
        let mut line = String::new();
        self.output.read_line(&mut line).context("hearing the control plane")?;
        let answer: Value = serde_json::from_str(&line).with_context(|| format!("the control plane said {line:?}"))?;
        if answer["ok"] != true {
            bail!("control plane: {}", answer["error"]);
        }
        Ok(answer)
    }
}
