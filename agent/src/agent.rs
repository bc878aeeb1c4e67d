//! The service: one owner of all state, one list of events, one loop.
//!
//! Each event is applied; then [`decision::next`] is asked what is missing, and that one thing is begun on a thread of
//! its own. Network and disks never block the loop. Nothing is queued: what is missing is found again from the facts.

mod facts;
mod links;
pub(crate) mod status;
mod step_log;
mod tell;
mod work;

use crate::config::{self, Config};
use crate::decision::{self, Action, Failure, Waiting};
use crate::engine::replication::sentence;
use crate::engine::{Bounds, Engine};
use crate::gateway::{Gateway, GatewayError};
use crate::host::Host;
use crate::identity::{self, Identity, IdentityError};
use crate::inventory::{self, Machine};
use crate::ledger::{Armed, Ledger, LedgerError, LedgerFile, Outcome};
use crate::logging::Log;
use crate::paths::Paths;
use crate::role;
use crate::run_state::{self, RunState, RunStateError, Vote};
use crate::tls::{self, TlsError};
use jiff::civil::DateTime;
use qianyun_agent_api::check::CheckResult;
use qianyun_agent_api::desired::{Desired, HookMoment, Intent};
use qianyun_agent_api::enroll::EnrollResponse;
use qianyun_agent_api::inventory::{Fingerprint, Unit};
use qianyun_agent_api::record::SignedRecord;
use qianyun_agent_api::report::{ReportAnswer, Role};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::{mpsc, watch};
use work::{Done, Work};

/// Events that may wait for the owner: each source has at most one under way, so this is never reached.
const EVENTS: usize = 64;
/// The loop looks at clocks and levels this often: a freeze of 30 s is seen to end within a hundredth.
const TICK: Duration = Duration::from_millis(250);
/// An action that failed is tried again after this.
const RETRY: Duration = Duration::from_secs(15);
/// The inventory is taken anew this often.
const COLLECT_EVERY: Duration = Duration::from_secs(600);

/// Everything that can happen to the agent.
#[derive(Debug)]
pub(crate) enum Event {
    /// The gateway said what this host is to be.
    Desired(Desired),
    /// A long poll failed.
    PollFailed(String),
    /// A report was answered, or not.
    Reported { fencing: bool, result: Result<(ReportAnswer, Option<String>), String> },
    /// The machine was looked at.
    Collected(Box<Machine>),
    /// An action has ended.
    Acted(Action, Result<Done, String>),
    /// How units are on the arrival.
    Observed(Result<Vec<Unit>, String>),
    /// A new certificate came, or not.
    Renewed(Result<EnrollResponse, String>),
    /// Time has passed.
    Tick,
    /// The service is to end.
    Stop,
}

/// Why the service cannot run.
#[derive(Debug, thiserror::Error)]
pub(crate) enum AgentError {
    #[error(transparent)]
    Identity(#[from] IdentityError),
    #[error(transparent)]
    Ledger(#[from] LedgerError),
    #[error(transparent)]
    RunState(#[from] RunStateError),
    #[error(transparent)]
    Gateway(#[from] GatewayError),
    #[error(transparent)]
    Tls(#[from] TlsError),
}

/// What this process knows about the attempt in the ledger. After a restart it knows nothing, and gives up or waits.
#[derive(Debug, Default)]
struct Attempt {
    begun_here: bool,
    /// Moments of which all hooks have run.
    hooks_run: Vec<HookMoment>,
    quiesced: bool,
    services_run: bool,
    was_frozen: bool,
    signed: Option<SignedRecord>,
    failed: Option<String>,
}

/// The one owner.
pub(crate) struct Agent {
    host: Arc<dyn Host>,
    engine: Arc<dyn Engine>,
    paths: Paths,
    log: Log,
    identity: Identity,
    host_name: String,
    server: String,
    gateway: watch::Sender<Gateway>,
    events: mpsc::Sender<Event>,
    ledger: LedgerFile,
    run: RunState,
    boot_id: String,
    process_id: String,
    fingerprint: Fingerprint,
    role: Role,
    desired: Option<Desired>,
    highest: watch::Sender<(u64, u64)>,
    config: Config,
    forbidden: Option<String>,
    /// Names of the hooks that the admin's file lists; none while that cannot be followed.
    hooks: Vec<String>,
    machine: Option<Machine>,
    checks: Vec<CheckResult>,
    collecting: bool,
    collected_at: Option<Instant>,
    attempt: Attempt,
    boot_prepared: bool,
    network_adapted: bool,
    units_up: bool,
    units: Vec<Unit>,
    observing: bool,
    fence_acknowledged: bool,
    busy: Option<Action>,
    waiting: Waiting,
    retry_at: Option<Instant>,
    steps: step_log::StepLog,
    telling: tell::Telling,
    status: status::StatusFile,
    renewing: bool,
}

/// Runs the service until it is told to stop.
pub(crate) async fn run(
    host: Arc<dyn Host>,
    engine: Arc<dyn Engine>,
    paths: Paths,
    log: Log,
) -> Result<(), AgentError> {
    let (events, mut inbox) = mpsc::channel(EVENTS);
    let mut agent = Agent::new(host, engine, paths, log, events.clone())?;
    if agent.ledger.ledger.armed.is_some() && agent.role == Role::Source {
        // A process that was killed may have left the freeze to its watchdog. Nothing goes on while that is in doubt.
        if let Err(error) = agent.engine.thaw_left_frozen() {
            tracing::warn!(%error, "thawing after a restart");
        }
    }
    links::start(&agent, &events);
    tracing::info!(role = ?agent.role, host = %agent.host_name, "started");
    let mut tick = tokio::time::interval(TICK);
    tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Skip);
    loop {
        let event = tokio::select! {
            event = inbox.recv() => event.unwrap_or(Event::Stop),
            _ = tick.tick() => Event::Tick,
        };
        if matches!(event, Event::Stop) {
            // Stopped in the middle of an attempt, the watchdog thaws, and the next start gives up or waits.
            tracing::info!("stopping");
            return Ok(());
        }
        agent.apply(event)?;
        if agent.has_arrived() {
            tracing::info!(
                "a card that was announced for the arrival has shown up: starting anew as the moved machine"
            );
            return Ok(());
        }
        agent.act();
        agent.tell();
    }
}

impl Agent {
    fn new(
        host: Arc<dyn Host>,
        engine: Arc<dyn Engine>,
        paths: Paths,
        log: Log,
        events: mpsc::Sender<Event>,
    ) -> Result<Self, AgentError> {
        let identity = Identity::load(host.as_ref(), &paths)?;
        let enrolled = identity::enrolled(host.as_ref(), &paths)?;
        let gateway = Gateway::new(&enrolled.server, tls::mutual(&identity)?)?;
        let ledger = LedgerFile::load(host.as_ref(), &paths)?;
        let run = RunState::load(host.as_ref(), &paths)?;
        let fingerprint = inventory::fingerprint(host.as_ref());
        let role = role::role(host.as_ref(), &ledger.ledger);
        // A process id alone comes again after a boot; with the time it does not.
        let process_id = format!("{}-{}", std::process::id(), host.now_unix_ms());
        Ok(Self {
            host_name: format!("{}/{}", enrolled.namespace, enrolled.host),
            server: enrolled.server,
            boot_id: run_state::boot_id(host.as_ref()),
            gateway: watch::Sender::new(gateway),
            // Zero asks for whatever is desired now: this process has not seen it.
            highest: watch::Sender::new((0, 0)),
            host,
            engine,
            paths,
            log,
            identity,
            events,
            ledger,
            run,
            process_id,
            fingerprint,
            role,
            desired: None,
            config: Config::default(),
            forbidden: None,
            hooks: Vec::new(),
            machine: None,
            checks: Vec::new(),
            collecting: false,
            collected_at: None,
            attempt: Attempt::default(),
            boot_prepared: false,
            network_adapted: false,
            units_up: false,
            units: Vec::new(),
            observing: false,
            fence_acknowledged: false,
            busy: None,
            waiting: Waiting::Gateway,
            retry_at: None,
            steps: step_log::StepLog::default(),
            telling: tell::Telling::default(),
            status: status::StatusFile::default(),
            renewing: false,
        })
    }

    /// Whether this is the moved machine after all: its card was not there yet when this process took it for the source. What
    /// a process is it stays, so that it ends and the service manager starts the next one.
    fn has_arrived(&self) -> bool {
        // Asked at every event: on the source itself the first question answers it.
        self.role == Role::Source
            && self.fingerprint != self.ledger.ledger.fingerprint
            && role::role(self.host.as_ref(), &self.ledger.ledger) == Role::Arrival
    }

    /// Takes in what happened. A ledger that cannot be written, on a full disk as a rule, ends nobody: services that are down can
    /// be started all the same, and what could not be kept is tried again.
    fn apply(&mut self, event: Event) -> Result<(), AgentError> {
        match self.take_in(event) {
            Err(AgentError::Ledger(error @ LedgerError::Host(_))) => {
                let words = sentence(&error).to_string();
                if self.status.last_error != words {
                    tracing::warn!("{words}");
                }
                self.status.last_error = words;
                Ok(())
            }
            result => result,
        }
    }

    fn take_in(&mut self, event: Event) -> Result<(), AgentError> {
        match event {
            Event::Desired(desired) => self.accept(desired)?,
            Event::PollFailed(error) => self.failed_call(error),
            Event::Reported { result: Err(error), fencing } => {
                self.telling.failed();
                self.busy = self.busy.filter(|_| !fencing);
                self.failed_call(error);
            }
            Event::Reported { result: Ok((answer, date)), fencing } => self.answered(answer, date.as_deref(), fencing),
            Event::Collected(machine) => {
                self.collecting = false;
                self.collected_at = Some(Instant::now());
                self.checks = crate::readiness::judge(&machine);
                self.telling.inventory_due |= self.machine.as_ref() != Some(&*machine);
                self.machine = Some(*machine);
            }
            Event::Acted(action, result) => self.ended(action, result)?,
            Event::Observed(units) => {
                self.observing = false;
                self.units = units.unwrap_or_default();
            }
            Event::Renewed(answer) => self.renewed(answer)?,
            Event::Tick => self.look_after()?,
            Event::Stop => {}
        }
        Ok(())
    }

    /// Takes over what the gateway asks for, unless a newer leader has spoken before.
    fn accept(&mut self, desired: Desired) -> Result<(), AgentError> {
        let seen = self.seen();
        let offered = (desired.epoch, desired.generation);
        if offered < seen {
            tracing::warn!(?offered, ?seen, "an older leader or an older state was refused");
            return Ok(());
        }
        if self.desired.as_ref() != Some(&desired) {
            tracing::info!(
                epoch = desired.epoch,
                generation = desired.generation,
                intent = name(&desired.intent),
                "asked"
            );
            self.retry_at = None;
            self.telling.due = true;
        }
        self.desired = Some(desired);
        self.highest.send_replace(offered);
        self.run.epoch = offered.0;
        self.run.generation = offered.1;
        self.run.store(self.host.as_ref(), &self.paths)?;
        self.settle()
    }

    /// Highest epoch and generation known, whether or not the ledger has them yet.
    fn seen(&self) -> (u64, u64) {
        (self.ledger.ledger.epoch, self.ledger.ledger.generation).max((self.run.epoch, self.run.generation))
    }

    /// Brings the ledger up to what is known, unless writing to a disk could hang now.
    fn settle(&mut self) -> Result<(), AgentError> {
        if self.may_be_frozen() {
            return Ok(());
        }
        let (epoch, generation) = self.seen();
        let session = self.intended_session().unwrap_or(self.ledger.ledger.session);
        self.keep(|ledger| Ledger { epoch, generation, session, ..ledger })
    }

    fn keep(&mut self, change: impl FnOnce(Ledger) -> Ledger) -> Result<(), AgentError> {
        let next = change(self.ledger.ledger.clone());
        Ok(self.ledger.store(self.host.as_ref(), next)?)
    }

    fn intended_session(&self) -> Option<u64> {
        match &self.desired.as_ref()?.intent {
            Intent::Replicate(replicate) => Some(replicate.session),
            Intent::Stop(cutover) | Intent::Cutover(cutover) => Some(cutover.replicate.session),
            Intent::Resume(resume) => Some(resume.replicate.session),
            Intent::Idle {} | Intent::Fence(_) | Intent::Serve(_) => None,
        }
    }

    fn failed_call(&mut self, error: String) {
        if self.status.last_error != error {
            tracing::warn!(%error, "the gateway was not reached");
        }
        self.status.last_error = error;
    }

    fn answered(&mut self, answer: ReportAnswer, date: Option<&str>, fencing: bool) {
        self.telling.answered(answer.want_inventory);
        self.status.journey = answer.journey;
        self.status.last_report_unix_ms = self.host.now_unix_ms();
        self.status.last_error.clear();
        if let Some(theirs) = date.and_then(|text| jiff::fmt::rfc2822::parse(text).ok()) {
            let skew = self.host.now_unix_ms() - theirs.timestamp().as_millisecond();
            self.status.clock_skew_ms = Some(skew);
        }
        if fencing {
            self.busy = None;
            self.fence_acknowledged = true;
        }
    }

    /// Levels that change by themselves: the freeze, the admin's file, clocks.
    fn look_after(&mut self) -> Result<(), AgentError> {
        if !self.may_be_frozen() {
            self.log.release();
            self.settle()?;
            // Also while it waits for a decision, which may be long after a power cut: without a certificate it would never
            // hear.
            self.renew_when_due();
        }
        if self.ledger.ledger.armed.is_none() || self.role == Role::Arrival {
            self.read_config();
            self.collect_when_due();
            self.observe_when_due();
        }
        Ok(())
    }

    /// Whether writing to a disk could hang now.
    fn may_be_frozen(&self) -> bool {
        self.busy == Some(Action::Freeze) || self.engine.frozen().is_some()
    }

    fn read_config(&mut self) {
        let now = jiff::Zoned::now().datetime();
        let loaded = config::load(self.host.as_ref(), &self.paths.config);
        let hooks = loaded.as_ref().map(|config| config.hooks().names()).unwrap_or_default();
        self.telling.inventory_due |= hooks != self.hooks;
        self.hooks = hooks;
        let verdict = match loaded {
            Ok(config) => {
                self.config = config;
                // The file may have changed, or the hour.
                self.engine.limit(self.bounds(now));
                self.desired.as_ref().map_or(Ok(()), |desired| self.config.permits(&desired.intent, now.time()))
            }
            Err(error) => match self.desired.as_ref().map(|desired| &desired.intent) {
                Some(Intent::Replicate(_) | Intent::Stop(_) | Intent::Cutover(_)) => Err(error.to_string()),
                Some(Intent::Idle {} | Intent::Resume(_) | Intent::Fence(_) | Intent::Serve(_)) | None => Ok(()),
            },
        };
        let forbidden = verdict.err();
        self.telling.due |= forbidden != self.forbidden;
        self.status.local_refusal.clone_from(&forbidden);
        self.forbidden = forbidden;
    }

    fn collect_when_due(&mut self) {
        let fresh = self.collected_at.is_some_and(|at| at.elapsed() < COLLECT_EVERY);
        if self.collecting || fresh {
            return;
        }
        self.collecting = true;
        let (host, skew) = (self.host.clone(), self.status.clock_skew_ms);
        self.spawn(move || Event::Collected(Box::new(inventory::collect(host.as_ref(), skew))));
    }

    /// On the arrival, units are looked at with every report.
    fn observe_when_due(&mut self) {
        if self.role != Role::Arrival || self.observing || !self.telling.is_due() {
            return;
        }
        let units = match self.desired.as_ref().map(|desired| &desired.intent) {
            Some(Intent::Serve(serve)) => serve.units.clone(),
            Some(_) | None => Vec::new(),
        };
        self.observing = true;
        let host = self.host.clone();
        self.spawn(move || {
            Event::Observed(
                crate::steps::serve_units::observe(host.as_ref(), &units).map_err(|error| error.to_string()),
            )
        });
    }

    fn renew_when_due(&mut self) {
        let due = self.identity.renew_after().is_ok_and(|at| self.host.now_unix_ms() / 1000 >= at);
        if due && !self.renewing && self.retry_at.is_none_or(|at| Instant::now() >= at) {
            self.renewing = true;
            links::renew(self.gateway.borrow().clone(), self.identity.renewal().ok(), self.events.clone());
        }
    }

    fn renewed(&mut self, answer: Result<EnrollResponse, String>) -> Result<(), AgentError> {
        self.renewing = false;
        match answer {
            // It would be written to a frozen disk. Another one is asked for when nothing is frozen.
            Ok(_) if self.may_be_frozen() => {}
            Ok(answer) => {
                identity::keep_certificate(self.host.as_ref(), &self.paths, &answer.certificate_pem)?;
                self.identity = Identity::load(self.host.as_ref(), &self.paths)?;
                self.gateway.send_replace(Gateway::new(&self.server, tls::mutual(&self.identity)?)?);
                tracing::info!("the certificate was renewed");
            }
            Err(error) => {
                self.retry_at = Some(Instant::now() + RETRY);
                self.failed_call(error);
            }
        }
        Ok(())
    }

    /// Begins the next action, if none is under way.
    fn act(&mut self) {
        if self.busy.is_some() {
            return;
        }
        let action = decision::next(&self.facts());
        if let Action::Wait(waiting) = action {
            self.telling.due |= waiting != self.waiting;
            self.waiting = waiting;
            return;
        }
        let waits = self.retry_at.is_some_and(|at| Instant::now() < at);
        if waits || (action == Action::StartReplication && self.machine.is_none()) {
            return;
        }
        // The journal may hang from the moment of the freeze, so what is about to happen is said before.
        tracing::info!(?action, "begins");
        self.busy = Some(action);
        self.retry_at = None;
        if let Some(step) = action.step() {
            self.steps.begin(step, self.host.now_unix_ms());
        }
        self.telling.due = true;
        if action == Action::AcknowledgeFence {
            self.telling.fencing = true;
            return;
        }
        let work = self.work();
        self.spawn(move || {
            let result = work.carry_out(action).map_err(|error| error.to_string());
            Event::Acted(action, result)
        });
    }

    fn spawn(&self, job: impl FnOnce() -> Event + Send + 'static) {
        let events = self.events.clone();
        tokio::task::spawn_blocking(move || {
            // The owner is gone only when the service ends.
            let _ = events.blocking_send(job());
        });
    }

    fn work(&self) -> Work {
        Work {
            host: self.host.clone(),
            engine: self.engine.clone(),
            log: self.log.clone(),
            boot_id: self.boot_id.clone(),
            epoch: self.seen().0,
            intent: self.desired.as_ref().map(|desired| desired.intent.clone()),
            armed: self.ledger.ledger.armed.clone(),
            machine: self.machine.clone(),
            bounds: self.bounds(jiff::Zoned::now().datetime()),
            config_path: self.paths.config.clone(),
            host_name: self.host_name.clone(),
            frozen_unix_ms: self.run.frozen_unix_ms,
        }
    }

    fn bounds(&self, now: DateTime) -> Bounds {
        let asked = match self.desired.as_ref().map(|desired| &desired.intent) {
            Some(Intent::Replicate(replicate)) => replicate.max_bytes_per_second,
            Some(Intent::Stop(cutover) | Intent::Cutover(cutover)) => cutover.replicate.max_bytes_per_second,
            Some(Intent::Resume(resume)) => resume.replicate.max_bytes_per_second,
            Some(Intent::Idle {} | Intent::Fence(_) | Intent::Serve(_)) | None => 0,
        };
        let max_bytes_per_second = self.config.max_bytes_per_second(asked, now);
        Bounds { max_bytes_per_second, yields: self.config.yields_to_users() }
    }

    /// Keeps what an action left behind.
    fn ended(&mut self, action: Action, result: Result<Done, String>) -> Result<(), AgentError> {
        self.busy = None;
        self.telling.due = true;
        let now = self.host.now_unix_ms();
        if let Some(step) = action.step() {
            self.steps.end(step, result.as_ref().map(Done::words).map_err(String::as_str), now);
        }
        match result {
            Ok(done) => {
                let kept = self.succeeded(action, done, now);
                if kept.is_err() {
                    self.retry_at = Some(Instant::now() + RETRY);
                }
                kept
            }
            Err(error) => {
                tracing::warn!(?action, %error, "failed");
                match action.failure() {
                    Failure::EndsAttempt => self.attempt.failed = Some(error),
                    Failure::IsTriedAgain => self.retry_at = Some(Instant::now() + RETRY),
                    Failure::IsShown => return self.succeeded(action, Done::Plain, now),
                }
                Ok(())
            }
        }
    }

    fn succeeded(&mut self, action: Action, done: Done, now: i64) -> Result<(), AgentError> {
        match (action, done) {
            (Action::Arm, Done::Armed { armed, unfit }) => {
                self.armed(armed)?;
                self.attempt.failed = unfit;
            }
            (Action::FinalPass, Done::Signed(record)) => self.attempt.signed = Some(record),
            (Action::PrepareBoot, _) => self.boot_prepared = true,
            (Action::RunHooks(moment), _) => self.attempt.hooks_run.push(moment),
            (Action::Quiesce, _) => self.attempt.quiesced = true,
            (Action::Freeze, _) => {
                self.attempt.was_frozen = true;
                self.run.frozen_unix_ms = now;
                self.run.store(self.host.as_ref(), &self.paths)?;
            }
            (Action::Vote, _) => self.vote()?,
            (Action::StartServices, _) => self.attempt.services_run = true,
            (Action::EndAttempt { resumed }, _) => self.end_attempt(resumed)?,
            (Action::PassOver { attempt }, _) => {
                let outcome = Some(Outcome { attempt, resumed: true, message: String::new() });
                self.keep(|ledger| Ledger { last_attempt: attempt, outcome, ..ledger })?;
            }
            (Action::AdaptNetwork, _) => self.network_adapted = true,
            (Action::ServeUnits, _) => self.units_up = true,
            (
                Action::StartReplication
                | Action::StopReplication
                | Action::Arm
                | Action::FinalPass
                | Action::Thaw
                | Action::AcknowledgeFence
                | Action::PowerOff
                | Action::Wait(_),
                _,
            ) => {}
        }
        Ok(())
    }

    fn armed(&mut self, armed: Armed) -> Result<(), AgentError> {
        self.attempt = Attempt { begun_here: true, ..Attempt::default() };
        self.steps.forget_attempt();
        self.run.vote = None;
        self.run.store(self.host.as_ref(), &self.paths)?;
        let attempt = armed.attempt;
        self.keep(|ledger| Ledger { armed: Some(armed), last_attempt: attempt, outcome: None, ..ledger })
    }

    fn vote(&mut self) -> Result<(), AgentError> {
        let attempt = self.ledger.ledger.armed.as_ref().map(|armed| armed.attempt);
        if let (Some(attempt), Some(record)) = (attempt, self.attempt.signed.clone()) {
            let digest = record.digest();
            self.run.vote = Some(Vote { attempt, record, digest });
            self.run.store(self.host.as_ref(), &self.paths)?;
        }
        Ok(())
    }

    fn end_attempt(&mut self, resumed: bool) -> Result<(), AgentError> {
        let Some(armed) = self.ledger.ledger.armed.clone() else { return Ok(()) };
        let reason = self.attempt.failed.clone().unwrap_or_else(|| self.why_given_up(&armed));
        let message = if resumed { String::new() } else { reason };
        tracing::info!(attempt = armed.attempt, resumed, %message, "the attempt has ended");
        let outcome = Some(Outcome { attempt: armed.attempt, resumed, message });
        self.keep(|ledger| Ledger { armed: None, outcome, ..ledger })?;
        self.run.vote = None;
        self.run.store(self.host.as_ref(), &self.paths)?;
        self.attempt = Attempt::default();
        Ok(())
    }

    fn why_given_up(&self, armed: &Armed) -> String {
        if !self.attempt.begun_here {
            "the agent was restarted during the attempt, before it voted".into()
        } else if self.attempt.was_frozen {
            "the freeze ended before the copy was proven".into()
        } else {
            format!("attempt {} is not asked for any more", armed.attempt)
        }
    }
}

fn name(intent: &Intent) -> &'static str {
    match intent {
        Intent::Idle {} => "idle",
        Intent::Replicate(_) => "replicate",
        Intent::Stop(_) => "stop",
        Intent::Cutover(_) => "cutover",
        Intent::Resume(_) => "resume",
        Intent::Fence(_) => "fence",
        Intent::Serve(_) => "serve",
    }
}

#[cfg(test)]
mod tests;
