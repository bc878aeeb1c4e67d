//! Gathers what is known about one host: its object, its agents, the hosting site, whether the source is silent.

use super::report;
use crate::gateway::agents::HostKey;
use crate::hosting::{MachineState, Observed};
use crate::probe::all_silent;
use crate::reconcile::Context;
use crate::world::{Source, all, local, owned};
use kube::ResourceExt;
use qianyun_agent_api::report::{CutoverState, Report, Role};
use qianyun_crds::{CheckWaiver, DecisionKind, HostMigration, SystemMigration};
use qianyun_planning::facts::{HostFacts, HostingFacts, Known, Machine, ProbeFact, Receiver, Silence};
use std::time::Duration;

/// An address on a local network that does not answer in this time is not served: connections take milliseconds.
const ANSWER_LIMIT: Duration = Duration::from_millis(1500);

/// The facts about a host.
pub(crate) async fn facts(
    ctx: &Context,
    migration: &SystemMigration,
    digest: &str,
    name: &str,
    journey: Known<HostMigration>,
    claimed_by: Known<String>,
    source: Source,
) -> HostFacts {
    let namespace = migration.namespace().unwrap_or_default();
    let key = HostKey::new(&namespace, name);
    let host = local(ctx, &ctx.stores().hosts, &namespace, name, source).await;
    let heard = ctx.agents.latest(&key, Role::Source);
    let agent = heard.map(|heard| report::agent(ctx, migration, host.get(), journey.get(), &heard));
    let arrival = ctx.agents.latest(&key, Role::Arrival).map(|heard| report::arrival(migration, name, &heard));
    let hosting = hosting(ctx, digest, journey.get()).await;
    let silence = silence(ctx, migration, &key, journey.get(), hosting.machine).await;
    let probes = probes(ctx, journey.get());
    let of_host = |waiver: &CheckWaiver| waiver.spec.host_ref == name;
    let waivers = all(ctx, &ctx.stores().waivers, Some(&namespace), source, of_host).await.map(owned);
    let in_scheme = migration.spec.scheme.hosts.iter().find(|h| h.host_ref == name);
    HostFacts {
        name: name.to_string(),
        host,
        disks_in_scheme: in_scheme.map_or(0, |h| h.disks.len()),
        waivers,
        claimed_by,
        agent,
        arrival,
        hosting,
        silence,
        probes,
        journey,
    }
}

async fn hosting(ctx: &Context, digest: &str, journey: Option<&HostMigration>) -> HostingFacts {
    let Some(journey) = journey else {
        return HostingFacts {
            volumes: Known::Absent,
            receiver: Receiver::Absent,
            machine: Machine::Absent,
            trouble: String::new(),
        };
    };
    let key = crate::world::journey_key(journey);
    // Before it is asked to replicate, volumes may be missing, or be those of another scheme: `ensure` finds out.
    let begun = journey.spec.intent != qianyun_crds::HostIntent::Idle;
    let volumes = if begun || ctx.memory().has_volumes(&key, digest) { Known::Is(()) } else { Known::Absent };
    let trouble = ctx.memory().trouble(&key).unwrap_or_default();
    match ctx.hosting.observe(&key).await {
        Ok(observed) => HostingFacts {
            volumes,
            receiver: receiver(journey, &observed, &trouble),
            machine: machine(&observed.machine),
            trouble,
        },
        Err(error) => {
            tracing::warn!(journey = %key, %error, "the site does not say what there is");
            HostingFacts { volumes, receiver: Receiver::Unknown, machine: Machine::Unknown, trouble }
        }
    }
}

fn receiver(journey: &HostMigration, observed: &Observed, trouble: &str) -> Receiver {
    match &observed.receiver {
        Some(found) if i64::try_from(found.session) == Ok(journey.spec.session) => {
            Receiver::Ready { address: found.address.clone(), name: found.name.clone() }
        }
        // One of an older session: `ensure` ends it first, `stop` ends it as well.
        Some(_) => Receiver::Failed("a receiver of another session runs".to_string()),
        // After a commit nobody starts one again: whatever the trouble was, there is none.
        None if trouble.is_empty() || committed(journey) => Receiver::Absent,
        None => Receiver::Failed(trouble.to_string()),
    }
}

fn machine(state: &MachineState) -> Machine {
    match state {
        MachineState::Absent => Machine::Absent,
        MachineState::Stopped => Machine::Stopped,
        MachineState::Running => Machine::Running,
        MachineState::Unknown { reason } => {
            tracing::warn!(reason, "the machine does not say how it is");
            Machine::Unknown
        }
    }
}

fn committed(journey: &HostMigration) -> bool {
    let decision = journey.status.as_ref().and_then(|s| s.cutover.as_ref()).and_then(|c| c.decision.as_ref());
    decision.is_some_and(|d| d.kind == DecisionKind::Commit && d.attempt == journey.spec.attempt)
}

/// Asked only between the acknowledgement of the fence and the launch: before, the source may well answer; after, it is
/// the target that does.
async fn silence(
    ctx: &Context,
    migration: &SystemMigration,
    host: &HostKey,
    journey: Option<&HostMigration>,
    machine: Machine,
) -> Silence {
    match (journey, machine) {
        (Some(journey), Machine::Absent | Machine::Stopped) if acknowledged(ctx, host, journey) => {}
        (Some(_), _) | (None, _) => return Silence::Unknown,
    }
    let target = |p: &qianyun_crds::Probe| Some((p.address.clone(), u16::try_from(p.tcp_port).ok()?));
    let Some(targets) = migration.spec.scheme.probes.iter().map(target).collect::<Option<Vec<_>>>() else {
        return Silence::Unknown;
    };
    if !all_silent(&targets, ANSWER_LIMIT).await {
        ctx.memory().not_silent(host);
        return Silence::Answers("an address that the scheme probes".to_string());
    }
    let heard = ctx.agents.latest(host, Role::Source).map(|heard| heard.at);
    Silence::Since(ctx.memory().silent(host, heard, (ctx.clock)()))
}

fn acknowledged(ctx: &Context, host: &HostKey, journey: &HostMigration) -> bool {
    let recorded = journey.status.as_ref().and_then(|s| s.cutover.as_ref());
    let recorded = recorded.is_some_and(|c| c.fence_acknowledged_at.is_some());
    let said = || ctx.agents.latest(host, Role::Source).is_some_and(|heard| is_fencing(&heard.report));
    committed(journey) && (recorded || said())
}

fn is_fencing(report: &Report) -> bool {
    report.cutover.as_ref().is_some_and(|c| c.state == CutoverState::Fencing)
}

/// The newest results: of this leadership, else those on record.
fn probes(ctx: &Context, journey: Option<&HostMigration>) -> Vec<ProbeFact> {
    let Some(journey) = journey else { return Vec::new() };
    let fresh = ctx.memory().probes(&crate::world::journey_key(journey));
    if !fresh.is_empty() {
        return fresh;
    }
    recorded_probes(journey)
}

/// The results that are on record.
pub(crate) fn recorded_probes(journey: &HostMigration) -> Vec<ProbeFact> {
    let recorded = journey.status.as_ref().and_then(|s| s.target.as_ref()).map(|t| t.probes.clone());
    let fact =
        |p: qianyun_crds::ProbeStatus| ProbeFact { name: p.name, passed: p.passed, at: p.at.0, message: p.message };
    recorded.unwrap_or_default().into_iter().map(fact).collect()
}
