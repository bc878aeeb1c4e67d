//! Every reason, every gate and everything that can be waited for is met by somebody: in a story, or in a small world of its own where no
//! story leads there. A new variant does not compile before it is listed here, and fails the test until a world meets it;
//! one that no world can meet is dead and goes.
//!
//! Met is what people are shown: what a plan waits for, a gate of the next step in the status, and why an attempt was aborted.
#![allow(clippy::unwrap_used)]

use crate::world::{World, check, freeze_period, report};
use jiff::Timestamp;
use qianyun_crds::{
    Assessment, CheckOutcome, Conclusion, FreezeEffect, FreezeException, GateName, Phase, SourceCutover,
};
use qianyun_planning::calendar::Zone;
use qianyun_planning::facts::{Known, Machine, Silence};
use qianyun_planning::gate::{GATES, judge};
use qianyun_planning::host_migration::{self, AbortReason};
use qianyun_planning::reason::{Asked, Obstacle, RehearsalFault, ReportKind};
use qianyun_planning::sequence::{Step, needs};
use qianyun_planning::{Action, Facts, Plan, Reason, WaitingOn, phase, system_migration};
use std::collections::BTreeSet;

/// The variants of an enum by name, and which of them a value is. The match has no wildcard.
macro_rules! variants {
    ($all:ident $name:ident $of:ident: $($variant:ident)*) => {
        const $all: &[&str] = &[$(stringify!($variant)),*];

        fn $name(value: &$of) -> &'static str {
            match value {
                $($of::$variant { .. } => stringify!($variant),)*
            }
        }
    };
}

variants! { REASONS reason_name Reason:
    NotKnown NotFound SystemNotOnPlan PlanNotIssued PlanReturned SystemNotDeclared DeclarationNotYet HostNotDeclared
    HostOfAnotherSystem HostNeverReported InventoryTooOld HostLeftOut CheckBlocks CheckNotKnown NoHosts NamedTwice HostTaken
    DiskNotFound DiskNotUnique DiskSizeDiffers DiskLeftOut VolumeTooSmall NetworkNotFound NicNotFound
    TooManyDevices DependencyCircle HookNotAllowed PlatformTooSmall WindowReversed NoProbes SystemNotGraded PlatformLevelTooLow AssessmentOverdue
    EmergencyPlanMissing NoWayToSource CatalogueNotPrepared CatalogueNotRegistered PartyMissing CertificateExpired ProjectNotSaid
    AssessmentNotFiled AssessmentUnderWay AssessmentFailed CityApprovalMissing NotConfirmed ApprovalsMissing NotInEffect
    Returned ReturnedInExecution SchemeEdited TooFewApprovers NotReplicating NotInSync AgentSilent DependencyNotMoved NotRehearsed
    RehearsalOfAnotherDigest RehearsalFailed RehearsalTooOld HostNotRehearsed BootChanged NoRehearsalNetwork DowntimeOverBudget SecurityNotInUse
    SecurityOfAnotherDigest Frozen FreezeUnreadable WindowUnfit WindowOutsideWave HeldByWave PlanIsFull WindowNotYet WindowOver
    NoRecord RecordRefused NotCommitted FenceNotAcknowledged SourceAnswers SilentTooShort
    TargetNotRunning TargetNotAdapted ProbeNotPassed ProbeOverdue CutoverNotConfirmed ConfirmationOfAnotherDigest
    EditedAfterCommit TrialNotBegun TrialNotOver ReportMissing ReportFailed ReportNotIssuedYet ReportBeforeTrial
    SignaturesMissing AcceptanceReturned
    MeetingNotHeld MeetingTooEarly MeetingBeforeApproval ParticipantMissing MeetingFailed IncidentOpen DeviceNotSettled
}

variants! { ASKED asked_name Asked:
    Policy Plan Platform System Host Journey Approvals Permission Freezes Waivers LeftOut Custody UnderWay FreeStorage
    SourceSilence Machine RecordCheck
}

variants! { FAULTS fault_name RehearsalFault:
    DidNotPass ServicesNotStopped RollbackNotRehearsed LeakFound
}

variants! { REPORTS report_name ReportKind:
    Evaluation PerformanceTest SecurityAssessment
}

variants! { WAITINGS waiting_name WaitingOn:
    Gate Resumption AgentReport LocalPermission Journey Volumes Receiver Copy Vote OtherStop OtherVotes NextAttempt NewWindow
    SourceResumption FenceAcknowledgement ReceiverStop EarlierHosts Launch Arrival Probes
}

variants! { ABORTS abort_name AbortReason:
    Suspended Gate GivenUp Thawed TooLate OtherHost CannotFollow NoVote
}

/// What was met so far, by the name of its enum and its own.
#[derive(Default)]
struct Met {
    names: BTreeSet<(&'static str, &'static str)>,
    /// Gates of a next step that did not let the journey through.
    not_open: Vec<GateName>,
}

impl Met {
    fn reason(&mut self, reason: &Reason) {
        self.names.insert(("Reason", reason_name(reason)));
        match reason {
            Reason::NotKnown { what } | Reason::NotFound { what, .. } => self.names.insert(("Asked", asked_name(what))),
            Reason::RehearsalFailed { what } => self.names.insert(("RehearsalFault", fault_name(what))),
            Reason::ReportMissing { kind }
            | Reason::ReportFailed { kind }
            | Reason::ReportNotIssuedYet { kind, .. }
            | Reason::ReportBeforeTrial { kind, .. } => self.names.insert(("ReportKind", report_name(kind))),
            _ => false,
        };
    }

    fn waiting(&mut self, on: &WaitingOn) {
        self.names.insert(("WaitingOn", waiting_name(on)));
        if let WaitingOn::Gate(obstacle) = on {
            self.reason(&obstacle.reason);
        }
    }

    /// What a plan waits for, which is what its status says.
    fn plan(&mut self, plan: &Plan) {
        plan.waiting.iter().for_each(|on| self.waiting(on));
        for action in &plan.actions {
            if let Action::Decide { decision, .. } = action {
                self.names.extend(aborted_for(&decision.reason).map(|name| ("AbortReason", name)));
            }
        }
    }

    /// The gates of the next step, which a system's status shows.
    fn gates(&mut self, facts: &Facts, now: Timestamp) {
        let step = system_migration::next_step(facts, now).unwrap_or(Step::Close);
        for gate in needs(step) {
            if let Some(reason) = judge(*gate, facts, now).reason() {
                self.not_open.push(*gate);
                self.reason(reason);
            }
        }
        self.not_open.dedup();
    }

    /// Everything that these facts show.
    fn facts(&mut self, facts: &Facts, now: Timestamp) {
        self.plan(&system_migration::plan(facts, now));
        facts.hosts.iter().for_each(|host| self.plan(&host_migration::plan(facts, &host.name, now)));
        self.gates(facts, now);
    }

    /// The same of facts by which nothing may go on.
    fn nothing_begins(&mut self, what: &str, facts: &Facts, now: Timestamp) {
        let actions = |plan: Plan| assert_eq!(plan.actions, [], "with {what}");
        actions(system_migration::plan(facts, now));
        facts.hosts.iter().for_each(|host| actions(host_migration::plan(facts, &host.name, now)));
        self.facts(facts, now);
    }

    /// A story, with what its statuses show.
    fn story(&mut self, script: &str) {
        let seen = |world: &World, name: &str, plan: &Plan| {
            self.plan(plan);
            if name == "system" {
                self.gates(&world.facts(), world.now);
            }
        };
        crate::story::tell_seen(script, seen, |_| {});
    }

    /// What of an enum nobody met.
    fn missing(&self, of: &'static str, all: &[&'static str]) -> Vec<&'static str> {
        all.iter().copied().filter(|name| !self.names.contains(&(of, *name))).collect()
    }
}

type Change = (&'static str, fn(&mut World));

/// Worlds in which a paper or an inventory is not as it should be; each is then signed by all.
const ON_PAPER: [Change; 17] = [
    ("a server of another system", |w| w.server("db1").physical.spec.system_ref = "land-registry".into()),
    ("a declaration of tomorrow", |w| w.system.spec.declaration.declared_on = "2026-11-24".into()),
    ("an evaluation of tomorrow", |w| evaluated_on(w, "2026-11-24")),
    ("no inventory", |w| inventory_gone(w)),
    ("no server", |w| w.migration.spec.scheme.hosts.clear()),
    ("a probe named twice", |w| {
        let probe = w.migration.spec.scheme.probes[0].clone();
        w.migration.spec.scheme.probes.push(probe);
    }),
    ("another disk", |w| w.migration.spec.scheme.hosts[0].disks[0].serial = "SN-other".into()),
    ("two disks of one serial number", |w| disk_beside(w, "SN-db1")),
    ("a disk left out", |w| disk_beside(w, "SN-second")),
    ("a disk of another size", |w| w.migration.spec.scheme.hosts[0].disks[0].size_bytes += 512),
    ("no such network", |w| w.migration.spec.scheme.hosts[0].target.nics[0].network = "attic".into()),
    ("no such interface", |w| w.migration.spec.scheme.hosts[0].target.nics[0].takes_place_of = "eno9".into()),
    ("more interfaces than slots", |w| {
        let nics = &mut w.migration.spec.scheme.hosts[0].target.nics;
        *nics = vec![nics[0].clone(); 32];
    }),
    ("a small platform", |w| w.platform.spec.capacity.cpus = 1),
    ("a window that ends first", |w| {
        let window = &mut w.migration.spec.scheme.window;
        std::mem::swap(&mut window.start, &mut window.end);
    }),
    ("a freeze period that cannot be read", |w| {
        w.freezes.push(freeze_period("reversed", w.now, w.now, FreezeEffect::Block));
    }),
    ("no such freeze period", |w| {
        let exception = FreezeException { freeze_ref: "lost".into(), reason: "the roof leaks".into() };
        w.migration.spec.scheme.freeze_exceptions.push(exception);
    }),
];

/// The scheme contains a project, and the report of its evaluation is of this day.
fn evaluated_on(world: &mut World, day: &str) {
    world.migration.spec.scheme.project.as_mut().unwrap().contained = true;
    let report = Some(report(Conclusion::Passed, day));
    world.migration.spec.assessment = Some(Assessment {
        submitted_on: "2026-11-02".into(),
        accepted_on: Some("2026-11-03".into()),
        pauses: Vec::new(),
        report,
        city_approval_no: Some("No. 12".into()),
    });
}

/// Reports that an acceptance needs, of a day on which they cannot be what it asks for.
fn reports_of_a_wrong_day(met: &mut Met) {
    for day in ["2026-11-22", "2027-03-02"] {
        let mut world = crate::acceptance::with_papers();
        world.migration.spec.acceptance.as_mut().unwrap().performance_test = Some(report(Conclusion::Passed, day));
        world.tick();
        met.nothing_begins(&format!("a report of {day}"), &world.facts(), world.now);
    }
}

fn inventory_gone(world: &mut World) {
    world.server("db1").physical.status.as_mut().unwrap().inventory = None;
}

/// A second disk with a filesystem on it.
fn disk_beside(world: &mut World, serial: &str) {
    let status = world.server("db1").physical.status.as_mut().unwrap();
    let inventory = status.inventory.as_mut().unwrap();
    let (mut disk, mut filesystem) = (inventory.disks[0].clone(), inventory.filesystems[0].clone());
    (disk.name, disk.serial) = ("sdb".into(), serial.into());
    (filesystem.disk, filesystem.mount) = ("sdb".into(), "/srv".into());
    inventory.disks.push(disk);
    inventory.filesystems.push(filesystem);
}

type Forgotten = (&'static str, World, fn(&mut Facts));

/// Worlds in which one thing cannot be asked, each at the step that asks it.
fn forgotten() -> Vec<Forgotten> {
    let approved = || World::approved(&["db1"]);
    let mut over = approved();
    over.now = over.migration.spec.scheme.window.end.0;
    let mut blocked = approved();
    blocked.server("db1").physical.status.as_mut().unwrap().checks = vec![check("OS-01", CheckOutcome::Block)];
    let mut limited = World::in_sync(&["db1"]);
    limited.plan.spec.cutovers_at_once = Some(1);
    limited.sign_all();
    limited.pass(2);
    let mut launched = World::fenced(&["db1"]);
    launched.until("launched", |w| w.facts().hosts[0].launched_at().is_some());
    vec![
        ("the policy", approved(), |f| f.policy = Known::Unknown),
        ("the plan", approved(), |f| f.plan = Known::Unknown),
        ("the plan, which is not there", approved(), |f| f.plan = Known::Absent),
        ("the platform", approved(), |f| f.platform = Known::Unknown),
        ("the system", approved(), |f| f.system = Known::Unknown),
        ("the server", approved(), |f| f.hosts[0].host = Known::Unknown),
        ("the decisions", approved(), |f| f.approvals = Known::Unknown),
        ("the freeze periods", approved(), |f| f.freezes = Known::Unknown),
        ("the room left", approved(), |f| f.free_storage_bytes = Known::Unknown),
        ("the journey", over, |f| f.hosts[0].journey = Known::Unknown),
        ("the waivers", blocked, |f| f.hosts[0].waivers = Known::Unknown),
        ("the silence", World::fenced(&["db1"]), |f| f.hosts[0].silence = Silence::Unknown),
        ("the machine", launched, |f| f.hosts[0].hosting.machine = Machine::Unknown),
        ("the servers left out", approved(), |f| f.left_out = Known::Unknown),
        ("the systems under way", limited, |f| f.under_way = Known::Unknown),
        ("the custody records", accepted(), |f| f.custody = Known::Unknown),
    ]
}

/// A system that waits for nothing but the whereabouts of its old server.
fn accepted() -> World {
    let script = std::fs::read_to_string(crate::story::scripts_folder().join("from-trial-to-closed.txt")).unwrap();
    let mut accepted = None;
    crate::story::tell(&script, |world| {
        if phase::phase(&world.facts(), world.now) == Phase::Accepted {
            accepted = Some(world.clone());
        }
    });
    accepted.unwrap()
}

/// One server has voted, and the other one still sends its last changes.
fn one_voted(met: &mut Met) {
    let world = World::voted(&["db1", "web1"]);
    let mut facts = world.facts();
    facts.hosts[1].agent.as_mut().unwrap().vote.as_mut().unwrap().state = SourceCutover::Working;
    met.facts(&facts, world.now);
}

/// The controller dies between the commits of two servers, and does not hear of the second one while the first is fenced.
fn one_committed(met: &mut Met) {
    let mut world = World::voted(&["db1", "web1"]);
    let (_, first) = world.plans().swap_remove(1);
    world.write_status("db1", &first);
    first.actions.iter().for_each(|action| world.carry_out(action));
    world.server("web1").forget_reports();
    world.server("web1").connected = false;
    for _ in 0..15 {
        world.tick();
        met.facts(&world.facts(), world.now);
    }
}

/// A policy whose months lead out of the calendar, which its schema would not let through: no trial run begins.
fn trial_out_of_the_calendar(met: &mut Met) {
    let mut world = World::fenced(&["db1"]);
    world.until("served", |w| phase::phase(&w.facts(), w.now) == Phase::Provisional);
    world.confirm();
    let Known::Is(policy) = &mut world.policy else { panic!("there is no policy") };
    policy.spec.numbers.trial_months = i32::MAX;
    met.facts(&world.facts(), world.now);
}

/// Which abort a written decision tells of, by words that no other one has. A commit tells of none.
fn aborted_for(words: &str) -> Option<&'static str> {
    let pieces = [
        ("voted, verified", None),
        ("suspended before", Some("Suspended")),
        ("gave the attempt up", Some("GivenUp")),
        ("reached its limit", Some("Thawed")),
        ("of the freeze were left", Some("TooLate")),
        ("of the same system was aborted", Some("OtherHost")),
        ("cannot take part now", Some("CannotFollow")),
        ("no vote came within", Some("NoVote")),
    ];
    let found = pieces.iter().find(|(piece, _)| words.contains(piece));
    found.map_or(Some("Gate"), |(_, name)| *name)
}

#[test]
fn every_reason_every_gate_and_everything_waited_for_is_met() {
    let mut met = Met::default();
    for script in crate::story::scripts() {
        met.story(&std::fs::read_to_string(&script).unwrap());
    }
    for (what, change) in ON_PAPER {
        let mut world = World::with_servers(&["db1"]);
        change(&mut world);
        world.sign_all();
        met.nothing_begins(what, &world.facts(), world.now);
    }
    for (what, world, forget) in forgotten() {
        let mut facts = world.facts();
        forget(&mut facts);
        met.nothing_begins(what, &facts, world.now);
    }
    one_voted(&mut met);
    one_committed(&mut met);
    trial_out_of_the_calendar(&mut met);
    reports_of_a_wrong_day(&mut met);
    let missing = [
        met.missing("Reason", REASONS),
        met.missing("Asked", ASKED),
        met.missing("RehearsalFault", FAULTS),
        met.missing("ReportKind", REPORTS),
        met.missing("WaitingOn", WAITINGS),
        met.missing("AbortReason", ABORTS),
    ];
    assert_eq!(missing.concat(), Vec::<&str>::new());
    let never_in_the_way = GATES.iter().map(|g| g.name).filter(|gate| !met.not_open.contains(gate));
    assert_eq!(never_in_the_way.collect::<Vec<_>>(), []);
}

#[test]
fn an_abort_is_known_by_its_words() {
    let obstacle = Obstacle { gate: GateName::InWindow, known: true, reason: Reason::NoHosts };
    for reason in [
        AbortReason::Suspended,
        AbortReason::Gate(obstacle),
        AbortReason::GivenUp { message: "postgresql did not stop".into() },
        AbortReason::Thawed,
        AbortReason::TooLate { left_ms: 900 },
        AbortReason::OtherHost { host: "web1".into() },
        AbortReason::NoVote { seconds: 300 },
    ] {
        assert_eq!(aborted_for(&reason.words(&Zone::default()).en), Some(abort_name(&reason)));
    }
}
