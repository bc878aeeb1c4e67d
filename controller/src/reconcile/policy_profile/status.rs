//! Judges a profile by itself: whether its roles exist, its days are days, two roles approve, which gates of the law it switches
//! off, which of its numbers ask less than the law, and which of the two offices it does not ask. A city may do either by decree, and answers for it: it is shown, and blocks
//! nothing.

use jiff::Timestamp;
use jiff::civil::Date;
use qianyun_crds::{PolicyProfile, PolicyProfileSpec, PolicyProfileStatus};
use qianyun_planning::approval::distinct;
use qianyun_planning::calendar::parse_day;
use qianyun_planning::new_hardware::is_in_force;
use qianyun_planning::offices::left_out;
use qianyun_planning::policy_notice::{lowered, switched_off};
use qianyun_planning::report::condition;

/// The status of a profile.
pub(super) fn status(profile: &PolicyProfile, today: Date, now: Timestamp) -> PolicyProfileStatus {
    let before = profile.status.as_ref().map(|s| s.conditions.as_slice()).unwrap_or_default();
    let generation = profile.metadata.generation;
    let fault = fault(&profile.spec);
    let ready = fault.is_none();
    let reason = if ready { "Ready" } else { "Inconsistent" };
    let in_force = is_in_force(&profile.spec, today);
    let (force_reason, words) = if in_force {
        ("InForce", "")
    } else {
        (
            "NotInForce",
            "today lies outside spec.effectiveFrom to spec.effectiveUntil: check which rules apply now. It blocks nothing",
        )
    };
    let (complete, gates_reason, gates_words) = gates(&profile.spec);
    PolicyProfileStatus {
        observed_generation: generation,
        conditions: vec![
            condition(before, "Ready", Some(ready), reason, &fault.unwrap_or_default(), generation, now),
            condition(before, "InForce", Some(in_force), force_reason, words, generation, now),
            condition(before, "GatesComplete", Some(complete), gates_reason, &gates_words, generation, now),
        ],
    }
}

/// Whether every gate of an article holds as the article means it; a reason, and words for all that is missing. An office that is not
/// asked weighs more than a gate that is off, and that more than a number, so the reason is about the first of them.
fn gates(spec: &PolicyProfileSpec) -> (bool, &'static str, String) {
    let unasked: Vec<_> = left_out(spec).iter().map(|missing| missing.words().en).collect();
    let off = switched_off(spec);
    let off: Vec<_> = off.map(|(gate, by)| format!("{:?} ({}) by {:?}", gate.name, gate.basis, by.basis)).collect();
    let mut said = Vec::new();
    if !unasked.is_empty() {
        said.push(format!(
            "left out, though Art. 23 asks both offices: {}. It blocks nothing; name a role of that party there, or make sure \
             that a document in spec.basis allows it",
            unasked.join("; ")
        ));
    }
    if !off.is_empty() {
        said.push(format!(
            "switched off, though the law asks for it: {}. It blocks nothing; set enabled to true in spec.gates, or make sure \
             that each basis is the document that allows it",
            off.join("; ")
        ));
    }
    let less: Vec<_> = lowered(spec).iter().map(|number| number.words().en).collect();
    if !less.is_empty() {
        said.push(format!(
            "less than the law asks for: {}. It blocks nothing; correct it, or make sure that a document in spec.basis \
             allows it",
            less.join("; ")
        ));
    }
    let reason = match (unasked.is_empty(), off.is_empty(), less.is_empty()) {
        (false, _, _) => "OfficeMissing",
        (true, false, _) => "GateOff",
        (true, true, false) => "NumberLowered",
        (true, true, true) => "EveryGateOn",
    };
    (said.is_empty(), reason, said.join(". "))
}

/// The first thing that makes a profile useless, in words that say how to fix it.
fn fault(spec: &PolicyProfileSpec) -> Option<String> {
    let approvers = distinct(&spec.scheme_approvers).len();
    if approvers < 2 {
        return Some(format!("spec.schemeApprovers names {approvers} different roles; name at least 2"));
    }
    if spec.plan_issuers.is_empty() {
        return Some("spec.planIssuers is empty; name at least 1 role".to_string());
    }
    let named = spec.plan_issuers.iter().chain(&spec.scheme_approvers).chain([&spec.scheme_confirmer]);
    let unknown = |role: &&String| !spec.roles.iter().any(|r| r.name == **role);
    if let Some(role) = named.into_iter().find(unknown) {
        return Some(format!("the role {role:?} is not in spec.roles; add it there"));
    }
    if let Some(Err(fault)) = spec.time_zone.as_deref().map(crate::calendar::named) {
        return Some(format!("spec.timeZone: {fault}"));
    }
    if parse_day(&spec.effective_from).is_none() {
        return Some(format!("spec.effectiveFrom is {:?}; write YYYY-MM-DD", spec.effective_from));
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use kube::CustomResourceExt;
    use qianyun_crds::{GateName, GateSwitch};
    use qianyun_planning::gate::GATES;

    fn profile(gates: &[(GateName, bool)]) -> PolicyProfile {
        let role = |name: &str, party: &str| serde_json::json!({"name": name, "displayName": name, "displayNameZh": name, "party": party});
        let spec = serde_json::json!({
            "title": "t", "titleZh": "t", "effectiveFrom": "2018-03-16", "planIssuers": ["a", "b"], "schemeConfirmer": "c",
            "roles": [role("a", "mgo"), role("b", "sco"), role("c", "dept")], "schemeApprovers": ["a", "b"],
            "numbers": {
                "trialMonths": 3, "reviewTargetWorkingDays": 20, "inventoryMaxAgeDays": 30, "freezeLimitSeconds": 30
            },
        });
        let mut profile = PolicyProfile::new("p", serde_json::from_value(spec).unwrap());
        let switch =
            |(name, enabled): &(GateName, bool)| GateSwitch {
                name: *name, enabled: *enabled, basis: "市府令".into()
            };
        profile.spec.gates = gates.iter().map(switch).collect();
        profile
    }

    /// Status, reason and message of `GatesComplete`.
    fn gates_complete(profile: &PolicyProfile) -> (String, String, String) {
        let today = jiff::civil::date(2026, 11, 24);
        let status = status(profile, today, Timestamp::UNIX_EPOCH);
        let found = status.conditions.into_iter().find(|c| c.type_ == "GatesComplete").unwrap();
        (found.status, found.reason, found.message)
    }

    #[test]
    fn a_gate_of_an_article_that_is_off_is_named_with_what_it_rests_on() {
        let off =
            profile(&[(GateName::TrialElapsed, false), (GateName::SystemGraded, false), (GateName::PlanIssued, true)]);
        let (status, reason, message) = gates_complete(&off);
        assert_eq!((status.as_str(), reason.as_str()), ("False", "GateOff"));
        let named = "SystemGraded (Art. 29) by \"市府令\"; TrialElapsed (Art. 20) by \"市府令\".";
        assert!(message.contains(named) && !message.contains("PlanIssued"), "{message}");
    }

    #[test]
    fn a_gate_of_practice_is_the_citys_own_affair() {
        for gates in [&[][..], &[(GateName::RehearsalPassed, false)], &[(GateName::SystemGraded, true)]] {
            assert_eq!(gates_complete(&profile(gates)).0, "True", "{gates:?}");
        }
    }

    #[test]
    fn an_office_that_is_not_asked_is_named_with_the_list_that_leaves_it_out() {
        let mut one = profile(&[]);
        one.spec.plan_issuers = vec!["a".into()];
        let (status, reason, message) = gates_complete(&one);
        assert_eq!((status.as_str(), reason.as_str()), ("False", "OfficeMissing"));
        assert_eq!(
            message,
            "left out, though Art. 23 asks both offices: the smart-city office in spec.planIssuers. It blocks nothing; name a \
             role of that party there, or make sure that a document in spec.basis allows it"
        );
    }

    #[test]
    fn an_office_that_is_not_asked_hides_no_gate_that_is_off_and_blocks_nothing() {
        let mut both = profile(&[(GateName::SystemGraded, false)]);
        both.spec.roles[1].party = qianyun_crds::Party::Operator;
        let (_, reason, message) = gates_complete(&both);
        assert_eq!(reason, "OfficeMissing");
        let named =
            ["smart-city office in spec.planIssuers; the smart-city office in spec.schemeApprovers.", "SystemGraded"];
        assert!(named.iter().all(|named| message.contains(named)), "{message}");
        let status = status(&both, jiff::civil::date(2026, 11, 24), Timestamp::UNIX_EPOCH);
        assert_eq!(status.conditions[0].status, "True", "it is Ready all the same");
    }

    #[test]
    fn a_number_that_asks_less_than_its_article_is_named_with_its_field_and_blocks_nothing() {
        let mut short = profile(&[]);
        (short.spec.numbers.trial_months, short.spec.numbers.inventory_max_age_days) = (1, 365);
        let (status, reason, message) = gates_complete(&short);
        assert_eq!((status.as_str(), reason.as_str()), ("False", "NumberLowered"));
        assert_eq!(
            message,
            "less than the law asks for: spec.numbers.trialMonths is 1, where Art. 20 asks for a trial run of 3 months. It blocks nothing; correct it, or make sure that a document in spec.basis allows it"
        );
        short.spec.gates = profile(&[(GateName::SystemGraded, false)]).spec.gates;
        let (_, reason, message) = gates_complete(&short);
        assert_eq!(reason, "GateOff");
        assert!(message.contains("SystemGraded") && message.contains("trialMonths"), "{message}");
    }

    #[test]
    fn a_gate_that_is_off_blocks_nothing() {
        let status = status(
            &profile(&[(GateName::SystemGraded, false)]),
            jiff::civil::date(2026, 11, 24),
            Timestamp::UNIX_EPOCH,
        );
        let ready = status.conditions.iter().find(|c| c.type_ == "Ready").map(|c| c.status.as_str());
        assert_eq!(ready, Some("True"));
    }

    /// The schema refuses what the planner would take no notice of, and nothing else.
    #[test]
    fn the_schema_refuses_to_switch_off_what_always_holds() {
        let schema = serde_json::to_value(PolicyProfile::crd()).unwrap();
        let rules = schema.pointer("/spec/versions/0/schema/openAPIV3Schema/properties/spec/x-kubernetes-validations");
        let rules = rules.and_then(|rules| rules.as_array()).unwrap();
        let rule =
            rules.iter().filter_map(|rule| rule["rule"].as_str()).find(|rule| rule.contains("g.enabled")).unwrap();
        for gate in GATES {
            assert_eq!(!gate.switchable, rule.contains(&format!("'{:?}'", gate.name)), "{:?}", gate.name);
        }
    }
}
