//! What has to be shown before a cutover, beside the copy itself: a rehearsal, and security products in use. Each names the
//! digest of the scheme that it is about, so that an edit voids it.

use crate::bounds::{Date, Digest, ObjectName, UserName};
use crate::review::Conclusion;
use crate::scheme::Evidence;
use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A rehearsal of a scheme (割接演练), as its minutes say.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct RehearsalRecord {
    /// Digest of the scheme that was rehearsed.
    #[schemars(with = "Digest")]
    pub digest: String,
    /// Day, YYYY-MM-DD; the policy says how old it may be.
    #[schemars(with = "Date")]
    pub held_on: String,
    /// What it found.
    pub conclusion: Conclusion,
    /// Whether the services were stopped in the declared order, within their deadlines.
    pub services_stopped: bool,
    /// Whether the way back was rehearsed as well.
    pub rollback_rehearsed: bool,
    /// Whether anything that ran in it reached a network beside that for rehearsals: then it proves nothing.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub leak_found: bool,
    /// The servers that were rehearsed, each as it was: every one of the scheme.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 32))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["hostRef".into()]))]
    pub hosts: Vec<RehearsedHost>,
    /// How long users were without the system, minutes.
    #[schemars(range(min = 0, max = 10_080))]
    pub downtime_minutes: i32,
    /// The minutes (演练记录).
    pub minutes: Evidence,
    /// User name of the person who recorded it; must be the caller.
    #[schemars(with = "UserName")]
    pub recorded_by: String,
}

/// A server as it was rehearsed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct RehearsedHost {
    /// Name of the `PhysicalHost`.
    #[schemars(with = "ObjectName")]
    pub host_ref: String,
    /// Its `status.bootDigest` at the rehearsal.
    #[schemars(with = "Digest")]
    pub boot_digest: String,
}

/// The word that the security products of a scheme are in use on the cloud, before traffic is switched (三同步, Art. 31).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct SecurityInUse {
    /// Digest of the scheme whose list was gone through.
    #[schemars(with = "Digest")]
    pub digest: String,
    /// The checklist.
    pub checklist: Evidence,
    /// User name of the person who says so; must be the caller.
    #[schemars(with = "UserName")]
    pub confirmed_by: String,
}
