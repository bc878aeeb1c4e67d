//! What is told, and when: the report for the gateway and the picture for `status`.

use super::{Agent, links, name, status};
use crate::decision::Waiting;
use crate::inventory::Machine;
use crate::own_load;
use crate::screen::Language;
use qianyun_agent_api::desired::Intent;
use qianyun_agent_api::inventory::Inventory;
use qianyun_agent_api::report::{ArrivalReport, CutoverReport, CutoverState, ReplicationState, Report, Role};
use std::time::{Duration, Instant};

/// Nothing new: the gateway only needs to see that the agent lives.
const IDLE_EVERY: Duration = Duration::from_secs(15);
/// Progress of a copy, for people.
const COPY_EVERY: Duration = Duration::from_secs(3);
/// During an attempt the remaining time of the freeze must be fresh.
const ATTEMPT_EVERY: Duration = Duration::from_millis(500);
/// Changes that come together are told together.
const LEAST_PAUSE: Duration = Duration::from_millis(200);

/// When to tell.
#[derive(Debug, Default)]
pub(super) struct Telling {
    sequence: u64,
    in_flight: bool,
    last: Option<Instant>,
    every: Option<Duration>,
    /// Something changed.
    pub(super) due: bool,
    /// The inventory has changed or is wanted.
    pub(super) inventory_due: bool,
    /// The report under way carries it.
    inventory_sent: bool,
    /// The next report acknowledges the commit.
    pub(super) fencing: bool,
}

impl Telling {
    pub(super) fn is_due(&self) -> bool {
        let since = self.last.map(|last| last.elapsed());
        match since {
            _ if self.in_flight => false,
            None => true,
            Some(since) if self.due || self.fencing => since >= LEAST_PAUSE,
            Some(since) => since >= self.every.unwrap_or(IDLE_EVERY),
        }
    }

    pub(super) fn answered(&mut self, want_inventory: bool) {
        self.in_flight = false;
        self.inventory_due |= want_inventory;
        self.due |= want_inventory;
    }

    /// The report is lost, and with it perhaps an inventory.
    pub(super) fn failed(&mut self) {
        self.in_flight = false;
        self.inventory_due |= self.inventory_sent;
    }
}

impl Agent {
    /// Sends a report if one is due, and refreshes the picture.
    pub(super) fn tell(&mut self) {
        if !self.telling.is_due() {
            return;
        }
        let fencing = self.telling.fencing;
        let report = self.report(fencing);
        self.telling.sequence += 1;
        self.telling.in_flight = true;
        self.telling.last = Some(Instant::now());
        self.telling.due = false;
        self.telling.fencing = false;
        self.telling.every = Some(self.pace());
        links::report(self.gateway.borrow().clone(), report, fencing, self.events.clone());
        self.status.activity = self.activity();
        if let Err(error) = status::store(self.host.as_ref(), &self.paths, &self.status) {
            tracing::warn!(%error, "the picture for `status` was not written");
        }
    }

    fn pace(&self) -> Duration {
        let attempt = self.ledger.ledger.armed.is_some() && self.role == Role::Source;
        match (attempt, self.engine.following().is_some() || self.role == Role::Arrival) {
            (true, _) => ATTEMPT_EVERY,
            (false, true) => COPY_EVERY,
            (false, false) => IDLE_EVERY,
        }
    }

    pub(super) fn report(&mut self, fencing: bool) -> Report {
        let with_inventory = std::mem::take(&mut self.telling.inventory_due) && self.machine.is_some();
        self.telling.inventory_sent = with_inventory;
        let (epoch, generation) = self.desired.as_ref().map_or((0, 0), |d| (d.epoch, d.generation));
        Report {
            sequence: self.telling.sequence,
            boot_id: self.boot_id.clone(),
            process_id: self.process_id.clone(),
            fingerprint: self.fingerprint.clone(),
            role: self.role,
            agent_version: env!("CARGO_PKG_VERSION").to_owned(),
            epoch,
            generation,
            clock_unix_ms: self.host.now_unix_ms(),
            inventory: self.machine.as_ref().filter(|_| with_inventory).map(|machine| self.inventory(machine)),
            checks: if with_inventory { self.checks.clone() } else { Vec::new() },
            local_refusal: self.forbidden.clone(),
            steps: self.steps.records(),
            disks: self.engine.following().map(|following| following.disks).unwrap_or_default(),
            last_attempt: self.ledger.ledger.last_attempt,
            cutover: self.cutover(fencing),
            arrival: (self.role == Role::Arrival).then(|| self.arrival()),
        }
    }

    /// What the machine is, and what its admin allows on it.
    fn inventory(&self, machine: &Machine) -> Inventory {
        Inventory { hooks: self.hooks.clone(), ..machine.inventory.clone() }
    }

    fn cutover(&self, fencing: bool) -> Option<CutoverReport> {
        if self.role == Role::Arrival {
            return None;
        }
        let frozen = self.engine.frozen();
        let ledger = &self.ledger.ledger;
        let Some(armed) = &ledger.armed else {
            let outcome = ledger.outcome.as_ref()?;
            return Some(CutoverReport {
                attempt: outcome.attempt,
                state: if outcome.resumed { CutoverState::Resumed } else { CutoverState::GivenUp },
                stopped: false,
                frozen_ms: 0,
                freeze_remaining_ms: 0,
                record: None,
                message: outcome.message.clone(),
            });
        };
        let vote = self.run.vote.as_ref().filter(|vote| vote.attempt == armed.attempt);
        let another_boot = armed.boot_id != self.boot_id;
        let state = match (fencing || self.fence_acknowledged, vote.is_some() || another_boot, frozen.is_some()) {
            (true, _, _) => CutoverState::Fencing,
            (false, true, true) => CutoverState::Prepared,
            (false, true, false) => CutoverState::PreparedButThawed,
            (false, false, _) => CutoverState::Working,
        };
        let message = if another_boot {
            "the machine was started anew during the attempt; its services are kept down".to_owned()
        } else {
            self.attempt.failed.clone().unwrap_or_default()
        };
        Some(CutoverReport {
            attempt: armed.attempt,
            state,
            stopped: self.attempt.quiesced
                && !self.hooks_left(armed).before_freeze
                && self.attempt.failed.is_none()
                && !self.attempt.services_run,
            frozen_ms: frozen.map_or(0, |frozen| frozen.elapsed_ms),
            freeze_remaining_ms: frozen.map_or(0, |frozen| frozen.remaining_ms),
            record: vote.map(|vote| vote.record.clone()),
            message,
        })
    }

    fn arrival(&self) -> ArrivalReport {
        let failed: Vec<&str> =
            self.units.iter().filter(|unit| unit.state != "active").map(|unit| unit.name.as_str()).collect();
        let message = match (self.network_adapted, failed.is_empty()) {
            (false, _) => "the network cards do not have their names yet".to_owned(),
            (true, false) => format!("not up: {}", failed.join(", ")),
            (true, true) => String::new(),
        };
        ArrivalReport { adapted: self.network_adapted, units: self.units.clone(), message }
    }

    /// One line for each thing that goes on, for people.
    pub(super) fn activity(&self) -> Vec<String> {
        let mut lines = Vec::new();
        if let Some(desired) = &self.desired {
            lines.push(format!("{}: {}", name(&desired.intent), self.doing(&desired.intent)));
        }
        let Some(following) = self.engine.following() else { return lines };
        for disk in &following.disks {
            let done = disk.size_bytes.saturating_sub(disk.remaining_bytes);
            let percent =
                if disk.state == ReplicationState::InSync { 100 } else { done * 100 / disk.size_bytes.max(1) };
            lines.push(format!(
                "{}: {:?}, {percent} %, lag {} ms {}",
                disk.volume, disk.state, disk.lag_ms, disk.message
            ));
        }
        lines.push(own_load::taken(Language::En, &following.load));
        lines
    }

    fn doing(&self, intent: &Intent) -> String {
        match (self.busy, self.waiting) {
            (Some(action), _) => format!("{action:?}"),
            (None, Waiting::Gateway) => "the gateway has not answered yet".into(),
            (None, Waiting::Nothing) => match intent {
                Intent::Idle {} => "nothing on this host is touched".into(),
                Intent::Replicate(_) | Intent::Stop(_) | Intent::Cutover(_) | Intent::Resume(_) => "following".into(),
                Intent::Fence(_) | Intent::Serve(_) => "done".into(),
            },
            (None, Waiting::LocalFile) => "forbidden by this machine's own file".into(),
            (None, Waiting::Sync) => "the copy is not in sync yet".into(),
            (None, Waiting::OtherServers) => "services stopped; other servers of the system stop theirs".into(),
            (None, Waiting::Decision) => "voted; the decision is the controller's".into(),
            (None, Waiting::Refused) => "does not fit what this host knows".into(),
        }
    }
}
