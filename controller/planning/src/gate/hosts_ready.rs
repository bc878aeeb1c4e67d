//! 迁移就绪 (practice): no check of any host blocks without a waiver that holds, and none is without an answer.
//!
//! Blocks replication and the beginning of a cutover. It is not asked again at the commit: then the services are stopped
//! and the filesystems frozen on purpose, and checks would speak about that. Opened by the department.

use super::need;
use crate::facts::Facts;
use crate::reason::{Asked, Found, Reason, closed, unknown};
use crate::waiver::waived;
use jiff::Timestamp;
use qianyun_crds::{CheckOutcome, PolicyProfileSpec};

pub(super) fn look(facts: &Facts, _policy: &PolicyProfileSpec, now: Timestamp) -> Found {
    let today = facts.day(now);
    for scheme in &facts.migration.spec.scheme.hosts {
        let name = &scheme.host_ref;
        let Some(of_host) = facts.host(name) else { return Err(unknown(Asked::Host)) };
        let host = need(&of_host.host, Asked::Host, name)?;
        let checks = host.status.as_ref().map(|s| s.checks.as_slice()).unwrap_or_default();
        if checks.is_empty() {
            return Err(closed(Reason::HostNeverReported { host: name.clone() }));
        }
        for check in checks {
            match check.outcome {
                CheckOutcome::Pass | CheckOutcome::Info | CheckOutcome::Warn => {}
                CheckOutcome::Block if waived(need(&of_host.waivers, Asked::Waivers, "")?, host, check, today) => {}
                CheckOutcome::Block => {
                    return Err(closed(Reason::CheckBlocks {
                        host: name.clone(),
                        check: check.id.clone(),
                        observed: check.observed.clone(),
                        required: check.required.clone(),
                        party: check.who,
                    }));
                }
                CheckOutcome::Unknown => {
                    return Err(closed(Reason::CheckNotKnown {
                        host: name.clone(),
                        check: check.id.clone(),
                        party: check.who,
                    }));
                }
            }
        }
    }
    Ok(())
}
