//! What is told of the rules that a system is moved by: that they are not in force, which gates of the law they switch off, where
//! their numbers ask less than the law, and which office they do not ask. A city answers for each; it is shown wherever the rules are used (Art. 37), and nothing ever waits for it.

use crate::calendar::parse_day;
use crate::facts::Facts;
use crate::gate::{Definition, GATES};
use crate::new_hardware::is_in_force;
use crate::offices::{LeftOut, left_out};
use jiff::Timestamp;
use jiff::civil::Date;
use qianyun_crds::{GateName, GateSwitch, PolicyProfileSpec};

/// One thing that is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PolicyNotice {
    /// The last day of the rules is over.
    Expired {
        /// That day.
        until: String,
    },
    /// The first day of the rules is still to come, or their days are none.
    NotYet {
        /// That day, as it is written.
        from: String,
    },
    /// Offices that Art. 23 asks are not asked.
    OfficesLeftOut {
        /// Each with the list that leaves it out.
        offices: Vec<LeftOut>,
    },
    /// Gates of an article are switched off, each with what the city rests it on.
    GatesOff {
        /// In the order of the journey.
        gates: Vec<(GateName, String)>,
    },
    /// Numbers of an article ask less than it does.
    NumbersLowered {
        /// In the order of the articles.
        numbers: Vec<Lowered>,
    },
}

/// Art. 18: 20 working days for the evaluation of a project; a longer one asks less.
const ASSESSMENT_WORKING_DAYS: i32 = 20;

/// Art. 20: three months of trial run.
const TRIAL_MONTHS: i32 = 3;

/// Art. 28: level-3 protection capability of the platform.
const PLATFORM_LEVEL: i32 = 3;

/// A number of a policy that asks less than the article which it is from. Numbers of practice are the city's own affair.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lowered {
    /// The number.
    pub number: LawNumber,
    /// What the policy says.
    pub found: i32,
}

/// A number that an article names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LawNumber {
    /// Working days for the evaluation of a project, at most.
    Assessment,
    /// Months of the trial run, at least.
    Trial,
    /// Protection level of the platform, at least.
    PlatformLevel,
}

impl LawNumber {
    /// The article.
    pub fn article(self) -> u8 {
        match self {
            LawNumber::Assessment => 18,
            LawNumber::Trial => 20,
            LawNumber::PlatformLevel => 28,
        }
    }

    /// What the article says.
    pub fn of_the_law(self) -> i32 {
        match self {
            LawNumber::Assessment => ASSESSMENT_WORKING_DAYS,
            LawNumber::Trial => TRIAL_MONTHS,
            LawNumber::PlatformLevel => PLATFORM_LEVEL,
        }
    }

    /// The number, as a field of the profile.
    pub fn field(self) -> &'static str {
        match self {
            LawNumber::Assessment => "spec.numbers.assessmentWorkingDays",
            LawNumber::Trial => "spec.numbers.trialMonths",
            LawNumber::PlatformLevel => "spec.numbers.platformLevel",
        }
    }
}

/// The numbers of a profile that ask less than an article.
pub fn lowered(policy: &PolicyProfileSpec) -> Vec<Lowered> {
    let numbers = &policy.numbers;
    let asks_less = [
        (
            LawNumber::Assessment,
            numbers.assessment_working_days,
            numbers.assessment_working_days > ASSESSMENT_WORKING_DAYS,
        ),
        (LawNumber::Trial, numbers.trial_months, numbers.trial_months < TRIAL_MONTHS),
        (LawNumber::PlatformLevel, numbers.platform_level, numbers.platform_level < PLATFORM_LEVEL),
    ];
    asks_less.into_iter().filter(|(.., less)| *less).map(|(number, found, _)| Lowered { number, found }).collect()
}

/// All that is told; nothing where the policy is not known, which is said elsewhere.
pub fn of(facts: &Facts, now: Timestamp) -> Vec<PolicyNotice> {
    let Some(policy) = facts.policy.get().map(|p| &p.spec) else { return Vec::new() };
    let gates: Vec<_> = switched_off(policy).map(|(gate, switch)| (gate.name, switch.basis.clone())).collect();
    let off = (!gates.is_empty()).then_some(PolicyNotice::GatesOff { gates });
    let offices = left_out(policy);
    let unasked = (!offices.is_empty()).then_some(PolicyNotice::OfficesLeftOut { offices });
    let numbers = lowered(policy);
    let less = (!numbers.is_empty()).then_some(PolicyNotice::NumbersLowered { numbers });
    out_of_force(policy, facts.day(now)).into_iter().chain(unasked).chain(off).chain(less).collect()
}

fn out_of_force(policy: &PolicyProfileSpec, today: Date) -> Option<PolicyNotice> {
    if is_in_force(policy, today) {
        return None;
    }
    let last = policy.effective_until.as_ref().filter(|day| parse_day(day).is_some_and(|last| last < today));
    Some(last.map_or_else(
        || PolicyNotice::NotYet { from: policy.effective_from.clone() },
        |until| PolicyNotice::Expired { until: until.clone() },
    ))
}

/// The gates of an article that a profile switches off, in the order of the journey. A gate of practice alone is the city's own
/// affair; what cannot be switched off holds all the same.
pub fn switched_off(policy: &PolicyProfileSpec) -> impl Iterator<Item = (&'static Definition, &GateSwitch)> {
    let of_law = GATES.iter().filter(|gate| gate.switchable && gate.basis.starts_with("Art."));
    of_law.filter_map(|gate| {
        let switch = policy.gates.iter().find(|switch| switch.name == gate.name && !switch.enabled)?;
        Some((gate, switch))
    })
}
