//! What people are shown, where it changes: actions, phase, what is waited for, the next due day and the lamp.

use crate::world::World;
use jiff::Timestamp;
use qianyun_crds::{Lamp, Phase};
use qianyun_planning::Action;
use qianyun_planning::calendar::Zone;
use qianyun_planning::report::left;
use std::fmt::Write as _;

const DAY_SECONDS: i64 = 86_400;

/// What was shown last, so that only changes are.
pub(super) struct Shown {
    start: Timestamp,
    phase: Option<Phase>,
    waiting: String,
    due: String,
    lamp: Option<Lamp>,
}

impl Shown {
    pub(super) fn since(start: Timestamp) -> Self {
        Shown { start, phase: None, waiting: String::new(), due: String::new(), lamp: None }
    }

    /// Seconds on the first day, later the minute in Beijing.
    fn clock(&self, world: &World) -> String {
        let seconds = world.now.as_second() - self.start.as_second();
        let today = (0..DAY_SECONDS).contains(&seconds);
        if today { format!("{seconds:>5}s") } else { Zone::default().minute(world.now) }
    }

    pub(super) fn actions(&self, world: &World, actions: &[Action], out: &mut String) {
        for action in actions {
            let _ = writeln!(out, "  {}  {}", self.clock(world), describe(action));
        }
    }

    pub(super) fn changes(&mut self, world: &World, out: &mut String) {
        let clock = self.clock(world);
        let status = world.migration.status.clone().unwrap_or_default();
        if status.phase != self.phase {
            self.phase = status.phase;
            let approved = status.approvals.clone().unwrap_or_default();
            let _ = writeln!(out, "  {clock}  phase {:?}, approved {approved}", status.phase.unwrap());
        }
        let waiting = status.waiting.map_or_else(
            || "nothing".to_string(),
            |w| format!("{} ({:?}): {}", w.waiting_for, w.who_can_unblock, w.message),
        );
        if waiting != self.waiting {
            let _ = writeln!(out, "  {clock}  waits for {waiting}");
            self.waiting = waiting;
        }
        let due = status.next_due.map_or_else(
            || "nothing".to_string(),
            |due| {
                let left = due.working_days_left.map_or_else(|| "?".into(), |column| in_words(&column));
                format!("{}, {left}: {} ({:?})", due.date, due.what, due.binding.unwrap())
            },
        );
        if due != self.due || status.lamp != self.lamp {
            let _ = writeln!(out, "  {clock}  due {due}; lamp {:?}", status.lamp.unwrap());
            (self.due, self.lamp) = (due, status.lamp);
        }
    }
}

/// `~-2`, as a column shows it.
fn in_words(column: &str) -> String {
    left(column.trim_start_matches('~').parse().unwrap(), column.starts_with('~')).en
}

fn describe(action: &Action) -> String {
    match action {
        Action::CreateJourney { host, .. } => format!("{host}: create journey"),
        Action::SetIntent { host, intent, attempt, .. } => format!("{host}: intent {intent:?}, attempt {attempt}"),
        Action::EnsureVolumes { host } => format!("{host}: ensure volumes"),
        Action::EnsureReceiver { host } => format!("{host}: ensure receiver"),
        Action::StopReceiver { host } => format!("{host}: stop receiver"),
        Action::Decide { host, decision, .. } => {
            format!("{host}: decide {:?} of attempt {}: {}", decision.kind, decision.attempt, decision.reason)
        }
        Action::EnsureTarget { host } => format!("{host}: launch"),
        Action::RunProbes { host } => format!("{host}: run probes"),
    }
}
