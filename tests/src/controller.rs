//! The controller as a process, started as its Pod would be: with exactly the arguments of the installed Deployment, as
//! exactly the chart's ServiceAccount, with the token and the environment that kubelet would give it. It knows no flag of the
//! controller by itself.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use anyhow::{Context, Result, ensure};
use rustix::process::Pid;
use serde_json::Value;

use crate::cluster::{Cluster, SYSTEM, built};
use crate::site::Site;

/// Where kubelet mounts a Pod's token.
const TOKEN_MOUNT: &str = "/run/secrets/kubernetes.io/serviceaccount";
/// A token outlives every run; kubelet would renew it.
const TOKEN_FOR: &str = "24h";

/// The controller as the API server knows it, by the chart's names.
pub(crate) const ACCOUNT: &str = "system:serviceaccount:qianyun-system:qianyun-controller";

/// The controller. Dropping it ends the process, but neither receivers nor machines.
pub struct Controller {
    command: Vec<std::ffi::OsString>,
    folder: PathBuf,
    port: u16,
    running: Option<Child>,
}

impl Controller {
    /// Reads the Deployment and the token; does not start yet.
    ///
    /// `entry` is a program that runs [`as_pod`] when its first argument is [`AS_POD`].
    pub fn prepare(site: &Site, cluster: &Cluster, folder: &Path, entry: &Path) -> Result<Self> {
        let deployment = cluster.get(cluster.admin(), &["deployment", "qianyun-controller", "-n", SYSTEM])?;
        let pod = &deployment["spec"]["template"]["spec"];
        let arguments = pod["containers"][0]["args"].as_array().context("the Deployment has no arguments")?;
        let account = pod["serviceAccountName"].as_str().context("the Deployment names no ServiceAccount")?;
        let token = token(cluster, account)?;
        let secrets = folder.join("serviceaccount");
        std::fs::create_dir_all(&secrets).with_context(|| format!("{}: cannot be made", secrets.display()))?;
        std::fs::write(secrets.join("token"), token.trim())?;
        std::fs::write(secrets.join("namespace"), SYSTEM)?;
        std::fs::copy(cluster.authority(), secrets.join("ca.crt")).context("the cluster's authority")?;
        std::fs::create_dir_all(TOKEN_MOUNT).with_context(|| format!("{TOKEN_MOUNT}: cannot be made"))?;
        // A mount namespace of its own, so that the token lies where a Pod has it and nobody else sees it there.
        let mut command: Vec<std::ffi::OsString> = vec!["unshare".into(), "--mount".into(), "--".into()];
        command.extend([entry.as_os_str().to_owned(), AS_POD.into(), secrets.into_os_string()]);
        command.push(built("dist/qianyun-controller")?.into_os_string());
        command.extend(arguments.iter().filter_map(Value::as_str).map(Into::into));
        let mut net = std::ffi::OsString::from("--net=");
        net.push(site.path());
        command.splice(0..0, ["nsenter".into(), net, "--".into()]);
        Ok(Self { command, folder: folder.to_owned(), port: cluster.port(), running: None })
    }

    /// Starts it, or starts it again.
    pub fn begin(&mut self) -> Result<()> {
        ensure!(self.running.is_none(), "the controller is already running");
        let log = File::options().create(true).append(true).open(self.log())?;
        let child = Command::new(&self.command[0])
            .args(&self.command[1..])
            .env("KUBERNETES_SERVICE_HOST", "127.0.0.1")
            .env("KUBERNETES_SERVICE_PORT", self.port.to_string())
            .env("POD_NAME", "qianyun-controller-0")
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log)
            .spawn()
            .context("the controller cannot be started")?;
        self.running = Some(child);
        Ok(())
    }

    /// What it logs.
    pub fn log(&self) -> PathBuf {
        self.folder.join("controller.log")
    }

    /// Whether it still runs.
    pub fn is_running(&mut self) -> Result<bool> {
        Ok(match &mut self.running {
            Some(child) => child.try_wait()?.is_none(),
            None => false,
        })
    }

    /// The program's process.
    pub(crate) fn process(&self) -> Option<Pid> {
        self.running.as_ref().map(Pid::from_child)
    }

    /// Starts it again if it has ended, as kubelet does.
    pub(crate) fn keep_alive(&mut self) -> Result<()> {
        if !self.is_running()? {
            self.running = None;
            self.begin()?;
        }
        Ok(())
    }

    /// Kills it as a power cut would.
    pub fn kill(&mut self) -> Result<()> {
        if let Some(mut child) = self.running.take() {
            child.kill().context("the controller cannot be killed")?;
            child.wait()?;
        }
        Ok(())
    }
}

impl Drop for Controller {
    fn drop(&mut self) {
        if let Err(error) = self.kill() {
            eprintln!("controller: {error:#}");
        }
    }
}

/// The rights of one of the chart's accounts as a kubeconfig, for what only it may write.
pub(crate) fn kubeconfig(cluster: &Cluster, account: &str) -> Result<PathBuf> {
    let token = token(cluster, account)?;
    let authority = cluster.authority();
    let server = format!("https://127.0.0.1:{}", cluster.port());
    let config = serde_json::json!({
        "apiVersion": "v1", "kind": "Config", "current-context": "c",
        "clusters": [{"name": "c", "cluster": {"server": server, "certificate-authority": authority}}],
        "users": [{"name": "c", "user": {"token": token.trim()}}],
        "contexts": [{"name": "c", "context": {"cluster": "c", "user": "c"}}],
    });
    let file = authority.with_file_name(format!("{account}.kubeconfig"));
    std::fs::write(&file, config.to_string()).with_context(|| format!("{}: cannot be written", file.display()))?;
    Ok(file)
}

fn token(cluster: &Cluster, account: &str) -> Result<String> {
    cluster.ask(cluster.admin(), &["create", "token", account, "-n", SYSTEM, "--duration", TOKEN_FOR])
}

/// First argument in the role of [`as_pod`].
pub const AS_POD: &str = "as-pod";

/// In a mount namespace of its own: puts the token where a Pod has it, then becomes the program. `arguments` are the folder
/// with the token, the program, and its arguments. Returns only if that fails.
pub fn as_pod(mut arguments: impl Iterator<Item = std::ffi::OsString>) -> Result<()> {
    use std::os::unix::process::CommandExt;
    let secrets = arguments.next().context("as-pod: expected a folder, found nothing")?;
    let program = arguments.next().context("as-pod: expected a program, found nothing")?;
    rustix::mount::mount_bind(Path::new(&secrets), TOKEN_MOUNT).context("the token cannot be mounted")?;
    Err(Command::new(program).args(arguments).exec()).context("the controller cannot be run")
}
