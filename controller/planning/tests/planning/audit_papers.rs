//! Papers that are no decisions, on record: that they came, say something else, and are gone, each once and with the name on it.
#![allow(clippy::unwrap_used)]

use crate::record::Record;
use crate::world::{AUTHOR, World, custody_record, waiver};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use qianyun_crds::{CustodyDisposition, Incident, IncidentGrade};
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
        [format!("Declaration entered by {declared_by}"), "Catalogue entered by -".into(), policy.into()]
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
