//! The gateway over real TLS on loopback, as an honest agent, a confused one and an attacker see it.

use super::*;
use crate::ca::{HostRequest, der_of};
use crate::fake_api::FakeApi;
use agents::HostKey;
use jiff::Timestamp;
use qianyun_agent_api::desired::Intent;
use qianyun_agent_api::enroll::{DECLARATION_EN, DECLARATION_ZH, Declaration};
use qianyun_agent_api::inventory::Fingerprint;
use qianyun_agent_api::{Refusal, RefusalReason};
use rcgen::{CertificateParams, KeyPair, PKCS_ECDSA_P256_SHA256};
use rustls::pki_types::{PrivateKeyDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use serde::Serialize;
use serde_json::{Value, json};
use std::net::SocketAddr;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

const GROUP: &str = "/apis/migration.qianyun.dev/v1alpha1";
const TOKEN: &str = "civil/registry.0123456789abcdef";

struct Bench {
    api: FakeApi,
    authority: Arc<Authority>,
    agents: Arc<Agents>,
    address: SocketAddr,
}

/// An agent: its key and, once it has one, its certificate.
struct Agent {
    key: KeyPair,
    certificate: Option<String>,
}

struct Answered {
    status: u16,
    body: Vec<u8>,
    head: String,
}

impl Answered {
    fn refusal(&self) -> RefusalReason {
        serde_json::from_slice::<Refusal>(&self.body).expect("a refusal").reason
    }

    fn json(&self) -> Value {
        assert_eq!(self.status, 200, "{}", String::from_utf8_lossy(&self.body));
        serde_json::from_slice(&self.body).unwrap()
    }
}

async fn bench(expires: &str) -> Bench {
    let (api, client) = FakeApi::with_client().await;
    let authority = Arc::new(crate::ca::tests::authority());
    let agents = Arc::new(Agents::new());
    agents.lead(1);
    api.put(
        &format!("{GROUP}/namespaces/civil/hostenrollments"),
        json!({"metadata": {"name": "registry"}, "spec": {"systemRef": "marriage", "room": "3F / A02", "maxHosts": 2,
            "expiresAt": expires}, "status": {"tokenSecret": "registry-token"}}),
    );
    let token = serde_json::to_value(k8s_openapi::ByteString(TOKEN.as_bytes().to_vec())).unwrap();
    let secret = json!({"metadata": {"name": "registry-token"}, "data": {"token": token}});
    api.put("/api/v1/namespaces/civil/secrets", secret);
    let contact = json!({"name": "n", "phone": "1", "duty": "d"});
    api.put(
        &format!("{GROUP}/namespaces/civil/informationsystems"),
        json!({"metadata": {"name": "marriage"}, "spec": {"displayName": "Marriage", "displayNameZh": "婚姻登记",
            "departmentRef": "civil-affairs", "category": "Business", "businessContact": contact,
            "technicalContact": contact, "declaration": {"classification": "NonClassified",
            "declaredBy": "n", "declaredOn": "2026-01-01"}}}),
    );
    let mut shared = Shared::new(Arc::clone(&agents), Arc::clone(&authority), client);
    shared.long_poll = Duration::from_millis(100);
    let shared = Arc::new(shared);
    let listening = Listening::open(shared, "127.0.0.1:0".parse().unwrap(), "https://127.0.0.1:8443").await.unwrap();
    let address = listening.address();
    tokio::spawn(listening.serve());
    Bench { api, authority, agents, address }
}

const LATER: &str = "2999-01-01T00:00:00Z";

impl Agent {
    fn new() -> Self {
        Self { key: KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).unwrap(), certificate: None }
    }

    fn csr(&self) -> String {
        CertificateParams::default().serialize_request(&self.key).unwrap().pem().unwrap()
    }

    fn request(&self, uuid: &str) -> EnrollRequest {
        EnrollRequest {
            token: TOKEN.into(),
            csr_pem: self.csr(),
            hostname: "db1.civil.gov.cn".into(),
            fingerprint: print(uuid),
            declaration: Declaration { statement: DECLARATION_ZH.into(), name: "王芳".into(), phone: "1".into() },
            agent_version: "0.1.0".into(),
        }
    }

    async fn call(&self, bench: &Bench, line: &str, body: &[u8]) -> std::io::Result<Answered> {
        let mut roots = RootCertStore::empty();
        roots.add(bench.authority.ca_der().clone()).unwrap();
        self.call_trusting(bench, roots, line, body).await
    }

    async fn call_trusting(
        &self,
        bench: &Bench,
        roots: RootCertStore,
        line: &str,
        body: &[u8],
    ) -> std::io::Result<Answered> {
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let config = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
        let config = config.with_root_certificates(roots);
        let config = match &self.certificate {
            None => config.with_no_client_auth(),
            Some(pem) => {
                let key = PrivateKeyDer::try_from(self.key.serialize_der()).unwrap();
                config.with_client_auth_cert(vec![der_of(pem).unwrap()], key).unwrap()
            }
        };
        let tcp = TcpStream::connect(bench.address).await?;
        let name = ServerName::from(bench.address.ip());
        let mut tls = TlsConnector::from(Arc::new(config)).connect(name, tcp).await?;
        let head = format!("{line} HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-length: {}\r\n\r\n", body.len());
        tls.write_all(head.as_bytes()).await?;
        // The gateway may answer and close before it has read a body that is too long.
        let _ = tls.write_all(body).await;
        let mut answer = Vec::new();
        let read = tls.read_to_end(&mut answer).await;
        let at = match (answer.windows(4).position(|four| four == b"\r\n\r\n"), read) {
            (Some(at), _) => at,
            (None, Err(error)) => return Err(error),
            (None, Ok(_)) => return Err(std::io::ErrorKind::UnexpectedEof.into()),
        };
        let head = String::from_utf8_lossy(&answer[..at]).into_owned();
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        Ok(Answered { status, body: answer[at + 4..].to_vec(), head })
    }

    async fn post<T: Serialize>(&self, bench: &Bench, path: &str, body: &T) -> Answered {
        self.call(bench, &format!("POST {path}"), &serde_json::to_vec(body).unwrap()).await.unwrap()
    }

    async fn enroll(&mut self, bench: &Bench, uuid: &str) -> HostKey {
        let answer = self.post(bench, "/v1/enroll", &self.request(uuid)).await.json();
        self.certificate = Some(answer["certificatePem"].as_str().unwrap().to_owned());
        HostKey::new(answer["namespace"].as_str().unwrap(), answer["host"].as_str().unwrap())
    }
}

fn print(uuid: &str) -> Fingerprint {
    Fingerprint { system_uuid: uuid.into(), system_serial: format!("serial of {uuid}"), board_serial: String::new() }
}

fn report(uuid: &str, role: Role, sequence: u64) -> Value {
    json!({"sequence": sequence, "bootId": "b", "processId": "p", "fingerprint": print(uuid), "role": role,
        "agentVersion": "0.1.0", "epoch": 0, "generation": 0, "clockUnixMs": 0})
}

#[tokio::test]
async fn a_host_enrols_reports_and_is_told_what_to_be() {
    let bench = bench(LATER).await;
    let mut agent = Agent::new();
    let host = agent.enroll(&bench, "u1").await;
    assert!(host.name.starts_with("db1-"), "{host}");
    let stored = &bench.api.all("physicalhosts")[0];
    assert_eq!(
        (&stored["spec"]["departmentRef"], &stored["spec"]["room"]),
        (&json!("civil-affairs"), &json!("3F / A02"))
    );
    assert_eq!(stored["spec"]["declaration"]["name"], "王芳");
    let answer = agent.post(&bench, "/v1/report", &report("u1", Role::Source, 1)).await;
    assert_eq!(answer.json()["wantInventory"], true);
    assert!(answer.head.to_lowercase().contains("\r\ndate: "), "{}", answer.head);
    assert_eq!(bench.agents.latest(&host, Role::Source).unwrap().report.sequence, 1);
    let unknown = agent.call(&bench, "GET /v1/desired?after=0&epoch=0", b"").await.unwrap();
    assert_eq!(unknown.status, 503);
    bench.agents.set_desired(&host, Role::Source, Intent::Idle {});
    let desired = agent.call(&bench, "GET /v1/desired?after=0&epoch=0", b"").await.unwrap().json();
    assert_eq!(desired, json!({"epoch": 1, "generation": 1, "intent": {"idle": {}}}));
}

#[tokio::test]
async fn an_old_sequence_is_answered_and_dropped() {
    let bench = bench(LATER).await;
    let mut agent = Agent::new();
    let host = agent.enroll(&bench, "u1").await;
    for sequence in [5, 4] {
        agent.post(&bench, "/v1/report", &report("u1", Role::Source, sequence)).await.json();
    }
    assert_eq!(bench.agents.latest(&host, Role::Source).unwrap().report.sequence, 5);
}

#[tokio::test]
async fn a_wrong_token_is_refused_and_nothing_is_stored() {
    let bench = bench(LATER).await;
    let agent = Agent::new();
    let wrong = ["civil/registry.0123456789abcdee", "civil/other.x", "other/registry.x", "", "x", "civil/registry."];
    for token in wrong {
        let request = EnrollRequest { token: token.into(), ..agent.request("u1") };
        let answer = agent.post(&bench, "/v1/enroll", &request).await;
        let expected = if token.is_empty() { RefusalReason::Malformed } else { RefusalReason::TokenUnknown };
        assert_eq!(answer.refusal(), expected, "{token}");
    }
    assert!(bench.api.all("physicalhosts").is_empty());
}

#[tokio::test]
async fn a_declaration_that_is_not_the_sentence_is_refused_before_the_token_is_looked_at() {
    let bench = bench(LATER).await;
    let agent = Agent::new();
    for statement in ["本机存储国家秘密", "", "yes", &format!("{DECLARATION_EN}, I think")] {
        let mut request = EnrollRequest { token: "nonsense".into(), ..agent.request("u1") };
        request.declaration.statement = statement.to_owned();
        let answer = agent.post(&bench, "/v1/enroll", &request).await;
        assert_eq!((answer.status, answer.refusal()), (403, RefusalReason::NotDeclaredNonClassified), "{statement}");
    }
    assert!(bench.api.all("physicalhosts").is_empty());
}

#[tokio::test]
async fn an_expired_enrolment_is_refused() {
    let bench = bench("2020-01-01T00:00:00Z").await;
    let agent = Agent::new();
    let answer = agent.post(&bench, "/v1/enroll", &agent.request("u1")).await;
    assert_eq!((answer.status, answer.refusal()), (403, RefusalReason::EnrollmentExpired));
    assert!(bench.api.all("physicalhosts").is_empty());
}

#[tokio::test]
async fn places_are_counted_also_when_all_come_at_once() {
    let bench = bench(LATER).await;
    let agents: Vec<Agent> = (0..5).map(|_| Agent::new()).collect();
    let calls = agents.iter().enumerate().map(|(index, agent)| {
        let request = agent.request(&format!("u{index}"));
        let bench = &bench;
        async move { agent.post(bench, "/v1/enroll", &request).await }
    });
    let answers = futures::future::join_all(calls).await;
    assert_eq!(answers.iter().filter(|answer| answer.status == 200).count(), 2);
    let refused = answers.iter().filter(|answer| answer.status != 200);
    assert!(refused.into_iter().all(|answer| answer.refusal() == RefusalReason::EnrollmentExhausted));
    assert_eq!(bench.api.all("physicalhosts").len(), 2);
}

#[tokio::test]
async fn the_same_machine_with_the_same_key_gets_its_place_again_and_another_key_does_not() {
    let bench = bench(LATER).await;
    let mut agent = Agent::new();
    let host = agent.enroll(&bench, "u1").await;
    assert_eq!(agent.enroll(&bench, "u1").await, host);
    let thief = Agent::new();
    let mut request = thief.request("u1");
    request.hostname = "other".into();
    let answer = thief.post(&bench, "/v1/enroll", &request).await;
    assert_eq!((answer.status, answer.refusal()), (409, RefusalReason::IdentityTaken));
    assert_eq!(bench.api.all("physicalhosts").len(), 1);
}

#[tokio::test]
async fn a_certificate_of_another_authority_ends_the_handshake() {
    let bench = bench(LATER).await;
    let mut agent = Agent::new();
    let host = agent.enroll(&bench, "u1").await;
    let foreign = crate::ca::tests::authority();
    let request = HostRequest::from_pem(&agent.csr()).unwrap();
    agent.certificate = Some(foreign.issue_host(&request, &host, Timestamp::now()).unwrap().pem);
    assert!(agent.call(&bench, "GET /v1/desired", b"").await.is_err());
}

#[tokio::test]
async fn an_agent_that_trusts_another_authority_does_not_talk_to_this_gateway() {
    let bench = bench(LATER).await;
    let mut roots = RootCertStore::empty();
    roots.add(crate::ca::tests::authority().ca_der().clone()).unwrap();
    assert!(Agent::new().call_trusting(&bench, roots, "GET /v1/ca", b"").await.is_err());
}

#[tokio::test]
async fn a_certificate_alone_is_not_enough() {
    let bench = bench(LATER).await;
    let agent = Agent::new();
    let answer = agent.post(&bench, "/v1/report", &report("u1", Role::Source, 1)).await;
    assert_eq!((answer.status, answer.refusal()), (401, RefusalReason::CertificateUnknown));
    let request = HostRequest::from_pem(&agent.csr()).unwrap();
    for (name, now) in [("ghost", Timestamp::now()), ("ghost", "2020-01-01T00:00:00Z".parse().unwrap())] {
        let issued = bench.authority.issue_host(&request, &HostKey::new("civil", name), now).unwrap();
        let agent =
            Agent { key: KeyPair::from_pem(&agent.key.serialize_pem()).unwrap(), certificate: Some(issued.pem) };
        let answer = agent.post(&bench, "/v1/report", &report("u1", Role::Source, 1)).await;
        assert_eq!((answer.status, answer.refusal()), (401, RefusalReason::CertificateUnknown));
    }
}

#[tokio::test]
async fn a_certificate_for_another_key_of_an_enrolled_host_is_not_enough() {
    let bench = bench(LATER).await;
    let host = Agent::new().enroll(&bench, "u1").await;
    let mut thief = Agent::new();
    let request = HostRequest::from_pem(&thief.csr()).unwrap();
    thief.certificate = Some(bench.authority.issue_host(&request, &host, Timestamp::now()).unwrap().pem);
    let answer = thief.post(&bench, "/v1/report", &report("u1", Role::Source, 1)).await;
    assert_eq!(answer.refusal(), RefusalReason::CertificateUnknown);
}

#[tokio::test]
async fn an_expired_certificate_can_be_renewed_for_the_same_key_and_do_nothing_else() {
    let bench = bench(LATER).await;
    let mut agent = Agent::new();
    let host = agent.enroll(&bench, "u1").await;
    let request = HostRequest::from_pem(&agent.csr()).unwrap();
    let old: Timestamp = "2025-01-01T00:00:00Z".parse().unwrap();
    agent.certificate = Some(bench.authority.issue_host(&request, &host, old).unwrap().pem);
    let refused = agent.post(&bench, "/v1/report", &report("u1", Role::Source, 1)).await;
    assert_eq!(refused.refusal(), RefusalReason::CertificateUnknown);
    let other = agent.post(&bench, "/v1/renew", &RenewRequest { csr_pem: Agent::new().csr() }).await;
    assert_eq!(other.refusal(), RefusalReason::Malformed);
    let renewed = agent.post(&bench, "/v1/renew", &RenewRequest { csr_pem: agent.csr() }).await.json();
    agent.certificate = Some(renewed["certificatePem"].as_str().unwrap().to_owned());
    agent.post(&bench, "/v1/report", &report("u1", Role::Source, 1)).await.json();
}

#[tokio::test]
async fn other_hardware_speaks_only_as_the_arrival_of_a_committed_cutover() {
    let bench = bench(LATER).await;
    let mut agent = Agent::new();
    let host = agent.enroll(&bench, "u1").await;
    for (uuid, role) in [("u2", Role::Source), ("u1", Role::Arrival), ("u2", Role::Arrival)] {
        let answer = agent.post(&bench, "/v1/report", &report(uuid, role, 1)).await;
        assert_eq!((answer.status, answer.refusal()), (403, RefusalReason::RoleNotAllowed), "{uuid} {role:?}");
    }
    let migration = |kind: &str| {
        json!({"metadata": {"name": "m"}, "spec": {"migrationRef": "s", "hostRef": host.name, "schemeDigest": "d",
            "intent": "Fence", "session": 1, "attempt": 1}, "status": {"cutover": {"attempt": 1, "source": "Prepared",
            "decision": {"kind": kind, "attempt": 1, "epoch": 1, "at": "2026-01-01T00:00:00Z", "reason": "r"}}}})
    };
    let collection = format!("{GROUP}/namespaces/civil/hostmigrations");
    bench.api.put(&collection, migration("Abort"));
    let answer = agent.post(&bench, "/v1/report", &report("u2", Role::Arrival, 1)).await;
    assert_eq!(answer.refusal(), RefusalReason::RoleNotAllowed);
    bench.api.put(&collection, migration("Commit"));
    agent.post(&bench, "/v1/report", &report("u2", Role::Arrival, 1)).await.json();
    assert!(bench.agents.latest(&host, Role::Arrival).is_some());
}

#[tokio::test]
async fn a_body_that_is_too_long_or_not_json_is_refused_without_its_contents() {
    let bench = bench(LATER).await;
    let agent = Agent::new();
    let long = vec![b' '; MAX_BODY_BYTES + 1];
    let answer = agent.call(&bench, "POST /v1/enroll", &long).await.unwrap();
    assert_eq!((answer.status, answer.refusal()), (413, RefusalReason::Malformed));
    let answer = agent.call(&bench, "POST /v1/enroll", br#"{"token":12345"#).await.unwrap();
    assert_eq!((answer.status, answer.refusal()), (400, RefusalReason::Malformed));
    assert!(!String::from_utf8_lossy(&answer.body).contains("12345"));
    let mut request = agent.request("u1");
    request.hostname = "x".repeat(254);
    assert_eq!(agent.post(&bench, "/v1/enroll", &request).await.refusal(), RefusalReason::Malformed);
}

#[tokio::test]
async fn a_known_host_is_heard_while_the_api_server_is_away() {
    let bench = bench(LATER).await;
    let mut agent = Agent::new();
    agent.enroll(&bench, "u1").await;
    agent.post(&bench, "/v1/report", &report("u1", Role::Source, 1)).await.json();
    bench.api.set_down(true);
    agent.post(&bench, "/v1/report", &report("u1", Role::Source, 2)).await.json();
    let mut stranger = Agent::new();
    assert_eq!(stranger.post(&bench, "/v1/enroll", &stranger.request("u2")).await.status, 503);
    bench.api.set_down(false);
    stranger.enroll(&bench, "u2").await;
}

#[tokio::test]
async fn a_standby_gives_the_ca_and_sends_all_else_away() {
    let bench = bench(LATER).await;
    bench.agents.lead(0);
    let agent = Agent::new();
    let answer = agent.call(&bench, "GET /v1/ca", b"").await.unwrap();
    assert_eq!(String::from_utf8(answer.body).unwrap(), bench.authority.ca_pem());
    let answer = agent.post(&bench, "/v1/enroll", &agent.request("u1")).await;
    assert_eq!(answer.status, 503);
    assert!(answer.head.to_lowercase().contains("retry-after: 2"), "{}", answer.head);
}
