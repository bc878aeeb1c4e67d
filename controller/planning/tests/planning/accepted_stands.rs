//! An acceptance that was reached stands, whatever cannot be read for a while and whoever holds the roles by then, until its papers
//! are edited. Says nothing about how it is reached: that is `acceptance.rs`.
#![allow(clippy::unwrap_used)]

use crate::acceptance::{accepted, in_trial};
use crate::events::{Event, event, happen};
use crate::world::{World, custody_record};
use proptest::prelude::*;
use qianyun_crds::{AcceptedRecord, CustodyDisposition, Phase, SystemMigrationStatus};
use qianyun_planning::facts::{Authorisation, Facts, Known};
use qianyun_planning::sequence::Step;
use qianyun_planning::system_migration::{next_step, plan, status};

type Lost = (&'static str, fn(&mut Facts));

/// What may be missing for a while, alone and all at once.
const LOST: [Lost; 7] = [
    ("the policy, not known", |f| f.policy = Known::Unknown),
    ("the policy, not there", |f| f.policy = Known::Absent),
    ("the plan, not known", |f| (f.plan, f.policy) = (Known::Unknown, Known::Unknown)),
    ("the plan, not there", |f| (f.plan, f.policy) = (Known::Absent, Known::Absent)),
    ("the journeys", |f| f.hosts.iter_mut().for_each(|host| host.journey = Known::Unknown)),
    ("the decisions", |f| f.approvals = Known::Unknown),
    ("everything", |f| {
        (f.plan, f.policy, f.approvals) = (Known::Unknown, Known::Unknown, Known::Unknown);
        (f.system, f.custody, f.left_out) = (Known::Unknown, Known::Unknown, Known::Unknown);
        f.hosts.iter_mut().for_each(|host| host.journey = Known::Unknown);
    }),
];

/// What is written where something is lost, by which the next look goes.
fn written(world: &World, lose: fn(&mut Facts)) -> (Facts, SystemMigrationStatus) {
    let mut facts = world.facts();
    lose(&mut facts);
    let waiting = plan(&facts, world.now).waiting;
    let status = status(&facts, waiting.as_ref(), world.now);
    (facts, status)
}

fn record(world: &World) -> Option<AcceptedRecord> {
    world.migration.status.as_ref().unwrap().accepted.clone()
}

#[test]
fn what_cannot_be_read_for_a_while_takes_no_acceptance_back_though_nobody_holds_the_role_any_more() {
    let mut before = accepted();
    before.denied.insert("dept-li".into());
    before.tick();
    let (reached, began) =
        (record(&before).unwrap(), before.migration.status.as_ref().unwrap().trial_started_at.clone());
    for (what, lose) in LOST {
        let mut world = before.clone();
        let (facts, status) = written(&world, lose);
        assert_eq!((status.phase, status.accepted.as_ref()), (Some(Phase::Accepted), Some(&reached)), "{what}");
        assert_eq!(status.trial_started_at, began, "{what}");
        assert_eq!(next_step(&facts, world.now), Some(Step::Close), "{what}");
        for kind in ["CutOver", "InService", "Accepted"] {
            let held = status.conditions.iter().find(|c| c.type_ == kind).unwrap();
            assert_eq!(held.status, "True", "{kind} without {what}");
        }
        world.migration.status = Some(status);
        world.tick();
        let status = world.migration.status.as_ref().unwrap();
        assert_eq!((status.phase, status.accepted.as_ref()), (Some(Phase::Accepted), Some(&reached)), "{what} is back");
    }
}

#[test]
fn a_closed_system_of_which_something_cannot_be_read_is_accepted_all_the_same_and_closed_again_after_it() {
    let mut world = accepted();
    world.custody = vec![custody_record("r1", "db1", CustodyDisposition::InCustody, "2027-03-02")];
    world.tick();
    let reached = record(&world);
    for (what, lose) in LOST {
        let (_, status) = written(&world, lose);
        assert!(status.phase >= Some(Phase::Accepted), "{what}: {:?}", status.phase);
        assert_eq!(status.accepted, reached, "{what}");
        world.migration.status = Some(status);
        world.tick();
        assert_eq!(world.migration.status.as_ref().unwrap().phase, Some(Phase::Closed), "{what} is back");
    }
}

#[test]
fn journeys_that_cannot_be_read_for_a_while_do_not_begin_a_trial_run_again() {
    let mut world = in_trial();
    let began = world.migration.status.as_ref().unwrap().trial_started_at.clone();
    world.pass(40 * 86_400);
    let (_, status) = written(&world, |f| f.hosts.iter_mut().for_each(|host| host.journey = Known::Unknown));
    assert_eq!(status.trial_started_at, began);
    world.migration.status = Some(status);
    world.tick();
    let status = world.migration.status.as_ref().unwrap();
    assert_eq!((status.phase, &status.trial_started_at), (Some(Phase::Trial), &began));
}

#[test]
fn an_edit_of_the_papers_is_what_takes_an_acceptance_back() {
    let mut world = accepted();
    world.migration.spec.acceptance.as_mut().unwrap().meeting.as_mut().unwrap().organiser = "another unit".into();
    world.tick();
    let facts = world.facts();
    assert!(record(&world).is_none() && !facts.accepted_before());
    let Known::Is(approvals) = &facts.approvals else { panic!() };
    assert!(approvals.iter().all(|a| a.authorised == Authorisation::Allowed), "nobody lost a role");
}

/// Something that happens, and what of plan, policy and journeys cannot be read by then.
fn course() -> impl Strategy<Value = Vec<(Event, bool, bool, bool)>> {
    let lost = || prop::bool::weighted(0.3);
    prop::collection::vec((event(), lost(), lost(), lost()), 1..25)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, max_shrink_iters: 200, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn an_acceptance_is_never_lost_while_its_papers_stay_as_they_are(events in course()) {
        let mut world = accepted();
        let (reached, papers) = (record(&world), world.acceptance_digest());
        for (event, policy, plan, journeys) in &events {
            let before = world.clone();
            (world.unread.policy, world.unread.plan, world.unread.journeys) = (*policy, *plan, *journeys);
            happen(&mut world, event, &mut |_, _, _| {});
            // What edits the papers is another story.
            if world.acceptance_digest() != papers {
                world = before;
                continue;
            }
            world.tick();
            prop_assert_eq!(record(&world), reached.clone(), "after {:?}", event);
        }
    }
}
