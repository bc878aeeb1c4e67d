//! The days that matter to a system, the next one first, how many working days are left to each, and its lamp. Blocks nothing.

use crate::approval::{judge, scheme_subject, tally};
use crate::calendar::{Answer, Standing, parse_day};
use crate::facts::{Facts, Known};
use crate::plan_status::is_due;
use crate::report::{Words, words};
use crate::{time_limit, trial};
use jiff::Timestamp;
use jiff::civil::Date;
use qianyun_crds::{DueBinding, GateName, Lamp, NextDue, Party, Phase, PolicyProfileSpec};

/// 临期: five working days or fewer (government.md 2.10).
const DUE_SOON_WORKING_DAYS: i32 = 5;

/// A day that matters.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Due {
    /// The day; estimated where it was counted over a year without a notice.
    pub(crate) day: Answer<Date>,
    /// What is due.
    pub(crate) what: Words,
    /// How much it binds.
    pub(crate) binding: DueBinding,
    /// Who has to see to it.
    pub(crate) who: Party,
    /// Working days left to it, negative once it is over; `None` where the calendar is not known.
    pub(crate) left: Option<Answer<i32>>,
}

impl Due {
    fn new(facts: &Facts, day: Answer<Date>, (en, zh): (&str, &str), who: Party, now: Timestamp) -> Self {
        let left = facts.calendar.get().and_then(|c| c.between(facts.day(now), *day.even_if_estimated()).ok());
        Due { left, day, what: words(en, zh), binding: DueBinding::Target, who }
    }

    fn duty(self) -> Self {
        Due { binding: DueBinding::Duty, ..self }
    }

    fn column(&self) -> NextDue {
        NextDue {
            date: self.day.even_if_estimated().to_string(),
            what: self.what.en.clone(),
            what_zh: self.what.zh.clone(),
            working_days_left: self.left.as_ref().map(ToString::to_string),
            binding: Some(self.binding),
        }
    }
}

/// The next day that matters in a phase, as the status shows it.
pub(super) fn next(facts: &Facts, phase: Phase, now: Timestamp) -> Option<NextDue> {
    next_of(facts, phase, now).map(|due| due.column())
}

/// Every day that matters from a phase on: the next one, then the rest in their order.
pub(crate) fn days(facts: &Facts, phase: Phase, now: Timestamp) -> Vec<Due> {
    let window = || (phase < Phase::CuttingOver).then(|| window_begins(facts, now));
    let rollback = || (phase < Phase::Trial).then(|| latest_rollback(facts, now));
    let plan = || (phase < Phase::Accepted).then(|| plan_due(facts, now)).flatten();
    let mut rest: Vec<Due> = [window(), rollback(), plan()].into_iter().flatten().collect();
    rest.sort_by_key(|due| *due.day.even_if_estimated());
    let mut days: Vec<Due> = next_of(facts, phase, now).into_iter().collect();
    for due in rest {
        if days.iter().all(|earlier| earlier.what != due.what) {
            days.push(due);
        }
    }
    days
}

fn next_of(facts: &Facts, phase: Phase, now: Timestamp) -> Option<Due> {
    let policy = facts.policy.get().map(|p| &p.spec);
    match phase {
        Phase::Approved
        | Phase::Replicating
        | Phase::Rehearsing
        | Phase::Rehearsed
        | Phase::Scheduled
        | Phase::RollingBack => Some(window_begins(facts, now)),
        Phase::CuttingOver | Phase::Provisional => Some(latest_rollback(facts, now)),
        Phase::Trial => {
            let end = trial::period(facts, policy?, now)?.earliest_end();
            let what = ("earliest end of the trial run", "试运行最早期满日");
            Some(Due::new(facts, Answer::Official(end), what, Party::Nobody, now).duty())
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

fn window_begins(facts: &Facts, now: Timestamp) -> Due {
    let day = Answer::Official(facts.day(facts.migration.spec.scheme.window.start.0));
    Due::new(facts, day, ("cutover window begins", "割接窗口开始"), Party::Operator, now)
}

fn latest_rollback(facts: &Facts, now: Timestamp) -> Due {
    let day = Answer::Official(facts.day(facts.migration.spec.scheme.rollback.latest_at.0));
    Due::new(facts, day, ("latest moment to roll back", "最迟回退时间点"), Party::Operator, now)
}

/// The clock of the papers that runs: the evaluation of a project first, since nothing is approved without it.
fn of_papers(facts: &Facts, policy: Option<&PolicyProfileSpec>, now: Timestamp) -> Option<Due> {
    let policy = policy?;
    let running = |answer: Option<Answer<Standing>>| {
        let answer = answer?;
        match answer.even_if_estimated() {
            Standing::Running { due, .. } | Standing::Overdue { due, .. } => {
                let due = *due;
                Some(answer.map(|_| due))
            }
            Standing::Paused { .. } | Standing::Met { .. } | Standing::Missed { .. } => None,
        }
    };
    if let Some(day) = running(time_limit::assessment(facts, policy, now)) {
        let what = ("report of the project's evaluation", "论证评估报告出具时限");
        return Some(Due::new(facts, day, what, Party::SmartCityOffice, now).duty());
    }
    if every_office_decided(facts, policy) {
        return None;
    }
    let day = running(time_limit::review(facts, policy, now))?;
    let what = ("service target of the offices' review", "两办审查服务目标");
    Some(Due::new(facts, day, what, Party::MunicipalGovernmentOffice, now))
}

/// Their part of the review is over, also where papers still hold their approval back.
fn every_office_decided(facts: &Facts, policy: &PolicyProfileSpec) -> bool {
    let Known::Is(approvals) = &facts.approvals else { return false };
    let subject = scheme_subject(facts, policy);
    let tally = tally(&subject, GateName::DualApproved, &judge(&subject, policy, approvals));
    tally.missing.is_empty()
}

fn custody_due(facts: &Facts, policy: &PolicyProfileSpec, now: Timestamp) -> Option<Due> {
    let accepted_on = crate::custody::met_on(&facts.migration)?;
    let days = u16::try_from(policy.numbers.custody_target_working_days).ok()?;
    let day = facts.calendar.get()?.after(accepted_on, days).ok()?;
    let what = ("service target of the devices' custody", "设备入托管服务目标");
    Some(Due::new(facts, day, what, Party::Operator, now))
}

fn plan_due(facts: &Facts, now: Timestamp) -> Option<Due> {
    let what = ("acceptance due by the migration plan", "迁移计划完成时限");
    let day = Answer::Official(planned_day(facts, now)?);
    Some(Due::new(facts, day, what, Party::Department, now).duty())
}

/// The plan's day for the system; `None` where the plan does not bind it to move.
fn planned_day(facts: &Facts, now: Timestamp) -> Option<Date> {
    let mine = facts.planned()?;
    let department = facts.department.get().map(|d| d.spec.kind);
    is_due(department, mine, facts.day(now)).then(|| parse_day(&mine.due_date)).flatten()
}
