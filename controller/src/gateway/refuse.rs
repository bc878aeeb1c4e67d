//! How the gateway says no: a reason a program can match, and two sentences for the person at the terminal.
//!
//! Nothing secret and nothing of another host goes into a refusal.

use axum::Json;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use qianyun_agent_api::{Refusal, RefusalReason};

/// After how many seconds an agent may come back to a replica that cannot answer now. Taking over a lease takes 17 s;
/// asking eight times in between costs nothing.
const RETRY_AFTER: HeaderValue = HeaderValue::from_static("2");

/// An answer that is not the one that was asked for.
#[derive(Debug)]
pub(crate) enum Refused {
    /// The caller has to change something.
    Caller(StatusCode, Refusal),
    /// This replica does not lead, or cannot reach the API server, or does not know yet what the host is to be.
    NotNow,
}

impl Refused {
    fn new(status: StatusCode, reason: RefusalReason, message: impl Into<String>, remedy: &str) -> Self {
        Self::Caller(status, Refusal { reason, message: message.into(), remedy: remedy.to_owned() })
    }

    /// Wrong and deleted tokens are not told apart.
    pub(crate) fn token_unknown() -> Self {
        let remedy = "Ask the platform operator for the command line of a valid enrolment, and type it as it is.";
        Self::new(StatusCode::UNAUTHORIZED, RefusalReason::TokenUnknown, "The enrolment token is not known.", remedy)
    }

    /// Too late.
    pub(crate) fn expired(at: &str) -> Self {
        let message = format!("The enrolment expired at {at}.");
        let remedy = "Ask the platform operator for a new enrolment.";
        Self::new(StatusCode::FORBIDDEN, RefusalReason::EnrollmentExpired, message, remedy)
    }

    /// Too many.
    pub(crate) fn exhausted(places: i32) -> Self {
        let message = format!("All {places} places of the enrolment are taken.");
        let remedy = "Ask the platform operator to raise the number of hosts, or for another enrolment.";
        Self::new(StatusCode::FORBIDDEN, RefusalReason::EnrollmentExhausted, message, remedy)
    }

    /// The declaration is not the sentence.
    pub(crate) fn not_declared() -> Self {
        let message = "The declaration does not say that this machine is non-classified; nothing about it was stored.";
        let remedy = "A machine that stores or processes state secrets must not be migrated here. Otherwise type the \
                      sentence word for word.";
        Self::new(StatusCode::FORBIDDEN, RefusalReason::NotDeclaredNonClassified, message, remedy)
    }

    /// The hardware belongs to a host already.
    pub(crate) fn identity_taken() -> Self {
        let message = "A host with this hardware identity is enrolled already, with another key or enrolment.";
        let remedy = "If this is that machine, ask the platform operator to delete its PhysicalHost; if it is not, its \
                      firmware has the serial numbers of another machine.";
        Self::new(StatusCode::CONFLICT, RefusalReason::IdentityTaken, message, remedy)
    }

    /// A field is not what it has to be.
    pub(crate) fn malformed(what: &str, expected: &str, found: impl std::fmt::Display) -> Self {
        let message = format!("{what}: expected {expected}, found {found}.");
        let remedy = "Install the agent of this release; if it is installed, report this as a fault.";
        Self::new(StatusCode::BAD_REQUEST, RefusalReason::Malformed, message, remedy)
    }

    /// The body is longer than anything honest.
    pub(crate) fn too_long(limit: usize) -> Self {
        let message = format!("The body could not be read: expected at most {limit} bytes, sent without a break.");
        let remedy = "Install the agent of this release; if it is installed, report this as a fault.";
        Self::new(StatusCode::PAYLOAD_TOO_LARGE, RefusalReason::Malformed, message, remedy)
    }

    /// No certificate, or not one of an enrolled host.
    pub(crate) fn certificate_unknown(why: &str) -> Self {
        let message = format!("The certificate is not one of an enrolled host: {why}.");
        let remedy =
            "Enrol this machine again; if its PhysicalHost was deleted by mistake, tell the platform operator.";
        Self::new(StatusCode::UNAUTHORIZED, RefusalReason::CertificateUnknown, message, remedy)
    }

    /// The machine may not speak in this role.
    pub(crate) fn role_not_allowed(message: &str) -> Self {
        let remedy =
            "Switch this machine off: only one machine may have this identity. Then tell the platform operator.";
        Self::new(StatusCode::FORBIDDEN, RefusalReason::RoleNotAllowed, message, remedy)
    }
}

impl IntoResponse for Refused {
    fn into_response(self) -> Response {
        match self {
            Self::Caller(status, refusal) => (status, Json(refusal)).into_response(),
            Self::NotNow => (StatusCode::SERVICE_UNAVAILABLE, [(header::RETRY_AFTER, RETRY_AFTER)]).into_response(),
        }
    }
}
