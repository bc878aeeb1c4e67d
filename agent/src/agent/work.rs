//! Carries out one action, on a thread of its own. It decides nothing and writes neither ledger nor vote.

use crate::config::{self, ConfigError};
use crate::decision::Action;
use crate::engine::{self, Bounds, Engine, EngineError, RecordContext};
use crate::hooks::{HookError, Occasion};
use crate::host::{Host, HostError};
use crate::inventory::{self, Machine};
use crate::ledger::Armed;
use crate::logging::Log;
use crate::steps::{HostStep, StepError, adapt_network, perform, prepare_boot, quiesce, serve_units, start_network};
use qianyun_agent_api::desired::{CutoverIntent, HookMoment, Intent, ReplicateIntent};
use qianyun_agent_api::record::SignedRecord;
use std::sync::Arc;
use std::time::Duration;

/// All that an action may need; taken together when it begins.
#[derive(Clone)]
pub(crate) struct Work {
    pub(crate) host: Arc<dyn Host>,
    pub(crate) engine: Arc<dyn Engine>,
    pub(crate) log: Log,
    pub(crate) boot_id: String,
    pub(crate) epoch: u64,
    pub(crate) intent: Option<Intent>,
    pub(crate) armed: Option<Armed>,
    pub(crate) machine: Option<Machine>,
    pub(crate) bounds: Bounds,
    pub(crate) config_path: String,
    pub(crate) host_name: String,
    pub(crate) frozen_unix_ms: i64,
}

/// What an action leaves for the owner to keep.
#[derive(Debug)]
pub(crate) enum Done {
    /// Nothing but that it is done.
    Plain,
    /// The same, and what there is to say of it.
    Said(String),
    /// The attempt, to be written to the ledger; and why it cannot come to its end, if that is known already: then it is given
    /// up before anything is stopped.
    Armed { armed: Armed, unfit: Option<String> },
    /// The record, signed by both ends.
    Signed(SignedRecord),
}

impl Done {
    /// What there is to say of it.
    pub(crate) fn words(&self) -> &str {
        match self {
            Self::Said(words) => words,
            Self::Plain | Self::Armed { .. } | Self::Signed(_) => "",
        }
    }
}

/// Why an action failed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum WorkError {
    /// A step of the host.
    #[error(transparent)]
    Step(#[from] StepError),
    /// The engine.
    #[error(transparent)]
    Engine(#[from] EngineError),
    /// The operating system.
    #[error(transparent)]
    Host(#[from] HostError),
    /// The admin's own file, which is read anew for what it permits now.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// A hook of the admin.
    #[error(transparent)]
    Hook(#[from] HookError),
    /// The action does not fit what is known; the decision and the facts disagree.
    #[error("{0} is not possible without {1}")]
    Missing(&'static str, &'static str),
}

impl Work {
    /// Carries out `action`.
    pub(crate) fn carry_out(&self, action: Action) -> Result<Done, WorkError> {
        let host = self.host.as_ref();
        match action {
            Action::PrepareBoot => perform(&prepare_boot::PrepareBoot, host)?,
            Action::StartReplication => self.start_replication()?,
            Action::StopReplication => self.engine.stop()?,
            Action::Arm => return Ok(Done::Armed { armed: self.arm()?, unfit: self.unfit()? }),
            Action::RunHooks(moment) => return Ok(Done::Said(self.run_hooks(moment)?)),
            Action::Quiesce => perform(&self.quiesce()?, host)?,
            Action::Freeze => return Ok(Done::Said(self.freeze()?)),
            Action::FinalPass => return Ok(Done::Signed(self.engine.finalise(&self.record_context()?)?)),
            Action::Thaw => self.thaw()?,
            Action::StartServices => {
                // Where the watchdog was first, the engine still has to be told that the freeze is over.
                self.thaw()?;
                self.quiesce()?.undo(host)?;
            }
            Action::PowerOff => self.engine.power_off()?,
            Action::AdaptNetwork => self.arrive()?,
            Action::ServeUnits => self.serve()?,
            // The owner carries these out by writing or sending.
            Action::Vote
            | Action::EndAttempt { .. }
            | Action::PassOver { .. }
            | Action::AcknowledgeFence
            | Action::Wait(_) => {}
        }
        Ok(Done::Plain)
    }

    fn replicate(&self) -> Result<&ReplicateIntent, WorkError> {
        match &self.intent {
            Some(Intent::Replicate(replicate)) => Ok(replicate),
            Some(Intent::Stop(cutover) | Intent::Cutover(cutover)) => Ok(&cutover.replicate),
            Some(Intent::Resume(resume)) => Ok(&resume.replicate),
            Some(Intent::Idle {} | Intent::Fence(_) | Intent::Serve(_)) | None => {
                Err(WorkError::Missing("replication", "an intent that asks for it"))
            }
        }
    }

    fn cutover(&self) -> Result<&CutoverIntent, WorkError> {
        match &self.intent {
            Some(Intent::Stop(cutover) | Intent::Cutover(cutover)) => Ok(cutover),
            Some(_) | None => Err(WorkError::Missing("a cutover", "an intent that asks for it")),
        }
    }

    fn start_replication(&self) -> Result<(), WorkError> {
        let machine = self.machine.as_ref().ok_or(WorkError::Missing("replication", "an inventory"))?;
        let intent = self.replicate()?;
        let disks = engine::find_disks(intent, machine)?;
        Ok(self.engine.start(intent, &disks, self.bounds)?)
    }

    fn arm(&self) -> Result<Armed, WorkError> {
        let cutover = self.cutover()?;
        Ok(Armed {
            attempt: cutover.attempt,
            epoch: self.epoch,
            boot_id: self.boot_id.clone(),
            units: cutover.quiesce.clone(),
            stopped: quiesce::running(self.host.as_ref(), &cutover.quiesce)?,
            hooks: cutover.hooks.clone(),
            arrival: cutover.arrival.clone(),
        })
    }

    /// A freeze that this kernel does not bear, and a disk that is lost in part, are known before the services are stopped for
    /// it.
    fn unfit(&self) -> Result<Option<String>, WorkError> {
        let limit = Duration::from_millis(self.cutover()?.freeze_limit_ms);
        let settings = inventory::hung_task(self.host.as_ref()).unwrap_or_default();
        Ok(settings.check(limit).err().map(|error| error.to_string()).or_else(|| self.engine.unfit()))
    }

    fn run_hooks(&self, moment: HookMoment) -> Result<String, WorkError> {
        let armed = self.armed.as_ref().ok_or(WorkError::Missing("hooks", "an armed attempt"))?;
        let config = config::load(self.host.as_ref(), &self.config_path)?;
        let occasion = Occasion { host: &self.host_name, attempt: armed.attempt };
        Ok(config.hooks().run(self.host.as_ref(), moment, &armed.hooks, &occasion)?)
    }

    fn quiesce(&self) -> Result<quiesce::Quiesce<'_>, WorkError> {
        let armed = self.armed.as_ref().ok_or(WorkError::Missing("services", "an armed attempt"))?;
        Ok(quiesce::Quiesce { units: &armed.units, stopped: &armed.stopped })
    }

    /// The log goes to memory first: from the freeze on, writing it could hang.
    fn freeze(&self) -> Result<String, WorkError> {
        let limit = Duration::from_millis(self.cutover()?.freeze_limit_ms);
        self.log.hold();
        let frozen = self.engine.freeze(limit);
        if frozen.is_err() {
            self.log.release();
        }
        Ok(frozen?)
    }

    fn thaw(&self) -> Result<(), WorkError> {
        self.engine.thaw()?;
        self.log.release();
        Ok(self.engine.resume()?)
    }

    fn record_context(&self) -> Result<RecordContext, WorkError> {
        let cutover = self.cutover()?;
        let armed = self.armed.as_ref().ok_or(WorkError::Missing("a record", "an armed attempt"))?;
        Ok(RecordContext {
            host: self.host_name.clone(),
            scheme_digest: cutover.replicate.scheme_digest.clone(),
            session: cutover.replicate.session,
            // A new leader may have taken over since; the attempt is still the one that was asked for then.
            epoch: armed.epoch,
            attempt: cutover.attempt,
            frozen_unix_ms: self.frozen_unix_ms,
        })
    }

    /// What the boot guard does before the network and the services; where it came too early for a card, all that followed from
    /// that is done now.
    fn arrive(&self) -> Result<(), WorkError> {
        let armed = self.armed.as_ref().ok_or(WorkError::Missing("adapting the network", "a plan"))?;
        let host = self.host.as_ref();
        let names = adapt_network::AdaptNetwork { plan: &armed.arrival };
        if names.renames(host) {
            start_network::mark_late(host)?;
        }
        perform(&names, host)?;
        perform(&start_network::StartNetwork { plan: &armed.arrival }, host)?;
        let quiesce = self.quiesce()?;
        if quiesce.is_kept_down(host) {
            quiesce.undo(host)?;
        }
        Ok(())
    }

    fn serve(&self) -> Result<(), WorkError> {
        match &self.intent {
            Some(Intent::Serve(serve)) => {
                Ok(perform(&serve_units::ServeUnits { units: &serve.units }, self.host.as_ref())?)
            }
            Some(_) | None => Err(WorkError::Missing("serving", "an intent that asks for it")),
        }
    }
}
