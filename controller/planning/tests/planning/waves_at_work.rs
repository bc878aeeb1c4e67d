//! Systems of one plan that are ready at the same time: never more of them are cut over than the plan allows, none begins in the
//! lockout of its wave, and each has its turn.
#![allow(clippy::unwrap_used)]

use crate::world::{NAMESPACE, World};
use jiff::{Timestamp, ToSpan};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use proptest::prelude::*;
use qianyun_crds::{HostIntent, MigrationPlanSpec, Phase, PlannedSystem, PlannedWave};
use qianyun_planning::facts::{UnderWay, is_cut_over};
use qianyun_planning::{Action, phase};

/// What a plan allows, and what the first attempt of each system comes to.
#[derive(Clone, Debug)]
struct Course {
    /// For each system, its wave and whether its first attempt fails.
    systems: Vec<(usize, bool)>,
    capacities: [i32; 2],
    cutovers_at_once: Option<i32>,
    lockout_minutes: i32,
}

fn course() -> impl Strategy<Value = Course> {
    let systems = prop::collection::vec((0..2_usize, prop::bool::weighted(0.3)), 2..5);
    let limits = ([1..3_i32, 1..3_i32], prop::option::of(1..4_i32), prop_oneof![Just(0_i32), 90..118_i32]);
    (systems, limits).prop_map(|(systems, (capacities, cutovers_at_once, lockout_minutes))| Course {
        systems,
        capacities,
        cutovers_at_once,
        lockout_minutes,
    })
}

impl Course {
    fn plan(&self, before: &MigrationPlanSpec, from: Timestamp, until: Timestamp) -> MigrationPlanSpec {
        let wave = |i: usize| PlannedWave {
            name: format!("w{i}"),
            from: Time(from),
            until: Time(until),
            capacity: self.capacities[i],
            minutes_each: 10,
            lockout_minutes: self.lockout_minutes,
        };
        let system = |(i, (wave, _)): (usize, &(usize, bool))| PlannedSystem {
            name: format!("s{i}"),
            wave: Some(format!("w{wave}")),
            ..before.systems[0].clone()
        };
        MigrationPlanSpec {
            systems: self.systems.iter().enumerate().map(system).collect(),
            waves: vec![wave(0), wave(1)],
            cutovers_at_once: self.cutovers_at_once,
            ..before.clone()
        }
    }

    /// Every system in sync, a second before the window of all of them.
    fn worlds(&self) -> Vec<World> {
        let mut worlds = Vec::new();
        for (i, (_, fails)) in self.systems.iter().enumerate() {
            let mut world = World::new();
            let window = world.migration.spec.scheme.window.clone();
            world.plan.spec = self.plan(&world.plan.spec, window.start.0, window.end.0);
            world.migration.spec.system_ref = format!("s{i}");
            world.server("db1").physical.spec.system_ref = format!("s{i}");
            world.server("db1").gives_up = *fails;
            world.sign_all();
            world.until("in sync", |w| phase::phase(&w.facts(), w.now) == Phase::Scheduled);
            world.at(window.start.0.checked_sub(1.second()).unwrap());
            worlds.push(world);
        }
        worlds
    }

    /// Which systems are being cut over, in no more than the plan allows.
    fn under_way(&self, worlds: &[World]) -> Vec<usize> {
        let busy: Vec<usize> = (0..worlds.len()).filter(|i| is_under_way(&worlds[*i])).collect();
        for (wave, capacity) in self.capacities.iter().enumerate() {
            let in_it = busy.iter().filter(|i| self.systems[**i].0 == wave).count();
            assert!(in_it <= usize::try_from(*capacity).unwrap(), "wave {wave}: {busy:?} in {self:?}");
        }
        let at_once = self.cutovers_at_once.unwrap_or(i32::MAX);
        assert!(busy.len() <= usize::try_from(at_once).unwrap(), "{busy:?} in {self:?}");
        busy
    }
}

fn is_under_way(world: &World) -> bool {
    world.servers.iter().filter_map(|s| s.journey.as_ref()).any(|j| is_cut_over(j, &world.migration))
}

/// A second of every system, one after the other, as the controller begins attempts.
fn second(course: &Course, worlds: &mut [World], first: usize) {
    let count = worlds.len();
    for i in (first..first + count).map(|i| i % count) {
        let others = course.under_way(worlds).into_iter().filter(|other| *other != i);
        let named = |other: usize| UnderWay { namespace: NAMESPACE.into(), name: format!("s{other}") };
        worlds[i].under_way = others.map(named).collect();
        let actions = worlds[i].tick();
        let begins = |a: &Action| matches!(a, Action::SetIntent { intent: HostIntent::Cutover, .. });
        if actions.iter().any(begins) {
            let lockout_minutes = i64::from(course.lockout_minutes);
            let since = worlds[i].migration.spec.scheme.window.end.0.checked_sub(lockout_minutes.minutes()).unwrap();
            assert!(worlds[i].now < since, "begun in the lockout: {course:?}");
        }
        if worlds[i].intent("db1") == Some(HostIntent::Resume) {
            worlds[i].server("db1").gives_up = false;
        }
        course.under_way(worlds);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 8, max_shrink_iters: 50, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_more_systems_are_cut_over_at_once_than_the_plan_allows_and_each_has_its_turn(course in course()) {
        let mut worlds = course.worlds();
        let arrived = |w: &World| phase::phase(&w.facts(), w.now) == Phase::Provisional;
        for round in 0..400 {
            second(&course, &mut worlds, round);
            if worlds.iter().all(arrived) {
                return Ok(());
            }
        }
        prop_assert!(course.lockout_minutes > 0, "not all had their turn: {course:?}");
    }
}
