//! What must survive the agent but not the boot: the vote, and what was learnt while disks were frozen.
//!
//! It lies in memory (`/run`), so that it can be written while every filesystem on a disk is frozen.

use crate::host::{Host, HostError};
use crate::paths::Paths;
use qianyun_agent_api::record::SignedRecord;
use serde::{Deserialize, Serialize};

/// State of this boot.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct RunState {
    /// Highest controller epoch accepted in this boot.
    pub(crate) epoch: u64,
    /// Highest generation accepted in that epoch.
    pub(crate) generation: u64,
    /// The vote. From when it is written only the controller decides.
    pub(crate) vote: Option<Vote>,
    /// When the filesystems were last frozen, milliseconds since the Unix epoch.
    pub(crate) frozen_unix_ms: i64,
}

/// A vote that was, or is about to be, sent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Vote {
    /// Which attempt.
    pub(crate) attempt: u32,
    /// What both ends signed.
    pub(crate) record: SignedRecord,
    /// Its digest, by which a commit must name it.
    pub(crate) digest: String,
}

/// Why the state of this boot could not be used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum RunStateError {
    /// The operating system refused.
    #[error("the state of this boot cannot be kept")]
    Host(#[from] HostError),
    /// The file is damaged.
    #[error("{path} is not what the agent wrote")]
    Damaged {
        path: String,
        #[source]
        source: serde_json::Error,
    },
}

impl RunState {
    /// What this boot knows; empty after a boot.
    pub(crate) fn load(host: &dyn Host, paths: &Paths) -> Result<Self, RunStateError> {
        let path = paths.run_state();
        if !host.exists(&path) {
            return Ok(Self::default());
        }
        let bytes = host.read(&path)?;
        serde_json::from_slice(&bytes).map_err(|source| RunStateError::Damaged { path, source })
    }

    /// Keeps it until the next boot.
    pub(crate) fn store(&self, host: &dyn Host, paths: &Paths) -> Result<(), RunStateError> {
        let path = paths.run_state();
        let text = serde_json::to_vec(self).map_err(|source| RunStateError::Damaged { path: path.clone(), source })?;
        Ok(host.write(&path, &text, 0o600)?)
    }
}

/// `/proc/sys/kernel/random/boot_id`: another one means that the machine was started anew.
pub(crate) fn boot_id(host: &dyn Host) -> String {
    host.text("/proc/sys/kernel/random/boot_id").unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::fake::Fake;

    #[test]
    fn the_state_is_found_again_in_the_same_boot_and_empty_after_another() {
        let host = Fake::default();
        let state = RunState { epoch: 3, frozen_unix_ms: 7, ..RunState::default() };
        state.store(&host, &Paths::default()).unwrap();
        assert_eq!(RunState::load(&host, &Paths::default()).unwrap(), state);
        assert_eq!(RunState::load(&Fake::default(), &Paths::default()).unwrap(), RunState::default());
    }

    #[test]
    fn a_damaged_state_is_an_error_and_not_an_empty_one() {
        let host = Fake::default().file("/run/qianyun/state.json", "{");
        assert!(RunState::load(&host, &Paths::default()).is_err());
    }
}
