//! What stands between a system and its next step, who can remove it, and how.

use super::Point;
use super::people::{listed, party, who};
use crate::action::Plan;
use crate::facts::Facts;
use crate::gate::judge;
use crate::reason::{Obstacle, Reason};
use crate::report::{Words, gate, time, words};
use crate::sequence::needs;
use crate::system_migration::next_step;
use crate::waiting::WaitingOn;
use jiff::Timestamp;
use qianyun_crds::Party;

/// Everything that is in the way.
pub(super) struct Obstacles {
    /// Whether a step comes next at all.
    goes_on: bool,
    /// Gates that do not pass.
    pub(super) gates: Vec<Obstacle>,
    /// What else waits for a person.
    pub(super) others: Vec<WaitingOn>,
}

impl Obstacles {
    /// The gates of the next step that do not pass, and what the plans wait for beside them.
    pub(super) fn find(facts: &Facts, plans: &[Plan], now: Timestamp) -> Self {
        let step = next_step(facts, now);
        let needed = step.map(needs).unwrap_or_default().iter();
        let mut gates: Vec<Obstacle> = needed.filter_map(|&gate| judge(gate, facts, now).at(gate)).collect();
        let mut others: Vec<WaitingOn> = Vec::new();
        for (plan, on) in plans.iter().filter_map(|plan| Some((plan, plan.waiting.as_ref()?))) {
            if let WaitingOn::Gate(obstacle) = on {
                if !gates.contains(obstacle) {
                    gates.push(obstacle.clone());
                }
            } else if !comes_by_itself(plan, on) && !others.contains(on) {
                others.push(on.clone());
            }
        }
        Obstacles { goes_on: step.is_some(), gates, others }
    }

    /// Whether there is none.
    pub(super) fn are_none(&self) -> bool {
        self.gates.is_empty() && self.others.is_empty()
    }

    /// As people read them.
    pub(super) fn points(&self, facts: &Facts) -> Vec<Point> {
        let others = self.others.iter().map(|on| other(facts, on));
        let points: Vec<Point> = others.chain(self.gates.iter().map(|o| closed(facts, o))).collect();
        match (points.is_empty(), self.goes_on) {
            (false, _) => points,
            (true, true) => vec![Point::plain("Nothing; the next step goes on", "无,下一步正常进行")],
            (true, false) => vec![Point::plain("Nothing; the migration is closed", "无,本次迁移已办结")],
        }
    }
}

fn other(facts: &Facts, on: &WaitingOn) -> Point {
    let mut under = vec![actor(&[party(facts, on.party())])];
    under.extend(how_to_end(on).map(|how| words(format!("How: {}", how.en), format!("办法:{}", how.zh))));
    Point::new(on.words(&facts.zone), under)
}

fn actor(names: &[Words]) -> Words {
    let names = listed(names);
    words(format!("Who: {}", names.en), format!("责任方:{}", names.zh))
}

fn closed(facts: &Facts, obstacle: &Obstacle) -> Point {
    let (title, basis) = (gate::title(obstacle.gate), gate::basis(obstacle.gate));
    let name = format!("{:?}", obstacle.gate);
    let state = if obstacle.known { words("closed", "未满足") } else { words("not known", "未知") };
    let text = words(
        format!("{name}, {} ({}): {}", title.en, basis.en, state.en),
        format!("{}({name},{}):{}", title.zh, basis.zh, state.zh),
    );
    let mut under = vec![obstacle.reason.words(&facts.zone), actor(&who(facts, obstacle))];
    if let Some(how) = how(obstacle) {
        under.push(words(format!("How: {}", how.en), format!("办法:{}", how.zh)));
    }
    if let Some(at) = obstacle.reason.ends_at() {
        let at = time::at(&facts.zone, at);
        under.push(words(
            format!("By itself: at {}, unless something else is in the way then", at.en),
            format!("到 {} 自动放行(届时无其他卡点)", at.zh),
        ));
    }
    Point::new(text, under)
}

/// What somebody has to do; `None` where nobody has to, or where the reason says it already.
pub(super) fn how(obstacle: &Obstacle) -> Option<Words> {
    let by_people = obstacle.party() != Party::Nobody;
    if let Reason::AgentSilent { .. } = obstacle.reason {
        return Some(words("see to the server, its agent and its network", "检查服务器、代理及其网络"));
    }
    // What an approval waits for is a gate of its own, with its own remedy.
    if let Reason::NotInEffect { .. } = obstacle.reason {
        return Some(words("open the gates that it names", "先满足上述各项"));
    }
    (obstacle.known && by_people && !obstacle.reason.asks_for_an_edit())
        .then(|| gate::how_with(obstacle.gate, &obstacle.reason))
}

/// What ends a waiting that says only what it is.
pub(super) fn how_to_end(on: &WaitingOn) -> Option<Words> {
    matches!(on, WaitingOn::Resumption).then(|| words("set spec.suspend to false", "将 spec.suspend 设为 false"))
}

/// Whether what a plan waits for comes without a person; so does what a server does once it hears of an action of the plan.
pub(super) fn comes_by_itself(plan: &Plan, on: &WaitingOn) -> bool {
    let answers = matches!(on, WaitingOn::FenceAcknowledgement { .. } | WaitingOn::SourceResumption { .. });
    on.party() == Party::Nobody || (answers && !plan.actions.is_empty())
}
