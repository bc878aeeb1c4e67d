//! Time zones: Asia/Shanghai by default, any other from the bytes of its file; what clocks skip or show twice is refused.
#![allow(clippy::unwrap_used)]

use jiff::Timestamp;
use jiff::civil::{Date, DateTime};
use qianyun_planning::calendar::zone::check_name;
use qianyun_planning::calendar::{Zone, ZoneError, day};

/// The file of a zone with one rule for all years (RFC 8536): two empty tables, then the rule as POSIX writes it.
fn tzif(rule: &str) -> Vec<u8> {
    let mut table = b"TZif2".to_vec();
    table.extend([0; 15]);
    // Counts: UT marks, standard marks, leap seconds, transitions, types, characters of names.
    for count in [0_u32, 0, 0, 0, 1, 4] {
        table.extend(count.to_be_bytes());
    }
    table.extend(3600_i32.to_be_bytes());
    table.extend([0, 0]);
    table.extend(b"CET\0");
    [table.clone(), table, format!("\n{rule}\n").into_bytes()].concat()
}

/// Clocks go from 02:00 to 03:00 on the last Sunday of March, and from 03:00 to 02:00 on the last of October.
pub(crate) fn berlin() -> Zone {
    Zone::from_database("Europe/Berlin", &tzif("CET-1CEST,M3.5.0,M10.5.0/3")).unwrap()
}

fn t(text: &str) -> DateTime {
    text.parse().unwrap()
}

fn d(text: &str) -> Date {
    text.parse().unwrap()
}

fn instant(zone: &Zone, time: &str) -> String {
    zone.instant(t(time)).unwrap().to_string()
}

#[test]
fn the_default_is_shanghai_and_agrees_with_how_beijing_reads_instants() {
    let zone = Zone::default();
    assert_eq!((zone.name(), &zone), ("Asia/Shanghai", &Zone::shanghai()));
    for text in ["2026-11-30T15:59:59Z", "2026-11-30T16:00:00Z", "2027-07-01T00:00:00Z"] {
        let at: Timestamp = text.parse().unwrap();
        assert_eq!((zone.day(at), zone.offset(at)), (day(at), "UTC+8".into()));
    }
}

#[test]
fn a_time_on_the_wall_is_one_instant() {
    assert_eq!(instant(&Zone::shanghai(), "2026-11-27T18:00"), "2026-11-27T10:00:00Z");
    assert_eq!(instant(&berlin(), "2026-11-27T18:00"), "2026-11-27T17:00:00Z");
    assert_eq!(instant(&berlin(), "2026-07-01T18:00"), "2026-07-01T16:00:00Z", "in summer");
    assert_eq!(berlin().name(), "Europe/Berlin");
    assert_eq!(berlin().minute("2026-07-01T16:00:59Z".parse().unwrap()), "2026-07-01 18:00");
}

#[test]
fn an_offset_is_the_one_of_that_day_to_the_minute() {
    let offset = |zone: &Zone, at: &str| zone.offset(at.parse().unwrap());
    assert_eq!(["2026-11-27T17:00:00Z", "2026-07-01T16:00:00Z"].map(|at| offset(&berlin(), at)), ["UTC+1", "UTC+2"]);
    let of = |rule: &str| offset(&Zone::from_database("Etc/Test", &tzif(rule)).unwrap(), "2026-11-27T17:00:00Z");
    assert_eq!(["UTC0", "<+0545>-5:45", "<-0930>9:30", "EST5"].map(of), ["UTC+0", "UTC+5:45", "UTC-9:30", "UTC-5"]);
}

#[test]
fn a_day_lasts_from_its_first_instant_to_that_of_the_next() {
    let length = |zone: &Zone, day: &str| {
        let (begin, end) = (zone.begin_of(d(day)).unwrap(), zone.end_of(d(day)).unwrap());
        assert_eq!((zone.day(begin), zone.day(end)), (d(day), d(day).tomorrow().unwrap()));
        end.duration_since(begin).as_hours()
    };
    assert_eq!(length(&Zone::shanghai(), "2027-03-28"), 24);
    assert_eq!(["2027-03-28", "2027-10-31", "2027-11-01"].map(|day| length(&berlin(), day)), [23, 25, 24]);
}

#[test]
fn a_day_whose_midnight_is_skipped_begins_later() {
    let zone = Zone::from_database("Africa/Cairo", &tzif("EET-2EEST,M4.5.5/0,M10.5.4/24")).unwrap();
    assert_eq!(zone.begin_of(d("2027-04-30")).unwrap().to_string(), "2027-04-29T22:00:00Z");
    assert_eq!(zone.minute("2027-04-29T22:00:00Z".parse().unwrap()), "2027-04-30 01:00");
}

#[test]
fn a_time_that_the_clocks_skip_is_refused() {
    let error = berlin().instant(t("2027-03-28T02:30")).unwrap_err();
    assert_eq!(error, ZoneError::Skipped { time: t("2027-03-28T02:30"), zone: "Europe/Berlin".into() });
    let words = "2027-03-28T02:30:00 does not exist in Europe/Berlin, whose clocks are put forward over it";
    assert_eq!(error.to_string(), format!("{words}: choose a time before or after"));
}

#[test]
fn a_time_that_the_clocks_show_twice_is_refused() {
    let error = berlin().instant(t("2027-10-31T02:30")).unwrap_err();
    assert_eq!(error, ZoneError::Twice { time: t("2027-10-31T02:30"), zone: "Europe/Berlin".into() });
    let words = "2027-10-31T02:30:00 comes twice in Europe/Berlin, whose clocks are put back";
    assert_eq!(error.to_string(), format!("{words}: choose another, or give its offset, as +08:00"));
}

#[test]
fn a_time_beyond_what_can_be_counted_is_refused() {
    let zone = || "Asia/Shanghai".to_string();
    let error = Zone::shanghai().instant(DateTime::MIN).unwrap_err();
    assert_eq!(error, ZoneError::OutOfRange { time: DateTime::MIN, zone: zone() });
    assert_eq!(error.to_string(), "-009999-01-01T00:00:00 in Asia/Shanghai cannot be counted: correct the year");
    let last = Zone::shanghai().end_of(Date::MAX).unwrap_err();
    assert!(matches!(last, ZoneError::OutOfRange { .. }), "{last:?}");
}

#[test]
fn a_name_that_leads_out_of_the_folder_of_zones_is_refused() {
    for name in ["Asia/Shanghai", "Etc/GMT+8", "America/Argentina/ComodRivadavia", "UTC", "Asia/Ust-Nera"] {
        assert_eq!(check_name(name), Ok(()), "{name}");
    }
    let long = "A".repeat(65);
    for name in ["", "/etc/passwd", "../../etc/passwd", "Asia/../../passwd", "Asia//Shanghai", "Asia/", "上海", &long]
    {
        assert_eq!(check_name(name), Err(ZoneError::NotAName { found: name.into() }));
        assert!(Zone::from_database(name, &tzif("CST-8")).is_err());
    }
    let words = check_name("../x").unwrap_err().to_string();
    assert_eq!(words, "time zone \"../x\": expected a name of the iana database, as Asia/Shanghai");
}

#[test]
fn a_file_that_is_no_zone_is_refused() {
    let whole = tzif("CST-8");
    for bytes in [&b""[..], b"TZif", b"root:x:0:0", &whole[..whole.len() / 2]] {
        let error = Zone::from_database("Asia/Urumqi", bytes).unwrap_err();
        assert_eq!(error, ZoneError::NotAZone { name: "Asia/Urumqi".into() });
        let words = "time zone Asia/Urumqi: its file is not of the format tzif; install the package tzdata again";
        assert_eq!(error.to_string(), words);
    }
}
