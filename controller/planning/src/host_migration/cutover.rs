//! The two-phase commit of a cutover, from the first attempt to the written decision (docs/design/0001).
//!
//! Every attempt that began ends with a written decision; a decision is about one attempt and is never changed. `Commit`
//! is planned only for a live vote with a verified record, while enough of the freeze is left, with every gate open at
//! this moment and every other host of the system as far. Everything else is `Abort`, which is always safe before that.

use super::{Host, commit_gates};
use crate::action::{Action, Plan};
use crate::calendar::{plus_seconds, seconds_between, to_second};
use crate::facts::{HostFacts, Verification, VoteFacts};
use crate::gate::{REPORT_FRESH_MS, first_obstacle, room_for_attempt};
use crate::reason::{Obstacle, Reason};
use crate::report::{Words, decision_words, words};
use crate::sequence::Step;
use crate::waiting::WaitingOn;
use jiff::{Timestamp, ToSpan};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use qianyun_crds::{CutoverDecision, DecisionKind, DiskPhase, GateName, HostIntent, SourceCutover};

/// Of the freeze, this much must be left when the commit is written: docs/design/0001 fixes it. It covers the write to the
/// API server and the agent's hearing of it.
const COMMIT_MARGIN_MS: i64 = 5_000;

/// The first commit of a system asks for this much more for each host that is still to be decided, so that the last one
/// still has its five seconds. A decision is one write of some tens of milliseconds and a second look before it.
const PER_HOST_MARGIN_MS: i64 = 2_000;

/// Each attempt takes the services away from their users for the length of the stop deadlines and the freeze. More than
/// three in one window would be an outage by instalments; three tell a hiccup from a cause.
const ATTEMPTS_PER_WINDOW: u32 = 3;

/// What makes an attempt fail by chance (a burst of writes, a slow stop) passes in about a minute; what does not, needs a
/// person. So one minute, and twice that after the second failure.
const BACKOFF_SECONDS: i64 = 60;

/// After the longest time that an attempt may take, an agent that has not voted is not going to: it either gave up, or its
/// machine is down. Aborting is safe in both cases. Two minutes on top let a lost report be sent again.
const VOTE_GRACE_SECONDS: i64 = 120;

/// Why an attempt is aborted. The words are in `report/abort.rs`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AbortReason {
    /// The migration was suspended before the decision.
    Suspended,
    /// A gate closed.
    Gate(Obstacle),
    /// The source gave up by itself.
    GivenUp { message: String },
    /// The source thawed before it heard a decision.
    Thawed,
    /// Too little of the freeze was left.
    TooLate { left_ms: i64 },
    /// Another host of the system was aborted.
    OtherHost { host: String },
    /// Another host of the system has not begun, and cannot now.
    CannotFollow { host: String },
    /// No vote came.
    NoVote { seconds: i64 },
}

impl Host<'_> {
    /// All gates of the cutover pass: begin an attempt, unless one failed a moment ago.
    pub(super) fn begin_attempt(&self) -> Plan {
        let hosts = || self.facts.migration.spec.scheme.hosts.iter().filter_map(|s| self.facts.host(&s.host_ref));
        if let Some(other) = hosts().find(|h| h.journey.get().is_some_and(|j| j.spec.intent == HostIntent::Resume)) {
            return Plan::wait(WaitingOn::SourceResumption { host: other.name.clone() });
        }
        if let Some(on) = hosts().filter(|h| !h.committed()).find_map(|h| self.hold_off(h)) {
            return Plan::wait(on);
        }
        let room = room_for_attempt(self.facts, self.now).err();
        if let Some(obstacle) = room.and_then(|found| found.at(GateName::InWindow)) {
            return Plan::wait(WaitingOn::Gate(obstacle));
        }
        let attempt = self.host.last_attempt().saturating_add(1);
        let digest = self.journey.spec.scheme_digest.clone();
        let action = Action::SetIntent { host: self.name(), intent: HostIntent::Cutover, attempt, digest };
        Plan::act(action, WaitingOn::Vote { host: self.name() })
    }

    /// Why a host is not to be tried again yet.
    fn hold_off(&self, host: &HostFacts) -> Option<WaitingOn> {
        let decision = host.decision().filter(|d| d.kind == DecisionKind::Abort)?;
        if decision.at.0 < self.facts.migration.spec.scheme.window.start.0 {
            return None;
        }
        let used = host.cutover().map_or(1, |c| u32::try_from(c.attempt_in_window).unwrap_or(1).max(1));
        let (name, why) = (host.name.clone(), decision_words(decision));
        if used >= ATTEMPTS_PER_WINDOW {
            return Some(WaitingOn::NewWindow { host: name, attempts: used, why });
        }
        let at = plus_seconds(decision.at.0, BACKOFF_SECONDS << (used - 1));
        (self.now < at).then_some(WaitingOn::NextAttempt { host: name, at, why })
    }

    pub(super) fn cutover(&self) -> Plan {
        match self.host.decision().map(|d| d.kind) {
            Some(DecisionKind::Commit) => {
                let on = WaitingOn::FenceAcknowledgement { host: self.name() };
                Plan::act(self.set(HostIntent::Fence), on)
            }
            Some(DecisionKind::Abort) => {
                let on = WaitingOn::SourceResumption { host: self.name() };
                Plan::act(self.set(HostIntent::Resume), on)
            }
            None => self.decide(),
        }
    }

    /// After an abort: wait until the source is at work again, then follow, or stop if the approvals do not hold.
    pub(super) fn resume(&self) -> Plan {
        let live = self.host.vote().map(|v| v.state);
        let recorded = self.host.cutover().map(|c| c.source);
        let at_work = |s: &SourceCutover| matches!(s, SourceCutover::Resumed | SourceCutover::GivenUp);
        let host = self.name();
        if !live.or(recorded).is_some_and(|s| at_work(&s)) {
            return Plan::wait(WaitingOn::SourceResumption { host });
        }
        if let Some(obstacle) = self.must_stop() {
            return Plan::act(self.set(HostIntent::Idle), WaitingOn::Gate(obstacle));
        }
        // Not known: it follows in `Resume` as well as it would in `Replicate`, so nothing is lost by waiting.
        match first_obstacle(&[GateName::DualApproved], self.facts, self.now) {
            Some(obstacle) => Plan::wait(WaitingOn::Gate(obstacle)),
            None => Plan::act(self.set(HostIntent::Replicate), WaitingOn::Copy { host, phase: DiskPhase::Idle }),
        }
    }

    fn decide(&self) -> Plan {
        if let Some(reason) = self.abort_before_vote() {
            return self.abort(&reason);
        }
        let Some(vote) = self.host.vote() else { return self.wait_for_vote() };
        match vote.state {
            SourceCutover::Working => self.wait_for_vote(),
            SourceCutover::GivenUp | SourceCutover::Resumed => {
                self.abort(&AbortReason::GivenUp { message: vote.message.clone() })
            }
            SourceCutover::PreparedButThawed => self.abort(&AbortReason::Thawed),
            // It heard a commit that this look has not read yet: look again, decide nothing.
            SourceCutover::Fencing => Plan::wait(WaitingOn::FenceAcknowledgement { host: self.name() }),
            SourceCutover::Prepared => self.judge_vote(vote),
        }
    }

    /// Whatever the source says: a journey that may not go on is aborted at once, so that the services come back early.
    fn abort_before_vote(&self) -> Option<AbortReason> {
        if let Some(obstacle) = self.must_stop() {
            return Some(AbortReason::Gate(obstacle));
        }
        // Once one host of the system is committed, the rest of it follows: a system in halves serves nobody.
        if self.suspended() && !self.facts.any_committed() {
            return Some(AbortReason::Suspended);
        }
        let aborted = |h: &&HostFacts| {
            let resuming = h.journey.get().is_some_and(|j| j.spec.intent == HostIntent::Resume);
            let cutting = h.journey.get().is_some_and(|j| j.spec.intent == HostIntent::Cutover);
            resuming || (cutting && h.decision().is_some_and(|d| d.kind == DecisionKind::Abort))
        };
        if let Some(other) = self.others().find(aborted) {
            return Some(AbortReason::OtherHost { host: other.name.clone() });
        }
        let stopped = self.host.stopped() && !self.facts.any_committed();
        if let Some(other) = self.others().find(|h| stopped && cannot_begin(h)) {
            return Some(AbortReason::CannotFollow { host: other.name.clone() });
        }
        first_obstacle(&commit_gates(), self.facts, self.now).filter(|o| o.known).map(AbortReason::Gate)
    }

    fn wait_for_vote(&self) -> Plan {
        let started = super::vote_started(self.journey);
        let limit = crate::gate::attempt_limit_seconds(self.facts) + VOTE_GRACE_SECONDS;
        let seconds = started.map_or(0, |at| seconds_between(at, self.now));
        if seconds > limit {
            return self.abort(&AbortReason::NoVote { seconds });
        }
        let on = match self.awaited() {
            Some(other) => WaitingOn::OtherStop { host: self.name(), other: other.name.clone() },
            None => WaitingOn::Vote { host: self.name() },
        };
        // A receiver that died is started again on its ledger: the source sends the rest to it within its freeze, or gives
        // up by itself. Not where the approvals are not known: nothing is started then.
        let approved = first_obstacle(&[GateName::DualApproved], self.facts, self.now).is_none();
        let starts = self.without_receiver().filter(|plan| approved && !plan.actions.is_empty());
        Plan { waiting: Some(on), ..starts.unwrap_or_default() }
    }

    fn judge_vote(&self, vote: &VoteFacts) -> Plan {
        let left_ms = self.left_ms(vote);
        let undecided = self.others().filter(|h| h.decision().is_none()).count();
        let first = !self.facts.any_committed();
        let extra = if first { PER_HOST_MARGIN_MS * i64::try_from(undecided).unwrap_or(0) } else { 0 };
        let needed_ms = COMMIT_MARGIN_MS + extra;
        if left_ms < needed_ms {
            return self.abort(&AbortReason::TooLate { left_ms });
        }
        if let Some(obstacle) = self.obstacle(Step::Commit) {
            if let Reason::NoRecord { host } = &obstacle.reason
                && *host != self.host.name
            {
                return Plan::wait(WaitingOn::OtherVotes { host: self.name(), others: host.clone() });
            }
            let closed = obstacle.known;
            return if closed {
                self.abort(&AbortReason::Gate(obstacle))
            } else {
                Plan::wait(WaitingOn::Gate(obstacle))
            };
        }
        if let Some(other) = self.others().find(|h| !is_as_far(h)) {
            return Plan::wait(WaitingOn::OtherVotes { host: self.name(), others: other.name.clone() });
        }
        let record = vote.record.as_ref().filter(|r| r.verification == Verification::Verified);
        let Some(record) = record else { return self.wait_for_vote() };
        let left = left_ms - COMMIT_MARGIN_MS;
        let not_after = self.now.checked_add(left.milliseconds()).unwrap_or(Timestamp::MAX);
        let reason = words("voted, verified, approved, in its window", "已投票、已核对、已批准,在割接窗口内");
        self.written(DecisionKind::Commit, Some(record.record.digest.clone()), reason, Some(not_after))
    }

    /// What is left of the freeze now, by the vote and the time since it was received.
    fn left_ms(&self, vote: &VoteFacts) -> i64 {
        let age = self.host.agent.as_ref().map_or(u64::MAX, |a| a.age_ms);
        let signed = |ms: u64| i64::try_from(ms).unwrap_or(i64::MAX);
        signed(vote.freeze_remaining_ms).saturating_sub(signed(age))
    }

    /// The other hosts of the scheme. One that an edit dropped from it stays where it is, and nobody waits for it.
    pub(super) fn others(&self) -> impl Iterator<Item = &HostFacts> {
        let in_scheme = |h: &&HostFacts| self.facts.scheme_host(&h.name).is_some();
        self.facts.hosts.iter().filter(|h| h.name != self.host.name).filter(in_scheme)
    }

    fn abort(&self, reason: &AbortReason) -> Plan {
        self.written(DecisionKind::Abort, None, reason.words(&self.facts.zone), None)
    }

    fn written(
        &self,
        kind: DecisionKind,
        record_digest: Option<String>,
        reason: Words,
        not_after: Option<Timestamp>,
    ) -> Plan {
        let on = match kind {
            DecisionKind::Commit => WaitingOn::FenceAcknowledgement { host: self.name() },
            DecisionKind::Abort => WaitingOn::SourceResumption { host: self.name() },
        };
        // A give-up's message comes from outside, and may be long; an event's note has room for both languages of this much.
        let short = |text: String| text.chars().take(250).collect();
        let decision = CutoverDecision {
            kind,
            attempt: self.journey.spec.attempt,
            record_digest,
            epoch: self.facts.epoch,
            at: Time(to_second(self.now)),
            reason: short(reason.en),
            reason_zh: short(reason.zh),
        };
        Plan::act(Action::Decide { host: self.name(), decision, not_after }, on)
    }
}

/// Whether a host that has not begun its part of the attempt cannot for now: users of the others would wait for it without a service.
fn cannot_begin(other: &HostFacts) -> bool {
    let Some(agent) = &other.agent else { return false };
    let copied = other.replication().is_some_and(|phase| phase >= DiskPhase::CatchingUp);
    other.vote().is_none() && (agent.age_ms > REPORT_FRESH_MS || agent.local_refusal.is_some() || !copied)
}

/// Whether another host of the system voted for a commit that can still be written, or is committed.
fn is_as_far(other: &HostFacts) -> bool {
    if let Some(decision) = other.decision() {
        return decision.kind == DecisionKind::Commit;
    }
    let prepared = other.vote().is_some_and(|v| v.state == SourceCutover::Prepared);
    let age = other.agent.as_ref().map_or(u64::MAX, |a| a.age_ms);
    let left = other.vote().map_or(0, |v| v.freeze_remaining_ms.saturating_sub(age));
    prepared && i64::try_from(left).unwrap_or(i64::MAX) >= COMMIT_MARGIN_MS
}
