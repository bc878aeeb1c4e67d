//! What people read of a system's migration before something happens: where it stands, what the controller does now, what is
//! in the way, what passes only just, what follows and cannot be undone, and who has to do what by when. In plain words, in both languages.
//!
//! It shows the plan that the controller would carry out on the same facts, and decides nothing. What is not known it
//! calls so.

mod course;
mod days;
mod done;
mod obstacles;
mod people;
mod place;
mod text;

pub use text::Language;

use crate::action::Plan;
use crate::facts::Facts;
use crate::policy_notice::PolicyNotice;
use crate::report::{Words, time, words};
use crate::{caution, host_migration, policy_notice, system_migration};
use jiff::Timestamp;
use obstacles::Obstacles;

/// A preview.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Preview {
    /// What it is about, and of when it is.
    pub title: Words,
    /// What has to be known of the rules before anything else: they have expired, or leave out what the law asks for. Mostly none.
    pub notices: Vec<Words>,
    /// Its parts, none of them empty.
    pub sections: Vec<Section>,
}

/// One part of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Section {
    /// What it answers.
    pub title: Words,
    /// The answers.
    pub points: Vec<Point>,
}

/// One answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Point {
    /// The sentence.
    pub text: Words,
    /// What belongs to it.
    pub under: Vec<Words>,
}

impl Point {
    fn new(text: Words, under: Vec<Words>) -> Self {
        Point { text, under }
    }

    fn plain(en: impl Into<String>, zh: impl Into<String>) -> Self {
        Point::new(words(en, zh), Vec::new())
    }
}

/// The preview of a migration at an instant.
pub fn preview(facts: &Facts, now: Timestamp) -> Preview {
    let plans = plans(facts, now);
    let obstacles = Obstacles::find(facts, &plans, now);
    let section = |en: &str, zh: &str, points| Section { title: words(en, zh), points };
    let cautions = caution::of(facts).iter().map(|caution| Point::new(caution.words(), Vec::new())).collect();
    let mut preview = Preview {
        title: title(facts, now),
        notices: policy_notice::of(facts, now).iter().map(PolicyNotice::words).collect(),
        sections: vec![
            section("Where it stands", "当前阶段", place::points(facts, now)),
            section("What the controller does now", "系统当前动作", done::points(facts, &plans, &obstacles)),
            section("What stands in the way", "卡点", obstacles.points(facts)),
            section("What is worth a look", "提示", cautions),
            section("What follows, step by step", "后续步骤", course::points(facts, now)),
            section("Who has to do what, and by when", "责任与时限", days::points(facts, &obstacles, now)),
        ],
    };
    preview.sections.retain(|section| !section.points.is_empty());
    preview
}

impl Preview {
    /// The same, of facts that were read from the cluster by somebody who is not the controller: says whose word is taken for
    /// what cannot be read there.
    pub fn read_by_a_person(mut self) -> Self {
        let note = Point::plain(
            "Read from the cluster, not asked anew: who may approve, what agents reported and how machines are, is \
             as the controller last wrote it",
            "读自集群,未重新核实:审批人权限、代理上报及云主机状态,以控制器最近一次写入为准",
        );
        if let Some(place) = self.sections.first_mut() {
            place.points.insert(1, note);
        }
        self
    }
}

/// The system's plan, then those of the servers that are under way. What the system waits for because a server does is said
/// once.
fn plans(facts: &Facts, now: Timestamp) -> Vec<Plan> {
    let under_way = facts.hosts.iter().filter(|h| h.journey.get().is_some());
    let mut plans: Vec<Plan> = under_way.map(|h| host_migration::plan(facts, &h.name, now)).collect();
    let mut system = system_migration::plan(facts, now);
    if plans.iter().any(|plan| plan.waiting == system.waiting) {
        system.waiting = None;
    }
    plans.insert(0, system);
    plans
}

fn title(facts: &Facts, now: Timestamp) -> Words {
    let meta = &facts.migration.metadata;
    let object =
        format!("{}/{}", meta.namespace.as_deref().unwrap_or_default(), meta.name.as_deref().unwrap_or_default());
    let named = facts.system.get().map_or_else(
        || words(&facts.migration.spec.system_ref, &facts.migration.spec.system_ref),
        |s| words(&s.spec.display_name, &s.spec.display_name_zh),
    );
    let owner = people::party(facts, qianyun_crds::Party::Department);
    let at = time::at(&facts.zone, now);
    words(
        format!("{} of {} ({object}), as of {}", named.en, owner.en, at.en),
        format!("{}({},{object}),截至 {}", named.zh, owner.zh, at.zh),
    )
}
