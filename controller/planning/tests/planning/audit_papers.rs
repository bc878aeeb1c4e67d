//! Papers that are no decisions, on record: that they came, say something else, and are gone, each once and with the name on it.
#![allow(clippy::unwrap_used)]

use crate::record::Record;
use crate::world::{AUTHOR, NAMESPACE, World, custody_record, freeze_period, waiver};
use jiff::ToSpan;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use qianyun_crds::{
    CustodyDisposition, FreezeEffect, FreezeScope, FreezeScopeKind, Incident, IncidentGrade, SystemDependency,
};
use qianyun_planning::audit::{Event, found};
use qianyun_planning::facts::{Facts, Known};

/// Looks, twice as always, and says what that added.
fn added(record: &mut Record, facts: &Facts, world: &World) -> Vec<String> {
    let before = record.entries.len();
    for _ in 0..2 {
        record.append(found::of_system(&record.state, facts, world.now), world.now, world.epoch);
    }
    assert_eq!(record.read_again(), record.state, "a controller that starts anew knows as much");
    let word = |entry: &qianyun_planning::audit::Entry| {
        let (by, what) = (entry.actor.as_deref().unwrap_or("-"), &entry.subject);
        match &entry.event {
            Event::PaperEntered { .. } => Some(format!("{what} entered by {by}")),
            Event::PaperWithdrawn {} => Some(format!("{what} withdrawn")),
            _ => None,
        }
    };
    record.entries[before..].iter().filter_map(word).collect()
}

fn incident(world: &World) -> Incident {
    Incident {
        number: 1,
        occurred_at: Time(world.now),
        grade: IncidentGrade::General,
        impact: "slow".into(),
        action: "restarted".into(),
        reported_to: None,
        resolved_at: None,
    }
}

#[test]
fn a_paper_is_on_record_when_it_comes_changes_and_goes() {
    let (mut world, mut record) = (World::new(), Record::new());
    (world.migration.spec.rehearsal, world.migration.spec.security_in_use) = (None, None);
    let at_first = added(&mut record, &world.facts(), &world);
    let (declared_by, policy) = (&world.system.spec.declaration.declared_by, "PolicyProfile/suining-2018 entered by -");
    assert_eq!(
        at_first[..],
        [
            format!("Declaration entered by {declared_by}"),
            "Catalogue entered by -".into(),
            "Grading entered by -".into(),
            "PlatformProtection/suining entered by -".into(),
            policy.into()
        ]
    );
    world.prove();
    world.migration.spec.incidents.push(incident(&world));
    let came = added(&mut record, &world.facts(), &world);
    assert_eq!(
        came,
        [
            format!("Rehearsal entered by {AUTHOR}"),
            format!("SecurityInUse entered by {AUTHOR}"),
            "Incident/1 entered by -".into()
        ]
    );
    world.migration.spec.incidents[0].resolved_at = Some(Time(world.now));
    assert_eq!(added(&mut record, &world.facts(), &world), ["Incident/1 entered by -"]);
    world.migration.spec.incidents.clear();
    assert_eq!(added(&mut record, &world.facts(), &world), ["Incident/1 withdrawn"]);
    // Whoever changes who decides is seen to have changed the rules.
    let Known::Is(rules) = &mut world.policy else { panic!() };
    rules.spec.scheme_approvers.push("department".into());
    assert_eq!(added(&mut record, &world.facts(), &world), [policy]);
    world.unread.policy = true;
    assert_eq!(added(&mut record, &world.facts(), &world), [] as [&str; 0]);
}

#[test]
fn waivers_and_custody_are_on_record_and_are_not_gone_because_they_cannot_be_read() {
    let (mut world, mut record) = (World::in_sync(&["db1"]), Record::new());
    added(&mut record, &world.facts(), &world);
    world.waivers.push(waiver("db1", "ST-02", "uid-db1", "2026-12-31"));
    world.custody.push(custody_record("c1", "db1", CustodyDisposition::InCustody, "2026-12-01"));
    world.custody.push(custody_record("c2", "of-another-system", CustodyDisposition::InCustody, "2026-12-01"));
    let waiver_name = world.waivers[0].metadata.name.clone().unwrap();
    let expected =
        [format!("CheckWaiver/{waiver_name} entered by op-wang"), "CustodyRecord/c1 entered by op-wang".into()];
    assert_eq!(added(&mut record, &world.facts(), &world), expected);
    let mut unread = world.facts();
    (unread.custody, unread.hosts[0].waivers) = (Known::Unknown, Known::Unknown);
    assert_eq!(added(&mut record, &unread, &world), [] as [&str; 0]);
    // Which servers are the system's is not known then, so no paper of one is gone.
    let mut without_journeys = world.facts();
    without_journeys.hosts[0].journey = Known::Unknown;
    (without_journeys.custody, without_journeys.hosts[0].waivers) = (Known::Is(Vec::new()), Known::Is(Vec::new()));
    assert_eq!(added(&mut record, &without_journeys, &world), [] as [&str; 0]);
    world.waivers.clear();
    world.custody.clear();
    let gone = [format!("CheckWaiver/{waiver_name} withdrawn"), "CustodyRecord/c1 withdrawn".into()];
    assert_eq!(added(&mut record, &world.facts(), &world), gone);
}

#[test]
fn grading_and_dependencies_are_on_record_with_what_each_says_of_a_gate() {
    let (mut world, mut record) = (World::new(), Record::new());
    added(&mut record, &world.facts(), &world);
    // Each of these opens a gate that was closed.
    world.system.spec.mlps.as_mut().unwrap().filing_no = "F-3".into();
    assert_eq!(added(&mut record, &world.facts(), &world), ["Grading entered by -"]);
    world.platform.spec.mlps.next_due = "2028-01-01".into();
    assert_eq!(added(&mut record, &world.facts(), &world), ["PlatformProtection/suining entered by -"]);
    let wanted = |reachable| SystemDependency {
        namespace: NAMESPACE.into(),
        name: "land-registry".into(),
        reachable_across_boundary: reachable,
    };
    let of_dependency = |what: &str| format!("Dependency/{NAMESPACE}/land-registry {what}");
    for reachable in [false, true] {
        world.system.spec.dependencies = vec![wanted(reachable)];
        assert_eq!(added(&mut record, &world.facts(), &world), [of_dependency("entered by -")]);
    }
    // What opens none is no paper.
    world.platform.spec.capacity.cpus += 1;
    world.system.spec.display_name.push('s');
    assert_eq!(added(&mut record, &world.facts(), &world), [] as [&str; 0]);
    (world.system.spec.mlps, world.system.spec.dependencies) = (None, Vec::new());
    let mut unread = world.facts();
    (unread.system, unread.platform) = (Known::Unknown, Known::Unknown);
    assert_eq!(added(&mut record, &unread, &world), [] as [&str; 0]);
    let mut deleted = world.facts();
    deleted.platform = Known::Absent;
    let gone = of_dependency("withdrawn");
    let gone = [gone.as_str(), "Grading withdrawn", "PlatformProtection/suining withdrawn"];
    assert_eq!(added(&mut record, &deleted, &world), gone);
}

#[test]
fn a_freeze_period_is_on_record_while_it_concerns_the_system_with_who_entered_it() {
    let (mut world, mut record) = (World::new(), Record::new());
    added(&mut record, &world.facts(), &world);
    let until = world.now.checked_add(48.hours()).unwrap();
    let of = |kind, departments: &[&str]| FreezeScope {
        kind,
        departments: departments.iter().map(ToString::to_string).collect(),
        systems: Vec::new(),
    };
    for name in ["congress", "flood"] {
        world.freezes.push(freeze_period(name, world.now, until, FreezeEffect::Block));
    }
    world.freezes[1].spec.scope = of(FreezeScopeKind::Departments, &["of-others"]);
    let entered = ["FreezePeriod/congress entered by op-wang"];
    assert_eq!(added(&mut record, &world.facts(), &world), entered);
    // Shorter, or a warning only: either lets a cutover begin that could not.
    world.freezes[0].spec.until = Time(world.now.checked_add(1.hours()).unwrap());
    assert_eq!(added(&mut record, &world.facts(), &world), entered);
    (world.freezes[0].spec.mode, world.freezes[0].spec.entered_by) = (FreezeEffect::Warn, "op-zhao".into());
    assert_eq!(added(&mut record, &world.facts(), &world), ["FreezePeriod/congress entered by op-zhao"]);
    world.freezes[0].spec.scope = of(FreezeScopeKind::Departments, &["of-others"]);
    assert_eq!(added(&mut record, &world.facts(), &world), ["FreezePeriod/congress withdrawn"]);
    let department = world.system.spec.department_ref.clone();
    world.freezes[1].spec.scope = of(FreezeScopeKind::Departments, &[&department]);
    assert_eq!(added(&mut record, &world.facts(), &world), ["FreezePeriod/flood entered by op-wang"]);
    world.freezes.clear();
    let mut unread = world.facts();
    unread.freezes = Known::Unknown;
    assert_eq!(added(&mut record, &unread, &world), [] as [&str; 0]);
    let mut of_nobody = world.facts();
    of_nobody.system = Known::Absent;
    assert_eq!(added(&mut record, &of_nobody, &world), [] as [&str; 0]);
    assert_eq!(added(&mut record, &world.facts(), &world), ["FreezePeriod/flood withdrawn"]);
}
