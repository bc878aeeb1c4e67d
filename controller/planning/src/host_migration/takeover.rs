//! After the commit: the source out of service, then the machine on the cloud into service. Never the other way round.

use super::Host;
use crate::action::{Action, Plan};
use crate::calendar::seconds_between;
use crate::facts::{Machine, Receiver};
use crate::gate::{first_obstacle, host_fenced, judge, target_serves};
use crate::order::launch_order;
use crate::reason::{Obstacle, Verdict};
use crate::waiting::WaitingOn;
use qianyun_crds::{GateName, HostIntent, SchemeHost};

impl Host<'_> {
    /// The commit is written: wait until the source is fenced, then let the target serve. A suspension does not hold this
    /// up: between the two sides, nobody is served.
    pub(super) fn fence(&self) -> Plan {
        if let Some(plan) = self.not_fenced() {
            return plan;
        }
        let host = self.name();
        if let Some(earlier) = self.earlier_not_serving() {
            return Plan::wait(WaitingOn::EarlierHosts { host, earlier });
        }
        Plan::act(self.set(HostIntent::Serve), self.launch())
    }

    fn launch(&self) -> WaitingOn {
        WaitingOn::Launch { host: self.name(), trouble: self.host.hosting.trouble.clone() }
    }

    /// What stands between the commit and the launch.
    fn not_fenced(&self) -> Option<Plan> {
        let host = self.name();
        if let Err(verdict) = host_fenced(self.host, self.now) {
            let known = matches!(verdict, Verdict::Closed(_));
            let reason = verdict.reason().cloned()?;
            let on = if matches!(reason, crate::Reason::FenceNotAcknowledged { .. }) {
                WaitingOn::FenceAcknowledgement { host }
            } else {
                WaitingOn::Gate(Obstacle { gate: GateName::SourceFenced, known, reason })
            };
            return Some(Plan::wait(on));
        }
        match self.host.hosting.receiver {
            Receiver::Absent => {}
            Receiver::Unknown => return Some(Plan::wait(WaitingOn::ReceiverStop { host })),
            Receiver::Ready { .. } | Receiver::Starting | Receiver::Failed(_) => {
                return Some(Plan::act(Action::StopReceiver { host: host.clone() }, WaitingOn::ReceiverStop { host }));
            }
        }
        // A machine that was launched before is only started again; the approvals were asked for the first time.
        if self.host.launched_at().is_some() {
            return None;
        }
        if self.facts.scheme_host(&self.host.name).is_none() {
            let reason = crate::Reason::SchemeEdited { host };
            let obstacle = Obstacle { gate: GateName::DualApproved, known: true, reason };
            return Some(Plan::wait(WaitingOn::Gate(obstacle)));
        }
        first_obstacle(&[GateName::DualApproved], self.facts, self.now).map(|o| Plan::wait(WaitingOn::Gate(o)))
    }

    /// Hosts are launched one after the other, each when the one before it is adapted.
    fn earlier_not_serving(&self) -> Option<String> {
        self.launch_order()
            .into_iter()
            .take_while(|h| h.host_ref != self.host.name)
            .find(|h| !self.facts.host(&h.host_ref).is_some_and(|f| f.committed() && f.adapted()))
            .map(|h| h.host_ref.clone())
    }

    /// A scheme whose hosts depend on each other in a circle is not valid, and none of its hosts is committed.
    fn launch_order(&self) -> Vec<&SchemeHost> {
        let scheme = &self.facts.migration.spec.scheme;
        launch_order(scheme).unwrap_or_else(|_| scheme.hosts.iter().collect())
    }

    pub(super) fn serve(&self) -> Plan {
        let host = self.name();
        match self.host.hosting.machine {
            Machine::Running => {}
            Machine::Unknown => return Plan::wait(self.launch()),
            Machine::Stopped | Machine::Absent => {
                return match self.not_fenced() {
                    Some(plan) => plan,
                    None => Plan::act(Action::EnsureTarget { host }, self.launch()),
                };
            }
        }
        if !self.host.adapted() {
            let ill = self.overdue(|| target_serves(self.host).err());
            return Plan::wait(ill.unwrap_or(WaitingOn::Arrival { host }));
        }
        if self.tries_probes() && !self.all_probes_passed() {
            let ill = self.overdue(|| Some(judge(GateName::ProbesPassed, self.facts, self.now)));
            return Plan::act(Action::RunProbes { host: host.clone() }, ill.unwrap_or(WaitingOn::Probes { host }));
        }
        Plan::default()
    }

    /// What somebody has to look at, once the longest deadline that the scheme gives a probe has passed since the launch:
    /// nobody is served, and what comes up by itself has come up by then.
    fn overdue(&self, found: impl FnOnce() -> Option<Verdict>) -> Option<WaitingOn> {
        let probes = self.facts.migration.spec.scheme.probes.iter();
        let deadline_seconds = probes.map(|p| i64::from(p.deadline_seconds)).max()?;
        if seconds_between(self.host.launched_at()?, self.now) <= deadline_seconds {
            return None;
        }
        match found()? {
            Verdict::Closed(reason) => {
                Some(WaitingOn::Gate(Obstacle { gate: GateName::ProbesPassed, known: true, reason }))
            }
            Verdict::Open | Verdict::Off | Verdict::Unknown(_) => None,
        }
    }

    /// Probes are about the whole system, so the host that is launched last tries them, once all are adapted.
    fn tries_probes(&self) -> bool {
        let hosts = self.launch_order();
        hosts.last().is_some_and(|h| h.host_ref == self.host.name)
            && hosts.iter().all(|h| self.facts.host(&h.host_ref).is_some_and(|f| f.committed() && f.adapted()))
    }

    fn all_probes_passed(&self) -> bool {
        let passed = |name: &str| self.facts.hosts.iter().flat_map(|h| &h.probes).any(|p| p.name == name && p.passed);
        self.facts.migration.spec.scheme.probes.iter().all(|p| passed(&p.name))
    }
}
