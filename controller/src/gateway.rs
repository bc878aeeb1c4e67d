//! The gateway: where agents enrol, report and ask what they are to be. Always called, never calls.
//!
//! It serves on every replica, and answers 503 on those that do not lead, but for the CA certificate. It decides nothing
//! about a journey: what was said goes to the reconcilers through [`agents::Agents`], and comes back the same way.

pub(crate) mod agents;
mod desired;
mod enroll;
mod identity;
mod listen;
mod refuse;
mod reports;

use crate::ca::Authority;
use agents::Agents;
use axum::body::Bytes;
use axum::extract::rejection::BytesRejection;
use axum::extract::{DefaultBodyLimit, Extension, Query, Request, State};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use desired::Known;
use identity::{Directory, Expired, Peer};
use kube::Client;
pub(crate) use listen::Listening;
use qianyun_agent_api::desired::Desired;
use qianyun_agent_api::enroll::{EnrollRequest, EnrollResponse, RenewRequest};
use qianyun_agent_api::report::{Report, ReportAnswer, Role};
use qianyun_agent_api::{LONG_POLL_SECONDS, MAX_BODY_BYTES};
use refuse::Refused;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use std::sync::Arc;
use std::time::Duration;

/// A request that takes longer than this is given up: the long poll, and 10 s for the API server.
const REQUEST_LIMIT: Duration = Duration::from_secs(LONG_POLL_SECONDS + 10);

/// What every request can reach.
pub(crate) struct Shared {
    agents: Arc<Agents>,
    authority: Arc<Authority>,
    client: Client,
    directory: Directory,
    enrolling: tokio::sync::Mutex<()>,
    long_poll: Duration,
}

impl Shared {
    /// What the gateway works with.
    pub(crate) fn new(agents: Arc<Agents>, authority: Arc<Authority>, client: Client) -> Self {
        let directory = Directory::new(client.clone());
        let long_poll = Duration::from_secs(LONG_POLL_SECONDS);
        Self { agents, authority, client, directory, enrolling: tokio::sync::Mutex::default(), long_poll }
    }
}

/// The calls of the contract, as `qianyun-agent-api` lists them.
fn router(shared: Arc<Shared>) -> Router {
    let leader_only = Router::new()
        .route("/v1/enroll", post(post_enroll))
        .route("/v1/renew", post(post_renew))
        .route("/v1/report", post(post_report))
        .route("/v1/desired", get(get_desired))
        .layer(middleware::from_fn_with_state(Arc::clone(&shared), only_leading));
    Router::new()
        .route("/v1/ca", get(get_ca))
        .merge(leader_only)
        .layer(middleware::from_fn(in_time))
        .layer(DefaultBodyLimit::max(MAX_BODY_BYTES))
        .with_state(shared)
}

async fn only_leading(State(shared): State<Arc<Shared>>, request: Request, next: Next) -> Response {
    match shared.agents.epoch() {
        Some(_) => next.run(request).await,
        None => Refused::NotNow.into_response(),
    }
}

async fn in_time(request: Request, next: Next) -> Response {
    match tokio::time::timeout(REQUEST_LIMIT, next.run(request)).await {
        Ok(response) => response,
        Err(_) => Refused::NotNow.into_response(),
    }
}

async fn get_ca(State(shared): State<Arc<Shared>>) -> String {
    shared.authority.ca_pem().to_owned()
}

async fn post_enroll(
    State(shared): State<Arc<Shared>>,
    body: Result<Bytes, BytesRejection>,
) -> Result<Json<EnrollResponse>, Refused> {
    let request: EnrollRequest = decode(body)?;
    enroll::enroll(&shared, request).await.map(Json)
}

async fn post_renew(
    State(shared): State<Arc<Shared>>,
    Extension(peer): Extension<Peer>,
    body: Result<Bytes, BytesRejection>,
) -> Result<Json<EnrollResponse>, Refused> {
    let caller = shared.directory.caller(&shared.authority, &peer, Expired::Accept).await?;
    let request: RenewRequest = decode(body)?;
    enroll::renew(&shared, &caller, &request).await.map(Json)
}

async fn post_report(
    State(shared): State<Arc<Shared>>,
    Extension(peer): Extension<Peer>,
    body: Result<Bytes, BytesRejection>,
) -> Result<Json<ReportAnswer>, Refused> {
    let caller = shared.directory.caller(&shared.authority, &peer, Expired::Refuse).await?;
    let report: Report = decode(body)?;
    reports::take(&shared, &caller, report).await.map(Json)
}

#[derive(Deserialize)]
struct DesiredQuery {
    #[serde(default)]
    after: u64,
    #[serde(default)]
    epoch: u64,
    /// As which of the two machines the caller asks. Not proven here: either is told only what it may do.
    #[serde(default)]
    role: Role,
}

async fn get_desired(
    State(shared): State<Arc<Shared>>,
    Extension(peer): Extension<Peer>,
    Query(query): Query<DesiredQuery>,
) -> Result<Json<Desired>, Refused> {
    let caller = shared.directory.caller(&shared.authority, &peer, Expired::Refuse).await?;
    let known = Known { epoch: query.epoch, generation: query.after };
    desired::wait(&shared.agents, &caller.key, query.role, known, shared.long_poll).await.map(Json)
}

/// Reads a body. The error names the place, never the contents: they may hold a token.
fn decode<T: DeserializeOwned>(body: Result<Bytes, BytesRejection>) -> Result<T, Refused> {
    let body = body.map_err(|_| Refused::too_long(MAX_BODY_BYTES))?;
    serde_json::from_slice(&body).map_err(|error| {
        let place = format!("something else at line {} column {}", error.line(), error.column());
        Refused::malformed("The body", "json as the contract says", place)
    })
}

#[cfg(test)]
mod tests;
