//! What follows: every step from the next one to the end, in the order of `sequence.rs`, each with what it still needs, what
//! users notice, and whether it can be undone.

use super::Point;
use super::people::listed;
use crate::facts::Facts;
use crate::gate::judge;
use crate::order::{down_seconds, launch_order};
use crate::report::{Words, gate, size, time, words};
use crate::sequence::{Line, SEQUENCE, Step, Undo};
use crate::system_migration::next_step;
use jiff::Timestamp;
use qianyun_crds::{GateName, HookMoment, SchemeHost};

/// The steps.
pub(super) fn points(facts: &Facts, now: Timestamp) -> Vec<Point> {
    let Some(next) = next_step(facts, now) else {
        return vec![Point::plain("Nothing; every old server is where it belongs", "无,全部原服务器均已落实去向")];
    };
    // What the next step needs is said where it is in the way.
    let mut said: Vec<GateName> = crate::sequence::needs(next).to_vec();
    let coming = SEQUENCE.iter().filter(|line| line.step >= next);
    coming
        .map(|line| {
            let mut under = particulars(facts, line.step);
            under.push(users_notice(&noticed(facts, line.step)));
            under.push(undo(line));
            under.extend(still_needed(facts, line, &mut said, now));
            Point::new(line.step.words(), under)
        })
        .collect()
}

/// What the users notice, as a line.
pub(super) fn users_notice(what: &Words) -> Words {
    words(format!("Users notice: {}", what.en), format!("用户影响:{}", what.zh))
}

fn noticed(facts: &Facts, step: Step) -> Words {
    if step != Step::Cutover {
        return step.noticed();
    }
    interruption(facts)
}

/// The point of no return is marked once, where it is.
fn undo(line: &Line) -> Words {
    if line.undo == Undo::Irreversible && line.step > Step::Commit {
        return words("cannot be undone any more, since the commit", "自提交起不可撤销");
    }
    line.undo.words()
}

/// Gates of a later step that do not pass yet, each named once.
fn still_needed(facts: &Facts, line: &Line, said: &mut Vec<GateName>, now: Timestamp) -> Option<Words> {
    let new = |gate: &&GateName| !said.contains(gate) && !judge(**gate, facts, now).passes();
    let needed: Vec<GateName> = line.needs.iter().filter(new).copied().collect();
    said.extend(&needed);
    let titles: Vec<Words> = needed.into_iter().map(gate::title).collect();
    let titles = listed(&titles);
    (!titles.en.is_empty())
        .then(|| words(format!("Before it, not so yet: {}", titles.en), format!("此前尚需满足:{}", titles.zh)))
}

/// What the scheme and the policy say of a step.
fn particulars(facts: &Facts, step: Step) -> Vec<Words> {
    let scheme = &facts.migration.spec.scheme;
    match step {
        Step::Replicate => scheme.hosts.iter().map(disks).collect(),
        Step::Cutover => {
            let span = time::span(&facts.zone, scheme.window.start.0, scheme.window.end.0);
            let window = words(format!("Window: {}", span.en), format!("窗口:{}", span.zh));
            std::iter::once(window).chain(scheme.hosts.iter().flat_map(hooks)).collect()
        }
        Step::Launch if scheme.hosts.len() > 1 => launch_order(scheme).iter().map(|hosts| order(hosts)).collect(),
        Step::Trial => facts.policy.get().map_or_else(Vec::new, |policy| {
            let months = policy.spec.numbers.trial_months;
            vec![words(format!("It lasts {months} calendar months at least"), format!("不少于 {months} 个自然月"))]
        }),
        Step::Commit | Step::Launch | Step::Accept | Step::Close => Vec::new(),
    }
}

fn disks(host: &SchemeHost) -> Words {
    let bytes = host.disks.iter().map(|d| d.size_bytes).fold(0_i64, i64::saturating_add);
    let (name, count, size) = (&host.host_ref, host.disks.len(), size(bytes));
    let noun = if count == 1 { "disk" } else { "disks" };
    words(format!("{name}: {count} {noun}, {size}"), format!("{name}:{count} 块磁盘,{size}"))
}

/// Each program of the admin's own that an attempt runs.
fn hooks(host: &SchemeHost) -> impl Iterator<Item = Words> {
    host.hooks.iter().map(move |hook| {
        let at = match hook.at {
            HookMoment::BeforeStop => words("before the services are stopped", "停服务前"),
            HookMoment::BeforeFreeze => words("after the services are stopped", "停服务后"),
            HookMoment::AfterResume => words("if the attempt is aborted", "割接中止后"),
        };
        let (name, host) = (&hook.name, &host.host_ref);
        words(
            format!("{host}: runs {name}, of its own admin, {}", at.en),
            format!("{host}:{}运行本机管理员的 {name}", at.zh),
        )
    })
}

fn order(hosts: &[&SchemeHost]) -> Words {
    let names: Vec<Words> = hosts.iter().map(|h| words(&h.host_ref, &h.host_ref)).collect();
    let names = listed(&names);
    words(format!("In this order: {}", names.en), format!("顺序:{}", names.zh))
}

/// For how long users are without the service, as far as it can be said before: at most until the decision, and by the
/// rehearsal in all.
pub(super) fn interruption(facts: &Facts) -> Words {
    let spec = &facts.migration.spec;
    let freeze_seconds = facts.policy.get().map_or(0, |p| i64::from(p.spec.numbers.freeze_limit_seconds));
    let seconds = down_seconds(&spec.scheme).saturating_add(freeze_seconds);
    let budget = spec.scheme.downtime_budget_minutes;
    let longest = lasting(seconds);
    let mut en = format!("the service stops, for {} at most if the attempt is aborted", longest.en);
    let mut zh = format!("服务暂停,如中止割接则最长 {}", longest.zh);
    if let Some(rehearsed) = spec.rehearsal.as_ref().filter(|r| r.digest == facts.digest) {
        let minutes = rehearsed.downtime_minutes;
        en.push_str(&format!("; about {minutes} minutes in all, as rehearsed"));
        zh.push_str(&format!(";按演练全程约 {minutes} 分钟"));
    }
    words(format!("{en}; the department accepts {budget} minutes"), format!("{zh};部门可接受 {budget} 分钟"))
}

/// A length of time in whole words, never shorter than it is.
fn lasting(seconds: i64) -> Words {
    if seconds < 120 {
        return words(format!("{seconds} seconds"), format!("{seconds} 秒"));
    }
    let minutes = seconds.saturating_add(59) / 60;
    words(format!("{minutes} minutes"), format!("{minutes} 分钟"))
}
