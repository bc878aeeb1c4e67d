//! The wire contract between the gateway and the agents: JSON over HTTPS, always opened by the agent.
//!
//! | call | who | what |
//! |---|---|---|
//! | `GET  /v1/ca` | anyone | the CA certificate, to be compared with the pinned hash before anything is sent |
//! | `POST /v1/enroll` | token | [`enroll::EnrollRequest`] → [`enroll::EnrollResponse`] |
//! | `POST /v1/renew` | host certificate | [`enroll::RenewRequest`] → [`enroll::EnrollResponse`] |
//! | `POST /v1/report` | host certificate | [`report::Report`] → [`report::ReportAnswer`] |
//! | `GET  /v1/desired?after=G&epoch=E&role=R` | host certificate | long poll: [`desired::Desired`] at once if it differs from `(E, G)`, else within [`LONG_POLL_SECONDS`] |
//!
//! Errors are [`Refusal`] with an HTTP status of 4xx, or 503 with `Retry-After` from a replica that does not lead.
//!
//! Compatibility: readers ignore fields they do not know; fields are only added, with a default. A change that an older
//! peer must not misread gets a new path prefix. This crate holds no logic beyond canonical forms: no clock, no
//! network, no file system.
#![deny(missing_docs)]

pub mod canonical;
pub mod check;
pub mod desired;
pub mod enroll;
pub mod inventory;
pub mod record;
pub mod report;

use serde::{Deserialize, Serialize};

/// How long the gateway holds a `GET /v1/desired` that has nothing new: below the 30 s after which common proxies and
/// firewalls drop a silent connection.
pub const LONG_POLL_SECONDS: u64 = 20;

/// The largest body either side accepts, in bytes. The largest honest one is a report with an inventory of 60 disks,
/// 500 units and 2,000 sockets: about 600 KiB.
pub const MAX_BODY_BYTES: usize = 2 * 1024 * 1024;

/// Why the gateway refused a call; the agent prints `message` and `remedy` to the person at the terminal.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Refusal {
    /// What kind of refusal this is.
    pub reason: RefusalReason,
    /// What happened, one English sentence without secrets.
    pub message: String,
    /// What to do about it, one English sentence.
    pub remedy: String,
}

/// The kinds of refusal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum RefusalReason {
    /// The enrolment token is not known. Wrong and deleted tokens are not told apart.
    TokenUnknown,
    /// The enrolment that the token belongs to has expired.
    EnrollmentExpired,
    /// All places of the enrolment are taken.
    EnrollmentExhausted,
    /// The declaration does not say that the machine is non-classified. Nothing about the machine was stored.
    NotDeclaredNonClassified,
    /// Another enrolled host has this hardware identity.
    IdentityTaken,
    /// The request is not well formed: `message` says where.
    Malformed,
    /// The certificate is not one of a host that is enrolled.
    CertificateUnknown,
    /// The report comes from hardware, or in a role, that the host may not have now.
    RoleNotAllowed,
}
