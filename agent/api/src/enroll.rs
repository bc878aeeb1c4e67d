//! First contact: the declaration, the request to join, and the identity that comes back.

use crate::inventory::Fingerprint;
use serde::{Deserialize, Serialize};

/// The sentence that the admin must type, word for word, before anything is read.
pub const DECLARATION_ZH: &str = "本机不存储、不处理国家秘密";
/// The same sentence for terminals that cannot draw Chinese.
pub const DECLARATION_EN: &str = "This machine neither stores nor processes state secrets";

/// What the department's admin declared at the terminal (Art. 22, 24: non-classified systems only).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Declaration {
    /// The sentence as typed: [`DECLARATION_ZH`] or [`DECLARATION_EN`], or the request is refused and nothing is kept.
    pub statement: String,
    /// The declaring person's name, 1 to 64 characters.
    pub name: String,
    /// The declaring person's telephone number, 1 to 32 characters.
    pub phone: String,
}

impl Declaration {
    /// Whether the statement is one of the two accepted sentences.
    pub fn is_non_classified(&self) -> bool {
        let typed = self.statement.trim();
        typed == DECLARATION_ZH || typed == DECLARATION_EN
    }
}

/// `POST /v1/enroll`. Sent only after the gateway's CA matched the pinned hash.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct EnrollRequest {
    /// The one-time secret from the operator, `<id>.<secret>`.
    pub token: String,
    /// PKCS#10 request in PEM; its subject is ignored, the gateway names the host.
    pub csr_pem: String,
    /// Host name as the machine knows it.
    pub hostname: String,
    /// The hardware, never the MAC.
    pub fingerprint: Fingerprint,
    /// What the admin declared.
    pub declaration: Declaration,
    /// Version of the agent.
    pub agent_version: String,
}

impl std::fmt::Debug for EnrollRequest {
    /// Leaves the token out: it is a secret.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("EnrollRequest").field("hostname", &self.hostname).finish_non_exhaustive()
    }
}

/// The identity given to a host, and what the agent shows about it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct EnrollResponse {
    /// Namespace of the `PhysicalHost`.
    pub namespace: String,
    /// Name of the `PhysicalHost`.
    pub host: String,
    /// Client certificate, PEM, CN `host:<namespace>/<host>`.
    pub certificate_pem: String,
    /// The CA's certificate, PEM.
    pub ca_pem: String,
    /// Display name of the department.
    pub department: String,
    /// Name of the information system.
    pub system: String,
}

/// `POST /v1/renew`: a new certificate for a key that may be new.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RenewRequest {
    /// PKCS#10 request in PEM.
    pub csr_pem: String,
}
