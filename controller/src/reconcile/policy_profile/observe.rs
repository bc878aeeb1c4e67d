//! All that has to be known beside the profile: which day it is.

use crate::calendar;
use jiff::Timestamp;
use jiff::civil::Date;
use qianyun_crds::PolicyProfile;

/// The day that an instant lies in, where the profile says that the offices are.
pub(super) fn day(profile: &PolicyProfile, now: Timestamp) -> Date {
    calendar::zone(Some(profile)).day(now)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_day_begins_where_the_offices_of_the_profile_are() {
        let numbers = serde_json::json!({"trialMonths": 3, "reviewTargetWorkingDays": 20, "inventoryMaxAgeDays": 30, "freezeLimitSeconds": 30});
        let spec = serde_json::json!({
            "title": "t", "titleZh": "t", "effectiveFrom": "2018-03-16", "planIssuers": [], "schemeConfirmer": "c", "roles": [],
            "schemeApprovers": [], "numbers": numbers,
        });
        let mut profile = PolicyProfile::new("p", serde_json::from_value(spec).unwrap());
        let now: Timestamp = "2026-11-23T16:30:00Z".parse().unwrap();
        assert_eq!(day(&profile, now).to_string(), "2026-11-24", "in Shanghai");
        profile.spec.time_zone = Some("UTC".into());
        assert_eq!(day(&profile, now).to_string(), "2026-11-23");
    }
}
