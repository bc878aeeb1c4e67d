//! Whatever may happen to the small world, as values that proptest can draw and shrink: to people and papers, to machines,
//! to the controller itself. Judges nothing: whoever lets it happen is shown each plan.
#![allow(clippy::unwrap_used)]

mod healing;
mod machines;
mod papers;
mod start;

pub(crate) use healing::heal;
pub(crate) use machines::MachineEvent;
pub(crate) use papers::PaperEvent;
pub(crate) use start::{Depends, Offices, Signed, Start, start};

use crate::world::{Server, World};
use jiff::ToSpan;
use proptest::prelude::*;
use qianyun_planning::Plan;

/// Something that happens.
#[derive(Clone, Debug)]
pub(crate) enum Event {
    /// This many seconds pass, in each of which agents and controller have a round.
    Ticks(u8),
    /// The clock goes on by seconds in which nobody does anything.
    Pass(u16),
    /// The controller's clock is set forwards or back.
    Jump(i32),
    /// Nothing happens until the second before the window, if that is still to come.
    ToWindow,
    /// The controller dies after it has carried out this many actions of its plans, and a new one takes over.
    CrashAfter(usize),
    People(PaperEvent),
    Machine(MachineEvent),
}

/// Two hours: longer than the window and than any deadline of a cutover.
const LONGEST_JUMP_SECONDS: i32 = 7200;

pub(crate) fn event() -> impl Strategy<Value = Event> {
    prop_oneof![
        // An attempt is decided within some three seconds, so half of the rests are no longer than that.
        5 => (1_u8..4).prop_map(Event::Ticks),
        5 => (4_u8..40).prop_map(Event::Ticks),
        1 => (1_u16..900).prop_map(Event::Pass),
        1 => (-LONGEST_JUMP_SECONDS..LONGEST_JUMP_SECONDS).prop_map(Event::Jump),
        1 => Just(Event::ToWindow),
        3 => (0..4_usize).prop_map(Event::CrashAfter),
        9 => papers::event().prop_map(Event::People),
        9 => machines::event().prop_map(Event::Machine),
    ]
}

/// A world to begin with and up to `longest` events. Most courses have the copy in sync and the window open first, and are
/// in the attempt or some seconds after it: chance alone would seldom lead there.
pub(crate) fn course(longest: usize) -> impl Strategy<Value = (Start, Vec<Event>)> {
    let under_way = |seconds| vec![Event::Ticks(15), Event::ToWindow, Event::Ticks(seconds)];
    let first =
        prop_oneof![1 => Just(Vec::new()), 2 => (1_u8..4).prop_map(under_way), 1 => (4_u8..30).prop_map(under_way)];
    let events = (first, prop::collection::vec(event(), 1..longest));
    (start(), events.prop_map(|(first, then)| [first, then].concat()))
}

/// A scheme before its approval, and what people then decide, edit and lose, with a look in between.
pub(crate) fn course_on_paper(longest: usize) -> impl Strategy<Value = (Start, Vec<Event>)> {
    let people = |event: PaperEvent| Just(Event::People(event));
    let event = prop_oneof![
        8 => papers::decision().prop_map(Event::People),
        1 => people(PaperEvent::Edit),
        1 => people(PaperEvent::Restore),
        1 => any::<bool>().prop_map(|up| Event::People(PaperEvent::AuthoriserUp(up))),
        1 => (0..papers::PEOPLE.len()).prop_map(|person| Event::People(PaperEvent::Deny(Some(person)))),
        1 => people(PaperEvent::Deny(None)),
        5 => Just(Event::Ticks(1)),
    ];
    (start::before_approval(), prop::collection::vec(event, 1..longest))
}

/// Lets it happen.
pub(crate) fn happen(world: &mut World, event: &Event, seen: &mut impl FnMut(&World, &str, &Plan)) {
    match event {
        Event::Ticks(n) => (0..*n).for_each(|_| drop(world.tick_seen(seen))),
        Event::Pass(seconds) => world.pass(i64::from(*seconds)),
        Event::Jump(seconds) => world.pass(i64::from(*seconds)),
        Event::ToWindow => {
            let before = world.migration.spec.scheme.window.start.0.checked_sub(1.second()).unwrap();
            world.now = world.now.max(before);
        }
        Event::CrashAfter(actions) => crash(world, *actions, seen),
        Event::People(event) => papers::happen(world, event),
        Event::Machine(event) => machines::happen(world, event),
    }
}

/// A controller carries out some of what it planned and dies; its successor knows nothing but what is written.
fn crash(world: &mut World, actions: usize, seen: &mut impl FnMut(&World, &str, &Plan)) {
    let plans = world.plans();
    let mut left = actions;
    for (name, plan) in plans {
        world.write_status(&name, &plan);
        for action in plan.actions {
            if left == 0 {
                break;
            }
            left -= 1;
            // What was planned a moment ago is carried out whatever else was done since, after a second look at it.
            let again = world.plans().into_iter().find(|(n, p)| *n == name && p.actions.contains(&action));
            if let Some((name, plan)) = again {
                seen(world, &name, &plan);
                world.carry_out(&action);
            }
        }
    }
    world.epoch += 1;
    world.servers.iter_mut().for_each(Server::forget_reports);
}
