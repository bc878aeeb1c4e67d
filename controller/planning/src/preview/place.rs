//! Where a system stands: its phase, who has decided, how far each server is, and what is not known.

use super::Point;
use super::people::{listed, role};
use crate::approval::{Judged, judge, scheme_subject};
use crate::facts::{Facts, HostFacts, Known};
use crate::phase::phase;
use crate::reason::Asked;
use crate::report::waiting::copy;
use crate::report::{Words, phase as phases, words};
use jiff::Timestamp;
use qianyun_crds::{Decision, DecisionEffect, HostIntent, Phase};

/// Where it stands.
pub(super) fn points(facts: &Facts, now: Timestamp) -> Vec<Point> {
    let phase = phase(facts, now);
    let named = phases::phase(phase);
    let mut points = vec![Point::new(
        words(format!("Phase {phase:?}: {}", named.en), format!("{}(阶段 {phase:?})", named.zh)),
        vec![served(phase)],
    )];
    points.extend(said_by_the_controller(facts, phase));
    points.extend(suspended(facts));
    points.extend(unknown(facts));
    points.push(Point::new(
        words(
            format!("Decisions on the scheme {}", short(&facts.digest)),
            format!("对方案 {} 的决定", short(&facts.digest)),
        ),
        decisions(facts),
    ));
    if !facts.hosts.is_empty() {
        let hosts = facts.hosts.iter().map(server).collect();
        points.push(Point::new(words("Servers", "服务器"), hosts));
    }
    points
}

/// Whence the users are served.
fn served(phase: Phase) -> Words {
    match phase {
        Phase::Drafting
        | Phase::Review
        | Phase::Returned
        | Phase::Approved
        | Phase::Replicating
        | Phase::Rehearsing
        | Phase::Rehearsed
        | Phase::Scheduled => words("its users are served by the old servers", "目前由原服务器提供服务"),
        Phase::CuttingOver => words("its users are not served just now", "目前暂停服务"),
        Phase::RollingBack => words("the service is coming back on the old servers", "正在原服务器上恢复服务"),
        Phase::Provisional | Phase::Trial | Phase::Acceptance | Phase::Accepted | Phase::Closed => {
            words("its users are served from the cloud", "目前由云上提供服务")
        }
    }
}

/// A digest as people compare it: what kubectl shows begins the same.
fn short(digest: &str) -> String {
    digest.chars().take(19).collect()
}

/// Whoever has fewer facts than the controller sees another phase; then both are shown.
fn said_by_the_controller(facts: &Facts, phase: Phase) -> Option<Point> {
    let status = facts.migration.status.as_ref()?;
    let said = status.phase.filter(|said| *said != phase)?;
    let (named, of) = (phases::phase(said), |text: &Option<String>| text.clone().unwrap_or_default());
    Some(Point::new(
        words(
            format!("The controller, which may know more, said last: {said:?}, {}", named.en),
            format!("控制器(所知可能更多)上次结论:{}({said:?})", named.zh),
        ),
        vec![words(of(&status.message), of(&status.message_zh))].into_iter().filter(|w| !w.en.is_empty()).collect(),
    ))
}

fn suspended(facts: &Facts) -> Option<Point> {
    if !facts.migration.spec.suspend {
        return None;
    }
    if facts.any_committed() {
        let text = words(
            "Suspended by spec.suspend, too late to stop the cutover: what was decided is carried out",
            "已由 spec.suspend 暂停,但割接已决定提交,将继续执行到底",
        );
        return Some(Point::new(text, Vec::new()));
    }
    Some(Point::plain("Suspended: nothing new is begun", "已暂停:不启动任何新步骤"))
}

fn unknown(facts: &Facts) -> Option<Point> {
    let found: Vec<Words> = unknowns(facts).into_iter().map(Asked::words).collect();
    let found = listed(&found);
    (!found.en.is_empty()).then(|| {
        Point::plain(
            format!("Not known just now, so nothing passes on it: {}", found.en),
            format!("暂时无法得知,不作为通过依据:{}", found.zh),
        )
    })
}

fn unknowns(facts: &Facts) -> Vec<Asked> {
    fn is<T>(known: &Known<T>) -> bool {
        matches!(known, Known::Unknown)
    }
    let permission = |f: &Facts| {
        let asked = f.approvals.get().into_iter().flatten();
        asked.into_iter().any(|a| a.authorised == crate::facts::Authorisation::Unknown)
    };
    let any_host = |of: fn(&HostFacts) -> bool| facts.hosts.iter().any(of);
    [
        (is(&facts.policy), Asked::Policy),
        (is(&facts.plan), Asked::Plan),
        (is(&facts.platform), Asked::Platform),
        (is(&facts.system), Asked::System),
        (is(&facts.approvals), Asked::Approvals),
        (permission(facts), Asked::Permission),
        (is(&facts.freezes), Asked::Freezes),
        (is(&facts.custody), Asked::Custody),
        (is(&facts.left_out), Asked::LeftOut),
        (is(&facts.free_storage_bytes) || is(&facts.taken), Asked::FreeStorage),
        (any_host(|h| is(&h.host)), Asked::Host),
        (any_host(|h| is(&h.journey)), Asked::Journey),
        (any_host(|h| is(&h.waivers)), Asked::Waivers),
        (any_host(|h| h.committed() && h.hosting.machine == crate::facts::Machine::Unknown), Asked::Machine),
    ]
    .into_iter()
    .filter_map(|(unknown, what)| unknown.then_some(what))
    .collect()
}

/// What each role that the scheme needs has decided.
fn decisions(facts: &Facts) -> Vec<Words> {
    let (Known::Is(policy), Known::Is(approvals)) = (&facts.policy, &facts.approvals) else {
        return vec![words("not known", "未知")];
    };
    let subject = scheme_subject(facts, &policy.spec);
    let judged = judge(&subject, &policy.spec, approvals);
    let decided = |(gate, name): &(qianyun_crds::GateName, &str)| {
        let mut of_role = judged.iter().filter(|j| j.gate == *gate && j.role == *name);
        let who = role(facts, &policy.spec, name);
        let found =
            of_role.find_map(|j| decision(facts, j)).unwrap_or_else(|| words("has not decided yet", "尚未决定"));
        words(format!("{} {}", who.en, found.en), format!("{}{}", who.zh, found.zh))
    };
    subject.asked.iter().map(decided).collect()
}

/// What a decision says; `None` if it does not count.
fn decision(facts: &Facts, judged: &Judged) -> Option<Words> {
    let (by, on) = (&judged.by, facts.day(judged.at));
    match (judged.effect, judged.decision) {
        (DecisionEffect::Accepted, Decision::Approve) => {
            Some(words(format!("agreed: {by}, {on}"), format!("已同意:{by},{on}")))
        }
        (DecisionEffect::Accepted, Decision::Return) => Some(words(
            format!("returned it: {by}, {on}: {}", judged.opinion),
            format!("已退回:{by},{on}:{}", judged.opinion),
        )),
        (DecisionEffect::AuthorizationUnknown, _) => Some(words(
            format!("decided, but whether {by} may is not known"),
            format!("已作决定,但暂无法确认 {by} 的权限"),
        )),
        (
            DecisionEffect::SubjectNotFound
            | DecisionEffect::DigestMismatch
            | DecisionEffect::SelfApproval
            | DecisionEffect::NotAuthorized
            | DecisionEffect::SamePersonTwice
            | DecisionEffect::RoleNotRequired
            | DecisionEffect::Superseded,
            _,
        ) => None,
    }
}

fn server(host: &HostFacts) -> Words {
    let name = &host.name;
    let found = match &host.journey {
        Known::Unknown => words("not known", "未知"),
        Known::Absent => words("not begun, nothing was done to it", "未开始,未对其做任何操作"),
        Known::Is(journey) => under_way(host, journey.spec.intent, journey.spec.attempt),
    };
    words(format!("{name}: {}", found.en), format!("{name}:{}", found.zh))
}

fn under_way(host: &HostFacts, intent: HostIntent, attempt: i32) -> Words {
    match intent {
        HostIntent::Idle => words("works as before, is not being copied", "照常运行,未在同步"),
        HostIntent::Replicate => {
            let far = host.replication().map_or_else(|| words("no report", "未上报"), copy);
            words(format!("works, and is being copied: {}", far.en), format!("照常运行,正在同步:{}", far.zh))
        }
        HostIntent::Cutover if host.committed() => words("committed, goes out of service", "已决定提交,正在退出服务"),
        HostIntent::Cutover => {
            words(format!("attempt {attempt} of the cutover is under way"), format!("第 {attempt} 次割接进行中"))
        }
        HostIntent::Resume => {
            words(format!("goes back to work after attempt {attempt}"), format!("第 {attempt} 次割接后正在恢复服务"))
        }
        HostIntent::Fence => words("committed, goes out of service", "已决定提交,正在退出服务"),
        HostIntent::Serve if host.adapted() => words("served from the cloud", "已由云上提供服务"),
        HostIntent::Serve => words("is being taken over by the cloud", "正在由云上接管"),
    }
}
