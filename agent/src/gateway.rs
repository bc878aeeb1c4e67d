//! Client of the gateway: five calls, each on a connection of its own, with limits on time and size.
//!
//! It keeps no state but the address it last reached, so that a call needs no name service while disks are frozen.
//! A replica that does not lead has done nothing, so a call passes on to the next one, a few times; where a person waits for the
//! answer, until there is a leader again. It repeats no other call: whoever asks decides when to ask again.

use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Bytes;
use hyper::{Method, Request, StatusCode, header};
use hyper_util::rt::TokioIo;
use qianyun_agent_api::desired::Desired;
use qianyun_agent_api::enroll::{EnrollRequest, EnrollResponse, RenewRequest};
use qianyun_agent_api::report::{Report, ReportAnswer, Role};
use qianyun_agent_api::{LONG_POLL_SECONDS, MAX_BODY_BYTES, Refusal};
use rustls::ClientConfig;
use rustls_pki_types::ServerName;
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::net::TcpStream;

/// A call that is not a long poll ends within this: an inventory of 600 KiB over a line of 1 Mbit/s takes 5 s.
const CALL_LIMIT: Duration = Duration::from_secs(30);

/// A long poll ends within this: the gateway answers after [`LONG_POLL_SECONDS`], the rest is for the way.
const POLL_LIMIT: Duration = Duration::from_secs(LONG_POLL_SECONDS + 10);

/// Connections for one call. Of two replicas one leads, and which of them a connection meets is chance: one connection misses the
/// leader every other time, so a server at rest would be heard of after 15 s, or 30, or 45. Four miss it once in 16 times.
const CONNECTIONS: usize = 4;

/// How often a call is made for a person who types it once, a second apart: another replica leads 20 s after the death of one at
/// the latest.
const CALLS_FOR_A_PERSON: usize = 25;
const BETWEEN_CALLS: Duration = Duration::from_secs(1);

/// Why a call came to nothing.
#[derive(Debug, thiserror::Error)]
pub(crate) enum GatewayError {
    /// `--server` is not an address of the form that is expected.
    #[error("expected --server as https://host:port, found {found:?}")]
    BadAddress { found: String },
    /// No connection, or it broke.
    #[error("cannot reach the gateway at {server}")]
    Unreachable {
        server: String,
        #[source]
        source: std::io::Error,
    },
    /// The connection is not, or no longer, one over which HTTP can be spoken.
    #[error("the connection to {server} broke")]
    Broken {
        server: String,
        #[source]
        source: hyper::Error,
    },
    /// The gateway did not answer in time.
    #[error("the gateway at {server} did not answer within {limit_s} s")]
    TimedOut { server: String, limit_s: u64 },
    /// The gateway said no.
    #[error("the gateway refused ({status}): {}", .refusal.message)]
    Refused { status: u16, refusal: Refusal },
    /// A replica that does not lead, or something that is not a gateway.
    #[error("the gateway at {server} answered {status}: expected 200")]
    NotServing { server: String, status: u16 },
    /// An answer that cannot be understood.
    #[error("the answer of {path} cannot be understood: {detail}")]
    Malformed { path: String, detail: String },
}

/// A gateway and how to trust it.
#[derive(Clone)]
pub(crate) struct Gateway {
    host: String,
    port: u16,
    tls: Arc<ClientConfig>,
    last_reached: Arc<Mutex<Option<SocketAddr>>>,
}

/// An answer with what came beside it.
pub(crate) struct Answer {
    body: Bytes,
    /// The `Date` header: the gateway's clock.
    pub(crate) date: Option<String>,
}

impl Gateway {
    /// A client for `server` (`https://host:port`).
    pub(crate) fn new(server: &str, tls: Arc<ClientConfig>) -> Result<Self, GatewayError> {
        let bad = || GatewayError::BadAddress { found: server.to_owned() };
        let uri: hyper::Uri = server.parse().map_err(|_| bad())?;
        if uri.scheme_str() != Some("https") || !matches!(uri.path(), "" | "/") {
            return Err(bad());
        }
        // An IPv6 address stands in brackets in an URL and without them everywhere else.
        let host = uri.host().ok_or_else(bad)?.trim_matches(['[', ']']).to_owned();
        Ok(Self { host, port: uri.port_u16().unwrap_or(443), tls, last_reached: Arc::default() })
    }

    /// The CA certificate, PEM. To be checked against the pinned hash by the caller.
    pub(crate) async fn ca(&self) -> Result<String, GatewayError> {
        let answer = for_a_person(|| self.ask(Method::GET, "/v1/ca", Bytes::new())).await?;
        String::from_utf8(answer.body.to_vec())
            .map_err(|_| GatewayError::Malformed { path: "/v1/ca".into(), detail: "expected PEM text".into() })
    }

    /// Asks to join.
    pub(crate) async fn enroll(&self, request: &EnrollRequest) -> Result<EnrollResponse, GatewayError> {
        Ok(for_a_person(|| self.post("/v1/enroll", request)).await?.0)
    }

    /// Asks for a new certificate.
    pub(crate) async fn renew(&self, csr_pem: String) -> Result<EnrollResponse, GatewayError> {
        Ok(self.post("/v1/renew", &RenewRequest { csr_pem }).await?.0)
    }

    /// Tells everything; also gives the gateway's clock, if it showed it.
    pub(crate) async fn report(&self, report: &Report) -> Result<(ReportAnswer, Option<String>), GatewayError> {
        self.post("/v1/report", report).await
    }

    /// What this machine is to be; returns when that differs from `(epoch, generation)`, or after the long poll. Meets one replica
    /// only: it is asked again and again anyway, by all servers at once while nobody leads.
    pub(crate) async fn desired(&self, role: Role, epoch: u64, generation: u64) -> Result<Desired, GatewayError> {
        let path = format!("/v1/desired?after={generation}&epoch={epoch}&role={role:?}");
        let answer = self.call(Method::GET, &path, Bytes::new(), POLL_LIMIT).await?;
        decode(&path, &answer.body)
    }

    async fn post<Q: Serialize, A: DeserializeOwned>(
        &self,
        path: &str,
        request: &Q,
    ) -> Result<(A, Option<String>), GatewayError> {
        let body = serde_json::to_vec(request)
            .map_err(|error| GatewayError::Malformed { path: path.to_owned(), detail: error.to_string() })?;
        let answer = self.ask(Method::POST, path, body.into()).await?;
        Ok((decode(path, &answer.body)?, answer.date))
    }

    async fn ask(&self, method: Method, path: &str, body: Bytes) -> Result<Answer, GatewayError> {
        of_the_leader(|| self.call(method.clone(), path, body.clone(), CALL_LIMIT)).await
    }

    async fn call(&self, method: Method, path: &str, body: Bytes, limit: Duration) -> Result<Answer, GatewayError> {
        match tokio::time::timeout(limit, self.exchange(method, path, body)).await {
            Ok(answer) => answer,
            Err(_) => Err(GatewayError::TimedOut { server: self.name(), limit_s: limit.as_secs() }),
        }
    }

    async fn exchange(&self, method: Method, path: &str, body: Bytes) -> Result<Answer, GatewayError> {
        let unreachable = |source| GatewayError::Unreachable { server: self.name(), source };
        let broken = |source| GatewayError::Broken { server: self.name(), source };
        let malformed = |detail: String| GatewayError::Malformed { path: path.to_owned(), detail };
        let tcp = self.connect().await.map_err(unreachable)?;
        let name = ServerName::try_from(self.host.clone())
            .map_err(|_| GatewayError::BadAddress { found: self.host.clone() })?;
        let tls = tokio_rustls::TlsConnector::from(self.tls.clone()).connect(name, tcp).await.map_err(unreachable)?;
        let (mut sender, connection) =
            hyper::client::conn::http1::handshake(TokioIo::new(tls)).await.map_err(broken)?;
        let driver = tokio::spawn(connection);
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header(header::HOST, self.name())
            .header(header::CONTENT_TYPE, "application/json")
            .header(header::CONNECTION, "close")
            .body(Full::new(body))
            .map_err(|error| malformed(error.to_string()))?;
        let response = sender.send_request(request).await.map_err(broken)?;
        let status = response.status();
        let date = (response.headers().get(header::DATE)).and_then(|v| v.to_str().ok()).map(str::to_owned);
        let body = Limited::new(response.into_body(), MAX_BODY_BYTES).collect().await;
        driver.abort();
        let body = body.map_err(|error| malformed(error.to_string()))?.to_bytes();
        self.judge(status, body, date)
    }

    fn judge(&self, status: StatusCode, body: Bytes, date: Option<String>) -> Result<Answer, GatewayError> {
        if status.is_success() {
            return Ok(Answer { body, date });
        }
        match serde_json::from_slice::<Refusal>(&body) {
            Ok(refusal) if status.is_client_error() => Err(GatewayError::Refused { status: status.as_u16(), refusal }),
            Ok(_) | Err(_) => Err(GatewayError::NotServing { server: self.name(), status: status.as_u16() }),
        }
    }

    /// Connects by name; by the address last reached where the name cannot be resolved.
    async fn connect(&self) -> std::io::Result<TcpStream> {
        let last = *self.last_reached.lock().unwrap_or_else(PoisonError::into_inner);
        let stream = match (TcpStream::connect((self.host.as_str(), self.port)).await, last) {
            (Ok(stream), _) => stream,
            (Err(_), Some(address)) => TcpStream::connect(address).await?,
            (Err(error), None) => return Err(error),
        };
        let address = stream.peer_addr()?;
        *self.last_reached.lock().unwrap_or_else(PoisonError::into_inner) = Some(address);
        stream.set_nodelay(true)?;
        Ok(stream)
    }

    fn name(&self) -> String {
        if self.host.contains(':') {
            format!("[{}]:{}", self.host, self.port)
        } else {
            format!("{}:{}", self.host, self.port)
        }
    }
}

/// Asks, and at once again where a replica answered that does not lead.
async fn of_the_leader<A, F: Future<Output = Result<A, GatewayError>>>(ask: impl Fn() -> F) -> Result<A, GatewayError> {
    while_nobody_leads(CONNECTIONS, None, ask).await
}

/// Asks until somebody leads, for as long as it takes another replica to.
async fn for_a_person<A, F: Future<Output = Result<A, GatewayError>>>(ask: impl Fn() -> F) -> Result<A, GatewayError> {
    while_nobody_leads(CALLS_FOR_A_PERSON, Some(BETWEEN_CALLS), ask).await
}

/// Asks so often at most, and only again where the one that answered does not lead.
async fn while_nobody_leads<A, F: Future<Output = Result<A, GatewayError>>>(
    times: usize,
    pause: Option<Duration>,
    ask: impl Fn() -> F,
) -> Result<A, GatewayError> {
    for _ in 1..times {
        match ask().await {
            Err(GatewayError::NotServing { status: 503, .. }) => {}
            answer => return answer,
        }
        if let Some(pause) = pause {
            tokio::time::sleep(pause).await;
        }
    }
    ask().await
}

fn decode<A: DeserializeOwned>(path: &str, body: &[u8]) -> Result<A, GatewayError> {
    serde_json::from_slice(body)
        .map_err(|error| GatewayError::Malformed { path: path.to_owned(), detail: error.to_string() })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::cell::Cell;

    fn gateway(server: &str) -> Result<Gateway, GatewayError> {
        Gateway::new(server, crate::tls::without_trust().unwrap())
    }

    #[test]
    fn only_https_addresses_without_a_path_are_accepted() {
        assert_eq!(gateway("https://gw.example:8443").unwrap().name(), "gw.example:8443");
        assert_eq!(gateway("https://[fd00::1]:8443/").unwrap().name(), "[fd00::1]:8443");
        assert_eq!(gateway("https://gw.example").unwrap().port, 443);
        for bad in ["http://gw:8443", "gw:8443", "https://gw:8443/api", ""] {
            assert!(matches!(gateway(bad), Err(GatewayError::BadAddress { .. })), "{bad}");
        }
    }

    #[test]
    fn a_refusal_keeps_its_words_and_a_503_is_not_one() {
        let gateway = gateway("https://gw").unwrap();
        let body = Bytes::from(r#"{"reason":"TokenUnknown","message":"no such token","remedy":"ask for one"}"#);
        let refused = gateway.judge(StatusCode::FORBIDDEN, body.clone(), None);
        assert!(
            matches!(refused, Err(GatewayError::Refused { status: 403, refusal }) if refusal.remedy == "ask for one")
        );
        let elsewhere = gateway.judge(StatusCode::SERVICE_UNAVAILABLE, body, None);
        assert!(matches!(elsewhere, Err(GatewayError::NotServing { status: 503, .. })));
    }

    /// An answer of this status; none for 0.
    async fn answer(status: u16) -> Result<(), GatewayError> {
        let server = "gw".to_owned();
        match status {
            200 => Ok(()),
            0 => Err(GatewayError::TimedOut { server, limit_s: 30 }),
            status => Err(GatewayError::NotServing { server, status }),
        }
    }

    /// How often is asked, and whether that came to something, where the answers are these.
    async fn asked(answers: &[u16]) -> (usize, bool) {
        let count = Cell::new(0);
        let told = of_the_leader(|| answer(answers[count.replace(count.get() + 1)])).await.is_ok();
        (count.get(), told)
    }

    #[tokio::test(start_paused = true)]
    async fn a_person_is_answered_by_the_next_leader_and_told_after_a_while_that_there_is_none() {
        let began = tokio::time::Instant::now();
        let led_from = began + Duration::from_secs(20);
        let status = || if tokio::time::Instant::now() < led_from { 503 } else { 200 };
        assert!(for_a_person(|| answer(status())).await.is_ok());
        assert_eq!(began.elapsed(), Duration::from_secs(20));
        assert!(for_a_person(|| answer(503)).await.is_err());
        assert!(for_a_person(|| answer(500)).await.is_err());
        assert_eq!(began.elapsed(), Duration::from_secs(44));
    }

    #[tokio::test]
    async fn a_call_goes_past_replicas_that_do_not_lead_and_does_not_press_a_gateway_that_ails() {
        assert_eq!(asked(&[200]).await, (1, true));
        assert_eq!(asked(&[503, 503, 200]).await, (3, true));
        assert_eq!(asked(&[503, 503, 503, 503, 200]).await, (4, false));
        assert_eq!(asked(&[500, 200]).await, (1, false), "who leads and fails is not asked at once again");
        assert_eq!(asked(&[0, 200]).await, (1, false), "nor is who does not answer");
    }
}
