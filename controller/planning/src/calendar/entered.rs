//! What operators entered as objects, as the calendar takes it. Copies and never judges: what is wrong with a copy is
//! found by [`Notice::check`] and [`Freeze::new`], so that an object's condition and what the program brings along are held
//! against the same rules.

use super::freeze::{Freeze, FreezeError, FreezeMode};
use super::notice::{Holiday, Notice};
use super::window::{Window, WindowError};
use qianyun_crds::{
    CalendarHoliday, FreezeEffect, FreezePeriodSpec, FreezeScope, FreezeScopeKind, PlannedWave, WorkCalendarSpec,
};

impl From<&WorkCalendarSpec> for Notice {
    fn from(spec: &WorkCalendarSpec) -> Self {
        Self {
            // The schema ends at 2100; a year beyond what can be counted is as good as none.
            year: i16::try_from(spec.year).ok(),
            document_no: spec.document_no.clone(),
            source: spec.source.clone(),
            holidays: spec.holidays.iter().map(Holiday::from).collect(),
            make_up_days: spec.make_up_days.clone(),
        }
    }
}

impl From<&CalendarHoliday> for Holiday {
    fn from(entered: &CalendarHoliday) -> Self {
        Self { name: entered.name.clone(), from: entered.from.clone(), until: entered.until.clone() }
    }
}

/// Whom it concerns does not go along: see [`concerns`].
impl TryFrom<&FreezePeriodSpec> for Freeze {
    type Error = FreezeError;

    fn try_from(spec: &FreezePeriodSpec) -> Result<Self, FreezeError> {
        Self::new(&spec.title, spec.from.0, spec.until.0, spec.mode.into())
    }
}

impl TryFrom<&PlannedWave> for Window {
    type Error = WindowError;

    fn try_from(wave: &PlannedWave) -> Result<Self, WindowError> {
        let number = |n: i32| u32::try_from(n).unwrap_or(0);
        let lockout_seconds = number(wave.lockout_minutes).saturating_mul(60);
        Self::new(wave.from.0, wave.until.0, lockout_seconds, number(wave.capacity))
    }
}

impl From<FreezeEffect> for FreezeMode {
    fn from(effect: FreezeEffect) -> Self {
        match effect {
            FreezeEffect::Block => Self::Block,
            FreezeEffect::Warn => Self::Warn,
        }
    }
}

/// Whether a freeze period of this scope concerns a system: `department` owns it, and it is called `name` in `namespace`.
pub fn concerns(scope: &FreezeScope, department: &str, namespace: &str, name: &str) -> bool {
    match scope.kind {
        FreezeScopeKind::Everything => true,
        FreezeScopeKind::Departments => scope.departments.iter().any(|d| d == department),
        FreezeScopeKind::Systems => scope.systems.iter().any(|s| s.namespace == namespace && s.name == name),
    }
}
