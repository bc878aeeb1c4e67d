//! `Approval`: one person's decision on one digest. Append-only: never updated, never deleted by people.

use crate::GateName;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// One person's decision on one digest, made in a role.
#[derive(CustomResource, KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[kube(
    group = "migration.qianyun.dev",
    version = "v1alpha1",
    kind = "Approval",
    namespaced,
    shortname = "appr",
    category = "qianyun",
    status = "ApprovalStatus",
    derive = "PartialEq",
    doc = "One person's decision on one digest, made in a role.",
    printcolumn(name = "SUBJECT", type_ = "string", json_path = ".spec.subject.name"),
    printcolumn(name = "GATE", type_ = "string", json_path = ".spec.gate"),
    printcolumn(name = "OFFICE", type_ = "string", json_path = ".spec.role"),
    printcolumn(name = "DECISION", type_ = "string", json_path = ".spec.decision"),
    printcolumn(name = "BY", type_ = "string", json_path = ".spec.approvedBy"),
    printcolumn(
        name = "EFFECTIVE",
        type_ = "string",
        json_path = ".status.conditions[?(@.type==\"Effective\")].reason"
    ),
    printcolumn(name = "DIGEST", type_ = "string", json_path = ".spec.digest", priority = 1),
    printcolumn(name = "AGE", type_ = "date", json_path = ".metadata.creationTimestamp")
)]
#[serde(rename_all = "camelCase")]
pub struct ApprovalSpec {
    /// The gate that the decision is for: `PlanIssued`, `DepartmentConfirmed` or `DualApproved`.
    pub gate: GateName,
    /// The role in which the person decides; the person must hold verb `approve` on `approvalgates` of this name.
    pub role: String,
    /// What is decided on.
    pub subject: ApprovalSubject,
    /// Digest of exactly what was read, from the subject's status: `sha256:<hex>`.
    pub digest: String,
    /// The decision.
    pub decision: Decision,
    /// Opinion (意见); required for `Return`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub opinion: Option<String>,
    /// User name of the person who decides; must be the caller.
    pub approved_by: String,
}

/// What is decided on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ApprovalSubject {
    /// Kind.
    pub kind: SubjectKind,
    /// Name; a `SystemMigration` lies in the approval's own namespace.
    pub name: String,
    /// UID, so that an approval never passes to a new object of the same name.
    pub uid: String,
}

/// Kinds that can be decided on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
pub enum SubjectKind {
    /// 迁移计划.
    MigrationPlan,
    /// 迁移方案.
    SystemMigration,
}

/// A decision.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
pub enum Decision {
    /// 同意.
    Approve,
    /// 退回.
    Return,
}

/// What the controller says about an approval.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ApprovalStatus {
    /// `Effective`, with reason `Accepted`, `SubjectNotFound`, `DigestMismatch`, `SelfApproval`, `NotAuthorized`,
    /// `SamePersonTwice`, `RoleNotRequired` or `Superseded`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub conditions: Vec<Condition>,
}
