//! What the steps ask of systemd, by argument vectors.

use crate::host::{Host, HostError, LOOK_LIMIT};
use std::time::Duration;

/// A property of a unit; empty if systemd does not know it. Before 230 systemd cannot leave out the property's name.
fn property(host: &dyn Host, unit: &str, name: &str) -> Result<String, HostError> {
    let told = host.ask("systemctl", &["show", &format!("--property={name}"), "--", unit], LOOK_LIMIT)?;
    let value = told.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix('='));
    Ok(value.unwrap_or_default().trim().to_owned())
}

/// Active state of a unit, as `active`; `inactive` for one that does not exist.
pub(super) fn active_state(host: &dyn Host, unit: &str) -> Result<String, HostError> {
    property(host, unit, "ActiveState")
}

/// Whether a unit serves now or is about to, so that it has to run again after an attempt. A job that runs once and ends is
/// none of these while it runs: begun again, it would do its work twice.
pub(super) fn serves(host: &dyn Host, unit: &str) -> Result<bool, HostError> {
    Ok(match active_state(host, unit)?.as_str() {
        "active" | "reloading" => true,
        "activating" => property(host, unit, "Type")? != "oneshot",
        _ => false,
    })
}

/// Whether a unit does not run and is not about to.
pub(super) fn is_down(state: &str) -> bool {
    matches!(state, "inactive" | "failed")
}

/// A unit with those that are part of it: `postgresql.service` is only the umbrella over its clusters, and stopping it
/// returns before they are down.
pub(super) fn with_parts(host: &dyn Host, unit: &str) -> Result<Vec<String>, HostError> {
    let parts = property(host, unit, "ConsistsOf")?;
    let mut units = vec![unit.to_owned()];
    units.extend(parts.split_whitespace().map(str::to_owned));
    Ok(units)
}

/// Stops a unit and waits for it.
pub(super) fn stop(host: &dyn Host, unit: &str, limit: Duration) -> Result<(), HostError> {
    host.ask("systemctl", &["stop", "--", unit], limit).map(drop)
}

/// Starts a unit and waits for it.
pub(super) fn start(host: &dyn Host, unit: &str, limit: Duration) -> Result<(), HostError> {
    host.ask("systemctl", &["start", "--", unit], limit).map(drop)
}

/// Stops a unit if it runs, starts it, and waits for it.
pub(super) fn restart(host: &dyn Host, unit: &str, limit: Duration) -> Result<(), HostError> {
    host.ask("systemctl", &["restart", "--", unit], limit).map(drop)
}

/// Makes systemd read its unit files again.
pub(super) fn reload(host: &dyn Host) -> Result<(), HostError> {
    host.ask("systemctl", &["daemon-reload"], LOOK_LIMIT).map(drop)
}
