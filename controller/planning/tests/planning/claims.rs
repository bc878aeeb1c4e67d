//! Two schemes that name one server.
#![allow(clippy::unwrap_used)]

use crate::world::World;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use qianyun_crds::{HostIntent, HostMigration, HostMigrationSpec, SystemMigration};
use qianyun_planning::claim::claimed_by;
use qianyun_planning::facts::Known;

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

fn earlier() -> Known<String> {
    Known::Is("earlier".into())
}

fn later() -> Known<String> {
    Known::Is("later".into())
}

fn claims(journeys: &[HostMigration]) -> [Known<String>; 2] {
    let schemes = [scheme("later", 9), scheme("earlier", 8)];
    ["earlier", "later"].map(|name| {
        let own = schemes.iter().find(|m| m.metadata.name.as_deref() == Some(name)).unwrap();
        claimed_by(&Known::Is(journeys.to_vec()), &Known::Is(schemes.to_vec()), own, "db1")
    })
}

#[test]
fn while_nobody_has_a_server_in_hand_it_is_of_the_scheme_that_named_it_first() {
    assert_eq!(claims(&[]), [Known::Absent, earlier()]);
    assert_eq!(claims(&[journey("later", HostIntent::Idle)]), [Known::Absent, earlier()]);
}

#[test]
fn what_is_in_hand_stays_there() {
    assert_eq!(claims(&[journey("later", HostIntent::Replicate)]), [later(), Known::Absent]);
    assert_eq!(claims(&[journey("earlier", HostIntent::Serve)]), [Known::Absent, earlier()]);
}

#[test]
fn of_two_that_were_made_in_the_same_second_one_goes_first() {
    let schemes = [scheme("b", 8), scheme("a", 8)];
    let none = Known::Is(Vec::<HostMigration>::new());
    let claimed = schemes.each_ref().map(|own| claimed_by(&none, &Known::Is(schemes.to_vec()), own, "db1"));
    assert_eq!(claimed, [Known::Is("a".into()), Known::Absent]);
}

#[test]
fn a_server_that_one_scheme_names_is_its_own() {
    let mut other = scheme("earlier", 8);
    other.spec.scheme.hosts[0].host_ref = "db2".into();
    let none = Known::Is(Vec::<HostMigration>::new());
    assert_eq!(claimed_by(&none, &Known::Is(vec![other]), &scheme("later", 9), "db1"), Known::Absent);
}

#[test]
fn whose_a_server_is_is_not_known_while_a_list_is_not() {
    let (own, none) = (scheme("later", 9), Known::Is(Vec::<HostMigration>::new()));
    assert_eq!(claimed_by(&none, &Known::<Vec<SystemMigration>>::Unknown, &own, "db1"), Known::Unknown);
    let schemes = Known::Is(vec![own.clone()]);
    assert_eq!(claimed_by(&Known::<Vec<HostMigration>>::Unknown, &schemes, &own, "db1"), Known::Unknown);
}
