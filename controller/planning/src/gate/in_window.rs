//! 在割接窗口内 (practice): now lies in the window of the scheme, and in no freeze period that blocks, except those that the
//! scheme names and both offices thereby approved.
//!
//! Blocks the beginning of a cutover and its commit. Time opens it; after the window, only a new scheme does. Wave and plan hold
//! back the beginning alone ([`room_for_attempt`]), and never abort what has begun.

use super::need;
use crate::calendar::entered::concerns;
use crate::calendar::{Freeze, Window};
use crate::facts::{Facts, UnderWay};
use crate::order::{dependents, down_seconds, hook_seconds, longest_stop, stop_seconds};
use crate::phase::phase;
use crate::reason::{Asked, Found, Reason, Verdict, closed};
use jiff::Timestamp;
use qianyun_crds::{HookMoment, Phase, PlannedSystem, PlannedWave, PolicyProfileSpec, SchemeHost};

/// What an attempt takes beside its stop deadlines and its freeze: hearing of it, thawing, writing the decision. Measured
/// in seconds; a minute leaves room for a slow API server.
const MARGIN_SECONDS: i64 = 60;

/// Until a host has heard that those which depend on it have stopped: a report, a look and an answer, each within a second.
const TURN_SECONDS: i64 = 5;

pub(super) fn look(facts: &Facts, _policy: &PolicyProfileSpec, now: Timestamp) -> Found {
    let window = &facts.migration.spec.scheme.window;
    if now < window.start.0 {
        return Err(closed(Reason::WindowNotYet { start: window.start.0 }));
    }
    if now >= window.end.0 {
        return Err(closed(Reason::WindowOver { end: window.end.0 }));
    }
    match frozen_by(facts)?.into_iter().find(|freeze| freeze.blocks() && freeze.holds(now)) {
        Some(freeze) => Err(closed(Reason::Frozen { freeze: freeze.name().into(), until: freeze.until() })),
        None => Ok(()),
    }
}

/// The freeze periods that concern the system and that its scheme names no exception from.
pub(crate) fn frozen_by(facts: &Facts) -> Result<Vec<Freeze>, Verdict> {
    let periods = need(&facts.freezes, Asked::Freezes, "")?;
    let meta = &facts.migration.metadata;
    let namespace = meta.namespace.as_deref().unwrap_or_default();
    let spec = &facts.migration.spec;
    let department = facts.system.get().map(|s| s.spec.department_ref.as_str());
    let excepted = |name: &str| spec.scheme.freeze_exceptions.iter().any(|e| e.freeze_ref == name);
    let mut found = Vec::new();
    for period in periods {
        let name = period.metadata.name.as_deref().unwrap_or_default();
        // Of a system whose department is not known, any might be meant.
        let concerns = department.is_none_or(|d| concerns(&period.spec.scope, d, namespace, &spec.system_ref));
        if concerns && !excepted(name) {
            let freeze = Freeze::try_from(&period.spec);
            found.push(freeze.map_err(|_| closed(Reason::FreezeUnreadable { freeze: name.into() }))?);
        }
    }
    Ok(found)
}

/// How long one attempt may take at most, seconds: the stop deadlines of the hosts that have to stop one after the other and those
/// of their hooks, the freeze, and a margin. One that comes to nothing has no more: what is run after it counts as well.
pub(crate) fn attempt_seconds(facts: &Facts) -> i64 {
    let scheme = &facts.migration.spec.scheme;
    let all = [HookMoment::BeforeStop, HookMoment::BeforeFreeze, HookMoment::AfterResume];
    let turn = |h: &SchemeHost| if dependents(scheme, &h.host_ref).next().is_some() { TURN_SECONDS } else { 0 };
    longest_stop(scheme, |h| stop_seconds(h) + hook_seconds(h, &all) + turn(h)) + after_the_stops(facts)
}

/// How long users are without the system at most before an attempt is decided, seconds.
pub(super) fn down_until_decided(facts: &Facts) -> i64 {
    down_seconds(&facts.migration.spec.scheme) + after_the_stops(facts)
}

/// The freeze, and a margin.
fn after_the_stops(facts: &Facts) -> i64 {
    facts.policy.get().map_or(60, |p| i64::from(p.spec.numbers.freeze_limit_seconds)) + MARGIN_SECONDS
}

/// The window of the scheme, which one system has for itself.
pub(crate) fn window(facts: &Facts) -> Result<Window, Verdict> {
    let window = &facts.migration.spec.scheme.window;
    Window::new(window.start.0, window.end.0, 0, 1).map_err(|_| closed(Reason::WindowReversed))
}

/// Whether an attempt may begin now: the rest of the window, up to a freeze period, has room for a whole one, and the plan
/// lets the system in, unless one of its servers is in an attempt already. Asked only before an attempt begins: the plan
/// aborts none.
pub(crate) fn room_for_attempt(facts: &Facts, now: Timestamp) -> Found {
    let needed_seconds = attempt_seconds(facts);
    let room = window(facts)?.may_begin(now, needed_seconds, 0, &frozen_by(facts)?);
    room.map_err(|reason| closed(Reason::WindowUnfit { reason }))?;
    if phase(facts, now) == Phase::CuttingOver { Ok(()) } else { room_in_plan(facts, needed_seconds, now) }
}

/// Whether the plan lets one more system in: its wave has begun and is not in its lockout, and neither the wave nor the plan
/// has as many under way as it allows. Nobody is ahead of anybody by right: whoever is looked at first begins.
fn room_in_plan(facts: &Facts, needed_seconds: i64, now: Timestamp) -> Found {
    let plan = &need(&facts.plan, Asked::Plan, "")?.spec;
    let wave = facts.wave();
    if wave.is_none() && plan.cutovers_at_once.is_none() {
        return Ok(());
    }
    let under_way = need(&facts.under_way, Asked::UnderWay, "")?;
    if let Some(wave) = wave {
        let is_in_it = |s: &PlannedSystem| s.wave.as_ref() == Some(&wave.name);
        let same = |o: &UnderWay, s: &PlannedSystem| o.namespace == s.namespace && o.name == s.name;
        let busy = under_way.iter().filter(|o| plan.systems.iter().any(|s| is_in_it(s) && same(o, s))).count();
        let room = wave_window(wave)?.may_begin(now, needed_seconds, count(busy), &[]);
        room.map_err(|reason| closed(Reason::HeldByWave { wave: wave.name.clone(), reason }))?;
    }
    let (busy, at_once) = (count(under_way.len()), plan.cutovers_at_once.and_then(|n| u32::try_from(n).ok()));
    match at_once {
        Some(at_once) if busy >= at_once => Err(closed(Reason::PlanIsFull { busy, at_once })),
        Some(_) | None => Ok(()),
    }
}

fn count(systems: usize) -> u32 {
    u32::try_from(systems).unwrap_or(u32::MAX)
}

/// The window of a wave, which its schema has checked.
pub(super) fn wave_window(wave: &PlannedWave) -> Result<Window, Verdict> {
    Window::try_from(wave).map_err(|_| closed(Reason::WindowOutsideWave { wave: wave.name.clone() }))
}
