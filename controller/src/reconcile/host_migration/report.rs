//! Translates what an agent says into facts. The two vocabularies meet here and in `intent.rs`, nowhere else.

use super::intent;
use crate::gateway::agents::Heard;
use crate::reconcile::Context;
use crate::reconcile::driver::chain;
use crate::record::{self, Asked};
use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use kube::ResourceExt;
use qianyun_agent_api::record::{CutoverRecord, SignedRecord};
use qianyun_agent_api::report::{
    CutoverReport, CutoverState, DiskProgress, ReplicationState, Report, Step, StepRecord, StepState,
};
use qianyun_crds::{
    DiskPhase, DiskStatus, HostMigration, PhysicalHost, RecordStatus, SourceCutover, StepName, StepProgress,
    StepStatus, SystemMigration,
};
use qianyun_planning::facts::{AgentFacts, ArrivalFacts, RecordFacts, Verification, VoteFacts};

/// Longest text from outside that goes into a status.
const TEXT_CHARS: usize = 1000;

/// What the agent on the server says.
pub(super) fn agent(
    ctx: &Context,
    migration: &SystemMigration,
    host: Option<&PhysicalHost>,
    journey: Option<&HostMigration>,
    heard: &Heard,
) -> AgentFacts {
    let report = &heard.report;
    AgentFacts {
        age_ms: u64::try_from(heard.at.elapsed().as_millis()).unwrap_or(u64::MAX),
        local_refusal: report.local_refusal.as_deref().map(text),
        steps: steps(report),
        disks: report.disks.iter().map(disk).collect(),
        last_attempt: i32::try_from(report.last_attempt).unwrap_or(i32::MAX),
        vote: report.cutover.as_ref().map(|vote| cutover(ctx, migration, host, journey, vote)),
    }
}

/// What the agent on the machine on the cloud says.
pub(super) fn arrival(migration: &SystemMigration, host: &str, heard: &Heard) -> ArrivalFacts {
    let asked = migration.spec.scheme.hosts.iter().find(|h| h.host_ref == host).map(|h| h.serve_units.clone());
    let said = heard.report.arrival.as_ref();
    let active = |unit: &String| said.is_some_and(|a| a.units.iter().any(|u| u.name == *unit && u.state == "active"));
    ArrivalFacts {
        steps: steps(&heard.report),
        adapted: said.is_some_and(|a| a.adapted),
        units_down: asked.unwrap_or_default().into_iter().filter(|unit| !active(unit)).collect(),
        message: said.map(|a| text(&a.message)).unwrap_or_default(),
    }
}

fn cutover(
    ctx: &Context,
    migration: &SystemMigration,
    host: Option<&PhysicalHost>,
    journey: Option<&HostMigration>,
    vote: &CutoverReport,
) -> VoteFacts {
    let record = vote.record.as_ref().map(|signed| RecordFacts {
        record: kept(signed),
        verification: verification(ctx, migration, host, journey, vote, signed),
    });
    VoteFacts {
        attempt: i32::try_from(vote.attempt).unwrap_or(i32::MAX),
        state: match vote.state {
            CutoverState::Working => SourceCutover::Working,
            CutoverState::GivenUp => SourceCutover::GivenUp,
            CutoverState::Prepared => SourceCutover::Prepared,
            CutoverState::PreparedButThawed => SourceCutover::PreparedButThawed,
            CutoverState::Resumed => SourceCutover::Resumed,
            CutoverState::Fencing => SourceCutover::Fencing,
        },
        // A process that was killed after its vote does not know any more that it stopped them. They are down.
        stopped: vote.stopped || is_bound(vote.state),
        frozen_ms: vote.frozen_ms,
        freeze_remaining_ms: vote.freeze_remaining_ms,
        record,
        message: text(&vote.message),
    }
}

/// Whether the source has voted and keeps its services down until it hears the decision.
fn is_bound(state: CutoverState) -> bool {
    match state {
        CutoverState::Prepared | CutoverState::PreparedButThawed | CutoverState::Fencing => true,
        CutoverState::Working | CutoverState::GivenUp | CutoverState::Resumed => false,
    }
}

fn kept(signed: &SignedRecord) -> RecordStatus {
    RecordStatus {
        digest: signed.digest(),
        record: signed.record.clone(),
        source_signature: signed.source.signature.clone(),
        source_certificate: signed.source.certificate_pem.clone(),
        target_signature: signed.target.signature.clone(),
        target_certificate: signed.target.certificate_pem.clone(),
    }
}

fn verification(
    ctx: &Context,
    migration: &SystemMigration,
    host: Option<&PhysicalHost>,
    journey: Option<&HostMigration>,
    vote: &CutoverReport,
    signed: &SignedRecord,
) -> Verification {
    let (Some(host), Some(journey)) = (host, journey) else { return Verification::Unknown };
    let Some(disks) = intent::disks(migration, host) else { return Verification::Unknown };
    let namespace = journey.namespace().unwrap_or_default();
    let asked = Asked {
        host: &format!("{namespace}/{}", journey.spec.host_ref),
        host_key_digest: &host.spec.public_key_digest,
        migration: &format!("{namespace}/{}", journey.name_any()),
        session: u64::try_from(journey.spec.session).unwrap_or(0),
        attempt: vote.attempt,
        epoch: asking_epoch(ctx, signed),
        scheme_digest: &journey.spec.scheme_digest,
        disks: &disks,
    };
    match record::verify(&ctx.authority, signed, &asked, (ctx.clock)()) {
        Ok(_) => Verification::Verified,
        Err(error) => Verification::Refused(text(&chain(&error))),
    }
}

/// The attempt may have been asked for by an earlier leader: any epoch up to this one is right, a later one is not.
fn asking_epoch(ctx: &Context, signed: &SignedRecord) -> u64 {
    let said = serde_json::from_str::<CutoverRecord>(&signed.record).map_or(0, |r| r.epoch);
    if (1..=ctx.epoch).contains(&said) { said } else { ctx.epoch }
}

fn steps(report: &Report) -> Vec<StepStatus> {
    report.steps.iter().map(step).collect()
}

fn step(step: &StepRecord) -> StepStatus {
    let at = |ms: i64| (ms > 0).then(|| Timestamp::from_second(ms / 1000).ok().map(Time)).flatten();
    let both = step.started_unix_ms > 0 && step.finished_unix_ms >= step.started_unix_ms;
    StepStatus {
        name: match step.step {
            Step::PrepareBoot => StepName::PrepareBoot,
            Step::Replicate => StepName::Replicate,
            Step::HooksBeforeStop => StepName::HooksBeforeStop,
            Step::Quiesce => StepName::Quiesce,
            Step::HooksBeforeFreeze => StepName::HooksBeforeFreeze,
            Step::Freeze => StepName::Freeze,
            Step::FinalPass => StepName::FinalPass,
            Step::Verify => StepName::Verify,
            Step::Thaw => StepName::Thaw,
            Step::StartServices => StepName::StartServices,
            Step::HooksAfterResume => StepName::HooksAfterResume,
            Step::Fence => StepName::Fence,
            Step::AdaptNetwork => StepName::AdaptNetwork,
            Step::ServeUnits => StepName::ServeUnits,
        },
        state: match step.state {
            StepState::Pending => StepProgress::Pending,
            StepState::Running => StepProgress::Running,
            StepState::Done => StepProgress::Done,
            StepState::Failed => StepProgress::Failed,
        },
        attempts: i32::try_from(step.attempts).unwrap_or(i32::MAX),
        started_at: at(step.started_unix_ms),
        finished_at: at(step.finished_unix_ms),
        took_ms: both.then(|| step.finished_unix_ms - step.started_unix_ms),
        message: text(&step.message),
    }
}

fn disk(disk: &DiskProgress) -> DiskStatus {
    let number = |n: u64| i64::try_from(n).unwrap_or(i64::MAX);
    DiskStatus {
        volume: disk.volume.clone(),
        phase: match disk.state {
            ReplicationState::Idle => DiskPhase::Idle,
            ReplicationState::InitialCopy => DiskPhase::InitialCopy,
            ReplicationState::CatchingUp => DiskPhase::CatchingUp,
            ReplicationState::InSync => DiskPhase::InSync,
            ReplicationState::Suspect => DiskPhase::Suspect,
            ReplicationState::Verifying => DiskPhase::Verifying,
            ReplicationState::Final => DiskPhase::Final,
            ReplicationState::Committed => DiskPhase::Committed,
        },
        size_bytes: number(disk.size_bytes),
        read_bytes: number(disk.read_bytes),
        skipped_bytes: number(disk.skipped_bytes),
        zero_bytes: number(disk.zero_bytes),
        sent_bytes: number(disk.sent_bytes),
        wire_bytes: number(disk.wire_bytes),
        remaining_bytes: number(disk.remaining_bytes),
        send_bytes_per_second: number(disk.send_bytes_per_second),
        change_bytes_per_second: number(disk.change_bytes_per_second),
        lag_ms: number(disk.lag_ms),
        eta_low_seconds: disk.eta_low_seconds.map(number),
        eta_high_seconds: disk.eta_high_seconds.map(number),
        message: text(&disk.message),
    }
}

fn text(text: &str) -> String {
    text.chars().take(TEXT_CHARS).collect()
}
