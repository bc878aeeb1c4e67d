//! Deaths during a cutover: who is killed with SIGKILL, at which moment, and what must be true in spite of it. The moment is
//! taken from what the API server says, as soon as it says so; who was killed comes back as its own supervisor would bring
//! it back. It never looks into a process, and never helps the journey along.

use std::fmt;
use std::io::BufReader;
use std::process::{Child, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use rustix::io::Errno;
use rustix::process::{Signal, kill_process};
use serde_json::Value;

use super::city::CIVIL;
use super::server::AT_THE_CONSOLE;
use super::stage::{SOON, Stage};
use crate::machine::Console;
use crate::wait::{self, Look};

/// A cutover with an attempt that is given up, a minute's pause and a second one, under emulation.
const SERVES_WITHIN: Duration = Duration::from_secs(900);
/// Without an event, invariants are looked at this often.
const LOOK_EVERY: Duration = Duration::from_millis(500);
/// A shell's own `kill` needs no disk, so it answers at once even while filesystems are frozen.
const KILLED_WITHIN: Duration = Duration::from_secs(20);
/// From the begin of the journey to the first bytes, with two deaths on the way.
const COPIES_WITHIN: Duration = Duration::from_secs(600);

/// Who is killed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Victim {
    /// The agent, on whichever machine has it.
    Agent,
    /// The controller.
    Controller,
    /// The receiver.
    Receiver,
    /// The API server, with etcd and the controller manager.
    ApiServer,
}

/// A moment of the cutover: each lasts until the next.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Moment {
    /// Services are being stopped.
    Quiesce,
    /// Filesystems are being frozen, or just are.
    Freeze,
    /// The last changes go across; both roots are computed, the record signed.
    FinalPass,
    /// The source has voted and waits for the decision.
    Vote,
    /// Commit is written.
    Commit,
    /// The source has acknowledged the fence.
    Fence,
    /// The machine on the cloud runs.
    Launch,
    /// Its agent has been heard.
    Arrival,
}

/// One death.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Death {
    /// Who.
    pub victim: Victim,
    /// When.
    pub at: Moment,
}

impl Death {
    /// Whether the agent dies on the cloud.
    fn is_of_the_arrived(&self) -> bool {
        self.victim == Victim::Agent && self.at >= Moment::Launch
    }
}

impl fmt::Display for Death {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{:?} killed at {:?}", self.victim, self.at)
    }
}

impl Moment {
    /// All of them, in order.
    pub const ALL: [Self; 8] = [
        Self::Quiesce,
        Self::Freeze,
        Self::FinalPass,
        Self::Vote,
        Self::Commit,
        Self::Fence,
        Self::Launch,
        Self::Arrival,
    ];

    /// How far the attempt is, by what the status says; none while no service is stopped for it.
    fn of(status: &Value) -> Option<Self> {
        let cutover = &status["cutover"];
        // The steps of an attempt that is over stay on record.
        if matches!(cutover["source"].as_str(), Some("GivenUp" | "Resumed")) {
            return None;
        }
        let steps = status["steps"].as_array().map(Vec::as_slice).unwrap_or_default();
        let begun = |name: &str| {
            steps.iter().any(|s| s["name"] == name && matches!(s["state"].as_str(), Some("Running" | "Done")))
        };
        let reached = |moment: Self| match moment {
            Self::Quiesce => begun("Quiesce"),
            Self::Freeze => begun("Freeze"),
            Self::FinalPass => begun("FinalPass"),
            Self::Vote => cutover["source"] == "Prepared",
            Self::Commit => cutover["decision"]["kind"] == "Commit",
            Self::Fence => cutover["fenceAcknowledgedAt"].is_string(),
            Self::Launch => status["target"]["state"] == "Running",
            Self::Arrival => status["target"]["arrivedAt"].is_string(),
        };
        Self::ALL.into_iter().rev().find(|&moment| reached(moment))
    }
}

impl Victim {
    /// Whether there is such a process at that moment: the fenced source is off, and a receiver is gone before the launch.
    pub fn lives(self, at: Moment) -> bool {
        match self {
            Self::Agent => at != Moment::Fence,
            Self::Receiver => at < Moment::Launch,
            Self::Controller | Self::ApiServer => true,
        }
    }
}

impl Stage {
    /// Lets the journey, which was held in sync, go on to the end through these deaths, and proves what has to be true. What
    /// comes back are those that missed their moment: it was over when it was seen, or there was nobody to kill any more.
    pub fn survive(&mut self, deaths: &[Death]) -> Result<Vec<Death>> {
        let mut admins = Admins { source: Admin::at(self)?, target: None };
        self.suspend(false)?;
        let mut left = deaths.to_vec();
        let mut missed = Vec::new();
        let mut watch = Watch::open(self)?;
        let began = Instant::now();
        loop {
            let status = watch.next(self)?;
            self.controller.keep_alive()?;
            self.assert_one_side(&status)?;
            let reached = Moment::of(&status);
            if reached >= Some(Moment::Launch) && left.iter().any(Death::is_of_the_arrived) {
                admins.prepare_target(self)?;
            }
            if let Some(reached) = reached
                && let Some(next) = left.iter().position(|death| reached >= death.at)
            {
                let death = left.remove(next);
                self.teller.tell(&format!("{death} (seen: {reached:?})"), &format!("{death}({reached:?})"));
                let in_time = reached == death.at && !in_service(&self.journey_status_or(&status));
                if !(self.kill(death.victim, reached, &mut admins)? && in_time) {
                    missed.push(death);
                }
                watch = Watch::open(self)?;
            }
            if in_service(&status) {
                break;
            }
            ensure!(began.elapsed() < SERVES_WITHIN, "the system does not serve; last seen: {status}");
        }
        ensure!(left.is_empty(), "the journey ended without {left:?}");
        self.await_phase("Provisional", SOON)?;
        self.prove_target()?;
        Ok(missed)
    }

    /// Kills; whether there was somebody to kill.
    fn kill(&mut self, victim: Victim, at: Moment, admins: &mut Admins) -> Result<bool> {
        match victim {
            Victim::Agent if at < Moment::Launch => return Ok(admins.source.kill_agent()),
            Victim::Agent => return Ok(admins.prepare_target(self)?.kill_agent()),
            Victim::Controller => {
                self.controller.kill()?;
                self.controller.begin()?;
            }
            Victim::Receiver => {
                let Some(receiver) = self.receiver_process() else { return Ok(false) };
                match kill_process(receiver, Signal::KILL) {
                    // It has ended since it was looked for.
                    Err(Errno::SRCH) => return Ok(false),
                    killed => killed.context("the receiver cannot be killed")?,
                }
            }
            Victim::ApiServer => {
                self.cluster.kill()?;
                self.cluster.begin()?;
            }
        }
        Ok(true)
    }

    /// Each dies once while the disk is copied, and who has something to do then while the boot is prepared; the copy goes on.
    pub(crate) fn survive_the_copy(&mut self) -> Result<()> {
        let while_preparing = [Victim::Agent, Victim::Controller].map(|victim| ("PrepareBoot", victim));
        let while_copying = [Victim::Receiver, Victim::Agent, Victim::Controller, Victim::ApiServer];
        for (step, victim) in while_preparing.into_iter().chain(while_copying.map(|victim| ("Replicate", victim))) {
            let mut admins = Admins { source: Admin::at(self)?, target: None };
            self.await_work_at(step)?;
            self.teller.tell(&format!("{victim:?} killed during {step}"), &format!("{step}:{victim:?}"));
            ensure!(self.kill(victim, Moment::Quiesce, &mut admins)?, "{victim:?} did not run during {step}");
        }
        self.await_work_at("Replicate")
    }

    /// A step runs, and a copy has sent more than when it was looked at first.
    fn await_work_at(&mut self, step: &str) -> Result<()> {
        let mut first = None;
        wait::until(&format!("{step} is under way"), COPIES_WITHIN, || {
            self.controller.keep_alive()?;
            // The API server may just be coming back.
            let Ok(status) = self.journey_status() else { return Ok(Look::NotYet("no answer".to_owned())) };
            let sent = status["disks"][0]["sentBytes"].as_i64().unwrap_or_default();
            let moves = step != "Replicate" || sent > *first.get_or_insert(sent);
            Ok(if status["step"] == step && moves { Look::Holds(()) } else { Look::NotYet(status.to_string()) })
        })
    }

    /// The journey as it is now, or as it was seen last while the API server is away.
    fn journey_status_or(&self, last: &Value) -> Value {
        self.journey_status().unwrap_or_else(|_| last.clone())
    }

    /// A machine on the cloud runs only where the office server does not any more.
    fn assert_one_side(&mut self, status: &Value) -> Result<()> {
        let target = status["target"]["state"] == "Running";
        ensure!(!(target && self.server.is_running()?), "two sides are active: {status}");
        Ok(())
    }
}

fn in_service(status: &Value) -> bool {
    let holds = |one: &Value| one["type"] == "InService" && one["status"] == "True";
    status["conditions"].as_array().is_some_and(|all| all.iter().any(holds))
}

/// At the office server's console, and, once there is one, at that of the machine on the cloud.
struct Admins {
    source: Admin,
    target: Option<Admin>,
}

impl Admins {
    /// Ready as soon as the first agent there lives.
    fn prepare_target(&mut self, stage: &Stage) -> Result<&mut Admin> {
        Ok(match &mut self.target {
            Some(ready) => ready,
            none => none.insert(Admin::at_target(stage)?),
        })
    }
}

/// Someone at a console who is ready to kill the agent there. While filesystems are frozen no program can be started, so
/// the process is known before, and the shell's own `kill` is used.
struct Admin {
    console: Console,
    agent: String,
}

impl Admin {
    fn at(stage: &Stage) -> Result<Self> {
        Self::ready(stage.server.console()?)
    }

    fn at_target(stage: &Stage) -> Result<Self> {
        Self::ready(Console::open(&stage.find("cloud", "console.sock", |_| true)?)?)
    }

    fn ready(mut console: Console) -> Result<Self> {
        // One that has just ended is started again, and has no process until then.
        let show = "until systemctl is-active --quiet qianyun-agent \
                    && pid=$(systemctl show --property=MainPID --value qianyun-agent) && [ \"$pid\" -gt 1 ]; \
                    do sleep 0.2; done; echo $pid";
        let agent = console.must(show, AT_THE_CONSOLE)?.trim().to_owned();
        ensure!(agent.parse::<u32>().is_ok_and(|pid| pid > 1), "the agent does not run: {agent:?}");
        Ok(Self { console, agent })
    }

    /// Whether there was such a process: a machine that is off has none either.
    fn kill_agent(&mut self) -> bool {
        self.console.run(&format!("kill -9 {}", self.agent), KILLED_WITHIN).is_ok_and(|done| done.status == 0)
    }
}

/// The host's journey as the API server tells it, change by change. Where the API server is away, it is asked again.
struct Watch {
    kubectl: Child,
    seen: Receiver<Value>,
    last: Value,
}

impl Watch {
    fn open(stage: &Stage) -> Result<Self> {
        let mut kubectl = stage
            .cluster
            .kubectl(&stage.city.operator)
            .args(["get", "hostmigrations", "-n", CIVIL, "--watch", "--output=json"])
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .context("running kubectl")?;
        let output = BufReader::new(kubectl.stdout.take().context("kubectl has no output")?);
        let (told, seen) = channel();
        std::thread::spawn(move || {
            let objects = serde_json::Deserializer::from_reader(output).into_iter::<Value>();
            // Ends with kubectl, or with whoever listens.
            objects.map_while(Result::ok).all(|object| told.send(object["status"].clone()).is_ok())
        });
        Ok(Self { kubectl, seen, last: Value::Null })
    }

    /// The next change, or what was seen last if there is none for a while.
    fn next(&mut self, stage: &Stage) -> Result<Value> {
        match self.seen.recv_timeout(LOOK_EVERY) {
            Ok(status) => self.last = status,
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => {
                let last = std::mem::take(&mut self.last);
                std::thread::sleep(LOOK_EVERY);
                *self = Self::open(stage)?;
                self.last = last;
            }
        }
        Ok(self.last.clone())
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.kubectl.kill();
        let _ = self.kubectl.wait();
    }
}

/// A sample for every day: each victim once, at a moment that the seed chooses.
pub fn sample(seed: u64) -> Result<Vec<Death>> {
    let mut state = seed;
    let mut deaths = Vec::new();
    for victim in [Victim::Agent, Victim::Controller, Victim::Receiver, Victim::ApiServer] {
        let moments: Vec<Moment> = Moment::ALL.into_iter().filter(|&at| victim.lives(at)).collect();
        // Knuth's MMIX generator; its high bits are good enough to choose one of eight.
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let chosen = usize::try_from(state >> 33)? % moments.len();
        deaths.push(Death { victim, at: moments[chosen] });
    }
    Ok(deaths)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn the_moment_is_the_furthest_that_the_status_tells_of() {
        assert_eq!(Moment::of(&json!({"steps": [{"name": "Replicate", "state": "Running"}]})), None);
        let quiesce =
            json!({"steps": [{"name": "Quiesce", "state": "Running"}, {"name": "Freeze", "state": "Pending"}]});
        assert_eq!(Moment::of(&quiesce), Some(Moment::Quiesce));
        let voted = json!({"steps": [{"name": "FinalPass", "state": "Done"}], "cutover": {"source": "Prepared"}});
        assert_eq!(Moment::of(&voted), Some(Moment::Vote));
        let over = json!({"steps": [{"name": "Freeze", "state": "Done"}], "cutover": {"source": "GivenUp"}});
        assert_eq!(Moment::of(&over), None);
        let arrived = json!({"target": {"state": "Running", "arrivedAt": "2026-11-24T00:00:00Z"}});
        assert_eq!(Moment::of(&arrived), Some(Moment::Arrival));
    }

    #[test]
    fn a_sample_kills_each_once_and_the_same_seed_kills_alike() {
        let deaths = sample(7).expect("deaths");
        assert_eq!(deaths.len(), 4);
        assert_eq!(deaths, sample(7).expect("deaths"));
        assert!(deaths.iter().all(|death| death.victim.lives(death.at)));
        assert!((0..20).any(|seed| sample(seed).expect("deaths") != deaths));
    }
}
