//! Translates what a journey says into what the agent is told. Nothing is handed out that cannot be said whole.

use crate::hosting::machine_mac;
use crate::reconcile::Context;
use crate::world;
use kube::ResourceExt;
use qianyun_agent_api::desired::{
    ArrivalNic, ArrivalPlan, CutoverIntent, DiskAssignment, FenceIntent, Hook, HookMoment, Intent, QuiesceUnit,
    ReplicateIntent, ResumeIntent, ServeIntent,
};
use qianyun_agent_api::inventory::DiskIdentity;
use qianyun_agent_api::report::Role;
use qianyun_crds::{HostDisk, HostIntent, HostMigration, PhysicalHost, SchemeDisk, SchemeHost, SystemMigration};
use qianyun_planning::Facts;
use qianyun_planning::facts::{HostFacts, Receiver};
use qianyun_planning::host_migration::{self, Stage};

/// Tells the agent what its host is to be, from the journey as it stands.
pub(super) fn hand_out(ctx: &Context, facts: &Facts, host: &str) {
    let Some(host) = facts.host(host) else { return };
    let Some(journey) = host.journey.get() else { return };
    let key = world::host_key(journey);
    if !speaks_for_its_host(ctx, journey) {
        return;
    }
    let told = journey.spec.intent;
    // Once the target serves, the server that it came from stays out of service, whoever switches it on again.
    let intents = match told {
        HostIntent::Serve => vec![(Role::Source, HostIntent::Fence), (Role::Arrival, told)],
        HostIntent::Idle | HostIntent::Replicate | HostIntent::Cutover | HostIntent::Resume | HostIntent::Fence => {
            vec![(Role::Source, told)]
        }
    };
    for (role, told) in intents {
        match intent(ctx, facts, host, journey, told) {
            Some(intent) => ctx.agents.set_desired(&key, role, intent),
            None => {
                tracing::warn!(host = %key, ?role, intent = ?told, "cannot be said whole yet; nothing new is handed out")
            }
        }
    }
}

/// Whether this is the newest state of the journey, and no other one has its host in hand while it rests: journeys of schemes
/// that were given up stay on record, and their `Idle` would stop the copy of the one that followed.
fn speaks_for_its_host(ctx: &Context, journey: &HostMigration) -> bool {
    let newest = ctx.memory().is_newest(&world::journey_key(journey), journey.metadata.generation.unwrap_or(0));
    let other = |j: &HostMigration| {
        j.spec.host_ref == journey.spec.host_ref
            && j.name_any() != journey.name_any()
            && j.spec.intent != HostIntent::Idle
    };
    let others = || ctx.stores().journeys.select(journey.namespace().as_deref(), other);
    newest && (journey.spec.intent != HostIntent::Idle || others().is_empty())
}

/// Tells the agent of a journey without a scheme to leave its host alone.
pub(super) fn hand_out_idle(ctx: &Context, journey: &HostMigration) {
    if speaks_for_its_host(ctx, journey) {
        ctx.agents.set_desired(&world::host_key(journey), Role::Source, Intent::Idle {});
    }
}

fn intent(ctx: &Context, facts: &Facts, host: &HostFacts, journey: &HostMigration, told: HostIntent) -> Option<Intent> {
    let attempt = u32::try_from(journey.spec.attempt).ok()?;
    // Never what nobody approved: an edit is planned for at this very look, and until then the host goes on as it was told.
    let edited = journey.spec.scheme_digest != facts.digest;
    if edited && matches!(told, HostIntent::Replicate | HostIntent::Cutover) {
        return None;
    }
    let scheme = facts.scheme_host(&host.name);
    Some(match told {
        HostIntent::Idle => Intent::Idle {},
        HostIntent::Replicate => Intent::Replicate(replicate(facts, host, journey)?),
        HostIntent::Cutover => {
            let cutover = CutoverIntent {
                attempt,
                replicate: replicate(facts, host, journey)?,
                quiesce: quiesce(scheme?),
                hooks: hooks(scheme?),
                freeze_limit_ms: freeze_limit_ms(facts),
                arrival: arrival_plan(scheme?, journey),
            };
            match host_migration::stage(facts, &host.name, (ctx.clock)())? {
                // It may have begun, and its report may be on the way.
                Stage::Wait if was_told_to_stop(ctx, journey) => return None,
                Stage::Wait => Intent::Replicate(cutover.replicate),
                Stage::Stop => Intent::Stop(cutover),
                Stage::Freeze => Intent::Cutover(cutover),
            }
        }
        HostIntent::Resume => {
            Intent::Resume(ResumeIntent { attempt, replicate: replicate_again(ctx, facts, host, journey) })
        }
        HostIntent::Fence => {
            let decision = host.decision()?;
            Intent::Fence(FenceIntent { attempt, record_digest: decision.record_digest.clone()? })
        }
        HostIntent::Serve => Intent::Serve(ServeIntent { units: scheme?.serve_units.clone() }),
    })
}

fn was_told_to_stop(ctx: &Context, journey: &HostMigration) -> bool {
    let told = ctx.agents.desired(&world::host_key(journey), Role::Source).map(|d| d.intent);
    let Some(Intent::Stop(cutover) | Intent::Cutover(cutover)) = told else { return false };
    i64::from(cutover.attempt) == i64::from(journey.spec.attempt)
}

fn replicate(facts: &Facts, host: &HostFacts, journey: &HostMigration) -> Option<ReplicateIntent> {
    let recorded = journey.status.as_ref().and_then(|s| s.receiver.as_ref());
    let (receiver_address, receiver_name) = match &host.hosting.receiver {
        Receiver::Ready { address, name } => (address.clone(), name.clone()),
        Receiver::Absent | Receiver::Failed(_) | Receiver::Starting | Receiver::Unknown => {
            (recorded?.address.clone(), recorded?.name.clone())
        }
    };
    Some(ReplicateIntent {
        session: u64::try_from(journey.spec.session).ok()?,
        scheme_digest: journey.spec.scheme_digest.clone(),
        receiver_address,
        receiver_name,
        disks: disks(&facts.migration, host.host.get()?)?,
        max_bytes_per_second: 0,
    })
}

/// How to go on after an abort: as before it. Where that is not known any more, with no disk: the services come back all
/// the same, and the next look says what to copy.
fn replicate_again(ctx: &Context, facts: &Facts, host: &HostFacts, journey: &HostMigration) -> ReplicateIntent {
    let told = ctx.agents.desired(&world::host_key(journey), Role::Source).map(|d| d.intent);
    let before = match told {
        Some(Intent::Replicate(r)) => Some(r),
        Some(Intent::Stop(c) | Intent::Cutover(c)) => Some(c.replicate),
        Some(Intent::Resume(r)) => Some(r.replicate),
        Some(Intent::Idle {} | Intent::Fence(_) | Intent::Serve(_)) | None => None,
    };
    let before = before.filter(|r| r.scheme_digest == journey.spec.scheme_digest);
    before.or_else(|| replicate(facts, host, journey)).unwrap_or_else(|| ReplicateIntent {
        session: u64::try_from(journey.spec.session).unwrap_or(1),
        scheme_digest: journey.spec.scheme_digest.clone(),
        receiver_address: String::new(),
        receiver_name: String::new(),
        disks: Vec::new(),
        max_bytes_per_second: 0,
    })
}

/// The disks of a host as the agent has to find them; `None` while the inventory does not show each of them.
pub(super) fn disks(migration: &SystemMigration, host: &PhysicalHost) -> Option<Vec<DiskAssignment>> {
    let name = host.name_any();
    let scheme = migration.spec.scheme.hosts.iter().find(|h| h.host_ref == name)?;
    let found = &host.status.as_ref()?.inventory.as_ref()?.disks;
    scheme.disks.iter().map(|wanted| assignment(wanted, found)).collect()
}

fn assignment(wanted: &SchemeDisk, found: &[HostDisk]) -> Option<DiskAssignment> {
    let fits = |wanted: &str, found: &str| wanted.is_empty() || wanted == found;
    let named = !wanted.serial.is_empty() || !wanted.wwn.is_empty();
    let disk = found.iter().find(|d| named && fits(&wanted.serial, &d.serial) && fits(&wanted.wwn, &d.wwn))?;
    Some(DiskAssignment {
        volume: wanted.volume.clone(),
        identity: DiskIdentity {
            serial: disk.serial.clone(),
            wwn: disk.wwn.clone(),
            size_bytes: u64::try_from(disk.size_bytes).ok()?,
            logical_block_bytes: u32::try_from(disk.logical_block_bytes).ok()?,
            table_id: disk.table_id.clone(),
        },
    })
}

fn quiesce(scheme: &SchemeHost) -> Vec<QuiesceUnit> {
    let unit = |step: &qianyun_crds::QuiesceStep| QuiesceUnit {
        unit: step.unit.clone(),
        deadline_ms: u64::try_from(step.deadline_seconds).unwrap_or(0) * 1000,
    };
    scheme.quiesce.iter().map(unit).collect()
}

fn hooks(scheme: &SchemeHost) -> Vec<Hook> {
    let hook = |step: &qianyun_crds::HookStep| Hook {
        name: step.name.clone(),
        at: match step.at {
            qianyun_crds::HookMoment::BeforeStop => HookMoment::BeforeStop,
            qianyun_crds::HookMoment::BeforeFreeze => HookMoment::BeforeFreeze,
            qianyun_crds::HookMoment::AfterResume => HookMoment::AfterResume,
        },
        deadline_ms: u64::try_from(step.deadline_seconds).unwrap_or(0) * 1000,
    };
    scheme.hooks.iter().map(hook).collect()
}

fn freeze_limit_ms(facts: &Facts) -> u64 {
    // The schema bounds it to 5..=60 s; where the policy cannot be read just now, the design's own budget.
    let seconds = facts.policy.get().map_or(30, |p| p.spec.numbers.freeze_limit_seconds);
    u64::try_from(seconds.clamp(5, 60)).unwrap_or(30) * 1000
}

fn arrival_plan(scheme: &SchemeHost, journey: &HostMigration) -> ArrivalPlan {
    let host = world::host_key(journey).to_string();
    let nic = |(index, nic): (usize, &qianyun_crds::TargetNic)| ArrivalNic {
        mac: machine_mac(&host, index),
        takes_name: nic.takes_place_of.clone(),
    };
    ArrivalPlan { nics: scheme.target.nics.iter().enumerate().map(nic).collect() }
}
