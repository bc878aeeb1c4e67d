//! A server with its agent, as far as the planner can tell: it hears an intent, does it step by step, and reports. It keeps
//! the promises of docs/design/0001: armed on disk before the first stop, a watchdog on the freeze, services stopped from the
//! vote to the decision, whatever crashes.

use super::objects;
use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use qianyun_crds::{
    DecisionKind, DiskPhase, DiskStatus, HostIntent, HostMigration, PhysicalHost, RecordStatus, RehearsedHost,
    SourceCutover, StepName, StepProgress, StepStatus,
};
use qianyun_planning::boot;
use qianyun_planning::facts::{
    AgentFacts, ArrivalFacts, Machine, ProbeFact, Receiver, RecordFacts, Verification, VoteFacts,
};
use qianyun_planning::host_migration;

const FREEZE_MS: i64 = 30_000;

/// Where the agent stands in an attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stage {
    /// None is under way.
    None,
    /// Services stop.
    Stopping,
    /// Voted; frozen since.
    Voted(Timestamp),
    /// Voted; thawed by the watchdog.
    Thawed,
    /// Given up before the vote, services run.
    GivenUp,
    /// Abort carried out.
    Resumed,
    /// Commit heard; power goes.
    Fencing,
}

/// What is wrong with the machine on the cloud.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Illness {
    /// Nothing.
    None,
    /// Its agent does not report.
    Mute,
    /// A unit that is asked for does not come up.
    UnitDown,
    /// All units are up, but nobody gets an answer.
    Refuses,
}

#[derive(Clone, Debug)]
pub(crate) struct Server {
    pub(crate) name: String,
    pub(crate) physical: PhysicalHost,
    pub(crate) journey: Option<HostMigration>,
    pub(crate) claimed_by: Option<String>,
    pub(crate) volumes: bool,
    pub(crate) receiver: Receiver,
    pub(crate) machine: Machine,
    pub(crate) probes: Vec<ProbeFact>,
    /// Power.
    pub(crate) on: bool,
    /// Whether the declared services run.
    pub(crate) services: bool,
    /// Whether reports reach the controller.
    pub(crate) connected: bool,
    /// What the next vote's record will look like.
    pub(crate) verification: Verification,
    /// The next attempt is given up before the vote.
    pub(crate) gives_up: bool,
    /// Why, as the agent says it.
    pub(crate) gives_up_because: &'static str,
    pub(crate) refuses: Option<String>,
    pub(crate) illness: Illness,
    pub(crate) stage: Stage,
    /// The last one begun, also in an earlier journey.
    pub(crate) attempt: i32,
    copied: u32,
    last: Option<(Timestamp, AgentFacts)>,
    off_since: Option<Timestamp>,
    arrived: u32,
}

impl Server {
    /// Whether its newest decision is a commit.
    pub(crate) fn is_committed(&self) -> bool {
        let status = self.journey.as_ref().and_then(|journey| journey.status.as_ref());
        let decision = status.and_then(|status| status.cutover.as_ref()).and_then(|cutover| cutover.decision.as_ref());
        decision.is_some_and(|decision| decision.kind == DecisionKind::Commit)
    }

    /// What a rehearsal says of it as it is now; nothing where it has never described itself.
    pub(crate) fn as_rehearsed(&self) -> Option<RehearsedHost> {
        let inventory = self.physical.status.as_ref()?.inventory.as_ref()?;
        Some(RehearsedHost { host_ref: self.name.clone(), boot_digest: boot::digest(inventory).unwrap() })
    }

    pub(crate) fn new(name: &str, now: Timestamp) -> Self {
        Server {
            name: name.into(),
            physical: objects::physical(name, now),
            journey: None,
            claimed_by: None,
            volumes: false,
            receiver: Receiver::Absent,
            machine: Machine::Absent,
            probes: Vec::new(),
            on: true,
            services: true,
            connected: true,
            verification: Verification::Verified,
            gives_up: false,
            gives_up_because: "postgresql did not stop in 30 s",
            refuses: None,
            illness: Illness::None,
            stage: Stage::None,
            attempt: 0,
            copied: 0,
            last: None,
            off_since: None,
            arrived: 0,
        }
    }

    /// Whether users are served by the old machine.
    pub(crate) fn serves_users(&self) -> bool {
        self.on && self.services
    }

    pub(crate) fn serves_from_cloud(&self) -> bool {
        self.machine == Machine::Running && self.arrived > 3 && self.illness == Illness::None
    }

    pub(crate) fn silent_since(&self) -> Option<Timestamp> {
        if self.on { None } else { self.off_since }
    }

    /// Power fails. What is in memory is lost; what is on disk (armed, copied) is not.
    pub(crate) fn power_off(&mut self, now: Timestamp) {
        if self.on {
            self.on = false;
            self.off_since = Some(now);
        }
    }

    /// Power returns: an armed machine keeps its services stopped and asks.
    pub(crate) fn power_on(&mut self) {
        if self.on {
            return;
        }
        self.on = true;
        self.off_since = None;
        self.stage = match self.stage {
            Stage::None | Stage::GivenUp | Stage::Resumed => self.stage,
            // Booted while armed. Before the vote the attempt is over; the services stay down until it is told.
            Stage::Stopping | Stage::Voted(_) | Stage::Thawed | Stage::Fencing => Stage::Thawed,
        };
        self.services = matches!(self.stage, Stage::None | Stage::GivenUp | Stage::Resumed);
    }

    /// The controller's memory of reports is lost.
    pub(crate) fn forget_reports(&mut self) {
        self.last = None;
    }

    /// One second of the agent and of the machine on the cloud; how far the agent is told to go in an attempt.
    pub(crate) fn step(&mut self, now: Timestamp, told: Option<host_migration::Stage>) {
        if self.machine == Machine::Running {
            self.arrived += 1;
        }
        if !self.on {
            return;
        }
        self.watchdog(now);
        let heard = self.connected.then(|| self.journey.as_ref().map(|j| (j.spec.intent, j.spec.attempt))).flatten();
        if let Some((intent, attempt)) = heard {
            self.obey(intent, attempt, told, now);
        }
        if self.connected {
            self.last = Some((now, self.report(now)));
        }
        if self.stage == Stage::Fencing && self.connected {
            self.power_off(now);
        }
    }

    fn watchdog(&mut self, now: Timestamp) {
        if let Stage::Voted(since) = self.stage
            && now.as_millisecond() - since.as_millisecond() >= FREEZE_MS
        {
            self.stage = Stage::Thawed;
        }
    }

    fn obey(&mut self, intent: HostIntent, attempt: i32, told: Option<host_migration::Stage>, now: Timestamp) {
        match intent {
            HostIntent::Idle => self.copied = 0,
            HostIntent::Replicate => self.copied += 1,
            HostIntent::Cutover => match told {
                // It goes on as it was told before.
                None | Some(host_migration::Stage::Wait) => {}
                Some(host_migration::Stage::Stop) => self.cut_over(attempt, false, now),
                Some(host_migration::Stage::Freeze) => self.cut_over(attempt, true, now),
            },
            HostIntent::Resume if attempt == self.attempt => {
                self.stage = Stage::Resumed;
                self.services = true;
            }
            HostIntent::Resume => {
                self.attempt = attempt;
                self.stage = Stage::Resumed;
                self.services = true;
            }
            // While the target serves, the gateway goes on to tell the source that it is fenced.
            HostIntent::Fence | HostIntent::Serve => {
                assert!(matches!(self.stage, Stage::Voted(_) | Stage::Thawed | Stage::Fencing), "fence without a vote");
                self.stage = Stage::Fencing;
            }
        }
    }

    fn cut_over(&mut self, attempt: i32, freezes: bool, now: Timestamp) {
        if attempt > self.attempt {
            self.attempt = attempt;
            self.services = false;
            self.stage = Stage::Stopping;
            return;
        }
        if self.stage == Stage::Stopping {
            if self.gives_up {
                self.stage = Stage::GivenUp;
                self.services = true;
            } else if freezes {
                self.stage = Stage::Voted(now);
            }
        }
    }

    fn report(&self, now: Timestamp) -> AgentFacts {
        let phase = match self.copied {
            0 => None,
            1..=3 => Some(DiskPhase::InitialCopy),
            4..=5 => Some(DiskPhase::CatchingUp),
            _ => Some(DiskPhase::InSync),
        };
        AgentFacts {
            age_ms: 0,
            local_refusal: self.refuses.clone(),
            steps: if self.stage == Stage::Fencing {
                vec![step(StepName::Fence, StepProgress::Running)]
            } else {
                vec![]
            },
            disks: phase.into_iter().map(disk).collect(),
            last_attempt: self.attempt,
            vote: self.vote(now),
        }
    }

    fn vote(&self, now: Timestamp) -> Option<VoteFacts> {
        let state = match self.stage {
            Stage::None => return None,
            Stage::Stopping => SourceCutover::Working,
            Stage::Voted(_) => SourceCutover::Prepared,
            Stage::Thawed => SourceCutover::PreparedButThawed,
            Stage::GivenUp => SourceCutover::GivenUp,
            Stage::Resumed => SourceCutover::Resumed,
            Stage::Fencing => SourceCutover::Fencing,
        };
        let left = match self.stage {
            Stage::Voted(since) => FREEZE_MS - (now.as_millisecond() - since.as_millisecond()),
            _ => 0,
        };
        Some(VoteFacts {
            attempt: self.attempt,
            state,
            stopped: match self.stage {
                Stage::Stopping => !self.gives_up,
                Stage::Voted(_) | Stage::Thawed | Stage::Fencing => true,
                Stage::None | Stage::GivenUp | Stage::Resumed => false,
            },
            frozen_ms: 0,
            freeze_remaining_ms: u64::try_from(left).unwrap_or(0),
            record: matches!(self.stage, Stage::Voted(_))
                .then(|| RecordFacts { record: record(self.attempt), verification: self.verification.clone() }),
            message: if self.gives_up { self.gives_up_because.into() } else { String::new() },
        })
    }

    /// The newest report as the controller remembers it. A clock that jumps back makes none older.
    pub(crate) fn heard(&self, now: Timestamp) -> Option<AgentFacts> {
        let (at, facts) = self.last.as_ref()?;
        let age = now.as_millisecond() - at.as_millisecond();
        Some(AgentFacts { age_ms: u64::try_from(age).unwrap_or(0), ..facts.clone() })
    }

    pub(crate) fn arrival(&self) -> Option<ArrivalFacts> {
        let down = self.illness == Illness::UnitDown;
        let heard = self.machine == Machine::Running && self.arrived > 2 && self.illness != Illness::Mute;
        heard.then(|| ArrivalFacts {
            steps: vec![step(StepName::AdaptNetwork, StepProgress::Done)],
            adapted: self.arrived > 3,
            units_down: if down { vec!["postgresql.service".into()] } else { Vec::new() },
            message: String::new(),
        })
    }
}

/// As a machine reports it whose clock stands at one minute past 1970.
fn step(name: StepName, state: StepProgress) -> StepStatus {
    StepStatus {
        name,
        state,
        attempts: 1,
        started_at: Some(Time(Timestamp::from_second(60).unwrap())),
        finished_at: None,
        took_ms: None,
        message: String::new(),
    }
}

fn record(attempt: i32) -> RecordStatus {
    RecordStatus {
        digest: format!("sha256:{attempt:064}"),
        record: "{}".into(),
        source_signature: "00".into(),
        source_certificate: "pem".into(),
        target_signature: "00".into(),
        target_certificate: "pem".into(),
    }
}

fn disk(phase: DiskPhase) -> DiskStatus {
    DiskStatus {
        volume: "system".into(),
        phase,
        size_bytes: 10 << 30,
        read_bytes: 4 << 30,
        skipped_bytes: 6 << 30,
        zero_bytes: 0,
        sent_bytes: 4 << 30,
        wire_bytes: 2 << 30,
        remaining_bytes: if phase >= DiskPhase::InSync { 0 } else { 1 << 30 },
        send_bytes_per_second: 50 << 20,
        change_bytes_per_second: 1 << 20,
        lag_ms: 200,
        eta_low_seconds: Some(60),
        eta_high_seconds: Some(180),
        message: String::new(),
    }
}
