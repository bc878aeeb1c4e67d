//! A real control plane at a site, with the people who use it: each with a client certificate of their own and no right that
//! the chart's roles or a binding did not give them. It never acts as `system:masters`, and it can be killed and started
//! again on what it had stored.

use std::ffi::OsStr;
use std::fs::File;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use anyhow::{Context, Result, bail, ensure};
use rustix::process::Pid;
use serde_json::{Value, json};

use crate::site::{SITE_ADDRESS, Site};

/// Namespace of the release.
pub const SYSTEM: &str = "qianyun-system";
/// Name of the one cluster that the program holds.
const NAME: &str = "site";

/// A control plane at a site. It ends with this process: the program ends when its input does.
pub struct Cluster {
    tools: PathBuf,
    folder: PathBuf,
    namespace: PathBuf,
    port: u16,
    for_node: bool,
    audited: bool,
    authority: PathBuf,
    admin: User,
    program: Option<Program>,
}

/// Someone with a kubeconfig.
#[derive(Clone, Debug)]
pub struct User {
    /// As Kubernetes knows the person.
    pub name: String,
    /// The person's certificate and the way to the API server.
    pub kubeconfig: PathBuf,
}

struct Program {
    child: Child,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
}

/// The repository's own built tools and what a site installs.
pub fn built(path: &str) -> Result<PathBuf> {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../target").join(path);
    ensure!(file.exists(), "{path} is not built: run cargo xtask setup and cargo xtask dist");
    file.canonicalize().with_context(|| format!("{}: cannot be found", file.display()))
}

impl Cluster {
    /// Starts it inside `site`, with its data in `folder`.
    pub fn start(site: &Site, folder: &Path) -> Result<Self> {
        Self::prepare(site, folder, 0, false)?.begun()
    }

    /// Starts it inside `site` so that a node can join: at the site's address, and with the controllers that make Pods.
    pub fn start_for_node(site: &Site, folder: &Path) -> Result<Self> {
        Self::prepare(site, folder, 0, true)?.begun()
    }

    /// Starts it inside `site` at a port, 0 for any; on what `folder` has from before, if it has anything. It keeps an audit
    /// log of who asked for what.
    pub(crate) fn start_audited(site: &Site, folder: &Path, port: u16) -> Result<Self> {
        let mut cluster = Self::prepare(site, folder, port, false)?;
        cluster.audited = true;
        cluster.begun()
    }

    fn prepare(site: &Site, folder: &Path, port: u16, for_node: bool) -> Result<Self> {
        std::fs::create_dir_all(folder).with_context(|| format!("{}: cannot be made", folder.display()))?;
        let tools = built("tools/controlplane")?.parent().context("a tool lies in a folder")?.to_owned();
        Ok(Self {
            tools,
            folder: folder.to_owned(),
            namespace: site.path(),
            port,
            for_node,
            audited: false,
            authority: PathBuf::new(),
            admin: User { name: "qianyun:admin".into(), kubeconfig: PathBuf::new() },
            program: None,
        })
    }

    fn begun(mut self) -> Result<Self> {
        self.begin()?;
        Ok(self)
    }

    /// Who installs the chart; nobody of the story.
    pub fn admin(&self) -> &User {
        &self.admin
    }

    /// Port of the API server on the site's loopback.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Certificate of the cluster's authority.
    pub fn authority(&self) -> &Path {
        &self.authority
    }

    /// What the API server answered to everything that `user` asked, one event each, if it is [audited](Self::start_audited).
    pub(crate) fn asked_by(&self, user: &str) -> Result<Vec<Value>> {
        let file = self.folder.join("cluster/audit.log");
        let log = std::fs::read_to_string(&file).with_context(|| format!("{}: cannot be read", file.display()))?;
        // The last line may just be written.
        let (whole, _) = log.rsplit_once('\n').unwrap_or_default();
        let events = whole.lines().map(serde_json::from_str::<Value>).collect::<Result<Vec<_>, _>>()?;
        Ok(events.into_iter().filter(|event| event["user"]["username"] == user).collect())
    }

    /// The program's process.
    pub(crate) fn process(&self) -> Option<Pid> {
        self.program.as_ref().map(|program| Pid::from_child(&program.child))
    }

    /// Kills the API server, etcd and the controller manager as a power cut would.
    pub fn kill(&mut self) -> Result<()> {
        if let Some(mut program) = self.program.take() {
            program.child.kill().context("the control plane cannot be killed")?;
            program.child.wait()?;
        }
        Ok(())
    }

    /// Starts it, or starts it again on what it had stored, at the same port.
    pub fn begin(&mut self) -> Result<()> {
        let mut program = self.spawn()?;
        let mut request = json!({"op": "start", "name": NAME, "dir": self.folder.join("cluster"), "port": self.port});
        if self.audited {
            request["audit"] = json!(true);
        }
        if self.for_node {
            request["node"] = json!(true);
            request["bind"] = json!(SITE_ADDRESS);
        }
        let started = program.ask(&request)?;
        self.port = started["port"].as_u64().and_then(|port| port.try_into().ok()).context("an answer without port")?;
        self.authority = started["ca"].as_str().context("an answer without ca")?.into();
        self.admin.kubeconfig = started["kubeconfig"].as_str().context("an answer without kubeconfig")?.into();
        self.program = Some(program);
        Ok(())
    }

    /// A certificate for `name`, who has no rights by that.
    pub fn user(&mut self, name: &str, groups: &[&str]) -> Result<User> {
        let program = self.program.as_mut().context("the control plane is not running")?;
        let answer = program.ask(&json!({"op": "kubeconfig", "name": NAME, "user": name, "groups": groups}))?;
        let kubeconfig = answer["kubeconfig"].as_str().context("an answer without kubeconfig")?.into();
        Ok(User { name: name.to_owned(), kubeconfig })
    }

    /// kubectl as `user`, not yet run.
    pub fn kubectl(&self, user: &User) -> Command {
        let mut command = self.inside(self.tools.join("kubectl"));
        command.arg("--kubeconfig").arg(&user.kubeconfig).arg("--cache-dir").arg(self.folder.join("cache"));
        command
    }

    /// A script at `path` that is kubectl as `user`, for a person outside the site.
    pub(crate) fn kubectl_script(&self, user: &User, path: &Path) -> Result<PathBuf> {
        let real = self.kubectl(user);
        let words: Vec<String> = std::iter::once(real.get_program())
            .chain(real.get_args())
            .map(|word| format!("'{}'", word.to_string_lossy()))
            .collect();
        std::fs::write(path, format!("#!/bin/sh\nexec {} \"$@\"\n", words.join(" ")))?;
        std::fs::set_permissions(path, std::os::unix::fs::PermissionsExt::from_mode(0o755))?;
        Ok(path.to_owned())
    }

    /// Runs kubectl as `user` with `object` on its input; what it wrote, or what it said against it.
    pub fn feed(&self, user: &User, arguments: &[&str], object: &Value) -> Result<String> {
        let mut child = self
            .kubectl(user)
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .context("running kubectl")?;
        // Dropped at the end of the statement, so that kubectl sees the end of its input.
        child.stdin.take().context("kubectl has no input")?.write_all(object.to_string().as_bytes())?;
        let done = child.wait_with_output().context("waiting for kubectl")?;
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).trim_end().to_owned();
        ensure!(done.status.success(), "{}: kubectl {}: {}", user.name, arguments.join(" "), text(&done.stderr));
        Ok(text(&done.stdout))
    }

    /// Applies `object` as `user`.
    pub fn apply(&self, user: &User, object: &Value) -> Result<()> {
        self.feed(user, &["apply", "-f", "-"], object).map(drop)
    }

    /// What kubectl writes for these arguments.
    pub fn ask(&self, user: &User, arguments: &[&str]) -> Result<String> {
        crate::site::output(self.kubectl(user).args(arguments))
    }

    /// An object as JSON.
    pub fn get(&self, user: &User, arguments: &[&str]) -> Result<Value> {
        let text = self.ask(user, &[&["get", "-o", "json"], arguments].concat())?;
        serde_json::from_str(&text).context("kubectl printed something else than json")
    }

    /// helm as the person who installs the chart, not yet run.
    pub fn helm(&self) -> Command {
        let mut command = self.inside(self.tools.join("helm"));
        command.env("HELM_CACHE_HOME", self.folder.join("helm")).arg("--kubeconfig").arg(&self.admin.kubeconfig);
        command
    }

    fn inside(&self, program: impl AsRef<OsStr>) -> Command {
        crate::site::inside(&self.namespace, program)
    }

    fn spawn(&self) -> Result<Program> {
        let log = File::options().create(true).append(true).open(self.folder.join("controlplane.log"))?;
        let mut child = self
            .inside(self.tools.join("controlplane"))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(log)
            .spawn()
            .context("running the control plane")?;
        let input = child.stdin.take().context("the control plane has no input")?;
        let output = BufReader::new(child.stdout.take().context("the control plane has no output")?);
        Ok(Program { child, input, output })
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        if let Err(error) = self.kill() {
            eprintln!("control plane: {error:#}");
        }
    }
}

impl Program {
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
