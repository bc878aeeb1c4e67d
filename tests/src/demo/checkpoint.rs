//! A run at rest, kept so that it can be brought back as often as wanted: the server's memory and disk, the control plane's
//! objects, the receiver's volume and ledger, the witness's journals, all of one instant. What is brought back goes on as if
//! the network had been away for a while. It changes nothing of the run that it was taken from, which goes on too.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result};
use rustix::process::{Pid, Signal, kill_process};

use super::city::City;
use super::place::Place;
use super::server::{AT_THE_CONSOLE, LOAD};
use super::stage::Stage;
use super::tell::{Language, Teller};
use crate::cluster::Cluster;
use crate::controller::Controller;
use crate::file_shelf::FileShelf;
use crate::machine::OfficeServer;
use crate::site::{Site, run};
use crate::wait::{self, Look};
use crate::witness::Witness;

/// From the return of the machine to a copy that is in sync again: connections are opened anew, changes sent.
const IN_SYNC_WITHIN: Duration = Duration::from_secs(180);

/// See the module's description. Dropping it removes its files.
pub struct Checkpoint {
    /// The copy.
    kept: PathBuf,
    /// Where everything lay, and must lie again: paths are in the objects of the control plane.
    place: Place,
    port: u16,
    host: String,
    /// Of the leadership under which it was taken.
    epoch: i64,
}

impl Checkpoint {
    /// Takes one beside the run's own folder.
    pub(crate) fn take(stage: &mut Stage) -> Result<Self> {
        let place = Place { folder: stage.folder.clone(), entry: stage.entry.clone() };
        let kept = place.folder.with_extension("kept");
        // What an earlier run left when it was killed.
        let _ = std::fs::remove_dir_all(&kept);
        let epoch = stage.journey_status()?["epoch"].as_i64().unwrap_or_default();
        // Between two commits, so that the journals say exactly what the server has.
        stage.witness.take().context("no witness")?.stop()?;
        let processes = stage.processes();
        // The server first: what others know of it is then never older than what it knows of them.
        let all = stage.folder.clone();
        let copied = stage.server.keep(&all.join("memory"), || {
            signal(&processes, Signal::STOP)?;
            let copied = copy(&all, &kept);
            signal(&processes, Signal::CONT)?;
            copied
        });
        stage.witness = Some(Witness::begin(&stage.site, &stage.folder.join("witness"), LOAD)?);
        copied?;
        Ok(Self { kept, place, port: stage.cluster.port(), host: stage.host.clone(), epoch })
    }

    /// Brings the run back, in sync. No run in the same place may be standing.
    pub fn restore(&self, language: Language) -> Result<Stage> {
        let Place { folder, entry } = self.place.clone();
        std::fs::remove_dir_all(&folder).with_context(|| format!("{}: cannot be emptied", folder.display()))?;
        copy(&self.kept, &folder)?;
        let site = Site::create()?;
        let mut cluster = Cluster::start_audited(&site, &folder.join("cluster"), self.port)?;
        let city = City::enter(&mut cluster)?;
        let mut controller = Controller::prepare(&site, &cluster, &folder, &entry)?;
        controller.begin()?;
        let mut server = OfficeServer::stand(&site, &folder.join("office"))?;
        server.go_on_from(&folder.join("memory"))?;
        let witness = Witness::begin(&site, &folder.join("witness"), LOAD)?;
        let shelf = FileShelf::open(&site)?;
        let mut stage = Stage {
            teller: Teller::new(language),
            witness: Some(witness),
            seen: None,
            server,
            controller,
            city,
            cluster,
            shelf,
            folder,
            host: self.host.clone(),
            listed_after: None,
            verified: None,
            site,
            entry,
        };
        stage.set_clock()?;
        stage.await_in_sync(self.epoch)?;
        Ok(stage)
    }
}

impl Drop for Checkpoint {
    fn drop(&mut self) {
        if let Err(error) = std::fs::remove_dir_all(&self.kept) {
            eprintln!("{}: stays behind: {error}", self.kept.display());
        }
    }
}

impl Stage {
    /// What runs beside the server: control plane, controller, receiver.
    fn processes(&self) -> Vec<Pid> {
        [self.cluster.process(), self.controller.process(), self.receiver_process()].into_iter().flatten().collect()
    }

    /// The receiver's process, as its own folder names it, while it runs.
    pub(crate) fn receiver_process(&self) -> Option<Pid> {
        let file =
            self.find("cloud", "pid", |path| path.parent().is_some_and(|folder| folder.ends_with("receiver"))).ok()?;
        let pid = std::fs::read_to_string(&file).ok()?.trim().parse().ok().and_then(Pid::from_raw)?;
        let program = std::fs::read_link(format!("/proc/{}/exe", pid.as_raw_nonzero())).ok()?;
        program.file_name().is_some_and(|name| name == "qianyun-agent").then_some(pid)
    }

    /// The machine's clock stood still with it.
    fn set_clock(&self) -> Result<()> {
        let now = format!("date --set=@{}", jiff::Timestamp::now().as_second());
        self.server.console()?.must(&now, AT_THE_CONSOLE).map(drop)
    }

    /// Under a leader that has not seen the epoch before.
    fn await_in_sync(&mut self, before: i64) -> Result<()> {
        wait::until("the copy is in sync again", IN_SYNC_WITHIN, || {
            self.controller.keep_alive()?;
            let status = self.journey_status()?;
            let fresh = status["epoch"].as_i64() > Some(before) && status["replication"] == "InSync";
            Ok(if fresh { Look::Holds(()) } else { Look::NotYet(status.to_string()) })
        })
    }
}

fn signal(processes: &[Pid], signal: Signal) -> Result<()> {
    processes.iter().try_for_each(|&pid| kill_process(pid, signal).context("a process of the run has ended"))
}

fn copy(from: &Path, to: &Path) -> Result<()> {
    run(Command::new("cp").args(["--archive", "--sparse=always", "--reflink=auto", "-T"]).arg(from).arg(to))
}
