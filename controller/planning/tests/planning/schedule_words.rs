//! Words for windows, waves and time limits, in both languages: each says what is, and where somebody can act, what to do.
#![allow(clippy::unwrap_used)]

use crate::world::World;
use crate::zones::berlin;
use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use qianyun_planning::calendar::{Answer, Binding, Standing, WaveReason, WindowReason, Zone};
use qianyun_planning::preview::{Language, preview};
use qianyun_planning::report::{Words, left};
use qianyun_planning::system_migration;

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

fn said(words: &Words) -> (&str, &str) {
    (&words.en, &words.zh)
}

const FROM: &str = "2026-11-27T10:00:00Z";
const UNTIL: &str = "2026-11-27T18:00:00Z";

#[test]
fn every_reason_of_a_window_has_its_words() {
    let freeze = || "exam".to_string();
    let cases = [
        (
            WindowReason::NotYet { start: at(FROM) },
            "the window begins at 2026-11-27 18:00 (UTC+8)",
            "割接窗口于 2026-11-27 18:00 开始",
        ),
        (
            WindowReason::Over { end: at(UNTIL) },
            "the window was over at 2026-11-28 02:00 (UTC+8); another one is needed",
            "割接窗口已于 2026-11-28 02:00 结束,需另定窗口",
        ),
        (
            WindowReason::Frozen { freeze: freeze(), until: at(UNTIL) },
            "the freeze period \"exam\" lasts until 2026-11-28 02:00 (UTC+8)",
            "重保期“exam”至 2026-11-28 02:00 止,期间不割接",
        ),
        (
            WindowReason::LockedOut { since: at(FROM), end: at(UNTIL) },
            "nothing begins after 2026-11-27 18:00 (UTC+8), because the window ends at 2026-11-28 02:00; another one is needed",
            "窗口于 2026-11-28 02:00 结束,2026-11-27 18:00 后不再启动割接,需另定窗口",
        ),
        (
            WindowReason::Full { busy: 2, at_once: 2 },
            "other systems are being cut over (2), and the window allows 2 at once",
            "正在割接其他系统 2 个,窗口同时最多 2 个",
        ),
        (
            WindowReason::TooShort { left_seconds: 1800, needed_seconds: 7800 },
            "30m of the window are left, 2h10m are needed; lengthen it, or plan less for it",
            "窗口可用 30m,需要 2h10m;请延长窗口或减少安排",
        ),
        (
            WindowReason::InsideFreeze { freeze: freeze(), from: at(FROM), until: at(UNTIL) },
            "the window lies in the freeze period \"exam\", 2026-11-27 18:00 to 2026-11-28 02:00 (UTC+8); choose another one",
            "窗口位于重保期“exam”(2026-11-27 18:00 至 2026-11-28 02:00)内,请另选窗口",
        ),
    ];
    for (reason, en, zh) in cases {
        assert_eq!(said(&reason.words(&Zone::default())), (en, zh));
    }
}

#[test]
fn every_reason_of_a_wave_has_its_words() {
    let wave = || "one".to_string();
    let cases = [
        (
            WaveReason::NamedTwice { wave: wave() },
            "two waves are named \"one\"; rename one",
            "有两个批次名为“one”,请改名",
        ),
        (
            WaveReason::WindowUnfit { wave: wave(), reason: WindowReason::NotYet { start: at(FROM) } },
            "wave \"one\": the window begins at 2026-11-27 18:00 (UTC+8)",
            "批次“one”:割接窗口于 2026-11-27 18:00 开始",
        ),
        (
            WaveReason::TooManySystems { wave: wave(), systems: 17, fit: 16 },
            "wave \"one\" has 17 systems, 16 fit into its window; move some to another wave",
            "批次“one”有 17 个系统,其窗口可容纳 16 个,请移至其他批次",
        ),
        (
            WaveReason::OverCapacity { at: at(FROM), waves: vec![wave(), "two".into()], systems: 8, at_once: 7 },
            "from 2026-11-27 18:00 (UTC+8) on, the waves one, two have 8 systems under way, the plan allows 7 at once; move a window",
            "自 2026-11-27 18:00 起,批次 one、two 共 8 个系统同时割接,计划同时最多 7 个,请调整窗口",
        ),
    ];
    for (reason, en, zh) in cases {
        assert_eq!(said(&reason.words(&Zone::default())), (en, zh));
    }
}

#[test]
fn clocks_that_are_not_those_of_beijing_are_named_in_both_languages() {
    let words = WindowReason::NotYet { start: at(FROM) }.words(&berlin());
    let expected = ("the window begins at 2026-11-27 11:00 (UTC+1)", "割接窗口于 2026-11-27 11:00(UTC+1) 开始");
    assert_eq!(said(&words), expected);
    let locked = WindowReason::LockedOut { since: at(FROM), end: at(UNTIL) }.words(&berlin());
    let told_once =
        "nothing begins after 2026-11-27 11:00 (UTC+1), because the window ends at 2026-11-27 19:00; another";
    assert!(locked.en.starts_with(told_once), "{}", locked.en);
    // The night in which they are put back.
    let (from, until) = (at("2026-10-24T20:00:00Z"), at("2026-10-25T02:00:00Z"));
    let freeze = WindowReason::InsideFreeze { freeze: "exam".into(), from, until }.words(&berlin());
    assert!(freeze.en.contains("2026-10-24 22:00 (UTC+2) to 2026-10-25 03:00 (UTC+1);"), "{}", freeze.en);
    assert!(freeze.zh.contains("(2026-10-24 22:00(UTC+2) 至 2026-10-25 03:00(UTC+1))"), "{}", freeze.zh);
}

#[test]
fn what_people_read_of_a_system_is_told_by_the_clocks_of_its_policy() {
    let mut world = World::in_sync(&["db1"]);
    let start = world.migration.spec.scheme.window.start.0;
    world.migration.spec.scheme.rollback.latest_at = Time(at("2027-01-01T00:00:00Z"));
    let mut facts = world.facts();
    facts.zone = berlin();
    let window = format!("Window: {} to ", facts.zone.minute(start));
    let status = system_migration::status(&facts, None, world.now);
    let in_window = status.gates.iter().find(|g| g.message.contains("the window begins"));
    assert!(in_window.is_some_and(|g| g.message.contains("(UTC+1)")), "{:?}", status.gates);
    let english = preview(&facts, world.now).text(Language::English);
    let english = english.split_whitespace().collect::<Vec<_>>().join(" ");
    for told in [window.as_str(), "as of 2026-11-23 ", "Until 2027-01-01 01:00 (UTC+1) "] {
        assert!(english.contains(told), "{told} in {english}");
    }
    assert!(!english.contains("UTC+8"), "{english}");
}

#[test]
fn every_standing_of_a_time_limit_has_its_words() {
    let (due, on) = ("2026-06-04".parse().unwrap(), "2026-06-08".parse().unwrap());
    let reason = || "补正材料".to_string();
    let cases = [
        (
            Standing::Running { due, left_working_days: 9 },
            "due on 2026-06-04, 9 working days left",
            "2026-06-04 到期,剩余 9 个工作日",
        ),
        (
            Standing::Paused { since: on, reason: reason(), left_working_days: 3 },
            "paused since 2026-06-08: 补正材料; 3 working days will be left",
            "自 2026-06-08 起暂停计时(补正材料),尚余 3 个工作日",
        ),
        (
            Standing::Overdue { due, late_working_days: 2 },
            "was due on 2026-06-04, 2 working days ago",
            "已于 2026-06-04 到期,超期 2 个工作日",
        ),
        (
            Standing::Met { due: on, on: due },
            "done on 2026-06-04, due on 2026-06-08",
            "2026-06-04 办结,时限 2026-06-08",
        ),
        (
            Standing::Missed { due, on, late_working_days: 2 },
            "done on 2026-06-08, 2 working days after it was due on 2026-06-04",
            "2026-06-08 办结,时限 2026-06-04,超期 2 个工作日",
        ),
    ];
    for (standing, en, zh) in cases {
        assert_eq!(said(&standing.words()), (en, zh));
    }
}

#[test]
fn one_working_day_is_not_counted_as_many_and_what_is_past_is_called_overdue() {
    let due = "2026-06-04".parse().unwrap();
    let one = [
        (Standing::Running { due, left_working_days: 1 }, "due on 2026-06-04, 1 working day left"),
        (Standing::Overdue { due, late_working_days: 1 }, "was due on 2026-06-04, 1 working day ago"),
    ];
    for (standing, en) in one {
        assert_eq!(standing.words().en, en);
    }
    for (days, is_estimated, en, zh) in [
        (9, true, "~9 working days left", "剩余 ~9 个工作日"),
        (1, false, "1 working day left", "剩余 1 个工作日"),
        (0, false, "0 working days left", "剩余 0 个工作日"),
        (-1, false, "1 working day overdue", "超期 1 个工作日"),
        (-2, true, "~2 working days overdue", "超期 ~2 个工作日"),
    ] {
        assert_eq!(said(&left(days, is_estimated)), (en, zh));
    }
}

#[test]
fn a_promise_is_not_called_law() {
    assert_eq!(said(&Binding::Statutory.words()), ("statutory", "法定"));
    assert_eq!(said(&Binding::Target.words()), ("target", "目标"));
}

#[test]
fn an_estimate_says_which_notices_it_lacks() {
    let estimated = Answer::Estimated { value: 9, years: vec![2027, 2028] };
    assert_eq!(estimated.to_string(), "~9");
    assert_eq!(
        said(&estimated.caveat().unwrap()),
        (
            "estimated: the days off of 2027, 2028 are not announced, or their notice is not entered",
            "预计:2027、2028年放假安排尚未公布或未录入"
        )
    );
    assert_eq!(Answer::Official(9).caveat(), None);
}
