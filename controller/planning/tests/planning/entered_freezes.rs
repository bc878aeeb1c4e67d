//! Freeze periods that operators entered as objects: when they hold, and whom they concern.
#![allow(clippy::unwrap_used)]

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use qianyun_crds::{FreezeEffect, FreezeOccasion, FreezePeriodSpec, FreezeScope, FreezeScopeKind, FrozenSystem};
use qianyun_planning::calendar::entered::concerns;
use qianyun_planning::calendar::{Freeze, FreezeError};

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

fn scope(kind: FreezeScopeKind) -> FreezeScope {
    FreezeScope { kind, departments: vec![], systems: vec![] }
}

/// 3 to 12 March in Beijing.
fn two_sessions(mode: FreezeEffect) -> FreezePeriodSpec {
    FreezePeriodSpec {
        title: "2026年全国两会".into(),
        occasion: FreezeOccasion::NationalTwoSessions,
        from: Time(at("2026-03-03T00:00:00+08:00")),
        until: Time(at("2026-03-13T00:00:00+08:00")),
        mode,
        scope: scope(FreezeScopeKind::Everything),
        source_document: None,
        entered_by: "li".into(),
    }
}

#[test]
fn an_entered_period_holds_from_its_first_instant_to_right_before_its_last() {
    let freeze = Freeze::try_from(&two_sessions(FreezeEffect::Block)).unwrap();
    let instants = ["2026-03-02T15:59:59Z", "2026-03-02T16:00:00Z", "2026-03-12T15:59:59Z", "2026-03-12T16:00:00Z"];
    assert_eq!(instants.map(|i| freeze.holds(at(i))), [false, true, true, false]);
    assert_eq!(freeze.name(), "2026年全国两会");
}

#[test]
fn an_entered_period_does_what_its_mode_says() {
    let blocks = |mode| Freeze::try_from(&two_sessions(mode)).unwrap().blocks();
    assert_eq!([FreezeEffect::Block, FreezeEffect::Warn].map(blocks), [true, false]);
}

#[test]
fn an_object_from_before_the_schema_is_refused_and_no_panic() {
    let mut spec = two_sessions(FreezeEffect::Block);
    spec.until = spec.from.clone();
    assert!(matches!(Freeze::try_from(&spec), Err(FreezeError::Reversed { .. })));
    spec.title = " ".into();
    assert_eq!(Freeze::try_from(&spec), Err(FreezeError::NoName));
}

#[test]
fn a_period_concerns_whom_it_names_and_nobody_else() {
    let asked = |scope: &FreezeScope| {
        let registry = concerns(scope, "civil-affairs", "civil-affairs", "registry");
        let dispatch = concerns(scope, "water", "water", "dispatch");
        // A name alone is not a system: two departments may have one of the same name.
        let namesake = concerns(scope, "water", "water", "registry");
        [registry, dispatch, namesake]
    };
    let department = FreezeScope { departments: vec!["civil-affairs".into()], ..scope(FreezeScopeKind::Departments) };
    let system = FreezeScope {
        systems: vec![FrozenSystem { namespace: "civil-affairs".into(), name: "registry".into() }],
        ..scope(FreezeScopeKind::Systems)
    };
    assert_eq!(asked(&scope(FreezeScopeKind::Everything)), [true, true, true]);
    assert_eq!(asked(&department), [true, false, false]);
    assert_eq!(asked(&system), [true, false, false]);
}
