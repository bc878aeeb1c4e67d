//! What happens to people and papers: they decide, edit, lose a role, forget a paper; what the city plans and freezes.

use super::start::{THIRD, sign};
use crate::world::{APPROVERS, AUTHOR, World, freeze_period, paper, scheme_host};
use jiff::ToSpan;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use proptest::prelude::*;
use qianyun_crds::{Decision, FreezeEffect, GateName};

/// Something that people do.
#[derive(Clone, Debug)]
pub(crate) enum PaperEvent {
    Edit,
    /// The scheme reads again as it did at the start, its window apart.
    Restore,
    /// The scheme no longer names this server.
    DropHost(usize),
    /// The scheme has a window that begins after so many minutes.
    NewWindow(i64),
    SignAgain,
    /// A person decides in a role at the offices' gate, on the scheme as it is now or, if `old`, as it was before its last edit.
    Decide {
        role: usize,
        person: usize,
        returns: bool,
        old: bool,
    },
    Suspend(bool),
    /// A person loses the role, or all have theirs again.
    Deny(Option<usize>),
    AuthoriserUp(bool),
    PolicyRead(bool),
    PlanRead(bool),
    CalendarRead(bool),
    Confirm,
    EmergencyPlan(bool),
    Prove,
    NotRehearsed,
    SecurityInUse(bool),
    PlanLists(bool),
    /// A freeze period begins after so many minutes and lasts for so many.
    Freeze {
        after: i64,
        minutes: i64,
        blocks: bool,
    },
    NoFreezes,
}

pub(super) const ROLES: [&str; 4] = [APPROVERS[0].0, APPROVERS[1].0, THIRD.0, "department"];
pub(super) const PEOPLE: [&str; 5] = [APPROVERS[0].1, APPROVERS[1].1, THIRD.1, "dept-li", AUTHOR];
pub(super) const SUMMARY: &str = "Move the marriage register";

pub(super) fn event() -> impl Strategy<Value = PaperEvent> {
    let freeze = (-60_i64..60, 1_i64..120, any::<bool>());
    prop_oneof![
        4 => Just(PaperEvent::Edit),
        3 => Just(PaperEvent::Restore),
        1 => (0..3_usize).prop_map(PaperEvent::DropHost),
        1 => (0_i64..30).prop_map(PaperEvent::NewWindow),
        6 => Just(PaperEvent::SignAgain),
        3 => decision(),
        2 => any::<bool>().prop_map(PaperEvent::Suspend),
        2 => prop::option::of(0..PEOPLE.len()).prop_map(PaperEvent::Deny),
        2 => prop::bool::weighted(0.6).prop_map(PaperEvent::AuthoriserUp),
        1 => prop::bool::weighted(0.7).prop_map(PaperEvent::PolicyRead),
        1 => prop::bool::weighted(0.7).prop_map(PaperEvent::PlanRead),
        1 => any::<bool>().prop_map(PaperEvent::CalendarRead),
        2 => Just(PaperEvent::Confirm),
        1 => prop::bool::weighted(0.7).prop_map(PaperEvent::EmergencyPlan),
        2 => Just(PaperEvent::Prove),
        1 => Just(PaperEvent::NotRehearsed),
        1 => prop::bool::weighted(0.7).prop_map(PaperEvent::SecurityInUse),
        1 => prop::bool::weighted(0.7).prop_map(PaperEvent::PlanLists),
        1 => freeze.prop_map(|(after, minutes, blocks)| PaperEvent::Freeze { after, minutes, blocks }),
        2 => Just(PaperEvent::NoFreezes),
    ]
}

/// Somebody decides: the right person in the right role, or anybody, mostly in the role of one of the two offices.
pub(super) fn decision() -> impl Strategy<Value = PaperEvent> {
    let (known, anybody) = (0..ROLES.len(), (0..ROLES.len(), 0..PEOPLE.len()));
    let as_an_office = (0..APPROVERS.len(), 0..PEOPLE.len());
    let who = prop_oneof![2 => known.prop_map(|i| (i, i)), 1 => anybody, 2 => as_an_office];
    (who, prop::bool::weighted(0.15), prop::bool::weighted(0.2))
        .prop_map(|((role, person), returns, old)| PaperEvent::Decide { role, person, returns, old })
}

pub(super) fn happen(world: &mut World, event: &PaperEvent) {
    match *event {
        PaperEvent::Edit => world.edit(),
        PaperEvent::Restore => restore(world),
        PaperEvent::DropHost(i) => {
            let hosts = &mut world.migration.spec.scheme.hosts;
            if hosts.len() > 1 {
                drop(hosts.remove(i % hosts.len()));
            }
        }
        PaperEvent::NewWindow(minutes) => new_window(world, minutes),
        PaperEvent::SignAgain => {
            world.pass(1);
            sign(world);
        }
        PaperEvent::Decide { role, person, returns, old } => decide(world, ROLES[role], PEOPLE[person], returns, old),
        PaperEvent::Suspend(on) => world.migration.spec.suspend = on,
        PaperEvent::Deny(Some(person)) => drop(world.denied.insert(PEOPLE[person].into())),
        PaperEvent::Deny(None) => world.denied.clear(),
        PaperEvent::AuthoriserUp(up) => world.authoriser_up = up,
        PaperEvent::PolicyRead(read) => world.unread.policy = !read,
        PaperEvent::PlanRead(read) => world.unread.plan = !read,
        PaperEvent::CalendarRead(read) => world.unread.calendar = !read,
        PaperEvent::Confirm => world.confirm(),
        PaperEvent::EmergencyPlan(there) => {
            world.migration.spec.scheme.emergency_plan = there.then(|| paper("Emergency plan"));
        }
        PaperEvent::Prove | PaperEvent::SecurityInUse(true) => world.prove(),
        PaperEvent::NotRehearsed => world.migration.spec.rehearsal = None,
        PaperEvent::SecurityInUse(false) => world.migration.spec.security_in_use = None,
        PaperEvent::PlanLists(yes) => {
            world.plan.spec.systems[0].name = if yes { "civil-registry" } else { "land-registry" }.into();
        }
        PaperEvent::Freeze { after, minutes, blocks } => {
            let from = world.now.checked_add(after.minutes()).unwrap();
            let effect = if blocks { FreezeEffect::Block } else { FreezeEffect::Warn };
            let name = format!("f{}", world.freezes.len());
            world.freezes.push(freeze_period(&name, from, from.checked_add(minutes.minutes()).unwrap(), effect));
        }
        PaperEvent::NoFreezes => world.freezes.clear(),
    }
}

/// The scheme names every server again.
pub(super) fn restore(world: &mut World) {
    let scheme = &mut world.migration.spec.scheme;
    scheme.summary = SUMMARY.into();
    scheme.emergency_plan = Some(paper("Emergency plan"));
    scheme.hosts = world.servers.iter().map(|s| scheme_host(&s.name)).collect();
}

pub(super) fn new_window(world: &mut World, minutes: i64) {
    let start = world.now.checked_add(minutes.minutes()).unwrap();
    let scheme = &mut world.migration.spec.scheme;
    scheme.window.start = Time(start);
    scheme.window.end = Time(start.checked_add(2.hours()).unwrap());
    scheme.rollback.latest_at = Time(start.checked_add(24.hours()).unwrap());
}

fn decide(world: &mut World, role: &str, person: &str, returns: bool, old: bool) {
    let decision = if returns { Decision::Return } else { Decision::Approve };
    let mut read = world.clone();
    if old {
        let summary = &mut read.migration.spec.scheme.summary;
        *summary = summary.strip_suffix(" (edited)").map_or_else(|| format!("{summary}!"), str::to_string);
    }
    world.decide_on(GateName::DualApproved, role, person, decision, &read.digest());
}
