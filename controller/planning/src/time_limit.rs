//! The clocks of a system's papers (government.md 1.3): how long the evaluation of a project may take (Art. 18, a duty), and how
//! long the offices mean to take for a scheme (a service target, for the Measures name no time). Blocks nothing by itself.

use crate::calendar::{Answer, Binding, Pause, Standing, WorkClock, parse_day};
use crate::facts::Facts;
use jiff::Timestamp;
use qianyun_crds::{ClockPause, PolicyProfileSpec};

/// How the evaluation of the project stands; `None` before it was accepted (受理), and where a day of it is none.
pub fn assessment(facts: &Facts, policy: &PolicyProfileSpec, now: Timestamp) -> Option<Answer<Standing>> {
    let assessment = facts.migration.spec.assessment.as_ref()?;
    let accepted_on = assessment.accepted_on.as_deref()?;
    let days = policy.numbers.assessment_working_days;
    let ended = assessment.report.as_ref().map(|r| r.issued_on.as_str());
    stands(facts, accepted_on, days, Binding::Statutory, &assessment.pauses, ended, now)
}

/// How the offices' review of the scheme stands; `None` where nobody noted that both have it as it is now.
pub fn review(facts: &Facts, policy: &PolicyProfileSpec, now: Timestamp) -> Option<Answer<Standing>> {
    let receipt = facts.migration.spec.receipt.as_ref().filter(|r| r.digest == facts.digest)?;
    let days = policy.numbers.review_target_working_days;
    stands(facts, &receipt.received_on, days, Binding::Target, &receipt.pauses, None, now)
}

fn stands(
    facts: &Facts,
    begun: &str,
    days: i32,
    binding: Binding,
    pauses: &[ClockPause],
    ended: Option<&str>,
    now: Timestamp,
) -> Option<Answer<Standing>> {
    let calendar = facts.calendar.get()?;
    let mut clock = WorkClock::new(parse_day(begun)?, u16::try_from(days).ok()?, binding).ok()?;
    // In any order, as people entered them.
    let mut pauses: Vec<&ClockPause> = pauses.iter().collect();
    pauses.sort_by(|a, b| a.from.cmp(&b.from));
    for pause in pauses {
        let until = match pause.until.as_deref() {
            Some(day) => Some(parse_day(day)?),
            None => None,
        };
        clock = clock.paused(Pause { from: parse_day(&pause.from)?, until, reason: pause.reason.clone() }).ok()?;
    }
    if let Some(day) = ended {
        clock = clock.ended(parse_day(day)?).ok()?;
    }
    clock.standing(calendar, facts.day(now)).ok()
}
