//! A journey goes on, or says what it waits for; it comes to rest, and it arrives once what is in its way is gone. Over
//! generated worlds: what is planned, what is said of it, and what is planned after it was carried out.
//!
//! An action is *carried out* when the site has done what it was told and what is to be written is written, in the same
//! instant; what a server does about it is seen later, as time passes. So one plan leads to the next one (first the volumes,
//! then the receiver), and what a plan asked for is what the plan after it does not ask for any more.
#![allow(clippy::unwrap_used)]

use crate::events::{Depends, Event, MachineEvent, Offices, PaperEvent, Signed, Start, course, happen, heal};
use crate::world::World;
use jiff::Timestamp;
use proptest::prelude::*;
use qianyun_crds::{HostIntent, Party, Phase, Waiting};
use qianyun_planning::facts::{HostFacts, Machine, Receiver};
use qianyun_planning::report;
use qianyun_planning::{Action, Plan, calendar, phase};
use std::collections::BTreeSet;

/// What a server said longer ago than this says nothing about now.
const REPORT_FRESH_MS: u64 = 60_000;

/// The world after the events, with a clock that has caught up where it was set back: a silence or a back-off is measured by
/// it, and would make the rounds of a test wait for hours.
fn after(start: Start, events: &[Event]) -> World {
    let mut world = start.world();
    let mut newest = world.now;
    for event in events {
        happen(&mut world, event, &mut |_, _, _| {});
        newest = newest.max(world.now);
    }
    world.now = newest;
    world
}

/// What a journey said last that it waits for.
fn said(world: &World, name: &str) -> Option<Waiting> {
    if name == "system" {
        return world.migration.status.as_ref()?.waiting.clone();
    }
    let server = world.servers.iter().find(|s| s.name == name)?;
    server.journey.as_ref()?.status.as_ref()?.waiting.clone()
}

/// Whether nothing is left to do: the system is closed, a host's machine serves.
fn at_its_end(world: &World, name: &str) -> bool {
    let facts = world.facts();
    if name == "system" {
        return phase::phase(&facts, world.now) == Phase::Closed;
    }
    let host = facts.host(name).unwrap();
    let serves = host.hosting.machine == Machine::Running && host.adapted();
    world.intent(name) == Some(HostIntent::Serve) && serves
}

/// Says for what, since when, until when and who can end it.
fn assert_says_what_it_waits_for(world: &World, name: &str, plan: &Plan, newest: Timestamp) {
    let Some(on) = &plan.waiting else {
        assert!(plan.actions.is_empty() && at_its_end(world, name), "{name} neither acts nor waits: {plan:?}");
        return;
    };
    let before = said(world, name);
    let waiting = report::waiting(on, before.as_ref(), &calendar::Zone::default(), world.now);
    let same = before.filter(|b| b.waiting_for == waiting.waiting_for).map(|b| b.since.0);
    assert_eq!(waiting.since.0, same.unwrap_or(calendar::to_second(world.now)), "{name}: {waiting:?}");
    assert!(waiting.since.0 <= newest, "{name} waits since a time that is still to come: {waiting:?}");
    assert!(waiting.next_attempt.as_ref().is_none_or(|at| at.0 > world.now), "{name} promises the past: {waiting:?}");
    assert!(!waiting.message.is_empty() && !waiting.message_zh.is_empty(), "{name}: {waiting:?}");
}

/// What an action does, without what only says when and why.
fn deed(action: &Action) -> String {
    match action {
        Action::SetIntent { host, intent, attempt, .. } => format!("{host} {intent:?} {attempt}"),
        Action::Decide { host, decision, .. } => format!("{host} {:?} {}", decision.kind, decision.attempt),
        other => format!("{other:?}"),
    }
}

/// Probes are tried until they pass: they read, and are the only action that may be asked for again.
fn is_probe(action: &Action) -> bool {
    matches!(action, Action::RunProbes { .. })
}

/// Carries out each plan and looks at the one after it, in the same instant, until the world is at rest.
fn assert_comes_to_rest_at_once(mut world: World) {
    // The longest way without a server: a journey is made, gets its volumes and its receiver, and is begun. Its status is seen
    // by the system's in the next round, and one round more says the same.
    for _ in 0..8 {
        let (mut done, before) = (false, statuses(&world));
        let names: Vec<String> = world.plans().into_iter().map(|(name, _)| name).collect();
        for name in names {
            let plan_of = |world: &World| world.plans().into_iter().find(|(n, _)| *n == name).unwrap().1;
            let plan = plan_of(&world);
            world.write_status(&name, &plan);
            plan.actions.iter().for_each(|action| world.carry_out(action));
            let next = plan_of(&world);
            let again = |action: &&Action| next.actions.iter().any(|other| deed(action) == deed(other));
            assert!(plan.actions.iter().filter(again).all(is_probe), "{name} asks for it again: {plan:?}");
            done |= plan.actions.iter().any(|action| !again(&action));
        }
        if !done && statuses(&world) == before {
            return;
        }
    }
    panic!("never at rest: {:?}", world.plans());
}

fn statuses(world: &World) -> (String, Vec<String>) {
    let of_host = |s: &crate::world::Server| format!("{:?}", s.journey.as_ref().map(|j| &j.status));
    (format!("{:?}", world.migration.status), world.servers.iter().map(of_host).collect())
}

/// Moves the clock to the first instant that anybody was promised, so that what waits for it is seen without the wait.
fn to_the_next_promise(world: &mut World) {
    let names = std::iter::once("system").chain(world.servers.iter().map(|s| s.name.as_str()));
    let promised = names.filter_map(|name| said(world, name)?.next_attempt).map(|at| at.0).min();
    world.now = promised.map_or(world.now, |at| world.now.max(at));
}

/// Rounds of the controller, with a time between them. Nothing is done twice, no phase comes back unless for another
/// attempt or for a server that is not heard any more, and the last third of the rounds does nothing at all.
fn assert_no_oscillation(mut world: World, rounds: u32, mut between: impl FnMut(&mut World)) {
    let (mut deeds, mut stages) = (BTreeSet::new(), Vec::new());
    for round in 0..rounds {
        between(&mut world);
        for action in world.reconcile().iter().filter(|a| !is_probe(a)) {
            assert!(deeds.insert(deed(action)), "done, undone and done again: {action:?} after {deeds:?}");
            assert!(round < rounds * 2 / 3, "still not at rest: {action:?} after {deeds:?}");
        }
        let attempts: Vec<i32> = world.servers.iter().filter_map(|s| Some(s.journey.as_ref()?.spec.attempt)).collect();
        let facts = world.facts();
        let is_heard = |host: &&HostFacts| host.agent.as_ref().is_some_and(|agent| agent.age_ms <= REPORT_FRESH_MS);
        let heard = facts.hosts.iter().filter(is_heard).count();
        let stage = format!("{:?} {attempts:?}, {heard} heard", phase::phase(&facts, world.now));
        if stages.last() != Some(&stage) {
            assert!(!stages.contains(&stage), "back to {stage} after {stages:?}");
            stages.push(stage);
        }
    }
}

fn config(cases: u32) -> ProptestConfig {
    ProptestConfig { cases, max_shrink_iters: 300, failure_persistence: None, ..ProptestConfig::default() }
}

#[test]
fn a_copy_in_sync_that_falls_silent_takes_its_system_back_to_replicating_and_no_further() {
    let start = Start { servers: 2, offices: Offices::Two, signed: Signed::All, depends: Depends::Nobody };
    let silent = Event::Machine(MachineEvent::Connected(0, false));
    let edited = [Event::People(PaperEvent::Edit), Event::Ticks(1), Event::People(PaperEvent::SignAgain)];
    let events = [Event::Ticks(9), silent].into_iter().chain(edited);
    assert_no_oscillation(after(start, &events.collect::<Vec<_>>()), 300, |world| {
        to_the_next_promise(world);
        world.pass(5);
        world.step_servers();
    });
}

proptest! {
    #![proptest_config(config(32))]

    #[test]
    fn a_plan_acts_or_says_what_it_waits_for_or_is_at_its_end((start, events) in course(40)) {
        let mut world = start.world();
        let mut newest = world.now;
        for event in &events {
            happen(&mut world, event, &mut |world, name, plan| {
                newest = newest.max(world.now);
                assert_says_what_it_waits_for(world, name, plan, newest);
            });
            newest = newest.max(world.now);
        }
    }

    #[test]
    fn what_was_carried_out_is_not_asked_for_again_and_the_world_is_at_rest((start, events) in course(20)) {
        let mut world = start.world();
        for event in &events {
            happen(&mut world, event, &mut |_, _, _| {});
            assert_comes_to_rest_at_once(world.clone());
        }
    }
}

proptest! {
    #![proptest_config(config(24))]

    #[test]
    fn while_only_time_passes_nothing_is_done_undone_and_done_again((start, events) in course(30)) {
        assert_no_oscillation(after(start, &events), 150, |world| {
            to_the_next_promise(world);
            world.pass(30);
        });
    }

    #[test]
    fn while_people_do_nothing_the_machines_come_to_rest((start, events) in course(30)) {
        assert_no_oscillation(after(start, &events), 300, |world| {
            to_the_next_promise(world);
            world.pass(5);
            world.step_servers();
        });
    }

    #[test]
    fn what_nobody_has_to_end_ends_by_itself((start, events) in course(30)) {
        let mut world = after(start, &events);
        // What cannot be read, and a receiver that never comes up, are nobody's to end and do not end by themselves here.
        (world.authoriser_up, world.unread) = (true, crate::world::Unread::default());
        for server in world.servers.iter_mut().filter(|s| s.receiver == Receiver::Starting) {
            server.receiver = Receiver::Absent;
        }
        world.tick();
        let Some(first) = said(&world, "system").filter(|w| w.who_can_unblock == Party::Nobody) else { return Ok(()) };
        to_the_next_promise(&mut world);
        // Longer than the longest attempt with its grace, and than the back-off after the second.
        for _ in 0..600 {
            world.tick();
            if said(&world, "system").is_none_or(|w| w.waiting_for != first.waiting_for || w.who_can_unblock != Party::Nobody) {
                return Ok(());
            }
        }
        prop_assert!(false, "still nobody's: {:?}", said(&world, "system"));
    }

    #[test]
    fn once_all_trouble_is_over_every_system_arrives((start, events) in course(30)) {
        let mut world = after(start, &events);
        heal(&mut world);
        world.confirm();
        // Where servers moved under different schemes no one of them is what was carried out, and nobody can confirm it. The
        // API server refuses such an edit.
        let arrived = |w: &World| {
            let facts = w.facts();
            let furthest = if facts.edited_after_commit().is_some() { Phase::Provisional } else { Phase::Trial };
            phase::phase(&facts, w.now) == furthest && w.servers.iter().all(|s| !s.on && s.serves_from_cloud())
        };
        // A quarter of an hour: an attempt that ends without a vote (four minutes), its back-off, and a second one.
        for _ in 0..900 {
            if arrived(&world) {
                return Ok(());
            }
            world.tick();
        }
        prop_assert!(false, "never in its trial run: {:?} {:?}", world.servers, world.plans());
    }
}
