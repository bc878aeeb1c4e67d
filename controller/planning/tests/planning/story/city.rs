//! What the city decides: the plan and its waves, the policy, freeze periods, the platform.

use super::instant;
use crate::world::{NAMESPACE, World, freeze_period};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use qianyun_crds::{
    FreezeEffect, GateSwitch, PlanExclusion, PlanExclusionKind, PlannedSystem, PlannedWave, PolicyProfileSpec,
};
use qianyun_planning::facts::{Known, UnderWay};
use qianyun_planning::gate::GATES;

/// Carries out a command; `false` if it is none of these.
pub(super) fn command(world: &mut World, words: &[&str]) -> bool {
    of_the_plan(world, words)
        || of_other_systems(world, words)
        || of_the_policy(world, words)
        || of_freezes_and_platform(world, words)
}

fn of_the_plan(world: &mut World, words: &[&str]) -> bool {
    let plan = &mut world.plan.spec;
    match words {
        ["plan-drops-the-system"] => plan.systems[0].name = "land-registry".into(),
        ["plan-lists-the-system"] => plan.systems[0].name = "civil-registry".into(),
        ["plan-due", day] => plan.systems[0].due_date = (*day).into(),
        ["plan-retains-the-system", document] => {
            let (kind, document_no) = (PlanExclusionKind::Retained, (*document).to_string());
            plan.systems[0].exclusion = Some(PlanExclusion { kind, document_no, valid_until: None });
        }
        ["wave", name, from_day, from, until_day, until] => {
            plan.systems[0].wave = Some((*name).into());
            plan.waves = vec![PlannedWave {
                name: (*name).into(),
                from: Time(instant(from_day, from)),
                until: Time(instant(until_day, until)),
                capacity: 2,
                minutes_each: 60,
                lockout_minutes: 0,
            }];
        }
        ["wave-takes", systems, "lockout", minutes] => {
            plan.waves[0].capacity = systems.parse().unwrap();
            plan.waves[0].lockout_minutes = minutes.parse().unwrap();
        }
        ["plan-takes", systems] => plan.cutovers_at_once = Some(systems.parse().unwrap()),
        _ => return false,
    }
    true
}

/// Other systems of the plan, each in the same wave as this one or in none.
fn of_other_systems(world: &mut World, words: &[&str]) -> bool {
    let systems = &mut world.plan.spec.systems;
    match words {
        ["same-wave", name] => systems.push(PlannedSystem { name: (*name).into(), ..systems[0].clone() }),
        ["no-wave", name] => systems.push(PlannedSystem { name: (*name).into(), wave: None, ..systems[0].clone() }),
        ["begins", name] => world.under_way.push(UnderWay { namespace: NAMESPACE.into(), name: (*name).into() }),
        ["serves", name] => world.under_way.retain(|other| other.name != *name),
        _ => return false,
    }
    true
}

fn policy(world: &mut World) -> &mut PolicyProfileSpec {
    let Known::Is(policy) = &mut world.policy else { panic!("there is no policy") };
    &mut policy.spec
}

fn of_the_policy(world: &mut World, words: &[&str]) -> bool {
    match words {
        ["policy-switches-off", name] => {
            let gate = GATES.iter().find(|g| format!("{:?}", g.name) == *name).unwrap();
            let basis = "minutes of the city government, No. 12".to_string();
            policy(world).gates.push(GateSwitch { name: gate.name, enabled: false, basis });
        }
        ["policy-names-one-office"] => drop(policy(world).scheme_approvers.pop()),
        ["policy-names-both-offices"] => policy(world).scheme_approvers.push("smartCityOffice".into()),
        ["policy-asks-before-acceptance", role] => policy(world).acceptance_approvers = vec![(*role).into()],
        ["policy-restarts-trials"] => policy(world).numbers.trial_restarts_after_grave_incident = true,
        ["policy-trial-months", months] => policy(world).numbers.trial_months = months.parse().unwrap(),
        _ => return false,
    }
    true
}

fn of_freezes_and_platform(world: &mut World, words: &[&str]) -> bool {
    match words {
        ["freeze", name, "from", from_day, from, "until", until_day, until, mode] => {
            let effect = match *mode {
                "block" => FreezeEffect::Block,
                "warn" => FreezeEffect::Warn,
                other => panic!("a freeze blocks or warns, not {other}"),
            };
            let period = freeze_period(name, instant(from_day, from), instant(until_day, until), effect);
            world.freezes.push(period);
        }
        ["platform-level", level] => world.platform.spec.mlps.level = level.parse().unwrap(),
        ["platform-assessed-until", day] => world.platform.spec.mlps.next_due = (*day).into(),
        _ => return false,
    }
    true
}
