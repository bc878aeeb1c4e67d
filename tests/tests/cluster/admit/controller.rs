//! The real controller as a process on the control plane, under the chart's own account. It is started and killed at will, and
//! never has a machine to do anything to.

use super::{Cluster, SYSTEM};
use anyhow::{Context, Result};
use qianyun_tests::cluster::built;
use rustix::process::{Pid, Signal, kill_process};
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};

/// The process. Dropping it kills it, as a power cut would.
pub(crate) struct Running(Child);

impl Running {
    /// Starts it, with its state and its log in `folder`.
    pub(crate) fn start(cluster: &Cluster, folder: &Path) -> Result<Self> {
        Self::start_as("qianyun-controller-0", cluster, folder)
    }

    /// Starts it under the name of a Pod.
    pub(crate) fn start_as(pod: &str, cluster: &Cluster, folder: &Path) -> Result<Self> {
        let log = std::fs::File::options().create(true).append(true).open(folder.join("controller.log"))?;
        let child = Command::new(built("dist/qianyun-controller")?)
            .args(["--gateway-listen", "127.0.0.1:0", "--gateway-url", "https://127.0.0.1:8443", "--namespace", SYSTEM])
            .arg(format!("--gateway-user=system:serviceaccount:{SYSTEM}:qianyun-gateway"))
            .args(["--health-listen", "127.0.0.1:0", "--agent-binary", "/nowhere", "--identity", pod, "--state-dir"])
            .arg(folder.join("state"))
            .arg("--kubeconfig")
            .arg(cluster.controller()?.kubeconfig)
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log)
            .spawn()
            .context("the controller cannot be started")?;
        Ok(Self(child))
    }
}

impl Running {
    /// Stops it where it is, as a machine does that is frozen or swapped out.
    pub(crate) fn pause(&self) -> Result<()> {
        Ok(kill_process(Pid::from_child(&self.0), Signal::STOP)?)
    }

    /// Lets it go on as if no time had passed.
    pub(crate) fn wake(&self) -> Result<()> {
        Ok(kill_process(Pid::from_child(&self.0), Signal::CONT)?)
    }

    /// How it ended, once it has.
    pub(crate) fn ended(&mut self) -> Result<Option<ExitStatus>> {
        Ok(self.0.try_wait()?)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// What it has logged so far.
pub(crate) fn log(folder: &Path) -> String {
    std::fs::read_to_string(folder.join("controller.log")).unwrap_or_default()
}
