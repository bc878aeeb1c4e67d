//! What the running service leaves in `/run` for `status` to show.

use crate::host::{Host, HostError};
use crate::paths::Paths;
use qianyun_agent_api::report::JourneyView;
use serde::{Deserialize, Serialize};

/// How the service sees the journey.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct StatusFile {
    /// Words of the gateway.
    pub(crate) journey: JourneyView,
    /// When a report was last answered, milliseconds since the Unix epoch; 0 if never.
    pub(crate) last_report_unix_ms: i64,
    /// Why the last call failed; empty if it did not.
    pub(crate) last_error: String,
    /// What the admin's own file forbids.
    pub(crate) local_refusal: Option<String>,
    /// What goes on here, one line each.
    pub(crate) activity: Vec<String>,
    /// How far the clock is from the gateway's, milliseconds.
    pub(crate) clock_skew_ms: Option<i64>,
}

/// What the service last left; `None` where it does not run.
pub(crate) fn load(host: &dyn Host, paths: &Paths) -> Option<StatusFile> {
    serde_json::from_slice(&host.read(&paths.status()).ok()?).ok()
}

/// Leaves it; in memory, so also while disks are frozen.
pub(crate) fn store(host: &dyn Host, paths: &Paths, status: &StatusFile) -> Result<(), HostError> {
    match serde_json::to_vec(status) {
        Ok(text) => host.write(&paths.status(), &text, 0o644),
        // Strings and numbers always have a JSON form; and a picture for people may be missing.
        Err(_) => Ok(()),
    }
}
