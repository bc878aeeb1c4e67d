//! Says whether a record holds.

use jiff::Timestamp;
use qianyun_crds::{CustodyRecord, CustodyRecordStatus};
use qianyun_planning::custody::CustodyEffect;
use qianyun_planning::report::condition;

/// The status of a record.
pub(super) fn status(record: &CustodyRecord, found: &Option<CustodyEffect>, now: Timestamp) -> CustodyRecordStatus {
    let before = record.status.as_ref().map(|s| s.conditions.as_slice()).unwrap_or_default();
    let generation = record.metadata.generation;
    let (holds, reason, message) =
        found.map_or((None, "NotKnown", "the server, its records or its system cannot be read just now"), said);
    CustodyRecordStatus {
        observed_generation: generation,
        conditions: vec![condition(before, "Effective", holds, reason, message, generation, now)],
    }
}

fn said(effect: CustodyEffect) -> (Option<bool>, &'static str, &'static str) {
    match effect {
        CustodyEffect::Accepted => (Some(true), "Accepted", ""),
        CustodyEffect::HostNotFound => (
            Some(false),
            "HostNotFound",
            "no server has the name spec.hostRef and the UID spec.hostUid: make another record with both of the server that is meant",
        ),
        CustodyEffect::SerialMismatch => (
            Some(false),
            "SerialMismatch",
            "the server's inventory has another serial number than spec.device: compare the label, and make another record",
        ),
        CustodyEffect::NotAccepted => (
            Some(false),
            "NotAccepted",
            "the system was not accepted before the days of spec.handover and spec.media: make another record once it is",
        ),
        CustodyEffect::Superseded => (Some(false), "Superseded", "a later record of the same server holds"),
    }
}
