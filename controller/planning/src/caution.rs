//! What passes, but only just: worth a look before the cutover. It is shown, and nothing waits for it: what has to be waited for is a
//! gate. These are the checks of the target and of the cutover that can warn (docs/regulation.md, TG and CO).

use crate::facts::{Facts, Known};
use crate::gate::{downtime_forecast, volumes_to_make};
use qianyun_crds::{CautionKind, SourceAccess};

/// One thing that is worth a look.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Caution {
    /// The volumes find room, and leave less than a fifth of their size beside them (TG-02).
    RoomTight {
        /// Bytes of the volumes that are still to be made.
        needed: i64,
        /// Bytes free at the platform.
        free: i64,
    },
    /// The interruption to be expected is more than half of what the department accepts (CO-02).
    DowntimeTight {
        /// Minutes to be expected.
        forecast_minutes: i64,
        /// Minutes accepted.
        budget_minutes: i64,
    },
    /// A server that was switched off is switched on again only by somebody beside it (CO-05).
    SourceOnSiteOnly,
}

/// All that is worth a look, as long as a cutover is still to come.
pub fn of(facts: &Facts) -> Vec<Caution> {
    if facts.any_committed() {
        return Vec::new();
    }
    let access = facts.migration.spec.scheme.rollback.source_access;
    let on_site = (access == Some(SourceAccess::OnSite)).then_some(Caution::SourceOnSiteOnly);
    [room_tight(facts), downtime_tight(facts), on_site].into_iter().flatten().collect()
}

fn room_tight(facts: &Facts) -> Option<Caution> {
    let Known::Is(free) = facts.free_storage_bytes else { return None };
    let (needed, free) = (volumes_to_make(facts), i64::try_from(free).unwrap_or(i64::MAX));
    let tight = needed > 0 && free < needed.saturating_add(needed / 5);
    tight.then_some(Caution::RoomTight { needed, free })
}

fn downtime_tight(facts: &Facts) -> Option<Caution> {
    let (forecast_minutes, budget_minutes) = downtime_forecast(facts);
    let tight = forecast_minutes * 2 > budget_minutes;
    tight.then_some(Caution::DowntimeTight { forecast_minutes, budget_minutes })
}

impl Caution {
    /// Its name in the API.
    pub fn kind(&self) -> CautionKind {
        match self {
            Caution::RoomTight { .. } => CautionKind::RoomTight,
            Caution::DowntimeTight { .. } => CautionKind::DowntimeTight,
            Caution::SourceOnSiteOnly => CautionKind::SourceOnSiteOnly,
        }
    }
}
