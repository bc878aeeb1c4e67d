//! The first process of a node's own process namespace. It covers the folders where the node's programs would leave things on the
//! machine, starts them one after the other, and takes in whom they leave orphaned. When its input ends, or one of them does, it
//! ends, and the kernel ends everything else in the namespace with it: no shim and no Pod can outlive the node.

use std::ffi::OsString;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::mpsc::{Sender, channel};
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use rustix::mount::{MountFlags, mount, mount_bind};
use rustix::process::{Pid, WaitOptions, wait};

use super::configuration::{self, Program, RUNTIME_SOCKET};
use crate::site::output;
use crate::wait::{self as level, Look};

/// First argument in the role of [`inside`].
pub const INSIDE: &str = "inside";
/// Where containerd, its shims, kubelet and the network plugins keep things that no setting puts elsewhere.
const COVERED: [&str; 4] = ["/run", "/var/lib", "/var/log", "/opt"];
/// containerd listens after a second on two idle cores.
const LISTENS_WITHIN: Duration = Duration::from_secs(60);

/// What the first process hears of.
enum News {
    /// Whoever started the node has ended, or wants it to end.
    InputEnded,
    /// A child has ended, with these words about it.
    Ended(Pid, String),
    /// There are no children.
    Alone,
}

/// Runs the node until it is to end. `arguments` are the node's folder, the folder of its tools, and the images that it has.
pub fn inside(mut arguments: impl Iterator<Item = OsString>) -> Result<()> {
    let folder: PathBuf = arguments.next().context("inside: expected the node's folder")?.into();
    let tools: PathBuf = arguments.next().context("inside: expected the folder of tools")?.into();
    ensure!(std::process::id() == 1, "inside: expected to be the first process of a namespace");
    cover(&[&folder, &tools])?;
    let [containerd, others @ ..] = configuration::programs(&folder);
    let mut running = vec![(start(&containerd, &folder, &tools)?, containerd.name)];
    level::until("containerd listens", LISTENS_WITHIN, || {
        Ok(if Path::new(RUNTIME_SOCKET).exists() { Look::Holds(()) } else { Look::NotYet("no socket".into()) })
    })?;
    for image in arguments {
        let mut ctr = Command::new(tools.join("ctr"));
        ctr.args(["--address", RUNTIME_SOCKET, "--namespace", "k8s.io", "images", "import"]).arg(image);
        println!("{}", output(&mut ctr)?.trim_end());
    }
    for program in others {
        running.push((start(&program, &folder, &tools)?, program.name));
    }
    let (told, news) = channel();
    let of_input = told.clone();
    std::thread::spawn(move || hear_input(&of_input));
    std::thread::spawn(move || take_in_orphans(&told));
    loop {
        match news.recv().context("nobody tells news any more")? {
            News::InputEnded => return Ok(()),
            News::Alone => bail!("every program of the node has ended"),
            News::Ended(pid, how) => {
                if let Some((_, name)) = running.iter().find(|(child, _)| *child == pid) {
                    bail!("{name} ended: {how}; see {}", folder.join(name).with_extension("log").display());
                }
            }
        }
    }
}

/// Covers what the machine has in these folders, but for `kept`, which may lie in one of them.
fn cover(kept: &[&Path]) -> Result<()> {
    let mut hidden = Vec::new();
    for path in kept {
        if COVERED.iter().any(|covered| path.starts_with(covered)) {
            hidden.push((*path, File::open(path).with_context(|| format!("{}: cannot be opened", path.display()))?));
        }
    }
    for place in COVERED {
        mount("tmpfs", place, "tmpfs", MountFlags::NOSUID | MountFlags::NODEV, c"mode=0755")
            .with_context(|| format!("{place}: cannot be covered"))?;
    }
    for (path, open) in hidden {
        std::fs::create_dir_all(path)?;
        let same = format!("/proc/self/fd/{}", std::os::fd::AsRawFd::as_raw_fd(&open));
        mount_bind(same, path).with_context(|| format!("{}: cannot be kept", path.display()))?;
    }
    Ok(())
}

fn start(program: &Program, folder: &Path, tools: &Path) -> Result<Pid> {
    let path = folder.join(program.name).with_extension("log");
    let log = File::create(&path).with_context(|| format!("{}: cannot be made", path.display()))?;
    let child = Command::new(tools.join(program.name))
        .args(&program.arguments)
        // The shim and runc lie beside containerd; nft and mount where they always are.
        .env("PATH", format!("{}:/usr/sbin:/usr/bin:/sbin:/bin", tools.display()))
        .stdin(Stdio::null())
        .stdout(log.try_clone()?)
        .stderr(log)
        .spawn()
        .with_context(|| format!("{} cannot be started", program.name))?;
    Ok(Pid::from_child(&child))
}

fn hear_input(news: &Sender<News>) {
    // An error is an end as well.
    let _ = std::io::copy(&mut std::io::stdin(), &mut std::io::sink());
    let _gone = news.send(News::InputEnded);
}

/// The first process is the parent of all whose own has ended, and has to see their end.
fn take_in_orphans(news: &Sender<News>) {
    loop {
        let heard = match wait(WaitOptions::empty()) {
            Ok(Some((pid, status))) => News::Ended(pid, format!("{status:?}")),
            Ok(None) | Err(rustix::io::Errno::INTR) => continue,
            Err(_) => News::Alone,
        };
        let last = matches!(heard, News::Alone);
        if news.send(heard).is_err() || last {
            return;
        }
    }
}
