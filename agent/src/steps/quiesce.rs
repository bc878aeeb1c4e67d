//! Stops the declared services in order, each with its deadline; undo starts those that ran, in reverse order.
//!
//! A gate in `/run` keeps them down whoever tries to start them: a timer, a dependency, the next boot. It is a drop-in
//! with a condition that is false, because masking at run time does not reach units that lie in `/etc`.

use super::{HostStep, Precheck, StepError, systemd};
use crate::host::{Host, HostError};
use qianyun_agent_api::desired::QuiesceUnit;
use std::time::Duration;

/// A service may take as long to start as systemd's own default gives it, three times over: databases replay journals.
const START_LIMIT: Duration = Duration::from_secs(270);

/// This never exists, so the condition is false.
const GATE: &str = "# Written by qianyun-agent for the time of a cutover; gone with the next boot or its end.
[Unit]
ConditionPathExists=/run/qianyun/services-may-start
";

/// Services to stop, and those that ran before.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Quiesce<'a> {
    /// As declared, in order.
    pub(crate) units: &'a [QuiesceUnit],
    /// Those that ran when the attempt was armed, with their parts, in the same order.
    pub(crate) stopped: &'a [String],
}

/// The units that run, with what is part of them: to be written to the ledger before anything is stopped.
pub(crate) fn running(host: &dyn Host, units: &[QuiesceUnit]) -> Result<Vec<String>, HostError> {
    let mut found: Vec<String> = Vec::new();
    for unit in units {
        for part in systemd::with_parts(host, &unit.unit)? {
            if !found.contains(&part) && systemd::serves(host, &part)? {
                found.push(part);
            }
        }
    }
    Ok(found)
}

fn gate(unit: &str) -> String {
    format!("/run/systemd/system/{unit}.d/qianyun-cutover.conf")
}

/// Keeps the units down, whoever tries to start them.
fn close_gates(host: &dyn Host, units: &[String]) -> Result<(), HostError> {
    let open: Vec<&String> = units.iter().filter(|unit| !host.exists(&gate(unit))).collect();
    for unit in &open {
        host.write(&gate(unit), GATE.as_bytes(), 0o644)?;
    }
    if open.is_empty() { Ok(()) } else { systemd::reload(host) }
}

impl Quiesce<'_> {
    /// Everything to keep down: what was declared and what ran.
    fn all(&self) -> Vec<String> {
        let mut all = self.stopped.to_vec();
        all.extend(self.units.iter().map(|unit| unit.unit.clone()).filter(|unit| !self.stopped.contains(unit)));
        all
    }

    /// Early in a boot, before any of them starts: keeps all of them down.
    pub(crate) fn keep_down(&self, host: &dyn Host) -> Result<(), HostError> {
        close_gates(host, &self.all())
    }

    /// Whether anything is kept down: the boot guard takes an arrival whose card shows up late for the source.
    pub(crate) fn is_kept_down(&self, host: &dyn Host) -> bool {
        self.all().iter().any(|unit| host.exists(&gate(unit)))
    }

    /// Whether the services that ran before run again.
    fn is_undone(&self, host: &dyn Host) -> Result<bool, HostError> {
        for unit in self.all() {
            if host.exists(&gate(&unit)) {
                return Ok(false);
            }
        }
        for unit in self.stopped {
            if systemd::active_state(host, unit)? != "active" {
                return Ok(false);
            }
        }
        Ok(true)
    }
}

impl HostStep for Quiesce<'_> {
    fn name(&self) -> &'static str {
        "stopping the services"
    }

    fn precheck(&self, host: &dyn Host) -> Result<Precheck, StepError> {
        for unit in self.all() {
            if !host.exists(&gate(&unit)) || !systemd::is_down(&systemd::active_state(host, &unit)?) {
                return Ok(Precheck::Ready);
            }
        }
        Ok(Precheck::AlreadyDone)
    }

    fn act(&self, host: &dyn Host) -> Result<(), StepError> {
        close_gates(host, &self.all())?;
        for declared in self.units {
            let deadline = Duration::from_millis(declared.deadline_ms);
            systemd::stop(host, &declared.unit, deadline)?;
            // A part can outlive its umbrella's stop; stopping it by name waits for it.
            for part in systemd::with_parts(host, &declared.unit)?.into_iter().skip(1) {
                systemd::stop(host, &part, deadline)?;
            }
        }
        Ok(())
    }

    fn undo(&self, host: &dyn Host) -> Result<(), StepError> {
        if self.is_undone(host)? {
            return Ok(());
        }
        for unit in self.all() {
            host.remove(&gate(&unit))?;
        }
        systemd::reload(host)?;
        // Each is tried: one that does not come up must not keep the others down.
        let tried: Vec<_> = self.stopped.iter().rev().map(|unit| systemd::start(host, unit, START_LIMIT)).collect();
        tried.into_iter().collect::<Result<(), _>>()?;
        match self.is_undone(host)? {
            true => Ok(()),
            false => Err(StepError::NotDone { step: "starting the services" }),
        }
    }
}
