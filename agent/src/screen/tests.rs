//! Pictures of the terminal.

use super::*;
use crate::inventory::{collect, tests::office_server};
use crate::readiness;
use qianyun_agent_api::report::JourneyView;

fn results() -> Vec<CheckResult> {
    readiness::judge(&collect(&office_server(), None))
}

fn enrolled() -> Enrolled {
    Enrolled {
        server: "https://gw:8443".into(),
        namespace: "civil-affairs".into(),
        host: "mzj-db-01".into(),
        department: "市民政局".into(),
        system: "civil-registry".into(),
        declared_by: "张某".into(),
        declared_unix_ms: 1_790_000_000_000,
    }
}

#[test]
fn chinese_needs_a_utf8_locale_and_more_than_the_bare_console() {
    assert_eq!(Language::of_terminal("zh_CN.UTF-8", "xterm"), Language::Zh);
    assert_eq!(Language::of_terminal("en_US.utf8", "xterm"), Language::Zh);
    assert_eq!(Language::of_terminal("zh_CN.UTF-8", "linux"), Language::En);
    assert_eq!(Language::of_terminal("C", "xterm"), Language::En);
    assert_eq!(Language::of_terminal("", ""), Language::En);
}

#[test]
fn columns_line_up_by_display_width() {
    assert_eq!((width("主机 ab"), width("db-01")), (7, 5));
    assert_eq!(width(&pad("主机", 8)), 8);
    assert_eq!(pad("too long", 3), "too long");
}

#[test]
fn english_is_ascii_whatever_the_checks_say() {
    assert!(checks(&results(), true, Language::En).is_ascii());
}

#[test]
fn what_needs_attention_comes_first_with_its_way_out_and_the_rest_only_when_asked() {
    let short = checks(&results(), false, Language::Zh);
    assert!(short.starts_with("就绪检查 14 项  通过 13  注意 1  未通过 0  未知 0\n"), "{short}");
    assert!(short.contains("[注意]") && short.contains("怎么办") && !short.contains("[通过]"), "{short}");
    let long = checks(&results(), true, Language::Zh);
    assert_eq!(long.matches("[通过]").count(), 13, "{long}");
    assert!(long.find("[注意]") < long.find("[通过]"));
}

#[test]
fn status_says_phase_approvals_and_what_is_waited_for_in_both_languages() {
    let live = StatusFile {
        journey: JourneyView {
            phase: "Review".into(),
            approvals: "1/2".into(),
            waiting: "approval by the municipal office".into(),
            waiting_zh: "等待市政府办公室审批".into(),
            ..JourneyView::default()
        },
        ..StatusFile::default()
    };
    let zh = status("mzj-db-01", 0, &enrolled(), Some(&live), &results(), Language::Zh);
    assert!(zh.contains("单位: 市民政局") && zh.contains("已批 1/2") && zh.contains("等待市政府办公室审批"), "{zh}");
    let en = status("mzj-db-01", 0, &enrolled(), Some(&live), &results(), Language::En);
    assert!(en.contains("approvals 1/2") && en.contains("approval by the municipal office"), "{en}");
    let stopped = status("mzj-db-01", 0, &enrolled(), None, &results(), Language::En);
    assert!(stopped.contains("systemctl start qianyun-agent"), "{stopped}");
}
