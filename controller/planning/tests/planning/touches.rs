//! Nothing is done to a server's disks, traffic or power without both offices' approval of exactly this scheme: over
//! generated worlds, each action is looked at in the moment in which it is asked for.
//!
//! Whether the offices approve is worked out here once more, from the decisions alone and in other words than the gate's:
//! a gate that forgets a rule, and `lint`, which asks the same gate, cannot hide it from this test.
#![allow(clippy::unwrap_used)]

use crate::events::{Event, Start, course, course_on_paper, happen};
use crate::world::{Server, Stage, World};
use proptest::strategy::Strategy;
use proptest::test_runner::{Config, TestRunner};
use qianyun_crds::{Approval, Decision, DecisionKind, GateName, HostIntent, Phase, PolicyProfileSpec, SubjectKind};
use qianyun_planning::facts::{Known, Machine, Receiver};
use qianyun_planning::{Action, Plan, phase};
use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};

/// What an action is to a server, and so what it asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Touch {
    /// The journey goes on: the offices approve the scheme as it is at this moment.
    Forward,
    /// The machine on the cloud is started. The first time as `Forward`; one that stopped by itself is started again
    /// without, because the source is off for good and nobody else serves.
    Start,
    /// What was begun is taken back: it needs nobody's approval, because it is what happens when there is none. Exempt from
    /// rule 1 of ARCHITECTURE.md as its rule 3 says: services start again on an abort.
    Back,
    /// The source, whose services are stopped since its vote, goes out of service after the commit, which asked for the
    /// approvals. A decision is never changed (rule 3), so nothing else can follow; the launch asks for them again.
    Completion,
    /// Nothing is changed.
    Reading,
}

/// A new action, intent or decision does not compile until somebody says here what it is to a server.
#[deny(clippy::wildcard_enum_match_arm)]
fn touch(action: &Action) -> Touch {
    match action {
        // The first touches no server yet, but begins a journey; volumes and receivers are the other end of a copy.
        Action::CreateJourney { .. } | Action::EnsureVolumes { .. } | Action::EnsureReceiver { .. } => Touch::Forward,
        Action::SetIntent { intent, .. } => match intent {
            HostIntent::Replicate | HostIntent::Cutover | HostIntent::Serve => Touch::Forward,
            HostIntent::Idle | HostIntent::Resume => Touch::Back,
            HostIntent::Fence => Touch::Completion,
        },
        Action::Decide { decision, .. } => match decision.kind {
            DecisionKind::Commit => Touch::Forward,
            DecisionKind::Abort => Touch::Back,
        },
        Action::StopReceiver { .. } => Touch::Completion,
        Action::EnsureTarget { .. } => Touch::Start,
        Action::RunProbes { .. } => Touch::Reading,
    }
}

/// Whether the offices approve the scheme as it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Standing {
    Approved,
    NotApproved,
    NotKnown,
}

fn standing(world: &World) -> Standing {
    let policy = match &world.policy {
        Known::Is(policy) if !world.unread.policy => &policy.spec,
        _ => return Standing::NotKnown,
    };
    if !world.authoriser_up {
        return Standing::NotKnown;
    }
    let offices: BTreeSet<&str> = policy.scheme_approvers.iter().map(String::as_str).collect();
    let counting = counting(world, policy);
    let of_offices = || counting.iter().filter(|a| a.spec.gate == GateName::DualApproved);
    // While it is carried out nobody edits it, and the newest word of each office is its word.
    let digest = world.digest();
    let carries_it_out =
        |s: &Server| s.is_committed() && s.journey.as_ref().is_some_and(|j| j.spec.scheme_digest == digest);
    let in_execution = world.servers.iter().any(carries_it_out);
    let stands = |office: &str| {
        let of_office = || of_offices().filter(|a| a.spec.role == office).map(|a| a.spec.decision);
        let newest = of_office().next_back() == Some(Decision::Approve);
        newest && (in_execution || of_office().all(|decision| decision == Decision::Approve))
    };
    let all = offices.iter().all(|office| stands(office));
    if offices.len() >= 2 && all { Standing::Approved } else { Standing::NotApproved }
}

/// The decisions that count, oldest first: on this digest, in a role that is asked, by somebody who may, neither is nor was the author,
/// and did not decide in another role before.
fn counting<'a>(world: &'a World, policy: &PolicyProfileSpec) -> Vec<&'a Approval> {
    let digest = world.digest();
    let asked = |a: &Approval| match a.spec.gate {
        GateName::DualApproved => policy.scheme_approvers.contains(&a.spec.role),
        GateName::DepartmentConfirmed => policy.scheme_confirmer == a.spec.role,
        _ => false,
    };
    let may = |a: &Approval| {
        let by = &a.spec.approved_by;
        let role = policy.roles.iter().find(|r| r.name == a.spec.role);
        let listed = role.is_some_and(|r| r.subjects.is_empty() || r.subjects.contains(by));
        let wrote = &world.migration.spec;
        listed && !world.denied.contains(by) && *by != wrote.author && !wrote.former_authors.contains(by)
    };
    let of_this = |a: &&Approval| a.spec.subject.kind == SubjectKind::SystemMigration && a.spec.digest == digest;
    let mut found: Vec<_> = world.approvals.iter().filter(of_this).filter(|a| asked(a) && may(a)).collect();
    // Within a second a return binds its person, and has its office's last word.
    let at = |a: &Approval| a.metadata.creation_timestamp.as_ref().unwrap().0;
    found.sort_by_key(|a| (at(a), a.spec.decision != Decision::Return, a.metadata.name.clone()));
    let mut role_of: BTreeMap<&str, &str> = BTreeMap::new();
    found.retain(|a| *role_of.entry(&a.spec.approved_by).or_insert(&a.spec.role) == a.spec.role);
    found.sort_by_key(|a| (at(a), a.spec.decision == Decision::Return, a.metadata.name.clone()));
    found
}

/// What was asked for so far, since some of it permits what comes after.
#[derive(Default)]
struct Witness {
    /// Host and attempt of each commit, with the digest that was approved then.
    commits: BTreeMap<(String, i32), String>,
    /// Hosts whose machine was started with an approval.
    started: BTreeSet<String>,
    seen: BTreeMap<Touch, usize>,
    /// How often a machine was started again without an approval.
    started_again: usize,
    /// How often a journey was turned back because the approvals were gone.
    turned_back: usize,
}

impl Witness {
    fn look(&mut self, world: &World, name: &str, plan: &Plan) {
        let standing = standing(world);
        for action in &plan.actions {
            self.judge(world, standing, action);
        }
        if let Some(server) = world.servers.iter().find(|s| s.name == name) {
            self.stops_what_is_not_approved(world, standing, server, plan);
        }
    }

    fn judge(&mut self, world: &World, standing: Standing, action: &Action) {
        let host = action.host();
        let server = world.servers.iter().find(|s| s.name == host).unwrap();
        let approved = standing == Standing::Approved;
        let touch = touch(action);
        *self.seen.entry(touch).or_default() += 1;
        match touch {
            Touch::Forward => {
                assert!(approved, "{standing:?} at {action:?}");
                assert_of_this_scheme(world, action);
                if let Action::Decide { decision, .. } = action {
                    self.commits.insert((host.into(), decision.attempt), world.digest());
                }
            }
            Touch::Start => {
                assert!(approved || self.started.contains(host), "{standing:?} at the first start: {action:?}");
                self.assert_committed(server, action);
                self.started_again += usize::from(!approved);
                self.started.insert(host.into());
            }
            Touch::Back => assert_takes_back(server, action),
            Touch::Completion => self.assert_committed(server, action),
            Touch::Reading => {}
        }
    }

    /// A commit is written for this attempt, and when it was asked for, the offices approved what the journey carries.
    fn assert_committed(&self, server: &Server, action: &Action) {
        assert_eq!(decided(server), Some(DecisionKind::Commit), "without a commit: {action:?}");
        let journey = &server.journey.as_ref().unwrap().spec;
        let committed = self.commits.get(&(server.name.clone(), journey.attempt));
        assert_eq!(committed, Some(&journey.scheme_digest), "of a scheme that nobody approved: {action:?}");
    }

    /// Where the approvals do not hold, or the scheme is another, a copy stops and an attempt is aborted at the next look.
    /// What is only not known holds a journey where it is.
    fn stops_what_is_not_approved(&mut self, world: &World, standing: Standing, server: &Server, plan: &Plan) {
        let Some(journey) = &server.journey else { return };
        let edited = journey.spec.scheme_digest != world.digest();
        if !edited && standing != Standing::NotApproved {
            return;
        }
        let back = || plan.actions.iter().all(|a| touch(a) == Touch::Back) && plan.actions.len() == 1;
        let runs = match journey.spec.intent {
            HostIntent::Replicate => true,
            HostIntent::Cutover => decided(server).is_none(),
            HostIntent::Idle | HostIntent::Resume | HostIntent::Fence | HostIntent::Serve => false,
        };
        if runs {
            assert!(back(), "goes on without an approval: {plan:?}");
            self.turned_back += 1;
        }
    }
}

/// What carries a digest carries that of the scheme as it is. Only `Serve` carries on the one of its commit.
fn assert_of_this_scheme(world: &World, action: &Action) {
    let digest = match action {
        Action::SetIntent { intent: HostIntent::Serve, .. } => None,
        Action::CreateJourney { digest, .. } | Action::SetIntent { digest, .. } => Some(digest),
        _ => None,
    };
    assert!(digest.is_none_or(|digest| *digest == world.digest()), "of another scheme: {action:?}");
}

/// What takes back takes back only, and never after a commit: an abort of an attempt that is not decided, the return of its
/// source to work, and the end of a copy whose source is at work.
fn assert_takes_back(server: &Server, action: &Action) {
    let journey = &server.journey.as_ref().unwrap().spec;
    let decided = decided(server);
    match action {
        Action::Decide { decision, .. } => {
            let begun = journey.intent == HostIntent::Cutover && decision.attempt == journey.attempt;
            assert!(begun && decided.is_none(), "nothing to abort: {action:?} of {journey:?}");
        }
        Action::SetIntent { intent, attempt, digest, .. } => {
            let aborted = journey.intent == HostIntent::Cutover && decided == Some(DecisionKind::Abort);
            let follows = matches!(journey.intent, HostIntent::Replicate | HostIntent::Resume);
            let allowed = if *intent == HostIntent::Resume { aborted } else { follows };
            assert!(allowed && decided != Some(DecisionKind::Commit), "{action:?} of {journey:?}");
            assert!(*attempt == journey.attempt && *digest == journey.scheme_digest, "{action:?} of {journey:?}");
        }
        other => panic!("not a way back: {other:?}"),
    }
}

/// The decision on the present attempt of a server.
fn decided(server: &Server) -> Option<DecisionKind> {
    let journey = server.journey.as_ref()?;
    let decision = journey.status.as_ref()?.cutover.as_ref()?.decision.as_ref()?;
    (decision.attempt == journey.spec.attempt).then_some(decision.kind)
}

/// Ticks until `done` holds, under the eyes of the witness.
fn until(world: &mut World, witness: &mut Witness, what: &str, done: impl Fn(&World, &Witness) -> bool) {
    for _ in 0..120 {
        if done(world, witness) {
            return;
        }
        world.tick_seen(&mut |world, name, plan| witness.look(world, name, plan));
    }
    panic!("never: {what}; {:?}", world.plans());
}

/// A world with the attempt begun, and its witness.
fn in_an_attempt() -> (World, Witness) {
    let (mut world, mut witness) = (World::approved(&["db1"]), Witness::default());
    until(&mut world, &mut witness, "a copy in sync", |w, _| phase::phase(&w.facts(), w.now) == Phase::Scheduled);
    world.now = world.migration.spec.scheme.window.start.0;
    until(&mut world, &mut witness, "the attempt", |w, _| w.servers[0].stage == Stage::Stopping);
    (world, witness)
}

/// The same, one step further.
fn committed() -> (World, Witness) {
    let (mut world, mut witness) = in_an_attempt();
    until(&mut world, &mut witness, "the commit", |w, _| decided(&w.servers[0]) == Some(DecisionKind::Commit));
    (world, witness)
}

/// What was seen of a course, and how often.
fn witnessed((start, events): (Start, Vec<Event>)) -> BTreeMap<Touch, usize> {
    let (mut world, mut witness) = (start.world(), Witness::default());
    for event in &events {
        happen(&mut world, event, &mut |world, name, plan| witness.look(world, name, plan));
    }
    witness.seen
}

/// A property over worlds in which nothing is ever done would hold as well: so returns what was.
fn run(cases: u32, courses: &impl Strategy<Value = (Start, Vec<Event>)>) -> BTreeSet<Touch> {
    let config = Config { cases, max_shrink_iters: 300, failure_persistence: None, ..Config::default() };
    let seen = RefCell::new(BTreeSet::new());
    let result = TestRunner::new(config).run(courses, |course| {
        seen.borrow_mut().extend(witnessed(course).into_keys());
        Ok(())
    });
    result.unwrap();
    seen.into_inner()
}

#[test]
fn no_action_on_disks_traffic_or_power_without_the_approval_of_the_scheme_as_it_is() {
    // Ways back are rarer, and have a test of their own.
    let expected = BTreeSet::from([Touch::Forward, Touch::Start, Touch::Completion]);
    let seen = run(80, &course(40));
    assert!(seen.is_superset(&expected), "{seen:?}");
}

#[test]
fn whoever_decides_in_whatever_order_no_journey_begins_without_the_approval_of_the_scheme_as_it_is() {
    assert!(run(600, &course_on_paper(24)).contains(&Touch::Forward));
}

#[test]
fn a_written_commit_takes_the_source_out_of_service_without_the_offices_but_starts_nothing() {
    let (mut world, mut witness) = committed();
    world.edit();
    let fenced = |_: &World, witness: &Witness| witness.seen.get(&Touch::Completion) == Some(&2);
    until(&mut world, &mut witness, "fence and receiver's stop", fenced);
    for _ in 0..30 {
        world.tick_seen(&mut |world, name, plan| witness.look(world, name, plan));
    }
    assert!(!world.servers[0].on);
    assert_eq!((witness.seen.get(&Touch::Start), world.intent("db1")), (None, Some(HostIntent::Fence)));
    world.sign_all();
    until(&mut world, &mut witness, "the launch", |w, _| w.servers[0].machine == Machine::Running);
    assert_eq!(witness.started_again, 0);
}

#[test]
fn a_machine_that_was_started_with_the_offices_is_started_again_without_them() {
    let (mut world, mut witness) = committed();
    until(&mut world, &mut witness, "a launch on record", |w, _| w.facts().hosts[0].launched_at().is_some());
    world.denied.insert("sco-zhao".into());
    world.server("db1").machine = Machine::Stopped;
    until(&mut world, &mut witness, "a second start", |_, witness| witness.started_again == 1);
}

#[test]
fn an_attempt_is_taken_back_at_the_look_at_which_an_office_is_gone_and_its_copy_with_it() {
    let (mut world, mut witness) = in_an_attempt();
    world.denied.insert("sco-zhao".into());
    until(&mut world, &mut witness, "the abort", |_, witness| witness.turned_back == 1);
    until(&mut world, &mut witness, "the end of the copy", |w, _| w.intent("db1") == Some(HostIntent::Idle));
    // The abort, the return to work, and the end of the copy: nothing else.
    assert_eq!(witness.seen.get(&Touch::Back), Some(&3));
    assert!(world.servers[0].serves_users());
}

#[test]
fn a_receiver_that_dies_in_an_attempt_is_not_started_again_while_permissions_are_not_known() {
    let (mut world, mut witness) = in_an_attempt();
    (world.authoriser_up, world.server("db1").receiver) = (false, Receiver::Absent);
    world.reconcile_seen(&mut |world, name, plan| witness.look(world, name, plan));
    assert_eq!(world.servers[0].receiver, Receiver::Absent);
    world.authoriser_up = true;
    world.reconcile_seen(&mut |world, name, plan| witness.look(world, name, plan));
    assert!(matches!(world.servers[0].receiver, Receiver::Ready { .. }));
}
