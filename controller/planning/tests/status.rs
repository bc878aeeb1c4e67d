//! What a host's journey says about itself at the end of a course.
#![allow(clippy::unwrap_used)]

mod world;

use qianyun_crds::{HostMigrationStatus, Phase, StepName, StepProgress};
use qianyun_planning::phase;
use world::World;

fn status(world: &World) -> HostMigrationStatus {
    world.servers[0].journey.as_ref().unwrap().status.clone().unwrap()
}

#[test]
fn the_fence_is_done_when_the_source_is_silent_and_the_targets_steps_are_shown_from_then_on() {
    let mut world = World::approved(&["db1"]);
    world.until("fencing", |w| w.servers[0].stage == world::Stage::Fencing);
    world.tick();
    assert_eq!(status(&world).step.as_deref(), Some("Fence"));
    world.until("provisional", |w| phase::phase(&w.facts(), w.now) == Phase::Provisional);
    let status = status(&world);
    let fence = status.steps.iter().find(|s| s.name == StepName::Fence).unwrap();
    assert_eq!(fence.state, StepProgress::Done);
    assert_eq!(fence.finished_at, status.cutover.unwrap().silent_since);
    assert_eq!(status.step.as_deref(), Some("AdaptNetwork"));
}
