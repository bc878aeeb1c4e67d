//! Whether a waiver holds: a named person accepts one failed check of one server until a day. Who may was asked when it was
//! made, by RBAC and admission; it is deleted to withdraw it. A check without an answer cannot be waived: nobody knows what
//! would be accepted.

use crate::calendar::parse_day;
use jiff::civil::Date;
use qianyun_crds::{CheckOutcome, CheckWaiver, HostCheck, PhysicalHost};

/// Checks that no person may accept for others: a disk that cannot be read or followed (CT-01) cannot be proved equal, and a
/// server without identity (OS-05) cannot be told from another when it is fenced.
const NEVER: [&str; 2] = ["CT-01", "OS-05"];

/// Whether a waiver holds, or why not. The names are those of its condition `Effective`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum WaiverEffect {
    /// It holds.
    Accepted,
    /// The server is not there, or is another one of the same name.
    HostNotFound,
    /// The server has no such check, or the check does not stand in the way.
    CheckNotFound,
    /// The check can be waived by nobody, or has no answer.
    NotWaivable,
    /// Its last day has passed.
    Expired,
}

/// Judges a waiver.
pub fn judge(waiver: &CheckWaiver, host: Option<&PhysicalHost>, today: Date) -> WaiverEffect {
    let spec = &waiver.spec;
    let Some(host) = host.filter(|h| h.metadata.uid.as_deref() == Some(spec.host_uid.as_str())) else {
        return WaiverEffect::HostNotFound;
    };
    if parse_day(&spec.until).is_none_or(|until| until < today) {
        return WaiverEffect::Expired;
    }
    let checks = host.status.as_ref().map(|s| s.checks.as_slice()).unwrap_or_default();
    let outcome = checks.iter().find(|c| c.id == spec.check_id).map(|c| c.outcome);
    match outcome {
        Some(CheckOutcome::Block) if !NEVER.contains(&spec.check_id.as_str()) => WaiverEffect::Accepted,
        Some(CheckOutcome::Block | CheckOutcome::Unknown) => WaiverEffect::NotWaivable,
        Some(CheckOutcome::Pass | CheckOutcome::Info | CheckOutcome::Warn) | None => WaiverEffect::CheckNotFound,
    }
}

/// Whether a check of a server that stands in the way is waived.
pub(crate) fn waived(waivers: &[CheckWaiver], host: &PhysicalHost, check: &HostCheck, today: Date) -> bool {
    let mut of_check = waivers.iter().filter(|w| w.spec.check_id == check.id);
    of_check.any(|w| judge(w, Some(host), today) == WaiverEffect::Accepted)
}
