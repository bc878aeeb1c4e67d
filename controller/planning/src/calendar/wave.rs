//! Waves of a migration plan: so many systems in each window, at most so many at once of the plan. Never decides
//! which wave yields: that is the operator's to say.

use super::freeze::Freeze;
use super::window::{Window, WindowReason};
use jiff::Timestamp;
use std::collections::BTreeSet;

/// A wave of a plan.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wave {
    /// Its name, unique in the plan.
    pub name: String,
    /// Its window.
    pub window: Window,
    /// How many systems are to be cut over in it.
    pub systems: u32,
    /// What one of them is forecast to take, seconds.
    pub seconds_each: i64,
}

/// Why the waves of a plan cannot be carried out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum WaveReason {
    /// Two waves have one name.
    NamedTwice {
        /// The name.
        wave: String,
    },
    /// The window of a wave is of no use.
    WindowUnfit {
        /// The wave.
        wave: String,
        /// Why.
        reason: WindowReason,
    },
    /// More systems than fit into the window, one round after another.
    TooManySystems {
        /// The wave.
        wave: String,
        /// How many it has.
        systems: u32,
        /// How many fit.
        fit: u32,
    },
    /// Waves that overlap need more systems at once than the plan allows.
    OverCapacity {
        /// From when on.
        at: Timestamp,
        /// The waves that are under way then, in the order of the plan.
        waves: Vec<String>,
        /// How many systems they have under way together.
        systems: u32,
        /// How many the plan allows.
        at_once: u32,
    },
}

impl Wave {
    /// How many of its systems are under way at the same time.
    fn at_once(&self) -> u32 {
        self.systems.min(self.window.at_once())
    }
}

/// All that is in the way of carrying out the waves; `at_once` is how many systems the plan allows at the same time.
pub fn check(waves: &[Wave], freezes: &[Freeze], at_once: u32) -> Result<(), Vec<WaveReason>> {
    let mut names = BTreeSet::new();
    let twice = waves.iter().filter(|wave| !names.insert(wave.name.as_str()));
    let mut reasons: Vec<WaveReason> = twice.map(|wave| WaveReason::NamedTwice { wave: wave.name.clone() }).collect();
    reasons.extend(waves.iter().filter_map(|wave| alone(wave, freezes).err()));
    reasons.extend(together(waves, at_once));
    if reasons.is_empty() { Ok(()) } else { Err(reasons) }
}

/// What is in the way of one wave by itself.
fn alone(wave: &Wave, freezes: &[Freeze]) -> Result<(), WaveReason> {
    let name = || wave.name.clone();
    let unfit = |reason| WaveReason::WindowUnfit { wave: name(), reason };
    wave.window.check(wave.seconds_each, freezes).map_err(unfit)?;
    let fit = wave.window.room_for(wave.seconds_each, freezes);
    if wave.systems > fit {
        return Err(WaveReason::TooManySystems { wave: name(), systems: wave.systems, fit });
    }
    Ok(())
}

/// Where waves together need too much. It can only begin where a wave begins, so only there it is looked for.
fn together(waves: &[Wave], at_once: u32) -> Vec<WaveReason> {
    let starts: BTreeSet<Timestamp> = waves.iter().map(|wave| wave.window.start()).collect();
    let too_much = |at: Timestamp| {
        let under_way: Vec<&Wave> = waves.iter().filter(|wave| wave.window.holds(at)).collect();
        let systems = under_way.iter().fold(0_u32, |sum, wave| sum.saturating_add(wave.at_once()));
        let waves = || under_way.iter().map(|wave| wave.name.clone()).collect();
        (systems > at_once).then(|| WaveReason::OverCapacity { at, waves: waves(), systems, at_once })
    };
    starts.into_iter().filter_map(too_much).collect()
}
