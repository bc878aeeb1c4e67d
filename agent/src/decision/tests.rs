//! The journey in a small world that is killed, rebooted, thawed and contradicted at every point.
//!
//! The world keeps what the real one keeps: the ledger survives everything, `/run` survives the process, the process
//! nothing. What must hold is asserted after every move; that all comes to an end is asserted at the end.

use super::*;
use proptest::prelude::*;
use qianyun_agent_api::desired::{ArrivalPlan, CutoverIntent, FenceIntent, ReplicateIntent, ResumeIntent, ServeIntent};

/// What can happen between two actions.
#[derive(Debug, Clone, Copy)]
enum Fate {
    /// The next action is carried out.
    Act,
    /// The next action fails.
    Fail,
    /// The process is killed after the action was carried out, before the owner heard of it.
    Kill,
    /// The machine loses power.
    PowerCut,
    /// The watchdog thaws.
    Watchdog,
    /// The controller decides on the vote it has seen, or withdraws the attempt where there is none.
    Decide { commit: bool },
}

#[derive(Debug, Clone, Default)]
struct Ledger {
    armed: Option<(u32, u32)>,
    last_attempt: u32,
    outcome: Option<(u32, bool)>,
}

#[derive(Debug, Clone, Default)]
struct Process {
    begun_here: bool,
    hooks_run: Vec<HookMoment>,
    quiesced: bool,
    services_run: bool,
    was_frozen: bool,
    signed: bool,
    failed: bool,
    replicating: bool,
    acknowledged: bool,
    prepared: bool,
}

#[derive(Debug, Clone)]
struct World {
    boot: u32,
    ledger: Ledger,
    vote: Option<u32>,
    process: Process,
    frozen: bool,
    services: bool,
    power: bool,
    /// Moments of which the scheme names hooks.
    hooks: Vec<HookMoment>,
    /// What the controller asks for and has decided.
    intent: Intent,
    decided: Option<bool>,
    /// The controller has seen the vote while frozen.
    seen_vote: bool,
}

const ATTEMPT: u32 = 1;

fn replicate() -> ReplicateIntent {
    ReplicateIntent {
        session: 7,
        scheme_digest: String::new(),
        receiver_address: "10.0.0.1:1".into(),
        receiver_name: String::new(),
        disks: Vec::new(),
        max_bytes_per_second: 0,
    }
}

fn cutover() -> Intent {
    Intent::Cutover(CutoverIntent {
        attempt: ATTEMPT,
        replicate: replicate(),
        quiesce: Vec::new(),
        hooks: Vec::new(),
        freeze_limit_ms: 30_000,
        arrival: ArrivalPlan::default(),
    })
}

fn stop() -> Intent {
    let Intent::Cutover(cutover) = cutover() else { panic!("a cutover") };
    Intent::Stop(cutover)
}

fn resume() -> Intent {
    Intent::Resume(ResumeIntent { attempt: ATTEMPT, replicate: replicate() })
}

fn fence(digest: &str) -> Intent {
    Intent::Fence(FenceIntent { attempt: ATTEMPT, record_digest: digest.into() })
}

impl World {
    fn new() -> Self {
        Self {
            boot: 1,
            ledger: Ledger::default(),
            vote: None,
            process: Process::default(),
            frozen: false,
            services: true,
            power: true,
            hooks: Vec::new(),
            intent: cutover(),
            decided: None,
            seen_vote: false,
        }
    }

    fn next(&self) -> Action {
        let left = |moment| self.hooks.contains(&moment) && !self.process.hooks_run.contains(&moment);
        let armed = self.ledger.armed.map(|(attempt, boot)| ArmedFacts {
            attempt,
            same_boot: boot == self.boot,
            same_process: self.process.begun_here,
            voted: self.vote.map(|_| "sha256:right"),
            hooks_left: HooksLeft {
                before_stop: left(HookMoment::BeforeStop),
                before_freeze: left(HookMoment::BeforeFreeze),
                after_resume: left(HookMoment::AfterResume),
            },
            quiesced: self.process.quiesced,
            services_run: self.process.services_run,
            was_frozen: self.process.was_frozen,
            signed: self.process.signed,
            failed: self.process.failed.then_some("failed"),
        });
        next(&Facts {
            role: Role::Source,
            intent: Some(&self.intent),
            forbidden: None,
            armed,
            last_attempt: self.ledger.last_attempt,
            frozen: self.frozen,
            boot_prepared: self.process.prepared,
            replication: match self.process.replicating {
                true => Replication::Running { session: 7, in_sync: true },
                false => Replication::Stopped,
            },
            fence_acknowledged: self.process.acknowledged,
            network_adapted: false,
            units_up: false,
        })
    }

    /// What the action does to disks, services and power.
    fn effect(&mut self, action: Action) {
        match action {
            Action::Quiesce => {
                assert!(self.ledger.armed.is_some(), "the ledger knows before a service is stopped");
                self.services = false;
            }
            Action::Freeze => self.frozen = true,
            Action::Thaw => self.frozen = false,
            Action::StartServices => self.services = true,
            Action::PowerOff => self.power = false,
            Action::AcknowledgeFence
            | Action::PrepareBoot
            | Action::StartReplication
            | Action::StopReplication
            | Action::Arm
            | Action::RunHooks(_)
            | Action::PassOver { .. }
            | Action::FinalPass
            | Action::Vote
            | Action::EndAttempt { .. }
            | Action::AdaptNetwork
            | Action::ServeUnits
            | Action::Wait(_) => {}
        }
    }

    /// What the owner keeps of it.
    fn keep(&mut self, action: Action) {
        match action {
            Action::PrepareBoot => self.process.prepared = true,
            Action::StartReplication => self.process.replicating = true,
            Action::StopReplication => self.process.replicating = false,
            Action::Arm => {
                let Process { replicating, prepared, .. } = self.process;
                self.process = Process { begun_here: true, replicating, prepared, ..Process::default() };
                self.write_ledger(Ledger { armed: Some((ATTEMPT, self.boot)), last_attempt: ATTEMPT, outcome: None });
            }
            Action::RunHooks(moment) => self.process.hooks_run.push(moment),
            Action::Quiesce => self.process.quiesced = true,
            Action::Freeze => self.process.was_frozen = true,
            Action::FinalPass => self.process.signed = true,
            Action::Vote => self.vote = Some(ATTEMPT),
            Action::StartServices => self.process.services_run = true,
            Action::EndAttempt { resumed } => {
                self.write_ledger(Ledger { armed: None, outcome: Some((ATTEMPT, resumed)), ..self.ledger.clone() });
                self.vote = None;
            }
            Action::PassOver { attempt } => {
                let outcome = Some((attempt, true));
                self.write_ledger(Ledger { last_attempt: attempt, outcome, ..self.ledger.clone() });
            }
            Action::AcknowledgeFence => self.process.acknowledged = true,
            Action::Thaw | Action::PowerOff | Action::AdaptNetwork | Action::ServeUnits | Action::Wait(_) => {}
        }
    }

    fn write_ledger(&mut self, ledger: Ledger) {
        assert!(!self.frozen, "nothing is written to a frozen disk");
        self.ledger = ledger;
    }

    fn kill(&mut self) {
        self.process = Process::default();
        // The watchdog sees its pipe close, and a starting agent thaws before anything else.
        self.frozen = false;
    }

    fn power_cut(&mut self) {
        self.kill();
        self.boot += 1;
        self.vote = None;
        // The boot guard keeps services down while armed; else they start with the machine.
        self.services = self.ledger.armed.is_none();
    }

    fn decide(&mut self, commit: bool) {
        if self.decided.is_some() {
            return;
        }
        let done = self.ledger.outcome.is_some();
        match (commit && self.seen_vote, self.ledger.armed.is_some() || done) {
            (true, _) => {
                self.decided = Some(true);
                self.intent = fence("sha256:right");
            }
            (false, true) => {
                self.decided = Some(false);
                self.intent = resume();
            }
            (false, false) => {}
        }
    }

    fn step(&mut self, fate: Fate) {
        if !self.power {
            return;
        }
        match fate {
            Fate::Act | Fate::Fail | Fate::Kill => {
                let action = self.next();
                self.check(action);
                match fate {
                    Fate::Fail => match action.failure() {
                        Failure::EndsAttempt => self.process.failed = true,
                        Failure::IsTriedAgain => {}
                        Failure::IsShown => self.keep(action),
                    },
                    _ => self.effect(action),
                }
                match fate {
                    Fate::Act => self.keep(action),
                    Fate::Kill => self.kill(),
                    _ => {}
                }
            }
            Fate::PowerCut => self.power_cut(),
            Fate::Watchdog => self.frozen = false,
            Fate::Decide { commit } => self.decide(commit),
        }
        // A report goes out after every move.
        self.seen_vote |= self.vote.is_some() && self.frozen && self.power;
    }

    /// What must hold whatever has happened.
    fn check(&self, action: Action) {
        if action == Action::PowerOff {
            assert_eq!(self.decided, Some(true), "power goes only after a commit");
            assert!(self.process.acknowledged, "and after it was acknowledged");
        }
        if self.decided == Some(true) {
            assert!(!matches!(action, Action::StartServices | Action::EndAttempt { .. }), "committed: {action:?}");
        }
        if self.vote.is_some() && self.decided.is_none() {
            assert!(
                matches!(action, Action::Wait(Waiting::Decision)),
                "after the vote only the controller decides, not {action:?}"
            );
        }
        if action == Action::Vote {
            assert!(self.frozen && !self.services, "a vote is given while frozen, with services down");
        }
        if matches!(action, Action::Freeze) {
            assert!(!self.services);
        }
        if let Action::RunHooks(moment) = action {
            assert!(!self.frozen && self.ledger.armed.is_some(), "a hook runs in an attempt, and not in its freeze");
            assert_eq!(self.services, moment != HookMoment::BeforeFreeze, "{moment:?}");
        }
    }

    fn check_services(&self) {
        let committed = self.decided == Some(true);
        assert!(!(committed && self.power && self.services), "committed and still serving");
        assert!(!(self.vote.is_some() && self.decided.is_none() && self.services), "serving after the vote");
    }
}

fn fates() -> impl Strategy<Value = Vec<Fate>> {
    let fate = prop_oneof![
        12 => Just(Fate::Act),
        1 => Just(Fate::Fail),
        1 => Just(Fate::Kill),
        1 => Just(Fate::PowerCut),
        1 => Just(Fate::Watchdog),
        2 => any::<bool>().prop_map(|commit| Fate::Decide { commit }),
    ];
    proptest::collection::vec(fate, 0..60)
}

const MOMENTS: [HookMoment; 3] = [HookMoment::BeforeStop, HookMoment::BeforeFreeze, HookMoment::AfterResume];

fn hooks() -> impl Strategy<Value = Vec<HookMoment>> {
    proptest::sample::subsequence(MOMENTS.to_vec(), 0..=MOMENTS.len())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 4096, ..ProptestConfig::default() })]

    #[test]
    fn never_both_never_without_a_decision_and_always_to_an_end(fates in fates(), hooks in hooks()) {
        let mut world = World { hooks, ..World::new() };
        for fate in fates {
            world.step(fate);
            world.check_services();
        }
        // From here on nothing bad happens, and the controller ends what it must.
        for _ in 0..45 {
            world.step(Fate::Act);
            if matches!(world.next(), Action::Wait(_)) {
                world.step(Fate::Decide { commit: true });
                world.step(Fate::Decide { commit: false });
            }
            world.check_services();
        }
        match world.decided {
            Some(true) => prop_assert!(!world.power, "a commit ends with the power off"),
            Some(false) | None => {
                prop_assert!(world.services && !world.frozen, "any other end has the services running: {world:?}");
                prop_assert!(world.ledger.armed.is_none());
            }
        }
    }
}

/// Every action up to the vote, in order.
fn actions_until(world: &mut World, wanted: Action) -> Vec<Action> {
    let mut seen = Vec::new();
    for _ in 0..20 {
        let action = world.next();
        seen.push(action);
        if action == wanted {
            return seen;
        }
        world.step(Fate::Act);
    }
    panic!("{wanted:?} was never reached: {seen:?}");
}

#[test]
fn an_undisturbed_cutover_takes_these_actions_in_this_order() {
    let mut world = World::new();
    let seen = actions_until(&mut world, Action::Wait(Waiting::Decision));
    let expected = [
        Action::PrepareBoot,
        Action::StartReplication,
        Action::Arm,
        Action::Quiesce,
        Action::Freeze,
        Action::FinalPass,
        Action::Vote,
        Action::Wait(Waiting::Decision),
    ];
    assert_eq!(seen, expected);
    world.decide(true);
    assert_eq!(actions_until(&mut world, Action::PowerOff), [Action::AcknowledgeFence, Action::PowerOff]);
}

#[test]
fn an_abort_thaws_before_it_starts_services_and_forgets_last() {
    let mut world = World::new();
    actions_until(&mut world, Action::Wait(Waiting::Decision));
    world.decide(false);
    let expected =
        [Action::Thaw, Action::StartServices, Action::EndAttempt { resumed: true }, Action::Wait(Waiting::Nothing)];
    assert_eq!(actions_until(&mut world, Action::Wait(Waiting::Nothing)), expected);
}

#[test]
fn hooks_run_around_the_stop_and_after_an_abort_brought_the_services_back() {
    let mut world = World { hooks: MOMENTS.to_vec(), ..World::new() };
    let seen = actions_until(&mut world, Action::Freeze);
    let expected = [
        Action::RunHooks(HookMoment::BeforeStop),
        Action::Quiesce,
        Action::RunHooks(HookMoment::BeforeFreeze),
        Action::Freeze,
    ];
    assert_eq!(seen[3..], expected);
    actions_until(&mut world, Action::Wait(Waiting::Decision));
    world.decide(false);
    let after = actions_until(&mut world, Action::EndAttempt { resumed: true });
    assert_eq!(after[1..3], [Action::StartServices, Action::RunHooks(HookMoment::AfterResume)]);
}

#[test]
fn without_the_hook_before_the_stop_nothing_is_stopped_and_one_that_fails_afterwards_holds_nothing_up() {
    let mut world = World { hooks: MOMENTS.to_vec(), ..World::new() };
    actions_until(&mut world, Action::RunHooks(HookMoment::BeforeStop));
    world.step(Fate::Fail);
    let seen = actions_until(&mut world, Action::RunHooks(HookMoment::AfterResume));
    assert!(!seen.contains(&Action::Quiesce), "{seen:?}");
    world.step(Fate::Fail);
    assert_eq!(world.next(), Action::EndAttempt { resumed: false });
}

#[test]
fn told_to_stop_it_stays_unfrozen_until_it_is_told_to_go_on() {
    let mut world = World { hooks: MOMENTS.to_vec(), intent: stop(), ..World::new() };
    let seen = actions_until(&mut world, Action::Wait(Waiting::OtherServers));
    let last = [Action::Quiesce, Action::RunHooks(HookMoment::BeforeFreeze), Action::Wait(Waiting::OtherServers)];
    assert!(seen.ends_with(&last), "{seen:?}");
    assert!(!world.services && !world.frozen);
    world.intent = cutover();
    assert_eq!(actions_until(&mut world, Action::FinalPass), [Action::Freeze, Action::FinalPass]);
    world.intent = stop();
    assert_eq!(world.next(), Action::FinalPass, "what is frozen goes on");
}

#[test]
fn one_that_waits_for_others_goes_back_to_work_when_the_attempt_is_aborted_or_its_process_dies() {
    for dies in [false, true] {
        let mut world = World { intent: stop(), ..World::new() };
        actions_until(&mut world, Action::Wait(Waiting::OtherServers));
        if dies {
            world.kill()
        } else {
            world.intent = resume()
        }
        actions_until(&mut world, Action::EndAttempt { resumed: !dies });
        assert!(world.services && !world.frozen);
    }
}

#[test]
fn an_attempt_that_was_aborted_before_it_began_here_is_noted_and_never_begun() {
    let mut world = World { intent: resume(), ..World::new() };
    let passed_over = Action::PassOver { attempt: ATTEMPT };
    assert_eq!(world.next(), passed_over);
    world.step(Fate::Act);
    assert_eq!((world.ledger.outcome, world.services), (Some((ATTEMPT, true)), true));
    world.intent = cutover();
    assert!(!actions_until(&mut world, Action::Wait(Waiting::Nothing)).contains(&Action::Arm));
}

#[test]
fn a_commit_for_another_record_or_another_attempt_is_refused() {
    let mut world = World::new();
    actions_until(&mut world, Action::Wait(Waiting::Decision));
    world.intent = fence("sha256:other");
    assert_eq!(world.next(), Action::Wait(Waiting::Refused));
    world.intent = Intent::Fence(FenceIntent { attempt: 2, record_digest: "sha256:right".into() });
    assert_eq!(world.next(), Action::Wait(Waiting::Refused));
}

#[test]
fn a_commit_without_a_vote_never_powers_off() {
    let mut world = World::new();
    world.intent = fence("sha256:right");
    assert_eq!(world.next(), Action::Wait(Waiting::Refused), "nothing is armed");
    world.intent = cutover();
    actions_until(&mut world, Action::FinalPass);
    world.intent = fence("sha256:right");
    assert_eq!(world.next(), Action::Thaw, "it gives up");
}

#[test]
fn an_attempt_that_has_ended_is_not_begun_again() {
    let mut world = World::new();
    actions_until(&mut world, Action::Quiesce);
    world.step(Fate::Fail);
    actions_until(&mut world, Action::EndAttempt { resumed: false });
    world.step(Fate::Act);
    assert_eq!(world.next(), Action::Wait(Waiting::Nothing));
    assert!(world.services);
}

#[test]
fn what_the_admin_forbids_is_not_begun_and_stops_what_runs() {
    let intent = cutover();
    let mut facts = Facts {
        role: Role::Source,
        intent: Some(&intent),
        forbidden: Some("hours"),
        armed: None,
        last_attempt: 0,
        frozen: false,
        boot_prepared: false,
        replication: Replication::Running { session: 7, in_sync: true },
        fence_acknowledged: false,
        network_adapted: false,
        units_up: false,
    };
    assert_eq!(next(&facts), Action::StopReplication);
    facts.replication = Replication::Stopped;
    assert_eq!(next(&facts), Action::Wait(Waiting::LocalFile));
    facts.forbidden = None;
    assert_eq!(next(&facts), Action::PrepareBoot);
    let idle = Intent::Idle {};
    facts.intent = Some(&idle);
    facts.replication = Replication::Running { session: 7, in_sync: true };
    assert_eq!(next(&facts), Action::StopReplication);
}

#[test]
fn another_session_ends_the_one_that_runs_and_doubt_holds_a_cutover_back() {
    let intent = cutover();
    let mut facts = Facts {
        role: Role::Source,
        intent: Some(&intent),
        forbidden: None,
        armed: None,
        last_attempt: 0,
        frozen: false,
        boot_prepared: true,
        replication: Replication::Running { session: 6, in_sync: true },
        fence_acknowledged: false,
        network_adapted: false,
        units_up: false,
    };
    assert_eq!(next(&facts), Action::StopReplication);
    facts.replication = Replication::Running { session: 7, in_sync: false };
    assert_eq!(next(&facts), Action::Wait(Waiting::Sync));
}

#[test]
fn the_arrival_adapts_serves_and_never_obeys_what_is_meant_for_the_source() {
    let armed = ArmedFacts {
        attempt: 1,
        same_boot: false,
        same_process: false,
        voted: None,
        hooks_left: HooksLeft::default(),
        quiesced: false,
        services_run: false,
        was_frozen: false,
        signed: false,
        failed: None,
    };
    let serve = Intent::Serve(ServeIntent { units: Vec::new() });
    let mut facts = Facts {
        role: Role::Arrival,
        intent: None,
        forbidden: None,
        armed: Some(armed),
        last_attempt: 1,
        frozen: false,
        boot_prepared: false,
        replication: Replication::Stopped,
        fence_acknowledged: false,
        network_adapted: false,
        units_up: false,
    };
    assert_eq!(next(&facts), Action::AdaptNetwork);
    facts.network_adapted = true;
    assert_eq!(next(&facts), Action::Wait(Waiting::Gateway));
    facts.intent = Some(&serve);
    assert_eq!(next(&facts), Action::ServeUnits);
    facts.units_up = true;
    assert_eq!(next(&facts), Action::Wait(Waiting::Nothing));
    for intent in [fence("sha256:right"), resume(), cutover(), Intent::Replicate(replicate())] {
        let facts = Facts { intent: Some(&intent), ..facts.clone() };
        assert_eq!(next(&facts), Action::Wait(Waiting::Refused));
    }
}
