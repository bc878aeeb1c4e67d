//! `CheckWaiver`: a named person accepts one failed check of one server until a day. Never changed: a waiver is withdrawn by
//! deleting it, and extended by making another.

use crate::bounds::{CheckId, Date, ObjectName, Text, Uid, UserName};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A named person's acceptance of one failed check of one server until a day (practice). Only checks whose entry in the
/// catalogue says so can be waived; an unknown result never.
#[derive(CustomResource, KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[kube(
    group = "migration.qianyun.dev",
    version = "v1alpha1",
    kind = "CheckWaiver",
    namespaced,
    shortname = "waiver",
    category = "qianyun",
    status = "CheckWaiverStatus",
    derive = "PartialEq",
    validation = Rule::new("size(self.metadata.name) <= 63").message(
        "metadata.name is longer than 63 characters: choose a shorter name, other objects refer to it"
    ),
    doc = "A named person's acceptance of one failed check of one server until a day.",
    selectable = ".spec.hostRef",
    printcolumn(name = "HOST", type_ = "string", json_path = ".spec.hostRef"),
    printcolumn(name = "CHECK", type_ = "string", json_path = ".spec.checkId"),
    printcolumn(name = "BY", type_ = "string", json_path = ".spec.acceptedBy"),
    printcolumn(name = "UNTIL", type_ = "string", json_path = ".spec.until"),
    printcolumn(
        name = "EFFECTIVE",
        type_ = "string",
        json_path = ".status.conditions[?(@.type==\"Effective\")].reason"
    ),
    printcolumn(name = "REASON", type_ = "string", json_path = ".spec.reason", priority = 1),
    printcolumn(name = "AGE", type_ = "date", json_path = ".metadata.creationTimestamp")
)]
#[x_kube(validation = Rule::new("self == oldSelf").message(
    "a waiver is never changed: make another CheckWaiver, or delete this one to withdraw it"
))]
#[x_kube(validation = Rule::new("size(self.reason.trim()) >= 10").message(
    "spec.reason is shorter than 10 characters: say why the risk is accepted, and what is done about it"
))]
#[serde(rename_all = "camelCase")]
pub struct CheckWaiverSpec {
    /// Name of the `PhysicalHost`, in the same namespace.
    #[schemars(with = "ObjectName")]
    pub host_ref: String,
    /// UID of the `PhysicalHost`, so that a waiver never passes to another server enrolled under the same name.
    #[schemars(with = "Uid")]
    pub host_uid: String,
    /// Catalogue id of the one check, from the host's status, as `ST-02`.
    #[schemars(with = "CheckId")]
    pub check_id: String,
    /// Why the risk is accepted, and what is done about it; 10 to 2000 characters.
    #[schemars(with = "Text<2000>")]
    pub reason: String,
    /// User name of the person who accepts the risk; must be the caller.
    #[schemars(with = "UserName")]
    pub accepted_by: String,
    /// Last day on which it holds, in the time zone of the policy, YYYY-MM-DD; at most a year ahead.
    #[schemars(with = "Date")]
    pub until: String,
}

/// What the controller says about a waiver.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct CheckWaiverStatus {
    /// Generation of the spec that the status is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0))]
    pub observed_generation: Option<i64>,
    /// `Effective`, with reason `Accepted`, `HostNotFound`, `CheckNotFound`, `NotWaivable` or `Expired`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(with = "crate::bounds::Conditions")]
    pub conditions: Vec<Condition>,
}
