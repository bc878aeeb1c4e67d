//! Which other systems of a plan are being cut over at this moment, by the journeys that the watch shows and by what this leader
//! has written itself. Asks the API server nothing: the leader is alone in beginning attempts, and one at a time.
//!
//! A leader that is gone may have written one in its last moment; a new one lists the journeys after it has led, and so
//! counts it, unless the API server takes longer for that write than a lease lasts.

use crate::reconcile::Context;
use crate::reconcile::host_migration::is_urgent;
use kube::ResourceExt;
use kube::runtime::reflector::ObjectRef;
use qianyun_crds::{HostIntent, HostMigration, SystemMigration};
use qianyun_planning::facts::{Facts, Known, UnderWay, is_cut_over};
use std::collections::BTreeSet;
use std::sync::Arc;

/// The others. Not known until the watches have seen everything, and not asked where nothing rests on it.
pub(super) fn others(ctx: &Context, facts: &Facts) -> Known<Vec<UnderWay>> {
    let stores = ctx.stores();
    if !is_limited(facts) || !may_begin(facts) || !stores.are_ready() {
        return Known::Unknown;
    }
    let migration_of = |journey: &HostMigration| {
        let key = ObjectRef::new(&journey.spec.migration_ref).within(&journey.namespace()?);
        stores.migrations.get(&key).filter(|m| m.spec.plan_ref == facts.migration.spec.plan_ref)
    };
    let shown = stores.journeys.select(None, is_urgent).into_iter().filter_map(|journey| {
        let migration = migration_of(&journey)?;
        is_cut_over(&journey, &migration).then_some(migration)
    });
    let begun = ctx.memory().begun();
    let written = begun.iter().filter_map(|(key, attempt)| {
        let journey = stores.journeys.get(&ObjectRef::new(&key.name).within(&key.namespace))?;
        if journey.spec.attempt < *attempt { migration_of(&journey) } else { None }
    });
    let this = UnderWay::of(&facts.migration);
    let systems: BTreeSet<UnderWay> = shown.chain(written).map(|m: Arc<SystemMigration>| UnderWay::of(&m)).collect();
    Known::Is(systems.into_iter().filter(|system| *system != this).collect())
}

/// Whether the plan limits how many systems are cut over beside this one.
fn is_limited(facts: &Facts) -> bool {
    facts.wave().is_some() || facts.plan.get().is_some_and(|plan| plan.spec.cutovers_at_once.is_some())
}

/// Whether an attempt may be about to begin.
fn may_begin(facts: &Facts) -> bool {
    let journeys = facts.hosts.iter().filter_map(|h| h.journey.get());
    journeys.into_iter().any(|j| j.spec.intent == HostIntent::Replicate)
}

#[cfg(test)]
mod tests;
