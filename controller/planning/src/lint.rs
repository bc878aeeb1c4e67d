//! Checks on a finished plan: what no plan may ever ask for, said a second time, apart from the planner. The controller
//! refuses a plan that violates one; tests look for a world in which one is violated.

use crate::action::{Action, Plan};
use crate::facts::{Facts, HostFacts, Machine, Receiver, Verification};
use crate::gate::{first_obstacle, host_fenced, judge, room_for_attempt};
use crate::sequence::{APPROVAL_NEEDS, Step, needs};
use jiff::Timestamp;
use qianyun_crds::{DecisionKind, GateName, HostIntent, SourceCutover};

/// A rule that a plan breaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Violation {
    /// Something would be done to a host without both offices' approval of exactly this scheme.
    TouchesWithoutApproval,
    /// A commit without a live, verified vote and open gates.
    CommitsTooEarly,
    /// A second decision on an attempt.
    DecidesTwice,
    /// A launch before the source is fenced, or without a commit.
    LaunchesUnfenced,
    /// A launch while a receiver may write to the replica.
    LaunchesUnderReceiver,
    /// A way back after a commit.
    TurnsBack,
    /// A cutover begun outside its gates.
    BeginsTooEarly,
}

/// The first rule that a plan breaks.
pub fn check(facts: &Facts, plan: &Plan, now: Timestamp) -> Option<Violation> {
    plan.actions.iter().find_map(|action| check_action(facts, action, now))
}

fn check_action(facts: &Facts, action: &Action, now: Timestamp) -> Option<Violation> {
    // Of what begins, whether the approval is in effect is asked here once more.
    let goes_on = facts.is_begun() || facts.any_committed();
    let in_effect = goes_on || first_obstacle(APPROVAL_NEEDS, facts, now).is_none();
    let approved = in_effect && judge(GateName::DualApproved, facts, now).passes();
    let host = facts.host(action.host());
    match action {
        Action::CreateJourney { digest, .. } => {
            (!approved || *digest != facts.digest).then_some(Violation::TouchesWithoutApproval)
        }
        Action::SetIntent { intent, digest, attempt, .. } => match intent {
            HostIntent::Replicate | HostIntent::Cutover if !approved || *digest != facts.digest => {
                Some(Violation::TouchesWithoutApproval)
            }
            HostIntent::Idle | HostIntent::Resume | HostIntent::Replicate | HostIntent::Cutover
                if host.is_some_and(HostFacts::committed) =>
            {
                Some(Violation::TurnsBack)
            }
            HostIntent::Serve if !approved => Some(Violation::TouchesWithoutApproval),
            HostIntent::Cutover => begins_too_early(facts, host, *attempt, now),
            HostIntent::Fence | HostIntent::Serve => {
                (!host.is_some_and(HostFacts::committed)).then_some(Violation::CommitsTooEarly)
            }
            HostIntent::Idle | HostIntent::Resume | HostIntent::Replicate => None,
        },
        Action::EnsureVolumes { .. } | Action::EnsureReceiver { .. } => {
            (!approved).then_some(Violation::TouchesWithoutApproval)
        }
        Action::Decide { decision, .. } => match (host.and_then(HostFacts::decision), decision.kind) {
            (Some(_), _) => Some(Violation::DecidesTwice),
            (None, DecisionKind::Abort) => None,
            (None, DecisionKind::Commit) => commits_too_early(facts, host, now),
        },
        Action::EnsureTarget { .. } => launches_too_early(host, now).or_else(|| {
            // A machine that stopped by itself is only started again: the source is off for good.
            let first = host.is_none_or(|h| h.launched_at().is_none());
            (first && !approved).then_some(Violation::TouchesWithoutApproval)
        }),
        Action::StopReceiver { .. } | Action::RunProbes { .. } => {
            (!host.is_some_and(HostFacts::committed)).then_some(Violation::LaunchesUnfenced)
        }
    }
}

fn begins_too_early(facts: &Facts, host: Option<&HostFacts>, attempt: i32, now: Timestamp) -> Option<Violation> {
    let blocked = first_obstacle(needs(Step::Cutover), facts, now).is_some()
        || room_for_attempt(facts, now).is_err()
        || facts.migration.spec.suspend;
    let next = host.and_then(|h| h.last_attempt().checked_add(1));
    (blocked || next != Some(attempt)).then_some(Violation::BeginsTooEarly)
}

fn commits_too_early(facts: &Facts, host: Option<&HostFacts>, now: Timestamp) -> Option<Violation> {
    let vote = host.and_then(HostFacts::vote);
    let prepared = vote.is_some_and(|v| v.state == SourceCutover::Prepared);
    let verified = vote.and_then(|v| v.record.as_ref()).is_some_and(|r| r.verification == Verification::Verified);
    let open = first_obstacle(needs(Step::Commit), facts, now).is_none();
    (!(prepared && verified && open)).then_some(Violation::CommitsTooEarly)
}

fn launches_too_early(host: Option<&HostFacts>, now: Timestamp) -> Option<Violation> {
    let Some(host) = host else { return Some(Violation::LaunchesUnfenced) };
    // Committed, acknowledged by the source, and silent for long enough.
    if host_fenced(host, now).is_err() || host.hosting.machine == Machine::Running {
        return Some(Violation::LaunchesUnfenced);
    }
    (host.hosting.receiver != Receiver::Absent).then_some(Violation::LaunchesUnderReceiver)
}
