//! Whose a server is when several migrations name it: one server has one journey at a time. Looks at schemes, so that people hear of
//! it while they write them, and at journeys, because what is in hand stays there.
//! Never decides which of two schemes is right.

use crate::facts::Known;
use qianyun_crds::{HostIntent, HostMigration, SystemMigration};
use std::borrow::Borrow;

/// The migration that goes before `migration` at a server: one that has it in hand, or, while none has, one whose scheme named it
/// earlier. All are of one namespace; where either list is not known, nor is this.
pub fn claimed_by<J: Borrow<HostMigration>, M: Borrow<SystemMigration>>(
    journeys: &Known<Vec<J>>,
    migrations: &Known<Vec<M>>,
    migration: &SystemMigration,
    host: &str,
) -> Known<String> {
    match (journeys, migrations) {
        (Known::Is(journeys), Known::Is(migrations)) => {
            claim(journeys, migrations, migration, host).map_or(Known::Absent, Known::Is)
        }
        (Known::Absent | Known::Unknown, _) | (_, Known::Absent | Known::Unknown) => Known::Unknown,
    }
}

fn claim<J: Borrow<HostMigration>, M: Borrow<SystemMigration>>(
    journeys: &[J],
    migrations: &[M],
    migration: &SystemMigration,
    host: &str,
) -> Option<String> {
    let own = migration.metadata.name.as_deref().unwrap_or_default();
    let in_hand = journeys.iter().map(Borrow::borrow).filter(|j| j.spec.host_ref == host && is_in_hand(j));
    let mut holders = in_hand.map(|j| j.spec.migration_ref.as_str()).peekable();
    if holders.peek().is_some() {
        return holders.find(|holder| *holder != own).map(str::to_owned);
    }
    let named =
        migrations.iter().map(Borrow::borrow).filter(|m| m.spec.scheme.hosts.iter().any(|h| h.host_ref == host));
    let earlier = named.filter(|m| age(m) < age(migration)).min_by_key(|m| age(m))?;
    earlier.metadata.name.clone()
}

fn is_in_hand(journey: &HostMigration) -> bool {
    journey.spec.intent != HostIntent::Idle
}

/// Orders migrations by when they were made; names are of one namespace, so no two are equal.
fn age(migration: &SystemMigration) -> impl Ord + '_ {
    let metadata = &migration.metadata;
    (metadata.creation_timestamp.as_ref().map(|at| at.0), metadata.name.as_deref())
}
