//! What holds for every set of decisions, whoever made them, in whatever order they are read.
#![allow(clippy::unwrap_used)]

use crate::world::{AUTHOR, World};
use proptest::prelude::*;
use qianyun_crds::{Decision, DecisionEffect, GateName, GateSwitch, PolicyProfileSpec};
use qianyun_planning::approval::{Judged, Subject, Tally, judge, scheme_subject, tally};
use qianyun_planning::facts::{ApprovalFact, Authorisation, Facts, Known};
use qianyun_planning::gate;
use qianyun_planning::reason::Verdict;
use std::collections::BTreeSet;

const ROLES: [&str; 4] = ["municipalGovernmentOffice", "smartCityOffice", "department", "nobody"];
/// Wrote the scheme before its author took it over.
const FORMER: &str = "op-chen";
const PEOPLE: [&str; 6] = ["mgo-zhang", "mgo-chen", "sco-zhao", "dept-li", AUTHOR, FORMER];
const GATES: [GateName; 2] = [GateName::DepartmentConfirmed, GateName::DualApproved];

/// A decision: who, as what, at which gate, when, what, on this text or another, and what the authoriser says.
#[derive(Clone, Debug)]
struct Made {
    person: usize,
    role: usize,
    gate: usize,
    second: i64,
    decision: Decision,
    current: bool,
    authorised: Authorisation,
}

fn made() -> impl Strategy<Value = Made> {
    let decision = prop_oneof![4 => Just(Decision::Approve), 1 => Just(Decision::Return)];
    let authorised = prop_oneof![6 => Just(Authorisation::Allowed), 1 => Just(Authorisation::Denied), 1 => Just(Authorisation::Unknown)];
    (0..PEOPLE.len(), 0..ROLES.len(), 0..GATES.len(), 0..20_i64, decision, prop::bool::weighted(0.9), authorised)
        .prop_map(|(person, role, gate, second, decision, current, authorised)| Made {
            person,
            role,
            gate,
            second,
            decision,
            current,
            authorised,
        })
}

fn several() -> impl Strategy<Value = Vec<Made>> {
    prop::collection::vec(made(), 0..12)
}

fn fact(world: &mut World, made: &Made) -> ApprovalFact {
    let digest = if made.current { world.digest() } else { "sha256:other".into() };
    let now = world.now;
    world.pass(made.second);
    world.decide_on(GATES[made.gate], ROLES[made.role], PEOPLE[made.person], made.decision, &digest);
    world.at(now);
    ApprovalFact { approval: world.approvals.last().unwrap().clone(), authorised: made.authorised }
}

fn facts(all: &[Made]) -> Facts {
    let mut world = World::new();
    world.migration.spec.former_authors = vec![FORMER.into()];
    let approvals: Vec<ApprovalFact> = all.iter().map(|made| fact(&mut world, made)).collect();
    let mut facts = world.facts();
    facts.approvals = Known::Is(approvals);
    // Whether the offices' approval is in effect is another question, and its other papers are there.
    let Known::Is(policy) = &mut facts.policy else { panic!() };
    policy.spec.gates.push(GateSwitch { name: GateName::DepartmentConfirmed, enabled: false, basis: "No. 12".into() });
    facts
}

fn with<T>(facts: &Facts, look: impl FnOnce(&Subject<'_>, &PolicyProfileSpec, &[ApprovalFact]) -> T) -> T {
    let (Known::Is(policy), Known::Is(approvals)) = (&facts.policy, &facts.approvals) else { panic!() };
    look(&scheme_subject(facts, &policy.spec), &policy.spec, approvals)
}

fn judged(facts: &Facts) -> Vec<Judged> {
    with(facts, judge)
}

fn offices(facts: &Facts) -> Tally {
    with(facts, |subject, policy, approvals| tally(subject, GateName::DualApproved, &judge(subject, policy, approvals)))
}

fn opens(facts: &Facts) -> bool {
    let World { now, .. } = World::new();
    gate::judge(GateName::DualApproved, facts, now).passes()
}

fn accepted(judged: &[Judged]) -> impl Iterator<Item = &Judged> {
    judged.iter().filter(|j| j.effect == DecisionEffect::Accepted)
}

/// The same decisions, without one.
fn without(facts: &Facts, name: &str) -> Facts {
    let Known::Is(approvals) = &facts.approvals else { panic!() };
    let left = approvals.iter().filter(|f| f.approval.metadata.name.as_deref() != Some(name)).cloned().collect();
    Facts { approvals: Known::Is(left), ..facts.clone() }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_order_in_which_decisions_are_read_changes_nothing(all in several(), swap in any::<prop::sample::Index>()) {
        let facts = facts(&all);
        let mut other = facts.clone();
        let Known::Is(approvals) = &mut other.approvals else { panic!() };
        approvals.reverse();
        if !approvals.is_empty() {
            let at = swap.index(approvals.len());
            approvals.rotate_left(at);
        }
        prop_assert_eq!(judged(&facts), judged(&other));
        prop_assert_eq!(offices(&facts), offices(&other));
    }

    #[test]
    fn the_gate_opens_exactly_if_two_offices_stand_by_an_approval_and_nobody_returned_it(all in several()) {
        let facts = facts(&all);
        let judged = judged(&facts);
        let at_gate = |j: &&Judged| j.gate == GateName::DualApproved;
        let approving: BTreeSet<&str> =
            accepted(&judged).filter(at_gate).filter(|j| j.decision == Decision::Approve).map(|j| j.role.as_str()).collect();
        let people: BTreeSet<&str> =
            accepted(&judged).filter(at_gate).filter(|j| j.decision == Decision::Approve).map(|j| j.by.as_str()).collect();
        let returned = accepted(&judged).filter(at_gate).any(|j| j.decision == Decision::Return);
        let unknown = judged.iter().filter(at_gate).any(|j| j.effect == DecisionEffect::AuthorizationUnknown);
        prop_assert_eq!(opens(&facts), approving.len() == 2 && !returned && !unknown);
        prop_assert_eq!(approving.len(), people.len(), "one person stands for two offices");
    }

    #[test]
    fn nobody_counts_in_two_roles_and_no_role_has_two_decisions_that_stand(all in several()) {
        let judged = judged(&facts(&all));
        let mut roles = BTreeSet::new();
        for one in accepted(&judged) {
            let others = accepted(&judged).filter(|j| j.by == one.by && j.role != one.role).count();
            prop_assert_eq!(others, 0, "{} in two roles", one.by);
            prop_assert!(roles.insert((one.gate, one.role.clone())), "{:?} decided twice", one.role);
        }
    }

    #[test]
    fn what_counts_is_on_this_text_asked_for_permitted_and_not_an_authors_own(all in several()) {
        let facts = facts(&all);
        for one in accepted(&judged(&facts)) {
            let made = &all[one.name[1..].parse::<usize>().unwrap()];
            prop_assert!(made.current && made.authorised == Authorisation::Allowed);
            prop_assert!(one.by != AUTHOR && one.by != FORMER, "{} wrote it", one.by);
            let asked = if one.gate == GateName::DualApproved { &ROLES[..2] } else { &ROLES[2..3] };
            prop_assert!(asked.contains(&one.role.as_str()), "{one:?}");
        }
    }

    #[test]
    fn of_a_role_the_newest_stands_unless_it_returned_the_text_before(all in several()) {
        let judged = judged(&facts(&all));
        for (i, one) in judged.iter().enumerate().filter(|(_, j)| j.effect == DecisionEffect::Accepted) {
            let same = |j: &&Judged| j.gate == one.gate && j.role == one.role;
            let counts = |j: &&Judged| matches!(j.effect, DecisionEffect::Superseded | DecisionEffect::AuthorizationUnknown);
            match one.decision {
                // Whatever the role decided later gave way, and nothing before was a return.
                Decision::Return => prop_assert!(!judged[..i].iter().filter(same).filter(counts).any(|j| j.decision == Decision::Return)),
                Decision::Approve => {
                    prop_assert!(!judged[i + 1..].iter().filter(same).any(|j| counts(&j)));
                    prop_assert!(!judged[..i].iter().filter(same).filter(counts).any(|j| j.decision == Decision::Return));
                }
            }
        }
    }

    #[test]
    fn a_return_that_counts_stands_whatever_is_decided_after_it(all in several(), more in several()) {
        let before = facts(&all);
        let mut later = more.clone();
        later.iter_mut().for_each(|m| m.second += 100);
        let after = facts(&[all, later].concat());
        if offices(&before).returned.is_some() {
            prop_assert_eq!(offices(&after).returned, offices(&before).returned);
            prop_assert!(!opens(&after));
        }
    }

    #[test]
    fn a_permission_that_is_not_known_opens_nothing_and_one_that_is_lost_counts_for_nothing(all in several(), which in any::<prop::sample::Index>(), known: bool) {
        // Of approvals alone: who returned a text and lost the permission stands in the way no longer.
        let all: Vec<Made> = all.into_iter().map(|m| Made { decision: Decision::Approve, ..m }).collect();
        let before = facts(&all);
        let mut after = before.clone();
        let Known::Is(approvals) = &mut after.approvals else { panic!() };
        let person = approvals.get(which.index(approvals.len().max(1))).map(|f| f.approval.spec.approved_by.clone());
        let authorised = if known { Authorisation::Denied } else { Authorisation::Unknown };
        for fact in approvals.iter_mut().filter(|f| Some(&f.approval.spec.approved_by) == person.as_ref()) {
            fact.authorised = authorised;
        }
        if !known {
            prop_assert!(opens(&before) || !opens(&after));
        }
        let person = person.unwrap_or_default();
        prop_assert!(accepted(&judged(&after)).all(|j| j.by != person), "{person} still counts");
    }

    #[test]
    fn without_one_of_its_approvals_an_open_gate_is_closed_or_rests_on_an_older_one(all in several()) {
        let good = |person: usize, role: usize| Made {
            person, role, gate: 1, second: 30, decision: Decision::Approve, current: true, authorised: Authorisation::Allowed,
        };
        let facts = facts(&[all, vec![good(0, 0), good(2, 1)]].concat());
        if !opens(&facts) {
            return Ok(());
        }
        for one in accepted(&judged(&facts)).filter(|j| j.gate == GateName::DualApproved) {
            let left = without(&facts, &one.name);
            let older = judged(&facts).into_iter().any(|j| j.role == one.role && j.gate == one.gate && j.effect == DecisionEffect::Superseded);
            prop_assert!(!opens(&left) || older, "{one:?} was not needed");
        }
    }

    #[test]
    fn where_everybody_keeps_to_one_role_fewer_approvals_never_count_for_more(all in several()) {
        let all: Vec<Made> = all
            .into_iter()
            .map(|m| Made { role: m.person % 2, gate: 1, decision: Decision::Approve, authorised: Authorisation::Allowed, ..m })
            .collect();
        let facts = facts(&all);
        for i in 0..all.len() {
            let fewer = without(&facts, &format!("a{i:03}"));
            prop_assert!(offices(&fewer).have <= offices(&facts).have);
        }
    }

    #[test]
    fn an_edit_takes_every_decision_away(all in several()) {
        let mut facts = facts(&all);
        facts.digest = "sha256:edited".into();
        prop_assert!(!opens(&facts));
        prop_assert_eq!(offices(&facts).have, 0);
        prop_assert!(offices(&facts).returned.is_none());
    }
}

#[test]
fn what_is_missing_is_named_in_the_order_of_the_policy_with_its_party() {
    let mut world = World::new();
    world.decide(GateName::DualApproved, ROLES[1], "sco-zhao", Decision::Approve);
    let tally = offices(&world.facts());
    assert_eq!((tally.need, tally.have, tally.missing), (2, 1, vec![ROLES[0].to_string()]));
    let found = gate::judge(GateName::DualApproved, &world.facts(), world.now);
    let Verdict::Closed(qianyun_planning::Reason::ApprovalsMissing { have: 1, need: 2, missing, party }) = found else {
        panic!("{found:?}")
    };
    assert_eq!((missing.en.as_str(), party), (ROLES[0], qianyun_crds::Party::MunicipalGovernmentOffice));
}

#[test]
fn of_an_approval_and_a_return_in_the_same_second_the_return_stands() {
    for decisions in [[Decision::Approve, Decision::Return], [Decision::Return, Decision::Approve]] {
        let mut world = World::new();
        for decision in decisions {
            world.decide(GateName::DualApproved, ROLES[0], "mgo-zhang", decision);
        }
        world.decide(GateName::DualApproved, ROLES[1], "sco-zhao", Decision::Approve);
        let returned = offices(&world.facts()).returned.unwrap();
        assert_eq!((returned.by.as_str(), returned.role.as_str()), ("mgo-zhang", ROLES[0]));
        assert!(!opens(&world.facts()));
    }
}

#[test]
fn a_return_binds_its_person_to_a_role_also_where_an_approval_in_another_has_the_same_second() {
    for decisions in [[Decision::Approve, Decision::Return], [Decision::Return, Decision::Approve]] {
        let mut world = World::new();
        for decision in decisions {
            let role = if decision == Decision::Return { ROLES[1] } else { ROLES[0] };
            world.decide(GateName::DualApproved, role, "two-hats", decision);
        }
        world.decide(GateName::DualApproved, ROLES[1], "sco-zhao", Decision::Approve);
        let returned = offices(&world.facts()).returned.unwrap();
        assert_eq!((returned.by.as_str(), returned.role.as_str()), ("two-hats", ROLES[1]));
        assert!(!opens(&world.facts()));
    }
}

#[test]
fn who_confirmed_by_mistake_in_a_wrong_role_is_not_spent_for_the_right_one() {
    let mut world = World::new();
    // Not asked at this gate, so it neither counts nor binds the person to it.
    world.decide(GateName::DualApproved, "department", "sco-zhao", Decision::Approve);
    world.pass(1);
    world.decide(GateName::DualApproved, ROLES[1], "sco-zhao", Decision::Approve);
    let effects: Vec<DecisionEffect> = judged(&world.facts()).iter().map(|j| j.effect).collect();
    assert_eq!(effects, [DecisionEffect::RoleNotRequired, DecisionEffect::Accepted]);
}

#[test]
fn a_role_that_the_policy_does_not_know_is_nobodys_to_hold() {
    let mut world = World::approved(&["db1"]);
    let Known::Is(policy) = &mut world.policy else { panic!() };
    policy.spec.roles.retain(|r| r.name != ROLES[1]);
    let effects: Vec<DecisionEffect> = judged(&world.facts()).iter().map(|j| j.effect).collect();
    assert!(effects.contains(&DecisionEffect::NotAuthorized), "{effects:?}");
    assert!(!opens(&world.facts()));
}

#[test]
fn a_list_of_persons_admits_exactly_those_on_it() {
    let mut world = World::approved(&["db1"]);
    let Known::Is(policy) = &mut world.policy else { panic!() };
    policy.spec.roles[0].subjects = vec!["mgo-chen".into(), "mgo-zhang".into()];
    assert!(opens(&world.facts()));
    let Known::Is(policy) = &mut world.policy else { panic!() };
    policy.spec.roles[0].subjects = vec!["mgo-chen".into(), "mgo-zhan".into()];
    assert!(!opens(&world.facts()));
}

#[test]
fn a_role_that_is_asked_at_two_gates_decides_at_each() {
    let mut world = World::new();
    let Known::Is(policy) = &mut world.policy else { panic!() };
    policy.spec.scheme_confirmer = ROLES[1].into();
    world.decide(GateName::DepartmentConfirmed, ROLES[1], "sco-zhao", Decision::Approve);
    world.pass(1);
    world.decide(GateName::DualApproved, ROLES[1], "sco-zhao", Decision::Approve);
    world.decide(GateName::DualApproved, ROLES[0], "mgo-zhang", Decision::Approve);
    assert!(judged(&world.facts()).iter().all(|j| j.effect == DecisionEffect::Accepted));
    assert!(gate::judge(GateName::DepartmentConfirmed, &world.facts(), world.now).passes() && opens(&world.facts()));
}
