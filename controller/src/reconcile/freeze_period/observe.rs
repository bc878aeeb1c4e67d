//! Looks for the departments and systems that a period names.

use crate::reconcile::Context;
use crate::world::{Source, city, local};
use qianyun_crds::FreezePeriod;
use qianyun_planning::facts::Known;

/// What is known beside the period.
pub(super) struct Found {
    /// The first of the departments and systems that is not there: `Absent` if all are.
    pub(super) missing: Known<String>,
}

/// Looks.
pub(super) async fn observe(ctx: &Context, period: &FreezePeriod) -> Found {
    let scope = &period.spec.scope;
    for name in &scope.departments {
        let department = city(ctx, &ctx.stores().departments, name, Source::Watch).await;
        if let Some(missing) = missing(&department, || format!("the department {name:?}")) {
            return Found { missing };
        }
    }
    for wanted in &scope.systems {
        let system = local(ctx, &ctx.stores().systems, &wanted.namespace, &wanted.name, Source::Watch).await;
        if let Some(missing) = missing(&system, || format!("the system {}/{}", wanted.namespace, wanted.name)) {
            return Found { missing };
        }
    }
    Found { missing: Known::Absent }
}

fn missing<K>(found: &Known<K>, what: impl FnOnce() -> String) -> Option<Known<String>> {
    match found {
        Known::Is(_) => None,
        Known::Absent => Some(Known::Is(what())),
        Known::Unknown => Some(Known::Unknown),
    }
}
