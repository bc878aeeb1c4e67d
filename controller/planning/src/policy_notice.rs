//! What is told of the rules that a system is moved by: that they are not in force, which gates of the law they switch off, and
//! which office they do not ask. A city answers for each; it is shown wherever the rules are used (Art. 37), and nothing ever waits for it.

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
}

/// All that is told; nothing where the policy is not known, which is said elsewhere.
pub fn of(facts: &Facts, now: Timestamp) -> Vec<PolicyNotice> {
    let Some(policy) = facts.policy.get().map(|p| &p.spec) else { return Vec::new() };
    let gates: Vec<_> = switched_off(policy).map(|(gate, switch)| (gate.name, switch.basis.clone())).collect();
    let off = (!gates.is_empty()).then_some(PolicyNotice::GatesOff { gates });
    let offices = left_out(policy);
    let unasked = (!offices.is_empty()).then_some(PolicyNotice::OfficesLeftOut { offices });
    out_of_force(policy, facts.day(now)).into_iter().chain(unasked).chain(off).collect()
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
