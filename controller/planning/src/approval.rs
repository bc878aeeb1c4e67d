//! Whether each decision of a person counts, and what they add up to.
//!
//! A decision counts if it names exactly this subject (kind, name, UID) and this digest, the policy asks its role for this
//! gate, the person neither is nor was the author, holds the role *now* (both the policy's list and the authoriser say so), and has
//! not decided in another role. One decision per role stands: the newest, except that a return, once made, stands until
//! the subject is edited. A scheme that is being carried out is not edited any more, so there the newest stands, whatever it is:
//! whoever stops it by a return lets it go on by an approval. Whatever is not known does not count.

use crate::facts::{ApprovalFact, Authorisation, Facts};
use jiff::Timestamp;
use qianyun_crds::{Decision, DecisionEffect, GateName, MigrationPlan, Party, PolicyProfileSpec, SubjectKind};

/// What is decided on, and by which roles.
#[derive(Clone, Debug)]
pub struct Subject<'a> {
    /// Kind.
    pub kind: SubjectKind,
    /// Namespace that a decision must lie in; `None` for a subject of the whole city.
    pub namespace: Option<&'a str>,
    /// Name.
    pub name: &'a str,
    /// UID.
    pub uid: &'a str,
    /// Digest as it stands now.
    pub digest: &'a str,
    /// Who wrote it: its author now, and all before.
    pub authors: Vec<&'a str>,
    /// Which roles are asked at which gates.
    pub asked: Vec<(GateName, &'a str)>,
    /// Whether it is being carried out: nobody edits it any more.
    pub is_carried_out: bool,
}

/// A scheme as a subject.
pub fn scheme_subject<'a>(facts: &'a Facts, policy: &'a PolicyProfileSpec) -> Subject<'a> {
    let meta = &facts.migration.metadata;
    let confirmer = std::iter::once((GateName::DepartmentConfirmed, policy.scheme_confirmer.as_str()));
    let approvers = distinct(&policy.scheme_approvers).into_iter().map(|r| (GateName::DualApproved, r));
    Subject {
        kind: SubjectKind::SystemMigration,
        namespace: meta.namespace.as_deref(),
        name: meta.name.as_deref().unwrap_or_default(),
        uid: meta.uid.as_deref().unwrap_or_default(),
        digest: &facts.digest,
        authors: authors(&facts.migration.spec.author, &facts.migration.spec.former_authors),
        asked: confirmer.chain(approvers).collect(),
        is_carried_out: facts.is_carried_out(),
    }
}

/// The papers for an acceptance as a subject.
pub fn application_subject<'a>(facts: &'a Facts, policy: &'a PolicyProfileSpec) -> Subject<'a> {
    let roles = distinct(&policy.acceptance_approvers).into_iter();
    Subject {
        kind: SubjectKind::AcceptanceApplication,
        digest: &facts.application_digest,
        asked: roles.map(|r| (GateName::PreAcceptanceApproved, r)).collect(),
        is_carried_out: false,
        ..scheme_subject(facts, policy)
    }
}

/// An acceptance as a subject. Those whom the policy names sign it; where it names nobody, whoever confirms a scheme.
pub fn acceptance_subject<'a>(facts: &'a Facts, policy: &'a PolicyProfileSpec) -> Subject<'a> {
    let named = distinct(&policy.acceptance_signers);
    let roles = if named.is_empty() { vec![policy.scheme_confirmer.as_str()] } else { named };
    Subject {
        kind: SubjectKind::Acceptance,
        digest: &facts.acceptance_digest,
        asked: roles.into_iter().map(|r| (GateName::Accepted, r)).collect(),
        is_carried_out: false,
        ..scheme_subject(facts, policy)
    }
}

/// A plan as a subject.
pub fn plan_subject<'a>(plan: &'a MigrationPlan, digest: &'a str, policy: &'a PolicyProfileSpec) -> Subject<'a> {
    Subject {
        kind: SubjectKind::MigrationPlan,
        namespace: None,
        name: plan.metadata.name.as_deref().unwrap_or_default(),
        uid: plan.metadata.uid.as_deref().unwrap_or_default(),
        digest,
        authors: authors(&plan.spec.author, &plan.spec.former_authors),
        asked: distinct(&policy.plan_issuers).into_iter().map(|r| (GateName::PlanIssued, r)).collect(),
        is_carried_out: false,
    }
}

/// Whoever takes a text over makes no word of it another's: those before stay its authors.
fn authors<'a>(now: &'a str, before: &'a [String]) -> Vec<&'a str> {
    std::iter::once(now).chain(before.iter().map(String::as_str)).collect()
}

/// Everything of a migration that people decide on: its scheme, the papers for its acceptance, the acceptance, and its plan where that
/// is known.
pub fn subjects<'a>(facts: &'a Facts, policy: &'a PolicyProfileSpec) -> Vec<Subject<'a>> {
    let of_migration =
        [scheme_subject(facts, policy), application_subject(facts, policy), acceptance_subject(facts, policy)];
    let of_plan = facts.plan.get().map(|plan| plan_subject(plan, &facts.plan_digest, policy));
    of_migration.into_iter().chain(of_plan).collect()
}

/// Roles without repetition, in order.
pub fn distinct(roles: &[String]) -> Vec<&str> {
    let mut seen: Vec<&str> = Vec::new();
    for role in roles {
        if !seen.contains(&role.as_str()) {
            seen.push(role);
        }
    }
    seen
}

/// A decision and whether it counts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Judged {
    /// Name of the `Approval`.
    pub name: String,
    /// Gate.
    pub gate: GateName,
    /// Role.
    pub role: String,
    /// Person.
    pub by: String,
    /// When.
    pub at: Timestamp,
    /// Decision.
    pub decision: Decision,
    /// Opinion.
    pub opinion: String,
    /// Whether it counts.
    pub effect: DecisionEffect,
}

/// Judges all decisions on a subject, oldest first.
pub fn judge(subject: &Subject<'_>, policy: &PolicyProfileSpec, approvals: &[ApprovalFact]) -> Vec<Judged> {
    let mut judged: Vec<Judged> = approvals
        .iter()
        .filter(|f| f.approval.spec.subject.kind == subject.kind && f.approval.spec.subject.name == subject.name)
        .map(|fact| on_its_own(subject, policy, fact))
        .collect();
    // Times are whole seconds, and names say nothing. Of decisions in the same second it is a return that binds its person to a role,
    // and a return that is the last word of its role.
    in_order(&mut judged, Decision::Return);
    one_role_per_person(&mut judged);
    in_order(&mut judged, Decision::Approve);
    one_decision_per_role(&mut judged, subject.is_carried_out);
    judged
}

/// Sorts by time, and within a second those of one kind first.
fn in_order(judged: &mut [Judged], first: Decision) {
    judged.sort_by(|a, b| {
        let order = |j: &Judged| (j.at, j.decision != first);
        order(a).cmp(&order(b)).then_with(|| a.name.cmp(&b.name))
    });
}

fn on_its_own(subject: &Subject<'_>, policy: &PolicyProfileSpec, fact: &ApprovalFact) -> Judged {
    let spec = &fact.approval.spec;
    let meta = &fact.approval.metadata;
    let elsewhere = subject.namespace.is_some() && meta.namespace.as_deref() != subject.namespace;
    let effect = if elsewhere || spec.subject.uid != subject.uid || subject.uid.is_empty() {
        DecisionEffect::SubjectNotFound
    } else if spec.digest != subject.digest {
        DecisionEffect::DigestMismatch
    } else if !subject.asked.contains(&(spec.gate, spec.role.as_str())) {
        DecisionEffect::RoleNotRequired
    } else if subject.authors.contains(&spec.approved_by.as_str()) {
        DecisionEffect::SelfApproval
    } else if !holds_role(policy, &spec.role, &spec.approved_by) {
        DecisionEffect::NotAuthorized
    } else {
        match fact.authorised {
            Authorisation::Allowed => DecisionEffect::Accepted,
            Authorisation::Denied => DecisionEffect::NotAuthorized,
            Authorisation::Unknown => DecisionEffect::AuthorizationUnknown,
        }
    };
    Judged {
        name: meta.name.clone().unwrap_or_default(),
        gate: spec.gate,
        role: spec.role.clone(),
        by: spec.approved_by.clone(),
        at: meta.creation_timestamp.as_ref().map_or(Timestamp::UNIX_EPOCH, |t| t.0),
        decision: spec.decision,
        opinion: spec.opinion.clone().unwrap_or_default(),
        effect,
    }
}

/// The policy must know the role; where it lists persons, the person must be one of them.
fn holds_role(policy: &PolicyProfileSpec, role: &str, person: &str) -> bool {
    policy.roles.iter().any(|r| r.name == role && (r.subjects.is_empty() || r.subjects.iter().any(|s| s == person)))
}

fn may_count(effect: DecisionEffect) -> bool {
    matches!(effect, DecisionEffect::Accepted | DecisionEffect::AuthorizationUnknown)
}

fn one_role_per_person(judged: &mut [Judged]) {
    for i in 0..judged.len() {
        let (before, rest) = judged.split_at_mut(i);
        let this = &mut rest[0];
        let decided_elsewhere = before.iter().any(|b| may_count(b.effect) && b.by == this.by && b.role != this.role);
        if may_count(this.effect) && decided_elsewhere {
            this.effect = DecisionEffect::SamePersonTwice;
        }
    }
}

fn one_decision_per_role(judged: &mut [Judged], is_carried_out: bool) {
    for i in 0..judged.len() {
        let this = &judged[i];
        let same_role = |other: &&Judged| may_count(other.effect) && other.gate == this.gate && other.role == this.role;
        let decided_after = judged[i + 1..].iter().any(|o| same_role(&o));
        let stands_until_an_edit = |decision| decision == Decision::Return && !is_carried_out;
        let returned_before = judged[..i].iter().filter(same_role).any(|o| stands_until_an_edit(o.decision));
        let overtaken = decided_after && !stands_until_an_edit(this.decision);
        if may_count(this.effect) && (returned_before || overtaken) {
            judged[i].effect = DecisionEffect::Superseded;
        }
    }
}

/// A return that stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Returned {
    /// Who.
    pub by: String,
    /// In which role.
    pub role: String,
    /// Why.
    pub opinion: String,
}

/// What the decisions at one gate add up to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tally {
    /// Roles asked.
    pub need: usize,
    /// Roles that approved.
    pub have: usize,
    /// Roles that did not, in the order of the policy.
    pub missing: Vec<String>,
    /// The first return.
    pub returned: Option<Returned>,
    /// Whether a decision could not be judged because its permission is not known.
    pub unknown: bool,
}

/// Adds up the decisions at a gate.
pub fn tally(subject: &Subject<'_>, gate: GateName, judged: &[Judged]) -> Tally {
    let roles: Vec<&str> = subject.asked.iter().filter(|(g, _)| *g == gate).map(|(_, role)| *role).collect();
    let at_gate = || judged.iter().filter(|j| j.gate == gate);
    let approved = |role: &str| {
        at_gate().any(|j| j.role == role && j.effect == DecisionEffect::Accepted && j.decision == Decision::Approve)
    };
    let missing: Vec<String> = roles.iter().filter(|r| !approved(r)).map(|r| (*r).to_string()).collect();
    Tally {
        need: roles.len(),
        have: roles.len() - missing.len(),
        missing,
        returned: at_gate()
            .find(|j| j.effect == DecisionEffect::Accepted && j.decision == Decision::Return)
            .map(|j| Returned { by: j.by.clone(), role: j.role.clone(), opinion: j.opinion.clone() }),
        unknown: at_gate().any(|j| j.effect == DecisionEffect::AuthorizationUnknown),
    }
}

/// The party of a role, for the waiting columns.
pub fn party_of(policy: &PolicyProfileSpec, role: Option<&String>) -> Party {
    role.and_then(|r| policy.roles.iter().find(|b| &b.name == r)).map_or(Party::Operator, |b| b.party)
}
