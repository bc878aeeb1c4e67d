//! Whether a record of an old server (设备去向) holds. One record of a server stands: the latest that holds by itself. Nothing is
//! removed or wiped before the system was accepted (Art. 20, 22); what stays where it is, with its data, may be recorded before.

use crate::calendar::parse_day;
use crate::facts::Facts;
use jiff::Timestamp;
use jiff::civil::Date;
use qianyun_crds::{
    CustodyDisposition, CustodyRecord, CustodyRecordSpec, MediumHandling, PhysicalHost, SystemMigration,
};

/// Whether a record holds, or why not. The names are those of its condition `Effective`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum CustodyEffect {
    /// It holds.
    Accepted,
    /// The server is not there, or is another one of the same name.
    HostNotFound,
    /// The record names another serial number than the server's inventory.
    SerialMismatch,
    /// The system was not accepted, or only after the device or its data were touched.
    NotAccepted,
    /// A later record of the same server holds.
    Superseded,
}

/// Judges the records of one server. `accepted_on` is the day of the acceptance, `None` before.
pub fn judge<'a>(
    records: &'a [CustodyRecord],
    name: &str,
    host: Option<&PhysicalHost>,
    accepted_on: Option<Date>,
) -> Vec<(&'a CustodyRecord, CustodyEffect)> {
    let mut judged: Vec<_> = records
        .iter()
        .filter(|record| record.spec.host_ref == name)
        .map(|record| (record, on_its_own(&record.spec, host, accepted_on)))
        .collect();
    judged.sort_by_key(|(record, _)| (made_at(record), record.metadata.name.clone()));
    let last = judged.iter().rposition(|(_, effect)| *effect == CustodyEffect::Accepted);
    for (i, (_, effect)) in judged.iter_mut().enumerate() {
        if *effect == CustodyEffect::Accepted && Some(i) != last {
            *effect = CustodyEffect::Superseded;
        }
    }
    judged
}

/// The servers that the system's migration answers for: those of its scheme, and those that no scheme of the system names.
pub fn servers(facts: &Facts) -> impl Iterator<Item = &str> {
    let left_out = facts.left_out.get().into_iter().flatten().filter_map(|host| host.metadata.name.as_deref());
    facts.migration.spec.scheme.hosts.iter().map(|h| h.host_ref.as_str()).chain(left_out)
}

/// The record that holds of such a server.
pub fn of_host<'a>(records: &'a [CustodyRecord], facts: &Facts, name: &str) -> Option<&'a CustodyRecord> {
    let mut left_out = facts.left_out.get().into_iter().flatten();
    let host = facts.host(name).and_then(|h| h.host.get());
    let host = host.or_else(|| left_out.find(|h| h.metadata.name.as_deref() == Some(name)));
    let judged = judge(records, name, host, met_on(&facts.migration).filter(|_| facts.accepted_before()));
    judged.into_iter().find(|(_, effect)| *effect == CustodyEffect::Accepted).map(|(record, _)| record)
}

/// The day of the acceptance meeting of a migration; whether it accepted the system is for the caller to know.
pub fn met_on(migration: &SystemMigration) -> Option<Date> {
    parse_day(&migration.spec.acceptance.as_ref()?.meeting.as_ref()?.held_on)
}

fn on_its_own(spec: &CustodyRecordSpec, host: Option<&PhysicalHost>, accepted_on: Option<Date>) -> CustodyEffect {
    let Some(host) = host.filter(|h| h.metadata.uid.as_deref() == Some(spec.host_uid.as_str())) else {
        return CustodyEffect::HostNotFound;
    };
    let serial = host.status.as_ref().and_then(|s| s.inventory.as_ref()).map(|i| i.serial.as_str());
    if serial.is_some_and(|serial| !serial.is_empty() && serial != spec.device.serial) {
        return CustodyEffect::SerialMismatch;
    }
    let stays = spec.disposition == CustodyDisposition::RetainedInPlace;
    if stays && spec.media.iter().all(|medium| medium.handling == MediumHandling::Kept) {
        return CustodyEffect::Accepted;
    }
    let Some(accepted_on) = accepted_on else { return CustodyEffect::NotAccepted };
    let handed = spec.handover.as_ref().map(|h| h.date.as_str());
    let erased = spec.media.iter().filter_map(|m| m.erasure.as_ref()).map(|e| e.date.as_str());
    let touched_before = handed.into_iter().chain(erased).any(|day| parse_day(day).is_none_or(|d| d < accepted_on));
    if touched_before { CustodyEffect::NotAccepted } else { CustodyEffect::Accepted }
}

fn made_at(record: &CustodyRecord) -> Timestamp {
    record.metadata.creation_timestamp.as_ref().map_or(Timestamp::UNIX_EPOCH, |t| t.0)
}
