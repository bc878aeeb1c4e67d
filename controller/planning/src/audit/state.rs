//! What the entries of a record add up to: what was already recorded, and what was intended and not yet seen done. Computed from
//! the entries alone, so that a controller that starts anew knows as much as the one before it.

use super::entry::{ApprovalFound, Draft, Entry, Event};
use super::{Deed, entry};
use qianyun_crds::{DecisionEffect, GateName, HostIntent, Phase};
use serde_json::Value;
use std::collections::BTreeMap;

/// What was recorded so far.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct State {
    pub(super) uid: String,
    pub(super) digest: Option<String>,
    pub(super) phase: Option<Phase>,
    pub(super) suspended: bool,
    pub(super) gates_off: Vec<GateName>,
    pub(super) confirmed: Option<String>,
    pub(super) approvals: BTreeMap<String, DecisionEffect>,
    /// Digest of each paper, by what it is.
    pub(super) papers: BTreeMap<String, String>,
    pub(super) open: Vec<Open>,
    pub(super) hosts: BTreeMap<String, HostState>,
}

/// A deed that was intended and not seen done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Open {
    pub(super) deed: Deed,
    pub(super) failures: usize,
    pub(super) last_failure: String,
}

/// What was recorded about a host.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct HostState {
    pub(super) journey: Option<(HostIntent, i32)>,
    pub(super) decided: i32,
    pub(super) probes: (Vec<String>, Vec<String>),
}

impl State {
    /// Adds an entry as it was read. What a later version recorded, in words that this one does not know, adds nothing.
    pub fn add_value(&mut self, value: Value) {
        if let Ok(Entry { system, subject, scheme, event, .. }) = serde_json::from_value(value) {
            self.add(&Draft { uid: system.uid, actor: None, subject, scheme, event });
        }
    }

    /// Adds an entry.
    pub fn add(&mut self, draft: &Draft) {
        match &draft.event {
            Event::Begun {} => self.begin(draft),
            Event::SchemeEdited { .. } => self.digest.clone_from(&draft.scheme),
            Event::PhaseChanged { phase, .. } => self.phase = Some(*phase),
            Event::ApprovalCounts(found) | Event::ApprovalCountsNoMore(found) | Event::ApprovalDoesNotCount(found) => {
                self.judged(found);
            }
            Event::Suspended {} => self.suspended = true,
            Event::Resumed {} => self.suspended = false,
            Event::GatesSwitchedOff { gates } => self.gates_off.clone_from(gates),
            Event::CutoverConfirmed { digest } => self.confirmed = Some(digest.clone()),
            Event::PaperEntered { digest } => drop(self.papers.insert(draft.subject.clone(), digest.clone())),
            Event::PaperWithdrawn {} => drop(self.papers.remove(&draft.subject)),
            Event::Intended { deed } => {
                self.open.push(Open { deed: deed.clone(), failures: 0, last_failure: String::new() });
            }
            Event::Done { deed } => self.done(deed),
            Event::Failed { deed, why } => self.failed(deed, why),
            Event::Unseen { deed } => self.open.retain(|open| open.deed != *deed),
            Event::JourneyFound { intent, attempt } => self.host(draft).journey = Some((*intent, *attempt)),
            Event::DecisionFound { attempt, .. } => self.host(draft).decided = *attempt,
            Event::ProbesTried { passed, failed } => self.host(draft).probes = (passed.clone(), failed.clone()),
            Event::Unknown => {}
        }
    }

    /// What was known about the scheme of an earlier object of the name is not about this one. Its hosts are the same servers;
    /// papers that this one does not have are found to be gone.
    fn begin(&mut self, draft: &Draft) {
        let State { approvals, papers, open, hosts, .. } = std::mem::take(self);
        let (uid, digest) = (draft.uid.clone(), draft.scheme.clone());
        *self = State { uid, digest, approvals, papers, open, hosts, ..State::default() };
    }

    fn judged(&mut self, found: &ApprovalFound) {
        self.approvals.insert(found.uid.clone(), found.effect);
    }

    fn host(&mut self, draft: &Draft) -> &mut HostState {
        let name = draft.subject.strip_prefix(HOST).unwrap_or(&draft.subject);
        self.hosts.entry(name.to_owned()).or_default()
    }

    fn done(&mut self, deed: &Deed) {
        self.open.retain(|open| open.deed != *deed);
        let host = self.hosts.entry(deed.host().to_owned()).or_default();
        match deed {
            Deed::CreateJourney { .. } => host.journey = Some((HostIntent::Idle, 0)),
            Deed::SetIntent { intent, attempt, .. } => host.journey = Some((*intent, *attempt)),
            Deed::Decide { attempt, .. } => host.decided = *attempt,
            Deed::EnsureVolumes { .. }
            | Deed::EnsureReceiver { .. }
            | Deed::StopReceiver { .. }
            | Deed::EnsureTarget { .. } => {}
        }
    }

    fn failed(&mut self, deed: &Deed, why: &str) {
        for open in self.open.iter_mut().filter(|open| open.deed == *deed) {
            open.failures += 1;
            open.last_failure = why.to_owned();
        }
    }

    /// Whether it was intended and is not yet seen done.
    pub(super) fn is_open(&self, deed: &Deed) -> bool {
        self.open.iter().any(|open| open.deed == *deed)
    }

    /// What was intended for a host and is not yet seen done.
    pub(super) fn open_of(&self, host: &str) -> Vec<Deed> {
        self.open.iter().filter(|open| open.deed.host() == host).map(|open| open.deed.clone()).collect()
    }

    /// Whether a failure says something that was not recorded before.
    pub(super) fn is_news(&self, deed: &Deed, why: &str) -> bool {
        let fresh = |open: &Open| open.failures < MOST_FAILURES && open.last_failure != why;
        self.open.iter().any(|open| open.deed == *deed && fresh(open))
    }
}

/// The subject of what is about a host.
pub(super) const HOST: &str = "PhysicalHost/";
/// Failures of one intention that are recorded. A text that names the second would otherwise be news each time.
const MOST_FAILURES: usize = 8;

/// A text of a failure, as it is kept.
pub(super) fn failure(why: &str) -> String {
    entry::clip(why)
}
