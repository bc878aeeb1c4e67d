//! What happens to machines: servers and their agents, networks, power, the site on the cloud.

use crate::world::{Illness, World, check, physical, waiver};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use qianyun_crds::CheckOutcome;
use qianyun_planning::facts::{Machine, Receiver, Verification};

/// Carries out a command; `false` if it is none of these.
pub(super) fn command(world: &mut World, words: &[&str]) -> bool {
    of_power_and_network(world, words) || of_the_cutover(world, words) || of_the_checks(world, words)
}

fn of_power_and_network(world: &mut World, words: &[&str]) -> bool {
    match words {
        ["unplug", host] => world.server(host).connected = false,
        ["plug", host] => world.server(host).connected = true,
        ["power-off", host] => {
            let now = world.now;
            world.server(host).power_off(now);
        }
        ["power-on", host] => world.server(host).power_on(),
        ["receiver-dies", host] => world.server(host).receiver = Receiver::Absent,
        ["target-stops", host] => world.server(host).machine = Machine::Stopped,
        ["target-mute", host] => world.server(host).illness = Illness::Mute,
        ["target-unit-down", host] => world.server(host).illness = Illness::UnitDown,
        ["target-refuses", host] => world.server(host).illness = Illness::Refuses,
        ["target-well", host] => world.server(host).illness = Illness::None,
        ["admin-forbids", host] => world.server(host).refuses = Some("examinations until Friday".into()),
        ["admin-allows", host] => world.server(host).refuses = None,
        _ => return false,
    }
    true
}

fn of_the_cutover(world: &mut World, words: &[&str]) -> bool {
    match words {
        ["slow-stop", host] => world.server(host).gives_up = true,
        ["quick-stop", host] => world.server(host).gives_up = false,
        ["hook-fails", host] => {
            let server = world.server(host);
            (server.gives_up, server.gives_up_because) = (true, "hook dump-database ended with status 1");
        }
        ["hook-works", host] => world.server(host).gives_up = false,
        ["admin-allows-hook", host, hook] => {
            let inventory = world.server(host).physical.status.as_mut().unwrap().inventory.as_mut();
            inventory.unwrap().hooks.push((*hook).into());
        }
        ["mismatch", host] => {
            world.server(host).verification = Verification::Refused("the roots of volume system differ".into());
        }
        ["match", host] | ["remember-vote", host] => world.server(host).verification = Verification::Verified,
        ["forget-vote", host] => world.server(host).verification = Verification::Unknown,
        _ => return false,
    }
    true
}

fn of_the_checks(world: &mut World, words: &[&str]) -> bool {
    match words {
        ["check-blocks", host, id] => judged(world, host, id, CheckOutcome::Block),
        ["check-unanswered", host, id] => judged(world, host, id, CheckOutcome::Unknown),
        ["check-passes", host, id] => judged(world, host, id, CheckOutcome::Pass),
        ["waive", host, id, "until", day] => world.waivers = vec![waiver(host, id, &format!("uid-{host}"), day)],
        ["kernel", host, release] => {
            let status = world.server(host).physical.status.as_mut().unwrap();
            status.inventory.as_mut().unwrap().kernel = (*release).to_string();
        }
        ["inventory", host] => {
            let now = world.now;
            world.server(host).physical.status.as_mut().unwrap().inventory_at = Some(Time(now));
        }
        ["enrolled-too", host] => {
            let now = world.now;
            world.left_out.push(physical(host, now));
        }
        ["named-in-another-scheme", host] => world.left_out.retain(|h| h.metadata.name.as_deref() != Some(*host)),
        ["host-unsigned", host] => world.server(host).physical.spec.declaration.name.clear(),
        ["host-signed", host, person] => {
            world.server(host).physical.spec.declaration.name = (*person).into();
        }
        ["claimed-by", host, other] => world.server(host).claimed_by = Some((*other).into()),
        ["released", host] => world.server(host).claimed_by = None,
        _ => return false,
    }
    true
}

fn judged(world: &mut World, host: &str, id: &str, outcome: CheckOutcome) {
    world.server(host).physical.status.as_mut().unwrap().checks = vec![check(id, outcome)];
}
