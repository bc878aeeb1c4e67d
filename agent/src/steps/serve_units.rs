//! On the other machine: the units that the plan names are up.

use super::{HostStep, Precheck, StepError, systemd};
use crate::host::{Host, LOOK_LIMIT};
use qianyun_agent_api::inventory::Unit;
use std::time::Duration;

/// As long as stopping and starting may take elsewhere: databases replay journals.
const START_LIMIT: Duration = Duration::from_secs(270);

/// The units to serve.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ServeUnits<'a> {
    /// By name.
    pub(crate) units: &'a [String],
}

/// How the units are, and which others have failed.
pub(crate) fn observe(host: &dyn Host, units: &[String]) -> Result<Vec<Unit>, StepError> {
    let mut found = Vec::new();
    for name in units {
        found.push(Unit { name: name.clone(), state: systemd::active_state(host, name)? });
    }
    let args = ["list-units", "--state=failed", "--no-legend", "--plain", "--no-pager"];
    for line in host.ask("systemctl", &args, LOOK_LIMIT)?.lines() {
        let name = line.split_whitespace().next().unwrap_or_default();
        if !name.is_empty() && !units.iter().any(|unit| unit == name) {
            found.push(Unit { name: name.to_owned(), state: "failed".into() });
        }
    }
    Ok(found)
}

impl HostStep for ServeUnits<'_> {
    fn name(&self) -> &'static str {
        "bringing the units up"
    }

    fn precheck(&self, host: &dyn Host) -> Result<Precheck, StepError> {
        for unit in self.units {
            if systemd::active_state(host, unit)? != "active" {
                return Ok(Precheck::Ready);
            }
        }
        Ok(Precheck::AlreadyDone)
    }

    fn act(&self, host: &dyn Host) -> Result<(), StepError> {
        for unit in self.units {
            systemd::start(host, unit, START_LIMIT)?;
        }
        Ok(())
    }

    /// Units that are up are what every machine has; nothing is taken back.
    fn undo(&self, _host: &dyn Host) -> Result<(), StepError> {
        Ok(())
    }
}
