//! The end of all trouble: whatever was lost, broken or missing is there again, and everybody signs what the scheme says now.

use super::papers::{SUMMARY, new_window, restore};
use super::start::sign;
use crate::world::{APPROVERS, Illness, Server, Unread, World, check};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use qianyun_crds::{CheckOutcome, HostIntent};
use qianyun_planning::approval::distinct;
use qianyun_planning::facts::{Known, Receiver, Verification};

/// Puts everything right. The scheme is what was carried out where all of it was; else a new one, so that no return stands on it,
/// with a window that is about to begin.
pub(crate) fn heal(world: &mut World) {
    world.denied.clear();
    world.freezes.clear();
    (world.authoriser_up, world.unread, world.migration.spec.suspend) = (true, Unread::default(), false);
    world.plan.spec.systems[0].name = "civil-registry".into();
    let Known::Is(policy) = &mut world.policy else { panic!("there is no policy") };
    if distinct(&policy.spec.scheme_approvers).len() < APPROVERS.len() {
        policy.spec.scheme_approvers = APPROVERS.iter().map(|(role, _)| (*role).into()).collect();
    }
    match world.carried_out.clone().filter(|_| world.servers.iter().all(Server::is_committed)) {
        Some(carried_out) => world.migration.spec.scheme = carried_out,
        None => {
            restore(world);
            world.migration.spec.scheme.summary = format!("{SUMMARY}, all trouble being over");
            new_window(world, 1);
        }
    }
    let now = world.now;
    world.servers.iter_mut().for_each(|server| mend(server, Time(now)));
    world.pass(1);
    sign(world);
}

fn mend(server: &mut Server, now: Time) {
    (server.connected, server.gives_up, server.refuses, server.claimed_by) = (true, false, None, None);
    (server.verification, server.illness) = (Verification::Verified, Illness::None);
    let status = server.physical.status.as_mut().unwrap();
    (status.checks, status.inventory_at) = (vec![check("OS-01", CheckOutcome::Pass)], Some(now));
    if server.receiver == Receiver::Starting {
        server.receiver = Receiver::Absent;
    }
    // Whoever looks after a machine room switches on what is off, unless it is out of service for good.
    if server.journey.as_ref().is_none_or(|j| j.spec.intent != HostIntent::Serve) {
        server.power_on();
    }
}
