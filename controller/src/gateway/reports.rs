//! A report: bounded, from a machine that may speak in its role, kept in memory.
//!
//! One report is answered late: the one after whose answer the machine powers off. Its acknowledgement is the proof that
//! it is out of service, and this memory can die; so the answer waits until the acknowledgement is written down.

use super::Shared;
use super::agents::{HostKey, Taken};
use super::identity::Caller;
use super::refuse::Refused;
use jiff::Timestamp;
use kube::Api;
use kube::api::ListParams;
use qianyun_agent_api::inventory::MAX_ITEMS;
use qianyun_agent_api::report::{CutoverState, Report, ReportAnswer, Role};
use qianyun_crds::HostMigration;
use std::time::{Duration, Instant};

/// A reconciler that was just woken writes within a second; one that starts anew, within its lease. Less than what the
/// agent gives to a report, so that it hears the refusal.
const RECORD_WITHIN: Duration = Duration::from_secs(8);
/// Between two looks: every one of them is time without service.
const RECORD_LOOK: Duration = Duration::from_millis(100);
/// Ids of boots and processes are UUIDs or shorter.
const ID_BYTES: usize = 64;

/// Takes a report of `caller`.
pub(super) async fn take(shared: &Shared, caller: &Caller, report: Report) -> Result<ReportAnswer, Refused> {
    check_lengths(&report)?;
    shared.directory.check_role(caller, &report.fingerprint, report.role).await?;
    let (sequence, process) = (report.sequence, report.process_id.clone());
    let fencing = report.cutover.as_ref().filter(|c| report.role == Role::Source && c.state == CutoverState::Fencing);
    let acknowledged = fencing.map(|c| c.attempt);
    let (taken, answer) = shared.agents.hear(&caller.key, report, Instant::now(), Timestamp::now());
    if let Some(attempt) = acknowledged {
        until_recorded(shared, &caller.key, attempt).await?;
    }
    if taken == Taken::Old {
        tracing::debug!(host = %caller.key, sequence, process, "an old report was dropped");
    }
    Ok(answer)
}

/// Waits until the acknowledgement of the fence of `attempt` is on record. Where it is not in time, the machine is told to
/// ask again, and stays up until it is.
async fn until_recorded(shared: &Shared, host: &HostKey, attempt: u32) -> Result<(), Refused> {
    let journeys = Api::<HostMigration>::namespaced(shared.client.clone(), &host.namespace);
    let deadline = Instant::now() + RECORD_WITHIN;
    while Instant::now() < deadline {
        let list = journeys.list(&ListParams::default()).await.map_err(|_| Refused::NotNow)?;
        if list.items.iter().filter(|j| j.spec.host_ref == host.name).any(|j| is_recorded(j, attempt)) {
            return Ok(());
        }
        tokio::time::sleep(RECORD_LOOK).await;
    }
    Err(Refused::NotNow)
}

fn is_recorded(journey: &HostMigration, attempt: u32) -> bool {
    let cutover = journey.status.as_ref().and_then(|status| status.cutover.as_ref());
    cutover.is_some_and(|c| u32::try_from(c.attempt) == Ok(attempt) && c.fence_acknowledged_at.is_some())
}

fn check_lengths(report: &Report) -> Result<(), Refused> {
    for (what, id) in [("bootId", &report.boot_id), ("processId", &report.process_id)] {
        if id.is_empty() || id.len() > ID_BYTES {
            return Err(Refused::malformed(what, &format!("1 to {ID_BYTES} bytes"), id.len()));
        }
    }
    let mut lists = vec![("checks", report.checks.len()), ("steps", report.steps.len()), ("disks", report.disks.len())];
    if let Some(inventory) = &report.inventory {
        lists.extend([
            ("inventory.disks", inventory.disks.len()),
            ("inventory.filesystems", inventory.filesystems.len()),
            ("inventory.nics", inventory.nics.len()),
            ("inventory.units", inventory.units.len()),
            ("inventory.listeners", inventory.listeners.len()),
            ("inventory.hooks", inventory.hooks.len()),
        ]);
    }
    if let Some(arrival) = &report.arrival {
        lists.push(("arrival.units", arrival.units.len()));
    }
    match lists.into_iter().find(|(_, length)| *length > MAX_ITEMS) {
        Some((what, length)) => Err(Refused::malformed(what, &format!("at most {MAX_ITEMS} entries"), length)),
        None => Ok(()),
    }
}
