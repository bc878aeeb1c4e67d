//! Gathers the calendars of other years.

use crate::reconcile::Context;
use crate::world::{Source, whole_city};
use kube::ResourceExt;
use qianyun_crds::WorkCalendar;
use qianyun_planning::facts::Known;

/// What is known beside the calendar.
pub(super) struct Found {
    /// The other calendars.
    pub(super) others: Known<Vec<WorkCalendar>>,
}

/// Looks.
pub(super) async fn observe(ctx: &Context, calendar: &WorkCalendar) -> Found {
    let name = calendar.name_any();
    let others = |list: Vec<WorkCalendar>| list.into_iter().filter(|c| c.name_any() != name).collect();
    Found { others: whole_city(ctx, &ctx.stores().calendars, Source::Watch).await.map(others) }
}
