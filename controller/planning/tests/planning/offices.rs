//! Which office a policy leaves out, whatever a city calls its roles; and that what the chart brings along leaves out none.
#![allow(clippy::unwrap_used)]

use crate::world::World;
use qianyun_crds::{Party, PolicyProfileSpec};
use qianyun_planning::facts::Known;
use qianyun_planning::offices::left_out;

/// The policy of 2018, changed.
fn policy(change: impl FnOnce(&mut PolicyProfileSpec)) -> PolicyProfileSpec {
    let Known::Is(policy) = World::new().policy else { panic!() };
    let mut spec = policy.spec;
    change(&mut spec);
    spec
}

/// What is missing, in English and Chinese.
fn said(spec: &PolicyProfileSpec) -> Vec<(String, String)> {
    left_out(spec).iter().map(|missing| (missing.words().en, missing.words().zh)).collect()
}

fn missing(office: &str, field: &str) -> (String, String) {
    let zh = if office == "smart-city office" { "市智慧办" } else { "市政府办公室" };
    (format!("the {office} in {field}"), format!("{field} 中的{zh}"))
}

const MGO: &str = "municipal government office";
const SCO: &str = "smart-city office";
const ISSUERS: &str = "spec.planIssuers";
const APPROVERS: &str = "spec.schemeApprovers";

#[test]
fn the_policies_that_the_chart_brings_along_leave_out_no_office() {
    assert_eq!(said(&policy(|_| {})), []);
    for example in [
        include_str!("../../../../charts/qianyun/examples/10-policy-2018.yaml"),
        include_str!("../../../../charts/qianyun/examples/11-policy-2025.yaml"),
    ] {
        // The same parties and lists as those that were judged above; the API server reads the whole files.
        for line in [
            "{name: municipalGovernmentOffice, ",
            "party: mgo}",
            "{name: smartCityOffice, ",
            "party: sco}",
            "planIssuers: [municipalGovernmentOffice, smartCityOffice]",
            "schemeApprovers: [municipalGovernmentOffice, smartCityOffice]",
        ] {
            assert!(example.contains(line), "{line} in {example}");
        }
    }
}

#[test]
fn an_office_is_known_by_its_party_and_not_by_what_a_city_calls_it() {
    let renamed = policy(|spec| {
        spec.roles[1].name = "dataBureau".into();
        (spec.plan_issuers[1], spec.scheme_approvers[1]) = ("dataBureau".into(), "dataBureau".into());
    });
    assert_eq!(said(&renamed), []);
    let more = policy(|spec| {
        spec.plan_issuers.push("department".into());
        spec.scheme_approvers.push("department".into());
        spec.scheme_confirmer = "nobody".into();
    });
    assert_eq!(said(&more), [], "more may be asked than the law asks");
}

#[test]
fn each_list_that_leaves_out_an_office_is_named() {
    let one = policy(|spec| spec.plan_issuers = vec!["smartCityOffice".into()]);
    assert_eq!(said(&one), [missing(MGO, ISSUERS)]);
    let twice = policy(|spec| spec.roles[1].party = Party::MunicipalGovernmentOffice);
    assert_eq!(said(&twice), [missing(SCO, ISSUERS), missing(SCO, APPROVERS)], "two roles of one office are one");
    for party in [Party::Department, Party::Operator, Party::Nobody] {
        let other = policy(|spec| spec.roles[0].party = party);
        assert_eq!(said(&other), [missing(MGO, ISSUERS), missing(MGO, APPROVERS)], "{party:?} is no office");
    }
    let unknown = policy(|spec| spec.scheme_approvers[0] = "mayor".into());
    assert_eq!(said(&unknown), [missing(MGO, APPROVERS)]);
}

#[test]
fn who_confirms_for_the_department_is_not_heard_as_an_office_as_well() {
    let confirms = policy(|spec| spec.scheme_confirmer = "smartCityOffice".into());
    assert_eq!(said(&confirms), [missing(SCO, ISSUERS), missing(SCO, APPROVERS)]);
}
