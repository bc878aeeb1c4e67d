//! A report: bounded, from a machine that may speak in its role, kept in memory.

use super::Shared;
use super::agents::Taken;
use super::identity::Caller;
use super::refuse::Refused;
use jiff::Timestamp;
use qianyun_agent_api::inventory::MAX_ITEMS;
use qianyun_agent_api::report::{Report, ReportAnswer};
use std::time::Instant;

/// Ids of boots and processes are UUIDs or shorter.
const ID_BYTES: usize = 64;

/// Takes a report of `caller`.
pub(super) async fn take(shared: &Shared, caller: &Caller, report: Report) -> Result<ReportAnswer, Refused> {
    check_lengths(&report)?;
    shared.directory.check_role(caller, &report.fingerprint, report.role).await?;
    let (sequence, process) = (report.sequence, report.process_id.clone());
    let (taken, answer) = shared.agents.hear(&caller.key, report, Instant::now(), Timestamp::now());
    if taken == Taken::Old {
        tracing::debug!(host = %caller.key, sequence, process, "an old report was dropped");
    }
    Ok(answer)
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
