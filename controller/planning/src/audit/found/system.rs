//! What the record of a system has to say about its scheme: edits, decisions of people, what the policy leaves out, phases.

use super::papers::papers;
use super::{Findings, uid};
use crate::approval::{Judged, judge, subjects};
use crate::audit::deed::{Deed, Effect};
use crate::audit::entry::{ApprovalFound, Draft, Event, clip};
use crate::audit::state::State;
use crate::facts::{ApprovalFact, Facts, Known};
use crate::phase::{is_known, journeys_are_known, phase};
use jiff::Timestamp;
use qianyun_crds::{Approval, DecisionEffect, GateName};

/// What is otherwise with a scheme than the record has it.
pub fn of_system(state: &State, facts: &Facts, now: Timestamp) -> Vec<Draft> {
    let mut found = Findings::new(state, facts);
    scheme(&mut found);
    policy(&mut found);
    // Which hosts are the system's, and whether its scheme is carried out, is known by its journeys.
    if journeys_are_known(facts) {
        papers(&mut found);
        approvals(&mut found);
    }
    switches(&mut found);
    phases(&mut found, now);
    made(&mut found);
    found.drafts
}

fn scheme(found: &mut Findings<'_>) {
    let facts = found.facts;
    let author = facts.migration.spec.author.as_str();
    if found.state.uid != uid(facts) {
        found.about_scheme(Some(author), Event::Begun {});
    }
    match found.state.digest.clone() {
        Some(before) if before != facts.digest => found.about_scheme(Some(author), Event::SchemeEdited { before }),
        Some(_) | None => {}
    }
}

/// Also gates that the law does not let a policy leave out: it has no effect, but somebody tried.
fn policy(found: &mut Findings<'_>) {
    let Known::Is(policy) = &found.facts.policy else { return };
    let mut gates: Vec<GateName> = policy.spec.gates.iter().filter(|g| !g.enabled).map(|g| g.name).collect();
    gates.sort_unstable();
    if gates != found.state.gates_off {
        let name = policy.metadata.name.as_deref().unwrap_or_default();
        found.push(None, format!("PolicyProfile/{name}"), Event::GatesSwitchedOff { gates });
    }
}

/// Decisions on the scheme, on the papers for its acceptance, on the acceptance, and on its plan.
fn approvals(found: &mut Findings<'_>) {
    let facts = found.facts;
    let (Known::Is(policy), Known::Is(approvals)) = (&facts.policy, &facts.approvals) else { return };
    let policy = &policy.spec;
    let subjects = subjects(facts, policy);
    let mut judged: Vec<Judged> = subjects.iter().flat_map(|subject| judge(subject, policy, approvals)).collect();
    judged.sort_by(|a, b| (a.at, &a.name).cmp(&(b.at, &b.name)));
    for judged in judged {
        if let Some(fact) = approvals.iter().find(|fact| is_about(fact, &judged)) {
            approval(found, &fact.approval, judged.effect);
        }
    }
}

fn is_about(fact: &ApprovalFact, judged: &Judged) -> bool {
    let (meta, spec) = (&fact.approval.metadata, &fact.approval.spec);
    meta.name.as_deref() == Some(&judged.name)
        && (&spec.approved_by, &spec.role, spec.gate) == (&judged.by, &judged.role, judged.gate)
}

fn approval(found: &mut Findings<'_>, approval: &Approval, effect: DecisionEffect) {
    if let Some(event) = judged(&found.state, approval, effect) {
        found.push(Some(&approval.spec.approved_by), subject(approval), event);
    }
}

/// The entry for a decision; none if it is recorded, or cannot be judged just now.
fn judged(state: &State, approval: &Approval, effect: DecisionEffect) -> Option<Event> {
    let spec = &approval.spec;
    let uid = approval.metadata.uid.clone().unwrap_or_else(|| subject(approval));
    let before = state.approvals.get(&uid).copied();
    if effect == DecisionEffect::AuthorizationUnknown || before == Some(effect) {
        return None;
    }
    let found = ApprovalFound {
        uid,
        gate: spec.gate,
        role: spec.role.clone(),
        decision: spec.decision,
        digest: spec.digest.clone(),
        opinion: clip(spec.opinion.as_deref().unwrap_or_default()),
        spec_digest: qianyun_crds::digest_of(spec).unwrap_or_default(),
        effect,
    };
    Some(match (effect, before) {
        (DecisionEffect::Accepted, _) => Event::ApprovalCounts(found),
        (_, Some(DecisionEffect::Accepted)) => Event::ApprovalCountsNoMore(found),
        (_, Some(_) | None) => Event::ApprovalDoesNotCount(found),
    })
}

fn subject(approval: &Approval) -> String {
    format!("Approval/{}", approval.metadata.name.as_deref().unwrap_or_default())
}

/// A decision that names the scheme by its UID from a place where it is not: no look at the system sees it.
pub fn from_elsewhere(state: &State, approval: &Approval, effect: DecisionEffect) -> Vec<Draft> {
    let draft = |event| Draft {
        uid: approval.spec.subject.uid.clone(),
        actor: Some(approval.spec.approved_by.clone()),
        subject: format!("{} in {}", subject(approval), approval.metadata.namespace.as_deref().unwrap_or_default()),
        scheme: None,
        event,
    };
    judged(state, approval, effect).map(draft).into_iter().collect()
}

/// Who suspended is not kept by the cluster; whoever confirmed says so in their own name.
fn switches(found: &mut Findings<'_>) {
    let spec = &found.facts.migration.spec;
    if spec.suspend != found.state.suspended {
        found.about_scheme(None, if spec.suspend { Event::Suspended {} } else { Event::Resumed {} });
    }
    if let Some(confirmation) = spec.confirmation.as_ref()
        && found.state.confirmed.as_ref() != Some(&confirmation.digest)
    {
        let digest = confirmation.digest.clone();
        found.about_scheme(Some(&confirmation.by), Event::CutoverConfirmed { digest });
    }
}

fn phases(found: &mut Findings<'_>, now: Timestamp) {
    let (facts, before) = (found.facts, found.state.phase);
    let phase = phase(facts, now);
    if before != Some(phase) && is_known(facts, before, phase) {
        found.about_scheme(None, Event::PhaseChanged { before, phase });
    }
}

/// Journeys that were to be made and are there.
fn made(found: &mut Findings<'_>) {
    let open: Vec<Deed> = found.state.open.iter().map(|open| open.deed.clone()).collect();
    for deed in open.into_iter().filter(|deed| matches!(deed, Deed::CreateJourney { .. })) {
        if deed.effect(found.facts) == Effect::Seen {
            found.about_deed(deed, |deed| Event::Done { deed });
        }
    }
}
