//! Two schemes that name one server.
#![allow(clippy::unwrap_used)]

use crate::world::World;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use qianyun_crds::{HostIntent, HostMigration, HostMigrationSpec, SystemMigration};
use qianyun_planning::claim::claimed_by;

/// A scheme called `name`, made in that hour, that names `db1`.
fn scheme(name: &str, hour: i8) -> SystemMigration {
    let mut migration = World::new().facts().migration;
    let made = format!("2026-11-02T{hour:02}:00:00Z").parse().unwrap();
    (migration.metadata.name, migration.metadata.creation_timestamp) = (Some(name.into()), Some(Time(made)));
    migration
}

fn journey(migration: &str, intent: HostIntent) -> HostMigration {
    let spec = HostMigrationSpec {
        migration_ref: migration.into(),
        host_ref: "db1".into(),
        scheme_digest: String::new(),
        intent,
        session: 1,
        attempt: 0,
    };
    HostMigration::new(&format!("{migration}-db1"), spec)
}

fn claims(journeys: &[HostMigration]) -> [Option<String>; 2] {
    let schemes = [scheme("later", 9), scheme("earlier", 8)];
    ["earlier", "later"].map(|name| {
        let own = schemes.iter().find(|m| m.metadata.name.as_deref() == Some(name)).unwrap();
        claimed_by(journeys, &schemes, own, "db1")
    })
}

#[test]
fn while_nobody_has_a_server_in_hand_it_is_of_the_scheme_that_named_it_first() {
    assert_eq!(claims(&[]), [None, Some("earlier".into())]);
    assert_eq!(claims(&[journey("later", HostIntent::Idle)]), [None, Some("earlier".into())]);
}

#[test]
fn what_is_in_hand_stays_there() {
    assert_eq!(claims(&[journey("later", HostIntent::Replicate)]), [Some("later".into()), None]);
    assert_eq!(claims(&[journey("earlier", HostIntent::Serve)]), [None, Some("earlier".into())]);
}

#[test]
fn of_two_that_were_made_in_the_same_second_one_goes_first() {
    let schemes = [scheme("b", 8), scheme("a", 8)];
    let claimed = schemes.each_ref().map(|own| claimed_by::<HostMigration, _>(&[], &schemes, own, "db1"));
    assert_eq!(claimed, [Some("a".into()), None]);
}

#[test]
fn a_server_that_one_scheme_names_is_its_own() {
    let mut other = scheme("earlier", 8);
    other.spec.scheme.hosts[0].host_ref = "db2".into();
    assert_eq!(claimed_by::<HostMigration, _>(&[], &[other], &scheme("later", 9), "db1"), None);
}
