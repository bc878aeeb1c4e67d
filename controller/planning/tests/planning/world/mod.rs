//! A small world for the planner's tests: objects of one department, two servers with simulated agents, a hosting site that
//! does what it is told, and a controller that plans and carries out. No clock: time passes when a test says so.
#![allow(clippy::unwrap_used)]

mod digests;
mod objects;
mod records;
mod server;

pub(crate) use objects::{APPROVERS, AUTHOR, NAMESPACE, check, paper, physical, report, scheme_host};
pub(crate) use records::{custody_record, freeze_period, meeting, waiver};
pub(crate) use server::{Illness, Server, Stage};

use jiff::{Timestamp, ToSpan};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use qianyun_crds::{
    Approval, ApprovalSpec, ApprovalSubject, CheckWaiver, CloudPlatform, Conclusion, CustodyRecord,
    CutoverConfirmation, Decision, DecisionKind, Department, FreezePeriod, GateName, HostIntent, HostMigration,
    HostMigrationSpec, InformationSystem, MigrationPlan, Phase, PhysicalHost, PolicyProfile, RehearsalRecord, Scheme,
    SecurityInUse, SubjectKind, SystemMigration,
};
use qianyun_planning::action::{Action, Plan};
use qianyun_planning::calendar::{self, Calendar, Zone};
use qianyun_planning::demand::Demand;
use qianyun_planning::facts::{
    ApprovalFact, Authorisation, DependencyFact, Facts, HostFacts, HostingFacts, Known, Machine, ProbeFact, Receiver,
    Silence, UnderWay,
};
use qianyun_planning::report::Words;
use qianyun_planning::{host_migration, lint, phase, system_migration};
use std::collections::BTreeSet;
use std::sync::{Arc, OnceLock};

/// The world.
#[derive(Clone)]
pub(crate) struct World {
    pub(crate) now: Timestamp,
    pub(crate) migration: SystemMigration,
    pub(crate) plan: MigrationPlan,
    pub(crate) policy: Known<PolicyProfile>,
    pub(crate) platform: CloudPlatform,
    pub(crate) system: InformationSystem,
    pub(crate) department: Department,
    pub(crate) approvals: Vec<Approval>,
    /// People who do not hold their role any more.
    pub(crate) denied: BTreeSet<String>,
    /// Whether permissions can be asked.
    pub(crate) authoriser_up: bool,
    pub(crate) servers: Vec<Server>,
    pub(crate) epoch: i64,
    pub(crate) freezes: Vec<FreezePeriod>,
    pub(crate) waivers: Vec<CheckWaiver>,
    pub(crate) custody: Vec<CustodyRecord>,
    /// Whether each system that this one depends on serves from the cloud.
    pub(crate) dependencies: Vec<DependencyFact>,
    /// Servers that are enrolled for the system and that no scheme of it names.
    pub(crate) left_out: Vec<PhysicalHost>,
    /// Other systems of the plan that are being cut over.
    pub(crate) under_way: Vec<UnderWay>,
    pub(crate) unread: Unread,
    /// The scheme as it was at the newest commit.
    pub(crate) carried_out: Option<Scheme>,
    digests: digests::Digests,
}

/// What cannot be read at the moment.
#[derive(Clone, Debug, Default)]
pub(crate) struct Unread {
    pub(crate) policy: bool,
    pub(crate) plan: bool,
    pub(crate) calendar: bool,
    /// The journeys of the hosts.
    pub(crate) journeys: bool,
    /// What the hosting site has: volumes, receivers, machines.
    pub(crate) site: bool,
}

/// Read once: it holds the notices of many years, and facts are gathered thousands of times.
fn calendar() -> &'static Arc<Calendar> {
    static CALENDAR: OnceLock<Arc<Calendar>> = OnceLock::new();
    CALENDAR.get_or_init(|| Arc::new(Calendar::built_in()))
}

/// What people decide on at a gate.
/// The same in both languages.
pub(crate) fn both(text: &str) -> Words {
    Words { en: text.into(), zh: text.into() }
}

fn kind_of(gate: GateName) -> SubjectKind {
    match gate {
        GateName::PlanIssued => SubjectKind::MigrationPlan,
        GateName::PreAcceptanceApproved => SubjectKind::AcceptanceApplication,
        GateName::Accepted => SubjectKind::Acceptance,
        _ => SubjectKind::SystemMigration,
    }
}

impl World {
    /// One server, nothing decided, the window opening in ten minutes.
    pub(crate) fn new() -> Self {
        Self::with_servers(&["db1"])
    }

    pub(crate) fn with_servers(names: &[&str]) -> Self {
        let now: Timestamp = "2026-11-23T14:00:00Z".parse().unwrap();
        World {
            now,
            migration: objects::migration(names, now),
            plan: objects::plan(),
            policy: Known::Is(objects::policy()),
            platform: objects::platform(),
            system: objects::system(),
            department: objects::department(),
            approvals: Vec::new(),
            denied: BTreeSet::new(),
            authoriser_up: true,
            servers: names.iter().map(|n| Server::new(n, now)).collect(),
            epoch: 7,
            freezes: Vec::new(),
            waivers: Vec::new(),
            custody: Vec::new(),
            dependencies: Vec::new(),
            left_out: Vec::new(),
            under_way: Vec::new(),
            unread: Unread::default(),
            carried_out: None,
            digests: digests::Digests::default(),
        }
    }

    /// As [`World::new`], with everything signed.
    pub(crate) fn approved(names: &[&str]) -> Self {
        let mut world = Self::with_servers(names);
        world.sign_all();
        world
    }

    pub(crate) fn sign_all(&mut self) {
        for (role, person) in APPROVERS {
            self.decide(GateName::PlanIssued, role, person, Decision::Approve);
        }
        self.decide(GateName::DepartmentConfirmed, "department", "dept-li", Decision::Approve);
        for (role, person) in APPROVERS {
            self.decide(GateName::DualApproved, role, person, Decision::Approve);
        }
        self.prove();
    }

    /// The scheme as it is now was rehearsed today, and its security products are in use.
    pub(crate) fn prove(&mut self) {
        let (digest, today) = (self.digest(), calendar::day(self.now).to_string());
        self.migration.spec.rehearsal = Some(RehearsalRecord {
            digest: digest.clone(),
            held_on: today,
            conclusion: Conclusion::Passed,
            services_stopped: true,
            rollback_rehearsed: true,
            leak_found: false,
            hosts: self.servers.iter().filter_map(Server::as_rehearsed).collect(),
            downtime_minutes: 5,
            minutes: objects::paper("Minutes of the rehearsal"),
            recorded_by: AUTHOR.into(),
        });
        self.migration.spec.security_in_use =
            Some(SecurityInUse { digest, checklist: objects::paper("Checklist"), confirmed_by: AUTHOR.into() });
    }

    pub(crate) fn digest(&self) -> String {
        self.digests.papers(&self.migration.spec).scheme
    }

    pub(crate) fn plan_digest(&self) -> String {
        self.digests.plan(&self.plan.spec)
    }

    pub(crate) fn application_digest(&self) -> String {
        self.digests.papers(&self.migration.spec).application
    }

    pub(crate) fn acceptance_digest(&self) -> String {
        self.digests.papers(&self.migration.spec).acceptance
    }

    /// A person decides on what they read a moment ago.
    pub(crate) fn decide(&mut self, gate: GateName, role: &str, person: &str, decision: Decision) {
        let digest = match kind_of(gate) {
            SubjectKind::MigrationPlan => self.plan_digest(),
            SubjectKind::SystemMigration => self.digest(),
            SubjectKind::AcceptanceApplication => self.application_digest(),
            SubjectKind::Acceptance => self.acceptance_digest(),
        };
        self.decide_on(gate, role, person, decision, &digest);
    }

    pub(crate) fn decide_on(&mut self, gate: GateName, role: &str, person: &str, decision: Decision, digest: &str) {
        let kind = kind_of(gate);
        let of_plan = kind == SubjectKind::MigrationPlan;
        let name = format!("a{:03}", self.approvals.len());
        let mut approval = Approval::new(
            &name,
            ApprovalSpec {
                gate,
                role: role.into(),
                subject: ApprovalSubject {
                    kind,
                    name: if of_plan { "plan-2026".into() } else { "civil-registry".into() },
                    uid: if of_plan { "uid-plan".into() } else { "uid-scheme".into() },
                },
                digest: digest.into(),
                decision,
                opinion: (decision == Decision::Return).then(|| "the rollback is not described".to_string()),
                approved_by: person.into(),
            },
        );
        approval.metadata.namespace = Some(NAMESPACE.into());
        approval.metadata.creation_timestamp = Some(Time(self.now));
        self.approvals.push(approval);
    }

    pub(crate) fn confirm(&mut self) {
        let digest = self.digest();
        self.migration.spec.confirmation = Some(CutoverConfirmation { by: AUTHOR.into(), digest });
    }

    pub(crate) fn edit(&mut self) {
        self.migration.spec.scheme.summary.push_str(" (edited)");
    }

    pub(crate) fn pass(&mut self, seconds: i64) {
        self.now = self.now.checked_add(seconds.seconds()).unwrap();
    }

    pub(crate) fn server(&mut self, name: &str) -> &mut Server {
        self.servers.iter_mut().find(|s| s.name == name).unwrap()
    }

    /// Everything as the controller would observe it.
    pub(crate) fn facts(&self) -> Facts {
        let approvals = self.approvals.iter().map(|approval| ApprovalFact {
            approval: approval.clone(),
            authorised: match (self.authoriser_up, self.denied.contains(&approval.spec.approved_by)) {
                (false, _) => Authorisation::Unknown,
                (true, true) => Authorisation::Denied,
                (true, false) => Authorisation::Allowed,
            },
        });
        Facts {
            migration: self.migration.clone(),
            digest: self.digest(),
            plan: if self.unread.plan { Known::Unknown } else { Known::Is(self.plan.clone()) },
            plan_digest: self.plan_digest(),
            policy: if self.unread.policy { Known::Unknown } else { self.policy.clone() },
            platform: Known::Is(self.platform.clone()),
            system: Known::Is(self.system.clone()),
            department: Known::Is(self.department.clone()),
            approvals: Known::Is(approvals.collect()),
            application_digest: self.application_digest(),
            acceptance_digest: self.acceptance_digest(),
            calendar: if self.unread.calendar { Known::Unknown } else { Known::Is(Arc::clone(calendar())) },
            zone: Zone::default(),
            freezes: Known::Is(self.freezes.clone()),
            dependencies: self.dependencies.clone(),
            left_out: Known::Is(self.left_out.clone()),
            custody: Known::Is(self.custody.clone()),
            taken: Known::Is(Demand::default()),
            under_way: Known::Is(self.under_way.clone()),
            free_storage_bytes: Known::Is(1 << 40),
            hosts: self.servers.iter().map(|s| self.host_facts(s)).collect(),
            epoch: self.epoch,
        }
    }

    fn host_facts(&self, server: &Server) -> HostFacts {
        let committed = server
            .journey
            .as_ref()
            .is_some_and(|j| j.status.as_ref().and_then(|s| s.cutover.as_ref()).is_some_and(|c| c.decision.is_some()));
        HostFacts {
            name: server.name.clone(),
            host: Known::Is(server.physical.clone()),
            journey: if self.unread.journeys {
                Known::Unknown
            } else {
                server.journey.clone().map_or(Known::Absent, Known::Is)
            },
            disks_in_scheme: 1,
            waivers: Known::Is(self.waivers.iter().filter(|w| w.spec.host_ref == server.name).cloned().collect()),
            claimed_by: server.claimed_by.clone().map_or(Known::Absent, Known::Is),
            agent: server.heard(self.now),
            arrival: server.arrival(),
            hosting: self.hosting(server),
            silence: match (committed, server.silent_since()) {
                (false, _) => Silence::Unknown,
                (true, Some(since)) => Silence::Since(since),
                (true, None) => Silence::Answers("agent".into()),
            },
            probes: server.probes.clone(),
        }
    }

    fn hosting(&self, server: &Server) -> HostingFacts {
        let trouble = String::new();
        if self.unread.site {
            let (receiver, machine) = (Receiver::Unknown, Machine::Unknown);
            return HostingFacts { volumes: Known::Unknown, receiver, machine, trouble };
        }
        HostingFacts {
            volumes: if server.volumes { Known::Is(()) } else { Known::Absent },
            receiver: server.receiver.clone(),
            machine: server.machine,
            trouble,
        }
    }

    /// Plans the whole system. Panics where a plan breaks a rule of `lint`.
    pub(crate) fn plans(&self) -> Vec<(String, Plan)> {
        let facts = self.facts();
        self.names().into_iter().map(|name| (name.clone(), self.plan_one(&facts, &name))).collect()
    }

    fn plan_one(&self, facts: &Facts, name: &str) -> Plan {
        let plan = match name {
            "system" => system_migration::plan(facts, self.now),
            host => host_migration::plan(facts, host, self.now),
        };
        assert_eq!(lint::check(facts, &plan, self.now), None, "plan of {name}: {plan:?}");
        plan
    }

    /// What is planned: the system, then its hosts.
    fn names(&self) -> Vec<String> {
        std::iter::once("system".to_string()).chain(self.servers.iter().map(|s| s.name.clone())).collect()
    }

    /// One round of the controller: plan, write what was seen, carry out. Returns what was carried out.
    pub(crate) fn reconcile(&mut self) -> Vec<Action> {
        self.reconcile_seen(&mut |_, _, _| {})
    }

    /// The same; `seen` is shown each plan, with its name, in the world that it was made for.
    pub(crate) fn reconcile_seen(&mut self, seen: &mut impl FnMut(&World, &str, &Plan)) -> Vec<Action> {
        let mut done = Vec::new();
        for name in self.names() {
            let facts = self.facts();
            let plan = self.plan_one(&facts, &name);
            seen(self, &name, &plan);
            self.write_status_of(&facts, &name, &plan);
            for action in plan.actions {
                self.carry_out(&action);
                done.push(action);
            }
        }
        done
    }

    pub(crate) fn write_status(&mut self, name: &str, plan: &Plan) {
        self.write_status_of(&self.facts(), name, plan);
    }

    fn write_status_of(&mut self, facts: &Facts, name: &str, plan: &Plan) {
        if name == "system" {
            self.migration.status = Some(system_migration::status(facts, plan.waiting.as_ref(), self.now));
        } else {
            let status = host_migration::status(facts, name, plan.waiting.as_ref(), self.now);
            // What cannot be read is not written either.
            if let (Some(journey), Some(status)) = (self.server(name).journey.as_mut(), status) {
                journey.status = Some(status);
            }
        }
    }

    pub(crate) fn carry_out(&mut self, action: &Action) {
        let now = self.now;
        let probes: Vec<String> = self.migration.spec.scheme.probes.iter().map(|p| p.name.clone()).collect();
        let server = self.server(action.host());
        match action {
            Action::CreateJourney { host, digest } => {
                server.journey.get_or_insert_with(|| journey(host, digest));
            }
            Action::SetIntent { intent, attempt, digest, .. } => {
                let spec = &mut server.journey.as_mut().unwrap().spec;
                (spec.intent, spec.attempt) = (*intent, *attempt);
                spec.scheme_digest.clone_from(digest);
            }
            Action::EnsureVolumes { .. } => server.volumes = true,
            Action::EnsureReceiver { .. } => {
                server.receiver = Receiver::Ready { address: "10.77.0.1:7000".into(), name: "s1.receiver".into() };
            }
            Action::StopReceiver { .. } => server.receiver = Receiver::Absent,
            Action::Decide { decision, not_after, .. } => {
                if not_after.is_none_or(|limit| now <= limit) {
                    let status = server.journey.as_mut().unwrap().status.as_mut().unwrap();
                    let cutover = status.cutover.as_mut().unwrap();
                    assert_eq!(cutover.decision.as_ref().filter(|d| d.attempt == decision.attempt), None);
                    cutover.decision = Some(decision.clone());
                    if decision.kind == DecisionKind::Commit {
                        self.carried_out = Some(self.migration.spec.scheme.clone());
                    }
                }
            }
            Action::EnsureTarget { .. } => server.machine = Machine::Running,
            Action::RunProbes { .. } => {
                let serves = server.serves_from_cloud();
                let result = |name: &String| ProbeFact {
                    name: name.clone(),
                    passed: serves,
                    at: now,
                    message: if serves { "connected".into() } else { "refused".into() },
                };
                server.probes = probes.iter().map(result).collect();
            }
        }
    }

    /// A second passes: agents hear what they are to be, act, report; then the controller has a round.
    pub(crate) fn tick(&mut self) -> Vec<Action> {
        self.tick_seen(&mut |_, _, _| {})
    }

    /// A second of every server, each told what the facts of this moment say.
    pub(crate) fn step_servers(&mut self) {
        let (now, facts) = (self.now, self.facts());
        for server in &mut self.servers {
            let services = server.services;
            server.step(now, host_migration::stage(&facts, &server.name, now));
            assert!(server.services || !services || may_stop(&facts, &server.name), "{} stops too early", server.name);
            let froze = matches!(server.stage, Stage::Voted(since) if since == now);
            assert!(!froze || others_stopped(&facts, &server.name), "{} is frozen too early", server.name);
        }
    }

    /// The same; `seen` is shown each plan.
    pub(crate) fn tick_seen(&mut self, seen: &mut impl FnMut(&World, &str, &Plan)) -> Vec<Action> {
        self.pass(1);
        self.step_servers();
        self.reconcile_seen(seen)
    }

    /// Ticks until `done` holds; panics after an hour.
    pub(crate) fn until(&mut self, what: &str, done: impl Fn(&World) -> bool) {
        for _ in 0..3600 {
            if done(self) {
                return;
            }
            self.tick();
        }
        panic!("never: {what}; {:?}", self.plans());
    }

    /// Everything signed, copied and in sync; the window opens with the next second.
    pub(crate) fn in_sync(names: &[&str]) -> Self {
        let mut world = Self::approved(names);
        world.until("in sync", |w| phase::phase(&w.facts(), w.now) == Phase::Scheduled);
        let start = world.migration.spec.scheme.window.start.0;
        world.at(start.checked_sub(2.seconds()).unwrap()).tick();
        world
    }

    /// One step further: the attempt begun, every server voted; nothing is decided yet.
    pub(crate) fn voted(names: &[&str]) -> Self {
        let mut world = Self::in_sync(names);
        world.until("the attempt", |w| w.servers.iter().all(|s| s.stage == Stage::Stopping));
        world.pass(1);
        world.step_servers();
        assert!(world.servers.iter().all(|s| matches!(s.stage, Stage::Voted(_))), "{:?}", world.servers);
        world
    }

    /// One step further: every server committed, off and silent, its machine not launched yet.
    pub(crate) fn fenced(names: &[&str]) -> Self {
        let mut world = Self::voted(names);
        let fencing = |w: &World| w.servers.iter().all(|s| !s.on && w.intent(&s.name) == Some(HostIntent::Fence));
        world.until("the fence", fencing);
        world
    }

    /// Moves the clock to an instant, forwards or back. Nothing happens meanwhile.
    pub(crate) fn at(&mut self, now: Timestamp) -> &mut Self {
        self.now = now;
        self
    }

    pub(crate) fn intent(&self, name: &str) -> Option<HostIntent> {
        self.servers.iter().find(|s| s.name == name)?.journey.as_ref().map(|j| j.spec.intent)
    }

    /// The invariant of the whole product.
    pub(crate) fn assert_never_two_sides(&self) {
        for server in &self.servers {
            let target = server.machine == Machine::Running;
            assert!(!(server.serves_users() && target), "two sides of {} are active: {server:?}", server.name);
        }
    }
}

/// Whether every server that depends on this one is out of service.
fn may_stop(facts: &Facts, name: &str) -> bool {
    let hosts = &facts.migration.spec.scheme.hosts;
    let mut dependents = hosts.iter().filter(|h| h.depends_on.iter().any(|d| d == name));
    dependents.all(|h| facts.host(&h.host_ref).is_some_and(HostFacts::stopped))
}

fn others_stopped(facts: &Facts, name: &str) -> bool {
    let mut others = facts.migration.spec.scheme.hosts.iter().filter(|h| h.host_ref != name);
    others.all(|h| facts.host(&h.host_ref).is_some_and(HostFacts::stopped))
}

fn journey(host: &str, digest: &str) -> HostMigration {
    let mut journey = HostMigration::new(
        &format!("civil-registry.{host}"),
        HostMigrationSpec {
            migration_ref: "civil-registry".into(),
            host_ref: host.into(),
            scheme_digest: digest.into(),
            intent: HostIntent::Idle,
            session: 1,
            attempt: 0,
        },
    );
    journey.metadata.namespace = Some(NAMESPACE.into());
    journey
}
