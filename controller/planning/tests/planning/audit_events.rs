//! What is put on record, as the controller does it: after each look what was found, before each action what is intended. Nothing
//! twice, whatever crashes; nothing that cannot be undone without its entry; every way around the offices with an entry of its own.

use crate::record::Record;
use crate::world::World;
use proptest::prelude::*;
use qianyun_crds::{
    Decision::{Approve, Return},
    DecisionEffect, DecisionKind, GateName, GateSwitch, HostIntent, Phase,
};
use qianyun_planning::action::{Action, Plan};
use qianyun_planning::audit::{Deed, Event, found};
use qianyun_planning::facts::{Known, Receiver};
use qianyun_planning::{host_migration, phase, system_migration};

const MGO: &str = "municipalGovernmentOffice";
const SCO: &str = "smartCityOffice";

/// Looks at the whole system, as both reconcilers do, and records what is found.
fn look(world: &World, record: &mut Record) {
    let facts = world.facts();
    for server in &world.servers {
        let plan = host_migration::plan(&facts, &server.name, world.now);
        record.append(found::of_host(&record.state, &facts, &server.name, &plan, true), world.now, world.epoch);
    }
    record.append(found::of_system(&record.state, &facts, world.now), world.now, world.epoch);
}

/// A second passes, recorded. `crash` is how many further steps the controller lives: one for an intention, one for an action.
fn tick(world: &mut World, record: &mut Record, crash: &mut Option<usize>) {
    world.pass(1);
    world.step_servers();
    let names: Vec<String> = world.servers.iter().map(|s| s.name.clone()).collect();
    round(world, record, crash, None);
    names.iter().for_each(|name| round(world, record, crash, Some(name)));
    look(world, record);
}

fn dies(world: &mut World, record: &mut Record, crash: &mut Option<usize>) -> bool {
    match crash {
        Some(0) => {
            *crash = None;
            world.epoch += 1;
            world.servers.iter_mut().for_each(crate::world::Server::forget_reports);
            record.state = record.read_again();
            true
        }
        Some(left) => {
            *left -= 1;
            false
        }
        None => false,
    }
}

fn round(world: &mut World, record: &mut Record, crash: &mut Option<usize>, host: Option<&str>) {
    look(world, record);
    let facts = world.facts();
    let plan =
        host.map_or_else(|| system_migration::plan(&facts, world.now), |h| host_migration::plan(&facts, h, world.now));
    world.write_status(host.unwrap_or("system"), &plan);
    let facts = world.facts();
    if dies(world, record, crash) {
        return;
    }
    record.append(found::intended(&record.state, &facts, &plan), world.now, world.epoch);
    assert!(found::intended(&record.state, &facts, &plan).is_empty(), "intended twice: {plan:?}");
    for action in &plan.actions {
        if dies(world, record, crash) {
            return;
        }
        world.carry_out(action);
        if let (Some(deed), true) = (Deed::of(action), action.is_irreversible()) {
            let on_record = |event: &&Event| matches!(event, Event::Intended { deed: found } if *found == deed);
            assert!(record.events().into_iter().any(|e| on_record(&e)), "without its entry: {action:?}");
        }
    }
}

fn until(world: &mut World, record: &mut Record, what: &str, done: impl Fn(&World) -> bool) {
    for _ in 0..3600 {
        if done(world) {
            return;
        }
        tick(world, record, &mut None);
    }
    panic!("never: {what}");
}

/// Events in a word each, deeds with their host, phases by name; papers are told in `audit_papers`.
fn story(record: &Record) -> Vec<String> {
    let name = |event: &Event| match event {
        Event::PhaseChanged { phase, .. } => format!("{phase:?}"),
        Event::ApprovalCounts(found) => format!("counts: {:?} by {}", found.gate, found.role),
        Event::ApprovalCountsNoMore(found) => format!("counts no more: {:?} by {}", found.gate, found.role),
        Event::ApprovalDoesNotCount(found) => format!("does not count: {:?}", found.effect),
        Event::Intended { deed } => format!("intended: {}", word(deed)),
        Event::Done { deed } => format!("done: {}", word(deed)),
        Event::Failed { deed, why } => format!("failed: {}: {why}", word(deed)),
        Event::Unseen { deed } => format!("unseen: {}", word(deed)),
        Event::GatesSwitchedOff { gates } => format!("off: {gates:?}"),
        other => first_word(&format!("{other:?}")),
    };
    let is_of_paper = |event: &&Event| matches!(event, Event::PaperEntered { .. } | Event::PaperWithdrawn {});
    record.events().into_iter().filter(|event| !is_of_paper(event)).map(name).collect()
}

fn first_word(text: &str) -> String {
    text.split([' ', '{']).next().unwrap_or_default().to_string()
}

fn word(deed: &Deed) -> String {
    match deed {
        Deed::SetIntent { intent, .. } => format!("{intent:?}"),
        Deed::Decide { decision, .. } => format!("{decision:?}"),
        other => first_word(&format!("{other:?}")),
    }
}

#[test]
fn the_whole_journey_is_on_record_each_thing_once() {
    let (mut world, mut record) = (World::new(), Record::new());
    look(&world, &mut record);
    world.sign_all();
    until(&mut world, &mut record, "in sync", |w| phase::phase(&w.facts(), w.now) == Phase::Scheduled);
    until(&mut world, &mut record, "serves", |w| phase::phase(&w.facts(), w.now) == Phase::Provisional);
    world.confirm();
    until(&mut world, &mut record, "trial", |w| phase::phase(&w.facts(), w.now) == Phase::Trial);
    look(&world, &mut record);
    let expected = [
        "Begun",
        "Drafting",
        "counts: PlanIssued by municipalGovernmentOffice",
        "counts: PlanIssued by smartCityOffice",
        "counts: DepartmentConfirmed by department",
        "counts: DualApproved by municipalGovernmentOffice",
        "counts: DualApproved by smartCityOffice",
        "Approved",
        "intended: CreateJourney",
        "done: CreateJourney",
        "intended: EnsureVolumes",
        "done: EnsureVolumes",
        "intended: EnsureReceiver",
        "done: EnsureReceiver",
        "intended: Replicate",
        "done: Replicate",
        "Replicating",
        "Scheduled",
        "intended: Cutover",
        "done: Cutover",
        "CuttingOver",
        "intended: Commit",
        "done: Commit",
        "intended: Fence",
        "done: Fence",
        "intended: StopReceiver",
        "done: StopReceiver",
        "intended: Serve",
        "done: Serve",
        "intended: EnsureTarget",
        "done: EnsureTarget",
        "ProbesTried",
        "Provisional",
        "CutoverConfirmed",
        "Trial",
    ];
    assert_eq!(story(&record), expected);
    assert_eq!(record.read_again(), record.state, "a controller that starts anew knows as much");
    let commit =
        record.entries.iter().find(|e| matches!(&e.event, Event::Intended { deed: Deed::Decide { .. } })).unwrap();
    let Event::Intended { deed: Deed::Decide { record_digest, attempt: 1, .. } } = &commit.event else {
        panic!("{commit:?}")
    };
    assert!(record_digest.is_some(), "the commit does not say on which record");
    assert_eq!(commit.scheme, Some(world.digest()), "nor on which scheme");
    assert_eq!(commit.actor, None, "no person decides it");
}

#[test]
fn a_look_at_what_is_on_record_adds_nothing() {
    let mut record = Record::new();
    let mut world = World::in_sync(&["db1", "app1"]);
    for _ in 0..3 {
        look(&world, &mut record);
    }
    let before = record.entries.len();
    for _ in 0..20 {
        world.pass(1);
        look(&world, &mut record);
    }
    assert_eq!(record.entries.len(), before, "{:?}", story(&record));
}

/// A way around the offices, and what the controller thinks of it.
type Attempt = (&'static str, fn(&mut World), DecisionEffect);

const ATTEMPTS: [Attempt; 17] = [
    (
        "the author",
        |w| w.decide(GateName::DualApproved, MGO, crate::world::AUTHOR, Approve),
        DecisionEffect::SelfApproval,
    ),
    (
        "the author before",
        |w| {
            w.migration.spec.former_authors = vec!["mgo-zhang".into()];
            w.decide(GateName::DualApproved, MGO, "mgo-zhang", Approve);
        },
        DecisionEffect::SelfApproval,
    ),
    (
        "the same person twice",
        |w| {
            w.decide(GateName::DualApproved, MGO, "two-hats", Approve);
            w.decide(GateName::DualApproved, SCO, "two-hats", Approve);
        },
        DecisionEffect::SamePersonTwice,
    ),
    (
        "an old digest",
        |w| {
            let digest = w.digest();
            w.edit();
            w.decide_on(GateName::DualApproved, MGO, "mgo-zhang", Approve, &digest);
        },
        DecisionEffect::DigestMismatch,
    ),
    (
        "a digest of something else",
        |w| {
            let digest = format!("sha256:{}", "0".repeat(64));
            w.decide_on(GateName::DualApproved, SCO, "sco-zhao", Approve, &digest);
        },
        DecisionEffect::DigestMismatch,
    ),
    (
        "someone without the role",
        |w| {
            w.denied.insert("li".into());
            w.decide(GateName::DualApproved, MGO, "li", Approve);
        },
        DecisionEffect::NotAuthorized,
    ),
    (
        "a role of his own making",
        |w| w.decide(GateName::DualApproved, "mayor", "li", Approve),
        DecisionEffect::RoleNotRequired,
    ),
    (
        "the department in an office's place",
        |w| w.decide(GateName::DualApproved, "department", "dept-li", Approve),
        DecisionEffect::RoleNotRequired,
    ),
    (
        "an office in the department's place",
        |w| w.decide(GateName::DepartmentConfirmed, MGO, "mgo-zhang", Approve),
        DecisionEffect::RoleNotRequired,
    ),
    (
        "another object of the name",
        |w| {
            w.decide(GateName::DualApproved, MGO, "mgo-zhang", Approve);
            w.approvals[0].spec.subject.uid = "uid-of-another".into();
        },
        DecisionEffect::SubjectNotFound,
    ),
    (
        "from another namespace",
        |w| {
            w.decide(GateName::DualApproved, MGO, "mgo-zhang", Approve);
            w.approvals[0].metadata.namespace = Some("water".into());
        },
        DecisionEffect::SubjectNotFound,
    ),
    (
        "an approval after a return",
        |w| {
            w.decide(GateName::DualApproved, MGO, "mgo-zhang", Return);
            w.pass(1);
            w.decide(GateName::DualApproved, MGO, "mgo-chen", Approve);
        },
        DecisionEffect::Superseded,
    ),
    (
        "the plan by its author",
        |w| w.decide(GateName::PlanIssued, SCO, "plan-author", Approve),
        DecisionEffect::SelfApproval,
    ),
    (
        "the plan by its author before",
        |w| {
            w.plan.spec.former_authors = vec!["sco-zhao".into()];
            w.decide(GateName::PlanIssued, SCO, "sco-zhao", Approve);
        },
        DecisionEffect::SelfApproval,
    ),
    (
        "the acceptance, signed by the author of the scheme",
        |w| w.decide(GateName::Accepted, "department", crate::world::AUTHOR, Approve),
        DecisionEffect::SelfApproval,
    ),
    (
        "the acceptance of what was edited since",
        |w| {
            let digest = w.acceptance_digest();
            w.edit();
            w.decide_on(GateName::Accepted, "department", "dept-li", Approve, &digest);
        },
        DecisionEffect::DigestMismatch,
    ),
    (
        "papers that nobody asks for, approved",
        |w| w.decide(GateName::PreAcceptanceApproved, SCO, "sco-zhao", Approve),
        DecisionEffect::RoleNotRequired,
    ),
];

#[test]
fn every_way_around_the_offices_fails_with_an_entry_that_says_who_and_why() {
    for (what, attempt, effect) in ATTEMPTS {
        let (mut world, mut record) = (World::new(), Record::new());
        world.plan.spec.author = "plan-author".into();
        attempt(&mut world);
        for _ in 0..30 {
            tick(&mut world, &mut record, &mut None);
        }
        let refused: Vec<_> = record
            .entries
            .iter()
            .filter(|e| matches!(&e.event, Event::ApprovalDoesNotCount(found) if found.effect == effect))
            .collect();
        let [entry] = &refused[..] else { panic!("{what}: {:?}", story(&record)) };
        let Event::ApprovalDoesNotCount(found) = &entry.event else { panic!("{entry:?}") };
        let made = world
            .approvals
            .iter()
            .find(|a| Some(&a.spec.approved_by) == entry.actor.as_ref() && a.spec.role == found.role);
        let made = made.unwrap_or_else(|| panic!("{what}: by nobody who decided: {entry:?}"));
        assert_eq!(found.spec_digest, qianyun_crds::digest_of(&made.spec).unwrap(), "{what}");
        assert!(entry.subject.starts_with("Approval/a0"), "{what}: {entry:?}");
        assert!(!story(&record).iter().any(|s| s.starts_with("intended")), "{what}: something was to be done");
    }
}

#[test]
fn a_decision_that_names_a_scheme_from_another_department_is_recorded_with_that_scheme() {
    let (mut world, mut record) = (World::new(), Record::new());
    look(&world, &mut record);
    world.decide(GateName::DualApproved, MGO, "mgo-zhang", Approve);
    let mut approval = world.approvals.remove(0);
    approval.metadata.namespace = Some("water".into());
    for _ in 0..2 {
        let found = found::from_elsewhere(&record.state, &approval, DecisionEffect::SubjectNotFound);
        record.append(found, world.now, world.epoch);
        look(&world, &mut record);
    }
    assert_eq!(story(&record)[2..], ["does not count: SubjectNotFound"]);
    assert_eq!(record.entries.last().unwrap().subject, "Approval/a000 in water");
}

#[test]
fn an_edit_voids_what_counted_and_so_does_a_lost_permission() {
    let (mut world, mut record) = (World::approved(&["db1"]), Record::new());
    world.migration.spec.suspend = true;
    look(&world, &mut record);
    world.denied.insert("sco-zhao".into());
    look(&world, &mut record);
    world.edit();
    look(&world, &mut record);
    let lost = "counts no more: DualApproved by smartCityOffice";
    let plan = "counts no more: PlanIssued by smartCityOffice";
    let story = story(&record);
    assert!(story.contains(&lost.to_string()) && story.contains(&plan.to_string()), "{story:?}");
    let after = &story[story.iter().position(|s| s == "SchemeEdited").unwrap()..];
    let expected = [
        "SchemeEdited",
        "counts no more: DepartmentConfirmed by department",
        "counts no more: DualApproved by municipalGovernmentOffice",
        "does not count: DigestMismatch",
        "Drafting",
    ];
    assert_eq!(after, expected);
    let edited = record.entries.iter().find(|e| matches!(e.event, Event::SchemeEdited { .. })).unwrap();
    assert_eq!(edited.actor.as_deref(), Some(crate::world::AUTHOR), "whoever edits is the author");
}

#[test]
fn what_cannot_be_asked_is_not_recorded_as_if_it_had_happened() {
    let (mut world, mut record) = (World::in_sync(&["db1"]), Record::new());
    look(&world, &mut record);
    look(&world, &mut record);
    let before = story(&record).len();
    world.authoriser_up = false;
    look(&world, &mut record);
    let policy = std::mem::replace(&mut world.policy, Known::Unknown);
    look(&world, &mut record);
    world.policy = policy;
    world.authoriser_up = true;
    world.servers[0].forget_reports();
    look(&world, &mut record);
    assert_eq!(story(&record)[before..], [] as [String; 0]);
}

#[test]
fn switches_are_recorded_when_they_change() {
    let (mut world, mut record) = (World::new(), Record::new());
    look(&world, &mut record);
    world.migration.spec.suspend = true;
    look(&world, &mut record);
    world.migration.spec.suspend = false;
    let Known::Is(policy) = &mut world.policy else { panic!() };
    for name in [GateName::SystemGraded, GateName::DualApproved] {
        policy.spec.gates.push(GateSwitch { name, enabled: false, basis: "pilot".into() });
    }
    look(&world, &mut record);
    let Known::Is(policy) = &mut world.policy else { panic!() };
    policy.spec.gates.clear();
    look(&world, &mut record);
    assert_eq!(story(&record)[2..], ["Suspended", "off: [SystemGraded, DualApproved]", "Resumed", "off: []"]);
}

#[test]
fn a_failure_that_repeats_itself_is_one_entry_and_many_are_few() {
    let (world, mut record) = (World::approved(&["db1"]), Record::new());
    let facts = world.facts();
    let plan = Plan { actions: vec![Action::EnsureVolumes { host: "db1".into() }], waiting: None };
    let mut fail = |why: &str| {
        record.append(found::intended(&record.state, &facts, &plan), world.now, 7);
        record.append(found::failed(&record.state, &facts, &plan, why), world.now, 7);
        record.entries.len()
    };
    assert_eq!([fail("disk full"), fail("disk full"), fail("gone"), fail("disk full")], [2, 2, 3, 4]);
    for n in 0..50 {
        fail(&format!("{n} bytes free"));
    }
    assert_eq!(record.entries.len(), 1 + 8, "{:?}", story(&record));
    let long = "界".repeat(5000);
    let mut other = Record::new();
    other.append(found::intended(&other.state, &facts, &plan), world.now, 7);
    other.append(found::failed(&other.state, &facts, &plan, &long), world.now, 7);
    other.append(found::failed(&other.state, &facts, &plan, &long), world.now, 7);
    assert_eq!(other.entries.len(), 2);
}

#[test]
fn what_nobody_intended_is_recorded_as_found() {
    let (mut world, mut record) = (World::in_sync(&["db1"]), Record::new());
    look(&world, &mut record);
    assert!(
        story(&record).contains(&"JourneyFound".to_string()),
        "a journey from before the record: {:?}",
        story(&record)
    );
    let before = story(&record).len();
    world.server("db1").journey.as_mut().unwrap().spec.intent = HostIntent::Idle;
    look(&world, &mut record);
    assert_eq!(story(&record)[before..], ["JourneyFound", "Approved"]);
}

#[test]
fn an_effect_that_is_not_seen_is_said_and_one_that_is_not_known_is_not() {
    let (mut world, mut record) = (World::approved(&["db1"]), Record::new());
    look(&world, &mut record);
    let plan = Plan { actions: vec![Action::EnsureReceiver { host: "db1".into() }], waiting: None };
    record.append(found::intended(&record.state, &world.facts(), &plan), world.now, 7);
    world.server("db1").receiver = Receiver::Starting;
    look(&world, &mut record);
    assert_eq!(story(&record).last().unwrap(), "intended: EnsureReceiver");
    world.server("db1").receiver = Receiver::Absent;
    let (facts, none) = (world.facts(), Plan::default());
    let early = found::of_host(&record.state, &facts, "db1", &none, false);
    assert!(early.is_empty(), "what a watch shows may be older than the deed: {early:?}");
    record.append(found::of_host(&record.state, &facts, "db1", &none, true), world.now, 7);
    assert_eq!(story(&record).last().unwrap(), "unseen: EnsureReceiver");
}

#[test]
fn a_scheme_that_is_made_again_goes_on_in_the_same_record() {
    let (mut world, mut record) = (World::new(), Record::new());
    look(&world, &mut record);
    world.migration.metadata.uid = Some("uid-second".into());
    look(&world, &mut record);
    assert_eq!(story(&record), ["Begun", "Drafting", "Begun", "Drafting"]);
    assert_eq!(record.entries.last().unwrap().system.uid, "uid-second");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 6, ..ProptestConfig::default() })]

    /// The controller dies again and again, before and after an entry, before and after an action.
    #[test]
    fn whatever_crashes_each_action_is_intended_once_and_seen_once(
        lives in proptest::collection::vec(0..9_usize, 1..16),
        two in any::<bool>(),
    ) {
        let names: &[&str] = if two { &["db1", "app1"] } else { &["db1"] };
        let (mut world, mut record) = (World::with_servers(names), Record::new());
        world.sign_all();
        // Two minutes before the window opens.
        world.pass(480);
        for lives in lives {
            let mut crash = Some(lives);
            for _ in 0..40 {
                if crash.is_none() {
                    break;
                }
                tick(&mut world, &mut record, &mut crash);
            }
        }
        until(&mut world, &mut record, "serves or waits for a window", |w| {
            let phase = phase::phase(&w.facts(), w.now);
            phase == Phase::Provisional || w.now > w.migration.spec.scheme.window.end.0
        });
        prop_assert_eq!(&record.read_again(), &record.state);
        check_deeds(&record);
    }
}

/// Between two ends of a deed there is one intention of it, and no end is without one.
fn check_deeds(record: &Record) {
    let mut open: Vec<&Deed> = Vec::new();
    for event in record.events() {
        match event {
            Event::Intended { deed } => {
                assert!(!open.contains(&deed), "intended twice: {deed:?}");
                open.push(deed);
            }
            Event::Done { deed } | Event::Unseen { deed } => {
                assert!(open.contains(&deed), "ended without being intended: {deed:?}");
                open.retain(|other| *other != deed);
            }
            Event::JourneyFound { .. } | Event::DecisionFound { .. } => panic!("nobody intended it: {event:?}"),
            _ => {}
        }
    }
    let commits = |kind| {
        record
            .events()
            .iter()
            .filter(|e| matches!(e, Event::Done { deed: Deed::Decide { decision, .. } } if *decision == kind))
            .count()
    };
    assert!(commits(DecisionKind::Commit) <= 2, "{:?}", story(record));
}
