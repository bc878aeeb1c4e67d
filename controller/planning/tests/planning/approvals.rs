//! Ways around the two offices. None of them counts, and none of them moves a machine.

use crate::world::World;
use qianyun_crds::{
    Decision::{Approve, Return},
    DecisionEffect, GateName, HostIntent, Party, Phase,
};
use qianyun_planning::facts::{Known, Machine};
use qianyun_planning::reason::Verdict;
use qianyun_planning::{Reason, approval, gate, phase};

const MGO: &str = "municipalGovernmentOffice";
const SCO: &str = "smartCityOffice";

fn confirmed() -> World {
    let mut world = World::new();
    world.decide(GateName::PlanIssued, MGO, "mgo-zhang", Approve);
    world.decide(GateName::PlanIssued, SCO, "sco-zhao", Approve);
    world.decide(GateName::DepartmentConfirmed, "department", "dept-li", Approve);
    world
}

fn effects(world: &World) -> Vec<DecisionEffect> {
    let facts = world.facts();
    let (Known::Is(policy), Known::Is(approvals)) = (&facts.policy, &facts.approvals) else { panic!() };
    let subject = approval::scheme_subject(&facts, &policy.spec);
    approval::judge(&subject, &policy.spec, approvals).into_iter().map(|j| j.effect).collect()
}

#[track_caller]
fn assert_never_moves(mut world: World, expected: DecisionEffect) {
    assert!(effects(&world).contains(&expected), "{:?}", effects(&world));
    assert!(!gate::judge(GateName::DualApproved, &world.facts(), world.now).passes());
    for _ in 0..30 {
        world.tick();
    }
    assert_eq!(world.intent("db1").unwrap_or(HostIntent::Idle), HostIntent::Idle);
    assert!(!world.servers[0].volumes, "volumes were made");
}

#[test]
fn both_offices_by_two_persons_let_the_journey_begin() {
    let mut world = confirmed();
    world.decide(GateName::DualApproved, MGO, "mgo-zhang", Approve);
    world.decide(GateName::DualApproved, SCO, "sco-zhao", Approve);
    world.until("replication begins", |w| w.intent("db1") == Some(HostIntent::Replicate));
}

#[test]
fn one_office_alone_is_not_enough() {
    let mut world = confirmed();
    world.decide(GateName::DualApproved, MGO, "mgo-zhang", Approve);
    world.decide(GateName::DualApproved, MGO, "mgo-chen", Approve);
    assert_never_moves(world, DecisionEffect::Superseded);
}

#[test]
fn the_author_approves_nothing() {
    let mut world = confirmed();
    world.decide(GateName::DualApproved, MGO, crate::world::AUTHOR, Approve);
    world.decide(GateName::DualApproved, SCO, "sco-zhao", Approve);
    assert_never_moves(world, DecisionEffect::SelfApproval);
}

#[test]
fn who_was_its_author_approves_nothing_either_after_another_took_it_over() {
    let mut world = confirmed();
    world.migration.spec.author = "op-he".into();
    world.migration.spec.former_authors = vec![crate::world::AUTHOR.into()];
    world.decide(GateName::DepartmentConfirmed, "department", "dept-li", Approve);
    world.decide(GateName::DualApproved, MGO, crate::world::AUTHOR, Approve);
    world.decide(GateName::DualApproved, SCO, "sco-zhao", Approve);
    assert_never_moves(world, DecisionEffect::SelfApproval);
}

#[test]
fn one_person_is_not_two_offices() {
    let mut world = confirmed();
    world.decide(GateName::DualApproved, MGO, "mgo-zhang", Approve);
    world.decide(GateName::DualApproved, SCO, "mgo-zhang", Approve);
    assert_never_moves(world, DecisionEffect::SamePersonTwice);
}

#[test]
fn who_confirmed_for_the_department_is_no_office() {
    let mut world = confirmed();
    world.decide(GateName::DualApproved, MGO, "dept-li", Approve);
    world.decide(GateName::DualApproved, SCO, "sco-zhao", Approve);
    assert_never_moves(world, DecisionEffect::SamePersonTwice);
}

#[test]
fn an_approval_of_another_text_does_not_count() {
    let mut world = confirmed();
    let read = world.digest();
    world.edit();
    world.decide(GateName::DepartmentConfirmed, "department", "dept-li", Approve);
    world.decide_on(GateName::DualApproved, MGO, "mgo-zhang", Approve, &read);
    world.decide_on(GateName::DualApproved, SCO, "sco-zhao", Approve, &read);
    assert_never_moves(world, DecisionEffect::DigestMismatch);
}

#[test]
fn an_approval_of_an_object_that_was_deleted_does_not_count_for_its_successor() {
    let mut world = confirmed();
    world.decide(GateName::DualApproved, MGO, "mgo-zhang", Approve);
    world.decide(GateName::DualApproved, SCO, "sco-zhao", Approve);
    for approval in &mut world.approvals {
        approval.spec.subject.uid = "uid-before".into();
    }
    assert_never_moves(world, DecisionEffect::SubjectNotFound);
}

#[test]
fn an_approval_in_another_namespace_does_not_count() {
    let mut world = confirmed();
    world.decide(GateName::DualApproved, MGO, "mgo-zhang", Approve);
    world.decide(GateName::DualApproved, SCO, "sco-zhao", Approve);
    world.approvals.last_mut().unwrap().metadata.namespace = Some("elsewhere".into());
    assert_never_moves(world, DecisionEffect::SubjectNotFound);
}

#[test]
fn who_lost_the_permission_does_not_count_any_more() {
    let mut world = World::approved(&["db1"]);
    world.denied.insert("sco-zhao".into());
    assert_never_moves(world, DecisionEffect::NotAuthorized);
}

#[test]
fn who_is_not_on_the_policys_list_does_not_count() {
    let mut world = World::approved(&["db1"]);
    let Known::Is(policy) = &mut world.policy else { panic!() };
    policy.spec.roles[0].subjects = vec!["mgo-liu".into()];
    assert_never_moves(world, DecisionEffect::NotAuthorized);
}

#[test]
fn a_permission_that_cannot_be_asked_is_no_permission() {
    let mut world = World::approved(&["db1"]);
    world.authoriser_up = false;
    assert!(matches!(gate::judge(GateName::DualApproved, &world.facts(), world.now), Verdict::Unknown(_)));
    assert_never_moves(world, DecisionEffect::AuthorizationUnknown);
}

#[test]
fn a_role_that_the_policy_does_not_ask_does_not_count() {
    let mut world = confirmed();
    world.decide(GateName::DualApproved, "department", "dept-chen", Approve);
    world.decide(GateName::DualApproved, SCO, "sco-zhao", Approve);
    assert_never_moves(world, DecisionEffect::RoleNotRequired);
}

#[test]
fn a_policy_that_names_one_office_twice_opens_nothing() {
    let mut world = World::approved(&["db1"]);
    let Known::Is(policy) = &mut world.policy else { panic!() };
    policy.spec.scheme_approvers = vec![MGO.into(), MGO.into()];
    let found = gate::judge(GateName::DualApproved, &world.facts(), world.now);
    assert_eq!(found, Verdict::Closed(Reason::TooFewApprovers { found: 1 }));
}

#[test]
fn no_policy_can_switch_the_approvals_off() {
    let mut world = confirmed();
    let Known::Is(policy) = &mut world.policy else { panic!() };
    for gate in gate::GATES {
        let switch = qianyun_crds::GateSwitch { name: gate.name, enabled: false, basis: "decree".into() };
        policy.spec.gates.push(switch);
    }
    assert!(!gate::judge(GateName::DualApproved, &world.facts(), world.now).passes());
    assert_eq!(gate::judge(GateName::SystemGraded, &world.facts(), world.now), Verdict::Off);
}

#[test]
fn the_first_return_sends_it_back_until_it_is_edited() {
    let mut world = confirmed();
    world.decide(GateName::DualApproved, MGO, "mgo-zhang", Return);
    world.pass(5);
    world.decide(GateName::DualApproved, MGO, "mgo-zhang", Approve);
    world.decide(GateName::DualApproved, SCO, "sco-zhao", Approve);
    assert_eq!(phase::phase(&world.facts(), world.now), Phase::Returned);
    world.edit();
    assert_eq!(phase::phase(&world.facts(), world.now), Phase::Drafting);
    world.decide(GateName::DepartmentConfirmed, "department", "dept-li", Approve);
    world.decide(GateName::DualApproved, MGO, "mgo-zhang", Approve);
    world.decide(GateName::DualApproved, SCO, "sco-zhao", Approve);
    assert_eq!(phase::phase(&world.facts(), world.now), Phase::Approved);
}

#[test]
fn a_plan_of_one_office_lets_nothing_begin() {
    let mut world = World::approved(&["db1"]);
    world.approvals.retain(|a| !(a.spec.gate == GateName::PlanIssued && a.spec.role == SCO));
    let found = gate::judge(GateName::PlanIssued, &world.facts(), world.now);
    assert!(matches!(found, Verdict::Closed(Reason::PlanNotIssued { have: 1, need: 2, .. })), "{found:?}");
    world.tick();
    assert!(world.servers[0].journey.is_none());
}

/// Its commit is written, and it was returned since.
fn returned_in_execution() -> World {
    let mut world = World::in_sync(&["db1"]);
    world.until("a commit", |w| w.facts().any_committed());
    world.pass(1);
    world.decide(GateName::DualApproved, SCO, "sco-zhao", Return);
    world
}

#[test]
fn a_return_in_execution_holds_the_launch_and_names_the_office_that_can_let_it_go_on() {
    let mut world = returned_in_execution();
    let Verdict::Closed(reason) = gate::judge(GateName::DualApproved, &world.facts(), world.now) else { panic!() };
    assert!(matches!(reason, Reason::ReturnedInExecution { .. }), "{reason:?}");
    assert_eq!(reason.party(), Some(Party::SmartCityOffice));
    for _ in 0..120 {
        world.tick();
    }
    assert_ne!(world.servers[0].machine, Machine::Running, "it was started against an office's word");
}

#[test]
fn in_execution_the_newest_word_of_the_office_stands_and_nobody_elses_word_stands_for_it() {
    let mut world = returned_in_execution();
    world.pass(1);
    world.decide(GateName::DualApproved, MGO, "mgo-zhang", Approve);
    assert!(
        !gate::judge(GateName::DualApproved, &world.facts(), world.now).passes(),
        "the other office approved again"
    );
    world.denied.insert("li".into());
    world.decide(GateName::DualApproved, SCO, "li", Approve);
    assert!(!gate::judge(GateName::DualApproved, &world.facts(), world.now).passes(), "someone without the role");
    world.decide(GateName::DualApproved, SCO, "sco-zhao", Approve);
    assert!(gate::judge(GateName::DualApproved, &world.facts(), world.now).passes());
    world.until("it serves", |w| w.servers[0].machine == Machine::Running);
    world.pass(1);
    world.decide(GateName::DualApproved, SCO, "sco-zhao", Return);
    assert!(!gate::judge(GateName::DualApproved, &world.facts(), world.now).passes(), "and it may be returned again");
}

#[test]
fn in_execution_a_return_in_the_same_second_as_an_approval_is_the_last_word() {
    for decisions in [[Approve, Return], [Return, Approve]] {
        let mut world = World::in_sync(&["db1"]);
        world.until("a commit", |w| w.facts().any_committed());
        world.pass(1);
        decisions.into_iter().for_each(|decision| world.decide(GateName::DualApproved, SCO, "sco-zhao", decision));
        assert!(!gate::judge(GateName::DualApproved, &world.facts(), world.now).passes(), "{decisions:?}");
    }
}

#[test]
fn a_scheme_that_was_edited_after_a_commit_is_another_one_and_its_return_stands() {
    let mut world = World::in_sync(&["db1"]);
    world.until("a commit", |w| w.facts().any_committed());
    world.edit();
    world.pass(1);
    world.decide(GateName::DualApproved, SCO, "sco-zhao", Return);
    world.pass(1);
    world.decide(GateName::DualApproved, MGO, "mgo-zhang", Approve);
    world.decide(GateName::DualApproved, SCO, "sco-zhao", Approve);
    let Verdict::Closed(reason) = gate::judge(GateName::DualApproved, &world.facts(), world.now) else { panic!() };
    assert!(matches!(reason, Reason::Returned { .. }), "{reason:?}");
}
