//! What the record of a system has to say about one host: what is intended, what was seen done, and what nobody intended.

use super::Findings;
use crate::action::Plan;
use crate::audit::deed::{Deed, Effect};
use crate::audit::entry::{Draft, Event};
use crate::audit::state::{self, State};
use crate::facts::{Facts, HostFacts};

/// What is otherwise with a host than the record has it. `fresh` are facts that were read at the server itself after whatever
/// this controller did before; only they show that something was *not* done.
pub fn of_host(state: &State, facts: &Facts, host: &str, plan: &Plan, fresh: bool) -> Vec<Draft> {
    let mut found = Findings::new(state, facts);
    let Some(this) = facts.host(host) else { return Vec::new() };
    let planned: Vec<Deed> = plan.actions.iter().filter_map(Deed::of).collect();
    for deed in state.open_of(host) {
        match deed.effect(facts) {
            Effect::Seen => found.about_deed(deed, |deed| Event::Done { deed }),
            Effect::NotSeen if fresh && !planned.contains(&deed) => {
                found.about_deed(deed, |deed| Event::Unseen { deed })
            }
            Effect::NotSeen | Effect::Unknown => {}
        }
    }
    if fresh {
        journey(&mut found, this);
    }
    decision(&mut found, this);
    probes(&mut found, this);
    found.drafts
}

/// A journey that says what no entry has led to: written while nothing could be recorded, or by someone else.
fn journey(found: &mut Findings<'_>, host: &HostFacts) {
    let Some(journey) = host.journey.get() else { return };
    let (intent, attempt) = (journey.spec.intent, journey.spec.attempt);
    let recorded = found.state.hosts.get(&host.name).and_then(|h| h.journey);
    if recorded != Some((intent, attempt)) {
        found.about_host(&host.name, Event::JourneyFound { intent, attempt });
    }
}

fn decision(found: &mut Findings<'_>, host: &HostFacts) {
    let Some(decision) = host.decision() else { return };
    let recorded = found.state.hosts.get(&host.name).map(|h| h.decided);
    if recorded != Some(decision.attempt) {
        found.about_host(&host.name, Event::DecisionFound { decision: decision.kind, attempt: decision.attempt });
    }
}

fn probes(found: &mut Findings<'_>, host: &HostFacts) {
    let names = |passed: bool| host.probes.iter().filter(|p| p.passed == passed).map(|p| p.name.clone()).collect();
    let (passed, failed): (Vec<String>, Vec<String>) = (names(true), names(false));
    let recorded = found.state.hosts.get(&host.name).map(|h| h.probes.clone()).unwrap_or_default();
    if recorded != (passed.clone(), failed.clone()) {
        found.about_host(&host.name, Event::ProbesTried { passed, failed });
    }
}

/// What must be on record before a plan is carried out. Nothing, if it was intended before and not yet seen done.
pub fn intended(state: &State, facts: &Facts, plan: &Plan) -> Vec<Draft> {
    let mut found = Findings::new(state, facts);
    for deed in plan.actions.iter().filter_map(Deed::of) {
        for other in state.open_of(deed.host()).into_iter().filter(|open| *open != deed) {
            match other.effect(facts) {
                Effect::Seen => found.about_deed(other, |deed| Event::Done { deed }),
                Effect::NotSeen => found.about_deed(other, |deed| Event::Unseen { deed }),
                Effect::Unknown => {}
            }
        }
        if !found.state.is_open(&deed) {
            found.about_deed(deed, |deed| Event::Intended { deed });
        }
    }
    found.drafts
}

/// A plan was not carried out. Only what is news: a failure that repeats itself is one entry.
pub fn failed(state: &State, facts: &Facts, plan: &Plan, why: &str) -> Vec<Draft> {
    let mut found = Findings::new(state, facts);
    let why = state::failure(why);
    // Of several actions it is not known which one failed; each is seen, or not, at the next look.
    let [action] = plan.actions.as_slice() else { return Vec::new() };
    if let Some(deed) = Deed::of(action).filter(|deed| state.is_news(deed, &why)) {
        found.about_deed(deed, |deed| Event::Failed { deed, why });
    }
    found.drafts
}
