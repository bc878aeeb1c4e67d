//! What the agents last said and what they are to be: the memory between the gateway and the reconcilers.
//!
//! It lives as long as one leadership and is never written down: a new leader hears every agent again within seconds,
//! and hands out nothing before a reconciler has said what a host is to be. It decides nothing.

use jiff::Timestamp;
use kube::runtime::reflector::ObjectRef;
use qianyun_agent_api::check::CheckResult;
use qianyun_agent_api::desired::{Desired, Intent};
use qianyun_agent_api::inventory::Inventory;
use qianyun_agent_api::report::{JourneyView, Report, ReportAnswer, Role};
use qianyun_crds::PhysicalHost;
use std::collections::{HashMap, VecDeque};
use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;
use tokio::sync::{mpsc, watch};

/// Wakes that may wait for a reconciler. A full queue drops: the reconciler looks at every host again by itself.
/// 1,024 is five times the 200 hosts of the largest enrolment.
const WAKES: usize = 1024;

/// Former agent processes of a host whose late reports are dropped. An agent that restarts more often than this
/// while a report is on its way can be heard out of order once, until its next report.
const FORMER_PROCESSES: usize = 8;

/// Name of a `PhysicalHost`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct HostKey {
    /// Namespace.
    pub(crate) namespace: String,
    /// Name.
    pub(crate) name: String,
}

impl HostKey {
    /// The key of `<namespace>/<name>`.
    pub(crate) fn new(namespace: impl Into<String>, name: impl Into<String>) -> Self {
        Self { namespace: namespace.into(), name: name.into() }
    }
}

impl fmt::Display for HostKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.namespace, self.name)
    }
}

/// The newest report of one role of a host.
#[derive(Debug, Clone)]
pub(crate) struct Heard {
    /// What was said.
    pub(crate) report: Arc<Report>,
    /// When it came, on the clock that never jumps.
    pub(crate) at: Instant,
    /// When it came, for people.
    pub(crate) wall: Timestamp,
}

/// The newest inventory of the enrolled machine, with its checks.
#[derive(Debug, Clone)]
pub(crate) struct Inventoried {
    /// What the machine is.
    pub(crate) inventory: Inventory,
    /// Checks that came with it.
    pub(crate) checks: Vec<CheckResult>,
    /// When it came.
    pub(crate) wall: Timestamp,
}

/// Whether a report was taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Taken {
    /// It is the newest now.
    Newest,
    /// A newer one is known: it was dropped.
    Old,
}

/// The memory. One per process; shared.
pub(crate) struct Agents {
    /// 0 while this replica does not lead.
    epoch: AtomicU64,
    hosts: Mutex<HashMap<HostKey, Entry>>,
    wakes: Mutex<Vec<mpsc::Sender<ObjectRef<PhysicalHost>>>>,
}

#[derive(Default)]
struct Entry {
    source: Voice,
    arrival: Voice,
    inventoried: Option<Arc<Inventoried>>,
    journey: JourneyView,
    /// One count for both roles: what a server heard last travels to the target with its disk.
    generation: u64,
}

impl Entry {
    fn voice(&mut self, role: Role) -> &mut Voice {
        match role {
            Role::Source => &mut self.source,
            Role::Arrival => &mut self.arrival,
        }
    }
}

/// One of the two machines that may speak for a host, and what it is to be.
struct Voice {
    heard: Option<Heard>,
    former: VecDeque<String>,
    desired: watch::Sender<Option<Desired>>,
}

impl Default for Voice {
    fn default() -> Self {
        Self { heard: None, former: VecDeque::new(), desired: watch::Sender::new(None) }
    }
}

impl Voice {
    /// Keeps `heard` unless a newer report, or a newer process, of the same machine was heard before.
    fn take(&mut self, heard: Heard) -> Taken {
        if let Some(last) = &self.heard {
            let (old, new) = (&last.report, &heard.report);
            if old.process_id == new.process_id {
                if new.sequence <= old.sequence {
                    return Taken::Old;
                }
            } else if self.former.contains(&new.process_id) {
                return Taken::Old;
            } else {
                self.former.push_back(old.process_id.clone());
                if self.former.len() > FORMER_PROCESSES {
                    self.former.pop_front();
                }
            }
        }
        self.heard = Some(heard);
        Taken::Newest
    }
}

impl Agents {
    /// An empty memory of a replica that does not lead.
    pub(crate) fn new() -> Self {
        Self { epoch: AtomicU64::new(0), hosts: Mutex::default(), wakes: Mutex::default() }
    }

    /// Leadership was won with `epoch`, at least 1. There is no way back: a leader that loses ends its process.
    pub(crate) fn lead(&self, epoch: u64) {
        self.epoch.store(epoch, Ordering::SeqCst);
    }

    /// The epoch of this leadership; none while this replica does not lead.
    pub(crate) fn epoch(&self) -> Option<u64> {
        Some(self.epoch.load(Ordering::SeqCst)).filter(|epoch| *epoch > 0)
    }

    /// The newest report of `host` in `role`. Both may speak: a fenced source that someone switched on is heard.
    pub(crate) fn latest(&self, host: &HostKey, role: Role) -> Option<Heard> {
        self.hosts().get_mut(host)?.voice(role).heard.clone()
    }

    /// The newest inventory of the enrolled machine.
    pub(crate) fn inventory(&self, host: &HostKey) -> Option<Arc<Inventoried>> {
        self.hosts().get(host)?.inventoried.clone()
    }

    /// Says what `host` is to be in `role`. The generation grows only if that is new; nothing happens on a replica that
    /// does not lead.
    pub(crate) fn set_desired(&self, host: &HostKey, role: Role, intent: Intent) {
        let Some(epoch) = self.epoch() else { return };
        let mut hosts = self.hosts();
        let entry = hosts.entry(host.clone()).or_default();
        if entry.voice(role).desired.borrow().as_ref().is_some_and(|d| d.intent == intent) {
            return;
        }
        entry.generation += 1;
        let desired = Desired { epoch, generation: entry.generation, intent };
        entry.voice(role).desired.send_replace(Some(desired));
    }

    /// What `host` is to be now in `role`; none before a reconciler has said so.
    pub(crate) fn desired(&self, host: &HostKey, role: Role) -> Option<Desired> {
        self.hosts().get_mut(host)?.voice(role).desired.borrow().clone()
    }

    /// What `host` is to be in `role`, to wait on.
    pub(crate) fn watch_desired(&self, host: &HostKey, role: Role) -> watch::Receiver<Option<Desired>> {
        self.hosts().entry(host.clone()).or_default().voice(role).desired.subscribe()
    }

    /// Says what the agent shows to the department's admin.
    pub(crate) fn set_journey(&self, host: &HostKey, journey: JourneyView) {
        self.hosts().entry(host.clone()).or_default().journey = journey;
    }

    /// Wakes of one reconciler: a host each time that something new was heard of it.
    pub(crate) fn wakes(&self) -> mpsc::Receiver<ObjectRef<PhysicalHost>> {
        let (sender, receiver) = mpsc::channel(WAKES);
        self.wakes.lock().unwrap_or_else(PoisonError::into_inner).push(sender);
        receiver
    }

    /// Keeps a report that came at `at` (`wall` for people) and wakes the reconcilers.
    pub(crate) fn hear(
        &self,
        host: &HostKey,
        mut report: Report,
        at: Instant,
        wall: Timestamp,
    ) -> (Taken, ReportAnswer) {
        let inventory = report.inventory.take();
        let (role, checks) = (report.role, report.checks.clone());
        let (taken, answer) = {
            let mut hosts = self.hosts();
            let entry = hosts.entry(host.clone()).or_default();
            let heard = Heard { report: Arc::new(report), at, wall };
            let taken = entry.voice(role).take(heard);
            if let (Taken::Newest, Role::Source, Some(inventory)) = (taken, role, inventory) {
                entry.inventoried = Some(Arc::new(Inventoried { inventory, checks, wall }));
            }
            let want_inventory = role == Role::Source && entry.inventoried.is_none();
            (taken, ReportAnswer { want_inventory, journey: entry.journey.clone() })
        };
        if taken == Taken::Newest {
            self.wake(host);
        }
        (taken, answer)
    }

    fn wake(&self, host: &HostKey) {
        let mut wakes = self.wakes.lock().unwrap_or_else(PoisonError::into_inner);
        wakes.retain(|wake| !wake.is_closed());
        for wake in wakes.iter() {
            if wake.try_send(ObjectRef::new(&host.name).within(&host.namespace)).is_err() {
                tracing::debug!(%host, "a reconciler is behind: wake dropped");
            }
        }
    }

    fn hosts(&self) -> MutexGuard<'_, HashMap<HostKey, Entry>> {
        self.hosts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests;
