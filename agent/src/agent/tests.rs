//! The whole loop over a recorded machine and an engine without disks: kills, older leaders, late decisions.

use super::*;
use crate::engine::fake::FakeEngine;
use crate::host::Output;
use crate::host::fake::Fake;
use crate::identity::Enrolled;
use crate::steps::tests::{systemd, with_boot_tools};
use qianyun_agent_api::desired::{
    ArrivalNic, ArrivalPlan, CutoverIntent, DiskAssignment, FenceIntent, Hook, QuiesceUnit, ReplicateIntent,
    ResumeIntent, ServeIntent,
};
use qianyun_agent_api::report::{CutoverState, Step, StepState};

/// Everything here ends within this, or the test has failed.
const DEADLINE: Duration = Duration::from_secs(20);

/// A server that has joined, with services and boot tools.
fn joined() -> Arc<Fake> {
    let host = systemd(with_boot_tools());
    let (key, _) = identity::make_key().unwrap();
    let pem = rcgen::CertificateParams::new(vec!["x".to_owned()]).unwrap().self_signed(&key).unwrap().pem();
    let answer = EnrollResponse {
        namespace: "civil".into(),
        host: "db".into(),
        certificate_pem: pem.clone(),
        ca_pem: pem,
        department: "d".into(),
        system: "s".into(),
    };
    let enrolled = Enrolled {
        // Nothing listens there: these tests speak with the owner by events.
        server: "https://127.0.0.1:1".into(),
        namespace: "civil".into(),
        host: "db".into(),
        department: "d".into(),
        system: "s".into(),
        declared_by: "n".into(),
        declared_unix_ms: 1,
    };
    let paths = Paths::default();
    identity::keep(&host, &paths, &key, &answer, &enrolled).unwrap();
    let fingerprint = inventory::fingerprint(&host);
    let mut ledger = LedgerFile::load(&host, &paths).unwrap();
    ledger.store(&host, Ledger { fingerprint, ..Ledger::default() }).unwrap();
    Arc::new(host)
}

struct Bench {
    host: Arc<Fake>,
    engine: Arc<FakeEngine>,
    agent: Agent,
    inbox: mpsc::Receiver<Event>,
}

impl Bench {
    fn start(host: Arc<Fake>, engine: Arc<FakeEngine>) -> Self {
        let (events, inbox) = mpsc::channel(EVENTS);
        let agent = Agent::new(host.clone(), engine.clone(), Paths::default(), Log::default(), events).unwrap();
        Self { host, engine, agent, inbox }
    }

    fn new() -> Self {
        Self::start(joined(), Arc::default())
    }

    /// SIGKILL and a new start; the watchdog has thawed in between.
    fn restart(self) -> Self {
        self.engine.restart();
        Self::start(self.host, self.engine)
    }

    /// The same with a power cut: `/run` is empty and the boot is another.
    fn reboot(self) -> Self {
        self.host.put("/proc/sys/kernel/random/boot_id", "b2");
        self.host.remove("/run/qianyun/state.json").unwrap();
        self.restart()
    }

    fn ask(&mut self, generation: u64, intent: Intent) {
        self.agent.apply(Event::Desired(Desired { epoch: 3, generation, intent })).unwrap();
    }

    /// Lets the loop turn until the level is reached.
    async fn until(&mut self, what: &str, reached: impl Fn(&Agent, &FakeEngine) -> bool) {
        let deadline = Instant::now() + DEADLINE;
        loop {
            self.agent.apply(Event::Tick).unwrap();
            self.agent.act();
            if reached(&self.agent, &self.engine) {
                return;
            }
            assert!(Instant::now() < deadline, "{what}: {:?} {:?}", self.agent.busy, self.agent.steps.records());
            if let Ok(Some(event)) = tokio::time::timeout(Duration::from_millis(20), self.inbox.recv()).await {
                self.agent.apply(event).unwrap();
            }
        }
    }

    async fn rest(&mut self, waiting: Waiting) {
        let what = format!("waits for {waiting:?}");
        // While an attempt is under way the machine is not looked at.
        let looked = |agent: &Agent| agent.machine.is_some() || agent.ledger.ledger.armed.is_some();
        self.until(&what, |agent, _| agent.busy.is_none() && agent.waiting == waiting && looked(agent)).await;
    }

    fn state(&mut self) -> Option<CutoverState> {
        self.agent.report(false).cutover.map(|cutover| cutover.state)
    }

    fn runs(&self, unit: &str) -> bool {
        self.host.text(&format!("/units/{unit}")).as_deref() == Some("active")
    }
}

fn replicate(host: &Fake) -> ReplicateIntent {
    let identity = inventory::collect(host, None).inventory.disks[0].identity.clone();
    ReplicateIntent {
        session: 7,
        scheme_digest: "sha256:5c".into(),
        receiver_address: "10.0.0.9:9000".into(),
        receiver_name: "7.receiver.qianyun.dev".into(),
        disks: vec![DiskAssignment { volume: "sda".into(), identity }],
        max_bytes_per_second: 0,
    }
}

/// The card of the machine in the cloud.
fn announced() -> ArrivalPlan {
    ArrivalPlan { nics: vec![ArrivalNic { mac: "52:54:00:00:00:01".into(), takes_name: "enp0s3".into() }] }
}

fn cutover(host: &Fake) -> Intent {
    Intent::Cutover(CutoverIntent {
        attempt: 1,
        replicate: replicate(host),
        quiesce: vec![QuiesceUnit { unit: "writer.service".into(), deadline_ms: 1_000 }],
        hooks: Vec::new(),
        freeze_limit_ms: 30_000,
        arrival: announced(),
    })
}

fn resume(host: &Fake) -> Intent {
    Intent::Resume(ResumeIntent { attempt: 1, replicate: replicate(host) })
}

async fn voted() -> Bench {
    let mut bench = Bench::new();
    let intent = cutover(&bench.host);
    bench.ask(1, intent);
    bench.rest(Waiting::Decision).await;
    bench
}

#[tokio::test]
async fn idle_touches_nothing_but_the_agents_own_state() {
    let mut bench = Bench::new();
    bench.ask(1, Intent::Idle {});
    let before = bench.host.changes().len();
    bench.rest(Waiting::Nothing).await;
    let touched: Vec<String> = (bench.host.changes().split_off(before).into_iter())
        .filter(|change| change.starts_with("write") || change.starts_with("re"))
        .filter(|change| !change.contains("/run/qianyun/") && !change.contains("/var/lib/qianyun/ledger"))
        .collect();
    assert_eq!(touched, Vec::<String>::new());
    assert!(bench.engine.calls().is_empty());
    let report = bench.agent.report(false);
    assert!(report.inventory.is_some() && report.checks.len() == 14);
}

#[tokio::test]
async fn an_older_leader_or_an_older_state_is_refused_also_after_a_restart() {
    let mut bench = Bench::new();
    bench.ask(5, Intent::Idle {});
    let mut bench = bench.restart();
    let intent = Intent::Replicate(replicate(&bench.host));
    for (epoch, generation) in [(2, 99), (3, 4)] {
        bench.agent.apply(Event::Desired(Desired { epoch, generation, intent: intent.clone() })).unwrap();
        assert!(bench.agent.desired.is_none(), "{epoch} {generation}");
    }
    bench.ask(5, Intent::Idle {});
    assert!(bench.agent.desired.is_some(), "the same state is taken up by a new process");
    bench.agent.apply(Event::Desired(Desired { epoch: 4, generation: 1, intent })).unwrap();
    assert_eq!(bench.agent.ledger.ledger.epoch, 4, "a new leader counts from anew");
}

#[tokio::test]
async fn a_commit_is_acknowledged_before_the_power_goes() {
    let mut bench = voted().await;
    assert_eq!(bench.state(), Some(CutoverState::Prepared));
    assert!(!bench.runs("writer.service"));
    let record = bench.agent.report(false).cutover.unwrap().record.unwrap();
    let fence = FenceIntent { attempt: 1, record_digest: record.digest() };
    bench.ask(2, Intent::Fence(fence));
    bench.until("acknowledges", |agent, _| agent.telling.fencing).await;
    assert!(!bench.engine.calls().contains(&"power off"));
    bench.agent.apply(Event::Reported { fencing: true, result: Err("lost".into()) }).unwrap();
    bench.until("acknowledges again", |agent, _| agent.telling.fencing).await;
    assert!(!bench.engine.calls().contains(&"power off"), "an answer that did not come is none");
    bench.agent.apply(Event::Reported { fencing: true, result: Ok((ReportAnswer::default(), None)) }).unwrap();
    bench.until("powers off", |_, engine| engine.calls().contains(&"power off")).await;
    assert_eq!(bench.state(), Some(CutoverState::Fencing));
    assert!(!bench.runs("writer.service"));
}

#[tokio::test]
async fn nothing_is_written_to_a_disk_while_it_is_frozen() {
    let mut bench = voted().await;
    let intent = resume(&bench.host);
    let frozen_at = bench.host.changes().len();
    bench.ask(9, intent);
    let disk: Vec<String> = (bench.host.changes().split_off(frozen_at).into_iter())
        .filter(|change| change.starts_with("write") && !change.starts_with("write /run/"))
        .collect();
    assert_eq!(disk, Vec::<String>::new());
    assert_eq!(bench.agent.ledger.ledger.generation, 1);
    bench.rest(Waiting::Nothing).await;
    assert_eq!(bench.agent.ledger.ledger.generation, 9, "it is written after the thaw");
}

#[tokio::test]
async fn an_abort_brings_the_services_back() {
    let mut bench = voted().await;
    let intent = resume(&bench.host);
    bench.ask(2, intent);
    bench.rest(Waiting::Nothing).await;
    assert_eq!(bench.state(), Some(CutoverState::Resumed));
    assert!(bench.runs("writer.service"));
    let calls = bench.engine.calls();
    let after_vote = calls.iter().skip_while(|call| **call != "finalise").skip(1).copied();
    assert!(after_vote.eq(["thaw", "resume", "thaw", "resume"]), "{calls:?}");
}

#[tokio::test]
async fn on_a_full_disk_the_services_come_back_and_the_attempt_ends_once_there_is_room() {
    let mut bench = voted().await;
    bench.host.is_full(&Paths::default().state);
    let intent = resume(&bench.host);
    bench.ask(2, intent);
    bench.until("services run", |agent, _| agent.attempt.services_run && agent.busy.is_none()).await;
    bench.until("the end was tried", |agent, _| agent.retry_at.is_some()).await;
    assert!(bench.runs("writer.service") && bench.agent.ledger.ledger.armed.is_some());
    assert!(bench.agent.status.last_error.contains("the ledger cannot be kept: cannot write"), "it is said why");
    bench.host.is_full("");
    bench.agent.retry_at = None;
    bench.rest(Waiting::Nothing).await;
    assert_eq!(bench.state(), Some(CutoverState::Resumed));
}

#[tokio::test]
async fn a_kill_after_the_vote_keeps_the_services_down_until_the_decision() {
    let mut bench = voted().await.restart();
    let intent = cutover(&bench.host);
    bench.ask(1, intent);
    bench.rest(Waiting::Decision).await;
    assert_eq!(bench.state(), Some(CutoverState::PreparedButThawed));
    assert!(!bench.runs("writer.service"));
    assert!(bench.agent.report(false).cutover.unwrap().record.is_some(), "the vote is not forgotten");
    let intent = resume(&bench.host);
    bench.ask(2, intent);
    bench.rest(Waiting::Nothing).await;
    assert!(bench.runs("writer.service"));
}

#[tokio::test]
async fn the_watchdog_after_the_vote_changes_nothing_but_the_word() {
    let mut bench = voted().await;
    bench.engine.expire();
    bench.rest(Waiting::Decision).await;
    assert_eq!(bench.state(), Some(CutoverState::PreparedButThawed));
    assert!(!bench.runs("writer.service"));
}

#[tokio::test]
async fn a_kill_before_the_vote_gives_up_and_says_why() {
    let mut bench = Bench::new();
    let intent = cutover(&bench.host);
    bench.ask(1, intent.clone());
    bench.until("freezes", |_, engine| engine.calls().contains(&"freeze")).await;
    let mut bench = bench.restart();
    bench.ask(1, intent);
    bench.rest(Waiting::Nothing).await;
    assert_eq!(bench.state(), Some(CutoverState::GivenUp));
    assert!(bench.agent.report(false).cutover.unwrap().message.contains("restarted"));
    assert!(bench.runs("writer.service"));
}

#[tokio::test]
async fn a_power_cut_while_armed_waits_for_the_controller() {
    let mut bench = voted().await.reboot();
    let intent = cutover(&bench.host);
    bench.ask(1, intent);
    bench.rest(Waiting::Decision).await;
    assert_eq!(bench.state(), Some(CutoverState::PreparedButThawed));
    bench.ask(2, Intent::Fence(FenceIntent { attempt: 1, record_digest: "sha256:any".into() }));
    bench.until("acknowledges", |agent, _| agent.telling.fencing).await;
}

#[tokio::test]
async fn every_failing_step_gives_the_attempt_up_with_services_running() {
    for call in ["freeze", "finalise"] {
        let mut bench = Bench::new();
        bench.engine.fail(call);
        let intent = cutover(&bench.host);
        bench.ask(1, intent);
        bench.until("gives up", |agent, _| agent.ledger.ledger.outcome.is_some()).await;
        assert_eq!(bench.state(), Some(CutoverState::GivenUp));
        assert!(bench.agent.report(false).cutover.unwrap().message.contains(call));
        assert!(bench.runs("writer.service") && bench.engine.frozen().is_none());
        let failed = bench.agent.steps.records().into_iter().filter(|record| record.state == StepState::Failed);
        assert_eq!(failed.count(), 1);
    }
}

#[tokio::test]
async fn a_freeze_that_the_kernel_does_not_bear_is_refused_before_anything_is_stopped() {
    let mut bench = Bench::new();
    bench.host.put("/proc/sys/kernel/hung_task_panic", "1\n");
    bench.host.put("/proc/sys/kernel/hung_task_timeout_secs", "40\n");
    let intent = cutover(&bench.host);
    bench.ask(1, intent);
    bench.until("gives up", |agent, _| agent.ledger.ledger.outcome.is_some()).await;
    assert_eq!(bench.state(), Some(CutoverState::GivenUp));
    let why = bench.agent.report(false).cutover.unwrap().message;
    assert!(why.contains("freeze of 30 s, expected 20 s at most") && why.contains("hung_task_panic"), "{why}");
    assert!(deeds(&bench.host).is_empty() && !bench.engine.calls().contains(&"freeze"));
    assert!(bench.runs("writer.service"));
}

#[tokio::test]
async fn for_an_attempt_that_cannot_come_to_its_end_nothing_is_stopped() {
    let mut bench = Bench::new();
    bench.engine.fail("unfit");
    let intent = cutover(&bench.host);
    bench.ask(1, intent);
    bench.until("gives up", |agent, _| agent.ledger.ledger.outcome.is_some()).await;
    assert_eq!(bench.agent.report(false).cutover.unwrap().message, "4096 bytes cannot be read");
    assert!(deeds(&bench.host).is_empty() && bench.runs("writer.service"));
}

/// A machine whose admin lists hooks: one for each moment, of which `fails` fails.
fn with_hooks(fails: &'static str) -> Bench {
    let host = Arc::into_inner(joined()).unwrap();
    let lines: String = HOOKS.iter().map(|(name, _)| format!("{name} = \"/opt/hooks/{name}\"\n")).collect();
    let host = host.file("/etc/qianyun/agent.toml", &format!("[hooks]\n{lines}"));
    let host = HOOKS.iter().fold(host, |host, (name, _)| {
        let path = format!("/opt/hooks/{name}");
        let status = i32::from(*name == fails);
        host.file(&path, "#!/bin/sh").program(&path, move |_, _| Output { status, ..Output::default() })
    });
    Bench::start(Arc::new(host), Arc::default())
}

const HOOKS: [(&str, HookMoment); 3] =
    [("dump", HookMoment::BeforeStop), ("flush", HookMoment::BeforeFreeze), ("tell", HookMoment::AfterResume)];

fn cutover_with_hooks(host: &Fake) -> Intent {
    let Intent::Cutover(cutover) = cutover(host) else { panic!("a cutover") };
    let hook = |(name, at): &(&str, HookMoment)| Hook { name: (*name).into(), at: *at, deadline_ms: 1_000 };
    Intent::Cutover(CutoverIntent { hooks: HOOKS.iter().map(hook).collect(), ..cutover })
}

/// Stops, starts and hooks, in order.
fn deeds(host: &Fake) -> Vec<String> {
    let marks = ["/opt/hooks/", "systemctl stop -- writer.service", "systemctl start -- writer.service"];
    host.changes().into_iter().filter(|change| marks.iter().any(|mark| change.contains(mark))).collect()
}

#[tokio::test]
async fn hooks_run_around_the_stop_and_each_moment_is_a_step() {
    let mut bench = with_hooks("");
    let intent = cutover_with_hooks(&bench.host);
    bench.ask(1, intent);
    bench.rest(Waiting::Decision).await;
    assert_eq!(
        deeds(&bench.host),
        [
            "run /opt/hooks/dump QIANYUN_HOST=civil/db QIANYUN_ATTEMPT=1 QIANYUN_MOMENT=before-stop",
            "run systemctl stop -- writer.service",
            "run /opt/hooks/flush QIANYUN_HOST=civil/db QIANYUN_ATTEMPT=1 QIANYUN_MOMENT=before-freeze",
        ]
    );
    let steps = bench.agent.report(false).steps;
    let of = |step| steps.iter().find(|record| record.step == step);
    assert_eq!(of(Step::HooksBeforeStop).unwrap().message, "dump in 0 ms");
    assert_eq!(of(Step::HooksBeforeFreeze).unwrap().state, StepState::Done);
    assert_eq!(of(Step::Freeze).unwrap().message, "not frozen: /boot/efi (vfat)");
    assert_eq!(of(Step::HooksAfterResume), None, "nothing was aborted");
    let intent = resume(&bench.host);
    bench.ask(2, intent);
    bench.rest(Waiting::Nothing).await;
    let last = deeds(&bench.host).split_off(3);
    assert!(last[0].contains("start -- writer.service") && last[1].contains("/opt/hooks/tell"), "{last:?}");
}

#[tokio::test]
async fn a_stop_for_other_servers_is_told_and_the_freeze_waits_for_the_word() {
    let mut bench = with_hooks("");
    let Intent::Cutover(cutover) = cutover_with_hooks(&bench.host) else { panic!("a cutover") };
    bench.ask(1, Intent::Stop(cutover.clone()));
    assert!(bench.agent.report(false).cutover.is_none_or(|cutover| !cutover.stopped));
    bench.rest(Waiting::OtherServers).await;
    let told = bench.agent.report(false).cutover.unwrap();
    assert_eq!((told.state, told.stopped), (CutoverState::Working, true));
    assert!(!bench.engine.calls().contains(&"freeze") && !bench.runs("writer.service"));
    bench.ask(2, Intent::Cutover(cutover));
    bench.rest(Waiting::Decision).await;
    assert_eq!(bench.state(), Some(CutoverState::Prepared));
    assert_eq!(deeds(&bench.host).len(), 3, "nothing was stopped or run twice");
}

#[tokio::test]
async fn an_attempt_that_never_began_here_ends_as_aborted() {
    let mut bench = Bench::new();
    let intent = Intent::Replicate(replicate(&bench.host));
    bench.ask(1, intent);
    bench.rest(Waiting::Nothing).await;
    let intent = resume(&bench.host);
    bench.ask(2, intent);
    bench.until("says so", |agent, _| agent.ledger.ledger.last_attempt == 1).await;
    assert_eq!(bench.state(), Some(CutoverState::Resumed));
    assert_eq!(bench.engine.calls(), ["start"], "and it is followed all the while");
}

#[tokio::test]
async fn a_hook_that_fails_gives_the_attempt_up_and_one_after_it_holds_nothing_up() {
    for (fails, stopped) in [("dump", false), ("flush", true), ("tell", true)] {
        let mut bench = with_hooks(fails);
        if fails == "tell" {
            bench.engine.fail("freeze");
        }
        let intent = cutover_with_hooks(&bench.host);
        bench.ask(1, intent);
        bench.until("gives up", |agent, _| agent.ledger.ledger.outcome.is_some()).await;
        assert_eq!(bench.state(), Some(CutoverState::GivenUp));
        let why = bench.agent.report(false).cutover.unwrap().message;
        assert!(fails == "tell" || why == format!("hook {fails} ended with status 1"), "{why}");
        assert!(bench.runs("writer.service") && bench.engine.frozen().is_none());
        let deeds = deeds(&bench.host);
        assert_eq!(deeds.iter().any(|deed| deed.contains("stop --")), stopped, "{deeds:?}");
        assert!(deeds.last().unwrap().contains("/opt/hooks/tell"), "{deeds:?}");
    }
}

#[tokio::test]
async fn after_a_kill_what_has_to_be_told_after_the_abort_is_told_by_the_next_process() {
    let mut bench = with_hooks("");
    let intent = cutover_with_hooks(&bench.host);
    bench.ask(1, intent.clone());
    bench.until("freezes", |_, engine| engine.calls().contains(&"freeze")).await;
    let mut bench = bench.restart();
    bench.ask(1, intent);
    bench.rest(Waiting::Nothing).await;
    assert!(deeds(&bench.host).last().unwrap().contains("/opt/hooks/tell"));
}

#[tokio::test]
async fn the_names_of_the_hooks_are_told_with_the_inventory_and_again_when_the_file_changes() {
    let mut bench = with_hooks("");
    bench.ask(1, Intent::Idle {});
    bench.rest(Waiting::Nothing).await;
    assert_eq!(bench.agent.report(false).inventory.unwrap().hooks, ["dump", "flush", "tell"]);
    assert!(bench.agent.report(false).inventory.is_none());
    bench.host.put("/etc/qianyun/agent.toml", "[hooks]\ndump = \"/opt/hooks/dump\"\n");
    bench.rest(Waiting::Nothing).await;
    assert_eq!(bench.agent.report(false).inventory.unwrap().hooks, ["dump"]);
    bench.host.put("/etc/qianyun/agent.toml", "[hooks]\ndump = \"/opt/hooks/gone\"\n");
    bench.rest(Waiting::Nothing).await;
    assert!(bench.agent.report(false).inventory.unwrap().hooks.is_empty(), "none is allowed that is no program");
}

#[tokio::test]
async fn the_admins_file_stops_what_runs_and_the_report_says_so() {
    let mut bench = Bench::new();
    let intent = Intent::Replicate(replicate(&bench.host));
    bench.ask(1, intent);
    bench.rest(Waiting::Nothing).await;
    assert_eq!(bench.engine.calls(), ["start"]);
    bench.host.put("/etc/qianyun/agent.toml", "[allow]\nintents = []\n");
    bench.rest(Waiting::LocalFile).await;
    assert_eq!(bench.engine.calls(), ["start", "stop"]);
    assert!(bench.agent.report(false).local_refusal.unwrap().contains("allow.intents"));
    bench.host.put("/etc/qianyun/agent.toml", "[alow]\n");
    bench.rest(Waiting::LocalFile).await;
    assert!(bench.agent.report(false).local_refusal.unwrap().contains("alow"), "a slip of the pen permits nothing");
}

#[tokio::test]
async fn a_bound_in_the_admins_file_holds_at_once() {
    let mut bench = Bench::new();
    let intent = Intent::Replicate(replicate(&bench.host));
    bench.ask(1, intent);
    bench.rest(Waiting::Nothing).await;
    bench.host.put("/etc/qianyun/agent.toml", "[limits]\nmax_bytes_per_second = 5000000\n");
    bench.until("the bound is set", |_, engine| engine.bounds().max_bytes_per_second == 5_000_000).await;
    assert!(bench.engine.bounds().yields, "unless the admin says otherwise");
    bench.host.put("/etc/qianyun/agent.toml", "[limits]\nyield_to_users = false\n");
    bench.until("it reads on", |_, engine| !engine.bounds().yields).await;
    assert_eq!(bench.engine.calls(), ["start"], "without starting anew");
}

#[tokio::test]
async fn the_picture_for_status_says_what_a_copy_takes_of_the_machine() {
    let mut bench = Bench::new();
    bench.ask(1, Intent::Idle {});
    bench.rest(Waiting::Nothing).await;
    assert!(!bench.agent.activity().iter().any(|line| line.contains("own load")), "nothing is copied");
    let intent = Intent::Replicate(replicate(&bench.host));
    bench.ask(2, intent);
    bench.rest(Waiting::Nothing).await;
    let lines = bench.agent.activity();
    assert!(lines.iter().any(|line| line.starts_with("own load: 0 % of one processor")), "{lines:?}");
}

#[tokio::test]
async fn other_hardware_is_the_arrival_and_serves() {
    let bench = voted().await;
    bench.host.put("/sys/class/dmi/id/product_uuid", "other");
    let bench = bench.reboot();
    assert_eq!(bench.agent.role, Role::Source, "a board that was replaced makes no arrival");
    bench.host.put("/sys/class/net/enp0s3/address", "52:54:00:00:00:01\n");
    bench.host.put("/sys/class/net/enp0s3/flags", "0x1003\n");
    let mut bench = bench.reboot();
    assert_eq!(bench.agent.role, Role::Arrival);
    bench.ask(2, Intent::Serve(ServeIntent { units: vec!["writer.service".into()] }));
    // The gate of the source lies in `/run`, which did not travel.
    bench.host.remove("/run/systemd/system/writer.service.d/qianyun-cutover.conf").unwrap();
    bench.rest(Waiting::Nothing).await;
    assert!(bench.runs("writer.service"));
    bench.until("units are told", |agent, _| agent.units.first().is_some_and(|unit| unit.state == "active")).await;
    let arrival = bench.agent.report(false).arrival.unwrap();
    assert!(arrival.adapted);
    assert_eq!(arrival.message, "not up: broken.service");
}

/// The boot guard looked before the card was there, and took the arrival for the source.
#[tokio::test]
async fn services_that_were_kept_down_on_the_arrival_run_once_its_card_has_shown_up() {
    let bench = voted().await;
    bench.host.put("/sys/class/dmi/id/product_uuid", "other");
    bench.host.put("/sys/class/net/enp0s3/address", "52:54:00:00:00:01\n");
    bench.host.put("/sys/class/net/enp0s3/flags", "0x1003\n");
    let mut bench = bench.reboot();
    let gate = "/run/systemd/system/writer.service.d/qianyun-cutover.conf";
    assert!(bench.host.exists(gate));
    bench.ask(2, Intent::Serve(ServeIntent { units: vec!["writer.service".into()] }));
    bench.rest(Waiting::Nothing).await;
    assert!(bench.runs("writer.service"));
    assert!(!bench.host.exists(gate));
}

/// A driver that comes late: the machine has no card at all when its agent starts.
#[tokio::test]
async fn a_process_that_took_the_arrival_for_the_source_ends_when_the_card_shows_up() {
    let bench = voted().await;
    let card = ("/sys/class/net/enp0s3/address", "52:54:00:00:00:01\n");
    bench.host.put("/sys/class/dmi/id/product_uuid", "other");
    let bench = bench.reboot();
    assert!(!bench.agent.has_arrived(), "a board that was replaced makes no arrival");
    let service = tokio::spawn(run(bench.host.clone(), bench.engine.clone(), Paths::default(), Log::default()));
    let deadline = Instant::now() + DEADLINE;
    while !bench.host.exists(&Paths::default().status()) {
        assert!(Instant::now() < deadline, "it does not run");
        tokio::task::yield_now().await;
    }
    bench.host.put(card.0, card.1);
    tokio::time::timeout(DEADLINE, service).await.expect("it ends").unwrap().unwrap();
    let next = bench.restart();
    assert_eq!(next.agent.role, Role::Arrival);
    assert!(!next.agent.has_arrived(), "and stays what it is");
}

#[tokio::test]
async fn the_source_never_takes_itself_for_the_arrival() {
    let bench = voted().await;
    bench.host.put("/sys/class/net/enp0s3/address", "52:54:00:00:00:01\n");
    assert!(!bench.agent.has_arrived());
    assert!(!bench.reboot().agent.has_arrived());
}

#[tokio::test]
async fn an_inventory_that_was_lost_on_the_way_is_sent_again() {
    let mut bench = Bench::new();
    bench.ask(1, Intent::Idle {});
    bench.rest(Waiting::Nothing).await;
    assert!(bench.agent.report(false).inventory.is_some());
    assert!(bench.agent.report(false).inventory.is_none(), "once is enough");
    bench.agent.telling.inventory_due = true;
    assert!(bench.agent.report(false).inventory.is_some());
    bench.agent.apply(Event::Reported { fencing: false, result: Err("lost".into()) }).unwrap();
    assert!(bench.agent.report(false).inventory.is_some());
    let answer = ReportAnswer { want_inventory: true, ..ReportAnswer::default() };
    bench.agent.apply(Event::Reported { fencing: false, result: Ok((answer, None)) }).unwrap();
    assert!(bench.agent.report(false).inventory.is_some(), "the gateway asked for it");
}

#[tokio::test]
async fn the_gateways_clock_is_compared() {
    let mut bench = Bench::new();
    let date = Some("Mon, 23 Nov 2026 00:00:00 GMT".to_owned());
    bench.agent.apply(Event::Reported { fencing: false, result: Ok((ReportAnswer::default(), date)) }).unwrap();
    let skew = bench.agent.status.clock_skew_ms.unwrap();
    assert_eq!(skew, bench.host.now_unix_ms() - 1_795_392_000_000);
}
