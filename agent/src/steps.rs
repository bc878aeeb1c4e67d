//! The shape of every step that changes the host: precheck → act → verify, and undo.
//!
//! `precheck` says whether there is something to do and whether it may be done; `act` is called only when ready;
//! verifying is the precheck again. So a step that was killed half-way is simply performed again.

pub(crate) mod adapt_network;
pub(crate) mod prepare_boot;
pub(crate) mod quiesce;
pub(crate) mod serve_units;
pub(crate) mod start_network;
mod systemd;

use crate::host::{Host, HostError};

/// What a precheck found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Precheck {
    /// All is as it should be.
    AlreadyDone,
    /// There is something to do, and it may be done.
    Ready,
    /// It must not be done.
    Refused { expected: String, found: String },
}

/// Why a step did not come to its end.
#[derive(Debug, thiserror::Error)]
pub(crate) enum StepError {
    /// The machine is not as the step needs it.
    #[error("expected {expected}, found {found}")]
    Refused { expected: String, found: String },
    /// It was carried out, and still is not so.
    #[error("{step} was carried out and is still not done")]
    NotDone { step: &'static str },
    /// The operating system refused.
    #[error("{}", with_cause(.0))]
    Host(#[from] HostError),
}

/// Reports carry one sentence, so the cause is part of it.
pub(crate) fn with_cause(error: &HostError) -> String {
    match std::error::Error::source(error) {
        Some(cause) => format!("{error}: {cause}"),
        None => error.to_string(),
    }
}

/// A change of the host.
pub(crate) trait HostStep {
    /// Name for errors.
    fn name(&self) -> &'static str;
    /// Looks; changes nothing.
    fn precheck(&self, host: &dyn Host) -> Result<Precheck, StepError>;
    /// Does what is missing.
    fn act(&self, host: &dyn Host) -> Result<(), StepError>;
    /// Takes back exactly what `act` did, however far it came.
    fn undo(&self, host: &dyn Host) -> Result<(), StepError>;
}

/// Brings a step to its end.
pub(crate) fn perform(step: &dyn HostStep, host: &dyn Host) -> Result<(), StepError> {
    match step.precheck(host)? {
        Precheck::AlreadyDone => return Ok(()),
        Precheck::Refused { expected, found } => return Err(StepError::Refused { expected, found }),
        Precheck::Ready => step.act(host)?,
    }
    match step.precheck(host)? {
        Precheck::AlreadyDone => Ok(()),
        Precheck::Refused { expected, found } => Err(StepError::Refused { expected, found }),
        Precheck::Ready => Err(StepError::NotDone { step: step.name() }),
    }
}

#[cfg(test)]
pub(crate) mod tests;
