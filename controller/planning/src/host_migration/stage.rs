//! How far a host may go in an attempt, beside the other servers of its system: what depends on a server stops before it, and
//! none is frozen before all have stopped, because a freeze lasts a minute at most and a stop may take half an hour.
//!
//! ```text
//!   Wait ── all that depend on it have stopped ──► Stop ── every server of the system has stopped ──► Freeze
//! ```
//!
//! Computed from what the agents say at this moment and never stored. It goes back only where an attempt comes to nothing, and an
//! agent that has begun is never told to wait. A system of one server is told `Freeze` from the beginning.

use super::{Host, commit_gates};
use crate::facts::{Facts, HostFacts, Known};
use crate::gate::first_obstacle;
use crate::order::dependents;
use jiff::Timestamp;
use qianyun_crds::HostIntent;

/// A host that stopped and has not been heard for longer than this may not hear that it is to freeze: ten of an agent's reports in
/// an attempt.
const STOPPED_FRESH_MS: u64 = 5_000;

/// How far a host may go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// It goes on as before the attempt.
    Wait,
    /// It stops its services, and stays unfrozen.
    Stop,
    /// It goes all the way to its vote.
    Freeze,
}

/// How far a host may go in the attempt that its journey is in. `None` where it is not known what it has begun: it goes on as it
/// was told.
pub fn stage(facts: &Facts, name: &str, now: Timestamp) -> Option<Stage> {
    let host = facts.host(name)?;
    let Known::Is(journey) = &host.journey else { return None };
    let this = Host { facts, host, journey, now };
    if this.others().next().is_none() {
        return Some(Stage::Freeze);
    }
    host.agent.as_ref()?;
    let (begun, awaited) = (host.vote().is_some(), this.awaited().is_some());
    // Nothing more is begun while it is not known that everything still permits it, or while a server is not in the attempt: what
    // stops would wait for it without serving anybody.
    let permitted = this.others().all(is_in_attempt) && first_obstacle(&commit_gates(), facts, now).is_none();
    Some(match (begun, host.stopped()) {
        (true, true) if permitted && !awaited => Stage::Freeze,
        (true, _) => Stage::Stop,
        (false, _) if permitted && !awaited => Stage::Stop,
        (false, _) => Stage::Wait,
    })
}

impl Host<'_> {
    /// The server whose stop this one waits for, where it does.
    pub(super) fn awaited(&self) -> Option<&HostFacts> {
        let running = |h: &&HostFacts| !(h.committed() || h.stopped() && is_heard(h));
        if self.host.stopped() {
            return self.others().find(running);
        }
        let scheme = &self.facts.migration.spec.scheme;
        let depends = |h: &&HostFacts| dependents(scheme, &self.host.name).any(|d| d.host_ref == h.name);
        let before_begin = self.host.vote().is_none();
        self.others().filter(|_| before_begin).filter(depends).find(running)
    }
}

fn is_in_attempt(host: &HostFacts) -> bool {
    let cutting = host.journey.get().is_some_and(|j| j.spec.intent == HostIntent::Cutover);
    cutting || host.committed()
}

fn is_heard(host: &HostFacts) -> bool {
    host.agent.as_ref().is_some_and(|agent| agent.age_ms <= STOPPED_FRESH_MS)
}
