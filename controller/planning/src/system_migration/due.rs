//! The next day that matters to a system, how many working days are left to it, and its lamp. Blocks nothing.

use crate::calendar::{Answer, Standing, TrialPeriod, parse_day};
use crate::facts::Facts;
use crate::plan_status::is_due;
use crate::report::{Words, words};
use crate::time_limit;
use jiff::Timestamp;
use jiff::civil::Date;
use qianyun_crds::{DueBinding, Lamp, NextDue, Phase, PolicyProfileSpec};

/// 临期: five working days or fewer (government.md 2.10).
const DUE_SOON_WORKING_DAYS: i32 = 5;

/// The next day that matters in a phase.
pub(super) fn next(facts: &Facts, phase: Phase, trial: Option<TrialPeriod>, now: Timestamp) -> Option<NextDue> {
    let scheme = &facts.migration.spec.scheme;
    let policy = facts.policy.get().map(|p| &p.spec);
    match phase {
        Phase::Approved
        | Phase::Replicating
        | Phase::Rehearsing
        | Phase::Rehearsed
        | Phase::Scheduled
        | Phase::RollingBack => {
            let what = words("cutover window begins", "割接窗口开始");
            Some(due(facts, facts.day(scheme.window.start.0), &what, DueBinding::Target, now))
        }
        Phase::CuttingOver | Phase::Provisional => {
            let what = words("latest moment to roll back", "最迟回退时间点");
            Some(due(facts, facts.day(scheme.rollback.latest_at.0), &what, DueBinding::Target, now))
        }
        Phase::Trial => {
            let what = words("earliest end of the trial run", "试运行最早期满日");
            Some(due(facts, trial?.earliest_end(), &what, DueBinding::Duty, now))
        }
        Phase::Accepted => custody_due(facts, policy?, now),
        Phase::Closed => None,
        Phase::Drafting | Phase::Review | Phase::Returned | Phase::Acceptance => {
            of_papers(facts, policy, now).or_else(|| plan_due(facts, now))
        }
    }
}

/// How a system stands against that day.
pub(super) fn lamp(facts: &Facts, phase: Phase, next: Option<&NextDue>, now: Timestamp) -> Lamp {
    if phase == Phase::Closed {
        return Lamp::Closed;
    }
    let late = |day: &str| parse_day(day).is_some_and(|day| day < facts.day(now));
    // A trial run that lasts longer than it must, and a window that has passed, are nobody's delay by themselves.
    let own = !matches!(phase, Phase::Trial | Phase::CuttingOver | Phase::Provisional);
    let plan = (phase < Phase::Accepted).then(|| planned_day(facts, now)).flatten();
    if next.is_some_and(|n| own && late(&n.date)) || plan.is_some_and(|day| day < facts.day(now)) {
        return Lamp::Overdue;
    }
    let left = |n: &NextDue| n.working_days_left.as_deref()?.trim_start_matches('~').parse::<i32>().ok();
    if next.filter(|_| own).and_then(left).is_some_and(|left| left <= DUE_SOON_WORKING_DAYS) {
        return Lamp::DueSoon;
    }
    if phase == Phase::Drafting { Lamp::NotStarted } else { Lamp::OnTime }
}

fn due(facts: &Facts, day: Date, what: &Words, binding: DueBinding, now: Timestamp) -> NextDue {
    let left = facts.calendar.get().and_then(|c| c.between(facts.day(now), day).ok());
    let shown = |answer: Answer<i32>| {
        let mark = if answer.is_estimated() { "~" } else { "" };
        format!("{mark}{}", answer.even_if_estimated())
    };
    NextDue {
        date: day.to_string(),
        what: what.en.clone(),
        what_zh: what.zh.clone(),
        working_days_left: left.map(shown),
        binding: Some(binding),
    }
}

/// The clock of the papers that runs: the evaluation of a project first, since nothing is approved without it.
fn of_papers(facts: &Facts, policy: Option<&PolicyProfileSpec>, now: Timestamp) -> Option<NextDue> {
    let policy = policy?;
    let running = |answer: Option<Answer<Standing>>| match answer.as_ref().map(Answer::even_if_estimated) {
        Some(Standing::Running { due, .. } | Standing::Overdue { due, .. }) => Some(*due),
        Some(Standing::Paused { .. } | Standing::Met { .. } | Standing::Missed { .. }) | None => None,
    };
    if let Some(day) = running(time_limit::assessment(facts, policy, now)) {
        let what = words("report of the project's evaluation", "论证评估报告出具时限");
        return Some(due(facts, day, &what, DueBinding::Duty, now));
    }
    let day = running(time_limit::review(facts, policy, now))?;
    let what = words("service target of the offices' review", "两办审查服务目标");
    Some(due(facts, day, &what, DueBinding::Target, now))
}

fn custody_due(facts: &Facts, policy: &PolicyProfileSpec, now: Timestamp) -> Option<NextDue> {
    let accepted_on = crate::custody::met_on(&facts.migration)?;
    let days = u16::try_from(policy.numbers.custody_target_working_days).ok()?;
    let day = facts.calendar.get()?.after(accepted_on, days).ok()?;
    let what = words("service target of the devices' custody", "设备入托管服务目标");
    Some(due(facts, *day.even_if_estimated(), &what, DueBinding::Target, now))
}

fn plan_due(facts: &Facts, now: Timestamp) -> Option<NextDue> {
    let what = words("acceptance due by the migration plan", "迁移计划完成时限");
    Some(due(facts, planned_day(facts, now)?, &what, DueBinding::Duty, now))
}

/// The plan's day for the system; `None` where the plan does not bind it to move.
fn planned_day(facts: &Facts, now: Timestamp) -> Option<Date> {
    let mine = facts.planned()?;
    let department = facts.department.get().map(|d| d.spec.kind);
    is_due(department, mine, facts.day(now)).then(|| parse_day(&mine.due_date)).flatten()
}
