//! What happens to machines: servers and their agents, networks and power, the site on the cloud.

use crate::world::{Illness, Server, World, check};
use proptest::prelude::*;
use qianyun_crds::CheckOutcome;
use qianyun_planning::facts::{Machine, Receiver, Verification};

/// Something that happens to a machine. Servers go by their place, modulo how many there are.
#[derive(Clone, Debug)]
pub(crate) enum MachineEvent {
    Connected(usize, bool),
    PowerOff(usize),
    PowerOn(usize),
    GivesUp(usize, bool),
    Record(usize, Verification),
    Receiver(usize, Receiver),
    TargetStops(usize),
    TargetIsIll(usize, Illness),
    AdminForbids(usize, bool),
    Check(usize, CheckOutcome),
    Claimed(usize, bool),
    SiteRead(bool),
}

pub(super) fn event() -> impl Strategy<Value = MachineEvent> {
    let server = || 0..3_usize;
    let record = prop_oneof![
        3 => Just(Verification::Verified),
        1 => Just(Verification::Refused("the roots of system differ".into())),
        1 => Just(Verification::Unknown),
    ];
    let receiver = prop_oneof![
        3 => Just(Receiver::Absent),
        1 => Just(Receiver::Starting),
        1 => Just(Receiver::Failed("no address is free".into())),
    ];
    let illness = prop_oneof![
        3 => Just(Illness::None),
        1 => Just(Illness::Mute),
        1 => Just(Illness::UnitDown),
        1 => Just(Illness::Refuses),
    ];
    let outcome = prop_oneof![
        3 => Just(CheckOutcome::Pass),
        1 => Just(CheckOutcome::Block),
        1 => Just(CheckOutcome::Unknown),
    ];
    prop_oneof![
        4 => (server(), any::<bool>()).prop_map(|(i, on)| MachineEvent::Connected(i, on)),
        2 => server().prop_map(MachineEvent::PowerOff),
        4 => server().prop_map(MachineEvent::PowerOn),
        2 => (server(), any::<bool>()).prop_map(|(i, on)| MachineEvent::GivesUp(i, on)),
        2 => (server(), record).prop_map(|(i, found)| MachineEvent::Record(i, found)),
        2 => (server(), receiver).prop_map(|(i, state)| MachineEvent::Receiver(i, state)),
        2 => server().prop_map(MachineEvent::TargetStops),
        2 => (server(), illness).prop_map(|(i, illness)| MachineEvent::TargetIsIll(i, illness)),
        1 => (server(), prop::bool::weighted(0.4)).prop_map(|(i, on)| MachineEvent::AdminForbids(i, on)),
        1 => (server(), outcome).prop_map(|(i, outcome)| MachineEvent::Check(i, outcome)),
        1 => (server(), prop::bool::weighted(0.4)).prop_map(|(i, on)| MachineEvent::Claimed(i, on)),
        1 => prop::bool::weighted(0.6).prop_map(MachineEvent::SiteRead),
    ]
}

pub(super) fn happen(world: &mut World, event: &MachineEvent) {
    let now = world.now;
    match event {
        MachineEvent::Connected(i, on) => of(world, *i).connected = *on,
        MachineEvent::PowerOff(i) => of(world, *i).power_off(now),
        MachineEvent::PowerOn(i) => of(world, *i).power_on(),
        MachineEvent::GivesUp(i, on) => of(world, *i).gives_up = *on,
        MachineEvent::Record(i, found) => of(world, *i).verification = found.clone(),
        MachineEvent::Receiver(i, state) => {
            // One that was stopped does not come back by itself.
            let server = of(world, *i);
            if server.receiver != Receiver::Absent {
                server.receiver = state.clone();
            }
        }
        MachineEvent::TargetStops(i) => {
            let server = of(world, *i);
            if server.machine == Machine::Running {
                server.machine = Machine::Stopped;
            }
        }
        MachineEvent::TargetIsIll(i, illness) => of(world, *i).illness = *illness,
        MachineEvent::AdminForbids(i, on) => {
            of(world, *i).refuses = on.then(|| "examinations until Friday".to_string());
        }
        MachineEvent::Check(i, outcome) => {
            of(world, *i).physical.status.as_mut().unwrap().checks = vec![check("OS-01", *outcome)];
        }
        MachineEvent::Claimed(i, on) => of(world, *i).claimed_by = on.then(|| "land-registry".to_string()),
        MachineEvent::SiteRead(read) => world.unread.site = !read,
    }
}

fn of(world: &mut World, i: usize) -> &mut Server {
    let count = world.servers.len();
    &mut world.servers[i % count]
}
