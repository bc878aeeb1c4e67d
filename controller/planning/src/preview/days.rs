//! Who has to do what, and the days that matter. An estimated day is marked by `~`, and it is said why.

use super::Point;
use super::obstacles::{Obstacles, how, how_to_end};
use super::people::{party, who};
use crate::calendar::Binding;
use crate::facts::Facts;
use crate::phase::phase;
use crate::reason::Reason;
use crate::report::{Words, left, time, words};
use crate::system_migration::due::{Due, days};
use jiff::Timestamp;
use qianyun_crds::{DueBinding, Party, Phase};

/// What people have to do, then the days.
pub(super) fn points(facts: &Facts, obstacles: &Obstacles, now: Timestamp) -> Vec<Point> {
    let phase = phase(facts, now);
    let dues = days(facts, phase, now);
    // The end of a trial run, and the last moment of a rollback, are no days by which something has to be done.
    let deadline = dues.first().filter(|_| !(Phase::CuttingOver..=Phase::Trial).contains(&phase));
    let mut points: Vec<Point> = tasks(facts, obstacles)
        .into_iter()
        .map(|(who, mut todo)| {
            todo.extend(deadline.map(by));
            Point::new(who, todo)
        })
        .collect();
    if points.is_empty() {
        points.push(Point::plain("Nobody has to do anything just now", "目前无人须办理事项"));
    }
    points.extend(dues.iter().map(|due| day(facts, due)));
    if phase > Phase::Drafting && phase < Phase::Trial && now < facts.migration.spec.scheme.rollback.latest_at.0 {
        points.push(rollback(facts));
    }
    points
}

/// For each party, what is in its hands.
fn tasks(facts: &Facts, obstacles: &Obstacles) -> Vec<(Words, Vec<Words>)> {
    let mut tasks: Vec<(Words, Vec<Words>)> = Vec::new();
    let mut add = |who: Words, what: Words| match tasks.iter_mut().find(|(known, _)| *known == who) {
        Some((_, todo)) => todo.push(what),
        None => tasks.push((who, vec![what])),
    };
    for on in &obstacles.others {
        add(party(facts, on.party()), how_to_end(on).unwrap_or_else(|| on.words(&facts.zone)));
    }
    for obstacle in &obstacles.gates {
        // What an approval waits for is in the hands of those who open it, named for a gate of its own.
        let is_said = matches!(obstacle.reason, Reason::NotInEffect { .. });
        if obstacle.party() != Party::Nobody && !is_said {
            let todo = how(obstacle).unwrap_or_else(|| obstacle.reason.words(&facts.zone));
            who(facts, obstacle).into_iter().for_each(|name| add(name, todo.clone()));
        }
    }
    tasks
}

fn by(due: &Due) -> Words {
    let left = remaining(due);
    words(format!("by {}{}", due.day, left.en), format!("不晚于 {}{}", due.day, left.zh))
}

fn remaining(due: &Due) -> Words {
    let Some(answer) = &due.left else { return words("", "") };
    let left = left(*answer.even_if_estimated(), answer.is_estimated());
    words(format!(", {}", left.en), format!(",{}", left.zh))
}

fn day(facts: &Facts, due: &Due) -> Point {
    let binding = match due.binding {
        DueBinding::Duty => Binding::Statutory.words(),
        DueBinding::Target => Binding::Target.words(),
    };
    let (left, who) = (remaining(due), party(facts, due.who));
    let text = words(
        format!("{}: {} ({}{}; {})", due.day, due.what.en, binding.en, left.en, who.en),
        format!("{}:{}({}{};{})", due.day, due.what.zh, binding.zh, left.zh, who.zh),
    );
    let caveat = due.day.caveat().or_else(|| due.left.as_ref().and_then(crate::calendar::Answer::caveat));
    Point::new(text, caveat.into_iter().collect())
}

/// Until when people may decide to go back by the scheme's own plan, and who does.
fn rollback(facts: &Facts) -> Point {
    let plan = &facts.migration.spec.scheme.rollback;
    let at = time::at(&facts.zone, plan.latest_at.0);
    Point::plain(
        format!("Until {} {} may decide to roll back by the scheme's plan", at.en, plan.decided_by),
        format!("{} 前,{} 可按方案决定回退", at.zh, plan.decided_by),
    )
}
