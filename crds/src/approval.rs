//! `Approval`: one person's decision on one digest. Append-only: never updated, never deleted by people.

use crate::GateName;
use crate::bounds::{Digest, ObjectName, RoleName, Text, Uid, UserName};
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
    selectable = ".spec.subject.name",
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
#[x_kube(validation = Rule::new("self == oldSelf").message(
    "a decision is never changed: make another Approval, the latest of a role counts"
))]
#[x_kube(validation = Rule::new("self.gate in ['PlanIssued', 'DepartmentConfirmed', 'DualApproved', 'PreAcceptanceApproved', 'Accepted']").message(
    "no person decides spec.gate: expected PlanIssued, DepartmentConfirmed, DualApproved, PreAcceptanceApproved or Accepted"
))]
#[x_kube(validation = Rule::new("(self.gate == 'PlanIssued') == (self.subject.kind == 'MigrationPlan') && (self.gate == 'Accepted') == (self.subject.kind == 'Acceptance') && (self.gate == 'PreAcceptanceApproved') == (self.subject.kind == 'AcceptanceApplication')").message(
    "spec.gate does not fit spec.subject.kind: PlanIssued is for a MigrationPlan, DepartmentConfirmed and DualApproved are for a SystemMigration, PreAcceptanceApproved is for an AcceptanceApplication, Accepted for an Acceptance"
))]
#[x_kube(validation = Rule::new("self.decision != 'Return' || (has(self.opinion) && size(self.opinion.trim()) > 0)").message(
    "a Return needs spec.opinion: say what has to be changed"
))]
#[serde(rename_all = "camelCase")]
pub struct ApprovalSpec {
    /// The gate that the decision is for: `PlanIssued`, `DepartmentConfirmed`, `DualApproved`, `PreAcceptanceApproved` or
    /// `Accepted`.
    pub gate: GateName,
    /// The role in which the person decides; the person must hold verb `approve` on `approvalgates` of this name.
    #[schemars(with = "RoleName")]
    pub role: String,
    /// What is decided on.
    pub subject: ApprovalSubject,
    /// Digest of exactly what was read, from the subject's status: `sha256:<hex>`; for an acceptance
    /// `applicationDigest` or `acceptanceDigest`.
    #[schemars(with = "Digest")]
    pub digest: String,
    /// The decision.
    pub decision: Decision,
    /// Opinion (意见); required for `Return`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<Text<2000>>")]
    pub opinion: Option<String>,
    /// User name of the person who decides; must be the caller.
    #[schemars(with = "UserName")]
    pub approved_by: String,
}

/// What is decided on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ApprovalSubject {
    /// Kind.
    pub kind: SubjectKind,
    /// Name; a `SystemMigration` lies in the approval's own namespace, and an acceptance goes by the name of its
    /// `SystemMigration`.
    #[schemars(with = "ObjectName")]
    pub name: String,
    /// UID, so that an approval never passes to a new object of the same name.
    #[schemars(with = "Uid")]
    pub uid: String,
}

/// Kinds that can be decided on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
pub enum SubjectKind {
    /// 迁移计划.
    MigrationPlan,
    /// 迁移方案.
    SystemMigration,
    /// 验收申请: the papers for an acceptance in a `SystemMigration`, with a digest of their own.
    AcceptanceApplication,
    /// 验收: the acceptance itself, with a digest of its own.
    Acceptance,
}

impl SubjectKind {
    /// Whether it lies in a `SystemMigration`, and goes by its name and namespace.
    pub fn is_of_migration(self) -> bool {
        match self {
            SubjectKind::SystemMigration | SubjectKind::AcceptanceApplication | SubjectKind::Acceptance => true,
            SubjectKind::MigrationPlan => false,
        }
    }
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
    #[schemars(with = "crate::bounds::Conditions")]
    pub conditions: Vec<Condition>,
}
