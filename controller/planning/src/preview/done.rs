//! What the controller does now: each action of the plan in a sentence, what the users of the system notice, and whether it can
//! be undone; and what it waits for meanwhile without anybody's help.

use super::Point;
use super::course::{interruption, users_notice};
use super::obstacles::{Obstacles, comes_by_itself};
use crate::action::{Action, Plan};
use crate::facts::Facts;
use crate::report::{Words, decision_words, time, words};
use crate::sequence::{Step, Undo};
use crate::waiting::WaitingOn;
use qianyun_crds::{DecisionKind, HostIntent};

/// What it does.
pub(super) fn points(facts: &Facts, plans: &[Plan], obstacles: &Obstacles) -> Vec<Point> {
    let mut points: Vec<Point> =
        plans.iter().flat_map(|plan| &plan.actions).map(|action| point(facts, action)).collect();
    let mut waits: Vec<Words> = Vec::new();
    for plan in plans {
        let words = waits_for(facts, plan).filter(|w| !waits.contains(w));
        waits.extend(words);
    }
    if points.is_empty() && waits.is_empty() {
        points.push(if obstacles.are_none() {
            Point::plain("Nothing", "无")
        } else {
            Point::plain("Nothing, as long as something stands in the way", "无,待卡点消除")
        });
    }
    points.extend(waits.into_iter().map(|text| Point::new(text, Vec::new())));
    points
}

/// What ends by itself. What does not is among the obstacles.
fn waits_for(facts: &Facts, plan: &Plan) -> Option<Words> {
    let zone = &facts.zone;
    let on = plan.waiting.as_ref().filter(|on| !matches!(on, WaitingOn::Gate(_)) && comes_by_itself(plan, on))?;
    let on_words = on.words(zone);
    let then =
        if plan.actions.is_empty() { words("It waits", "等待") } else { words("Then it waits", "随后等待") };
    let until = on.ends_at().map(|end| {
        let (minute, offset) = (zone.minute(end), zone.offset(end));
        words(format!(" (until {minute} {offset})"), format!("(至 {})", time::at(zone, end).zh))
    });
    let until = until.unwrap_or_else(|| words("", ""));
    Some(words(format!("{}: {}{}", then.en, on_words.en, until.en), format!("{}:{}{}", then.zh, on_words.zh, until.zh)))
}

fn point(facts: &Facts, action: &Action) -> Point {
    let mut under: Vec<Words> = noticed(facts, action).iter().map(users_notice).collect();
    under.push(undo(action).words());
    Point::new(said(action), under)
}

/// The action as a sentence.
fn said(action: &Action) -> Words {
    match action {
        Action::CreateJourney { host, .. } => words(
            format!("{host}: its journey is opened on paper; the server itself is not touched"),
            format!("{host}:建立迁移任务,不触及服务器本身"),
        ),
        Action::SetIntent { host, intent, attempt, .. } => of_intent(host, *intent, *attempt),
        Action::EnsureVolumes { host } => {
            words(format!("{host}: its volumes are made on the cloud"), format!("{host}:在云上创建云盘"))
        }
        Action::EnsureReceiver { host } => words(
            format!("{host}: the receiver that its copy goes to is started"),
            format!("{host}:启动接收其副本的接收端"),
        ),
        Action::StopReceiver { host } => words(
            format!("{host}: its receiver is stopped, so that nothing writes to the copy any more"),
            format!("{host}:停止接收端,副本不再写入"),
        ),
        Action::Decide { host, decision, .. } => match decision.kind {
            DecisionKind::Commit => words(
                format!("{host}: the commit of attempt {} is written", decision.attempt),
                format!("{host}:写入第 {} 次割接的提交决定", decision.attempt),
            ),
            DecisionKind::Abort => {
                let (attempt, why) = (decision.attempt, decision_words(decision));
                words(
                    format!("{host}: attempt {attempt} is aborted: {}", why.en),
                    format!("{host}:中止第 {attempt} 次割接:{}", why.zh),
                )
            }
        },
        Action::EnsureTarget { host } => {
            words(format!("{host}: its machine on the cloud is started"), format!("{host}:启动云主机"))
        }
        Action::RunProbes { host } => words(
            format!("{host}: it is tried whether the system answers from the cloud"),
            format!("{host}:验证系统能否在云上应答"),
        ),
    }
}

fn of_intent(host: &str, intent: HostIntent, attempt: i32) -> Words {
    match intent {
        HostIntent::Idle => {
            words(format!("{host}: copying stops, the copy is kept"), format!("{host}:停止同步,保留副本"))
        }
        HostIntent::Replicate => words(
            format!("{host}: its disks are copied to the cloud while it works"),
            format!("{host}:不停机将磁盘复制到云上"),
        ),
        HostIntent::Cutover => words(
            format!("{host}: attempt {attempt} of the cutover begins: services stop, disks freeze, both ends compare"),
            format!("{host}:开始第 {attempt} 次割接:停业务服务,冻结磁盘,两端核对"),
        ),
        HostIntent::Resume => words(
            format!("{host}: attempt {attempt} is taken back: disks thaw, services start again"),
            format!("{host}:回退第 {attempt} 次割接:解冻磁盘,恢复服务"),
        ),
        HostIntent::Fence => words(
            format!("{host}: it is told to go out of service and to power off"),
            format!("{host}:通知其退出服务并断电"),
        ),
        HostIntent::Serve => {
            words(format!("{host}: its machine on the cloud may take over"), format!("{host}:准许云主机接管"))
        }
    }
}

/// What the users of the system notice; `None` where it is nothing.
fn noticed(facts: &Facts, action: &Action) -> Option<Words> {
    match action {
        Action::SetIntent { intent, .. } => match intent {
            HostIntent::Cutover => Some(interruption(facts)),
            HostIntent::Replicate => Some(Step::Replicate.noticed()),
            HostIntent::Resume => Some(words("the service comes back on the old server", "服务在原服务器恢复")),
            HostIntent::Fence => Some(Step::Commit.noticed()),
            HostIntent::Idle | HostIntent::Serve => None,
        },
        Action::Decide { decision, .. } => match decision.kind {
            DecisionKind::Commit => Some(Step::Commit.noticed()),
            DecisionKind::Abort => Some(words("the service comes back on the old server", "服务在原服务器恢复")),
        },
        Action::EnsureTarget { .. } => Some(Step::Launch.noticed()),
        Action::CreateJourney { .. }
        | Action::EnsureVolumes { .. }
        | Action::EnsureReceiver { .. }
        | Action::StopReceiver { .. }
        | Action::RunProbes { .. } => None,
    }
}

/// How an action is taken back.
fn undo(action: &Action) -> Undo {
    match action {
        Action::CreateJourney { .. } => Undo::Papers,
        Action::SetIntent { intent, .. } => match intent {
            HostIntent::Idle | HostIntent::Replicate => Undo::StopCopying,
            HostIntent::Cutover | HostIntent::Resume => Undo::Abort,
            HostIntent::Fence | HostIntent::Serve => Undo::Irreversible,
        },
        Action::Decide { decision, .. } => match decision.kind {
            DecisionKind::Commit => Undo::Irreversible,
            DecisionKind::Abort => Undo::Abort,
        },
        Action::EnsureVolumes { .. } | Action::EnsureReceiver { .. } => Undo::StopCopying,
        Action::StopReceiver { .. } | Action::EnsureTarget { .. } | Action::RunProbes { .. } => Undo::Irreversible,
    }
}
