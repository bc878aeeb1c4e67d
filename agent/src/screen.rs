//! What people see on a terminal: two languages, columns by display width, words beside every symbol, exit codes.
//!
//! Every function here is from data to text; printing is done by the caller.

use crate::agent::status::StatusFile;
use crate::identity::Enrolled;
use jiff::{Timestamp, tz::TimeZone};
use qianyun_agent_api::check::{CheckResult, Outcome, Words};
use std::fmt::Write;

/// How a command ended, for scripts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Exit {
    /// Ready, or done.
    Ready = 0,
    /// Not ready, or not valid.
    NotReady = 1,
    /// Called in a wrong way.
    Usage = 2,
    /// Refused: classified, undeclared, or by the gateway.
    Refused = 3,
    /// The gateway cannot be reached.
    Unreachable = 4,
}

/// Language of the output.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Language {
    /// Chinese.
    Zh,
    /// English, ASCII.
    En,
}

impl Language {
    /// Chinese where it can be drawn: in a UTF-8 locale, and not on the bare Linux console.
    pub(crate) fn of_terminal(locale: &str, term: &str) -> Self {
        let utf8 = locale.to_lowercase().replace('-', "").contains("utf8");
        if utf8 && term != "linux" { Self::Zh } else { Self::En }
    }

    /// The text in this language.
    pub(crate) fn pick<'a>(self, zh: &'a str, en: &'a str) -> &'a str {
        match self {
            Self::Zh => zh,
            Self::En => en,
        }
    }

    fn words(self, words: &Words) -> &str {
        self.pick(&words.zh, &words.en)
    }

    fn outcome(self, outcome: Outcome) -> &'static str {
        match outcome {
            Outcome::Pass => self.pick("[通过]", "PASS"),
            Outcome::Info => self.pick("[说明]", "INFO"),
            Outcome::Warn => self.pick("[注意]", "WARN"),
            Outcome::Block => self.pick("[未通过]", "FAIL"),
            Outcome::Unknown => self.pick("[未知]", "UNKNOWN"),
        }
    }
}

/// Columns that `text` takes on a terminal: East Asian wide characters take two.
pub(crate) fn width(text: &str) -> usize {
    text.chars().map(|c| if is_wide(c) { 2 } else { 1 }).sum()
}

/// Wide ranges of the characters that appear in our texts and in names: CJK, its punctuation, full-width forms.
fn is_wide(c: char) -> bool {
    matches!(u32::from(c), 0x1100..=0x115F | 0x2E80..=0xA4CF | 0xAC00..=0xD7A3 | 0xF900..=0xFAFF | 0xFE30..=0xFE6F | 0xFF00..=0xFF60 | 0xFFE0..=0xFFE6 | 0x20000..=0x3FFFD)
}

/// `text` with blanks up to `columns`.
pub(crate) fn pad(text: &str, columns: usize) -> String {
    format!("{text}{}", " ".repeat(columns.saturating_sub(width(text))))
}

/// Local time for people; Beijing time is said where it is that.
pub(crate) fn clock(unix_ms: i64, language: Language) -> String {
    let Ok(instant) = Timestamp::from_millisecond(unix_ms) else { return "-".into() };
    let local = instant.to_zoned(TimeZone::system());
    let beijing = local.offset().seconds() == 8 * 3600;
    match (language, beijing) {
        (Language::Zh, true) => format!("{} (北京时间)", local.strftime("%Y-%m-%d %H:%M")),
        (Language::Zh | Language::En, _) => local.strftime("%Y-%m-%d %H:%M %z").to_string(),
    }
}

/// Results, those that need attention first; all of them with `all`.
pub(crate) fn checks(results: &[CheckResult], all: bool, language: Language) -> String {
    let count = |wanted: &[Outcome]| results.iter().filter(|r| wanted.contains(&r.outcome)).count();
    let (ok, warn) = (count(&[Outcome::Pass, Outcome::Info]), count(&[Outcome::Warn]));
    let (block, unknown) = (count(&[Outcome::Block]), count(&[Outcome::Unknown]));
    let total = results.len();
    let mut out = match language {
        Language::Zh => format!("就绪检查 {total} 项  通过 {ok}  注意 {warn}  未通过 {block}  未知 {unknown}\n"),
        Language::En => format!("Readiness: {total} checks, {ok} ok, {warn} warn, {block} fail, {unknown} unknown\n"),
    };
    let column = results.iter().map(|r| width(language.words(&r.title))).max().unwrap_or(0);
    let mut sorted: Vec<&CheckResult> = results.iter().collect();
    sorted.sort_by_key(|r| std::cmp::Reverse(r.outcome));
    for result in sorted.into_iter().filter(|r| all || !matches!(r.outcome, Outcome::Pass | Outcome::Info)) {
        let mark = pad(language.outcome(result.outcome), 8);
        let title = pad(language.words(&result.title), column);
        let _ = writeln!(out, "  {mark} {} {title}  {}", result.id, result.observed);
        if !result.fix.en.is_empty() {
            let _ = writeln!(out, "           {}{}", language.pick("要求: ", "required: "), result.required);
            let _ = writeln!(out, "           {}{}", language.pick("原因: ", "why: "), language.words(&result.why));
            let _ = writeln!(out, "           {}{}", language.pick("怎么办: ", "fix: "), language.words(&result.fix));
        }
    }
    if !all {
        let _ = writeln!(
            out,
            "  {}",
            language.pick("查看全部: qianyun-agent check --all", "all of them: qianyun-agent check --all")
        );
    }
    out
}

/// The whole of `status`.
pub(crate) fn status(
    hostname: &str,
    now: i64,
    enrolled: &Enrolled,
    live: Option<&StatusFile>,
    results: &[CheckResult],
    language: Language,
) -> String {
    let mut out = String::new();
    let declared = clock(enrolled.declared_unix_ms, language);
    let (title, host, at) = match language {
        Language::Zh => ("政务云迁移助手", "主机", "时间"),
        Language::En => ("Government cloud migration agent", "host", "time"),
    };
    let _ = writeln!(out, "{title}   {host}: {hostname}   {at}: {}", clock(now, language));
    let _ = match language {
        Language::Zh => writeln!(
            out,
            "单位: {}   系统: {}   声明: 非涉密 ({} {declared})\n",
            enrolled.department, enrolled.system, enrolled.declared_by
        ),
        Language::En => writeln!(
            out,
            "Department: {}   System: {}   Declared: non-classified ({declared})\n",
            enrolled.department, enrolled.system
        ),
    };
    out.push_str(&journey(live, language));
    out.push('\n');
    out.push_str(&checks(results, false, language));
    out.push('\n');
    out.push_str(&reporting(live, language));
    out
}

fn journey(live: Option<&StatusFile>, language: Language) -> String {
    let Some(live) = live else {
        let text = "代理服务未运行。请执行: systemctl start qianyun-agent\n";
        return language.pick(text, "The service is not running. Start it: systemctl start qianyun-agent\n").to_owned();
    };
    let journey = &live.journey;
    let phase = if journey.phase.is_empty() { "-" } else { &journey.phase };
    let approvals = if journey.approvals.is_empty() { "-" } else { &journey.approvals };
    let waiting = language.pick(&journey.waiting_zh, &journey.waiting);
    let waiting = if waiting.is_empty() { language.pick("无", "nothing") } else { waiting };
    let mut out = match language {
        Language::Zh => format!("当前阶段  {phase}   已批 {approvals}\n等待事项  {waiting}\n"),
        Language::En => format!("Phase: {phase}   approvals {approvals}\nWaiting for: {waiting}\n"),
    };
    for line in &live.activity {
        let _ = writeln!(out, "  {line}");
    }
    if let Some(refusal) = &live.local_refusal {
        let _ = writeln!(out, "{}{refusal}", language.pick("本机设置禁止: ", "Forbidden by this machine's own file: "));
    }
    out
}

fn reporting(live: Option<&StatusFile>, language: Language) -> String {
    let last = match live {
        Some(live) if live.last_report_unix_ms > 0 => clock(live.last_report_unix_ms, language),
        Some(_) | None => language.pick("尚无", "none yet").to_owned(),
    };
    let error = live.map(|live| live.last_error.as_str()).filter(|error| !error.is_empty());
    let mut out = match language {
        Language::Zh => format!(
            "上报  上次成功 {last}   内容: 硬件、系统版本、端口与进程名、磁盘用量\n      不上报: 业务数据、文件内容、账号口令\n"
        ),
        Language::En => format!(
            "Reports: last {last}   sent: hardware, system version, ports and process names, disk usage\n         never: business data, file contents, accounts, passwords\n"
        ),
    };
    if let Some(error) = error {
        let _ = writeln!(out, "{}{error}", language.pick("      最近的错误: ", "         last error: "));
    }
    out
}

#[cfg(test)]
mod tests;
