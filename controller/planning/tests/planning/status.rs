//! What a host's journey says about itself, and what of it is kept once it was said.
#![allow(clippy::unwrap_used)]

use crate::world::World;
use jiff::{Timestamp, ToSpan};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use qianyun_crds::{
    DiskPhase, DiskStatus, HostMigrationStatus, Phase, SourceCutover, StepName, StepProgress, StepStatus, TargetState,
};
use qianyun_planning::facts::{ArrivalFacts, Facts, Known, Machine, Receiver, Silence};
use qianyun_planning::{host_migration, phase};

fn status(world: &World) -> HostMigrationStatus {
    world.servers[0].journey.as_ref().unwrap().status.clone().unwrap()
}

#[test]
fn the_fence_is_done_when_the_source_is_silent_and_the_targets_steps_are_shown_from_then_on() {
    let mut world = World::approved(&["db1"]);
    world.until("fencing", |w| w.servers[0].stage == crate::world::Stage::Fencing);
    world.tick();
    assert_eq!(status(&world).step.as_deref(), Some("Fence"));
    world.until("provisional", |w| phase::phase(&w.facts(), w.now) == Phase::Provisional);
    let status = status(&world);
    let fence = status.steps.iter().find(|s| s.name == StepName::Fence).unwrap();
    assert_eq!(fence.state, StepProgress::Done);
    assert_eq!(fence.finished_at, status.cutover.unwrap().silent_since);
    assert_eq!(status.step.as_deref(), Some("AdaptNetwork"));
}

/// The facts of a host whose attempt has begun, and the status that was written last.
fn under_way(world: &World) -> (Facts, HostMigrationStatus) {
    (world.facts(), status(world))
}

fn before(facts: &mut Facts) -> &mut HostMigrationStatus {
    let Known::Is(journey) = &mut facts.hosts[0].journey else { panic!() };
    journey.status.get_or_insert_default()
}

fn look(facts: &Facts, now: Timestamp) -> HostMigrationStatus {
    host_migration::status(facts, "db1", None, now).unwrap()
}

fn later(now: Timestamp, seconds: i64) -> Timestamp {
    now.checked_add(seconds.seconds()).unwrap()
}

fn disk(facts: &Facts, volume: &str, phase: DiskPhase, eta: Option<(i64, i64)>) -> DiskStatus {
    let mut disk = facts.hosts[0].agent.as_ref().unwrap().disks[0].clone();
    (disk.volume, disk.phase) = (volume.into(), phase);
    (disk.eta_low_seconds, disk.eta_high_seconds) = (eta.map(|e| e.0), eta.map(|e| e.1));
    disk
}

fn said<'a>(status: &'a HostMigrationStatus, kind: &str) -> (&'a str, &'a str) {
    let condition = status.conditions.iter().find(|c| c.type_ == kind).unwrap();
    (condition.status.as_str(), condition.reason.as_str())
}

#[test]
fn without_a_journey_there_is_nothing_to_say() {
    let world = World::approved(&["db1"]);
    assert_eq!(host_migration::status(&world.facts(), "db1", None, world.now), None);
    assert_eq!(host_migration::status(&world.facts(), "db9", None, world.now), None);
}

#[test]
fn the_estimate_is_that_of_the_slowest_disk_that_is_behind_and_none_while_one_has_none() {
    let world = World::in_sync(&["db1"]);
    let (mut facts, _) = under_way(&world);
    let of = |facts: &mut Facts, disks: Vec<DiskStatus>| {
        facts.hosts[0].agent.as_mut().unwrap().disks = disks;
        look(facts, world.now).eta
    };
    let slow = disk(&facts, "a", DiskPhase::InitialCopy, Some((90, 7800)));
    let slower_at_best = disk(&facts, "b", DiskPhase::CatchingUp, Some((3600, 3700)));
    let done = disk(&facts, "c", DiskPhase::InSync, Some((90_000, 90_000)));
    let unknown = disk(&facts, "d", DiskPhase::Verifying, None);
    assert_eq!(of(&mut facts, vec![slow.clone()]).as_deref(), Some("1m-2h10m"));
    assert_eq!(of(&mut facts, vec![slow.clone(), slower_at_best, done.clone()]).as_deref(), Some("1h-2h10m"));
    assert_eq!(of(&mut facts, vec![slow, unknown]), None);
    assert_eq!(of(&mut facts, vec![done]), None);
}

#[test]
fn totals_are_over_all_disks_and_the_state_is_that_of_the_least_advanced() {
    let world = World::in_sync(&["db1"]);
    let (mut facts, _) = under_way(&world);
    let (a, b) = (disk(&facts, "a", DiskPhase::InSync, None), disk(&facts, "b", DiskPhase::CatchingUp, None));
    facts.hosts[0].agent.as_mut().unwrap().disks =
        vec![DiskStatus { remaining_bytes: 512 << 20, ..a }, DiskStatus { remaining_bytes: 1 << 30, ..b }];
    let status = look(&facts, world.now);
    assert_eq!(status.left.as_deref(), Some("1.5 GiB"));
    assert_eq!(status.sent.as_deref(), Some("8.0 GiB"));
    assert_eq!(status.replication, Some(DiskPhase::CatchingUp));
    assert_eq!(said(&status, "InSync"), ("False", "NotInSync"));
}

#[test]
fn what_was_last_said_about_the_disks_is_kept_while_nothing_is_said() {
    let world = World::in_sync(&["db1"]);
    let (mut facts, written) = under_way(&world);
    assert!(!written.disks.is_empty());
    facts.hosts[0].agent.as_mut().unwrap().disks.clear();
    assert_eq!(look(&facts, world.now).disks, written.disks);
    facts.hosts[0].agent = None;
    assert_eq!(look(&facts, world.now).disks, written.disks);
    before(&mut facts).disks.clear();
    let nothing = look(&facts, world.now);
    assert_eq!((nothing.left, nothing.sent, nothing.replication), (None, None, None));
}

#[test]
fn steps_of_earlier_intents_are_kept_and_a_newer_report_of_a_step_replaces_it() {
    let world = World::in_sync(&["db1"]);
    let (mut facts, _) = under_way(&world);
    let step = |name: StepName, state: StepProgress, second: Option<i64>| StepStatus {
        name,
        state,
        attempts: 1,
        started_at: second.map(|s| Time(Timestamp::from_second(s).unwrap())),
        finished_at: None,
        took_ms: None,
        message: String::new(),
    };
    let quiesce = step(StepName::Quiesce, StepProgress::Done, Some(30));
    before(&mut facts).steps = vec![step(StepName::Replicate, StepProgress::Running, Some(10)), quiesce.clone()];
    let replicated = step(StepName::Replicate, StepProgress::Done, Some(10));
    let boot = step(StepName::PrepareBoot, StepProgress::Done, Some(5));
    facts.hosts[0].agent.as_mut().unwrap().steps = vec![replicated.clone(), boot.clone()];
    let status = look(&facts, world.now);
    assert_eq!(status.steps, vec![boot, replicated, quiesce]);
    assert_eq!(status.step.as_deref(), Some("Quiesce"), "begun last");
    facts.hosts[0].agent.as_mut().unwrap().steps = vec![step(StepName::Replicate, StepProgress::Running, None)];
    assert_eq!(look(&facts, world.now).step.as_deref(), Some("Replicate"), "what runs goes first");
    // The machine on the cloud may think that it is 1970.
    facts.hosts[0].agent.as_mut().unwrap().steps = vec![step(StepName::Replicate, StepProgress::Done, Some(10))];
    let arrival = ArrivalFacts {
        steps: vec![step(StepName::AdaptNetwork, StepProgress::Done, Some(0))],
        adapted: false,
        units_down: Vec::new(),
        message: String::new(),
    };
    facts.hosts[0].arrival = Some(arrival);
    assert_eq!(look(&facts, world.now).step.as_deref(), Some("AdaptNetwork"));
}

#[test]
fn a_receiver_is_shown_as_it_was_until_it_is_known_to_be_gone() {
    let world = World::in_sync(&["db1"]);
    let (mut facts, _) = under_way(&world);
    let shown = look(&facts, world.now).receiver;
    let receiver = shown.clone().unwrap();
    assert_eq!((receiver.address.as_str(), receiver.session), ("10.77.0.1:7000", 1));
    for unclear in [Receiver::Starting, Receiver::Failed("killed".into()), Receiver::Unknown] {
        facts.hosts[0].hosting.receiver = unclear;
        assert_eq!(look(&facts, world.now).receiver, shown);
    }
    facts.hosts[0].hosting.receiver = Receiver::Absent;
    assert_eq!(look(&facts, world.now).receiver, None);
}

#[test]
fn an_attempt_is_shown_from_its_first_report_and_a_new_one_begins_empty() {
    let world = World::voted(&["db1"]);
    let (mut facts, _) = under_way(&world);
    facts.hosts[0].agent.as_mut().unwrap().vote.as_mut().unwrap().frozen_ms = 1200;
    let cutover = look(&facts, world.now).cutover.unwrap();
    assert_eq!((cutover.attempt, cutover.source, cutover.frozen_ms), (1, SourceCutover::Prepared, Some(1200)));
    assert!(cutover.record.is_some() && cutover.decision.is_none());
    before(&mut facts).cutover = Some(cutover);
    let vote = facts.hosts[0].agent.as_mut().unwrap().vote.as_mut().unwrap();
    (vote.frozen_ms, vote.record) = (0, None);
    let cutover = look(&facts, world.now).cutover.unwrap();
    assert!(cutover.record.is_some(), "the record was lost");
    assert_eq!(cutover.frozen_ms, Some(1200));
    let Known::Is(journey) = &mut facts.hosts[0].journey else { panic!() };
    journey.spec.attempt = 2;
    let second = look(&facts, world.now).cutover.unwrap();
    assert_eq!((second.attempt, second.source), (2, SourceCutover::Working));
    assert!(second.record.is_none() && second.frozen_ms.is_none());
    let Known::Is(journey) = &mut facts.hosts[0].journey else { panic!() };
    journey.spec.attempt = 0;
    assert_eq!(look(&facts, world.now).cutover, None);
}

#[test]
fn after_the_commit_neither_the_record_nor_the_state_of_a_fenced_source_changes_any_more() {
    let mut world = World::voted(&["db1"]);
    let late = world.facts().hosts[0].agent.clone();
    world.until("fencing", |w| w.servers[0].stage == crate::world::Stage::Fencing);
    world.tick();
    let (mut facts, written) = under_way(&world);
    let written = written.cutover.unwrap();
    assert_eq!(written.source, SourceCutover::Fencing);
    // A report from before the commit that was under way for long.
    facts.hosts[0].agent = late;
    facts.hosts[0].agent.as_mut().unwrap().vote.as_mut().unwrap().record.as_mut().unwrap().record.digest = "x".into();
    let cutover = look(&facts, world.now).cutover.unwrap();
    assert_eq!((cutover.source, cutover.record), (SourceCutover::Fencing, written.record.clone()));
    assert_eq!(cutover.decision, written.decision);
    before(&mut facts).cutover.as_mut().unwrap().source = SourceCutover::Prepared;
    let cutover = look(&facts, world.now).cutover.unwrap();
    assert_eq!(cutover.record, written.record);
}

#[test]
fn the_acknowledgement_keeps_its_first_time_and_silence_is_taken_back_by_an_answer_until_the_launch() {
    let world = World::fenced(&["db1"]);
    let (mut facts, written) = under_way(&world);
    let acknowledged = written.cutover.unwrap().fence_acknowledged_at;
    assert!(acknowledged.is_some());
    let since = Timestamp::from_millisecond(world.now.as_millisecond() - 3_500).unwrap();
    let shown = |facts: &mut Facts, silence: Silence| {
        facts.hosts[0].silence = silence;
        let cutover = look(facts, later(world.now, 60)).cutover.unwrap();
        assert_eq!(cutover.fence_acknowledged_at, acknowledged);
        before(facts).cutover = Some(cutover.clone());
        cutover.silent_since.map(|t| t.0)
    };
    let kept = Some(Timestamp::from_second(since.as_second()).unwrap());
    assert_eq!(shown(&mut facts, Silence::Since(since)), kept);
    assert_eq!(shown(&mut facts, Silence::Unknown), kept);
    assert_eq!(said(&look(&facts, world.now), "Fenced"), ("True", "AcknowledgedAndSilent"));
    assert_eq!(shown(&mut facts, Silence::Answers("tcp 5432".into())), None);
    assert_eq!(said(&look(&facts, world.now), "Fenced"), ("False", "NotFenced"));
    assert_eq!(shown(&mut facts, Silence::Since(since)), kept);
    facts.hosts[0].hosting.machine = Machine::Running;
    assert_eq!(shown(&mut facts, Silence::Answers("the target itself".into())), kept);
}

#[test]
fn the_targets_first_times_are_written_once_and_its_state_is_as_it_is_now() {
    let mut world = World::fenced(&["db1"]);
    assert_eq!(look(&World::voted(&["db1"]).facts(), world.now).target, None);
    world.until("adapted", |w| w.facts().hosts[0].adapted());
    world.tick();
    let (mut facts, written) = under_way(&world);
    let first = written.target.unwrap();
    assert!(first.launched_at.is_some() && first.arrived_at.is_some() && first.adapted_at.is_some());
    facts.hosts[0].arrival = None;
    for (machine, state) in [
        (Machine::Running, TargetState::Running),
        (Machine::Stopped, TargetState::Stopped),
        (Machine::Absent, TargetState::Absent),
        (Machine::Unknown, TargetState::Unknown),
    ] {
        facts.hosts[0].hosting.machine = machine;
        let target = look(&facts, later(world.now, 3600)).target.unwrap();
        assert_eq!(target.state, state);
        assert_eq!(target.launched_at, first.launched_at);
        assert_eq!(target.arrived_at, first.arrived_at);
        assert_eq!(target.adapted_at, first.adapted_at);
    }
    before(&mut facts).target = None;
    let unknown = look(&facts, world.now).target.unwrap();
    assert_eq!((unknown.launched_at, unknown.arrived_at, unknown.adapted_at), (None, None, None));
}

#[test]
fn the_conditions_follow_the_course_of_a_host() {
    let of = |world: &World, kind: &str| said(&look(&world.facts(), world.now), kind).0.to_string();
    let course = |world: &World| ["InSync", "Committed", "Fenced", "InService"].map(|kind| of(world, kind) == "True");
    assert_eq!(course(&World::in_sync(&["db1"])), [true, false, false, false]);
    assert_eq!(course(&World::voted(&["db1"])), [true, false, false, false]);
    let mut world = World::fenced(&["db1"]);
    world.tick();
    assert_eq!(course(&world), [true, true, true, false]);
    world.until("served", |w| phase::phase(&w.facts(), w.now) == Phase::Provisional);
    assert_eq!(course(&world), [true, true, true, true]);
    let committed = look(&world.facts(), world.now).conditions.into_iter().find(|c| c.type_ == "Committed").unwrap();
    assert!(committed.message.starts_with("Commit of attempt 1: "), "{}", committed.message);
    let mut stopped = world.facts();
    stopped.hosts[0].hosting.machine = Machine::Stopped;
    assert_eq!(said(&look(&stopped, world.now), "InService"), ("False", "NotInService"));
}

#[test]
fn words_from_outside_are_cut_to_what_the_schema_takes() {
    let mut world = World::voted(&["db1"]);
    let mut facts = world.facts();
    facts.hosts[0].agent.as_mut().unwrap().vote.as_mut().unwrap().message = "婚".repeat(5000);
    assert_eq!(look(&facts, world.now).cutover.unwrap().message.chars().count(), 1000);
    world.until("served", |w| !w.servers[0].probes.is_empty());
    let mut facts = world.facts();
    facts.hosts[0].probes[0].message = "x".repeat(5000);
    let probes = look(&facts, world.now).target.unwrap().probes;
    assert_eq!((probes[0].message.len(), probes[0].passed), (256, true));
}
