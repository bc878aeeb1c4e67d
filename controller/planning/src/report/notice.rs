//! What people are told once, as an event, when a status says something new: each in both languages. What stays the same is told by
//! the status alone.

use super::decision_words;
use super::phase::phase;
use crate::action::Plan;
use crate::facts::Facts;
use crate::phase::is_known;
use crate::waiting::WaitingOn;
use qianyun_crds::{CutoverDecision, DecisionKind, Phase, SystemMigrationStatus, Waiting};

/// The API server takes notes of 1 kB.
const NOTE_BYTES: usize = 1000;

/// Something to be told once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Notice {
    /// What it is about. Of each topic only the newest is remembered.
    pub topic: &'static str,
    /// Whether somebody should look.
    pub is_warning: bool,
    /// In a word.
    pub reason: String,
    /// In a sentence.
    pub note: String,
}

/// What is new about a system: its phase, and for what it waits. What is not known is not told as if it had happened.
pub fn of_system(facts: &Facts, plan: &Plan, after: &SystemMigrationStatus) -> Vec<Notice> {
    let before = facts.migration.status.as_ref();
    let mut notices = Vec::new();
    let was = before.and_then(|b| b.phase);
    if let Some(now) = after.phase.filter(|now| was != Some(*now) && is_known(facts, was, *now)) {
        let words = phase(now);
        notices.push(Notice {
            topic: "phase",
            is_warning: matches!(now, Phase::Returned | Phase::RollingBack),
            reason: format!("{now:?}"),
            note: note(&words.en, &words.zh),
        });
    }
    let is_asked_again = matches!(&plan.waiting, Some(WaitingOn::Gate(obstacle)) if !obstacle.known);
    if !is_asked_again {
        notices.extend(waits(before.and_then(|b| b.waiting.as_ref()), after.waiting.as_ref()));
    }
    notices
}

/// What was decided on an attempt.
pub fn of_decision(decision: &CutoverDecision) -> Notice {
    let (attempt, why) = (decision.attempt, decision_words(decision));
    Notice {
        topic: "decision",
        is_warning: decision.kind == DecisionKind::Abort,
        reason: format!("{:?}", decision.kind),
        note: note(&format!("attempt {attempt}: {}", why.en), &format!("第 {attempt} 次割接:{}", why.zh)),
    }
}

fn waits(before: Option<&Waiting>, after: Option<&Waiting>) -> Option<Notice> {
    let now = after.filter(|now| before.is_none_or(|b| b.waiting_for != now.waiting_for))?;
    let reason = format!("WaitingFor{}", now.waiting_for);
    Some(Notice { topic: "waiting", is_warning: false, reason, note: note(&now.message, &now.message_zh) })
}

fn note(en: &str, zh: &str) -> String {
    cut(format!("{en} / {zh}"))
}

fn cut(text: String) -> String {
    let mut end = text.len().min(NOTE_BYTES);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    text[..end].to_owned()
}
