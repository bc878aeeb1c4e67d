//! 安全措施同步投用 (三同步, Art. 31): somebody went through the scheme's list of security products, and each is in use on the cloud.
//!
//! Blocks the beginning of a cutover and its commit. Opened by the operator.

use crate::facts::Facts;
use crate::reason::{Found, Reason, closed};
use jiff::Timestamp;
use qianyun_crds::PolicyProfileSpec;

pub(super) fn look(facts: &Facts, _policy: &PolicyProfileSpec, _now: Timestamp) -> Found {
    match &facts.migration.spec.security_in_use {
        None => Err(closed(Reason::SecurityNotInUse)),
        Some(word) if word.digest != facts.digest => {
            Err(closed(Reason::SecurityOfAnotherDigest { digest: word.digest.clone() }))
        }
        Some(_) => Ok(()),
    }
}
