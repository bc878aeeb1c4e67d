//! `HostEnrollment`: permission for some hosts to join until a time. The token lives in a Secret, never here.

use crate::bounds::{LongName, ObjectName, Ratio, Text};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};
use kube::{CustomResource, KubeSchema};
use serde::{Deserialize, Serialize};

/// Permission for a number of hosts to join a system until a time.
#[derive(CustomResource, KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[kube(
    group = "migration.qianyun.dev",
    version = "v1alpha1",
    kind = "HostEnrollment",
    namespaced,
    shortname = "henr",
    category = "qianyun",
    status = "HostEnrollmentStatus",
    derive = "PartialEq",
    validation = Rule::new("size(self.metadata.name) <= 63").message(
        "metadata.name is longer than 63 characters: choose a shorter name, other objects refer to it"
    ),
    doc = "Permission for a number of hosts to join a system until a time.",
    selectable = ".spec.systemRef",
    printcolumn(name = "SYSTEM", type_ = "string", json_path = ".spec.systemRef"),
    printcolumn(name = "USED", type_ = "string", json_path = ".status.used"),
    printcolumn(name = "EXPIRES", type_ = "string", json_path = ".spec.expiresAt"),
    printcolumn(name = "READY", type_ = "string", json_path = ".status.conditions[?(@.type==\"Ready\")].status"),
    printcolumn(name = "SECRET", type_ = "string", json_path = ".status.tokenSecret", priority = 1),
    printcolumn(name = "AGE", type_ = "date", json_path = ".metadata.creationTimestamp")
)]
#[serde(rename_all = "camelCase")]
pub struct HostEnrollmentSpec {
    /// Name of the `InformationSystem` that the hosts belong to.
    #[schemars(with = "ObjectName")]
    #[x_kube(validation = Rule::new("self == oldSelf").message(
        "spec.systemRef cannot be changed: make a new object"
    ))]
    pub system_ref: String,
    /// Machine room and rack (机房、机柜) of the hosts that join, as on the asset register; each keeps it from then on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<Text<128>>")]
    pub room: Option<String>,
    /// How many hosts may join.
    #[schemars(range(min = 1, max = 200))]
    pub max_hosts: i32,
    /// Nobody joins after this instant.
    pub expires_at: Time,
}

/// What the controller says about an enrolment.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct HostEnrollmentStatus {
    /// Generation of the spec that the status is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0))]
    pub observed_generation: Option<i64>,
    /// Secret in the same namespace with `token`, `server`, `caHash` and `command`, the line to type on the host.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<LongName>")]
    pub token_secret: Option<String>,
    /// Places taken, as `1/3`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<Ratio>")]
    pub used: Option<String>,
    /// Names of the `PhysicalHost`s that joined with it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(with = "Vec<ObjectName>", length(max = 200))]
    #[x_kube(merge_strategy = ListMerge::Set)]
    pub hosts: Vec<String>,
    /// `Ready`: a host can join now.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(with = "crate::bounds::Conditions")]
    pub conditions: Vec<Condition>,
}
