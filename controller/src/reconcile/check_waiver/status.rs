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
        WaiverEffect::HostNotFound => {
            (Some(false), "HostNotFound", "the server is not there, or is another one of the same name")
        }
        WaiverEffect::CheckNotFound => {
            (Some(false), "CheckNotFound", "the server has no such check, or it does not stand in the way")
        }
        WaiverEffect::NotWaivable => {
            (Some(false), "NotWaivable", "nobody can accept this check for others, or it has no answer yet")
        }
        WaiverEffect::Expired => (Some(false), "Expired", "its last day has passed; make another one if need be"),
    }
}
