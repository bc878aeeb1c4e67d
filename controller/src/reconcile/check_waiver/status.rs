//! Says whether a waiver holds.

use super::observe::Found;
use jiff::Timestamp;
use qianyun_crds::{CheckWaiver, CheckWaiverStatus};
use qianyun_planning::facts::Known;
use qianyun_planning::report::condition;
use qianyun_planning::waiver::{WaiverEffect, judge};

/// The status of a waiver.
pub(super) fn status(waiver: &CheckWaiver, found: &Found, now: Timestamp) -> CheckWaiverStatus {
    let before = waiver.status.as_ref().map(|s| s.conditions.as_slice()).unwrap_or_default();
    let generation = waiver.metadata.generation;
    let (holds, reason, message) = match &found.host {
        Known::Unknown => (None, "NotKnown", "the server cannot be read just now"),
        Known::Is(_) | Known::Absent => said(judge(waiver, found.host.get(), found.today)),
    };
    CheckWaiverStatus {
        observed_generation: generation,
        conditions: vec![condition(before, "Effective", holds, reason, message, generation, now)],
    }
}

fn said(effect: WaiverEffect) -> (Option<bool>, &'static str, &'static str) {
    match effect {
        WaiverEffect::Accepted => (Some(true), "Accepted", ""),
        WaiverEffect::HostNotFound => (
            Some(false),
            "HostNotFound",
            "no server has the name spec.hostRef and the UID spec.hostUid: make another one with both of the server that is meant",
        ),
        WaiverEffect::CheckNotFound => (
            Some(false),
            "CheckNotFound",
            "the server has no check spec.checkId that stands in the way: nothing is to be accepted; delete it, or make another one",
        ),
        WaiverEffect::NotWaivable => (
            Some(false),
            "NotWaivable",
            "the check spec.checkId has no answer yet, or is one that nobody can accept for others: mend what it found on the server",
        ),
        WaiverEffect::Expired => (Some(false), "Expired", "spec.until has passed: make another one if need be"),
    }
}
