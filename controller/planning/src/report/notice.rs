//! What people are told once, as an event, when a status says something new: each in both languages. What stays the same is told by
//! the status alone.

use super::phase::phase;
use qianyun_crds::{DecisionKind, HostMigrationStatus, Phase, SystemMigrationStatus, Waiting};

/// The API server takes notes of 1 kB.
const NOTE_BYTES: usize = 1000;

/// Something to be told once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Notice {
    /// Whether somebody should look.
    pub is_warning: bool,
    /// In a word.
    pub reason: String,
    /// In a sentence.
    pub note: String,
}

/// What is new about a system: its phase, and for what it waits.
pub fn of_system(before: Option<&SystemMigrationStatus>, after: &SystemMigrationStatus) -> Vec<Notice> {
    let mut notices = Vec::new();
    if let Some(now) = after.phase.filter(|now| before.and_then(|b| b.phase) != Some(*now)) {
        let words = phase(now);
        notices.push(Notice {
            is_warning: matches!(now, Phase::Returned | Phase::RollingBack),
            reason: format!("{now:?}"),
            note: note(&words.en, &words.zh),
        });
    }
    notices.extend(waits(before.and_then(|b| b.waiting.as_ref()), after.waiting.as_ref()));
    notices
}

/// What is new about a host: what was decided on an attempt.
pub fn of_host(before: Option<&HostMigrationStatus>, after: &HostMigrationStatus) -> Vec<Notice> {
    let decision = |status: &HostMigrationStatus| status.cutover.as_ref().and_then(|c| c.decision.clone());
    let now = decision(after).filter(|now| before.and_then(decision).as_ref() != Some(now));
    let told = now.map(|now| Notice {
        is_warning: now.kind == DecisionKind::Abort,
        reason: format!("{:?}", now.kind),
        note: cut(format!("attempt {}: {}", now.attempt, now.reason)),
    });
    told.into_iter().collect()
}

fn waits(before: Option<&Waiting>, after: Option<&Waiting>) -> Option<Notice> {
    let now = after.filter(|now| before.is_none_or(|b| b.waiting_for != now.waiting_for))?;
    let reason = format!("WaitingFor{}", now.waiting_for);
    Some(Notice { is_warning: false, reason, note: note(&now.message, &now.message_zh) })
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
