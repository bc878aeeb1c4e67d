//! Which days are worked, and where they begin: the objects that operators entered, and the machine's database of time zones.
//! Judges nothing: a calendar that does not hold together is left out here, and says so itself.

use crate::reconcile::Context;
use crate::world::{Source, whole_city};
use qianyun_crds::{PolicyProfile, WorkCalendar};
use qianyun_planning::calendar::zone::check_name;
use qianyun_planning::calendar::{AnnouncedYear, Calendar, Notice, Zone};
use qianyun_planning::facts::Known;
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

/// Where a system keeps the IANA database.
const ZONES: &str = "/usr/share/zoneinfo";

/// The built-in notices, with those that operators entered laid over them. Judged once for each state of the objects.
pub(crate) async fn days(ctx: &Context, source: Source) -> Known<Arc<Calendar>> {
    let entered = whole_city(ctx, &ctx.stores().calendars, source).await;
    entered.map(|entered| {
        let version = |c: &WorkCalendar| (c.metadata.uid.clone(), c.metadata.resource_version.clone());
        let mut versions: Vec<_> = entered.iter().map(version).collect();
        versions.sort_unstable();
        ctx.memory().calendar(versions, || of(&entered))
    })
}

/// Of two notices for one year the one whose object was made first holds; admission names an object after its year, so
/// that there are never two.
pub(crate) fn of(entered: &[WorkCalendar]) -> Calendar {
    let mut years: BTreeMap<i16, AnnouncedYear> = BTreeMap::new();
    let mut oldest_first: Vec<&WorkCalendar> = entered.iter().collect();
    oldest_first.sort_by_key(|c| c.metadata.creation_timestamp.as_ref().map(|t| t.0));
    for calendar in oldest_first {
        if let Ok(year) = Notice::from(&calendar.spec).check() {
            years.entry(year.year()).or_insert(year);
        }
    }
    Calendar::new(years.into_values().collect()).unwrap_or_else(|_| Calendar::built_in())
}

/// The zone of a policy. One that this machine does not know falls back to the default, and the policy's condition says so.
pub(crate) fn zone(policy: Option<&PolicyProfile>) -> Zone {
    let name = policy.and_then(|p| p.spec.time_zone.as_deref());
    name.and_then(|name| named(name).ok()).unwrap_or_default()
}

/// A zone by its name; the sentence says what is wrong with it.
pub(crate) fn named(name: &str) -> Result<Zone, String> {
    let default = Zone::default();
    if name == default.name() {
        return Ok(default);
    }
    check_name(name).map_err(|error| error.to_string())?;
    let bytes = std::fs::read(Path::new(ZONES).join(name))
        .map_err(|_| format!("the time zone {name:?} is not in this machine's database; {} is used", default.name()))?;
    Zone::from_database(name, &bytes).map_err(|error| error.to_string())
}
