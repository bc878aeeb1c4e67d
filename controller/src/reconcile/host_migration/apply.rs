//! Carries out what was planned for one host. Every write names the version that was read: whoever was faster, wins.

use crate::hosting::{HostingError, MachineNic, MachineSpec, MigrationKey, ReceiverSpec, VolumeSpec, machine_mac};
use crate::probe::{Answer, ask};
use crate::reconcile::Context;
use crate::reconcile::driver::{LookError, chain};
use crate::reconcile::events::tell;
use crate::reconcile::write::{MANAGER, beside};
use crate::world;
use kube::api::PostParams;
use kube::{Api, ResourceExt};
use qianyun_crds::{Backend, CutoverDecision, HostIntent, HostMigration};
use qianyun_planning::facts::ProbeFact;
use qianyun_planning::report::notice;
use qianyun_planning::{Action, Facts, Plan};
use std::time::Duration;

/// A probe connects within milliseconds or is not there yet.
const PROBE_LIMIT: Duration = Duration::from_secs(3);
/// Writing a decision. After this it is not known whether it was written, and the next look reads it.
const DECIDE_LIMIT: Duration = Duration::from_secs(4);

/// Carries out a plan.
pub(super) async fn carry_out(ctx: &Context, facts: &Facts, host: &str, plan: &Plan) -> Result<(), LookError> {
    let Some(journey) = facts.host(host).and_then(|h| h.journey.get()) else { return Ok(()) };
    let key = world::journey_key(journey);
    for action in &plan.actions {
        tracing::info!(journey = %key, ?action, "act");
        match action {
            Action::SetIntent { intent, attempt, digest, .. } => {
                set_intent(ctx, facts, journey, *intent, *attempt, digest).await?;
            }
            Action::EnsureVolumes { .. } => {
                let made = ctx.hosting.ensure_volumes(&key, &volumes(facts, host)).await;
                remember(ctx, &key, "making the volumes", made)?;
                ctx.memory().keep_volumes(key.clone(), facts.digest.clone());
            }
            Action::EnsureReceiver { .. } => {
                let spec = receiver(facts, journey)?;
                let started = ctx.hosting.ensure_receiver(&key, &spec).await;
                remember(ctx, &key, "starting the receiver", started)?;
            }
            Action::StopReceiver { .. } => {
                let stopped = ctx.hosting.stop_receiver(&key).await;
                remember(ctx, &key, "stopping the receiver", stopped)?;
            }
            Action::Decide { decision, not_after, .. } => decide(ctx, journey, decision, *not_after).await?,
            Action::EnsureTarget { .. } => {
                let launched = ctx.hosting.ensure_machine(&key, &machine(facts, journey)?).await;
                remember(ctx, &key, "launching the machine", launched)?;
            }
            Action::RunProbes { .. } => run_probes(ctx, facts, &key).await,
            Action::CreateJourney { .. } => {}
        }
    }
    Ok(())
}

/// Keeps why the site did not do it, so that the next look can say so.
fn remember<T>(ctx: &Context, key: &MigrationKey, what: &str, result: Result<T, HostingError>) -> Result<T, LookError> {
    ctx.memory().keep_trouble(key, result.as_ref().err().map(|error| chain(error)));
    result.map_err(|source| LookError::Hosting { what: format!("{what} of {key}"), source })
}

async fn set_intent(
    ctx: &Context,
    facts: &Facts,
    journey: &HostMigration,
    intent: HostIntent,
    attempt: i32,
    digest: &str,
) -> Result<(), LookError> {
    let journeys: Api<HostMigration> = beside(ctx.client(), journey);
    let mut next = journey.clone();
    next.spec.intent = intent;
    next.spec.attempt = attempt;
    next.spec.scheme_digest = digest.to_string();
    // The digest of a journey that was committed stays: it is what the record names.
    if facts.host(&journey.spec.host_ref).is_some_and(qianyun_planning::facts::HostFacts::committed) {
        next.spec.scheme_digest.clone_from(&journey.spec.scheme_digest);
    }
    if intent == HostIntent::Cutover {
        ctx.memory().keep_begun(world::journey_key(journey), attempt);
    }
    let written = journeys.replace(&journey.name_any(), &params(), &next).await;
    let written = match written {
        Ok(written) => written,
        Err(error) => return unless_conflict(error, "writing the intent"),
    };
    let mut seen = facts.clone();
    if let Some(host) = seen.hosts.iter_mut().find(|h| h.name == journey.spec.host_ref) {
        host.journey = qianyun_planning::facts::Known::Is(written);
    }
    super::intent::hand_out(ctx, &seen, &journey.spec.host_ref);
    Ok(())
}

/// Writes the intent `Idle` into a journey whose scheme was deleted.
pub(super) async fn stop_copying(ctx: &Context, journey: &HostMigration) -> Result<(), LookError> {
    let journeys: Api<HostMigration> = beside(ctx.client(), journey);
    let mut next = journey.clone();
    next.spec.intent = HostIntent::Idle;
    match journeys.replace(&journey.name_any(), &params(), &next).await {
        Ok(written) => {
            super::intent::hand_out_idle(ctx, &written);
            Ok(())
        }
        Err(error) => unless_conflict(error, "writing the intent"),
    }
}

/// Writes the decision on an attempt: once, by compare and swap, and a commit never after its time.
async fn decide(
    ctx: &Context,
    journey: &HostMigration,
    decision: &CutoverDecision,
    not_after: Option<jiff::Timestamp>,
) -> Result<(), LookError> {
    let mut next = journey.clone();
    let cutover = next.status.as_mut().and_then(|s| s.cutover.as_mut()).filter(|c| c.attempt == decision.attempt);
    let Some(cutover) = cutover else {
        return Err(LookError::Missing { what: format!("attempt {} of {}", decision.attempt, journey.name_any()) });
    };
    if cutover.decision.as_ref().is_some_and(|d| d.attempt == decision.attempt) {
        return Ok(());
    }
    cutover.decision = Some(decision.clone());
    if not_after.is_some_and(|limit| (ctx.clock)() > limit) {
        tracing::warn!(journey = journey.name_any(), "too late to commit; the next look decides again");
        return Ok(());
    }
    let journeys: Api<HostMigration> = beside(ctx.client(), journey);
    let name = journey.name_any();
    match tokio::time::timeout(DECIDE_LIMIT, journeys.replace_status(&name, &params(), &next)).await {
        Ok(Ok(_)) => {
            let (kind, attempt, reason) = (decision.kind, decision.attempt, &decision.reason);
            tracing::info!(journey = name, ?kind, attempt, reason, "decided");
            tell(ctx, journey, vec![notice::of_decision(decision)]);
            Ok(())
        }
        Ok(Err(error)) => unless_conflict(error, "writing the decision"),
        // Not known whether it was written: nothing is done on either assumption, the next look reads.
        Err(_) => Ok(()),
    }
}

/// Someone was faster: the next look sees what.
pub(super) fn unless_conflict(error: kube::Error, what: &str) -> Result<(), LookError> {
    match error {
        kube::Error::Api(status) if status.is_conflict() => Ok(()),
        error => Err(LookError::api(what)(error)),
    }
}

pub(super) fn params() -> PostParams {
    PostParams { field_manager: Some(MANAGER.to_string()), ..PostParams::default() }
}

fn volumes(facts: &Facts, host: &str) -> Vec<VolumeSpec> {
    let bytes = |n: i64| u64::try_from(n).unwrap_or(0);
    let disks = facts.scheme_host(host).map(|h| h.disks.as_slice()).unwrap_or_default();
    let volume = |d: &qianyun_crds::SchemeDisk| VolumeSpec {
        name: d.volume.clone(),
        disk_bytes: bytes(d.size_bytes),
        volume_bytes: bytes(d.volume_bytes),
    };
    disks.iter().map(volume).collect()
}

fn receiver(facts: &Facts, journey: &HostMigration) -> Result<ReceiverSpec, LookError> {
    let platform = facts.platform.get().ok_or_else(|| missing("the cloud platform"))?;
    let Backend::Qemu(backend) = &platform.spec.backend;
    let host = facts.host(&journey.spec.host_ref).and_then(|h| h.host.get()).ok_or_else(|| missing("the host"))?;
    let disks = super::intent::disks(&facts.migration, host);
    let disks = disks.ok_or_else(|| missing("a disk of the scheme in the host's inventory"))?;
    Ok(ReceiverSpec {
        disks,
        host: world::host_key(journey).to_string(),
        session: u64::try_from(journey.spec.session).unwrap_or(1),
        listen_address: backend.receiver_address.clone(),
        volumes: volumes(facts, &journey.spec.host_ref),
    })
}

fn machine(facts: &Facts, journey: &HostMigration) -> Result<MachineSpec, LookError> {
    let platform = facts.platform.get().ok_or_else(|| missing("the cloud platform"))?;
    let scheme = facts.scheme_host(&journey.spec.host_ref).ok_or_else(|| missing("the host in the scheme"))?;
    let host = world::host_key(journey).to_string();
    let nic = |(index, nic): (usize, &qianyun_crds::TargetNic)| {
        let network = platform.spec.networks.iter().find(|n| n.name == nic.network);
        let network = network.ok_or_else(|| missing(&format!("the network {}", nic.network)))?;
        Ok(MachineNic { bridge: network.bridge.clone(), mac: machine_mac(&host, index) })
    };
    Ok(MachineSpec {
        cpus: u32::try_from(scheme.target.cpus).unwrap_or(1),
        memory_mib: u64::try_from(scheme.target.memory_mib).unwrap_or(0),
        volumes: scheme.disks.iter().map(|d| d.volume.clone()).collect(),
        nics: scheme.target.nics.iter().enumerate().map(nic).collect::<Result<_, LookError>>()?,
        host,
    })
}

fn missing(what: &str) -> LookError {
    LookError::Missing { what: what.to_string() }
}

async fn run_probes(ctx: &Context, facts: &Facts, key: &MigrationKey) {
    let probes = facts.migration.spec.scheme.probes.iter().map(|probe| async move {
        let port = u16::try_from(probe.tcp_port).unwrap_or(0);
        let answer = ask(&probe.address, port, PROBE_LIMIT).await;
        let message = match &answer {
            Answer::Accepted => "accepts connections".to_string(),
            Answer::Refused => "refuses connections".to_string(),
            Answer::Silent { reason } => reason.clone(),
        };
        ProbeFact { name: probe.name.clone(), passed: answer == Answer::Accepted, at: (ctx.clock)(), message }
    });
    let results = futures::future::join_all(probes).await;
    ctx.memory().keep_probes(key.clone(), results);
}
