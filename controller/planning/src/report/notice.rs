//! What people are told once, as an event, when a status says something new: each in both languages. What stays the same is told by
//! the status alone.

use super::phase::phase;
use super::{Words, approval, decision_words, gate, words};
use crate::action::Plan;
use crate::facts::Facts;
use crate::phase::is_known;
use crate::waiting::WaitingOn;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use qianyun_crds::{
    Approval, ApprovalStatus, CutoverDecision, Decision, DecisionEffect, DecisionKind, MigrationPlanStatus, Phase,
    SystemMigrationStatus, Waiting,
};

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

/// What became of a person's decision: it counts, does not, or counts no more. What cannot be asked just now is not told.
pub fn of_approval(approval: &Approval, effect: Option<DecisionEffect>, after: &ApprovalStatus) -> Option<Notice> {
    let before = approval.status.as_ref().map(|s| s.conditions.as_slice()).unwrap_or_default();
    let (was, is) = (holds(before, "Effective"), holds(&after.conditions, "Effective")?);
    if was == Some(is) {
        return None;
    }
    let effect = effect?;
    let (reason, became) = match (was, is) {
        (_, true) => ("ApprovalRecorded", words("it counts", "已生效")),
        (Some(true), false) => ("ApprovalInvalidated", words("it counts no more: ", "不再有效:")),
        (Some(false) | None, false) => ("ApprovalRejected", words("it does not count: ", "不生效:")),
    };
    let (said, why) = (decided(approval), approval::effect(effect));
    Some(Notice {
        topic: "approval",
        // Whose office decides again knows it.
        is_warning: !is && effect != DecisionEffect::Superseded,
        reason: reason.into(),
        note: note(&format!("{}; {}{}", said.en, became.en, why.en), &format!("{},{}{}", said.zh, became.zh, why.zh)),
    })
}

/// Who decided what, as which role.
fn decided(approval: &Approval) -> Words {
    let spec = &approval.spec;
    let verb = match spec.decision {
        Decision::Approve => words("approved", "同意"),
        Decision::Return => words("returned", "退回"),
    };
    let (by, role, subject, gate) = (&spec.approved_by, &spec.role, &spec.subject.name, spec.gate);
    words(
        format!("{by} {} {subject} as {role} at {gate:?}", verb.en),
        format!("{by} 以 {role} 身份就“{}”{} {subject}", gate::title(gate).zh, verb.zh),
    )
}

/// That a plan is issued, or is so no more.
pub fn of_plan(before: Option<&MigrationPlanStatus>, after: &MigrationPlanStatus) -> Option<Notice> {
    let was = before.and_then(|b| holds(&b.conditions, "Issued"));
    let by = after.issued_by.as_deref().unwrap_or_default();
    let (reason, said) = match (was, holds(&after.conditions, "Issued")?) {
        (Some(false) | None, true) => {
            ("PlanIssued", words(format!("the plan is issued ({by})"), format!("迁移计划已下达({by})")))
        }
        (Some(true), false) => (
            "PlanIssueInvalidated",
            words(
                format!("the plan was edited, or a decision on it counts no more: it has to be issued again ({by})"),
                format!("迁移计划已修改,或有关决定不再有效,须重新下达({by})"),
            ),
        ),
        (Some(true), true) | (Some(false) | None, false) => return None,
    };
    let is_warning = reason != "PlanIssued";
    Some(Notice { topic: "issue", is_warning, reason: reason.into(), note: note(&said.en, &said.zh) })
}

/// Whether a condition holds; `None` where that is not known.
fn holds(conditions: &[Condition], kind: &str) -> Option<bool> {
    match conditions.iter().find(|c| c.type_ == kind)?.status.as_str() {
        "True" => Some(true),
        "False" => Some(false),
        _ => None,
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
